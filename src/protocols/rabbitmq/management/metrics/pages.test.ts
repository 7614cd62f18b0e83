import assert from "node:assert/strict";
import { test } from "node:test";
import { openStatsHouse, testConnection } from "../stats/stats-house.suite.ts";
import { detailedPage, memoryPage, perObjectPage, totalsPage } from "./pages.ts";
import { labelsOf } from "./text.ts";

/** What the panels of the RabbitMQ-Overview dashboard (grafana.com 10991) query. */
const dashboardMetrics = [
  "rabbitmq_build_info",
  "rabbitmq_channel_consumers",
  "rabbitmq_channels",
  "rabbitmq_channels_closed_total",
  "rabbitmq_channels_opened_total",
  "rabbitmq_connections",
  "rabbitmq_connections_closed_total",
  "rabbitmq_connections_opened_total",
  "rabbitmq_consumers",
  "rabbitmq_disk_space_available_bytes",
  "rabbitmq_global_messages_acknowledged_total",
  "rabbitmq_global_messages_confirmed_total",
  "rabbitmq_global_messages_delivered_consume_auto_ack_total",
  "rabbitmq_global_messages_delivered_consume_manual_ack_total",
  "rabbitmq_global_messages_delivered_get_auto_ack_total",
  "rabbitmq_global_messages_delivered_get_manual_ack_total",
  "rabbitmq_global_messages_get_empty_total",
  "rabbitmq_global_messages_received_confirm_total",
  "rabbitmq_global_messages_received_total",
  "rabbitmq_global_messages_redelivered_total",
  "rabbitmq_global_messages_routed_total",
  "rabbitmq_global_messages_unroutable_dropped_total",
  "rabbitmq_global_messages_unroutable_returned_total",
  "rabbitmq_identity_info",
  "rabbitmq_process_max_fds",
  "rabbitmq_process_max_tcp_sockets",
  "rabbitmq_process_open_fds",
  "rabbitmq_process_open_tcp_sockets",
  "rabbitmq_process_resident_memory_bytes",
  "rabbitmq_queue_messages_ready",
  "rabbitmq_queue_messages_unacked",
  "rabbitmq_queues",
  "rabbitmq_queues_created_total",
  "rabbitmq_queues_declared_total",
  "rabbitmq_queues_deleted_total",
  "rabbitmq_resident_memory_limit_bytes",
];

interface Parsed {
  readonly types: ReadonlyMap<string, string>;
  readonly values: ReadonlyMap<string, number>;
}

