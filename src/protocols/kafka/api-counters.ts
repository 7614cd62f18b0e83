/** What was asked and how long it took, for each command. Plain numbers in arrays by key, raised once a request. */

import type { Command } from "./command.ts";

export class ApiCounters {
  readonly #commands: readonly Command[];
  readonly requests: Float64Array;
  readonly requestBytes: Float64Array;
  readonly responseBytes: Float64Array;
  /** From the last byte of the request to the first of the answer being written, summed. */
  readonly elapsedMs: Float64Array;

  constructor(commands: readonly Command[]) {
    this.#commands = commands;
    const length = Math.max(0, ...commands.map(({ key }) => key)) + 1;
    this.requests = new Float64Array(length);
    this.requestBytes = new Float64Array(length);
    this.responseBytes = new Float64Array(length);
    this.elapsedMs = new Float64Array(length);
  }

  /** Of each command that was asked for. */
  *all() {
    for (const { name, key } of this.#commands) {
      const count = this.requests[key]!;
      if (count === 0) continue;
      yield {
        request: name,
        count,
        requestBytes: this.requestBytes[key]!,
        responseBytes: this.responseBytes[key]!,
        elapsedMs: this.elapsedMs[key]!,
      };
    }
  }
}
