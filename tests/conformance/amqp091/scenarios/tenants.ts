/** Virtual hosts, permissions and limits: who is refused what, with which words, and before what else is looked at. */
import { startOk } from "../handshake.ts";
import { family, type ScenarioContext } from "../scenario.ts";
import { HOME, manage } from "../tenants.ts";
import type { WireChannel } from "../wire-client.ts";

const scenario = family("tenants");

/** A channel of a user in a virtual host, without a line. The password is the name. */
function as(t: ScenarioContext, user: string, virtualHost = HOME): Promise<WireChannel> {
  return t.channel({ user, password: user, virtualHost });
}

/** What connection.open is answered with. */
async function enter(t: ScenarioContext, user: string, virtualHost: string): Promise<void> {
  const connection = await t.tcp();
  const zero = connection.channel(0);
  connection.write(Buffer.from("AMQP\0\0\x09\x01", "latin1"));
  await zero.take();
  zero.write("connection.start-ok", startOk(user, user));
  await zero.take();
  zero.write("connection.tune-ok", { "channel-max": 2047, "frame-max": 131072, heartbeat: 0 });
  await zero.call("connection.open", { "virtual-host": virtualHost });
}

scenario("a virtual host that does not exist", async (t) => {
  for (const name of ["nowhere", "", "//", "no/where"]) await enter(t, "tenant", name);
});

scenario("a virtual host in which the user has no permissions", async (t) => {
  await enter(t, "tenant", "/");
  await enter(t, "stranger", HOME);
});

scenario("a virtual host with as many connections as it may have", async (t) => {
  await enter(t, "tenant", "crowded");
  // Whether one is allowed to enter is asked later.
  await enter(t, "stranger", "crowded");
});

scenario("a user with as many connections as allowed", async (t) => {
  await enter(t, "quiet", HOME);
  await enter(t, "quiet", "/");
});

scenario("a user with as many channels as allowed", async (t) => {
  const connection = await t.connect({ user: "solitary", password: "solitary", virtualHost: HOME });
  await connection.channel(1).call("channel.open");
  // RabbitMQ counts with a delay.
  await t.pass(500);
  await connection.channel(2).call("channel.open");
});

scenario("declaring a queue", async (t) => {
  const ch = await as(t, "tenant");
  await ch.call("queue.declare", { queue: t.name("mine") });
  await ch.call("queue.declare", { queue: t.name("other") });
  await ch.call("queue.declare", { queue: "" });
  await ch.call("queue.declare", { queue: "amq.mine" });
  await ch.call("queue.declare", { queue: "amq.other" });
  await ch.call("queue.declare", { queue: t.name("other"), arguments: { "x-message-ttl": -1 } });
});

scenario("asking for a queue passively needs no permission", async (t) => {
  const owner = await t.channel({ virtualHost: HOME });
  const queue = await t.queue(owner, "other");
  const ch = await as(t, "tenant");
  await ch.call("queue.declare", { queue, passive: true });
  await ch.call("queue.declare", { queue: t.name("nothing"), passive: true });
});

scenario("declaring a queue with a dead-letter exchange", async (t) => {
  const ch = await as(t, "tenant");
  const reader = await as(t, "reader");
  const deadLetter = (exchange: string) => ({ arguments: { "x-dead-letter-exchange": exchange } });
  await ch.call("queue.declare", { queue: t.name("mine 1"), ...deadLetter(t.name("mine")) });
  await ch.call("queue.declare", { queue: t.name("mine 2"), ...deadLetter(t.name("other")) });
  await ch.call("queue.declare", { queue: t.name("mine 3"), ...deadLetter("") });
  await reader.call("queue.declare", { queue: t.name("mine 4"), ...deadLetter(t.name("mine")) });
  // Of an existing queue the exchange is compared, and nothing else is asked.
  await ch.call("queue.declare", { queue: t.name("mine 1"), ...deadLetter(t.name("other")) });
});

scenario("declaring and deleting an exchange", async (t) => {
  const ch = await as(t, "tenant");
  await ch.call("exchange.declare", { exchange: t.name("mine"), type: "fanout" });
  await ch.call("exchange.declare", { exchange: t.name("other"), type: "fanout" });
  await ch.call("exchange.declare", { exchange: t.name("other"), passive: true });
  await ch.call("exchange.declare", { exchange: "amq.other", type: "fanout" });
  await ch.call("exchange.declare", { exchange: "amq.mine", type: "fanout" });
  await ch.call("exchange.delete", { exchange: t.name("other") });
  await ch.call("exchange.delete", { exchange: "amq.topic" });
  await ch.call("exchange.delete", { exchange: t.name("mine") });
});

