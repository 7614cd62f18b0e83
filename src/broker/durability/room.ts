/**
 * Who has to wait before more is taken in: bytes that are not durable yet, and memory that no segment relieves, have a bound.
 *
 * What clients publish is held back at their connections, which stop reading while it `isCongested`. What the broker
 * publishes itself (the dead, what was delayed, what is sent back) nobody would hold back: a backlog that expires before a
 * full disk would be read into memory to its end. Whoever is about to publish so asks `holdsBack()` before each message; who
 * is held back leaves things as they are, and is woken by the commit, or by the memory given back, that makes room.
 *
 * Only what takes room waits for it. Settlements do not, nor the death of what is dead-lettered nowhere, and in an atomic
 * group nothing does. The broker's own bounds are above those of clients: producers that fill all there is up to theirs do
 * not keep back what their consumers wait for (a queue whose messages become another's when they expire), and what these
 * settle makes room for more.
 */
import type { Core, Dispatchable } from "../core.ts";

export class Room {
  readonly #core: Core;
  readonly #waiting = new Set<Dispatchable>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** Clients are to wait. They are told when there is room, as of a commit. */
  get isCongested(): boolean {
    const { commit, settings } = this.#core;
    return commit.pendingBytes > settings.pendingBytesMax || this.#isMemoryShort;
  }

  /** `one` is about to publish of its own accord. True: not now; it is woken when it may be. */
  holdsBack(one: Dispatchable): boolean {
    const { commit, settings } = this.#core;
    if (commit.pendingBytes <= 2 * settings.pendingBytesMax && !this.#isTailLong) return false;
    this.#waiting.add(one);
    return true;
  }

  /** As holdsBack(), for work that is not bound to a queue: fulfilled when it may go on. */
  async wait(): Promise<void> {
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (!this.holdsBack({ isWoken: false, dispatch: resolve })) return;
      await promise;
    }
  }

  /** Something became durable, or memory was given back: wakes who was held back. */
  goOn(): void {
    if (this.#waiting.size === 0) return;
    const { commit, settings } = this.#core;
    // Not at their own bound: who is woken at the brink is held back by the first thing they do.
    if (commit.pendingBytes > settings.pendingBytesMax || this.#isTailLong) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const one of waiting) this.#core.wake(one);
  }

  get #bytesMax(): number {
    const { cacheBytes, checkpointBytes, pendingBytesMax } = this.#core.settings;
    return cacheBytes + 2 * checkpointBytes + pendingBytesMax;
  }

  get #isMemoryShort(): boolean {
    const { cache, log } = this.#core;
    // Without a disk there is nothing to wait for: the memory mark holds producers.
    if (log.isVolatile || cache.bytes <= this.#bytesMax) return false;
    // Who is not read until there is room may be the only one who would bring the next commit about.
    cache.roomBytes = Math.max(cache.roomBytes, this.#bytesMax);
    return true;
  }

  /**
   * Of memory only what is in no segment counts. What was read back goes when the next is read back, which those who wait
   * for it to go may be the only ones to do.
   */
  get #isTailLong(): boolean {
    const { cache, log, settings } = this.#core;
    const bytesMax = this.#bytesMax + settings.checkpointBytes;
    if (log.isVolatile || cache.bytes <= bytesMax || cache.tailBytes <= bytesMax) return false;
    cache.roomBytes = Math.max(cache.roomBytes, bytesMax);
    cache.tailRoomBytes = Math.max(cache.tailRoomBytes, bytesMax);
    return true;
  }
}
