/** Publishing: mandatory and returns, properties, bodies, and everything about a message that is refused. */
import { family } from "../scenario.ts";
import { as } from "../values.ts";
import { propertySection } from "../frames.ts";

const scenario = family("basic-publish");

const EVERY_PROPERTY = {
  "content-type": "text/plain",
  "content-encoding": "utf-8",
  headers: {
    bool: true,
    byte: as("b", -5),
    "unsigned byte": as("B", 250),
    short: as("s", -500),
    "unsigned short": as("u", 50000),
    int: as("I", -50000),
    "unsigned int": as("i", 4000000000),
    long: as("l", -(2 ** 40)),
    float: as("f", 1.5),
    double: as("d", 1e100),
    decimal: as("D", [2, 314]),
    string: "texty",
    unicode: "ünï✓",
    bytes: Buffer.from([0, 255, 1]),
    time: as("T", 1234567890),
    array: [1, "two", [as("s", 3)], { four: 4 }, null],
    table: { nested: { deep: [] }, empty: {} },
    nothing: null,
  },
  "delivery-mode": 2,
  priority: 5,
  "correlation-id": "correlation",
  "reply-to": "reply",
  expiration: "3600000",
  "message-id": "message",
  timestamp: 1234567890,
  type: "type",
  "user-id": "guest",
  "app-id": "app",
  "cluster-id": "cluster",
};

scenario("every property comes back to the byte", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "body", EVERY_PROPERTY);
  const got = await ch.call("basic.get", { queue, "no-ack": true });
  t.note(`the same bytes: ${propertySection(EVERY_PROPERTY).equals(got?.rawProps ?? Buffer.alloc(0))}`);
});

scenario("each property alone comes back to the byte", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const [key, value] of Object.entries(EVERY_PROPERTY)) {
    const props = { [key]: value };
    ch.publish("", queue, key, props);
    const got = await ch.call("basic.get", { queue, "no-ack": true });
    t.note(`the same bytes: ${propertySection(props).equals(got?.rawProps ?? Buffer.alloc(0))}`);
  }
});

scenario("properties that are empty or extreme come back", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const props of [
    {},
    { headers: {} },
    { "content-type": "" },
    { "correlation-id": "c".repeat(255) },
    { timestamp: 0 },
    { timestamp: 2n ** 64n - 1n },
    { priority: 255 },
    { headers: { "": "" } },
    { headers: { ["k".repeat(128)]: 1, ["k".repeat(255)]: 2 } },
  ]) {
    ch.publish("", queue, "", props);
    const got = await ch.call("basic.get", { queue, "no-ack": true });
    t.note(`the same bytes: ${propertySection(props).equals(got?.rawProps ?? Buffer.alloc(0))}`);
  }
});

scenario("a delivery mode other than one and two is refused", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const mode of [0, 3, 255]) {
    await ch.open();
    ch.publish("", queue, "", { "delivery-mode": mode });
    await ch.recv(1);
  }
});

scenario("a header table that repeats a key comes back as it was", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  const props = {
    headers: [
      ["a", 1],
      ["b", 2],
      ["a", 3],
    ],
  };
  ch.publish("", queue, "", props);
  const got = await ch.call("basic.get", { queue, "no-ack": true });
  t.note(`the same bytes: ${propertySection(props).equals(got?.rawProps ?? Buffer.alloc(0))}`);
});

scenario("bodies of every size around the frame size come back", async (t) => {
  const connection = await t.connect({ frameMax: 4096 });
  const ch = await connection.channel(1).open();
  const queue = await t.queue(ch, "q");
  for (const size of [0, 1, 4087, 4088, 4089, 8176, 8177, 100_000]) {
    const body = Buffer.alloc(size, "abcdefg");
    ch.publish("", queue, body);
    const got = await ch.call("basic.get", { queue, "no-ack": true });
    t.note(`the same bytes: ${body.equals(got?.body ?? Buffer.from("none"))}`);
  }
});

scenario("a large body passes connections with different frame sizes", async (t) => {
  const small = await (await t.connect({ frameMax: 4096 })).channel(1).open();
  const large = await t.channel();
  const queue = await t.queue(large, "q");
  large.publish("", queue, Buffer.alloc(10_000, "x"));
  await large.barrier(queue);
  await small.call("basic.get", { queue, "no-ack": true });
  small.publish("", queue, Buffer.alloc(10_000, "y"));
  await small.barrier(queue);
  await large.call("basic.get", { queue, "no-ack": true });
});