scenario("declaring an exchange with an alternate exchange", async (t) => {
  const ch = await as(t, "tenant");
  const alternate = (exchange: unknown) => ({ type: "direct", arguments: { "alternate-exchange": exchange } });
  await ch.call("exchange.declare", { exchange: t.name("mine 1"), ...alternate(t.name("mine")) });
  await ch.call("exchange.declare", { exchange: t.name("mine 2"), ...alternate(t.name("other")) });
  await ch.call("exchange.declare", { exchange: t.name("mine 3"), ...alternate(5) });
  await ch.call("exchange.declare", { exchange: t.name("mine 1"), ...alternate(t.name("other")) });
});

scenario("binding and unbinding a queue", async (t) => {
  const ch = await as(t, "tenant");
  const queue = await t.queue(ch, "mine");
  const exchange = await t.exchange(ch, "mine too");
  for (const method of ["queue.bind", "queue.unbind"]) {
    await ch.call(method, { queue, exchange, "routing-key": "k" });
    await ch.call(method, { queue: t.name("other"), exchange, "routing-key": "k" });
    await ch.call(method, { queue, exchange: "amq.fanout", "routing-key": "k" });
    await ch.call(method, { queue, exchange: t.name("other"), "routing-key": "k" });
    await ch.call(method, { queue, exchange: "", "routing-key": "k" });
    await ch.call(method, { queue: t.name("other"), exchange: "", "routing-key": "k" });
  }
});

scenario("binding exchanges to each other", async (t) => {
  const ch = await as(t, "tenant");
  const destination = await t.exchange(ch, "mine");
  const source = await t.exchange(ch, "mine too");
  for (const method of ["exchange.bind", "exchange.unbind"]) {
    await ch.call(method, { destination, source, "routing-key": "k" });
    await ch.call(method, { destination: t.name("other"), source, "routing-key": "k" });
    await ch.call(method, { destination, source: "amq.fanout", "routing-key": "k" });
    await ch.call(method, { destination: "", source, "routing-key": "k" });
    await ch.call(method, { destination, source: "", "routing-key": "k" });
  }
});

scenario("publishing", async (t) => {
  const ch = await as(t, "tenant");
  const queue = await t.queue(ch, "mine");
  const exchange = await t.exchange(ch, "mine too", "fanout");
  await t.bind(ch, queue, exchange);
  ch.publish(exchange, "", "taken");
  await ch.barrier(queue);
  for (const name of ["", "amq.direct", t.name("other"), "amq.rabbitmq.trace"]) {
    await ch.open();
    ch.publish(name, "k", "refused");
    await ch.recv(1);
  }
  await ch.open();
  ch.publish(t.name("mine but nothing"), "k", "refused");
  await ch.recv(1);
});

scenario("publishing with a routing key that is not permitted", async (t) => {
  const ch = await as(t, "tenant");
  const queue = await t.queue(ch, "mine");
  await t.bind(ch, queue, "amq.topic", "in.#");
  ch.publish("amq.topic", "in.a", "taken");
  ch.publish("amq.topic", "in.a", "taken");
  await ch.barrier(queue);
  ch.publish("amq.topic", "out.a", "refused");
  await ch.recv(1);
});

scenario("binding with a routing key that is not permitted", async (t) => {
  const ch = await as(t, "reader");
  const tenant = await as(t, "tenant");
  const queue = await t.queue(tenant, "mine");
  for (const method of ["queue.bind", "queue.unbind"]) {
    await tenant.call(method, { queue, exchange: "amq.topic", "routing-key": "out.x" });
    await tenant.call(method, { queue, exchange: "amq.topic", "routing-key": "elsewhere" });
    await ch.call(method, { queue, exchange: "amq.topic", "routing-key": "in.x" });
  }
});

scenario("a message in another's name", async (t) => {
  const ch = await as(t, "tenant");
  const exchange = await t.exchange(ch, "mine");
  ch.publish(exchange, "", "refused", { "user-id": "guest" });
  await ch.recv(1);
});

