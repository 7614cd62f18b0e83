/** basic.nack as a client says it: back to the queue. The server's own, for publishes, has no such bit. */

import { putU32, putU64 } from "../../../base/bytes.ts";
import type { Output } from "../../../wire/output.ts";
import { writeFrameHeader } from "../amqp091/codec.ts";
import { frameEnd, frameTypes, nackId } from "../amqp091/frames.ts";

export function writeNackRequeue(output: Output, channel: number, deliveryTag: number, isMultiple: boolean): void {
  const at = output.reserve(21);
  const { buffer } = output;
  writeFrameHeader(buffer, at, frameTypes.method, channel, 13);
  putU32(buffer, at + 7, nackId);
  putU64(buffer, at + 11, deliveryTag);
  buffer[at + 19] = isMultiple ? 3 : 2;
  buffer[at + 20] = frameEnd;
}
