import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Exchange } from "./exchange.ts";
import { Router } from "./router.ts";
import { message } from "./routing-fixtures.suite.ts";
import type { Headers } from "./values.ts";

interface Queue {
  readonly name: string;
}

const queue = (name: string): Queue => ({ name });
const [a, b, c] = [queue("a"), queue("b"), queue("c")];
const newRouter = (): Router<Queue> => new Router<Queue>(() => 0);

function routed(router: Router<Queue>, exchange: Exchange<Queue>, key: string, headers: Headers = {}): string[] {
  const out: Queue[] = [];
  const added = router.route(exchange, message(key, headers), out);
  assert.equal(added, out.length);
  return out.map((each) => each.name);
}

const namesByKey = (router: Router<Queue>, exchange: Exchange<Queue>, key: string): string[] | undefined =>
  router.routeByKey(exchange, key)?.map((each) => each.name);

suite("routing", () => {
  test("answers each queue once, however many bindings match", () => {
    const router = newRouter();
    const topic = router.addExchange("t", "topic", {});
    router.bind("t", { queue: a }, "x.*", {});
    router.bind("t", { queue: a }, "#", {});
    router.bind("t", { queue: b }, "#", {});
    assert.deepEqual(routed(router, topic, "x.y"), ["a", "b"]);
    assert.deepEqual(namesByKey(router, topic, "x.y"), ["a", "b"]);
  });

  test("appends to what is there already, and answers what it added", () => {
    const router = newRouter();
    const fanout = router.addExchange("f", "fanout", {});
    router.bind("f", { queue: b }, "", {});
    const out = [a];
    assert.equal(router.route(fanout, message(""), out), 1);
    assert.deepEqual(out, [a, b]);
  });

  test("follows exchanges bound to exchanges, with the same key, and survives cycles", () => {
    const router = newRouter();
    const first = router.addExchange("first", "fanout", {});
    router.addExchange("second", "direct", {});
    router.addExchange("third", "fanout", {});
    router.bind("first", { exchange: "second" }, "", {});
    router.bind("second", { exchange: "third" }, "k", {});
    router.bind("third", { exchange: "first" }, "", {});
    router.bind("third", { exchange: "third" }, "", {});
    router.bind("third", { queue: c }, "", {});
    router.bind("first", { queue: a }, "", {});
    assert.deepEqual(routed(router, first, "k"), ["a", "c"]);
    assert.deepEqual(routed(router, first, "other"), ["a"]);
    assert.deepEqual(namesByKey(router, first, "k"), ["a", "c"]);
    assert.deepEqual(namesByKey(router, first, "other"), ["a"]);
  });

  test("takes the alternate where nothing matched, and only there", () => {
    const router = newRouter();
    const direct = router.addExchange("d", "direct", { alternate: "lost" });
    router.bind("d", { queue: a }, "k", {});
    assert.deepEqual(routed(router, direct, "other"), [], "the alternate does not exist yet");
    router.addExchange("lost", "fanout", {});
    router.bind("lost", { queue: b }, "", {});
    assert.deepEqual(routed(router, direct, "k"), ["a"]);
    assert.deepEqual(routed(router, direct, "other"), ["b"]);
  });

  test("does not take the alternate when a binding matched but led to no queue", () => {
    const router = newRouter();
    const direct = router.addExchange("d", "direct", { alternate: "lost" });
    router.addExchange("lost", "fanout", {});
    router.addExchange("empty", "fanout", {});
    router.bind("lost", { queue: b }, "", {});
    router.bind("d", { exchange: "empty" }, "k", {});
    assert.deepEqual(routed(router, direct, "k"), []);
    assert.deepEqual(routed(router, direct, "other"), ["b"]);
  });

  test("an alternate that leads back ends", () => {
    const router = newRouter();
    const one = router.addExchange("one", "direct", { alternate: "two" });
    router.addExchange("two", "direct", { alternate: "one" });
    assert.deepEqual(routed(router, one, "k"), []);
  });

  test("further keys of a message route it as well, and one match is enough to keep it from the alternate", () => {
    const router = newRouter();
    const direct = router.addExchange("d", "direct", { alternate: "lost" });
    router.addExchange("lost", "fanout", {});
    router.bind("lost", { queue: c }, "", {});
    router.bind("d", { queue: a }, "k", {});
    router.bind("d", { queue: b }, "copy", {});
    const out: Queue[] = [];
    router.route(direct, message("none", {}, {}, ["copy"]), out);
    assert.deepEqual(out, [b]);
  });

  test("asks at each exchange that acts whether the message goes on, and else looks at neither bindings nor alternate", () => {
    const router = newRouter();
    const entry = router.addExchange("entry", "direct", { alternate: "second" });
    router.addExchange("first", "fanout", { acts: true, alternate: "lost" });
    router.addExchange("second", "direct", { acts: true, alternate: "lost" });
    router.addExchange("lost", "fanout", {});
    router.bind("entry", { exchange: "first" }, "k", {});
    router.bind("first", { queue: a }, "", {});
    router.bind("first", { exchange: "entry" }, "", {});
    router.bind("lost", { queue: b }, "", {});
    const routed = (key: string, goesOn: boolean): [string[], Queue[]] => {
      const [asked, out]: [string[], Queue[]] = [[], []];
      router.route(entry, message(key), out, ({ name }) => asked.push(name) > 0 && goesOn);
      return [asked, out];
    };
    assert.deepEqual(routed("k", true), [["first"], [a]]);
    assert.deepEqual(routed("k", false), [["first"], []]);
    assert.deepEqual(routed("other", true), [["second"], [b]]);
    assert.deepEqual(routed("other", false), [["second"], []]);
  });

  test("knows from where a message may come to an exchange that acts, and has no answer by key there", () => {
    const router = newRouter();
    const entry = router.addExchange("entry", "headers", { alternate: "lost" });
    const other = router.addExchange("other", "fanout", {});
    assert.equal(router.leadsToActing(entry), false);
    router.addExchange("lost", "fanout", {});
    router.bind("lost", { exchange: "other" }, "", {});
    router.addExchange("acting", "fanout", { acts: true });
    assert.equal(router.leadsToActing(entry), false);
    assert.deepEqual(router.routeByKey(other, ""), []);
    router.bind("other", { exchange: "acting" }, "", {});
    for (const exchange of [entry, other]) {
      assert.equal(router.leadsToActing(exchange), true);
      assert.equal(router.routeByKey(exchange, ""), undefined);
    }
    router.removeExchange("acting");
    for (const exchange of [entry, other]) assert.equal(router.leadsToActing(exchange), false);
    assert.deepEqual(router.routeByKey(other, ""), []);
  });
});

