/** What an operator does over the management API to those who are at work over AMQP. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test, type TestContext } from "node:test";
import { connect, type ChannelModel } from "amqplib";
import { startBroker } from "../../src/start-broker.ts";

/** Of each answer what the test says that it is. */
interface Answer<T> {
  readonly status: number;
  readonly json: T;
}

interface Refusal {
  readonly reason: string;
}

interface House {
  ask<T = unknown>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer<T>>;
  client(): Promise<ChannelModel>;
}

async function open(t: TestContext): Promise<House> {
  const broker = await startBroker({ memory: true, listen: { http: 0, amqp: 0 } });
  t.after(() => broker.stop());
  const authorization = `Basic ${Buffer.from("guest:guest").toString("base64")}`;
  return {
    async ask<T>(
      method: string,
      path: string,
      body?: unknown,
      headers: Record<string, string> = {},
    ): Promise<Answer<T>> {
      const sent = body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) };
      const url = `http://127.0.0.1:${broker.ports["http"]}/api${path}`;
      const response = await fetch(url, {
        method,
        headers: { authorization, ...headers },
        redirect: "manual",
        ...sent,
      });
      const text = await response.text();
      return { status: response.status, json: (text === "" ? undefined : JSON.parse(text)) as T };
    },
    async client() {
      const client = await connect(`amqp://127.0.0.1:${broker.ports["amqp"]}`);
      client.on("error", () => undefined);
      t.after(() => client.close().catch(() => undefined));
      return client;
    },
  };
}

test("a connection is closed with the reason that the operator gives", async (t) => {
  const house = await open(t);
  const client = await house.client();
  const { json: connections } = await house.ask<{ name: string }[]>("GET", "/connections");
  const closed = once(client, "close");
  const path = `/connections/${encodeURIComponent(connections[0]!.name)}`;
  assert.equal((await house.ask("DELETE", path, undefined, { "x-reason": "lunch" })).status, 204);
  const [error] = (await closed) as [Error & { code: number }];
  assert.equal(error.code, 320);
  assert.match(error.message, /CONNECTION_FORCED - lunch/);
});

test("all connections of a user are closed, and nobody else's", async (t) => {
  const house = await open(t);
  const clients = [await house.client(), await house.client()];
  assert.equal((await house.ask("DELETE", "/connections/username/ann")).status, 204);
  const channel = await clients[0]!.createChannel();
  await channel.close();
  const closed = Promise.all(clients.map((client) => once(client, "close")));
  assert.equal((await house.ask("DELETE", "/connections/username/guest")).status, 204);
  await closed;
});

test("a virtual host goes with its queues, permissions and connections, and not while it is protected", async (t) => {
  const house = await open(t);
  await house.ask("PUT", "/vhosts/blue");
  await house.ask("PUT", "/queues/blue/q", { durable: true });
  assert.equal((await house.ask("POST", "/vhosts/blue/deletion/protection")).status, 204);
  assert.equal((await house.ask("DELETE", "/vhosts/blue")).status, 412);
  assert.equal((await house.ask("DELETE", "/vhosts/blue/deletion/protection")).status, 204);
  assert.equal((await house.ask("DELETE", "/vhosts/blue")).status, 204);
  await house.ask("PUT", "/vhosts/blue");
  assert.deepEqual((await house.ask("GET", "/queues/blue")).json, []);
});

test("an exclusive queue belongs to its connection", async (t) => {
  const house = await open(t);
  const client = await house.client();
  const channel = await client.createChannel();
  await channel.assertQueue("own", { exclusive: true });
  for (const [method, path] of [
    ["PUT", "/queues/%2F/own"],
    ["DELETE", "/queues/%2F/own"],
    ["DELETE", "/queues/%2F/own/contents"],
  ] as const) {
    const { status, json } = await house.ask<Refusal>(method, path, method === "PUT" ? {} : undefined);
    assert.equal(status, 400);
    assert.match(json.reason, /cannot obtain exclusive access to locked queue 'own' in vhost '\/'/);
  }
  assert.equal((await house.ask("PUT", "/exchanges/%2F/amq.topic", { type: "topic", durable: true })).status, 204);
});

test("dead messages go back to where they died", async (t) => {
  const house = await open(t);
  const dead = { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "morgue" };
  await house.ask("PUT", "/queues/%2F/work", { durable: true, arguments: dead });
  await house.ask("PUT", "/queues/%2F/morgue", { durable: true });
  const message = { routing_key: "work", properties: { delivery_mode: 2 }, payload: "x", payload_encoding: "string" };
  for (let count = 0; count < 3; count++) await house.ask("POST", "/exchanges/%2F/amq.default/publish", message);
  const reject = { count: 10, ackmode: "reject_requeue_false", encoding: "auto" };
  assert.equal((await house.ask<unknown[]>("POST", "/queues/%2F/work/get", reject)).json.length, 3);
  assert.deepEqual((await house.ask("POST", "/entrepot/queues/%2F/morgue/redrive", { count: 2 })).json, { moved: 2 });
  const look = { count: 10, ackmode: "ack_requeue_true", encoding: "auto" };
  const { json: back } = await house.ask<unknown[]>("POST", "/queues/%2F/work/get", look);
  assert.equal(back.length, 2);
  assert.equal((await house.ask<unknown[]>("POST", "/queues/%2F/morgue/get", look)).json.length, 1);
});

