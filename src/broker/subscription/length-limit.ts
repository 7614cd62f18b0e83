/** A queue that keeps the newest: what is too many, or too large together, goes from the head of its order. */
import type { Core } from "../core.ts";
import type { Subscription } from "./subscription.ts";

/** Messages that one turn drops at most: the rest waits for the next turn, so that nobody else starves. */
const deathsPerTurn = 1024;
/** A queue that is at its limit says so again after this long. */
const toldMs = 60_000;

export class LengthLimit {
  /**
   * The head has to be read back first: enforce() is to be called when it may be there. And at first: a process that ended
   * in the middle of dropping left too many.
   */
  isWaiting = true;
  readonly #core: Core;
  readonly #subscription: Subscription;
  #toldAtMs = -Infinity;
  /** Messages that went, or were refused, since that was told. */
  #untold = 0;

  constructor(core: Core, subscription: Subscription) {
    this.#core = core;
    this.#subscription = subscription;
  }

  readonly enforce = (): void => {
    const subscription = this.#subscription;
    this.isWaiting = this.#core.isRecovering || subscription.isBuilding;
    const { ready, partition } = subscription;
    if (subscription.settings.overflow !== "drop-head" || this.isWaiting) return;
    for (let deaths = 0; deaths < deathsPerTurn; deaths++) {
      if (subscription.isDeleted || !this.#isOver) return;
      const offset = ready.peek(partition.next);
      if (offset < 0) return;
      if (subscription.passOverHead(offset)) continue;
      if (partition.bodyLength(offset) >= 0) {
        ready.take();
        subscription.headDies(offset, "maxlen");
        this.#tell("a queue is at its length limit and drops messages");
      } else if (!subscription.missing.load(offset)) {
        this.isWaiting = true;
        return;
      }
    }
    this.#core.clock.defer(this.enforce);
  };

  /** A queue that refuses has no room for so many more. What may yet be committed takes its place already. */
  refuses(count: number, bodyBytes: number): boolean {
    const { readyCount, readyBytes, undecided, settings } = this.#subscription;
    const { maxLength, maxLengthBytes, overflow } = settings;
    if (overflow === "drop-head") return false;
    const isFull =
      (maxLength >= 0 && readyCount + undecided.count + count > maxLength) ||
      (maxLengthBytes >= 0 && readyBytes + undecided.bytes + bodyBytes > maxLengthBytes);
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
