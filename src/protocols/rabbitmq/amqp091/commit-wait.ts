/**
 * What a connection waits for the next commit for: confirms that it owes, and to be read again when the broker was
 * congested. While it waits for nothing, commits cost it nothing.
 */

import type { Output } from "../../../wire/output.ts";
import type { Channel } from "./channel.ts";
import type { CommitWaiter } from "../../../server/commit-waiters.ts";
import type { Hub } from "./hub.ts";
import { pauses, type Intake } from "../../../server/intake.ts";
import { OwedConfirms } from "./owed-confirms.ts";

export class CommitWait implements CommitWaiter {
  readonly #hub: Hub;
  readonly #intake: Intake;
  readonly #output: Output;
  readonly #flush: () => void;
  readonly #owed = new OwedConfirms();
  #isWaiting = false;
  #isOver = false;

  /** @param flush sends what was written to the output. */
  constructor(hub: Hub, intake: Intake, output: Output, flush: () => void) {
    this.#hub = hub;
    this.#intake = intake;
    this.#output = output;
    this.#flush = flush;
  }

  /** The channel has something to confirm. */
  owes(channel: Channel): void {
    this.#owed.add(channel);
    if (!this.#intake.isHandling) this.#wait();
  }

  /** Answers what is durable already. */
  answer(): void {
    if (!this.#owed.isEmpty) this.#owed.answer(this.#output, this.#hub.broker.durableTicket);
  }

  /** A chunk was handled: waits for the next commit, if there is a reason. */
  arm(): void {
    if (this.#isOwing) this.#wait();
  }

  committed(durableTicket: number): boolean {
    this.#isWaiting = false;
    if (this.#isOver) return false;
    this.#owed.answer(this.#output, durableTicket);
    if (this.#output.bytes > 0) this.#flush();
    if (!this.#hub.broker.isCongested) this.#intake.resume(pauses.congested);
    // What was handled then may have begun to wait anew.
    if (this.#isWaiting) return false;
    this.#isWaiting = this.#isOwing;
    return this.#isWaiting;
  }

  /** Nothing is owed any more. */
  clear(): void {
    this.#owed.clear();
  }

  /** The connection has gone. */
  end(): void {
    this.#isOver = true;
  }

  get #isOwing(): boolean {
    return !this.#owed.isEmpty || this.#intake.isPausedFor(pauses.congested);
  }

  #wait(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#hub.commits.add(this);
  }
}
