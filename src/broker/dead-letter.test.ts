import assert from "node:assert/strict";
import { test } from "node:test";
import type { Death } from "./api.ts";
import { Bottle, plainExchange } from "./test-broker.suite.ts";

const reasons = (deaths: readonly Death[]): string[] => deaths.map(({ reason, queue }) => `${reason}:${queue}`);

/** A queue `q` whose dead go to `dead`. */
async function withDead(settings: Parameters<Bottle["declare"]>[1] = {}): Promise<Bottle> {
  const bottle = await Bottle.open();
  bottle.declare("dead");
  bottle.declare("q", { deadLetter: { exchange: "", routingKey: "dead" }, ...settings });
  return bottle;
}

test("a rejected message is dead-lettered with its history, and gone from where it was", async () => {
  const bottle = await withDead();
  bottle.publish("q", "a", { ttlMs: 50_000 });
  const taker = bottle.consume("q");
  await bottle.settle();
  taker.session.settle(1, false, "reject");
  await bottle.settle();
  await bottle.crash();
  assert.equal(bottle.queue("q").readyCount, 0);
  const [dead] = await bottle.drainDeliveries("dead");
  assert.equal(dead?.body, "a");
  assert.deepEqual(dead?.deaths, [
    { reason: "rejected", queue: "q", timeMs: bottle.clock.now(), exchange: "", routingKeys: ["q"], ttlMs: 50_000 },
  ]);
  assert.equal(dead?.isRedelivered, false);
});

test("without a policy a rejected message is dropped", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publish("q", "a");
  const taker = bottle.consume("q");
  await bottle.settle();
  taker.session.settle(1, false, "reject");
  await bottle.settle();
  assert.deepEqual([bottle.queue("q").readyCount, bottle.queue("q").leasedCount], [0, 0]);
});

test("expired messages are dead-lettered in order, and do not expire again", async () => {
  const bottle = await withDead({ ttlMs: 100 });
  bottle.publish("q", "a");
  bottle.publish("q", "b", { ttlMs: 50 });
  await bottle.advance(100);
  await bottle.advance(100_000);
  const dead = await bottle.drainDeliveries("dead");
  assert.deepEqual(
    dead.map(({ body }) => body),
    ["a", "b"],
  );
  assert.deepEqual(
    dead.map(({ deaths }) => reasons(deaths)),
    [["expired:q"], ["expired:q"]],
  );
});

test("what a full queue drops is dead-lettered, and so is what it refuses if it is told to", async () => {
  const bottle = await withDead({ maxLength: 1 });
  bottle.declare("r", {
    maxLength: 1,
    overflow: "reject-publish-dead-letter",
    deadLetter: { exchange: "", routingKey: "dead" },
  });
  bottle.publishAll("q", ["a", "b"]);
  bottle.publishAll("r", ["c", "d"]);
  assert.equal(bottle.outcome.refused, true);
  await bottle.settle();
  const dead = await bottle.drainDeliveries("dead");
  assert.deepEqual(
    dead.map(({ body, deaths }) => [body, ...reasons(deaths)]),
    [
      ["a", "maxlen:q"],
      ["d", "maxlen:r"],
    ],
  );
  assert.deepEqual([await bottle.drain("q"), await bottle.drain("r")], [["b"], ["c"]]);
});

test("one queue of a fan-out that refuses and dead-letters leaves the others alone", async () => {
  const bottle = await withDead();
  bottle.ns.createExchange("e", { ...plainExchange, kind: "topic" }, {});
  const full = {
    maxLength: 0,
    overflow: "reject-publish-dead-letter",
    deadLetter: { exchange: "", routingKey: "dead" },
  } as const;
  for (const name of ["a", "b", "c", "d"]) {
    bottle.ns.bind("e", { queue: bottle.declare(name, name === "a" || name === "c" ? full : {}) }, "#", {});
  }
  bottle.publish("x", "m", { exchange: "e" });
  await bottle.settle();
  assert.deepEqual(
    ["a", "b", "c", "d", "dead"].map((name) => bottle.queue(name).readyCount),
    [0, 1, 0, 1, 2],
  );
});

