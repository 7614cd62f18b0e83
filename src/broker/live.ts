/** Messages to who is connected now: not stored, and gone if nobody is. A part of the door, `api.ts`. */

import type { Headers } from "./router/values.ts";
import type { MatcherKind } from "./router/matcher.ts";
import type { RouteInput } from "./router/route-input.ts";

/** A message that is not stored. The ranges are valid during the call that hands it over. */
export interface LiveMessage {
  /** Of the MessageFormat whose raw form head and body are. */
  readonly format: number;
  readonly channel: string;
  readonly head: Buffer;
  readonly headStart: number;
  readonly headEnd: number;
  readonly body: Buffer;
  readonly bodyStart: number;
  readonly bodyEnd: number;
}

export interface LiveSubscriber {
  /** `pattern`: that of the subscription which it met. May unsubscribe nobody and subscribe nobody during the call. */
  receive(message: LiveMessage, pattern: string): void;
}

/** At-most-once fan-out to who is connected now. */
export interface LiveChannels {
  readonly subscriptionCount: number;
  /** Answers the function that ends it. The same subscriber may subscribe more than once, and gets as many copies. */
  subscribe(kind: MatcherKind, pattern: string, subscriber: LiveSubscriber, args?: Headers): () => void;
  /** Hands the message to each subscription that `input` meets; answers to how many. */
  publish(message: LiveMessage, input: RouteInput): number;
}
