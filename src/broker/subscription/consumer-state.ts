import type { ConsumeOptions, Consumer, Queue, Receiver } from "../api.ts";
import type { SessionState } from "./session.ts";

/** Who a consumer takes its messages from. */
export interface Source {
  /** The consumer has room again, or may have. */
  regained(consumer: ConsumerState): void;
  /** The consumer leaves. */
  detach(consumer: ConsumerState): void;
}

/** One consumer of one session on one queue: its credit and its receiver. */
export class ConsumerState implements Consumer {
  readonly session: SessionState;
  readonly queue: Queue;
  readonly options: ConsumeOptions;
  readonly receiver: Receiver;
  readonly source: Source;
  /** Whose the leases and the credit are: its own, or, of a branch, those of the consumer that it belongs to. */
  readonly holder: ConsumerState;
  /** Its places in the other partitions of a topic; undefined: there is one. */
  branches: ConsumerState[] | undefined;
  leasedCount = 0;
  isActive = true;
  /** Of its source: it is in the line of those who may be served. */
  isInLine = false;
  /** Its turn came and there was no credit. */
  isStarved = false;
  isCancelled = false;
  #creditLimit: number;
  /** The branch that is told first when there is credit again. */
  #turn = 0;

  constructor(
    session: SessionState,
    queue: Queue,
    options: ConsumeOptions,
    receiver: Receiver,
    source: Source,
    holder?: ConsumerState,
  ) {
    this.session = session;
    this.queue = queue;
    this.options = options;
    this.receiver = receiver;
    this.source = source;
    this.holder = holder ?? this;
    this.#creditLimit = options.creditLimit;
  }

  /** May get one more. */
  get hasCredit(): boolean {
    const { holder } = this;
    return (
      (holder.#creditLimit === 0 || holder.leasedCount < holder.#creditLimit || this.options.noAck) &&
      this.session.hasCredit(this.options.noAck)
    );
  }

  setCreditLimit(limit: number): void {
    this.#creditLimit = limit;
    this.regained();
  }

  /** It has room again, or may have. */
  regained(): void {
    const { branches } = this;
    if (branches === undefined) return this.source.regained(this);
    // Who is told first gets it first: all the credit must not go to one partition for ever.
    const count = branches.length + 1;
    this.#turn = (this.#turn + 1) % count;
    for (let i = 0; i < count; i++) {
      const at = (this.#turn + i) % count;
      const one = at === 0 ? this : branches[at - 1]!;
      if (!one.isStarved) continue;
      one.isStarved = false;
      one.source.regained(one);
    }
  }

  addBranch(branch: ConsumerState): void {
    this.branches ??= [];
    this.branches.push(branch);
  }

  cancel(): void {
    if (this.isCancelled) return;
    this.isCancelled = true;
    for (const branch of this.branches ?? []) branch.cancel();
    this.source.detach(this);
    this.session.consumers.delete(this);
  }
}
