/** What was asked and how long it took, for each command. Plain numbers in arrays by key, raised once a request. */

import type { Command } from "./command.ts";

export class ApiCounters {
  readonly requests: Float64Array;
  readonly requestBytes: Float64Array;
  readonly responseBytes: Float64Array;
  /** From the last byte of the request to the first of the answer being written, summed. */
  readonly elapsedMs: Float64Array;

  constructor(commands: readonly Command[]) {
    const length = Math.max(0, ...commands.map(({ key }) => key)) + 1;
    this.requests = new Float64Array(length);
    this.requestBytes = new Float64Array(length);
    this.responseBytes = new Float64Array(length);
    this.elapsedMs = new Float64Array(length);
  }
}
