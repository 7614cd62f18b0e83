/** Queues: declaring, deleting, binding, purging, and everything that is refused. */
import { family } from "../scenario.ts";

const scenario = family("queue");

scenario("a queue is declared, and declared again with its counts", async (t) => {
  const ch = await t.channel();
  const queue = t.name("q");
  await ch.call("queue.declare", { queue });
  ch.publish("", queue, "one");
  ch.publish("", queue, "two");
  await ch.barrier(queue);
  await ch.call("queue.declare", { queue });
  await ch.call("basic.consume", { queue, "consumer-tag": "c", "no-ack": false });
  await ch.recv(2);
  await ch.call("queue.declare", { queue, passive: true });
  await ch.call("basic.cancel", { "consumer-tag": "c" });
  await ch.call("queue.delete", { queue });
});

scenario("a declare that differs in a flag is refused with the flag named", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  await ch.call("queue.declare", { queue, durable: true });
  await ch.call("queue.declare", { queue, "auto-delete": true });
  await ch.call("queue.declare", { queue, exclusive: true });
  await ch.call("queue.declare", { queue, durable: true, "auto-delete": true, exclusive: true });
  const durable = await t.queue(ch, "durable", {}, { durable: true });
  await ch.call("queue.declare", { queue: durable });
});

scenario("a passive declare of a queue finds it whatever else it says", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  await ch.call("queue.declare", { queue, passive: true });
  await ch.call("queue.declare", {
    queue,
    passive: true,
    durable: true,
    "auto-delete": true,
    arguments: { "x-expires": "odd" },
  });
});

scenario("a passive declare of a queue that does not exist is refused", async (t) => {
  const ch = await t.channel();
  await ch.call("queue.declare", { queue: t.name("nowhere"), passive: true });
  await ch.call("queue.declare", { queue: "amq.nowhere", passive: true });
  await ch.call("queue.declare", { queue: "", passive: true });
});

scenario("the server names a queue that has no name, and remembers it for the channel", async (t) => {
  const ch = await t.channel();
  const declared = await ch.call("queue.declare", { queue: "", exclusive: true });
  const queue = declared?.fields["queue"] as string;
  await ch.call("queue.bind", { queue: "", exchange: "amq.direct", "routing-key": t.name("k") });
  ch.publish("amq.direct", t.name("k"), "by key");
  await ch.barrier(queue);
  await ch.call("queue.bind", { queue: "", exchange: "amq.direct", "routing-key": "" });
  await ch.call("basic.get", { queue: "", "no-ack": true });
  await ch.call("queue.purge", { queue: "" });
  await ch.call("queue.unbind", { queue: "", exchange: "amq.direct", "routing-key": t.name("k") });
  await ch.call("basic.consume", { queue: "", "consumer-tag": "c" });
  await ch.call("basic.cancel", { "consumer-tag": "c" });
  await ch.call("queue.delete", { queue: "" });
});

scenario("a binding to the last declared queue with an empty routing key uses the queue name as key", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x");
  const queue = await t.queue(ch, "q");
  await ch.call("queue.bind", { queue: "", exchange, "routing-key": "" });
  ch.publish(exchange, queue, "by the name");
  ch.publish(exchange, "", "by nothing", {}, { mandatory: true });
  await ch.recv(1);
  await ch.barrier(queue);
});

scenario("methods that need a last declared queue are refused where there is none", async (t) => {
  for (const [method, fields] of [
    ["queue.bind", { exchange: "amq.direct" }],
    ["queue.unbind", { exchange: "amq.direct" }],
    ["queue.purge", {}],
    ["queue.delete", {}],
    ["basic.get", {}],
    ["basic.consume", {}],
  ] as const) {
    const ch = await t.channel();
    await ch.call(method, { queue: "", ...fields });
  }
});

scenario("a queue with a reserved name is refused", async (t) => {
  const ch = await t.channel();
  await ch.call("queue.declare", { queue: "amq.mine" });
  await ch.call("queue.declare", { queue: "amq." });
  await ch.call("queue.declare", { queue: "amq.gen-mine", exclusive: true });
  await ch.call("queue.delete", { queue: "amq.nowhere" });
});

scenario("line breaks are taken out of a queue name", async (t) => {
  const ch = await t.channel();
  t.name("withbreaks");
  await ch.call("queue.declare", { queue: t.name("with\r\nbreaks\n") });
  await ch.call("queue.declare", { queue: t.name("withbreaks"), passive: true });
});

