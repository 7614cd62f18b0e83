// What routing one message costs: by a key that was asked for before, by a new key among 10,000 wildcard patterns, by
// headers among 10,000 bindings, by hash over 10 queues; and what a binding costs.
//
//     node bench/routing.ts
//
// No socket and no disk: the router alone, in this process. Each line is the best of five rounds.

import { TopicMatcher } from "../src/broker/router/topic-matcher.ts";
import { Router } from "../src/broker/router/router.ts";
import type { RouteInput } from "../src/broker/router/route-input.ts";
import { noHeaders } from "../src/broker/router/values.ts";
import type { Headers } from "../src/broker/router/values.ts";

interface Queue {
  readonly name: string;
}

const patternCount = 10_000;
const rounds = 5;

function nsEach(count: number, run: (at: number) => void): number {
  let best = Infinity;
  for (let round = 0; round < rounds; round++) {
    const began = process.hrtime.bigint();
    for (let at = 0; at < count; at++) run(at);
    best = Math.min(best, Number(process.hrtime.bigint() - began) / count);
  }
  return best;
}

function report(what: string, amount: number, unit: string): void {
  const digits = amount < 100 ? 1 : 0;
  process.stdout.write(`${what.padEnd(64)} ${amount.toFixed(digits).padStart(9)} ${unit}\n`);
}

function patternAt(at: number): string {
  if (at % 3 === 0) return `tenant${at % 100}.*.device${at}.#`;
  return at % 3 === 1 ? `tenant${at % 100}.region${at}.*` : `*.event${at}.#`;
}

function inputOf(routingKey: string, headers: Headers = noHeaders): RouteInput {
  return { routingKey, headers: () => headers, property: () => undefined };
}

function topics(): void {
  const router = new Router<Queue>(Math.random);
  const topic = router.addExchange("topic", "topic", {});
  const queues = Array.from({ length: patternCount }, (_, at) => ({ name: `q${at}` }));
  const began = process.hrtime.bigint();
  queues.forEach((queue, at) => router.bind("topic", { queue }, patternAt(at), noHeaders));
  report("bind, 10,000 wildcard patterns", Number(process.hrtime.bigint() - began) / patternCount, "ns");

  const keys = Array.from({ length: 30_000 }, (_, at) => `tenant${at % 100}.east.device${at % 9_999}.temperature${at}`);
  const hot = keys.slice(0, 1_000);
  let found = 0;
  const cached = nsEach(2_000_000, (at) => (found += router.routeByKey(topic, hot[at % 1_000] as string)?.length ?? 0));
  report("routeByKey, topic, a key asked before (1,000 in turn)", cached, "ns");
  const missed = nsEach(30_000, (at) => (found += router.routeByKey(topic, keys[at] as string)?.length ?? 0));
  report("routeByKey, topic, a key not in the cache", missed, "ns");

  const matcher = new TopicMatcher<Queue>();
  queues.forEach((destination, at) =>
    matcher.add({ key: patternAt(at), args: noHeaders, destination, destinationName: destination.name }),
  );
  const inputs = keys.map((key) => inputOf(key));
  const matching = nsEach(30_000, (at) => matcher.match(inputs[at] as RouteInput, () => found++));
  report("match of a topic key among 10,000 patterns", matching, "ns");
  report("nodes that such a match touches", matcher.nodesTouched / (30_000 * rounds), "nodes");
  if (found === 0) throw new Error("nothing was routed");
}

function manyHashes(): void {
  const hostile = new TopicMatcher<string>();
  hostile.add({ key: `${"#.a.".repeat(40)}b`, args: noHeaders, destination: "q", destinationName: "q" });
  const key = inputOf("a.".repeat(100));
  report(
    "match of 100 words against a pattern of 40 #",
    nsEach(200, () => hostile.match(key, () => undefined)),
    "ns",
  );
}

function others(): void {
  const router = new Router<Queue>(Math.random);
  const out: Queue[] = [];
  const fanout = router.addExchange("fanout", "fanout", {});
  const headers = router.addExchange("headers", "headers", {});
  const hash = router.addExchange("hash", "consistent-hash", { hashHeader: "user" });
  for (let at = 0; at < 10; at++) {
    router.bind("fanout", { queue: { name: `f${at}` } }, "", noHeaders);
    router.bind("hash", { queue: { name: `h${at}` } }, "1", noHeaders);
  }
  for (let at = 0; at < patternCount; at++) {
    const args = { "x-match": at % 2 === 0 ? "all" : "any", customer: at, region: `r${at}` };
    router.bind("headers", { queue: { name: `q${at}` } }, "", args);
  }
  const customers = Array.from({ length: 1_000 }, (_, at) => inputOf("", { customer: at, region: `r${at}`, other: 1 }));
  const users = Array.from({ length: 1_000 }, (_, at) => inputOf("", { user: `user-${at}` }));
  report(
    "routeByKey, fanout to 10",
    nsEach(2_000_000, () => void router.routeByKey(fanout, "any")),
    "ns",
  );
  const byRoute = (exchange: typeof fanout, inputs: readonly RouteInput[]): number =>
    nsEach(200_000, (at) => {
      out.length = 0;
      router.route(exchange, inputs[at % 1_000] as RouteInput, out);
    });
  report("route, fanout to 10, not cached", byRoute(fanout, users), "ns");
  report("route, headers, 10,000 bindings of 2 arguments", byRoute(headers, customers), "ns");
  report("route, consistent hash of a header over 10 queues", byRoute(hash, users), "ns");
}

topics();
manyHashes();
others();