test("a message that fails once more than it may is dead-lettered; releases do not count", async () => {
  const bottle = await withDead({ deliveryLimit: 2 });
  bottle.publish("q", "a");
  const taker = bottle.consume("q");
  for (const settlement of ["fail", "release", "fail", "release", "fail"] as const) {
    await bottle.settle();
    taker.session.settle(taker.deliveries.at(-1)!.lease, false, settlement);
  }
  await bottle.settle();
  assert.deepEqual(
    taker.deliveries.map(({ failures, returns }) => [failures, returns]),
    [
      [0, 0],
      [1, 1],
      [1, 2],
      [2, 3],
      [2, 4],
    ],
  );
  assert.deepEqual(
    (await bottle.drainDeliveries("dead")).map(({ deaths }) => reasons(deaths)),
    [["delivery_limit:q"]],
  );
});

test("attempts are counted across a crash", async () => {
  const bottle = await withDead({ deliveryLimit: 1 });
  bottle.publish("q", "a");
  const first = bottle.consume("q", { creditLimit: 1 });
  await bottle.settle();
  first.consumer.cancel();
  first.session.settle(0, true, "fail");
  await bottle.settle();
  await bottle.crash();
  const second = bottle.consume("q");
  await bottle.settle();
  assert.deepEqual(
    second.deliveries.map(({ failures, isRedelivered }) => [failures, isRedelivered]),
    [[1, true]],
  );
  second.session.settle(0, true, "fail");
  await bottle.settle();
  assert.equal(bottle.queue("dead").readyCount, 1);
});

test("stopping the broker is nobody's failure", async () => {
  const bottle = await withDead({ deliveryLimit: 0 });
  bottle.publish("q", "a");
  bottle.consume("q");
  await bottle.settle();
  await bottle.restart();
  const [again] = await bottle.drainDeliveries("q");
  assert.deepEqual([again?.isRedelivered, again?.failures], [true, 0]);
});

test("a message that comes round to the queue where it died is dropped there, unless somebody rejected it", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { ttlMs: 10, deadLetter: { exchange: "", routingKey: "r" } });
  bottle.declare("r", { ttlMs: 10, deadLetter: { exchange: "", routingKey: "q" } });
  bottle.publish("q", "a");
  await bottle.advance(1000);
  assert.deepEqual([bottle.queue("q").readyCount, bottle.queue("r").readyCount], [0, 0]);
  bottle.publish("q", "b");
  await bottle.advance(10);
  const taker = bottle.consume("r");
  await bottle.settle();
  taker.session.settle(1, false, "reject");
  await bottle.settle();
  assert.equal(bottle.queue("q").readyCount, 1);
});

test("a rejected message of a queue that is its own dead-letter target comes back at its end", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { deadLetter: { exchange: "", routingKey: "q" } });
  bottle.publishAll("q", ["a", "b"]);
  const taker = bottle.consume("q", { creditLimit: 2 });
  await bottle.settle();
  taker.session.settle(1, false, "reject");
  await bottle.settle();
  assert.deepEqual(taker.bodies, ["a", "b", "a"]);
});

test("a missing dead-letter exchange drops the message", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { ttlMs: 10, deadLetter: { exchange: "nowhere" } });
  bottle.publish("q", "a");
  await bottle.advance(10);
  assert.equal(bottle.queue("q").readyCount, 0);
});

test("at least once: the source keeps the dead until their full target has room, and nobody is given them again", async () => {
  const bottle = await Bottle.open();
  bottle.declare("dead", { maxLength: 1, overflow: "reject-publish" });
  bottle.declare("q", { deadLetter: { exchange: "", routingKey: "dead", atLeastOnce: true }, deliveryLimit: 0 });
  bottle.publishAll("q", ["a", "b", "c"]);
  const taker = bottle.consume("q");
  await bottle.settle();
  taker.session.settle(2, true, "reject");
  taker.session.settle(3, false, "fail");
  await bottle.advance(5000);
  assert.equal(taker.deliveries.length, 3);
  assert.equal((await bottle.get("dead"))?.body, "a");
  await bottle.advance(2000);
  const next = await bottle.get("dead");
  assert.deepEqual([next?.body, reasons(next?.deaths ?? [])], ["b", ["rejected:q"]]);
  await bottle.advance(2000);
  assert.deepEqual(reasons((await bottle.get("dead"))?.deaths ?? []), ["delivery_limit:q"]);
  assert.equal(taker.deliveries.length, 3);
});

