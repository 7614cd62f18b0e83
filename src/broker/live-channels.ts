/**
 * Live channels: at-most-once fan-out to who is connected now, the one thing that is not stored.
 *
 * A message is handed to every subscription that it meets, in place and during the call, and then forgotten; one that
 * nobody waits for is gone. Nothing is copied, nothing waits for the disk, and a subscriber that cannot keep up is its
 * protocol's to pause or to drop: there is no queue here that could grow. Subscriptions match by the router's own
 * matchers, so that a pattern means the same here and in a binding.
 */
import type { LiveChannels, LiveMessage, LiveSubscriber } from "./api.ts";
import { createMatcher } from "./router/create-matcher.ts";
import type { Binding, Matcher, MatcherKind } from "./router/matcher.ts";
import type { RouteInput } from "./router/route-input.ts";
import { noHeaders, type Headers } from "./router/values.ts";

interface LiveSubscription {
  readonly subscriber: LiveSubscriber;
  readonly pattern: string;
  /** Number of the last message that it got: a matcher may visit it twice. */
  lastMessage: number;
}

export class LiveChannelsState implements LiveChannels {
  readonly #random: () => number;
  readonly #matcherByKind = new Map<MatcherKind, Matcher<LiveSubscription>>();
  #subscriptions = 0;
  #messages = 0;
  #received = 0;
  #message: LiveMessage | undefined;

  constructor(random: () => number) {
    this.#random = random;
  }

  get subscriptionCount(): number {
    let count = 0;
    for (const matcher of this.#matcherByKind.values()) count += matcher.size;
    return count;
  }

  subscribe(kind: MatcherKind, pattern: string, subscriber: LiveSubscriber, args: Headers = noHeaders): () => void {
    let matcher = this.#matcherByKind.get(kind);
    if (matcher === undefined) {
      matcher = createMatcher<LiveSubscription>(kind, { random: this.#random });
      this.#matcherByKind.set(kind, matcher);
    }
    const destination: LiveSubscription = { subscriber, pattern, lastMessage: 0 };
    const binding: Binding<LiveSubscription> = {
      key: pattern,
      args,
      destination,
      destinationName: String(this.#subscriptions++),
    };
    matcher.add(binding);
    let isSubscribed = true;
    return () => {
      // After a clear() it is another matcher's turn.
      if (isSubscribed && this.#matcherByKind.get(kind) === matcher) matcher.remove(binding);
      isSubscribed = false;
    };
  }

  /** Ends every subscription. */
  clear(): void {
    this.#matcherByKind.clear();
  }

  publish(message: LiveMessage, input: RouteInput): number {
    this.#messages++;
    this.#received = 0;
    this.#message = message;
    for (const matcher of this.#matcherByKind.values()) if (matcher.size > 0) matcher.match(input, this.#visit);
    this.#message = undefined;
    return this.#received;
  }

  readonly #visit = (subscription: LiveSubscription): void => {
    if (subscription.lastMessage === this.#messages) return;
    subscription.lastMessage = this.#messages;
    this.#received++;
    subscription.subscriber.receive(this.#message!, subscription.pattern);
  };
}
