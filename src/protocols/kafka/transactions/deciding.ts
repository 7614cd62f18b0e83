/**
 * How a transaction ends where its messages are: a marker in each log, nothing in a queue, and the core knows from then on
 * whether they count. Part of the atomic group in which its offsets are committed and its state changes.
 */
import type { Batch, Broker, Queue } from "../../../broker/api.ts";
import { endTransactionMarker } from "../codec/batch-builder.ts";
import { batchFormatId } from "../mapping/format.ts";
import type { Ending } from "./transaction.ts";

/** There is one coordinator, for ever. */
const coordinatorEpoch = 0;

export function decide(broker: Broker, partitions: Iterable<Queue>, ending: Ending): void {
  let marker: Batch | undefined;
  const { producerId, producerEpoch, isCommitted } = ending;
  for (const queue of partitions) {
    if (queue.isDeleted) continue;
    const isLog = queue.settings.mode === "offset";
    if (isLog) marker ??= markerOf(ending, broker.clock.now());
    queue.endTransaction(producerId, producerEpoch, isCommitted, isLog ? marker : undefined);
  }
}

function markerOf({ producerId, producerEpoch, isCommitted }: Ending, timestampMs: number): Batch {
  const body = endTransactionMarker(isCommitted, producerId, producerEpoch, coordinatorEpoch, timestampMs);
  return {
    producerId,
    producerEpoch,
    sequence: -1,
    count: 1,
    isTransactional: true,
    format: batchFormatId,
    timestampMs,
    body,
    bodyStart: 0,
    bodyEnd: body.length,
  };
}