test("at least once: a crash leaves the dead in their source or in their target", async () => {
  const bottle = await withDead({ ttlMs: 1000, deadLetter: { exchange: "", routingKey: "dead", atLeastOnce: true } });
  for (let i = 0; i < 500; i++) bottle.publish("q", String(i), { body: Buffer.alloc(9000, i) });
  await bottle.settle();
  bottle.clock.advance(1000);
  const sums = new Set<number>();
  for (let i = 0; i < 30; i++) {
    const twin = await bottle.fork();
    sums.add(twin.queue("q").readyCount + twin.queue("dead").readyCount);
    await bottle.step();
  }
  assert.deepEqual([...sums], [500]);
});

test("retry: a returned message waits, linearly or exponentially longer each time, up to a maximum", async () => {
  const waits = async (growth: "linear" | "exponential", jitter = 0): Promise<number[]> => {
    const bottle = await Bottle.open();
    bottle.declare("q", { retry: { on: "all", minMs: 100, maxMs: 500, growth, jitter } });
    bottle.publish("q", "a");
    const taker = bottle.consume("q");
    for (let i = 0; i < 6; i++) {
      await bottle.advance(1000);
      taker.session.settle(0, true, "fail");
      taker.deliveries.push({ ...taker.deliveries.at(-1)!, timeMs: bottle.clock.now() });
    }
    return taker.deliveries.flatMap(({ timeMs }, i, all) =>
      i % 2 === 0 && i > 0 ? [timeMs - all[i - 1]!.timeMs] : [],
    );
  };
  assert.deepEqual(await waits("linear"), [100, 200, 300, 400, 500]);
  assert.deepEqual(await waits("exponential"), [100, 200, 400, 500, 500]);
  const jittered = await waits("linear", 0.5);
  assert.ok(
    jittered.every((ms, i) => ms > 50 * (i + 1) - 1 && ms <= 100 * (i + 1)),
    String(jittered),
  );
  assert.notDeepEqual(jittered, [100, 200, 300, 400, 500]);
});

test("retry: others pass a message that waits; it keeps its time over a crash and a stop", async () => {
  for (const settings of [{}, { maxPriority: 3 }]) {
    const bottle = await Bottle.open();
    bottle.declare("q", {
      ...settings,
      retry: { on: "failed", minMs: 10_000, maxMs: 10_000, growth: "linear", jitter: 0 },
    });
    bottle.publishAll("q", ["a", "b"]);
    const taker = bottle.consume("q");
    await bottle.settle();
    taker.session.settle(1, false, "fail");
    taker.session.settle(2, false, "release");
    await bottle.settle();
    assert.deepEqual(taker.bodies, ["a", "b", "b"]);
    taker.consumer.cancel();
    await bottle.advance(4000);
    await bottle.crash();
    assert.equal(bottle.queue("q").readyCount, 1);
    await bottle.advance(3000);
    await bottle.restart();
    assert.equal(bottle.queue("q").readyCount, 1);
    await bottle.advance(3000);
    assert.equal(bottle.queue("q").readyCount, 2);
    assert.deepEqual(await bottle.drain("q"), ["a", "b"]);
  }
});

test("retry: a key waits with its message, also over a restart", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q", { mode: "keyed", retry: { on: "all", minMs: 1000, maxMs: 1000, growth: "linear", jitter: 0 } });
  for (const body of ["a1", "a2", "b1"]) bottle.publish("q", body, { key: body[0]! });
  const taker = bottle.consume("q", { creditLimit: 1 });
  await bottle.settle();
  taker.consumer.cancel();
  taker.session.settle(0, true, "fail");
  await bottle.settle();
  await bottle.crash();
  const other = bottle.consume("q");
  await bottle.settle();
  assert.deepEqual(other.bodies, ["b1"]);
  await bottle.advance(1000);
  assert.deepEqual(other.bodies, ["b1", "a1"]);
  other.session.settle(0, true, "accept");
  await bottle.settle();
  assert.deepEqual(other.bodies, ["b1", "a1", "a2"]);
});

