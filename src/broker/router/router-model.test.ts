/**
 * The router against a graph that is walked without any thought for speed, over random histories of changes. Both
 * ways to route are asked after each change, so a cached answer that outlives its graph shows. Some exchanges act, and let
 * messages with one of the keys go no further.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createMatcher } from "./create-matcher.ts";
import type { MatcherKind } from "./matcher.ts";
import { Router } from "./router.ts";
import type { Destination } from "./router.ts";
import { binding as modelBinding, message } from "./routing-fixtures.suite.ts";

interface Queue {
  readonly name: string;
}

interface ModelExchange {
  readonly kind: MatcherKind;
  readonly acts: boolean;
  alternate: string | undefined;
}

/** Where an exchange acts, messages with this key go no further. */
const stoppedKey = "a.b";

interface ModelBinding {
  readonly source: string;
  readonly to: string;
  readonly key: string;
}

const queueNames = ["q0", "q1", "q2", "q3"];
const exchangeNames = ["e0", "e1", "e2", "e3", "e4"];
const queueByName = new Map<string, Queue>(queueNames.map((name) => [name, { name }]));
const keys = ["a", "b", "a.b", ""];
const kindsByKey: MatcherKind[] = ["direct", "fanout", "topic"];

/** Walks the model: the names of all that is reached. Destinations are names; queues begin with q. */
function walk(
  exchanges: Map<string, ModelExchange>,
  bindings: ModelBinding[],
  start: string,
  key: string,
): Set<string> {
  const reached = new Set([start]);
  for (const name of reached) {
    const exchange = exchanges.get(name);
    if (exchange === undefined || (exchange.acts && key === stoppedKey)) continue;
    const found: string[] = [];
    for (const each of bindings) {
      if (each.source !== name) continue;
      const matcher = createMatcher<string>(exchange.kind, {});
      matcher.add(modelBinding(each.to, each.key));
      matcher.match(message(key), (destination) => found.push(destination));
    }
    for (const destination of found) reached.add(destination);
    if (found.length === 0 && exchange.alternate !== undefined && exchanges.has(exchange.alternate)) {
      reached.add(exchange.alternate);
    }
  }
  return reached;
}

/** Whether the model has a way to an exchange that acts, whatever the message and needed or not. */
function leadsToActing(exchanges: Map<string, ModelExchange>, bindings: ModelBinding[], start: string): boolean {
  const reached = new Set([start]);
  for (const name of reached) {
    const exchange = exchanges.get(name);
    if (exchange?.acts === true) return true;
    for (const { source, to } of bindings) if (source === name) reached.add(to);
    if (exchange?.alternate !== undefined) reached.add(exchange.alternate);
  }
  return false;
}

function destinationOf(name: string): Destination<Queue> {
  const queue = queueByName.get(name);
  return queue === undefined ? { exchange: name } : { queue };
}

const exchangeName = fc.constantFrom(...exchangeNames);
const anyName = fc.constantFrom(...queueNames, ...exchangeNames);
const pattern = fc.constantFrom(...keys, "#", "*", "a.#", "*.b");
const kind = fc.constantFrom(...kindsByKey, "headers" as const);
const acts = fc.integer({ min: 0, max: 5 }).map((drawn) => drawn === 0);
const alternate = fc.option(exchangeName, { nil: undefined });

const change = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("add" as const), name: exchangeName, kind, acts, alternate }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("remove" as const), name: anyName }) },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("bind" as const), source: exchangeName, to: anyName, key: pattern }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("unbind" as const), source: exchangeName, to: anyName, key: pattern }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("alternate" as const), name: exchangeName, alternate }) },
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

/** The model and the router side by side. */
class World {
  readonly router = new Router<Queue>(() => 0);
  readonly exchanges = new Map<string, ModelExchange>();
  bindings: ModelBinding[] = [];

  apply(step: Change): void {
    switch (step.do) {
      case "add":
        if (this.exchanges.has(step.name)) return;
        this.exchanges.set(step.name, { kind: step.kind, acts: step.acts, alternate: step.alternate });
        this.router.addExchange(step.name, step.kind, { acts: step.acts, alternate: step.alternate });
        return;
      case "alternate": {
        const exchange = this.router.exchange(step.name);
        if (exchange === undefined) return;
        exchange.alternate = step.alternate;
        (this.exchanges.get(step.name) as ModelExchange).alternate = step.alternate;
        return;
      }
      case "remove":
        this.#remove(step.name);
        return;
      default:
        this.#bindOrUnbind(step);
    }
  }

  #remove(name: string): void {
    const touches = (each: ModelBinding): boolean => each.source === name || each.to === name;
    const expected = this.bindings.filter(touches).length;
    const queue = queueByName.get(name);
    if (queue !== undefined) assert.equal(this.router.removeQueue(queue).length, expected);
    else if (this.exchanges.delete(name)) assert.equal(this.router.removeExchange(name).length, expected);
    this.bindings = this.bindings.filter((each) => !touches(each));
  }

  #bindOrUnbind(step: Extract<Change, { do: "bind" | "unbind" }>): void {
    if (!this.exchanges.has(step.source) || (!queueByName.has(step.to) && !this.exchanges.has(step.to))) return;
    const isSame = (each: ModelBinding): boolean =>
      each.source === step.source && each.to === step.to && each.key === step.key;
    const exists = this.bindings.some(isSame);
    if (step.do === "bind") {
      const outcome = this.router.bind(step.source, destinationOf(step.to), step.key, {});
      assert.equal(outcome, exists ? "existed" : "bound");
      if (!exists) this.bindings.push({ source: step.source, to: step.to, key: step.key });
    } else {
      const outcome = this.router.unbind(step.source, destinationOf(step.to), step.key, {});
      assert.equal(outcome, exists ? "unbound" : "absent");
      this.bindings = this.bindings.filter((each) => !isSame(each));
    }
  }

  check(): void {
    for (const name of this.exchanges.keys()) {
      const exchange = this.router.exchange(name);
      assert.ok(exchange);
      for (const key of keys) {
        const reached = Array.from(walk(this.exchanges, this.bindings, name, key)).sort();
        const expected = reached.filter((each) => each.startsWith("q"));
        const out: Queue[] = [];
        const asked: string[] = [];
        this.router.route(exchange, message(key), out, (acting) => asked.push(acting.name) > 0 && key !== stoppedKey);
        assert.deepEqual(
          asked.sort(),
          reached.filter((each) => this.exchanges.get(each)?.acts === true),
        );
        assert.deepEqual(out.map((queue) => queue.name).sort(), expected);
        const byKey = this.router.routeByKey(exchange, key);
        if (byKey !== undefined) assert.deepEqual(byKey.map((queue) => queue.name).sort(), expected);
      }
      assert.equal(this.router.leadsToActing(exchange), leadsToActing(this.exchanges, this.bindings, name));
      assert.equal(exchange.bindingCount, this.bindings.filter((each) => each.source === name).length);
    }
  }
}

test("after any history of changes, both ways to route find what a plain walk finds", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (steps) => {
      const world = new World();
      for (const step of steps) {
        world.apply(step);
        world.check();
      }
    }),
    { numRuns: 150 },
  );
});
