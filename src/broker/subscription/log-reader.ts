/**
 * One consumer that reads a log, or the kept history of a queue, from a place of its own choosing to the end and then
 * follows it. It has a position and no delivery state: settling gives back credit and nothing else, so any number of
 * readers cost the log nothing and do not disturb its consumers.
 */
import type { Settlement } from "../api.ts";
import type { Core } from "../core.ts";
import { EntryCursor } from "../entry.ts";
import type { QueueCounts } from "../measures.ts";
import type { Partition, Wakeable } from "../topic/partition.ts";
import type { ConsumerState, Source } from "./consumer-state.ts";
import type { LeaseOwner } from "./lease-owner.ts";

/** Entries that one turn looks at, at most. One with so many bytes that a filter may have to read counts for one more. */
const looksPerTurn = 4096;
const filteredBytesPerLook = 64;

export class LogReader implements Wakeable, LeaseOwner, Source {
  readonly isLog = true;
  isWoken = false;
  consumer: ConsumerState | undefined;
  readonly #partition: Partition;
  readonly #counters: QueueCounts;
  readonly #core: Core;
  readonly #entry = new EntryCursor();
  /** -1: not known yet. */
  #position = -1;
  #isLoading = false;

  constructor(partition: Partition, counters: QueueCounts, core: Core) {
    this.#partition = partition;
    this.#counters = counters;
    this.#core = core;
    partition.readers.add(this);
  }

  startAt(offset: number): void {
    this.#position = offset;
    this.wake();
  }

  wake(): void {
    this.#core.wake(this);
  }

  regained(): void {
    this.wake();
  }

  detach(): void {
    this.#partition.readers.delete(this);
    this.consumer = undefined;
  }

  settle(_offset: number, settlement: Settlement, consumer: ConsumerState | undefined): void {
    if (settlement === "accept") this.#counters.settled++;
    consumer?.regained();
  }

  dispatch(): void {
    const partition = this.#partition;
    if (this.#position < 0) return;
    if (this.#position < partition.first) this.#position = partition.first;
    let looks = 0;
    for (; this.consumer !== undefined && this.#position < partition.stableEnd; looks++) {
      if (!this.consumer.hasCredit) {
        this.consumer.isStarved = true;
        return;
      }
      // A filter that lets little through must not keep the others waiting for a whole log.
      if (looks >= looksPerTurn) return this.wake();
      const { unpacked } = this.#core;
      const isKnown = unpacked.lookAgain(partition, this.#position, this.#entry);
      if (!isKnown && !partition.look(this.#position, this.#entry)) {
        if (!this.#load()) return;
        continue;
      }
      // Nor must batches in which there is nothing for it.
      if (this.#entry.isBatch && unpacked.isForLater(partition, this.#entry)) return unpacked.share.wait(this.#goOn);
      const offset = this.#seek();
      if (offset < 0) continue;
      const { options, session, receiver } = this.consumer;
      if (partition.transactions?.isAborted(offset) === true) continue;
      if (options.filter !== undefined) {
        looks += (this.#entry.headEnd - this.#entry.headStart) / filteredBytesPerLook;
        if (!options.filter(this.#entry)) continue;
      }
      const lease = session.grant(options.noAck ? undefined : this, offset, this.consumer.holder);
      this.#counters.handed(options.noAck, false);
      receiver.deliver(lease, this.#entry, false, 0, 0);
    }
  }

  readonly #goOn = (): void => this.dispatch();

  /** Moves from the entry onto its message at or behind the position; -1: the batch has none, and is passed over. */
  #seek(): number {
    const entry = this.#entry;
    const { isBatch, offset: last } = entry;
    const offset = isBatch ? this.#core.unpacked.seek(this.#partition, entry, this.#position) : last;
    this.#position = (offset < 0 ? last : offset) + 1;
    return offset;
  }

  /** False: the answer comes later. True: the position moved over a hole. */
  #load(): boolean {
    if (this.#isLoading) return false;
    this.#isLoading = true;
    let isSync = true;
    const from = this.#position;
    this.#partition.load(from, false, (coveredEnd) => {
      this.#isLoading = false;
      const at = this.#partition.firstInMemory(from, Math.min(coveredEnd, this.#partition.visibleEnd));
      this.#position = Math.max(at, this.#position, this.#partition.first);
      if (!isSync) this.wake();
    });
    isSync = false;
    return !this.#isLoading;
  }
}