test("what went round a loop of retries goes back to where it died first of all", async (t) => {
  const house = await open(t);
  for (const name of ["work", "wait"]) await house.ask("PUT", `/queues/%2F/${name}`, { durable: true });
  const deaths = [
    { queue: "work", reason: "rejected", count: 2 },
    { queue: "wait", reason: "expired", count: 1 },
  ];
  const properties = { headers: { "x-death": deaths, "x-first-death-queue": "work" } };
  const message = { routing_key: "wait", properties, payload: "x", payload_encoding: "string" };
  await house.ask("POST", "/exchanges/%2F/amq.default/publish", message);
  assert.deepEqual((await house.ask("POST", "/entrepot/queues/%2F/wait/redrive", {})).json, { moved: 1 });
  const look = { count: 10, ackmode: "ack_requeue_true", encoding: "auto" };
  assert.equal((await house.ask<unknown[]>("POST", "/queues/%2F/work/get", look)).json.length, 1);
});

test("who may not publish to queues by name may not redrive: where dead messages go is in their headers", async (t) => {
  const house = await open(t);
  await house.ask("PUT", "/users/shop", { password: "shop", tags: "management" });
  await house.ask("PUT", "/permissions/%2F/shop", { configure: "^shop", write: "^shop", read: "^shop" });
  for (const name of ["shop", "billing"]) await house.ask("PUT", `/queues/%2F/${name}`, { durable: true });
  const properties = { headers: { "x-death": [{ queue: "billing", reason: "rejected" }] } };
  const message = { routing_key: "shop", properties, payload: "x", payload_encoding: "string" };
  await house.ask("POST", "/exchanges/%2F/amq.default/publish", message);
  const asShop = { authorization: `Basic ${Buffer.from("shop:shop").toString("base64")}` };
  const redrive = "/entrepot/queues/%2F/shop/redrive";
  const refused = await house.ask<Refusal>("POST", redrive, {}, asShop);
  assert.equal(refused.json.reason, "Access refused.");
  await house.ask("PUT", "/permissions/%2F/shop", { configure: "", write: "^amq.default$", read: "^shop" });
  assert.deepEqual((await house.ask("POST", redrive, {}, asShop)).json, { moved: 1 });
});

test("definitions go out, and in again as JSON or as a form's file", async (t) => {
  const house = await open(t);
  await house.ask("PUT", "/queues/%2F/q", { durable: true, arguments: { "x-max-length": 5 } });
  await house.ask("POST", "/bindings/%2F/e/amq.topic/q/q", { routing_key: "a.*" });
  const { json: definitions } = await house.ask("GET", "/definitions");
  assert.equal((await house.ask("DELETE", "/queues/%2F/q")).status, 204);
  assert.equal((await house.ask("POST", "/definitions", definitions)).status, 204);
  assert.equal((await house.ask<unknown[]>("GET", "/queues/%2F/q/bindings")).json.length, 2);

  assert.equal((await house.ask("DELETE", "/queues/%2F/q")).status, 204);
  const head = 'Content-Disposition: form-data; name="file"; filename="d.json"';
  const form = `--BB\r\n${head}\r\n\r\n${JSON.stringify(definitions)}\r\n--BB--\r\n`;
  const type = { "content-type": "multipart/form-data; boundary=BB" };
  assert.equal((await house.ask("POST", "/definitions", form, type)).status, 204);
  assert.equal((await house.ask("GET", "/queues/%2F/q")).status, 200);
  const { status, json: report } = await house.ask<{ withoutEffect: unknown }>(
    "POST",
    "/definitions?report=true",
    definitions,
  );
  assert.equal(status, 200);
  assert.ok(Array.isArray(report.withoutEffect));
});

test("what was answered is there after a restart", async () => {
  // Durability itself is tested elsewhere; here, that the API waits for it: the answer comes with the block on disk.
  const { mkdtempSync, rmSync } = await import("node:fs");
  const data = mkdtempSync("/tmp/entrepot-management-");
  const headers = { authorization: `Basic ${Buffer.from("guest:guest").toString("base64")}` };
  try {
    const first = await startBroker({ data, listen: { http: 0 } });
    const url = (port: number | undefined, path: string): string => `http://127.0.0.1:${port}/api${path}`;
    await fetch(url(first.ports["http"], "/vhosts/blue"), { method: "PUT", headers, body: '{"description":"b"}' });
    await fetch(url(first.ports["http"], "/queues/blue/q"), { method: "PUT", headers, body: '{"durable":true}' });
    await first.stop();
    const second = await startBroker({ data, listen: { http: 0 } });
    const answer = await fetch(url(second.ports["http"], "/queues/blue/q"), { headers });
    assert.equal(answer.status, 200);
    await answer.text();
    await second.stop();
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
});
