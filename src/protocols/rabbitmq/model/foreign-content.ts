/**
 * What an AMQP client is shown of a message that came by another protocol: the one place where such a message becomes one of
 * AMQP's, whether it is delivered, got, traced, or shown over HTTP. The body stays where it is.
 */

import { textByteLength } from "../../../base/byte-text.ts";
import type { Broker, Entry } from "../../../broker/api.ts";
import { shortBytesMax } from "./crossing-names.ts";
import { amqpFormatId } from "./format.ts";
import { headOfCanonical } from "./head-of-canonical.ts";

export interface ForeignContent {
  readonly head: Buffer;
  readonly exchange: string;
  readonly routingKey: string;
}

/** The same of any message. */
export function contentOf(broker: Broker, entry: Entry): ForeignContent {
  if (entry.format !== amqpFormatId) return foreignContent(broker, entry);
  const head = entry.buffer.subarray(entry.headStart, entry.headEnd);
  return { head, exchange: entry.exchange(), routingKey: entry.routingKey() };
}

/** @param headBytesMax what does not fit is left out, and named. */
export function foreignContent(broker: Broker, entry: Entry, headBytesMax = Infinity): ForeignContent {
  const message = broker.formatOf(entry).canonical?.(entry);
  // What nobody can read is still delivered.
  if (message === undefined)
    return { head: Buffer.alloc(2), exchange: entry.exchange(), routingKey: entry.routingKey() };
  return {
    head: headOfCanonical(message, headBytesMax),
    exchange: fitsShort(message.exchange) ? message.exchange : entry.exchange(),
    routingKey: fitsShort(message.routingKey) ? message.routingKey : entry.routingKey(),
  };
}

function fitsShort(text: string): boolean {
  return text.length <= shortBytesMax && (text.length * 3 <= shortBytesMax || textByteLength(text) <= shortBytesMax);
}