scenario("a body of a megabyte comes in frames of the agreed size", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  const body = Buffer.alloc(1 << 20, "entrepot ");
  ch.publish("", queue, body);
  const got = await ch.call("basic.get", { queue, "no-ack": true });
  t.note(`the same bytes: ${body.equals(got?.body ?? Buffer.from("none"))}`);
});

scenario("a body in many small frames is one message", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.send("basic.publish", { "routing-key": queue }, { body: "abcdefghij", chunks: [1, 2, 3] });
  await ch.call("basic.get", { queue, "no-ack": true });
});

scenario("a message that is mandatory and cannot be routed is returned with everything", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "topic");
  const props = { ...EVERY_PROPERTY, expiration: "1000" };
  ch.publish(exchange, "no.way", "comes back", props, { mandatory: true });
  const [returned] = await ch.recv(1);
  t.note(`the same bytes: ${propertySection(props).equals(returned?.rawProps ?? Buffer.alloc(0))}`);
  ch.publish(exchange, "no.way", Buffer.alloc(200_000, "z"), {}, { mandatory: true });
  await ch.recv(1);
  ch.publish(exchange, "no.way", "", {}, { mandatory: true });
  await ch.recv(1);
});

scenario("a mandatory message that reaches one of two queues is not returned", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "arrives", {}, { mandatory: true });
  await ch.barrier(queue);
});

scenario("a message that is not mandatory vanishes in silence", async (t) => {
  const ch = await t.channel();
  ch.publish("", t.name("nowhere"), "lost");
  await ch.call("channel.flow", { active: true });
});

scenario("immediate is not implemented", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "x", {}, { immediate: true });
  await ch.recv(1);
});

scenario("immediate is refused also where nothing is routed", async (t) => {
  const ch = await t.channel();
  ch.publish("", t.name("nowhere"), "x", {}, { immediate: true, mandatory: true });
  await ch.recv(1);
});

scenario("a user id must be that of the connection", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "mine", { "user-id": "guest" });
  await ch.barrier(queue);
  ch.publish("", queue, "another", { "user-id": "somebody" });
  await ch.recv(1);
  await ch.open();
  ch.publish("", queue, "nobody", { "user-id": "" });
  await ch.recv(1);
});

scenario("an expiration that is no number of milliseconds is refused", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const expiration of ["abc", "", "-1", "1.5", " 5", "5 ", "0x10", "315360000001", "+600000", "5s"]) {
    await ch.open();
    ch.publish("", queue, "x", { expiration });
    await ch.call("queue.purge", { queue });
  }
});

scenario("an expiration is checked also where nothing is routed", async (t) => {
  const ch = await t.channel();
  ch.publish("", t.name("nowhere"), "x", { expiration: "abc" });
  await ch.recv(1);
});

scenario("expirations that are taken", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const expiration of ["315360000000", "100000", "0099999"]) {
    ch.publish("", queue, "x", { expiration });
    await ch.call("basic.get", { queue, "no-ack": true });
  }
});

scenario("headers of the broker that a client sends are kept as they are", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  const headers = {
    "x-death": "mine",
    "x-first-death-queue": "mine",
    "x-delivery-count": 99,
    "x-stream-offset": 5,
    "x-received-from": [],
  };
  ch.publish("", queue, "", { headers });
  await ch.call("basic.get", { queue, "no-ack": true });
});

scenario("the exchange and routing key of a delivery are those of the publish", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "ünï", "topic");
  const queue = await t.queue(ch, "q");
  await t.bind(ch, queue, exchange, "#");
  for (const key of ["", "a.b", "ü".repeat(100), "k".repeat(255)]) {
    ch.publish(exchange, key, "x");
    await ch.call("basic.get", { queue, "no-ack": true });
  }
});

scenario("a routing key that is no UTF-8", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "fanout");
  const queue = await t.queue(ch, "q");
  await t.bind(ch, queue, exchange);
  ch.send("basic.publish", { exchange, "routing-key": Buffer.from([0xff, 0xfe]) }, { body: "x" });
  await ch.call("basic.get", { queue, "no-ack": true });
});

