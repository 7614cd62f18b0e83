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
  leasedCount = 0;
  isActive = true;
  /** Of its source: it is in the line of those who may be served. */
  isInLine = false;
  isCancelled = false;
  #creditLimit: number;

  constructor(session: SessionState, queue: Queue, options: ConsumeOptions, receiver: Receiver, source: Source) {
    this.session = session;
    this.queue = queue;
    this.options = options;
    this.receiver = receiver;
    this.source = source;
    this.#creditLimit = options.creditLimit;
  }

  /** May get one more. */
  get hasCredit(): boolean {
    return (
      (this.#creditLimit === 0 || this.leasedCount < this.#creditLimit || this.options.noAck) &&
      this.session.hasCredit(this.options.noAck)
    );
  }

  setCreditLimit(limit: number): void {
    this.#creditLimit = limit;
    this.source.regained(this);
  }

  cancel(): void {
    if (this.isCancelled) return;
    this.isCancelled = true;
    this.source.detach(this);
    this.session.consumers.delete(this);
  }
}
