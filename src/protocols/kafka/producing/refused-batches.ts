/**
 * Numbered batches that were refused for a while, because there was no room or no time for them, and are to come again.
 *
 * A client has several batches under way. If the first is refused and the next one finds room, it must not go in before it: of
 * a producer that the core does not know, any batch may be the first, and the one that was refused would be out of order for
 * ever. So of each producer the lowest sequence that was refused is remembered, and what lies behind it is refused as out of
 * order, which clients try again, until that one has come. Kafka does so for a transaction that it is about to verify.
 *
 * What is remembered is a help and no promise: a few producers of each partition, for longer than clients keep trying. Who
 * gives up goes on in a new epoch.
 */

import type { Clock } from "../../../base/clock.ts";
import type { Queue } from "../../../broker/api.ts";
import type { BatchView } from "../codec/record-batch.ts";

interface Refusal {
  readonly epoch: number;
  readonly sequence: number;
  /** Of a clock that only goes forward. */
  readonly sinceMs: number;
}

const keptMs = 300_000;
/** Of each partition. */
const producersMax = 256;
const sequences = 0x8000_0000;

export class RefusedBatches {
  readonly #byQueue = new WeakMap<Queue, Map<number, Refusal>>();

  /** The batch is to come again, before those behind it. */
  add(queue: Queue, { producerId, producerEpoch: epoch, baseSequence: sequence }: BatchView, elapsedMs: number): void {
    if (producerId < 0 || sequence < 0) return;
    const byProducer = this.#byQueue.get(queue) ?? new Map<number, Refusal>();
    const known = byProducer.get(producerId);
    if (known !== undefined && known.epoch > epoch) return;
    const isLowest = known === undefined || known.epoch < epoch || isBefore(sequence, known.sequence);
    byProducer.delete(producerId);
    byProducer.set(producerId, { epoch, sequence: isLowest ? sequence : known.sequence, sinceMs: elapsedMs });
    this.#byQueue.set(queue, byProducer);
    const [oldest] = byProducer.keys();
    if (byProducer.size > producersMax) byProducer.delete(oldest!);
  }

  /** Whether one that is before this batch was refused, and has not come again. */
  hasEarlier(queue: Queue, batch: BatchView, clock: Pick<Clock, "elapsedMs">): boolean {
    const known = this.#byQueue.get(queue)?.get(batch.producerId);
    if (known === undefined || known.epoch !== batch.producerEpoch) return false;
    if (clock.elapsedMs() - known.sinceMs >= keptMs) return false;
    return isBefore(known.sequence, batch.baseSequence);
  }

  /** A batch of the producer is in, now or since before: the core knows what comes next. */
  forget(queue: Queue, producerId: number): void {
    this.#byQueue.get(queue)?.delete(producerId);
  }
}

/** Sequences go round: the nearer way counts. */
function isBefore(a: number, b: number): boolean {
  const steps = (b - a + sequences) % sequences;
  return steps > 0 && steps < sequences / 2;
}
