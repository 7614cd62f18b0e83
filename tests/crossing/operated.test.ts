// What an operator of RabbitMQ's side says holds for Kafka's clients as well: queues that are one connection's own, limits.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { connect } from "amqplib";
import kafkajs from "kafkajs";
import { spawnBroker, type BrokerProcess } from "../interop/broker.ts";

const { ConfigResourceTypes, Kafka, logLevel } = kafkajs;

async function start(context: TestContext): Promise<BrokerProcess> {
  const broker = await spawnBroker({ listen: { amqp: "127.0.0.1:0", kafka: "127.0.0.1:0", http: "127.0.0.1:0" } });
  context.after(() => broker.kill("SIGTERM"));
  return broker;
}

async function adminOf(context: TestContext, broker: BrokerProcess) {
  const retry = { retries: 0 };
  const kafka = new Kafka({ brokers: [broker.addresses["kafka"]!], logLevel: logLevel.NOTHING, retry });
  const admin = kafka.admin();
  await admin.connect();
  // Without SASL it is somebody from its first question on.
  await admin.listTopics();
  context.after(() => admin.disconnect());
  return admin;
}

async function ask(broker: BrokerProcess, method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await fetch(`http://${broker.addresses["http"]}/api${path}`, {
    method,
    headers: { authorization: `Basic ${btoa("guest:guest")}`, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.headers.get("content-type")?.includes("json") === true ? answer.json() : undefined;
}

test("an exclusive queue is no topic: Kafka's clients do not see it, and its name is taken", async (context) => {
  const broker = await start(context);
  const admin = await adminOf(context, broker);
  const amqp = await connect(`amqp://guest:guest@${broker.amqp}/`);
  const channel = await amqp.createChannel();
  await channel.assertQueue("shared");
  await channel.assertQueue("my.own", { exclusive: true });
  assert.deepEqual(await admin.listTopics(), ["shared"]);
  await assert.rejects(admin.fetchTopicMetadata({ topics: ["my.own"] }));
  assert.equal(await admin.createTopics({ topics: [{ topic: "my.own" }] }), false, "there is something of that name");
  await assert.rejects(admin.deleteTopics({ topics: ["my.own"] }), /does not host this topic-partition/);
  await admin.createTopics({ topics: [{ topic: "my_own" }] });
  await amqp.close();
  await admin.deleteTopics({ topics: ["my_own"] });
  assert.equal(await admin.createTopics({ topics: [{ topic: "my.own" }] }), true, "it went with its connection");
});

test("limits of connections count those of all protocols", async (context) => {
  const broker = await start(context);
  const first = await connect(`amqp://guest:guest@${broker.amqp}/`);
  context.after(() => first.close().catch(() => undefined));
  await ask(broker, "PUT", "/vhost-limits/%2F/max-connections", { value: 1 });
  await assert.rejects(adminOf(context, broker));
  await ask(broker, "PUT", "/vhost-limits/%2F/max-connections", { value: 2 });
  await adminOf(context, broker);
  await assert.rejects(connect(`amqp://guest:guest@${broker.amqp}/`));
  await ask(broker, "DELETE", "/vhost-limits/%2F/max-connections");
  await ask(broker, "PUT", "/user-limits/guest/max-connections", { value: 2 });
  await assert.rejects(adminOf(context, broker));
});

test("topics go from broker to broker by definitions, with partitions, configs, work queue and bindings", async (context) => {
  const from = await start(context);
  const admin = await adminOf(context, from);
  const configEntries = [
    { name: "retention.ms", value: "60000" },
    { name: "cleanup.policy", value: "compact,delete" },
  ];
  await admin.createTopics({ topics: [{ topic: "orders", numPartitions: 3, configEntries }, { topic: "plain" }] });
  const amqp = await connect(`amqp://guest:guest@${from.amqp}/`);
  context.after(() => amqp.close().catch(() => undefined));
  const channel = await amqp.createChannel();
  await channel.assertExchange("dead", "fanout");
  const args = { durable: true, arguments: { "x-dead-letter-exchange": "dead" } };
  await channel.assertQueue("orders", args);
  await channel.bindQueue("orders", "amq.topic", "order.*");
  const definitions = (await ask(from, "GET", "/definitions")) as Readonly<Record<string, unknown[]>>;
  assert.deepEqual(definitions["queues"], []);

  const to = await start(context);
  await ask(to, "POST", "/definitions", definitions);
  const again = (await ask(to, "GET", "/definitions")) as typeof definitions;
  assert.deepEqual(again["topics"], definitions["topics"]);
  assert.deepEqual(again["bindings"], definitions["bindings"]);
  const there = await adminOf(context, to);
  assert.equal((await there.fetchTopicMetadata({ topics: ["orders"] })).topics[0]!.partitions.length, 3);
  const shown = await there.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: "orders" }],
  });
  const entries = shown.resources[0]!.configEntries;
  const valueOf = (name: string): unknown => entries.find(({ configName }) => configName === name)?.configValue;
  assert.deepEqual(["retention.ms", "cleanup.policy"].map(valueOf), ["60000", "compact,delete"]);
  const other = await connect(`amqp://guest:guest@${to.amqp}/`);
  context.after(() => other.close().catch(() => undefined));
  await (await other.createChannel()).assertQueue("orders", args);

  const wrong = { topics: [{ name: "more", vhost: "/", partitions: 1, configs: { "retention.ms": "x" } }] };
  await assert.rejects(ask(to, "POST", "/definitions", wrong), /400/);
  await assert.rejects(there.fetchTopicMetadata({ topics: ["more"] }));
});

test("the backlog of a topic's work queue is the same to the API and in metrics", async (context) => {
  const broker = await start(context);
  const admin = await adminOf(context, broker);
  await admin.createTopics({ topics: [{ topic: "jobs", numPartitions: 2 }] });
  const amqp = await connect(`amqp://guest:guest@${broker.amqp}/`);
  context.after(() => amqp.close().catch(() => undefined));
  const channel = await amqp.createConfirmChannel();
  await channel.assertQueue("jobs");
  for (const job of ["one", "two", "three"]) channel.sendToQueue("jobs", Buffer.from(job), { persistent: true });
  await channel.waitForConfirms();
  const [done, held] = [await channel.get("jobs"), await channel.get("jobs")];
  assert.ok(done !== false && held !== false);
  channel.ack(done);
  await channel.checkQueue("jobs");
  const shown = (await ask(broker, "GET", "/queues/%2F/jobs")) as Readonly<Record<string, unknown>>;
  assert.deepEqual([shown["messages_ready"], shown["messages_unacknowledged"]], [1, 1]);
  const told = await fetch(`http://${broker.addresses["http"]}/metrics/per-object`, {
    headers: { authorization: `Basic ${btoa("guest:guest")}` },
  });
  const text = await told.text();
  const figure = (name: string): string | undefined =>
    new RegExp(`^rabbitmq_queue_messages_${name}\\{[^}]*queue="jobs"[^}]*\\} (.*)$`, "m").exec(text)?.[1];
  assert.deepEqual([figure("ready"), figure("unacked")], ["1", "1"]);
});
