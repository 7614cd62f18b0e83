/**
 * A fetch from its request to its answer: it is answered when there are enough bytes for it, when something is wrong with one
 * of its partitions, or when its time is over; that one of several is not there is no reason. Until then it costs a timer and a
 * place among those who follow a partition.
 *
 * What is only on disk counts when it was read, and that need not wait until the answer goes: memory is the broker's to use for
 * others. So before an answer it is counted anew, and what is gone again is read once more, in one round.
 *
 * What goes with the answer is looked up when the answer is written. So a client that reads slowly gets what is newest, and
 * nothing is held for it.
 */

import type { TimerHandle } from "../../../base/clock.ts";
import type { Output } from "../../../wire/output.ts";
import { errorCode } from "../codec/errors.ts";
import type { Call, ResponseBody } from "../command.ts";
import { FetchAnswer } from "./fetch-answer.ts";
import type { FetchPartition, PartitionOwner } from "./fetch-partition.ts";
import type { FetchSession } from "./fetch-session.ts";

/** Spans have a megabyte, and nobody waits for more than four. What was loaded may be gone again, where memory is short. */
const loadsMax = 6;

const answer = new FetchAnswer();

export interface FetchLimits {
  readonly maxWaitMs: number;
  /** At most maxBytes. */
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly isCommittedOnly: boolean;
}

export class WaitingFetch implements PartitionOwner, ResponseBody {
  readonly #call: Call;
  readonly #limits: FetchLimits;
  readonly #session: FetchSession | undefined;
  /** All of them are in the answer. */
  readonly #isFull: boolean;
  readonly #partitions: Iterable<FetchPartition>;
  #timer: TimerHandle | undefined;
  #forgetClosed: (() => void) | undefined;
  #isTimeOver = false;
  /** It has been counted anew: what comes now is answered. */
  #isConcluded = false;
  #isDone = false;
  #bytes = 0;
  #loads = 0;
  #loading = 0;

  /** @param partitions of the request; of a session's, all that are known to it. */
  constructor(
    call: Call,
    limits: FetchLimits,
    partitions: readonly FetchPartition[],
    session: FetchSession | undefined,
    isFull: boolean,
  ) {
    this.#call = call;
    this.#limits = limits;
    this.#session = session;
    this.#isFull = isFull;
    this.#partitions = isFull || session === undefined ? partitions : session.active;
  }

