/**
 * The nodes and edges of the routing graph.
 *
 * An exchange routes, and is a destination as well; a queue is only a destination. Both carry the number of the walk
 * that reached them last, so that a walk meets each of them once without a set of its own. What only the router may
 * write is marked so; to everyone else an exchange is its name, kind, options, alternate and count of bindings.
 */

import type { Binding, Matcher, MatcherKind, MatcherOptions } from "./matcher.ts";
import { RouteCache } from "./route-cache.ts";
import type { Headers } from "./values.ts";

/** What a routing key alone decides about everything that can be reached from an exchange. */
export type Scope = "unknown" | "nothing" | "key" | "message";

export interface ExchangeOptions extends MatcherOptions {
  /** The exchange that takes what matches nothing here. It need not exist. */
  readonly alternate?: string | undefined;
  /** More happens to a message that comes here than that it is routed: whoever routes it is asked whether it goes on. */
  readonly acts?: boolean | undefined;
}

/** What a queue must be to be routed to: its name is unique in the namespace and stays when the broker restarts. */
export interface Named {
  readonly name: string;
}

/** Told when the alternate of an exchange changes, since that changes routes. */
export interface AlternateWatcher<Q extends Named> {
  alternateChanged(exchange: Exchange<Q>, before: string | undefined): void;
}

export class Exchange<Q extends Named> {
  readonly role = "exchange";
  readonly name: string;
  readonly kind: MatcherKind;
  readonly options: ExchangeOptions;
  readonly acts: boolean;

  /** Router only: distinct among the targets of a namespace, and never used again. */
  readonly id: number;
  /** Router only. */
  readonly matcher: Matcher<Target<Q>>;
  /** Router only: bindings that lead from here, by identity. */
  readonly edgeByIdentity = new Map<string, Edge<Q>>();
  /** Router only: bindings that lead here. */
  readonly incoming = new Set<Edge<Q>>();
  /** Router only: the walk that reached this last. */
  reachedBy = 0;
  /** Router only. */
  scope: Scope = "unknown";
  /** Router only, while the scope is known: a message may come from here to an exchange that acts. This may be one. */
  leadsToActing = false;
  /** Router only: the answer to every key, while the scope is `nothing`. */
  answer: readonly Q[] | undefined;
  /** Router only. */
  readonly cache = new RouteCache<Q>();

  readonly #watcher: AlternateWatcher<Q>;
  #alternate: string | undefined;

  constructor(
    id: number,
    name: string,
    kind: MatcherKind,
    options: ExchangeOptions,
    matcher: Matcher<Target<Q>>,
    watcher: AlternateWatcher<Q>,
  ) {
    this.id = id;
    this.name = name;
    this.kind = kind;
    this.options = options;
    this.acts = options.acts === true;
    this.matcher = matcher;
    this.#watcher = watcher;
    this.#alternate = options.alternate;
  }

  /** The exchange that takes what matches nothing here. May be set at any time (a policy can say it). */
  get alternate(): string | undefined {
    return this.#alternate;
  }

  set alternate(name: string | undefined) {
    if (name === this.#alternate) return;
    const before = this.#alternate;
    this.#alternate = name;
    this.#watcher.alternateChanged(this, before);
  }

  /** Bindings that lead from here. */
  get bindingCount(): number {
    return this.edgeByIdentity.size;
  }

  get hashName(): string {
    return `exchange:${this.name}`;
  }
}

/** A queue as the graph sees it. Exists while a binding leads to it. */
export class QueueTarget<Q extends Named> {
  readonly role = "queue";
  readonly id: number;
  readonly queue: Q;
  readonly incoming = new Set<Edge<Q>>();
  reachedBy = 0;

  constructor(id: number, queue: Q) {
    this.id = id;
    this.queue = queue;
  }

  get hashName(): string {
    return `queue:${this.queue.name}`;
  }
}

export type Target<Q extends Named> = Exchange<Q> | QueueTarget<Q>;

/** A binding in the graph. */
export class Edge<Q extends Named> implements Binding<Target<Q>> {
  readonly source: Exchange<Q>;
  readonly destination: Target<Q>;
  readonly key: string;
  readonly args: Headers;
  readonly identity: string;

  constructor(source: Exchange<Q>, destination: Target<Q>, key: string, args: Headers, identity: string) {
    this.source = source;
    this.destination = destination;
    this.key = key;
    this.args = args;
    this.identity = identity;
  }

  get destinationName(): string {
    return this.destination.hashName;
  }
}
