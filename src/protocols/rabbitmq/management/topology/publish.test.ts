import assert from "node:assert/strict";
import { test } from "node:test";
import { ManagementHouse } from "../management-house.suite.ts";

interface Copy {
  readonly routing_key: string;
  readonly payload: string;
  readonly properties: { readonly headers: Readonly<Record<string, unknown>> };
}

/** With a queue `q`, and one that gets all copies. */
async function traced(isTracing: boolean): Promise<{ house: ManagementHouse; copies: () => Promise<readonly Copy[]> }> {
  const house = await ManagementHouse.open();
  for (const queue of ["q", "copies"]) await house.ask("PUT", `/queues/%2F/${queue}`, { body: {} });
  const bound = await house.ask("POST", "/bindings/%2F/e/amq.rabbitmq.trace/q/copies", { body: { routing_key: "#" } });
  assert.equal(bound.status, 201);
  await house.ask("PUT", "/vhosts/%2F", { body: { tracing: isTracing } });
  const copies = async (): Promise<readonly Copy[]> =>
    (await house.ask<Copy[]>("POST", "/queues/%2F/copies/get", { body: taking })).json;
  return { house, copies };
}

const taking = { count: 10, ackmode: "ack_requeue_false", encoding: "auto" };
const message = { routing_key: "q", properties: { message_id: "m" }, payload: "hello", payload_encoding: "string" };

async function publishAndGet(house: ManagementHouse): Promise<void> {
  const published = await house.ask("POST", "/exchanges/%2F/amq.default/publish", { body: message });
  assert.deepEqual(published.json, { routed: true });
  const got = await house.ask<unknown[]>("POST", "/queues/%2F/q/get", { body: taking });
  assert.equal(got.json.length, 1);
  // A delivery's copy is published behind it. What is declared then is durable when all before it is.
  await house.ask("PUT", "/queues/%2F/behind", { body: { durable: true } });
}

test("the firehose copies what is published and got over HTTP", async () => {
  const { house, copies } = await traced(true);
  await publishAndGet(house);
  const [published, delivered, ...others] = await copies();
  assert.deepEqual(others, []);
  const where = { vhost: "/", connection: "127.0.0.1", channel: 1, user: "guest", node: house.server.nodeName };
  const what = { exchange_name: "", routing_keys: ["q"], properties: { message_id: "m" } };
  assert.deepEqual([published!.routing_key, published!.payload], ["publish.", "hello"]);
  assert.deepEqual(published!.properties.headers, { ...what, ...where, routed_queues: ["q"] });
  assert.deepEqual([delivered!.routing_key, delivered!.payload], ["deliver.q", "hello"]);
  assert.deepEqual(delivered!.properties.headers, { ...what, ...where, redelivered: 0 });
});

test("while it is off, there are no copies", async () => {
  const { house, copies } = await traced(false);
  await publishAndGet(house);
  assert.deepEqual(await copies(), []);
});

test("what is published over HTTP is delayed, kept and seen where it comes to as what is published over AMQP", async () => {
  const { house, copies } = await traced(true);
  const declare = async (name: string, type: string, args: object): Promise<void> => {
    await house.ask("PUT", `/exchanges/%2F/${name}`, { body: { type, arguments: args } });
    await house.ask("POST", `/bindings/%2F/e/amq.fanout/e/${name}`, { body: {} });
    await house.ask("POST", `/bindings/%2F/e/${name}/q/q`, { body: {} });
  };
  const publish = async (payload: string, headers: object): Promise<void> => {
    const body = { ...message, payload, properties: { headers } };
    const { json } = await house.ask("POST", "/exchanges/%2F/amq.fanout/publish", { body });
    assert.deepEqual(json, { routed: true });
  };
  const get = async (): Promise<string[]> => {
    const { json } = await house.ask<Copy[]>("POST", "/queues/%2F/q/get", { body: taking });
    return json.map(({ payload, properties }) => `${payload} ${JSON.stringify(properties.headers)}`);
  };
  await declare("later", "x-delayed-message", { "x-delayed-type": "fanout" });
  await publish("delayed", { "x-delay": 60_000 });
  assert.deepEqual(await get(), []);
  const [copy] = await copies();
  assert.deepEqual(copy!.properties.headers["routed_queues"], []);
  house.clock.advance(60_000);
  assert.deepEqual(await get(), ['delayed {"x-delay":-60000}']);
  await house.ask("DELETE", "/exchanges/%2F/later");

  await declare("once", "x-message-deduplication", { "x-cache-size": 10 });
  for (let i = 0; i < 2; i++) await publish("once", { "x-deduplication-header": "id" });
  assert.deepEqual(await get(), ['once {"x-deduplication-header":"id"}']);
  await house.ask("DELETE", "/exchanges/%2F/once");

  await declare("recent", "x-recent-history", {});
  for (const unkept of [true, false]) await publish("recent", { "x-recent-history-no-store": unkept });
  assert.equal((await get()).length, 2);
  await house.ask("DELETE", "/bindings/%2F/e/recent/q/q/~");
  await house.ask("POST", "/bindings/%2F/e/recent/q/q", { body: {} });
  assert.deepEqual(await get(), ['recent {"x-recent-history-no-store":false}']);
});
