/**
 * What statistics tell, compared with RabbitMQ 3.10 by the shape of its JSON: which keys are there and of which kind their values
 * are, for each kind of object, while there is traffic. Numbers differ; that they are true is tested where they are made.
 *
 *   npm test                                             against an Entrepot that is started for it
 *   RABBITMQ_HTTP=host:port RABBITMQ_AMQP=host:port      writes shapes.json anew from a RabbitMQ with nothing in it
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { connect } from "amqplib";
import { startBroker } from "../../../src/start-broker.ts";

const golden = new URL("shapes.json", import.meta.url);
const { RABBITMQ_HTTP, RABBITMQ_AMQP } = process.env;

type Shape = Record<string, string>;
type Shapes = Record<string, Shape>;

const range = "lengths_age=60&lengths_incr=5&msg_rates_age=60&msg_rates_incr=5";

const paths = [
  "/overview",
  `/overview?${range}`,
  "/overview?disable_stats=true",
  "/nodes",
  "/nodes/NODE",
  "/nodes/NODE?node_stats_age=60&node_stats_incr=5",
  "/nodes/NODE/memory",
  "/nodes/NODE/memory/relative",
  "/vhosts",
  "/connections",
  "/connections/CONNECTION",
  "/connections/CONNECTION/channels",
  "/vhosts/%2F/connections",
  "/channels",
  "/channels/CONNECTION%20(1)",
  "/channels/CONNECTION%20(2)",
  "/vhosts/%2F/channels",
  "/consumers",
  "/queues",
  `/queues?${range}`,
  "/queues?page=1&page_size=2&name=shape&use_regex=true",
  "/queues?disable_stats=true",
  "/queues?disable_stats=true&enable_queue_totals=true",
  "/queues/%2F/shape-classic",
  `/queues/%2F/shape-classic?${range}`,
  "/queues/%2F/shape-quorum",
  "/queues/%2F/shape-single",
  "/queues/%2F/shape-exclusive",
  "/queues/%2F/shape-idle",
  "/exchanges",
  "/exchanges/%2F/shape-topic",
  "/exchanges/%2F/amq.fanout",
] as const;

/** Differences, each with its reason: the path's key, in all paths. */
const differs: Readonly<Record<string, string>> = {
  head_message_timestamp: "ours is when the broker took the message, so it is always there while one is ready",
  idle_since: "comes and goes with time",
  "channel_details[]": "RabbitMQ's is an empty list while it does not know the channel",
  protected_from_deletion: "of later versions",
  config_files: "there may be none",
  log_files: "ours goes to standard error",
  "socket_opts.": "options of Erlang's sockets",
  cowboy_opts: "options of Erlang's HTTP server",
  // Contexts and listeners depend on which ports are open.
  "contexts[].protocol": "only a port of Prometheus has it",
  "ssl_opts[]": "none without TLS",
};

test("what statistics tell has the shape that RabbitMQ's has", async (t) => {
  const broker = await startBroker({ memory: true, listen: { amqp: 0, http: 0 } });
  t.after(() => broker.stop());
  const found = await shapesUnderTraffic(`127.0.0.1:${broker.ports["amqp"]}`, `127.0.0.1:${broker.ports["http"]}`, 0);
  const expected = JSON.parse(readFileSync(golden, "utf8")) as Shapes;
  assert.deepEqual(Object.keys(found), Object.keys(expected));
  const ours = Object.fromEntries(paths.map((path) => [path, comparable(found[path]!)]));
  const theirs = Object.fromEntries(paths.map((path) => [path, comparable(expected[path]!)]));
  assert.deepEqual(ours, theirs);
});

test(
  "the recorded shapes are RabbitMQ's",
  { skip: (RABBITMQ_HTTP === undefined || RABBITMQ_AMQP === undefined) && "RABBITMQ_HTTP, RABBITMQ_AMQP are not set" },
  async () => {
    // Its statistics are up to five seconds old; a rate takes two of them.
    const shapes = await shapesUnderTraffic(RABBITMQ_AMQP!, RABBITMQ_HTTP!, 12_000);
    writeFileSync(golden, `${JSON.stringify(shapes, undefined, 1)}\n`);
  },
);

