/**
 * A queue that keeps the newest: what is too many, or too large together, goes from the head of its order.
 *
 * What goes may be dead-lettered to a queue that is full as well, whose head goes to a third one, or back to the first. None
 * of them drops while another does: it waits in a line until that one is done. So a chain, or a circle, of any length takes
 * no more of the stack than one queue, and all that one message brings about is a bounded number of deaths for one turn.
 */
import type { Core } from "../core.ts";
import type { Subscription } from "./subscription.ts";

/** Messages that one turn drops at most: the rest waits for the next turn, so that nobody else starves. */
const deathsPerTurn = 1024;
/** A queue that is at its limit says so again after this long. */
const toldMs = 60_000;

/** The line of those that have too many. One for the whole broker. */
export class Overfull {
  readonly #line: LengthLimit[] = [];
  #isDropping = false;

  /** What `limit` has too many goes, now or as soon as it is its turn. */
  add(limit: LengthLimit): void {
    if (limit.isInLine) return;
    limit.isInLine = true;
    this.#line.push(limit);
    if (this.#isDropping) return;
    this.#isDropping = true;
    let left = deathsPerTurn;
    for (let i = 0; i < this.#line.length; i++) {
      const one = this.#line[i]!;
      one.isInLine = false;
      left -= one.drop(left);
      if (left === 0) one.putOff();
    }
    this.#line.length = 0;
    this.#isDropping = false;
  }
}

export class LengthLimit {
  /**
   * The head has to be read back first, or there is no room for the dead: enforce() is to be called when that may have
   * changed. And at first: a process that ended in the middle of dropping left too many.
   */
  isWaiting = true;
  /** Of the line of those that have too many. */
  isInLine = false;
  #isPutOff = false;
  readonly #core: Core;
  readonly #subscription: Subscription;
  #toldAtMs = -Infinity;
  /** Messages that went, or were refused, since that was told. */
  #untold = 0;

  constructor(core: Core, subscription: Subscription) {
    this.#core = core;
    this.#subscription = subscription;
  }

  /** There are too many; but a consumer that waits takes the messages that become visible before any of them are. */
  exceeded(): void {
    const { partition } = this.#subscription;
    if (partition.next === partition.visibleEnd || !this.#subscription.isAwaited) this.enforce();
    else this.isWaiting = true;
  }

  /** Who waits has what can be had. */
  dispatched(): void {
    if (this.isWaiting && !this.#isAllOnItsWay) this.enforce();
  }

  /** All that there is has yet to become visible, or to be announced, and somebody waits for it. */
  get #isAllOnItsWay(): boolean {
    const { partition, horizon, readyCount, isAwaited, deaths } = this.#subscription;
    const onItsWay = partition.next - Math.min(partition.visibleEnd, horizon);
    return onItsWay > 0 && readyCount <= onItsWay && isAwaited && !deaths.isLineLong;
  }

  enforce(): void {
    this.isWaiting = this.#core.isRecovering || this.#subscription.isBuilding;
    if (this.#subscription.settings.overflow !== "drop-head" || this.isWaiting) return;
    this.#core.overfull.add(this);
  }

  /** Of the line: drops what is too many, but no more than `most`. Answers how many it looked at. */
  drop(most: number): number {
    const subscription = this.#subscription;
    const { ready, partition } = subscription;
    for (let looks = 0; looks < most; looks++) {
      if (subscription.isDeleted || !this.#isOver) return looks;
      if (subscription.deaths.mustWait()) {
        this.isWaiting = true;
        return looks;
      }
      const offset = ready.peek(partition.next);
      if (offset < 0) return looks;
      if (subscription.passOverHead(offset)) continue;
      if (partition.bodyLength(offset) >= 0) {
        ready.take();
        subscription.headDies(offset, "maxlen");
        this.#tell("a queue is at its length limit and drops messages");
      } else if (!subscription.missing.load(offset)) {
        this.isWaiting = true;
        return looks;
      }
    }
    return most;
  }

  /** Of the line: this turn has seen enough deaths. */
  putOff(): void {
    if (this.#isPutOff) return;
    this.#isPutOff = true;
    this.#core.clock.defer(() => {
      this.#isPutOff = false;
      this.enforce();
    });
  }

  /**
   * A queue that refuses has no room for so many more. What may yet be committed takes its place already, and the dead whose
   * target is full still take theirs, as in RabbitMQ: or they would gather here without a bound.
   */
  refuses(count: number, bodyBytes: number): boolean {
    const { readyCount, readyBytes, undecided, deaths, settings } = this.#subscription;
    const { maxLength, maxLengthBytes, overflow } = settings;
    if (overflow === "drop-head") return false;
    const isFull =
      (maxLength >= 0 && readyCount + undecided.count + deaths.keptCount + count > maxLength) ||
      (maxLengthBytes >= 0 && readyBytes + undecided.bytes + deaths.keptBytes + bodyBytes > maxLengthBytes);
    if (isFull) this.#tell("a queue is at its length limit and refuses messages");
    return isFull;
  }

  /** Once in a while, however many they are. */
  #tell(sentence: string): void {
    this.#untold++;
    const nowMs = this.#core.now();
    if (nowMs - this.#toldAtMs < toldMs) return;
    this.#toldAtMs = nowMs;
    const { partition, readyCount, readyBytes, settings } = this.#subscription;
    const { maxLength, maxLengthBytes } = settings;
    const queue = this.#core.queueById.get(partition.id);
    this.#core.limitedLog.warn(sentence, {
      queue: queue?.topic.name,
      namespace: queue?.namespace.name,
      messages: this.#untold,
      readyCount,
      readyBytes,
      ...(maxLength >= 0 && { maxLength }),
      ...(maxLengthBytes >= 0 && { maxLengthBytes }),
    });
    this.#untold = 0;
  }

  get #isOver(): boolean {
    const { readyCount, readyBytes, settings } = this.#subscription;
    const { maxLength, maxLengthBytes } = settings;
    if (readyCount === 0) return false;
    return (maxLength >= 0 && readyCount > maxLength) || (maxLengthBytes >= 0 && readyBytes > maxLengthBytes);
  }
}
