/**
 * Numbers for producers, never given twice. They are taken in blocks: what is durable is the end of the block, so a start
 * goes on behind it and a few are lost, and most requests for one wait for no disk.
 */

import type { Definitions } from "../../../broker/api.ts";

const kind = "kafka";
const name = "producer-ids";
const blockSize = 1000;

export class ProducerIds {
  readonly #definitions: Definitions;
  #next = 0;
  #blockEnd = 0;

  constructor(definitions: Definitions) {
    this.#definitions = definitions;
  }

  /** To be told to nobody before everything done until now is durable. */
  take(): number {
    if (this.#next === this.#blockEnd) {
      const stored = this.#definitions.get(kind, name) as { next: number } | undefined;
      this.#next = stored?.next ?? 0;
      this.#blockEnd = this.#next + blockSize;
      this.#definitions.put(kind, name, { next: this.#blockEnd });
    }
    return this.#next++;
  }
}
