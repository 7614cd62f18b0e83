/**
 * The routing graph of one namespace: exchanges, the bindings between them, and the queues where they end.
 *
 * A message enters at an exchange, and everything that a match reaches is walked: queues are collected, exchanges are
 * matched in turn, each of both once, so cycles end. Where an exchange matches nothing at all, its alternate takes its
 * place, if it exists. The order of what is collected follows the order of bindings, so that a replay of the same
 * changes gives the same routes.
 *
 * Some exchanges do more with a message than route it: they `act`. The walk asks at each of them, the first as well as those
 * that a binding or an alternate leads to, whether the message goes on, and stops there if it does not: neither the
 * bindings nor the alternate of such an exchange are looked at. What is done is the business of who is asked.
 *
 * Most routing is asked for again: the same exchange, the same key. Whatever can be reached from an exchange and depends
 * on nothing but the key is answered by `routeByKey` from a cache, in one Map lookup; exchanges that depend on
 * nothing (fanout, and all behind it) have a single answer. A change drops the answers of the exchange that changed and
 * of all that lead to it, and no others: a client that binds and unbinds its own reply queue all day long
 * costs the rest nothing.
 *
 * Rejected: dropping every cache at each change (the reply queues above would make most publishes miss), and a set of
 * visited queues for each walk (an allocation a message, where a number on the queue does).
 *
 * Not here: the exchange without a name, whose bindings are the queues themselves (the catalog has them by
 * name already), and everything about exchanges that is not routing: durability, deletion when unused, permissions.
 */

import { assert, must } from "../../base/assert.ts";
import { createMatcher } from "./create-matcher.ts";
import { Edge, Exchange, QueueTarget } from "./exchange.ts";
import type { AlternateWatcher, ExchangeOptions, Named, Target } from "./exchange.ts";
import type { MatcherKind } from "./matcher.ts";
import type { RouteInput } from "./route-input.ts";
import { canonicalText, noHeaders } from "./values.ts";
import type { Headers } from "./values.ts";

/** Where a binding leads. */
export type Destination<Q> = { readonly queue: Q } | { readonly exchange: string };

/** A binding as it is told to others. */
export interface BindingView<Q> {
  readonly source: string;
  readonly destination: Destination<Q>;
  readonly key: string;
  readonly args: Headers;
}

/** A binding that went with its source or its destination. */
export type RemovedBinding<Q> = BindingView<Q>;

/** The message of a routing by key alone. */
class KeyInput implements RouteInput {
  routingKey = "";

  headers(): Headers {
    return noHeaders;
  }

  property(): undefined {
    return undefined;
  }
}

export class Router<Q extends Named> implements AlternateWatcher<Q> {
  /** Grows with every change of the graph. */
  version = 0;

  readonly #random: () => number;
  readonly #exchangeByName = new Map<string, Exchange<Q>>();
  readonly #targetByQueue = new Map<Q, QueueTarget<Q>>();
  /** Exchanges by the alternate that they name, whether it exists or not. */
  readonly #usersByAlternate = new Map<string, Set<Exchange<Q>>>();
  #nextId = 1;
  /** Exchanges that act. */
  #actingCount = 0;

  // The walk in progress. Kept here, so that a walk allocates nothing; with a count of its own, because an array whose
  // length is set to 0 gives up its memory.
  #walk = 0;
  #hasMatched = false;
  #queues: Q[] = [];
  readonly #pending: Exchange<Q>[] = [];
  #pendingCount = 0;
  readonly #keyInput = new KeyInput();
  readonly #arrive = (target: Target<Q>): void => {
    this.#hasMatched = true;
    if (target.reachedBy === this.#walk) return;
    target.reachedBy = this.#walk;
    if (target.role === "queue") this.#queues.push(target.queue);
    else this.#pending[this.#pendingCount++] = target;
  };

  /** `random` answers a number in [0, 1), for exchanges of the kind random. */
  constructor(random: () => number) {
    this.#random = random;
  }

  exchange(name: string): Exchange<Q> | undefined {
    return this.#exchangeByName.get(name);
  }

  exchanges(): Iterable<Exchange<Q>> {
    return this.#exchangeByName.values();
  }