suite("routing by key", () => {
  test("is refused where the message or chance decides, anywhere on the way", () => {
    const router = newRouter();
    const entry = router.addExchange("entry", "fanout", {});
    router.addExchange("direct", "direct", {});
    assert.deepEqual(router.routeByKey(entry, "k"), []);
    router.bind("entry", { exchange: "direct" }, "", {});
    assert.deepEqual(router.routeByKey(entry, "k"), []);
    for (const kind of ["headers", "random"] as const) {
      router.addExchange("deep", kind, {});
      router.bind("direct", { exchange: "deep" }, "never", {});
      assert.equal(router.routeByKey(entry, "k"), undefined);
      router.removeExchange("deep");
      assert.deepEqual(router.routeByKey(entry, "k"), []);
    }
    router.addExchange("hash", "consistent-hash", { hashHeader: "h" });
    router.bind("direct", { exchange: "hash" }, "never", {});
    assert.equal(router.routeByKey(entry, "k"), undefined);
  });

  test("is refused as soon as an alternate says so", () => {
    const router = newRouter();
    const direct = router.addExchange("d", "direct", {});
    assert.deepEqual(router.routeByKey(direct, "k"), []);
    direct.alternate = "h";
    assert.deepEqual(router.routeByKey(direct, "k"), []);
    router.addExchange("h", "headers", {});
    assert.equal(router.routeByKey(direct, "k"), undefined);
    direct.alternate = undefined;
    assert.deepEqual(router.routeByKey(direct, "k"), []);
  });

  test("answers the same frozen array until something changes that matters", () => {
    const router = newRouter();
    const direct = router.addExchange("d", "direct", {});
    router.addExchange("elsewhere", "direct", {});
    router.bind("d", { queue: a }, "k", {});
    const first = router.routeByKey(direct, "k");
    assert.ok(Object.isFrozen(first));
    router.bind("elsewhere", { queue: b }, "k", {});
    assert.equal(router.routeByKey(direct, "k"), first);
    router.bind("d", { exchange: "elsewhere" }, "k", {});
    assert.deepEqual(namesByKey(router, direct, "k"), ["a", "b"]);
    router.bind("elsewhere", { queue: c }, "k", {});
    assert.deepEqual(namesByKey(router, direct, "k"), ["a", "b", "c"]);
  });

  test("has one answer for all keys where keys do not matter", () => {
    const router = newRouter();
    const fanout = router.addExchange("f", "fanout", {});
    router.bind("f", { queue: a }, "", {});
    assert.equal(router.routeByKey(fanout, "one"), router.routeByKey(fanout, "two"));
  });
});

