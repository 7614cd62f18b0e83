/**
 * How large the messages are that publishers send, in RabbitMQ's buckets. Counted once a message, on the way that decides
 * how fast the broker is: a few comparisons and two additions in place.
 */

import type { Distribution } from "../../../broker/api.ts";

const bounds = [100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000, 100_000_000] as const;

export class MessageSizes implements Distribution {
  readonly bounds: readonly number[] = bounds;
  readonly counts = new Float64Array(bounds.length + 1);
  /** In an array, where adding to it makes no new number. */
  readonly #sum = new Float64Array(1);

  /** A body of so many bytes came from a publisher. */
  add(bytes: number): void {
    let place = 0;
    for (let bound = 100; place < 6 && bytes > bound; bound *= 10) place++;
    if (place === 6) place += bytes <= 50_000_000 ? 0 : bytes <= 100_000_000 ? 1 : 2;
    this.counts[place]!++;
    this.#sum[0]! += bytes;
  }

  get sum(): number {
    return this.#sum[0]!;
  }
}