scenario("a queue can have any name up to 255 bytes", async (t) => {
  const ch = await t.channel();
  for (const text of ["with space", "ünïcödé", "a/b#*", '"quoted"', "it's", "tab\there", ".", "日本"]) {
    const queue = t.name(text);
    await ch.call("queue.declare", { queue });
    await ch.call("queue.declare", { queue, durable: true });
  }
  const long = t.name("y").padEnd(255, "y");
  const declared = await ch.quiet("queue.declare", { queue: long });
  const refused = await ch.quiet("queue.declare", { queue: long, durable: true });
  const deleted = await ch.quiet("queue.delete", { queue: long });
  t.note(
    `255 bytes: ${declared.name}, ${refused.name} with a text of ${String(refused.fields["reply-text"]).length}, ${deleted.name}`,
  );
});

scenario("a queue name that is no UTF-8 is refused", async (t) => {
  const ch = await t.channel();
  await ch.call("queue.declare", { queue: Buffer.from([0x61, 0xff, 0xfe]) });
});

scenario("deleting a queue tells how many messages it had", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "one");
  ch.publish("", queue, "two");
  await ch.call("queue.delete", { queue });
  await ch.call("queue.delete", { queue });
  await ch.call("queue.delete", { queue: t.name("nowhere") });
});

scenario("a queue in use or not empty is not deleted if the client says so", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "one");
  await ch.call("queue.delete", { queue, "if-empty": true });
  await ch.call("queue.delete", { queue, "if-empty": true, "if-unused": true });
  await ch.call("basic.consume", { queue, "consumer-tag": "c", "no-ack": true });
  await ch.recv(1);
  await ch.call("queue.delete", { queue, "if-unused": true });
  await ch.call("queue.delete", { queue, "if-unused": true, "if-empty": true });
  await ch.call("queue.delete", { queue, "if-unused": true, "if-empty": true });
});

scenario("unacknowledged messages do not keep a queue from counting as empty", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "one");
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
  await ch.call("queue.delete", { queue, "if-empty": true });
});

scenario("purging removes what is ready and leaves what is unacknowledged", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const body of ["one", "two", "three"]) ch.publish("", queue, body);
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
  await ch.call("queue.purge", { queue });
  await ch.call("queue.purge", { queue });
});

scenario("what was unacknowledged at a purge can be put back", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const body of ["one", "two"]) ch.publish("", queue, body);
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
  await ch.call("queue.purge", { queue });
  ch.send("basic.nack", { "delivery-tag": 1, requeue: true });
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
});

scenario("purging, binding and consuming a queue that does not exist is refused", async (t) => {
  const ch = await t.channel();
  const queue = t.name("nowhere");
  await ch.call("queue.purge", { queue });
  await ch.call("queue.bind", { queue, exchange: "amq.direct", "routing-key": "k" });
  await ch.call("queue.unbind", { queue, exchange: "amq.direct", "routing-key": "k" });
  await ch.call("basic.consume", { queue });
  await ch.call("basic.get", { queue });
});

scenario("binding to an exchange that does not exist is refused, unbinding is not", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  const exchange = t.name("nowhere");
  await ch.call("queue.bind", { queue, exchange, "routing-key": "k" });
  await ch.call("queue.bind", { queue: t.name("neither"), exchange, "routing-key": "k" });
  await ch.call("queue.unbind", { queue, exchange, "routing-key": "k" });
  await ch.call("queue.unbind", { queue: t.name("neither"), exchange, "routing-key": "k" });
});

scenario("unbinding what was never bound is no error", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  await ch.call("queue.unbind", { queue, exchange: "amq.topic", "routing-key": "never" });
});

scenario("a durable queue is bound to a transient exchange and the other way round", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x");
  await t.queue(ch, "durable", {}, { durable: true });
  await t.queue(ch, "transient");
  await ch.call("queue.bind", { queue: t.name("durable"), exchange, "routing-key": "k" });
  await ch.call("queue.bind", { queue: t.name("transient"), exchange: "amq.direct", "routing-key": t.name("k") });
});

scenario("an exclusive queue is locked to its connection", async (t) => {
  const mine = await t.channel();
  const other = await t.channel();
  const queue = await t.queue(mine, "q", {}, { exclusive: true });
  await mine.call("queue.declare", { queue, exclusive: true });
  await other.call("queue.declare", { queue, exclusive: true });
  await other.call("queue.declare", { queue, passive: true });
  await other.call("queue.declare", { queue });
  await other.call("queue.bind", { queue, exchange: "amq.direct", "routing-key": "k" });
  await other.call("queue.unbind", { queue, exchange: "amq.direct", "routing-key": "k" });
  await other.call("queue.purge", { queue });
  await other.call("queue.delete", { queue });
  await other.call("basic.get", { queue });
  await other.call("basic.consume", { queue });
  const second = await mine.connection.channel(2).open();
  await second.call("queue.declare", { queue, exclusive: true });
  await second.call("queue.purge", { queue });
  other.publish("", queue, "publishing is open to all");
  await other.call("confirm.select");
  await mine.barrier(queue);
});

