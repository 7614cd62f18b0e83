/**
 * How often each kind of fault was begun, and what was seen to come of it: writes that were refused, bits that were turned,
 * connections that were cut. A fault that has stopped working would otherwise be withstood for ever.
 */

import { faultKinds, type FaultKind } from "./plan.ts";

interface Proof {
  /** What is counted. */
  readonly what: string;
  /** Begun so often, and nothing came of it: that is no accident. Greater where there may be nothing just then that it could hit. */
  readonly begunMax: number;
}

const proofs: Readonly<Record<FaultKind, Proof>> = {
  kill: { what: "ends", begunMax: 3 },
  // Some are over before the signal has come.
  stop: { what: "stops", begunMax: 5 },
  term: { what: "ends", begunMax: 3 },
  // A cut between two writes takes nothing back.
  power: { what: "sectors and names taken back", begunMax: 10 },
  "power-at-start": { what: "sectors and names taken back", begunMax: 10 },
  // The broker asks now and then how much room there is, and needs more of it now and then.
  full: { what: "writes refused, or told that there is no room", begunMax: 6 },
  "write-error": { what: "writes failed", begunMax: 3 },
  // What is asked for is mostly in memory.
  "read-error": { what: "reads failed", begunMax: 10 },
  slow: { what: "writes held up", begunMax: 3 },
  flip: { what: "bits turned", begunMax: 3 },
  clock: { what: "readings of it", begunMax: 3 },
  cut: { what: "connections", begunMax: 5 },
  "half-close": { what: "connections", begunMax: 5 },
  freeze: { what: "connections", begunMax: 5 },
  delay: { what: "connections", begunMax: 5 },
  throttle: { what: "connections", begunMax: 5 },
  split: { what: "connections", begunMax: 5 },
};

export class Tally {
  readonly #begun = new Map<FaultKind, number>();
  readonly #came = new Map<FaultKind, number>();

  begin(kind: FaultKind): void {
    this.#begun.set(kind, this.begun(kind) + 1);
  }

  /** It has come to this. */
  add(kind: FaultKind, count: number): void {
    this.#came.set(kind, this.#cameOf(kind) + count);
  }

  begun(kind: FaultKind): number {
    return this.#begun.get(kind) ?? 0;
  }

  #cameOf(kind: FaultKind): number {
    return this.#came.get(kind) ?? 0;
  }

  get total(): number {
    return faultKinds.reduce((sum, kind) => sum + this.begun(kind), 0);
  }

  /** What happened, a part for each kind; empty if nothing did. */
  show(): string {
    return faultKinds
      .filter((kind) => this.begun(kind) > 0)
      .map((kind) => `${kind} ${this.begun(kind)} (${this.#cameOf(kind)} ${proofs[kind].what})`)
      .join(", ");
  }

  /** Those of `kinds` that did not happen, or that nothing came of. */
  missing(kinds: readonly FaultKind[]): FaultKind[] {
    return kinds.filter((kind) => this.#cameOf(kind) === 0);
  }

  /** A sentence for each kind that was begun again and again and does nothing. */
  idle(): string[] {
    return faultKinds
      .filter((kind) => this.#cameOf(kind) === 0 && this.begun(kind) >= proofs[kind].begunMax)
      .map((kind) => `${kind} was begun ${this.begun(kind)} times, and nothing came of it (${proofs[kind].what}: 0)`);
  }
}