/** Reads a page as Prometheus does: strictly. */
function parse(pieces: Iterable<string>): Parsed {
  const types = new Map<string, string>();
  const values = new Map<string, number>();
  const text = [...pieces].join("");
  assert.ok(text.endsWith("\n"));
  for (const line of text.slice(0, -1).split("\n")) {
    const type = /^# TYPE ([a-z_:][a-z0-9_:]*) (counter|gauge|untyped|histogram)$/.exec(line);
    if (type !== null) {
      assert.ok(!types.has(type[1]!), `${type[1]} stands in one place`);
      types.set(type[1]!, type[2]!);
      continue;
    }
    if (/^# HELP [a-z_:][a-z0-9_:]* ./.test(line)) continue;
    const label = '[a-z_]+="(?:[^"\\\\\\n]|\\\\[\\\\"n])*"';
    const sample = new RegExp(`^([a-z_:][a-z0-9_:]*)(\\{${label}(?:,${label})*\\})? (\\S+)$`).exec(line);
    assert.ok(sample !== null, `not a line of metrics: ${line}`);
    const [, name, labels = "", value] = sample;
    const family = types.has(name!) ? name! : name!.replace(/_(bucket|sum|count)$/, "");
    assert.ok(types.has(family), `${name} has a type`);
    assert.ok(!values.has(name! + labels), `${name}${labels} is there once`);
    values.set(name! + labels, Number(value!.replace("+Inf", "Infinity")));
  }
  for (const value of values.values()) assert.ok(!Number.isNaN(value));
  return { types, values };
}

test("every metric that the overview's dashboard queries is there", async () => {
  const { stats } = await openStatsHouse();
  const { types, values } = parse(totalsPage(stats));
  for (const name of dashboardMetrics) {
    assert.ok(types.has(name), name);
    assert.ok(
      [...values.keys()].some((key) => key === name || key.startsWith(`${name}{`)),
      `${name} has a value`,
    );
  }
});

test("dashboards find the page that they want by its endpoint", async () => {
  const { stats } = await openStatsHouse();
  const pages = {
    aggregated: totalsPage(stats),
    "per-object": perObjectPage(stats),
    detailed: detailedPage(stats, new Set(), undefined),
    "memory-breakdown": memoryPage(stats),
  };
  for (const [endpoint, page] of Object.entries(pages)) {
    const identity = [...parse(page).values.keys()].filter((key) => key.startsWith("rabbitmq_identity_info{"));
    assert.equal(identity.length, 1);
    assert.ok(identity[0]!.includes(`rabbitmq_endpoint="${endpoint}"`), `${identity[0]}`);
  }
});

test("how far each group of readers is behind, in each partition", async () => {
  const { stats, house, publish } = await openStatsHouse();
  const model = house.declare("model");
  const log = model.namespace.createQueue("l", { ...model.settings, mode: "offset" }, {}, 2);
  for (let count = 0; count < 5; count++) publish("l", "12345");
  await house.durable();
  for (const partition of log.partitions) partition.commitOffset("g", 1, "");
  const { values } = parse(perObjectPage(stats));
  const told = (name: string, at: number): number | undefined =>
    values.get(`kafka_consumergroup_${name}{consumergroup="g",topic="l",partition="${at}",vhost="/"}`);
  assert.deepEqual([told("current_offset", 0), told("current_offset", 1)], [1, 1]);
  assert.equal(told("lag", 0)! + told("lag", 1)!, 3);
});

test("totals are those of all objects, and say what is true", async () => {
  const { stats, house, server, advance, publish } = await openStatsHouse();
  stats.sampler.start();
  house.declare("a");
  house.declare("b", { "x-queue-type": "quorum" });
  for (let count = 0; count < 3; count++) publish("a", "12345");
  publish("b", "12345");
  await house.durable();
  const connection = testConnection(40_000);
  server.live.add(connection);
  connection.channel.counters.publish = 4;
  await advance(2000);
  const { values } = parse(totalsPage(stats));
  assert.equal(values.get("rabbitmq_queue_messages_ready"), 4);
  assert.equal(values.get("rabbitmq_queue_messages_ready_bytes"), 20);
  assert.equal(values.get("rabbitmq_queues"), 2);
  assert.equal(values.get("rabbitmq_connections"), 1);
  assert.equal(values.get('rabbitmq_global_messages_received_total{protocol="amqp091"}'), 4);
  assert.equal(values.get('rabbitmq_global_messages_received_confirm_total{protocol="amqp091"}'), 4);
  assert.equal(values.get('rabbitmq_global_messages_routed_total{protocol="amqp091"}'), 4);
  assert.equal(values.get("rabbitmq_resident_memory_limit_bytes"), 1_000_000_000);
  assert.equal(values.get("entrepot_queue_oldest_message_age_seconds"), 2);
  assert.equal(values.get('entrepot_event_loop_delay_seconds{quantile="0.99"}'), 0.002);
  assert.equal(
    values.get('entrepot_commit_duration_seconds_bucket{le="+Inf"}'),
    values.get("entrepot_commit_duration_seconds_count"),
  );
  stats.sampler.stop();
});

test("what a stream holds is history, and is not told as the age of what waits", async () => {
  const { stats, house, advance, publish } = await openStatsHouse();
  stats.sampler.start();
  house.declare("queue");
  house.declare("log", { "x-queue-type": "stream" });
  publish("log", "12345");
  await house.durable();
  await advance(600_000);
  publish("queue", "12345");
  await house.durable();
  await advance(2000);
  const age = "entrepot_queue_oldest_message_age_seconds";
  assert.equal(parse(totalsPage(stats)).values.get(age), 2);
  const { values } = parse(perObjectPage(stats));
  assert.equal(values.get(`${age}{vhost="/",queue="queue"}`), 2);
  assert.equal(values.get(`${age}{vhost="/",queue="log"}`), 0);
  stats.sampler.stop();
});

test("each object has its line, names with quotes and newlines included", async () => {
  const { stats, house, server, publish } = await openStatsHouse();
  house.declare('odd "name"\nwith \\');
  publish('odd "name"\nwith \\', "x");
  server.live.add(testConnection(40_000));
  const { values } = parse(perObjectPage(stats));
  const labels = labelsOf({ vhost: "/", queue: 'odd "name"\nwith \\' });
  assert.equal(values.get(`rabbitmq_queue_messages_ready{${labels}}`), 1);
  assert.equal(values.get(`entrepot_queue_oldest_message_age_seconds{${labels}}`), 0);
  const channel = labelsOf({ channel: "127.0.0.1:40000 -> 127.0.0.1:5672 (1)", vhost: "/" });
  assert.equal(values.get(`rabbitmq_channel_messages_published_total{${channel}}`), 0);
});

test("the detailed page has the families and virtual hosts that were asked for, and nothing without", async () => {
  const { stats, house, server } = await openStatsHouse();
  server.vhosts.create("other", {
    description: "",
    tags: [],
    defaultQueueType: undefined,
    isTracing: false,
    isProtectedFromDeletion: false,
  });
  house.declare("here");
  house.declare("there", {}, "other");
  const without = parse(detailedPage(stats, new Set(), undefined));
  assert.deepEqual([...without.types.keys()], ["rabbitmq_build_info", "rabbitmq_identity_info"]);
  const { types, values } = parse(
    detailedPage(stats, new Set(["queue_coarse_metrics", "vhost_status", "exchange_bindings"]), new Set(["other"])),
  );
  assert.ok(values.has('rabbitmq_detailed_queue_messages_ready{vhost="other",queue="there"}'));
  assert.ok(!values.has('rabbitmq_detailed_queue_messages_ready{vhost="/",queue="here"}'));
  assert.ok(!types.has("rabbitmq_detailed_queue_consumers"));
  assert.equal(values.get('rabbitmq_cluster_vhost_status{vhost="/"}'), 1);
  assert.equal(values.get('rabbitmq_cluster_exchange_bindings{vhost="other",exchange="amq.topic",type="topic"}'), 0);
});

test("ten thousand queues come in pieces", async () => {
  const { stats, house } = await openStatsHouse();
  for (let index = 0; index < 2000; index++) house.declare(`queue-${index}`);
  const pieces = [...perObjectPage(stats)];
  assert.ok(pieces.length > 20);
  for (const piece of pieces) assert.ok(piece.length < 40_000, `${piece.length}`);
});

test("a queue that is deleted while the page is sent is told to its end", async () => {
  const { stats, house, server, publish } = await openStatsHouse();
  for (let index = 0; index < 2000; index++) house.declare(`queue-${index}`);
  const deleted = house.declare("deleted");
  publish("deleted", "12345");
  const page = perObjectPage(stats);
  const pieces = [page.next().value as string];
  server.vhosts.find("/")!.namespace.deleteQueue(deleted);
  pieces.push(...page);
  const { values } = parse(pieces);
  assert.equal(values.get('rabbitmq_queue_messages_published_total{vhost="/",queue="deleted"}'), 1);
  assert.ok(values.has('entrepot_queue_oldest_message_age_seconds{vhost="/",queue="queue-0"}'));
});

test("the parts of memory sum up to what the process has", async () => {
  const { stats } = await openStatsHouse();
  const { values } = parse(memoryPage(stats));
  const parts = [...values].filter(([name]) => name.startsWith("rabbitmq_memory"));
  const sum = parts.reduce((all, [, bytes]) => all + bytes, 0);
  assert.equal(sum, 90_000_000);
});

test("sizes of messages are counted in RabbitMQ's buckets, each with what is smaller", async () => {
  const { stats, server } = await openStatsHouse();
  const bounds = [100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000, 100_000_000];
  for (const bytes of [0, 100, 101, 1000, 49_999_999, 100_000_000, 100_000_001]) server.messageSizes.add(bytes);
  for (const bound of bounds) server.messageSizes.add(bound);
  const { values } = parse(totalsPage(stats));
  const counts = bounds.map((le) =>
    values.get(`rabbitmq_message_size_bytes_bucket{${labelsOf({ protocol: "amqp091", le: String(le) })}}`),
  );
  assert.deepEqual(counts, [3, 6, 7, 8, 9, 10, 12, 14]);
  assert.equal(values.get('rabbitmq_message_size_bytes_bucket{protocol="amqp091",le="+Inf"}'), 15);
  assert.equal(values.get('rabbitmq_message_size_bytes_count{protocol="amqp091"}'), 15);
  assert.equal(values.get('rabbitmq_message_size_bytes_sum{protocol="amqp091"}'), 250_001_201 + 161_111_100);
});
