/**
 * librdkafka as a reader of what transactions of several producers have left in one partition. kafkajs (2.2.4) cannot be asked:
 * it begins with one aborted transaction for each message that it looks at, so that of two which began before a fetch the
 * second may count as aborted after its end. What its producer commits next is not handed out then.
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { run } from "../interop/client-suite.ts";

const program = fileURLToPath(new URL("kafka-reader.py", import.meta.url));

/** All that a topic holds under read_committed, by partition. `python`: one that has confluent-kafka. */
export async function readCommitted(
  python: string,
  address: string,
  topic: string,
  partitions: number,
): Promise<string[][]> {
  const { status, output, errors } = await run(python, [program, address, topic, String(partitions)]);
  assert.equal(status, 0, errors);
  const received = Array.from({ length: partitions }, (): string[] => []);
  for (const line of output.trimEnd().split("\n")) {
    const space = line.indexOf(" ");
    if (space > 0) received[Number(line.slice(0, space))]!.push(line.slice(space + 1));
  }
  return received;
}
