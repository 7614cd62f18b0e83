/**
 * The answers of one exchange by routing key, bounded.
 *
 * Two generations: new answers go to the young one, and when that is full it becomes the old one and the old is
 * dropped. A key found in the old moves to the young. So what is used stays, what is not leaves after a while, and a
 * hit on a hot key is one Map lookup without the bookkeeping that a list in order of use would need. A cache that is
 * cleared when full was the first form: it made every hot key miss each time a stream of unique keys had filled it.
 *
 * The bound counts what answers refer to as well as their number: 16,384 keys with 1,000 queues each would otherwise
 * hold 130 MB.
 */

const generationCostMax = 8_192;
/** A cached key costs as much as this many destinations. */
const destinationsPerKey = 8;

export class RouteCache<Q> {
  #young = new Map<string, readonly Q[]>();
  #old = new Map<string, readonly Q[]>();
  #youngCost = 0;

  get(key: string): readonly Q[] | undefined {
    return this.#young.get(key) ?? this.#promote(key);
  }

  set(key: string, queues: readonly Q[]): void {
    const cost = 1 + queues.length / destinationsPerKey;
    if (this.#youngCost + cost > generationCostMax) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngCost = 0;
    }
    this.#young.set(key, queues);
    this.#youngCost += cost;
  }

  clear(): void {
    if (this.#young.size > 0) this.#young = new Map();
    if (this.#old.size > 0) this.#old = new Map();
    this.#youngCost = 0;
  }

  #promote(key: string): readonly Q[] | undefined {
    const queues = this.#old.get(key);
    if (queues === undefined) return undefined;
    this.#old.delete(key);
    this.set(key, queues);
    return queues;
  }
}
