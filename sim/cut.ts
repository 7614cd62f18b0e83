/** When something was done, in tickets of this boot. 0 to 0: it is durable and was before this boot. */
export interface When {
  readonly low: number;
  readonly high: number;
}

export const before: When = { low: 0, high: 0 };

/** A broken promise. */
export class Violation extends Error {
  override readonly name = "Violation";
}

export function ensure(claim: boolean, message: string): asserts claim {
  if (!claim) throw new Violation(message);
}

/** The ticket up to which everything happened: bounds from what is found. */
export class Cut {
  #low: number;
  #high = Number.MAX_SAFE_INTEGER;
  #lowWhy = "it was acknowledged";
  #highWhy = "";

  constructor(durableTicket: number, isClean: boolean) {
    this.#low = isClean ? Number.MAX_SAFE_INTEGER - 1 : durableTicket;
  }

  /** It is there: made before the cut, ended behind it. */
  present(made: When, ended: When | undefined, what: string): void {
    this.#atLeast(made.low, `${what} is there`);
    if (ended !== undefined) this.#below(ended.high, `${what} is still there`);
  }

  absent(made: When, ended: When | undefined, what: string): void {
    if (ended === undefined) this.#below(made.high, `${what} is lost`);
    else if (made.high <= this.#low) this.#atLeast(ended.low, `${what} is gone`);
  }

  get text(): string {
    return `cut between ${this.#low} (${this.#lowWhy}) and ${this.#high} (${this.#highWhy})`;
  }

  check(): void {
    ensure(
      this.#low <= this.#high,
      `${this.#highWhy}, but ${this.#lowWhy} (ticket ${this.#low} happened, ${this.#high + 1} did not)`,
    );
  }

  #atLeast(ticket: number, why: string): void {
    if (ticket <= this.#low) return;
    this.#low = ticket;
    this.#lowWhy = why;
  }

  #below(ticket: number, why: string): void {
    if (ticket - 1 >= this.#high) return;
    this.#high = ticket - 1;
    this.#highWhy = why;
  }
}
