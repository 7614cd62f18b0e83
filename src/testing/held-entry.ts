/** A message as it was published, in memory of its own, in the shape in which formats look at what is stored. */

import type { Entry, UnpackedMessage } from "../broker/api.ts";

/** Of a message: its bytes are copied. */
export function heldMessage(p: UnpackedMessage, timestampMs: number): Entry {
  const headBytes = p.headEnd - p.headStart;
  const buffer = Buffer.concat([p.head.subarray(p.headStart, p.headEnd), p.body.subarray(p.bodyStart, p.bodyEnd)]);
  return entryOf({
    buffer,
    format: p.format,
    isDurable: p.durable,
    priority: p.priority,
    timestampMs,
    ttlMs: p.ttlMs,
    headEnd: headBytes,
    bodyStart: headBytes,
    bodyEnd: buffer.length,
    exchange: () => p.exchange.name,
    routingKey: () => p.routingKey,
    key: () => p.key,
  });
}

/** Of a batch of `count` messages, which the whole of `bytes` is. */
export function heldBatch(
  bytes: Buffer,
  format: number,
  baseOffset: number,
  count: number,
  timestampMs: number,
): Entry {
  return entryOf({
    buffer: bytes,
    format,
    isBatch: true,
    baseOffset,
    offset: baseOffset + count - 1,
    count,
    timestampMs,
    bodyEnd: bytes.length,
  });
}

function entryOf(parts: Partial<Entry> & Pick<Entry, "buffer" | "format">): Entry {
  return {
    partition: 0,
    offset: 0,
    count: 1,
    baseOffset: 0,
    isBatch: false,
    isDurable: true,
    priority: 0,
    timestampMs: 0,
    ttlMs: -1,
    exchangeStart: 0,
    exchangeEnd: 0,
    routingKeyStart: 0,
    routingKeyEnd: 0,
    headStart: 0,
    headEnd: 0,
    bodyStart: 0,
    bodyEnd: 0,
    exchange: () => "",
    routingKey: () => "",
    key: () => undefined,
    ...parts,
  };
}
