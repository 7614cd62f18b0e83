/**
 * Three ways to say that this program is wrong, all of them on in production.
 *
 * `assert` is for what must hold unless *we* made a mistake: a broken invariant must stop the process before it
 * reaches the disk or a client. What a peer or an operator can cause is never asserted: it is answered with a value or
 * an error of its own. Messages are constant strings, so that a passing assertion allocates nothing: an assertion on a
 * hot path costs a compare and a branch.
 */

/** A broken invariant. Nobody catches it: the process ends, and recovery starts from what is durable. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Throws unless `claim` holds. `message` says what was expected, as a constant string. */
export function assert(claim: boolean, message: string): asserts claim {
  if (!claim) throw new AssertionError(message);
}

/** The value, which cannot be absent. For lookups whose key is known to be there. */
export function must<T>(value: T | null | undefined, message: string): T {
  if (value === null || value === undefined) throw new AssertionError(message);
  return value;
}

/** The default of an exhaustive switch: the compiler refuses the call when a case was forgotten. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}