scenario("property strings that are no UTF-8", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  const props = { "content-type": Buffer.from([0xff, 0xfe]), "message-id": Buffer.from([0xc3, 0x28]) };
  ch.publish("", queue, "x", props);
  const got = await ch.call("basic.get", { queue, "no-ack": true });
  t.note(`the same bytes: ${propertySection(props).equals(got?.rawProps ?? Buffer.alloc(0))}`);
});

scenario("direct reply-to carries an answer to the channel that asked", async (t) => {
  const [client, server] = [await t.channel(), await t.channel()];
  const queue = await t.queue(server, "requests");
  await client.call("basic.consume", { queue: "amq.rabbitmq.reply-to", "consumer-tag": "replies", "no-ack": true });
  client.publish("", queue, "question", { "reply-to": "amq.rabbitmq.reply-to", "correlation-id": "1" });
  await client.barrier(queue);
  const got = await server.call("basic.get", { queue, "no-ack": true });
  const replyTo = String(got?.props.get("reply-to") ?? "");
  t.note(`a generated name: ${/^amq\.rabbitmq\.reply-to\..+/.test(replyTo)}`);
  server.publish("", replyTo, "answer", { "correlation-id": "1" });
  await client.recv(1);
  server.publish("", replyTo, "another", {});
  await client.recv(1);
  await server.call("queue.declare", { queue: replyTo, passive: true });
  await client.call("basic.cancel", { "consumer-tag": "replies" });
  server.publish("", replyTo, "too late", {}, { mandatory: true });
  await server.recv(1);
});

scenario("a mandatory answer to a direct reply-to is delivered and returned", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "requests");
  await ch.quiet("basic.consume", { queue: "amq.rabbitmq.reply-to", "consumer-tag": "replies", "no-ack": true });
  ch.publish("", queue, "question", { "reply-to": "amq.rabbitmq.reply-to" });
  const server = await t.channel();
  await ch.barrier(queue);
  const got = await server.call("basic.get", { queue, "no-ack": true });
  server.publish("", String(got?.props.get("reply-to") ?? ""), "answer", {}, { mandatory: true });
  await ch.recv(1);
  await server.recv(1);
});

scenario("publishing with direct reply-to without a consumer for it is refused", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "question", { "reply-to": "amq.rabbitmq.reply-to" });
  await ch.recv(1);
});

scenario("a consumer of direct reply-to must not acknowledge, and is alone on its channel", async (t) => {
  const ch = await t.channel();
  await ch.call("basic.consume", { queue: "amq.rabbitmq.reply-to", "consumer-tag": "c" });
  await ch.call("basic.consume", { queue: "amq.rabbitmq.reply-to", "consumer-tag": "c", "no-ack": true });
  await ch.call("basic.consume", { queue: "amq.rabbitmq.reply-to", "consumer-tag": "d", "no-ack": true });
  await ch.call("basic.consume", {
    queue: "amq.rabbitmq.reply-to",
    "consumer-tag": "e",
    "no-ack": true,
    exclusive: true,
  });
});

scenario("direct reply-to is no queue for other methods", async (t) => {
  const ch = await t.channel();
  await ch.call("queue.declare", { queue: "amq.rabbitmq.reply-to", passive: true });
  await ch.call("queue.declare", { queue: "amq.rabbitmq.reply-to" });
  await ch.call("basic.get", { queue: "amq.rabbitmq.reply-to", "no-ack": true });
  await ch.call("queue.bind", { queue: "amq.rabbitmq.reply-to", exchange: "amq.direct", "routing-key": "k" });
  await ch.call("queue.purge", { queue: "amq.rabbitmq.reply-to" });
  await ch.call("queue.delete", { queue: "amq.rabbitmq.reply-to" });
});

scenario("a message for a direct reply-to that nobody has is returned if mandatory", async (t) => {
  const ch = await t.channel();
  ch.publish("", "amq.rabbitmq.reply-to.nonsense", "x", {}, { mandatory: true });
  await ch.recv(1);
  ch.publish("", "amq.rabbitmq.reply-to", "x", {}, { mandatory: true });
  await ch.recv(1);
});
