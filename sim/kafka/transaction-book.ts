/**
 * Transactions, as those know them who ask for them, and what must be seen of each:
 *
 * - whole or not at all, in all its partitions, and as its end was answered, for ever; a commit that was not answered goes
 *   either way, until it is seen or a successor has taken over, and then never another;
 * - nothing that was aborted, or that nobody had asked to commit;
 * - nothing is undecided for longer than its time-out;
 * - what is read, changed and written in one transaction counts once: the group's place is behind what was read by those
 *   transactions that count, and each of its messages was read by one of them.
 */
import { ensure } from "../cut.ts";

/** What of a partition was read for it, and goes with it. */
interface Input {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

type Fate = "open" | "committed" | "aborted" | "unknown";

export interface Transaction {
  readonly id: number;
  readonly transactionalId: string;
  /** When something of it may have come to the broker first. */
  readonly begunMs: number;
  /** When it was known first that it has begun. */
  knownMs: number;
  readonly timeoutMs: number;
  /** Of which it is known that they are there. */
  readonly written: { readonly value: string; readonly partition: number; readonly offset: number }[];
  inputs: readonly Input[];
  fate: Fate;
  /** A successor is in: it is decided, whatever it is. */
  isOver: boolean;
}

/** What is read of a partition by who reads what is committed. */
export interface Reading {
  readonly values: readonly string[];
  readonly stableEnd: number;
  readonly end: number;
}

export class TransactionBook {
  readonly #transactions: Transaction[] = [];
  /** What producers were told that they are. */
  readonly #names = new Set<string>();
  readonly counts = { committed: 0, aborted: 0, unknown: 0, fenced: 0, expired: 0 };

  begin(transactionalId: string, timeoutMs: number, begunMs: number): Transaction {
    const transaction: Transaction = {
      id: this.#transactions.length,
      transactionalId,
      begunMs,
      knownMs: Infinity,
      timeoutMs,
      written: [],
      inputs: [],
      fate: "open",
      isOver: false,
    };
    this.#transactions.push(transaction);
    return transaction;
  }

  /** No two are told to be the same, or one could act in the name of the other. */
  named({ producerId, producerEpoch }: { readonly producerId: number; readonly producerEpoch: number }): void {
    const name = `producer ${producerId} in epoch ${producerEpoch}`;
    ensure(!this.#names.has(name), `${name} is there already`);
    this.#names.add(name);
  }

  /** Its end was answered. */
  ended(transaction: Transaction, isCommitted: boolean): void {
    const fate = isCommitted ? "committed" : "aborted";
    const isPossible = transaction.fate !== (isCommitted ? "aborted" : "committed");
    ensure(isPossible, `transaction ${transaction.id} is ${transaction.fate}, and answered to be ${fate}`);
    transaction.fate = fate;
    this.counts[fate]++;
  }

  /** Who takes an id over ends what went on under it. */
  takenOver(transactionalId: string): void {
    for (const transaction of this.#transactions) {
      if (transaction.transactionalId !== transactionalId || transaction.isOver) continue;
      transaction.isOver = true;
      if (transaction.fate === "open") transaction.fate = "aborted";
      if (transaction.fate === "unknown") this.counts.unknown++;
    }
  }

  /**
   * All that is in the partitions, while nothing is under way.
   * @param upMs since when the broker has been there
   */
  check(readings: readonly Reading[], nowMs: number, upMs: number): void {
    const seen = new Map<number, string[]>();
    for (const value of readings.flatMap(({ values }) => values)) {
      const id = Number.parseInt(value, 10);
      const values = seen.get(id);
      if (values === undefined) seen.set(id, [value.trimEnd()]);
      else values.push(value.trimEnd());
    }
    for (const transaction of this.#transactions) {
      this.#checkOne(transaction, seen.get(transaction.id) ?? [], readings, nowMs, upMs);
    }
  }

  #checkOne(
    transaction: Transaction,
    seen: readonly string[],
    readings: readonly Reading[],
    nowMs: number,
    upMs: number,
  ): void {
    const { id, written, knownMs, timeoutMs } = transaction;
    const name = `transaction ${id} of ${transaction.transactionalId}`;
    // Another one that is undecided keeps readers from what is behind it.
    const shown = written.filter(({ partition, offset }) => offset < readings[partition]!.stableEnd);
    const isFirst = written.some(({ partition, offset }) => offset === readings[partition]!.stableEnd);
    const dueMs = Math.max(knownMs + timeoutMs, upMs) + lateMsMax;
    ensure(!isFirst || nowMs <= dueMs, `${name} is undecided after ${nowMs - knownMs} ms`);
    if (transaction.fate === "unknown") {
      if (seen.length > 0) transaction.fate = "committed";
      else if (shown.length > 0) transaction.fate = "aborted";
      else return;
    }
    const due = transaction.fate === "committed" ? shown.map(({ value }) => value) : [];
    const isSame = seen.toSorted().join() === due.toSorted().join();
    ensure(isSame, `${name} is ${transaction.fate}, and shows '${seen.join()}', not '${due.join()}'`);
  }

  /** The group stands at `place`. `isWhole`: nothing is undecided any more. */
  checkPlace(partition: number, place: number, isWhole: boolean): void {
    /** How often each was read for what counts, and whether for what may. */
    const times = Array.from({ length: place }, () => 0);
    const mayCount = new Set<number>();
    for (const { id, fate, inputs } of this.#transactions) {
      for (const input of inputs) {
        if (input.partition !== partition) continue;
        for (let at = input.from; at < input.to; at++) {
          if (fate === "unknown") mayCount.add(at);
          if (fate !== "committed") continue;
          ensure(at < place, `${id} has read ${at} of ${partition}, and its group stands at ${place}`);
          times[at]!++;
        }
      }
    }
    for (const [at, count] of times.entries()) {
      ensure(count <= 1, `message ${at} of ${partition} was read ${count} times for what counts`);
      const isRead = count === 1 || (mayCount.has(at) && !isWhole);
      ensure(isRead, `message ${at} of ${partition} was read for nothing, and its group stands at ${place}`);
    }
  }
}

/** It is looked after once a second. */
const lateMsMax = 1000;