  start(): void {
    const { server, identity, connection } = this.#call;
    const { maxWaitMs } = this.#limits;
    let hasError = false;
    let askedCount = 0;
    let refusedCount = 0;
    for (const partition of this.#partitions) {
      askedCount++;
      partition.resolve(server, identity);
      if (isRefused(partition)) refusedCount++;
      else if (partition.error !== 0) hasError = true;
    }
    if (this.#session !== undefined) for (const partition of this.#partitions) this.#session.follow(partition);
    // As in Kafka: who asks for others as well is told of those in time. A client that goes on asking would do so without a pause.
    const knownCount = this.#session?.size ?? askedCount;
    const hasNothing = refusedCount === knownCount && (this.#isFull || refusedCount > 0);
    if (hasError || hasNothing || this.#count()) {
      this.#finish();
      return;
    }
    this.#isTimeOver = maxWaitMs <= 0;
    if (this.#isTimeOver && !this.#isMissing()) return this.#finish();
    this.#follow();
    if (!this.#isTimeOver)
      this.#timer = server.clock.setTimer(server.clock.now() + maxWaitMs, () => this.#timeIsOver());
    this.#forgetClosed = connection.onClosed(() => this.#drop());
    this.#load();
  }

  /** Whether there is enough. */
  #count(): boolean {
    const { isCommittedOnly, minBytes } = this.#limits;
    this.#bytes = 0;
    for (const partition of this.#partitions) {
      partition.count(isCommittedOnly, minBytes);
      this.#bytes += partition.countedBytes;
      if (this.#bytes >= minBytes) return true;
    }
    return this.#bytes >= minBytes;
  }

  #isMissing(): boolean {
    for (const { isCold } of this.#partitions) if (isCold) return true;
    return false;
  }

  /** Brings what is missing from disk. False: nothing is, or that was tried often enough. */
  #load(): boolean {
    if (this.#loads >= loadsMax || !this.#isMissing()) return false;
    const missing = [...this.#partitions].filter(({ isCold }) => isCold);
    this.#loads++;
    // Some may be there at once.
    this.#loading += missing.length;
    for (const partition of missing) partition.load(() => this.#loaded());
    return true;
  }

  #loaded(): void {
    this.#loading--;
    if (this.#isDone) return;
    const isEnough = this.#count();
    if (this.#isConcluded) {
      if (this.#loading === 0) this.#finish();
    } else if (isEnough) this.#conclude();
    else if (this.#loading === 0) this.#goOn();
  }

  /** There is not enough: more is read, or waited for. */
  #goOn(): void {
    const isWorthAnAnswer = this.#isTimeOver && this.#bytes > 0;
    if (!isWorthAnAnswer && this.#load()) return;
    if (this.#isTimeOver || this.#isMissing()) this.#conclude();
  }

  /** There is enough, or nothing more is waited for. */
  #conclude(): void {
    this.#isConcluded = true;
    if (this.#loads === 0) return this.#finish();
    this.#loads = 0;
    for (const partition of this.#partitions) partition.forgetCount();
    if (this.#count() || !this.#load()) this.#finish();
  }

  #follow(): void {
    if (this.#session === undefined) {
      for (const partition of this.#partitions) partition.follow(this);
      return;
    }
    // Somebody who asks twice at once gets the first answer as it is.
    if (this.#session.waiting instanceof WaitingFetch) this.#session.waiting.#timeIsOver();
    this.#session.waiting = this;
  }

  advanced(partition: FetchPartition): void {
    if (this.#isDone || this.#isConcluded) return;
    const { isCommittedOnly, minBytes } = this.#limits;
    if (partition.queue?.isDeleted !== false) {
      partition.resolve(this.#call.server, this.#call.identity);
      this.#finish();
      return;
    }
    this.#bytes -= partition.countedBytes;
    partition.count(isCommittedOnly, minBytes);
    this.#bytes += partition.countedBytes;
    if (this.#bytes >= minBytes) this.#conclude();
    else if (partition.isCold && this.#loading === 0) this.#load();
  }

  #timeIsOver(): void {
    this.#isTimeOver = true;
    if (!this.#isDone && this.#loading === 0) this.#conclude();
  }

  #finish(): void {
    this.#drop();
    this.#call.respondBy(this, 0);
  }

  #drop(): void {
    this.#isDone = true;
    if (this.#timer !== undefined) this.#call.server.clock.clearTimer(this.#timer);
    this.#forgetClosed?.();
    if (this.#session === undefined) for (const partition of this.#partitions) partition.unfollow();
    else if (this.#session.waiting === this) this.#session.waiting = undefined;
  }

  write(output: Output, version: number): void {
    const { isCommittedOnly, maxBytes } = this.#limits;
    const { server, identity } = this.#call;
    const session = this.#session;
    answer.begin(maxBytes, server.foreignEntries);
    const served: FetchPartition[] = [];
    for (const partition of this.#partitions) {
      partition.resolve(server, identity);
      // What it has found may be another topic than the one that it followed.
      session?.follow(partition);
      const bytes = answer.add(partition, isCommittedOnly, this.#isFull || session === undefined);
      if (session === undefined) continue;
      if (bytes > 0) served.push(partition);
      else if (isQuiet(partition)) session.active.delete(partition);
    }
    for (const partition of served) {
      session!.active.delete(partition);
      session!.active.add(partition);
    }
    answer.write(output, version, 0, session?.id ?? 0);
  }
}

/** It is not there, or not for this client. */
function isRefused({ error }: FetchPartition): boolean {
  return (
    error === errorCode.UNKNOWN_TOPIC_OR_PARTITION ||
    error === errorCode.UNKNOWN_TOPIC_ID ||
    error === errorCode.TOPIC_AUTHORIZATION_FAILED
  );
}

/** Nothing is there until it moves, also if the next request of the session asks for what is not committed. */
function isQuiet(partition: FetchPartition): boolean {
  return partition.error === 0 && partition.offset >= partition.end(false);
}
