/** Where the parts of a stored message lie that is to be written to a client. */

import { bytesOfText, isTextOfBytes } from "../../../base/byte-text.ts";
import type { Broker, Entry } from "../../../broker/api.ts";
import { foreignContent } from "../model/foreign-content.ts";
import { amqpFormatId } from "../model/format.ts";
import type { ContentParts } from "./codec-hot.ts";

/** To whom it is written. */
interface Peer {
  readonly frameMaxBytes: number;
  readonly hub: { readonly broker: Broker };
}

/** Of a content header frame, what is not properties. */
const headerFrameBytes = 22;
/** What a delivery may add to them: `x-stream-offset` or `x-delivery-count`, and the table to have it in. */
const addedBytesMax = 30;

/** Points `into` at a stored message. */
export function partsOfEntry(entry: Entry, peer: Peer, into: ContentParts): void {
  into.source = entry.buffer;
  into.exchangeStart = entry.exchangeStart;
  into.exchangeEnd = entry.exchangeEnd;
  into.routingKeyStart = entry.routingKeyStart;
  into.routingKeyEnd = entry.routingKeyEnd;
  into.bodyStart = entry.bodyStart;
  into.bodyEnd = entry.bodyEnd;
  into.headSource = entry.buffer;
  into.headStart = entry.headStart;
  into.headEnd = entry.headEnd;
  if (entry.format !== amqpFormatId) translate(entry, peer, into);
}

function translate(entry: Entry, { frameMaxBytes, hub }: Peer, into: ContentParts): void {
  const headBytesMax = frameMaxBytes === 0 ? Infinity : frameMaxBytes - headerFrameBytes - addedBytesMax;
  const { head, exchange, routingKey } = foreignContent(hub.broker, entry, headBytesMax);
  into.headSource = head;
  into.headStart = 0;
  into.headEnd = head.length;
  const isExchangeKept = isTextOfBytes(exchange, entry.buffer, entry.exchangeStart, entry.exchangeEnd);
  if (isExchangeKept && isTextOfBytes(routingKey, entry.buffer, entry.routingKeyStart, entry.routingKeyEnd)) return;
  // Names and body have to lie in one buffer.
  const exchangeBytes = bytesOfText(exchange);
  const source = Buffer.concat([
    exchangeBytes,
    bytesOfText(routingKey),
    entry.buffer.subarray(entry.bodyStart, entry.bodyEnd),
  ]);
  into.source = source;
  into.exchangeStart = 0;
  into.exchangeEnd = exchangeBytes.length;
  into.routingKeyStart = exchangeBytes.length;
  into.bodyEnd = source.length;
  into.bodyStart = source.length - (entry.bodyEnd - entry.bodyStart);
  into.routingKeyEnd = into.bodyStart;
}