suite("the graph", () => {
  test("a binding is its source, destination, key and arguments, compared deeply", () => {
    const router = newRouter();
    router.addExchange("h", "headers", {});
    router.addExchange("a", "fanout", {});
    assert.equal(router.bind("h", { queue: a }, "k", { n: 1, t: [{ x: "y" }] }), "bound");
    assert.equal(router.bind("h", { queue: a }, "k", { t: [{ x: "y" }], n: 1n }), "existed");
    assert.equal(router.bind("h", { queue: a }, "k", { n: 2, t: [{ x: "y" }] }), "bound");
    assert.equal(router.bind("h", { queue: a }, "other", { n: 1, t: [{ x: "y" }] }), "bound");
    assert.equal(router.bind("h", { exchange: "a" }, "k", { n: 1, t: [{ x: "y" }] }), "bound");
    assert.equal(router.exchange("h")?.bindingCount, 4);
    assert.equal(router.unbind("h", { queue: a }, "k", {}), "absent");
    assert.equal(router.unbind("h", { queue: b }, "k", {}), "absent");
    assert.equal(router.unbind("none", { queue: a }, "k", {}), "absent");
    assert.equal(router.unbind("h", { queue: a }, "k", { t: [{ x: "y" }], n: 1 }), "unbound");
    assert.equal(router.unbind("h", { queue: a }, "k", { t: [{ x: "y" }], n: 1 }), "absent");
    assert.equal(router.exchange("h")?.bindingCount, 3);
  });

  test("keys and arguments that read alike when joined are different bindings", () => {
    const router = newRouter();
    router.addExchange("d", "direct", {});
    assert.equal(router.bind("d", { queue: a }, "1:xn", {}), "bound");
    assert.equal(router.bind("d", { queue: a }, "", { x: null }), "bound");
  });

  test("bindings are listed from both ends, oldest first", () => {
    const router = newRouter();
    router.addExchange("one", "direct", {});
    router.addExchange("two", "direct", {});
    router.bind("two", { queue: a }, "x", {});
    router.bind("one", { queue: a }, "y", { n: 1 });
    router.bind("one", { exchange: "two" }, "z", {});
    assert.deepEqual(router.bindingsFrom("one"), [
      { source: "one", destination: { queue: a }, key: "y", args: { n: 1 } },
      { source: "one", destination: { exchange: "two" }, key: "z", args: {} },
    ]);
    assert.deepEqual(
      router.bindingsTo({ queue: a }).map((binding) => binding.key),
      ["x", "y"],
    );
    assert.deepEqual(
      router.bindingsTo({ exchange: "two" }).map((binding) => binding.key),
      ["z"],
    );
    assert.deepEqual(router.bindingsFrom("none"), []);
    assert.deepEqual(router.bindingsTo({ queue: b }), []);
  });

  test("an exchange leaves with the bindings from it and to it, a loop told once", () => {
    const router = newRouter();
    const one = router.addExchange("one", "fanout", {});
    router.addExchange("two", "fanout", {});
    router.bind("one", { exchange: "two" }, "", {});
    router.bind("two", { exchange: "two" }, "", {});
    router.bind("two", { queue: a }, "", {});
    assert.deepEqual(routed(router, one, ""), ["a"]);
    assert.deepEqual(namesByKey(router, one, ""), ["a"]);
    assert.equal(router.removeExchange("two").length, 3);
    assert.deepEqual(namesByKey(router, one, ""), []);
    assert.equal(one.bindingCount, 0);
    assert.deepEqual(router.bindingsTo({ queue: a }), []);
    assert.deepEqual(
      Array.from(router.exchanges(), (exchange) => exchange.name),
      ["one"],
    );
  });

  test("a queue leaves with its bindings", () => {
    const router = newRouter();
    const fanout = router.addExchange("f", "fanout", {});
    router.addExchange("g", "topic", {});
    router.bind("f", { queue: a }, "", {});
    router.bind("g", { queue: a }, "#", {});
    router.bind("f", { queue: b }, "", {});
    assert.deepEqual(namesByKey(router, fanout, ""), ["a", "b"]);
    assert.deepEqual(
      router.removeQueue(a).map((binding) => binding.source),
      ["f", "g"],
    );
    assert.deepEqual(namesByKey(router, fanout, ""), ["b"]);
    assert.deepEqual(router.removeQueue(a), []);
  });

  test("every change of the graph raises the version, and routing does not", () => {
    const router = newRouter();
    let last = router.version;
    const changes = (change: () => unknown): void => {
      change();
      assert.ok(router.version > last);
      last = router.version;
    };
    changes(() => router.addExchange("d", "direct", {}));
    changes(() => router.bind("d", { queue: a }, "k", {}));
    changes(() => router.unbind("d", { queue: a }, "k", {}));
    router.bind("d", { queue: a }, "k", {});
    last = router.version;
    router.routeByKey(router.exchange("d") as Exchange<Queue>, "k");
    assert.equal(router.version, last);
    changes(() => router.removeQueue(a));
    changes(() => ((router.exchange("d") as Exchange<Queue>).alternate = "x"));
    changes(() => router.removeExchange("d"));
  });
});

suite("one change", () => {
  test("takes away all bindings of an exchange, or to a queue, however many they are", () => {
    const router = newRouter();
    for (const name of ["from", "middle"]) router.addExchange(name, "direct", {});
    for (let i = 0; i < 50; i++) {
      router.bind("from", { exchange: "middle" }, `in ${i}`, {});
      router.bind("middle", { queue: a }, `out ${i}`, {});
      router.bind("from", { queue: b }, `${i}`, {});
    }
    const from = router.exchange("from")!;
    assert.deepEqual(namesByKey(router, from, "in 1"), []);
    assert.deepEqual(namesByKey(router, from, "1"), ["b"]);
    let { version } = router;
    assert.equal(router.removeQueue(b).length, 50);
    assert.equal(router.version, ++version);
    assert.deepEqual(namesByKey(router, from, "1"), []);
    assert.equal(router.removeExchange("middle").length, 100);
    assert.equal(router.version, ++version);
    assert.deepEqual(router.bindingsFrom("from"), []);
  });
});
