import assert from "node:assert/strict";
import { test } from "node:test";
import { totalMeasures, queueMeasures } from "./measures.ts";
import { policyView } from "./policy-view.ts";
import { ConsumersByQueue } from "./consumer-json.ts";
import { noRanges } from "./rates.ts";
import { queueJson } from "./queue-json.ts";
import { openStatsHouse, testConnection, type StatsHouse } from "./stats-house.suite.ts";
import type { Queue } from "../../../../broker/api.ts";

const publishRate = queueMeasures.publish[0]!;

function shown({ stats, server }: StatsHouse, queue: Queue): Record<string, unknown> {
  return queueJson(queue, {
    stats,
    policies: policyView(server),
    consumers: new ConsumersByQueue(server.live),
    ranges: noRanges,
  });
}

test("a queue's rate is that of the last interval, and its numbers those of now", async () => {
  const it = await openStatsHouse();
  const queue = it.house.declare("orders");
  it.stats.sampler.start();
  await it.advance(5000);
  for (let count = 0; count < 10; count++) it.publish("orders", "x");
  await it.advance(5000);
  assert.equal(it.stats.sampler.viewOf(queue).rate(publishRate), 2);
  it.publish("orders", "x");
  await it.house.durable();
  const json = shown(it, queue);
  assert.equal(json["messages"], 11);
  assert.equal(json["messages_ready"], 11);
  const { publish, publish_details } = json["message_stats"] as Record<string, unknown>;
  assert.equal(publish, 11);
  assert.deepEqual(publish_details, { rate: 2 });
  assert.equal("deliver" in (json["message_stats"] as object), false, "nothing was delivered yet");
  await it.advance(15_000);
  assert.equal(it.stats.sampler.viewOf(queue).rate(publishRate), 0);
  assert.equal(typeof shown(it, queue)["idle_since"], "string");
  it.stats.sampler.stop();
});

test("a queue without messages has no message_stats", async () => {
  const it = await openStatsHouse();
  const queue = it.house.declare("quiet");
  it.stats.sampler.start();
  await it.advance(5000);
  assert.equal("message_stats" in shown(it, queue), false);
  it.stats.sampler.stop();
});

test("what was there before the first pass is no rate", async () => {
  const it = await openStatsHouse();
  const queue = it.house.declare("old");
  for (let count = 0; count < 1000; count++) it.publish("old", "x");
  await it.house.durable();
  it.stats.sampler.start();
  await it.advance(5000);
  assert.equal(it.stats.sampler.viewOf(queue).rate(publishRate), 0);
  it.stats.sampler.stop();
});

test("totals keep what closed channels, closed connections and deleted queues had counted", async () => {
  const it = await openStatsHouse();
  it.stats.sampler.start();
  const connection = testConnection(40_000);
  it.server.live.add(connection);
  it.server.live.channelOpened(connection, connection.channel);
  connection.channel.counters.publish = 7;
  connection.traffic.receivedBytes = 500;
  const queue = it.house.declare("gone");
  it.publish("gone", "x");
  await it.house.durable();
  const before = it.stats.sampler.totals();
  it.server.live.channelClosed(connection, connection.channel);
  it.server.live.remove(connection);
  it.server.vhosts.find("/")!.namespace.deleteQueue(queue);
  const after = it.stats.sampler.totals();
  assert.equal(before.sums[0], 7);
  assert.equal(after.sums[0], 7);
  assert.equal(after.publishedForConfirm, 7);
  assert.equal(after.sums[totalMeasures.trafficAt], 500);
  assert.equal(after.byType.classic.published, 1);
  assert.equal(after.sums[totalMeasures.lengthsAt], 0, "lengths are of what there is");
  assert.equal(after.byVhost.get("/")!.sums[0], 7);
  const { counts } = it.stats.sampler.churn;
  assert.deepEqual([...counts], [1, 1, 1, 1, 1, 1, 1]);
  it.stats.sampler.stop();
});

test("a virtual host that comes later is counted, and forgotten when it goes", async () => {
  const it = await openStatsHouse();
  it.stats.sampler.start();
  it.server.vhosts.create("later", {
    description: "",
    tags: [],
    defaultQueueType: undefined,
    isTracing: false,
    isProtectedFromDeletion: false,
  });
  await it.advance(5000);
  it.house.declare("q", {}, "later");
  assert.equal(it.stats.sampler.totals().byVhost.get("later")!.queues, 1);
  const connection = testConnection(40_000, "later");
  connection.channel.counters.publish = 3;
  it.server.live.channelClosed(connection, connection.channel);
  it.server.vhosts.delete("later");
  await it.advance(5000);
  const totals = it.stats.sampler.totals();
  assert.equal(totals.byVhost.has("later"), false);
  assert.equal(totals.sums[0], 3, "what was published there was published");
  assert.equal(it.stats.sampler.churn.counts[6], 1, "its queue was deleted with it");
  it.stats.sampler.stop();
});