function comparable(shape: Shape): Shape {
  const kept = Object.entries(shape)
    .filter(([key]) => !Object.keys(differs).some((each) => key.includes(each)))
    // RabbitMQ's is null where disable_stats and enable_queue_totals are asked for.
    .map(([key, kind]) => [key, key === "[].exclusive" ? "boolean" : kind] as const);
  return Object.fromEntries(kept.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

async function shapesUnderTraffic(amqp: string, http: string, forMs: number): Promise<Shapes> {
  const connection = await connect(`amqp://guest:guest@${amqp}`);
  try {
    const publishing = await connection.createConfirmChannel();
    await publishing.assertExchange("shape-topic", "topic", { durable: true });
    const plain = { durable: true };
    await publishing.assertQueue("shape-classic", { ...plain, arguments: { "x-max-length": 10_000 } });
    await publishing.assertQueue("shape-quorum", { ...plain, arguments: { "x-queue-type": "quorum" } });
    await publishing.assertQueue("shape-single", { ...plain, arguments: { "x-single-active-consumer": true } });
    await publishing.assertQueue("shape-exclusive", { exclusive: true });
    await publishing.assertQueue("shape-idle", plain);
    for (const queue of ["shape-classic", "shape-quorum", "shape-single"])
      await publishing.bindQueue(queue, "shape-topic", "a.#");
    const consuming = await connection.createChannel();
    await consuming.prefetch(10);
    for (const queue of ["shape-classic", "shape-quorum", "shape-single", "shape-single", "shape-exclusive"]) {
      await consuming.consume(queue, (message) => message !== null && consuming.ack(message));
    }
    for (let passedMs = 0; ; passedMs += 500) {
      publishing.publish("shape-topic", "a.b", Buffer.from("x"), { persistent: true });
      publishing.publish("shape-topic", "none", Buffer.from("x"), { mandatory: true });
      publishing.publish("", "shape-exclusive", Buffer.from("x"));
      await publishing.waitForConfirms();
      if (passedMs >= forMs) break;
      await wait(500);
    }
    await delivered(http);
    return await shapesOf(http);
  } finally {
    const channel = await connection.createChannel();
    for (const queue of ["shape-classic", "shape-quorum", "shape-single", "shape-idle"])
      await channel.deleteQueue(queue);
    await channel.deleteExchange("shape-topic");
    await connection.close();
  }
}

/** The acknowledgements have come, too. */
async function delivered(http: string): Promise<void> {
  for (;;) {
    const queue = (await ask(http, "/queues/%2F/shape-classic")) as {
      readonly messages?: number;
      readonly message_stats?: { readonly ack?: number };
    };
    if (queue.messages === 0 && (queue.message_stats?.ack ?? 0) > 0) return;
    await wait(20);
  }
}

async function shapesOf(http: string): Promise<Shapes> {
  const [connection] = (await ask(http, "/connections")) as readonly { readonly name: string; readonly node: string }[];
  assert.ok(connection !== undefined);
  const shapes: Shapes = {};
  for (const path of paths) {
    const asked = path
      .replace("NODE", encodeURIComponent(connection.node))
      .replace("CONNECTION", encodeURIComponent(connection.name));
    const shape: Shape = {};
    addShape(await ask(http, asked), "", shape, connection.node);
    shapes[path] = shape;
  }
  return shapes;
}

async function ask(http: string, path: string): Promise<unknown> {
  const headers = { authorization: `Basic ${btoa("guest:guest")}` };
  const response = await fetch(`http://${http}/api${path}`, { headers });
  assert.equal(response.status, 200, path);
  return response.json();
}

/** What differs from object to object: whose keys are a client's, or an operator's. */
const opaque = new Set(["arguments", "client_properties", "applications", "exchange_types", "auth_mechanisms"]);

function addShape(value: unknown, at: string, shape: Shape, node: string): void {
  if (Array.isArray(value)) {
    shape[`${at}[]`] = "array";
    for (const element of value) addShape(element, `${at}[]`, shape, node);
    return;
  }
  if (typeof value !== "object" || value === null) {
    const kind = value === null ? "null" : typeof value;
    const before = shape[at];
    const kinds = new Set([...(before?.split("|") ?? []), kind]);
    shape[at] = [...kinds].toSorted().join("|");
    return;
  }
  for (const [key, inner] of Object.entries(value)) {
    const name = key === node ? "NODE" : key;
    // Rates are all alike: their keys in one word.
    if (key.endsWith("_details") && typeof inner === "object" && inner !== null && "rate" in inner) {
      shape[`${at}.${name}`] = Object.keys(inner).toSorted().join("+");
    } else if (opaque.has(key)) shape[`${at}.${name}`] = "opaque";
    else addShape(inner, `${at}.${name}`, shape, node);
  }
}