test("a long redrive lets others have their turns, and ends where its queue does", async () => {
  const bottle = await withDead({ ttlMs: 1000 });
  bottle.publishAll(
    "q",
    Array.from({ length: 2000 }, (_, number) => String(number)),
  );
  await bottle.advance(1000);
  const q = bottle.queue("q");
  q.configure({ ...q.settings, ttlMs: -1 });
  assert.equal(await bottle.redrive("dead", 0), 0);
  assert.deepEqual([q.readyCount, bottle.queue("dead").readyCount], [0, 2000]);

  const begin = (countMax: number) => {
    const redriving = { moved: -1 };
    void bottle.broker.redrive(bottle.queue("dead"), countMax).then((moved) => (redriving.moved = moved));
    return redriving;
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const first = begin(1000);
  await turn();
  assert.equal(first.moved, -1, "a thousand messages were moved in one turn of the event loop");
  await bottle.settle();
  assert.equal(first.moved, 1000);

  const second = begin(Infinity);
  await turn();
  bottle.ns.deleteQueue(bottle.queue("dead"));
  await bottle.settle();
  assert.ok(second.moved > 0 && second.moved < 1000, `moved: ${second.moved}`);
  assert.equal(q.readyCount, 1000 + second.moved);
  assert.equal(bottle.fatal, undefined);
});

test("redrive takes the dead back to where they first died, and leaves the others", async () => {
  const bottle = await withDead({ ttlMs: 1000 });
  bottle.declare("lost", { ttlMs: 1000, deadLetter: { exchange: "", routingKey: "dead" } });
  bottle.publishAll("q", ["a", "b", "c"]);
  bottle.publish("lost", "d");
  bottle.publish("dead", "never died");
  await bottle.advance(1000);
  bottle.ns.deleteQueue(bottle.queue("lost"));
  const q = bottle.queue("q");
  q.configure({ ...q.settings, ttlMs: -1 });
  assert.equal(await bottle.redrive("dead", 2), 2);
  assert.deepEqual([bottle.queue("q").readyCount, bottle.queue("dead").readyCount], [2, 3]);
  assert.equal(await bottle.redrive("dead", 100), 1);
  await bottle.settle();
  await bottle.crash();
  assert.deepEqual((await bottle.drain("q")).sort(), ["a", "b", "c"]);
  assert.deepEqual((await bottle.drain("dead")).sort(), ["d", "never died"]);
});

test("redrive leaves what its queue refuses where it is, once", async () => {
  const bottle = await withDead({ maxLength: 2, overflow: "reject-publish-dead-letter" });
  bottle.publishAll("q", ["a", "b", "c", "d"]);
  await bottle.settle();
  for (let round = 0; round < 3; round++) {
    assert.equal(await bottle.redrive("dead", 100), 0);
    assert.deepEqual([bottle.queue("q").readyCount, bottle.queue("dead").readyCount], [2, 2]);
  }
  assert.equal((await bottle.get("q"))?.body, "a");
  assert.equal(await bottle.redrive("dead", 100), 1);
  assert.deepEqual(await bottle.drain("q"), ["b", "c"]);
  assert.deepEqual(await bottle.drain("dead"), ["d"]);
});

test("a redrive and a stop are no failed attempts: they take nothing away, however far the limit was lowered", async () => {
  const bottle = await Bottle.open();
  const dead = bottle.declare("dead");
  bottle.publish("dead", "never died");
  const fail = async (): Promise<void> => {
    const session = bottle.broker.createSession();
    const got = await bottle.get("dead", false, session);
    session.settle(got!.lease, false, "fail");
    session.close();
    await bottle.settle();
  };
  await fail();
  await fail();
  dead.configure({ ...dead.settings, deliveryLimit: 1 });
  assert.equal(await bottle.redrive("dead", 100), 0);
  await bottle.settle();
  assert.equal(dead.readyCount, 1, "what a redrive only looked at is gone");
  assert.equal((await bottle.get("dead", false))?.failures, 2);
  await bottle.restart();
  assert.equal(bottle.queue("dead").readyCount, 1, "what somebody held when the broker stopped is gone");
  await fail();
  assert.equal(bottle.queue("dead").readyCount, 0);
});

test("full queues that dead-letter to each other push on what they hold, some of it in each turn", async () => {
  const bottle = await Bottle.open();
  const maxLength = 5000;
  const all = (name: string): string[] => Array.from({ length: maxLength }, (_, number) => `${name}${number}`);
  bottle.declare("w", { maxLength, deadLetter: { exchange: "", routingKey: "r" } });
  bottle.declare("r", { maxLength, deadLetter: { exchange: "", routingKey: "w" } });
  const dropped = (): number => bottle.queue("w").counters.overflowed + bottle.queue("r").counters.overflowed;
  for (const name of ["w", "r"]) bottle.publishAll(name, all(name));
  await bottle.settle();
  bottle.publish("w", "one more");
  assert.ok(dropped() > 0 && dropped() <= 1024, `${dropped()} were dropped at once`);
  await bottle.settle();
  // Each has gone from one to the other, and the first that came round was dropped.
  assert.equal(dropped(), 2 * maxLength + 2);
  assert.deepEqual(await bottle.drain("w"), all("r"));
  assert.deepEqual(await bottle.drain("r"), [...all("w").slice(1), "one more"]);
});

test("a chain of full queues is as long as it likes", async () => {
  const bottle = await Bottle.open();
  const count = 3000;
  for (let i = 0; i < count; i++) {
    const deadLetter = i === count - 1 ? undefined : { exchange: "", routingKey: `q${i + 1}` };
    bottle.declare(`q${i}`, { maxLength: 1, deadLetter });
    bottle.publish(`q${i}`, `m${i}`);
  }
  await bottle.settle();
  bottle.publish("q0", "new");
  await bottle.settle();
  assert.deepEqual(
    [0, 1, count - 1].map((i) => bottle.queue(`q${i}`).readyCount),
    [1, 1, 1],
  );
  assert.deepEqual(await bottle.drain("q0"), ["new"]);
  assert.deepEqual(await bottle.drain(`q${count - 1}`), [`m${count - 2}`]);
});

test("a chain of queues that refuse and dead-letter is as long as it likes", async () => {
  const bottle = await Bottle.open();
  const count = 1500;
  for (let i = 0; i < count; i++) {
    const deadLetter = { exchange: "", routingKey: i === count - 1 ? "end" : `q${i + 1}` };
    bottle.declare(`q${i}`, { maxLength: 0, overflow: "reject-publish-dead-letter", deadLetter });
  }
  bottle.declare("end");
  bottle.publish("q0", "m");
  assert.equal(bottle.outcome.refused, true);
  await bottle.settle();
  const [end] = await bottle.drainDeliveries("end");
  assert.deepEqual([end?.body, end?.deaths.length, end?.deaths[0]?.queue], ["m", count, `q${count - 1}`]);
});

test("at least once: nobody is given the dead again after a crash or a stop either, and they go when there is room", async () => {
  for (const settings of [{}, { maxPriority: 3 }, { mode: "keyed" }] as const) {
    for (const between of ["crash", "checkpoint", "restart"] as const) {
      const bottle = await Bottle.open();
      bottle.declare("dead", { maxLength: 1, overflow: "reject-publish" });
      const deadLetter = { exchange: "", routingKey: "dead", atLeastOnce: true };
      bottle.declare("q", { ...settings, deadLetter, deliveryLimit: 0 });
      bottle.publish("dead", "full");
      bottle.publishAll("q", ["a", "b"]);
      const taker = bottle.consume("q", { creditLimit: 2 });
      await bottle.settle();
      taker.consumer.cancel();
      taker.session.settle(1, false, "reject");
      taker.session.settle(2, false, "fail");
      bottle.publish("q", "c");
      await bottle.settle();
      if (between === "checkpoint") await bottle.checkpoint();
      if (between === "restart") await bottle.restart();
      else await bottle.crash();
      const other = bottle.consume("q", { noAck: true });
      await bottle.advance(3000);
      assert.deepEqual(other.bodies, ["c"], between);
      const { readyCount, scheduledCount } = bottle.queue("q");
      assert.deepEqual([readyCount, scheduledCount], [0, 2]);
      assert.equal((await bottle.get("dead"))?.body, "full");
      for (const [body, death] of [
        ["a", "rejected:q"],
        ["b", "delivery_limit:q"],
      ] as const) {
        await bottle.advance(2000);
        const dead = await bottle.get("dead");
        assert.deepEqual([dead?.body, ...reasons(dead?.deaths ?? [])], [body, death], between);
      }
      assert.equal(bottle.queue("q").scheduledCount, 0);
      assert.deepEqual(other.bodies, ["c"]);
    }
  }
});

test("at least once: many dead before a full target cost little, and keep their order", async () => {
  const bottle = await Bottle.open();
  const dead = bottle.declare("dead", { maxLength: 1, overflow: "reject-publish" });
  bottle.declare("q", { deadLetter: { exchange: "", routingKey: "dead", atLeastOnce: true } });
  const bodies = Array.from({ length: 5000 }, (_, number) => String(number));
  bottle.publish("dead", "full");
  bottle.publishAll("q", bodies);
  const taker = bottle.consume("q");
  await bottle.settle();
  const { core } = bottle.broker;
  const deadLetter = core.deadLetter.bind(core);
  let offers = 0;
  core.deadLetter = (...args): boolean => {
    offers++;
    return deadLetter(...args);
  };
  taker.session.settle(0, true, "reject");
  await bottle.settle();
  assert.equal(offers, 5000);
  await bottle.advance(10_000);
  assert.ok(offers > 5000 && offers <= 6000, `${offers} offers`);
  dead.configure({ ...dead.settings, maxLength: -1 });
  await bottle.advance(2000);
  assert.deepEqual(await bottle.drain("dead"), ["full", ...bodies]);
  assert.equal(bottle.queue("q").scheduledCount, 0);
});

test("at least once: a target that is full is in the way of no other, however many wait for it", async () => {
  const bottle = await Bottle.open();
  const full = bottle.declare("full", { maxLength: 1, overflow: "reject-publish" });
  const free = bottle.declare("free", { maxLength: 1, overflow: "reject-publish" });
  bottle.ns.createExchange("dead", plainExchange, {});
  bottle.ns.createExchange("in", { ...plainExchange, kind: "fanout" }, {});
  for (const queue of [full, free]) {
    bottle.ns.bind("dead", { queue }, queue.name, {});
    bottle.publish(queue.name, "first");
  }
  const q = bottle.declare("q", { deadLetter: { exchange: "dead", atLeastOnce: true } });
  bottle.ns.bind("in", { queue: q }, "", {});
  bottle.publishAll(
    "full",
    Array.from({ length: 500 }, (_, number) => String(number)),
    { exchange: "in" },
  );
  bottle.publish("free", "last", { exchange: "in" });
  const taker = bottle.consume("q");
  await bottle.settle();
  taker.session.settle(0, true, "reject");
  await bottle.advance(3000);
  free.configure({ ...free.settings, maxLength: 2 });
  await bottle.advance(6000);
  assert.deepEqual(await bottle.drain("free"), ["first", "last"]);
  assert.equal(q.scheduledCount, 500);
  assert.equal(q.purge(), 0);
  await bottle.advance(2000);
  assert.deepEqual([q.scheduledCount, full.readyCount], [0, 1]);
});

test("retry: thousands that are due at once let others have their turn", async () => {
  const bottle = await Bottle.open();
  const retry = { on: "all", minMs: 1000, maxMs: 1000, growth: "linear", jitter: 0 } as const;
  const queue = bottle.declare("q", { retry });
  bottle.publishAll(
    "q",
    Array.from({ length: 10_000 }, (_, number) => String(number)),
  );
  const taker = bottle.consume("q");
  await bottle.settle();
  taker.consumer.cancel();
  taker.session.settle(0, true, "fail");
  let seen = -1;
  bottle.clock.setTimer(bottle.clock.now() + 1000, () => void (seen = queue.readyCount));
  await bottle.advance(1000);
  assert.ok(seen > 0 && seen < 10_000, `${seen} at once`);
  assert.deepEqual([queue.readyCount, queue.scheduledCount], [10_000, 0]);
});
