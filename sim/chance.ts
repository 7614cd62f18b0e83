import { seededRandom, type Random } from "../src/base/random.ts";

/** Choices from one seed. Forks are independent: what one part of a run draws does not move what another one gets. */
export class Chance implements Random {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  next(): number {
    return this.#random.next();
  }

  bytes(length: number): Buffer {
    return this.#random.bytes(length);
  }

  /** Whole, in [low, high). */
  between(low: number, high: number): number {
    return low + Math.floor(this.#random.next() * (high - low));
  }

  is(probability: number): boolean {
    return this.#random.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random.next() * list.length)]!;
  }

  /** Each choice as often as its weight says. */
  weighted<T>(choices: readonly (readonly [number, T])[]): T {
    let sum = 0;
    for (const [weight] of choices) sum += weight;
    let at = this.#random.next() * sum;
    for (const [weight, choice] of choices) {
      at -= weight;
      if (at < 0) return choice;
    }
    return choices.at(-1)![1];
  }

  fork(): Chance {
    return new Chance(this.between(0, 0x7fff_ffff));
  }
}