scenario("reading from a queue", async (t) => {
  const owner = await t.channel({ virtualHost: HOME });
  const queue = await t.queue(owner, "other");
  const ch = await as(t, "tenant");
  await ch.call("basic.get", { queue });
  await ch.call("basic.consume", { queue });
  await ch.call("queue.purge", { queue });
  await ch.call("basic.get", { queue: t.name("another") });
  await ch.call("basic.consume", { queue: t.name("another") });
  await ch.call("queue.purge", { queue: t.name("another") });
  await ch.call("basic.get", { queue: t.name("mine but nothing") });
  const reader = await as(t, "reader");
  await reader.call("basic.get", { queue });
});

scenario("deleting a queue", async (t) => {
  const owner = await t.channel({ virtualHost: HOME });
  const queue = await t.queue(owner, "other");
  const ch = await as(t, "tenant");
  await ch.call("queue.delete", { queue });
  await ch.call("queue.delete", { queue: t.name("another") });
  await ch.call("queue.delete", { queue: t.name("mine but nothing") });
});

scenario("direct reply-to needs no permission to consume", async (t) => {
  const ch = await as(t, "reader");
  await ch.call("basic.consume", { queue: "amq.rabbitmq.reply-to", "no-ack": true, "consumer-tag": "r" });
  await ch.call("queue.declare", { queue: "amq.rabbitmq.reply-to" });
  ch.publish("", "amq.rabbitmq.reply-to.nobody", "refused");
  await ch.recv(1);
});

scenario("a virtual host with as many queues as it may have", async (t) => {
  const ch = await as(t, "tenant", "full");
  await ch.call("queue.declare", { queue: t.name("q") });
  await ch.call("queue.declare", { queue: t.name("q"), passive: true });
});

scenario("a virtual host's default type of queue", async (t) => {
  const ch = await as(t, "tenant", "replicated");
  await ch.call("queue.declare", { queue: t.name("durable"), durable: true });
  await ch.call("queue.declare", { queue: t.name("durable"), durable: true });
  await ch.call("queue.declare", { queue: t.name("durable"), arguments: { "x-queue-type": "classic" }, durable: true });
  await ch.call("queue.declare", { queue: t.name("transient") });
  await ch.call("queue.declare", { queue: t.name("exclusive"), durable: true, exclusive: true });
  await ch.call("queue.declare", { queue: "", durable: true });
});

scenario("a virtual host is deleted while somebody is connected", async (t) => {
  const ch = await as(t, "tenant", "doomed");
  await manage(t.target, { method: "DELETE", path: "vhosts/doomed" });
  const close = await ch.connection.channel(0).take();
  // In RabbitMQ two parts close connections of a deleted virtual host, and say "deleted" or "down": whichever is first.
  t.note(`${close?.name} ${String(close?.fields["reply-text"]).replace("is down", "is deleted")}`);
  await enter(t, "tenant", "doomed");
});

scenario("the firehose copies what is published and what is delivered", async (t) => {
  const watcher = await as(t, "tenant", "traced");
  const copies = await t.queue(watcher, "copies");
  await t.bind(watcher, copies, "amq.rabbitmq.trace", "#");
  await manage(t.target, { method: "PUT", path: "vhosts/traced", body: { tracing: true } });
  const ch = await as(t, "tenant", "traced");
  const queue = await t.queue(ch, "q");
  const props = {
    "content-type": "text/plain",
    headers: { a: 1, CC: ["elsewhere"] },
    "delivery-mode": 2,
    timestamp: 5,
  };
  ch.publish("", queue, "one", { ...props, "message-id": "m", priority: 3 });
  ch.publish("amq.fanout", "nowhere", "two");
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
  ch.send("basic.reject", { "delivery-tag": 1, requeue: true });
  await ch.call("basic.consume", { queue, "no-ack": true, "consumer-tag": "c" });
  await ch.recv(1);
  await watcher.barrier(copies);
  await manage(t.target, { method: "PUT", path: "vhosts/traced", body: { tracing: false } });
  for (let count = 0; count < 4; count++) {
    const copy = await watcher.quiet("basic.get", { queue: copies, "no-ack": true });
    const shown = copy.line.replace(/connection="[^"]*"/, 'connection="..."').replace(/node="[^"]*"/, 'node="..."');
    t.note(shown);
  }
});

scenario("a user is deleted while connected", async (t) => {
  const ch = await as(t, "leaver");
  await manage(t.target, { method: "DELETE", path: "users/leaver" });
  await ch.connection.channel(0).recv(1);
});
