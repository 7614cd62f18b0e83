/** Shovels between the real protocol's two ends, over links without sockets, by a clock that tests move. */

import { test } from "node:test";
import * as check from "node:assert/strict";
import { seededRandom } from "../../../base/random.ts";
import type { Dial } from "../../../server/dial.ts";
import { WireHouse, type WireClient } from "../amqp091/wire-house.suite.ts";
import type { JsonObject } from "../model/parameter-checks.ts";
import { openLocalLink } from "./local-link.ts";
import { Shovels } from "./shovels.ts";

const moving: JsonObject = {
  "src-uri": "amqp://",
  "src-queue": "in",
  "dest-uri": "amqp://guest:guest@there?frame_max=8192",
  "dest-queue": "out",
};

/** A broker with shovels, and another one that it reaches at the host `there`. */
class TwoBrokers {
  readonly here: WireHouse;
  readonly there: WireHouse;
  readonly shovels: Shovels;
  /** Connections to `there` are refused while it is true. */
  isAway = false;
  /** What was dialled. */
  readonly dialled: string[] = [];

  private constructor(here: WireHouse, there: WireHouse, staticDefinitions: Readonly<Record<string, JsonObject>>) {
    this.here = here;
    this.there = there;
    const dial: Dial = (target, opened, failed) => {
      this.dialled.push(target.host);
      if (target.host !== "there" || this.isAway) here.clock.defer(() => failed(new Error("ECONNREFUSED")));
      else openLocalLink(there.protocol, undefined, here.clock, opened);
      return () => undefined;
    };
    const { server } = here;
    const ends = { dial, clock: here.clock, random: seededRandom(1), own: here.protocol, version: "0.0.0" };
    this.shovels = new Shovels({ server, ends, staticDefinitions });
    server.shovels = this.shovels;
    this.shovels.start();
  }

  static async open(staticDefinitions: Readonly<Record<string, JsonObject>> = {}): Promise<TwoBrokers> {
    return new TwoBrokers(await WireHouse.open(), await WireHouse.open(), staticDefinitions);
  }

  /** Sets a dynamic shovel; answers why it is refused. */
  set(definition: JsonObject, name = "mover"): string | undefined {
    return this.here.server.parameters.set("/", "shovel", name, definition);
  }