  /** Adds an exchange of a new name. */
  addExchange(name: string, kind: MatcherKind, options: ExchangeOptions): Exchange<Q> {
    assert(!this.#exchangeByName.has(name), "an exchange is added once");
    const matcher = createMatcher<Target<Q>>(kind, { ...options, random: this.#random });
    const exchange = new Exchange<Q>(this.#nextId++, name, kind, options, matcher, this);
    this.#exchangeByName.set(name, exchange);
    if (exchange.acts) this.#actingCount++;
    if (exchange.alternate !== undefined) this.#usersOf(exchange.alternate).add(exchange);
    this.#forget([exchange]);
    return exchange;
  }

  /** Removes an exchange, and with it the bindings from it and to it, which it answers. */
  removeExchange(name: string): RemovedBinding<Q>[] {
    const exchange = this.#existing(name);
    const removed: RemovedBinding<Q>[] = [];
    // All that lead to it are forgotten with it.
    this.#forget([exchange]);
    for (const edge of exchange.edgeByIdentity.values()) removed.push(this.#cut(edge));
    for (const edge of exchange.incoming) removed.push(this.#cut(edge));
    this.#exchangeByName.delete(name);
    if (exchange.acts) this.#actingCount--;
    if (exchange.alternate !== undefined) this.#leaveAlternate(exchange, exchange.alternate);
    return removed;
  }

  /** Binds. Source and destination exist, and the binding is one that the source's matcher takes. */
  bind(source: string, destination: Destination<Q>, key: string, args: Headers): "bound" | "existed" {
    const from = this.#existing(source);
    const target = this.#targetFor(destination);
    const identity = identityOf(target, key, args);
    if (from.edgeByIdentity.has(identity)) return "existed";
    const edge = new Edge(from, target, key, args, identity);
    from.edgeByIdentity.set(identity, edge);
    target.incoming.add(edge);
    if (target.role === "queue") this.#targetByQueue.set(target.queue, target);
    from.matcher.add(edge);
    this.#forget([from]);
    return "bound";
  }

  /** Unbinds. A source or a destination that is not there is as good as a binding that is not. */
  unbind(source: string, destination: Destination<Q>, key: string, args: Headers): "unbound" | "absent" {
    const from = this.#exchangeByName.get(source);
    const target =
      "queue" in destination
        ? this.#targetByQueue.get(destination.queue)
        : this.#exchangeByName.get(destination.exchange);
    if (from === undefined || target === undefined) return "absent";
    const edge = from.edgeByIdentity.get(identityOf(target, key, args));
    if (edge === undefined) return "absent";
    this.#forget([from]);
    this.#cut(edge);
    return "unbound";
  }

  /** The bindings that lead from an exchange, oldest first. */
  bindingsFrom(name: string): BindingView<Q>[] {
    const exchange = this.#exchangeByName.get(name);
    return exchange === undefined ? [] : Array.from(exchange.edgeByIdentity.values(), viewOf);
  }

  hasBindingsFrom(name: string): boolean {
    const exchange = this.#exchangeByName.get(name);
    return exchange !== undefined && exchange.edgeByIdentity.size > 0;
  }

  /** The bindings that lead to a queue or an exchange, oldest first. */
  bindingsTo(destination: Destination<Q>): BindingView<Q>[] {
    const target =
      "queue" in destination
        ? this.#targetByQueue.get(destination.queue)
        : this.#exchangeByName.get(destination.exchange);
    return target === undefined ? [] : Array.from(target.incoming, (edge: Edge<Q>) => viewOf(edge));
  }

  /** Removes the bindings to a queue and answers them. */
  removeQueue(queue: Q): RemovedBinding<Q>[] {
    const target = this.#targetByQueue.get(queue);
    if (target === undefined) return [];
    this.#forget(Array.from(target.incoming, ({ source }) => source));
    return Array.from(target.incoming, (edge) => this.#cut(edge));
  }

  /**
   * Appends each queue that the message reaches once to `out`, and answers how many. `passes` is asked once at each
   * exchange that acts and that the message comes to; where it answers false, the message goes no further from there.
   */
  route(exchange: Exchange<Q>, input: RouteInput, out: Q[], passes?: (exchange: Exchange<Q>) => boolean): number {
    const before = out.length;
    this.#queues = out;
    this.#walk++;
    exchange.reachedBy = this.#walk;
    this.#pending[0] = exchange;
    this.#pendingCount = 1;
    for (let at = 0; at < this.#pendingCount; at++) {
      const current = this.#pending[at] as Exchange<Q>;
      if (current.acts && passes?.(current) === false) continue;
      this.#hasMatched = false;
      current.matcher.match(input, this.#arrive);
      if (this.#hasMatched || current.alternate === undefined) continue;
      const alternate = this.#exchangeByName.get(current.alternate);
      if (alternate !== undefined) this.#arrive(alternate);
    }
    return out.length - before;
  }

  /**
   * The queues that a message with this key, and no further keys, reaches, each once: a frozen array that may be kept
   * while `version` stands. Undefined when the message must be looked at, chance decides, or an exchange on the way
   * acts: then ask `route`.
   */
  routeByKey(exchange: Exchange<Q>, routingKey: string): readonly Q[] | undefined {
    if (exchange.scope === "key") {
      const cached = exchange.cache.get(routingKey);
      if (cached !== undefined) return cached;
    } else if (exchange.answer !== undefined) return exchange.answer;
    return this.#computeByKey(exchange, routingKey);
  }

  /** Whether a message that is published here may come to an exchange that acts. Alternates count, needed or not. */
  leadsToActing(exchange: Exchange<Q>): boolean {
    if (this.#actingCount === 0) return false;
    if (exchange.scope === "unknown") exchange.scope = this.#scopeOf(exchange);
    return exchange.leadsToActing;
  }

  alternateChanged(exchange: Exchange<Q>, before: string | undefined): void {
    if (before !== undefined) this.#leaveAlternate(exchange, before);
    if (exchange.alternate !== undefined) this.#usersOf(exchange.alternate).add(exchange);
    this.#forget([exchange]);
  }

  #computeByKey(exchange: Exchange<Q>, routingKey: string): readonly Q[] | undefined {
    if (exchange.scope === "unknown") exchange.scope = this.#scopeOf(exchange);
    if (exchange.scope === "message") return undefined;
    this.#keyInput.routingKey = routingKey;
    const queues: Q[] = [];
    this.route(exchange, this.#keyInput, queues);
    Object.freeze(queues);
    if (exchange.scope === "nothing") exchange.answer = queues;
    else exchange.cache.set(routingKey, queues);
    return queues;
  }

  /**
   * What decides about all that can be reached from an exchange, and whether that has an exchange that acts. Alternates
   * count, whether or not they are needed.
   */
  #scopeOf(start: Exchange<Q>): "nothing" | "key" | "message" {
    let scope: "nothing" | "key" | "message" = "nothing";
    start.leadsToActing = false;
    const walk = ++this.#walk;
    const reached = [start];
    start.reachedBy = walk;
    const reach = (target: Target<Q> | undefined): void => {
      if (target === undefined || target.role === "queue" || target.reachedBy === walk) return;
      target.reachedBy = walk;
      reached.push(target);
    };
    for (const exchange of reached) {
      const { dependsOn } = exchange.matcher;
      start.leadsToActing ||= exchange.acts;
      if (dependsOn === "message" || dependsOn === "chance" || exchange.acts) scope = "message";
      else if (dependsOn === "key" && scope === "nothing") scope = "key";
      if (scope === "message" && (start.leadsToActing || this.#actingCount === 0)) return scope;
      for (const edge of exchange.edgeByIdentity.values()) reach(edge.destination);
      if (exchange.alternate !== undefined) reach(this.#exchangeByName.get(exchange.alternate));
    }
    return scope;
  }

  /** Drops what is remembered of exchanges that change, and of all from which they can be reached: one walk for all. */
  #forget(changed: readonly Exchange<Q>[]): void {
    this.version++;
    const walk = ++this.#walk;
    const reached: Exchange<Q>[] = [];
    const reach = (exchange: Exchange<Q>): void => {
      if (exchange.reachedBy === walk) return;
      exchange.reachedBy = walk;
      reached.push(exchange);
    };
    changed.forEach(reach);
    for (const exchange of reached) {
      exchange.scope = "unknown";
      exchange.answer = undefined;
      exchange.cache.clear();
      for (const edge of exchange.incoming) reach(edge.source);
      const users = this.#usersByAlternate.get(exchange.name);
      if (users !== undefined) for (const user of users) reach(user);
    }
  }

  /** Its source was forgotten. */
  #cut(edge: Edge<Q>): RemovedBinding<Q> {
    const { source, destination } = edge;
    source.matcher.remove(edge);
    source.edgeByIdentity.delete(edge.identity);
    destination.incoming.delete(edge);
    if (destination.role === "queue" && destination.incoming.size === 0) this.#targetByQueue.delete(destination.queue);
    return viewOf(edge);
  }

  #existing(name: string): Exchange<Q> {
    return must(this.#exchangeByName.get(name), "the exchange exists");
  }

  #targetFor(destination: Destination<Q>): Target<Q> {
    if ("exchange" in destination) return this.#existing(destination.exchange);
    return this.#targetByQueue.get(destination.queue) ?? new QueueTarget(this.#nextId++, destination.queue);
  }

  #usersOf(alternate: string): Set<Exchange<Q>> {
    let users = this.#usersByAlternate.get(alternate);
    if (users === undefined) {
      users = new Set();
      this.#usersByAlternate.set(alternate, users);
    }
    return users;
  }

  #leaveAlternate(exchange: Exchange<Q>, alternate: string): void {
    const users = this.#usersOf(alternate);
    users.delete(exchange);
    if (users.size === 0) this.#usersByAlternate.delete(alternate);
  }
}

/** Equal for bindings of one source to the same destination with the same key and deeply equal arguments. */
function identityOf<Q extends Named>(target: Target<Q>, key: string, args: Headers): string {
  return `${target.id}.${key.length}.${key}${canonicalText(args)}`;
}

function viewOf<Q extends Named>(edge: Edge<Q>): BindingView<Q> {
  const { destination } = edge;
  return {
    source: edge.source.name,
    destination: destination.role === "queue" ? { queue: destination.queue } : { exchange: destination.name },
    key: edge.key,
    args: edge.args,
  };
}
