/** Reads a partition as a consumer of what is committed does. */
import { errorCode } from "../../src/protocols/kafka/codec/errors.ts";
import { batchAt, BatchView } from "../../src/protocols/kafka/codec/record-batch.ts";
import { fetch } from "../../src/protocols/kafka/commands/fetch.ts";
import { valuesOf } from "../../src/protocols/kafka/transactions/transaction-story.suite.ts";
import { ensure } from "../cut.ts";
import type { Line } from "./network.ts";
import type { Reading } from "./transaction-book.ts";

interface Found extends Reading {
  /** Where to go on. */
  readonly next: number;
}

/** What one answer brings. Of a batch that begins before `offset`, all. Undefined: there is no answer. */
export async function readFrom(
  line: Line,
  topic: string,
  partition: number,
  fetchOffset: number,
  way: "ask" | "askNow",
): Promise<Found | undefined> {
  const partitions = [{ partition, fetchOffset, partitionMaxBytes: bytesMax }];
  const asked = { maxWaitMs: 0, minBytes: 0, maxBytes: bytesMax, isolationLevel: 1, topics: [{ topic, partitions }] };
  const answer = await line[way](fetch, 11, asked);
  const found = answer?.responses[0]?.partitions[0];
  if (found === undefined || found.errorCode === errorCode.KAFKA_STORAGE_ERROR) return undefined;
  ensure(found.errorCode === errorCode.NONE, `a fetch of ${topic}/${partition} at ${fetchOffset}: ${found.errorCode}`);
  const records = found.records ?? Buffer.alloc(0);
  const values = valuesOf(records, found.abortedTransactions ?? [], false);
  const { lastStableOffset: stableEnd, highWatermark: end } = found;
  return { values, stableEnd, end, next: Math.max(fetchOffset, endOf(records)) };
}

const bytesMax = 1 << 20;

/** Behind the last offset of these batches. */
function endOf(records: Buffer): number {
  const view = new BatchView();
  let end = -1;
  for (let at = 0; at + batchAt.records <= records.length; at = view.end) end = view.set(records, at).lastOffset + 1;
  return end;
}