  /** Lets everything happen that needs no time: promises and what is deferred take turns. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 60; turn++) {
      this.here.settle();
      this.there.settle();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  async advance(ms: number): Promise<void> {
    for (let step = 0; step < ms; step += 500) {
      this.here.clock.advance(Math.min(500, ms - step));
      this.there.clock.advance(Math.min(500, ms - step));
      await this.settle();
    }
  }

  states(): unknown[] {
    return this.shovels.status().map(({ state }) => state);
  }
}

function publishAll(client: WireClient, queue: string, count: number): void {
  for (let n = 0; n < count; n++) client.publish(queue, `m${n}`, { deliveryMode: 2 });
}

function drain(client: WireClient, queue: string): string[] {
  const bodies: string[] = [];
  for (let got = client.get(queue); got?.name === "basic.get-ok"; got = client.get(queue)) bodies.push(got.body ?? "");
  return bodies;
}

function counts(house: WireHouse, name: string): [ready: number, leased: number] {
  const queue = house.core.namespace("/")?.queue(name);
  return [queue?.readyCount ?? -1, queue?.leasedCount ?? -1];
}

test("a shovel moves what is there and what comes, in order, and leaves nothing at the source", async () => {
  const two = await TwoBrokers.open();
  const here = two.here.client();
  here.declare("in");
  publishAll(here, "in", 3);
  check.equal(two.set(moving), undefined);
  await two.settle();
  publishAll(here, "in", 2);
  await two.settle();
  check.deepEqual(two.states(), ["running"]);
  check.deepEqual(drain(two.there.client(), "out"), ["m0", "m1", "m2", "m0", "m1"]);
  check.deepEqual(counts(two.here, "in"), [0, 0]);
});

test("a message arrives to the byte: odd headers, an empty body, one of many frames", async () => {
  const two = await TwoBrokers.open();
  two.set(moving);
  await two.settle();
  const client = two.here.client();
  const there = two.there.client();
  const headers = [
    { name: "float", value: { type: "d", value: 1 } },
    { name: "short", value: { type: "s", value: 1 } },
    { name: "long", value: { type: "l", value: 9_007_199_254_740_993n } },
    { name: "bytes", value: { type: "x", value: Buffer.from([0, 255]) } },
  ] as const;
  const properties = { headers, priority: 3, timestamp: 5, messageId: "id" };
  const bodies = ["", "x".repeat(100_000), "last"];
  for (const body of bodies) client.publish("in", body, properties);
  await two.settle();
  for (const body of bodies) {
    const got = there.get("out");
    check.equal(got?.body?.length, body.length);
    check.deepEqual(got?.properties, properties);
  }
});

test("what says whose it is moves within a broker, in whose name the shovel may speak", async () => {
  const two = await TwoBrokers.open();
  check.equal(two.set({ ...moving, "dest-uri": "amqp://" }), undefined);
  await two.settle();
  const client = two.here.client();
  client.publish("in", "hers", { userId: "guest" });
  client.publish("in", "next");
  await two.settle();
  const got = client.get("out");
  check.deepEqual([got?.body, got?.properties], ["hers", { userId: "guest" }]);
  check.deepEqual(drain(client, "out"), ["next"]);
  check.deepEqual(two.states(), ["running"]);
});

test("nothing is settled at the source before the destination has confirmed it; what was not comes again", async () => {
  const two = await TwoBrokers.open();
  two.set(moving);
  await two.settle();
  const here = two.here.client();
  // The destination's journal commits nothing while its clock runs nothing that was deferred.
  publishAll(here, "in", 5);
  for (let turn = 0; turn < 20; turn++) two.here.settle();
  check.deepEqual(counts(two.here, "in"), [0, 5]);
  two.there.server.live.closeWhere(() => true, "the test says so");
  await two.settle();
  check.deepEqual(two.states(), ["terminated"]);
  check.deepEqual(counts(two.here, "in"), [5, 0]);
  await two.advance(5000);
  check.deepEqual(two.states(), ["running"]);
  check.deepEqual(counts(two.here, "in"), [0, 0]);
  const bodies = drain(two.there.client(), "out");
  check.deepEqual(new Set(bodies), new Set(["m0", "m1", "m2", "m3", "m4"]));
});

test("a clock that is set ends no shovel: its heartbeats go by the time that passes", async () => {
  const two = await TwoBrokers.open();
  two.set(moving);
  await two.advance(3000);
  for (const { clock } of [two.here, two.there]) clock.jumpTo(clock.now() + 3_600_000);
  await two.advance(60_000);
  check.deepEqual([two.states(), two.dialled], [["running"], ["there"]]);
});

test("a destination that has fallen silent is given up after two of its heartbeats", async () => {
  const two = await TwoBrokers.open();
  two.set(moving);
  await two.advance(3000);
  const wait = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      // There, no time passes, in which a heartbeat could be due.
      two.here.clock.advance(1000);
      await two.settle();
    }
  };
  await wait(15);
  check.deepEqual(two.states(), ["running"]);
  await wait(10);
  check.match(JSON.stringify(two.here.logged), /the destination connection ended: heartbeat timeout/);
});

test("what the destination refuses goes back to the source", async () => {
  const two = await TwoBrokers.open();
  const there = two.there.client();
  there.declare("out", { "x-max-length": 2, "x-overflow": "reject-publish" });
  two.set({ ...moving, "src-prefetch-count": 1 });
  await two.settle();
  publishAll(two.here.client(), "in", 3);
  await two.settle();
  check.equal(counts(two.there, "out")[0], 2);
  check.equal(
    counts(two.here, "in").reduce((a, b) => a + b),
    1,
  );
  check.deepEqual(drain(there, "out"), ["m0", "m1"]);
  await two.advance(500);
  check.deepEqual(counts(two.here, "in"), [0, 0]);
});

test("a shovel that cannot connect says why, tries each address, and again after its delay", async () => {
  const two = await TwoBrokers.open();
  two.isAway = true;
  two.set({ ...moving, "dest-uri": ["amqp://nowhere", "amqp://user:secret@there"], "reconnect-delay": 2 });
  await two.settle();
  const [shown] = two.shovels.status();
  check.equal(shown?.state, "terminated");
  check.equal(shown?.["reason"], "failed to connect to destination");
  check.deepEqual(two.dialled.toSorted(), ["nowhere", "there"]);
  check.ok(two.here.logged.some(({ message }) => message === "a shovel could not connect"));
  check.ok(!JSON.stringify(two.here.logged).includes("secret"), "the log has no password");
  two.isAway = false;
  two.set({ ...moving, "reconnect-delay": 2 });
  await two.advance(2000);
  check.deepEqual(two.states(), ["running"]);
});

test("a wrong password, a virtual host that is not there, a queue of other arguments: each is a reason", async () => {
  const two = await TwoBrokers.open();
  for (const uri of ["amqp://guest:wrong@there", "amqp://guest:guest@there/none"]) {
    two.set({ ...moving, "dest-uri": uri });
    await two.advance(3000);
    check.deepEqual(two.states(), ["terminated"], uri);
  }
  two.set({ ...moving, "dest-predeclared": true });
  await two.settle();
  check.match(
    String(two.shovels.status()[0]?.["reason"]),
    /^failed to set up topology: 404 NOT_FOUND - no queue 'out'/,
  );
});

test("it ends with its parameter, begins with a changed one, and is restarted", async () => {
  const two = await TwoBrokers.open();
  two.set(moving);
  await two.settle();
  check.equal(two.here.server.live.count, 1);
  two.set({ ...moving, "dest-queue": "elsewhere" });
  await two.settle();
  check.equal(two.shovels.status()[0]?.["dest_queue"], "elsewhere");
  check.equal(two.here.server.live.count, 1);
  check.ok(two.shovels.restart("/", "mover"));
  await two.settle();
  check.deepEqual(two.states(), ["running"]);
  check.equal(two.shovels.delete("/", "mover"), "deleted");
  check.equal(two.shovels.delete("/", "mover"), "absent");
  await two.settle();
  check.equal(two.here.server.live.count + two.there.server.live.count, 0);
  check.deepEqual(two.states(), []);
});

test("it tells of its states in events", async () => {
  const two = await TwoBrokers.open();
  const ear = two.here.client();
  ear.declare("ear");
  const binding = { ticket: 0, queue: "ear", exchange: "amq.rabbitmq.event", routingKey: "shovel.#" };
  ear.send(1, "queue.bind", { ...binding, noWait: false, arguments: [] });
  ear.take();
  two.set(moving);
  await two.settle();
  two.shovels.delete("/", "mover");
  await two.settle();
  const events: string[] = [];
  for (let got = ear.get("ear"); got?.name === "basic.get-ok"; got = ear.get("ear")) {
    const status = got.properties?.headers?.find(({ name }) => name === "status")?.value.value;
    events.push(`${String(got.args["routingKey"])} ${String(status)}`);
  }
  check.deepEqual(events, [
    "shovel.worker.status starting",
    "shovel.worker.status running",
    "shovel.worker.removed undefined",
  ]);
});

test("with delete-after it moves as many as that, or as there are, and deletes itself", async () => {
  for (const [limit, moved] of [
    ["queue-length", 4],
    [3, 3],
    [0, 0],
  ] as const) {
    const two = await TwoBrokers.open();
    const here = two.here.client();
    here.declare("in");
    publishAll(here, "in", 4);
    two.there.client().declare("out");
    two.set({ ...moving, "src-delete-after": limit });
    await two.settle();
    publishAll(here, "in", 1);
    await two.settle();
    check.deepEqual(two.states(), [], `after ${limit}`);
    check.equal(two.here.server.parameters.find("/", "shovel", "mover"), undefined);
    check.deepEqual(counts(two.there, "out"), [moved, 0]);
    check.deepEqual(counts(two.here, "in"), [5 - moved, 0]);
  }
});

test("a static one with delete-after is over when it has moved as many, and says so", async () => {
  const two = await TwoBrokers.open({ fixed: { ...moving, "src-delete-after": 2 } });
  await two.settle();
  publishAll(two.here.client(), "in", 3);
  await two.settle();
  const [shown] = two.shovels.status();
  check.deepEqual(
    [shown?.state, shown?.["reason"]],
    ["terminated", "a shovel has moved as many messages as it was to"],
  );
  check.deepEqual(
    [counts(two.there, "out"), counts(two.here, "in")],
    [
      [2, 0],
      [1, 0],
    ],
  );
  check.equal(two.there.server.live.count, 0);
  await two.advance(10_000);
  check.deepEqual(two.states(), ["terminated"]);
});

test("modes without confirms move everything as well", async () => {
  for (const mode of ["on-publish", "no-ack"]) {
    const two = await TwoBrokers.open();
    two.set({ ...moving, "ack-mode": mode });
    await two.settle();
    publishAll(two.here.client(), "in", 10);
    await two.settle();
    check.deepEqual(counts(two.there, "out"), [10, 0], mode);
    check.deepEqual(counts(two.here, "in"), [0, 0], mode);
  }
});

test("from an exchange to an exchange: keys are kept, unless others are given", async () => {
  const two = await TwoBrokers.open();
  const there = two.there.client();
  there.declare("all");
  const binding = { ticket: 0, queue: "all", exchange: "amq.topic", routingKey: "#", noWait: false, arguments: [] };
  there.send(1, "queue.bind", binding);
  const from = { "src-uri": "amqp://", "src-exchange": "amq.topic", "src-exchange-key": "a.*" };
  two.set({ ...from, "dest-uri": "amqp://there", "dest-exchange": "amq.topic" }, "kept");
  two.set({ ...from, "dest-uri": "amqp://there", "dest-exchange": "amq.topic", "dest-exchange-key": "k" }, "given");
  await two.settle();
  const here = two.here.client();
  here.publish("a.b", "seen", {}, "amq.topic");
  here.publish("b.c", "not seen", {}, "amq.topic");
  await two.settle();
  there.take();
  const keys = [there.get("all"), there.get("all")].map((got) => got?.args["routingKey"]);
  check.deepEqual(new Set(keys), new Set(["a.b", "k"]));
});

test("a destination that is blocked is waited for; no more than the prefetch is on its way", async () => {
  const two = await TwoBrokers.open();
  two.set({ ...moving, "src-prefetch-count": 10 });
  await two.settle();
  const here = two.here.client();
  publishAll(here, "in", 1);
  await two.settle();
  two.there.core.core.setPressure("disk", true);
  publishAll(here, "in", 100);
  await two.settle();
  check.deepEqual(two.states(), ["blocked"]);
  const [ready, leased] = counts(two.here, "in");
  check.ok(leased <= 10 && ready >= 50, `${leased} are on their way, ${ready} wait`);
  two.there.core.core.setPressure("disk", false);
  await two.settle();
  check.deepEqual(two.states(), ["running"]);
  check.deepEqual(counts(two.there, "out"), [101, 0]);
});

test("it stops with the broker, and both sides see a goodbye", async () => {
  const two = await TwoBrokers.open({ fixed: moving });
  await two.settle();
  check.equal(two.shovels.status()[0]?.type, "static");
  const stopping = two.shovels.stop();
  await two.settle();
  await stopping;
  check.equal(two.here.server.live.count + two.there.server.live.count, 0);
});

test("a stop that has little time is over in it, whoever does not answer", async () => {
  const two = await TwoBrokers.open({ fixed: moving });
  await two.settle();
  publishAll(two.here.client(), "in", 1);
  for (let turn = 0; turn < 20; turn++) two.here.settle();
  check.deepEqual(counts(two.here, "in"), [0, 1]);
  let isOver = false;
  void two.shovels.stop(1000).then(() => (isOver = true));
  for (let step = 0; step < 10; step++) {
    // There, nothing runs any more.
    two.here.clock.advance(100);
    for (let turn = 0; turn < 20; turn++) {
      check.ok(step >= 5 || !isOver, "it gives up no sooner");
      two.here.settle();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
  check.ok(isOver);
  check.deepEqual(counts(two.here, "in"), [1, 0]);
});

test("one that is deleted in full flow doubles nothing and loses nothing, whatever its way to acknowledge", async () => {
  const persistent = { deliveryMode: 2 };
  for (const ackMode of ["on-confirm", "on-publish", "no-ack"]) {
    const two = await TwoBrokers.open();
    const here = two.here.client();
    here.declare("in");
    for (let n = 0; n < 300; n++) here.publish("in", `m${n} ${"x".repeat(n % 10 === 0 ? 70_000 : 10)}`, persistent);
    two.set({ ...moving, "ack-mode": ackMode, "src-prefetch-count": 50 });
    const there = two.there.client();
    let turns = 0;
    while ((two.there.core.namespace("/")?.queue("out")?.readyCount ?? 0) < 20) {
      check.ok(turns++ < 1000, "it flows");
      two.here.settle();
      two.there.settle();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    const [ready, leased] = counts(two.here, "in");
    if (ackMode === "on-confirm") check.ok(ready > 0 && leased > 0, `${leased} are on their way, ${ready} wait`);
    two.shovels.delete("/", "mover");
    await two.settle();
    check.equal(two.here.server.live.count, 1, "its connection has gone");
    const numberOf = (body: string): string => body.split(" ")[0]!;
    const moved = drain(there, "out").map(numberOf);
    const left = drain(here, "in").map(numberOf);
    check.deepEqual(
      [...moved, ...left],
      Array.from({ length: 300 }, (_, n) => `m${n}`),
      ackMode,
    );
    if (ackMode === "on-confirm") check.ok(left.length > 0, "it took no more");
  }
});

test("one that is deleted while the destination is silent goes after a while, and one in its place waits for it", async () => {
  const two = await TwoBrokers.open();
  two.set({ ...moving, "src-prefetch-count": 10 });
  await two.settle();
  const here = two.here.client();
  publishAll(here, "in", 1);
  await two.settle();
  two.there.core.core.setPressure("disk", true);
  publishAll(here, "in", 100);
  await two.settle();
  check.deepEqual(two.states(), ["blocked"]);
  two.shovels.delete("/", "mover");
  // One that is set meanwhile waits for it.
  two.set({ ...moving, "dest-queue": "elsewhere" });
  await two.settle();
  check.deepEqual(two.states(), ["starting"]);
  two.there.core.core.setPressure("disk", false);
  await two.advance(6000);
  check.deepEqual(two.states(), ["running"]);
  const moved = [...drain(two.there.client(), "out"), ...drain(two.there.client(), "elsewhere")];
  check.equal(new Set(moved).size, 100);
  check.deepEqual(counts(two.here, "in"), [0, 0]);
});

test("a routing key that is no text goes through as it is", async () => {
  const two = await TwoBrokers.open();
  const [here, there] = [two.here.client(), two.there.client()];
  const key = "\udcff.\udc80";
  for (const [client, queue] of [
    [here, "in"],
    [there, "out"],
  ] as const) {
    client.declare(queue);
    client.send(1, "queue.bind", {
      ticket: 0,
      queue,
      exchange: "amq.direct",
      routingKey: key,
      noWait: false,
      arguments: [],
    });
  }
  two.set({ "src-uri": "amqp://", "src-queue": "in", "dest-uri": "amqp://there", "dest-exchange": "amq.direct" });
  await two.settle();
  here.publish(key, "bytes", { deliveryMode: 2 }, "amq.direct");
  await two.settle();
  there.take();
  const got = there.get("out");
  check.deepEqual([got?.args["routingKey"], got?.body], [key, "bytes"]);
  check.deepEqual(counts(two.here, "in"), [0, 0]);
});