test("a pass over many objects is cut into slices, and one after the other ends", async () => {
  const it = await openStatsHouse();
  for (let index = 0; index < 1000; index++) it.house.declare(`q${index}`);
  it.stats.sampler.start();
  assert.equal(it.stats.sampler.passes.lastMs, 0, "the first slice is not the whole pass");
  await it.advance(0);
  const { lastMs } = it.stats.sampler.passes;
  assert.equal(lastMs % 5000, 0);
  assert.equal(it.stats.sampler.lastTotals.queues, 1000);
  await it.advance(15_000);
  assert.equal(it.stats.sampler.passes.lastMs, lastMs + 15_000);
  assert.equal(it.stats.sampler.passes.beforeMs, lastMs + 10_000);
  it.stats.sampler.stop();
});

test("rates go on when the clock was set back", async () => {
  const it = await openStatsHouse();
  const { sampler } = it.stats;
  const queue = it.house.declare("orders");
  const publish = async (): Promise<void> => {
    for (let count = 0; count < 10; count++) it.publish("orders", "x");
    await it.advance(5000);
  };
  sampler.start();
  await it.advance(5000);
  await publish();
  assert.equal(sampler.viewOf(queue).rate(publishRate), 2);
  it.house.clock.jumpTo(it.house.clock.now() - 3_600_000);
  // The machine's timers fire when as much time has passed as there was to wait; this clock's wait for theirs.
  sampler.start();
  await it.advance(5000);
  assert.equal(sampler.viewOf(queue).rate(publishRate), 0);
  await publish();
  assert.equal(sampler.viewOf(queue).rate(publishRate), 2);
  const fields: Record<string, { rate: number }> = {};
  sampler.viewOfAll.add(fields, totalMeasures.lengths, () => 0, undefined);
  assert.equal(fields["messages_details"]?.rate, 2);
  sampler.stop();
});

test("in rates mode none there are totals and no rates", async () => {
  const it = await openStatsHouse({ ratesMode: "none" });
  const queue = it.house.declare("orders");
  it.stats.sampler.start();
  await it.advance(5000);
  it.publish("orders", "x");
  await it.advance(5000);
  assert.equal(it.stats.sampler.viewOf(queue).rate(publishRate), 0);
  assert.equal(it.stats.sampler.totals().queues, 1);
  it.stats.sampler.stop();
});

test("what was forgotten leaves no rate and no leap in the histories, whenever it is forgotten", async () => {
  for (const underWay of [false, true]) {
    const it = await openStatsHouse();
    const { sampler } = it.stats;
    for (let index = 0; index < 600; index++) it.house.declare(`q${index}`);
    const queue = it.house.declare("zz-last");
    const publish = (count: number): void => {
      for (let index = 0; index < count; index++) it.publish("zz-last", "x");
    };
    sampler.start();
    await it.advance(0);
    publish(100);
    await it.advance(5000);
    assert.equal(sampler.viewOf(queue).rate(publishRate), 20);
    if (underWay) it.house.clock.advance(5000);
    sampler.forget();
    if (!underWay) assert.equal(sampler.viewOf(queue).rate(publishRate), 0);
    for (let pass = 0; pass < 4; pass++) {
      await it.advance(5000);
      assert.equal(sampler.viewOf(queue).rate(publishRate), 0, "nothing was published since");
    }
    publish(10);
    await it.advance(5000);
    assert.equal(sampler.viewOf(queue).rate(publishRate), 2);
    const { lastMs } = sampler.passes;
    const fields: Record<string, unknown> = {};
    const range = { firstMs: lastMs - 60_000, lastMs, stepMs: 5000 };
    const lengths = totalMeasures.lengths;
    sampler.viewOfAll.add(fields, lengths, () => 0, range);
    const { samples } = fields["messages_details"] as { samples: readonly { sample: number }[] };
    assert.deepEqual([...new Set(samples.map(({ sample }) => sample))], [110, 100]);
    assert.equal(sampler.totals().byType.classic.published, 110, "counters go on");
    sampler.stop();
  }
});
