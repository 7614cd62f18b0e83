/** What tests of compaction have in common: batches as text, and what of them is there. */
import type { Queue } from "./api.ts";
import { batchBody, type BatchMessage, type Bottle, testFormat } from "./test-broker.suite.ts";

export const nobody = { producerId: -1, producerEpoch: -1, sequence: -1, isTransactional: false };

export function appendBody(bottle: Bottle, log: Queue, body: Buffer, count: number): number {
  const timestampMs = bottle.clock.now();
  return log.appendBatch({
    ...nobody,
    count,
    format: testFormat.id,
    timestampMs,
    body,
    bodyStart: 0,
    bodyEnd: body.length,
  });
}

/** Messages as `key=value`; without a value: a tombstone. */
export function append(bottle: Bottle, log: Queue, ...texts: string[]): number {
  const messages = texts.map((text, delta): BatchMessage => {
    const [key, value] = text.split("=");
    return value === undefined ? { delta, key: key!, body: "", value: null } : { delta, key: key!, body: text };
  });
  return appendBody(bottle, log, batchBody(messages), messages.length);
}

/** Message by message: offset and body. */
export async function read(bottle: Bottle, log: string): Promise<string[]> {
  const taker = bottle.consume(log, { startAt: "first" });
  await bottle.settle();
  taker.session.close();
  return taker.deliveries.map(({ offset, key, body }) => `${offset}:${body === "" ? `${key}` : body}`);
}

/** Batch by batch, as they are stored: the offsets that they span, and their text. */
export async function readBatches(bottle: Bottle, log: string): Promise<string[]> {
  const queue = bottle.queue(log);
  const found: string[] = [];
  for (let at = 0, rounds = 0; at < queue.visibleEnd && rounds < 100; rounds++) {
    at = queue.read(at, queue.visibleEnd, ({ buffer, bodyStart, bodyEnd, baseOffset, offset, isBatch }) => {
      if (!isBatch) {
        found.push(`${offset}-${offset}: ${buffer.toString("utf8", bodyStart, bodyEnd)}`);
        return true;
      }
      const messages = JSON.parse(buffer.toString("utf8", bodyStart + 4, bodyEnd)) as BatchMessage[];
      found.push(`${baseOffset}-${offset}: ${messages.map(({ key, body }) => body || key).join(" ")}`);
      return true;
    });
    if (at < queue.visibleEnd) queue.load(at, () => undefined);
    await bottle.settle();
  }
  return found;
}
