/**
 * A matcher holds the bindings of one exchange and answers, for a message, the destinations whose bindings it meets.
 *
 * It knows nothing of queues, exchanges or the graph between them: destinations are opaque, and the router walks on
 * from what a matcher visits. It may visit a destination more than once (two bindings can match the same message), as
 * the router keeps a mark on each destination anyway, and a second set here would only repeat that work.
 *
 * `dependsOn` says what the answer is a function of, apart from the bindings, and so what may be cached:
 *   nothing  every message gets the same answer
 *   key      the routing key alone decides
 *   message  headers or properties are looked at
 *   chance   the answer differs from one call to the next
 *
 * To add a kind (NATS subjects, MQTT filters, SQL and correlation filters are to come): write `<kind>-matcher.ts` with a
 * class of this interface and name it in `MatcherKind`; the compiler then asks for its line in create-matcher.ts, and
 * matcher.test.ts for a row. What a binding may say is checked by the protocol that makes it, in its own words. Subjects and
 * filters with wildcards are the trie of topic-matcher.ts with another separator and other wildcards: give it those as
 * parameters rather than copy it.
 *
 * A filter language was rejected as the common form of all matchers: a trie and a hash table answer without looking at
 * bindings that do not match, and a list of predicates cannot.
 */

import type { RouteInput } from "./route-input.ts";
import type { Headers } from "./values.ts";

/** What one exchange holds of a binding. */
export interface Binding<D> {
  readonly key: string;
  readonly args: Headers;
  readonly destination: D;
  /** Names the destination among all others, and stays when the broker restarts: hashes are made from it. */
  readonly destinationName: string;
}

/** What a matcher's answer is a function of, apart from its bindings. */
export type Dependence = "nothing" | "key" | "message" | "chance";

export interface Matcher<D> {
  readonly dependsOn: Dependence;
  /** Bindings held. */
  readonly size: number;
  /** Adds a binding that is not held yet. Of a consistent hash, its key is a whole number from 1. */
  add(binding: Binding<D>): void;
  /** Removes a binding: the very object that was added. */
  remove(binding: Binding<D>): void;
  /** Visits each destination that the message meets, in any order, some perhaps more than once. */
  match(input: RouteInput, visit: (destination: D) => void): void;
}

export type MatcherKind = "direct" | "fanout" | "topic" | "headers" | "consistent-hash" | "modulus-hash" | "random";

export interface MatcherOptions {
  /** Hash this header instead of the routing key (consistent-hash). */
  readonly hashHeader?: string;
  /** Hash this property instead of the routing key (consistent-hash): `message-id`, `correlation-id`, `timestamp`. */
  readonly hashProperty?: string;
  /** Answers a number in [0, 1). Needed by the kind `random`. */
  readonly random?: () => number;
}