scenario("an exclusive queue is gone when its connection is", async (t) => {
  const mine = await t.channel();
  const other = await t.channel();
  const queue = await t.queue(mine, "q", {}, { exclusive: true, durable: true });
  await mine.connection.channel(0).call("connection.close", { "reply-code": 200 });
  await other.call("queue.declare", { queue, passive: true });
});

scenario("an exclusive queue outlives the channel that declared it", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", {}, { exclusive: true });
  await ch.call("channel.close", { "reply-code": 200 });
  await ch.call("queue.declare", { queue, passive: true });
});

scenario("declaring an exclusive queue again without the flag is refused", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", {}, { exclusive: true });
  await ch.call("queue.declare", { queue });
});

scenario("an auto-delete queue stays until it had a consumer and lost the last one", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", {}, { "auto-delete": true });
  await ch.call("basic.get", { queue });
  await ch.call("queue.declare", { queue, passive: true });
  await ch.call("basic.consume", { queue, "consumer-tag": "one" });
  await ch.call("basic.consume", { queue, "consumer-tag": "two" });
  await ch.call("basic.cancel", { "consumer-tag": "one" });
  await ch.call("queue.declare", { queue, passive: true });
  await ch.call("basic.cancel", { "consumer-tag": "two" });
  await ch.call("queue.declare", { queue, passive: true });
});

scenario("an auto-delete queue goes when the channel of its consumer closes", async (t) => {
  const ch = await t.channel();
  const other = await ch.connection.channel(2).open();
  const queue = await t.queue(ch, "q", {}, { "auto-delete": true });
  await other.call("basic.consume", { queue, "consumer-tag": "c" });
  await other.call("channel.close", { "reply-code": 200 });
  for (let i = 0; i < 50; i++) {
    const reply = await ch.quiet("queue.declare", { queue, passive: true });
    if (reply.name === "channel.close") {
      ch.note(reply.line);
      break;
    }
  }
});

scenario("no reply is sent to queue methods that want none", async (t) => {
  const ch = await t.channel();
  const queue = t.name("q");
  const exchange = await t.exchange(ch, "x");
  ch.send("queue.declare", { queue, nowait: true });
  ch.send("queue.bind", { queue, exchange, "routing-key": "k", nowait: true });
  ch.publish(exchange, "k", "one");
  await ch.barrier(queue);
  ch.send("queue.purge", { queue, nowait: true });
  await ch.barrier(queue);
  ch.send("queue.delete", { queue, nowait: true });
  await ch.call("queue.declare", { queue, passive: true });
});

scenario("a server-named queue can be declared without a reply and used as the last one", async (t) => {
  const ch = await t.channel();
  ch.send("queue.declare", { queue: "", exclusive: true, nowait: true });
  await ch.call("queue.purge", { queue: "" });
  await ch.call("basic.get", { queue: "" });
});

scenario("the last declared queue is also the one of a passive declare", async (t) => {
  const ch = await t.channel();
  const one = await t.queue(ch, "one");
  await t.queue(ch, "two");
  await ch.call("queue.declare", { queue: one, passive: true });
  ch.publish("", one, "in one");
  await ch.call("basic.get", { queue: "", "no-ack": true });
});

scenario("deleting a queue removes its bindings", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "fanout");
  const queue = await t.queue(ch, "q");
  await t.bind(ch, queue, exchange);
  await ch.call("queue.delete", { queue });
  await t.queue(ch, "q");
  ch.publish(exchange, "", "to nobody", {}, { mandatory: true });
  await ch.recv(1);
});

scenario("a queue expires when nobody used it for its time", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-expires": 200 });
  await ch.call("queue.declare", { queue, passive: true });
  await t.pass(700);
  await ch.call("queue.declare", { queue, passive: true });
});

scenario("a queue with a consumer does not expire, until it is cancelled", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-expires": 200 });
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  await t.pass(500);
  await ch.call("queue.declare", { queue, passive: true });
  await ch.call("basic.cancel", { "consumer-tag": "c" });
  await t.pass(700);
  await ch.call("queue.declare", { queue, passive: true });
});

scenario("a queue that expires does not dead-letter its messages", async (t) => {
  const ch = await t.channel();
  const dead = await t.queue(ch, "dead");
  const queue = await t.queue(ch, "q", {
    "x-expires": 200,
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": dead,
  });
  ch.publish("", queue, "goes down with it");
  await t.pass(700);
  await ch.call("queue.declare", { queue, passive: true });
  await ch.barrier(dead);
});
