/** What monitors, autoscalers and load balancers ask, over real ports. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { connect, type ChannelModel, type ConfirmChannel } from "amqplib";
import { startBroker, type RunningBroker } from "../../../src/start-broker.ts";

let broker: RunningBroker;
let connection: ChannelModel;
let channel: ConfirmChannel;

before(async () => {
  broker = await startBroker({
    memory: true,
    listen: { amqp: 0, http: 0, prometheus: 0 },
    set: { "memory.highWatermarkBytes": "64MiB", "management.sampleIntervalMs": "1s" },
  });
  connection = await connect(`amqp://guest:guest@${broker.addresses["amqp"]}`);
  channel = await connection.createConfirmChannel();
});

after(async () => {
  await connection.close();
  await broker.stop();
});

interface Answer<T> {
  readonly status: number;
  readonly json: T;
}

async function ask<T>(path: string, user = "guest"): Promise<Answer<T>> {
  const headers = { authorization: `Basic ${btoa(`${user}:${user}`)}` };
  const response = await fetch(`http://${broker.addresses["http"]}/api${path}`, { headers });
  return { status: response.status, json: (await response.json()) as T };
}

async function put(path: string, body: unknown): Promise<void> {
  const headers = { authorization: `Basic ${btoa("guest:guest")}`, "content-type": "application/json" };
  const url = `http://${broker.addresses["http"]}/api${path}`;
  const response = await fetch(url, { method: "PUT", headers, body: JSON.stringify(body) });
  assert.ok(response.ok, `${path}: ${response.status}`);
}

interface QueueNumbers {
  readonly name: string;
  readonly messages: number;
  readonly messages_ready: number;
  readonly messages_unacknowledged: number;
  readonly message_stats?: { readonly publish_details: { readonly rate: number } };
}

test("an autoscaler reads a queue's length and rate, alone and by a regular expression", async () => {
  await channel.assertQueue("keda-a");
  await channel.assertQueue("keda-b");
  await channel.assertQueue("other");
  for (let count = 0; count < 5; count++) channel.sendToQueue("keda-a", Buffer.from("x"));
  await channel.waitForConfirms();
  const one = await ask<QueueNumbers>("/queues/%2F/keda-a");
  assert.deepEqual(
    [one.json.messages, one.json.messages_ready, one.json.messages_unacknowledged],
    [5, 5, 0],
    "of this moment, not of the last sample",
  );
  const many = await ask<{ readonly items: readonly QueueNumbers[]; readonly page_count: number }>(
    "/queues/%2F?page=1&use_regex=true&pagination=false&name=%5Ekeda&page_size=100",
  );
  assert.deepEqual(
    many.json.items.map(({ name, messages }) => [name, messages]),
    [
      ["keda-a", 5],
      ["keda-b", 0],
    ],
  );
  assert.equal(many.json.page_count, 1);
  for (let rate = 0; rate === 0; await wait(50)) {
    channel.sendToQueue("keda-a", Buffer.from("x"));
    rate = (await ask<QueueNumbers>("/queues/%2F/keda-a")).json.message_stats?.publish_details.rate ?? 0;
  }
});

test("lists are ordered by what a dashboard clicks on", async () => {
  const sorted = await ask<readonly QueueNumbers[]>("/queues?sort=messages&sort_reverse=true&columns=name,messages");
  const [first] = sorted.json;
  assert.equal(first?.name, "keda-a");
  assert.deepEqual(Object.keys(first ?? {}).toSorted(), ["messages", "name"]);
});

test("health checks say what is listened on", async () => {
  const port = broker.ports["amqp"];
  assert.deepEqual(await ask(`/health/checks/port-listener/${port}`), { status: 200, json: { status: "ok", port } });
  const missing = await ask<{ readonly reason: string; readonly missing: number }>("/health/checks/port-listener/1");
  assert.equal(missing.status, 503);
  assert.deepEqual([missing.json.reason, missing.json.missing], ["No active listener", 1]);
  assert.equal((await ask("/health/checks/port-listener/none")).status, 400);
  assert.equal((await ask("/health/checks/protocol-listener/amqp091")).status, 200);
  assert.equal((await ask("/health/checks/protocol-listener/mqtt3.1.1")).status, 503);
  assert.equal((await ask("/health/checks/certificate-expiration/1/months")).status, 200);
  assert.equal((await ask("/health/checks/certificate-expiration/1/hours")).status, 400);
  for (const check of ["virtual-hosts", "is-in-service", "ready-to-serve-clients", "below-node-connection-limit"])
    assert.equal((await ask(`/health/checks/${check}`)).status, 200, check);
});

test("an alarm is seen by health checks, by the node and by the metrics", async () => {
  assert.equal((await ask("/health/checks/alarms")).status, 200);
  await channel.assertQueue("full");
  const body = Buffer.alloc(1_000_000);
  const blocked = new Promise<void>((resolve) => connection.once("blocked", () => resolve()));
  for (let count = 0; count < 80; count++) channel.sendToQueue("full", body, { persistent: true });
  await blocked;
  const alarms = await ask<{ readonly reason: string; readonly alarms: readonly { readonly resource: string }[] }>(
    "/health/checks/alarms",
  );
  assert.equal(alarms.status, 503);
  assert.equal(alarms.json.reason, "There are alarms in effect in the cluster");
  assert.deepEqual(
    alarms.json.alarms.map(({ resource }) => resource),
    ["memory"],
  );
  assert.equal((await ask("/health/checks/local-alarms")).status, 503);
  assert.equal((await ask("/healthchecks/node")).status, 503);
  const [node] = (await ask<readonly { readonly mem_alarm: boolean }[]>("/nodes")).json;
  assert.equal(node?.mem_alarm, true);
  assert.match(await metrics("/metrics"), /^rabbitmq_alarms_memory_used_watermark 1$/m);
  // Nothing is read from the one that is blocked.
  const purging = await connect(`amqp://guest:guest@${broker.addresses["amqp"]}`);
  const purge = await purging.createChannel();
  while ((await ask("/health/checks/alarms")).status !== 200) {
    await purge.purgeQueue("full");
    await wait(20);
  }
  await purging.close();
  await channel.waitForConfirms();
});

async function metrics(path: string): Promise<string> {
  const response = await fetch(`http://${broker.addresses["prometheus"]}${path}`);
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  return response.text();
}

test("metrics are on the port of scrapers without a login, and nothing else is", async () => {
  assert.match(await metrics("/metrics/per-object"), /^rabbitmq_queue_messages_ready\{vhost="\/",queue="keda-b"\} 0$/m);
  assert.match(
    await metrics("/metrics/detailed?family=queue_consumer_count"),
    /^rabbitmq_detailed_queue_consumers\{vhost="\/",queue="other"\} 0$/m,
  );
  for (const path of ["/metrics/none", "/api/overview"]) {
    assert.equal((await fetch(`http://${broker.addresses["prometheus"]}${path}`)).status, 404, path);
  }
});

test("a user sees the numbers of what is the user's own", async () => {
  await put("/vhosts/hidden", {});
  await put("/queues/hidden/secret", {});
  await put("/users/someone", { password: "someone", tags: "management" });
  await put("/permissions/%2F/someone", { configure: "", write: "", read: "" });
  await put("/users/watcher", { password: "watcher", tags: "monitoring" });
  await put("/users/nobody", { password: "nobody", tags: "" });
  type Overview = {
    readonly object_totals: { readonly connections: number; readonly queues: number };
    readonly listeners?: unknown;
  };
  const all = (await ask<Overview>("/overview", "watcher")).json;
  const own = (await ask<Overview>("/overview", "someone")).json;
  assert.equal(own.object_totals.queues, all.object_totals.queues - 1);
  assert.equal(own.object_totals.connections, 0);
  assert.equal("listeners" in own, false);
  assert.ok("listeners" in all);
  assert.deepEqual((await ask("/connections", "someone")).json, []);
  assert.equal((await ask<readonly unknown[]>("/connections", "watcher")).json.length, 1);
  const [connected] = (await ask<readonly { readonly name: string }[]>("/connections")).json;
  const name = encodeURIComponent(connected!.name);
  assert.equal((await ask(`/connections/${name}`, "someone")).status, 401);
  assert.equal((await ask(`/channels/${name}%20(1)`, "someone")).status, 401);
  assert.equal((await ask(`/channels/${name}%20(1)`, "watcher")).status, 200);
  assert.equal((await ask("/queues/hidden/secret", "someone")).status, 401);
  assert.equal((await ask("/nodes", "someone")).status, 401);
  assert.equal((await ask("/vhosts/hidden/connections", "someone")).status, 401);
  const listed = (await ask<readonly { readonly vhost: string }[]>("/queues", "someone")).json;
  assert.ok(listed.length > 0 && listed.every(({ vhost }) => vhost === "/"));
  assert.equal((await ask("/overview", "nobody")).status, 401);
});

test("what RabbitMQ 4 has besides: a user's queues, Erlang's tables, sessions, the configuration", async () => {
  await put("/users/ann", { password: "ann", tags: "management" });
  await put("/permissions/%2F/ann", { configure: ".*", write: ".*", read: ".*" });
  const anns = await connect(`amqp://ann:ann@${broker.addresses["amqp"]}`);
  await (await anns.createChannel()).assertQueue("of-ann");
  const { status, json } = await ask<readonly QueueNumbers[]>("/users/ann/queues");
  assert.equal(status, 200);
  assert.deepEqual(
    json.map(({ name, messages }) => ({ name, messages })),
    [{ name: "of-ann", messages: 0 }],
  );
  assert.deepEqual((await ask("/users/nobody/queues")).json, []);
  const [own] = (await ask<readonly { readonly name: string }[]>("/connections", "ann")).json;
  const sessions = `/connections/${encodeURIComponent(own!.name)}/sessions`;
  assert.equal((await ask(sessions, "ann")).status, 400);
  assert.equal((await ask("/connections/none/sessions")).status, 404);
  await anns.close();
  const [{ name: node }] = (await ask<readonly [{ readonly name: string }]>("/nodes")).json;
  for (const path of ["", "/relative", "/management", "/management/relative"]) {
    const tables = await ask(`/nodes/${node}/memory/ets${path}`);
    assert.deepEqual(tables, { status: 200, json: { ets_tables_memory: "no_tables" } }, path);
  }
  const headers = { authorization: `Basic ${btoa("guest:guest")}` };
  const url = `http://${broker.addresses["http"]}/api/config/effective`;
  const text = await (await fetch(url, { headers })).text();
  assert.match(text, /^management\.sampleIntervalMs: 1s +# /m);
  assert.match(text, /^# auth\.defaultPassword: \(not shown\)/m);
});
