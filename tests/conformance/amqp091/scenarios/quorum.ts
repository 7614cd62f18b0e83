/** Quorum queues where they differ from classic ones: delivery counts and limits, dead-lettering, what is not supported. */
import { family } from "../scenario.ts";

const scenario = family("quorum");

const QUORUM = { "x-queue-type": "quorum" };
const DURABLE = { durable: true };

scenario("a delivery count is in the headers from the second delivery to a consumer on", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", QUORUM, DURABLE);
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  ch.publish("", queue, "one");
  await ch.recv(1);
  for (let tag = 1; tag <= 3; tag++) {
    ch.send("basic.nack", { "delivery-tag": tag, requeue: true });
    await ch.recv(1);
  }
});

scenario("the delivery count stands among the headers of the client", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", QUORUM, DURABLE);
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  ch.publish("", queue, "one", { headers: { mine: 1 }, "message-id": "m" });
  await ch.recv(1);
  ch.send("basic.reject", { "delivery-tag": 1, requeue: true });
  await ch.recv(1);
});

scenario("a message over the delivery limit is dropped", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { ...QUORUM, "x-delivery-limit": 2 }, DURABLE);
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  ch.publish("", queue, "one");
  await ch.recv(1);
  for (let tag = 1; tag <= 2; tag++) {
    ch.send("basic.nack", { "delivery-tag": tag, requeue: true });
    await ch.recv(1);
  }
  ch.send("basic.nack", { "delivery-tag": 3, requeue: true });
  ch.publish("", queue, "two");
  await ch.recv(1);
});

scenario("a message over the delivery limit goes to the dead letter exchange", async (t) => {
  const ch = await t.channel();
  const dead = await t.queue(ch, "dead");
  const args = { ...QUORUM, "x-delivery-limit": 1, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead };
  const queue = await t.queue(ch, "q", args, DURABLE);
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  ch.publish("", queue, "one");
  await ch.recv(1);
  ch.send("basic.nack", { "delivery-tag": 1, requeue: true });
  await ch.recv(1);
  await ch.call("basic.consume", { queue: dead, "consumer-tag": "d", "no-ack": true });
  ch.send("basic.nack", { "delivery-tag": 2, requeue: true });
  await ch.recv(1);
});

scenario("a delivery limit of zero", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { ...QUORUM, "x-delivery-limit": 0 }, DURABLE);
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  ch.publish("", queue, "one");
  await ch.recv(1);
  ch.send("basic.nack", { "delivery-tag": 1, requeue: true });
  ch.publish("", queue, "two");
  await ch.recv(1);
});

scenario("a rejected message of a quorum queue goes to the dead letter exchange", async (t) => {
  const ch = await t.channel();
  const dead = await t.queue(ch, "dead");
  const queue = await t.queue(
    ch,
    "q",
    { ...QUORUM, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead },
    DURABLE,
  );
  await ch.call("basic.consume", { queue: dead, "consumer-tag": "d", "no-ack": true });
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  ch.publish("", queue, "one", { headers: { mine: 1 } });
  await ch.recv(1);
  ch.send("basic.reject", { "delivery-tag": 1 });
  await ch.recv(1);
});

scenario("at least once dead-lettering delivers to the dead letter exchange", async (t) => {
  const ch = await t.channel();
  const dead = await t.queue(ch, "dead", {}, DURABLE);
  const args = {
    ...QUORUM,
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": dead,
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
  };
  const queue = await t.queue(ch, "q", args, DURABLE);
  await ch.call("basic.consume", { queue: dead, "consumer-tag": "d", "no-ack": true });
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  ch.publish("", queue, "one");
  const [got] = await ch.recv(1);
  ch.send("basic.reject", { "delivery-tag": got?.fields["delivery-tag"] });
  await ch.recv(1);
});

scenario("messages of a quorum queue expire", async (t) => {
  const ch = await t.channel();
  const dead = await t.queue(ch, "dead");
  const args = { ...QUORUM, "x-message-ttl": 30, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead };
  const queue = await t.queue(ch, "q", args, DURABLE);
  await ch.call("basic.consume", { queue: dead, "consumer-tag": "d", "no-ack": true });
  ch.publish("", queue, "one");
  await ch.recv(1);
});

scenario("a global prefetch is not for quorum queues", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", QUORUM, DURABLE);
  await ch.call("basic.qos", { "prefetch-count": 5, global: true });
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
});

scenario("an exclusive consumer of a quorum queue", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", QUORUM, DURABLE);
  await ch.call("basic.consume", { queue, "consumer-tag": "one", exclusive: true });
  await ch.call("basic.consume", { queue, "consumer-tag": "two" });
});

scenario("getting from a quorum queue", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", QUORUM, DURABLE);
  await ch.call("confirm.select");
  ch.publish("", queue, "one");
  await ch.confirms(1);
  const got = await ch.call("basic.get", { queue });
  ch.send("basic.nack", { "delivery-tag": got?.fields["delivery-tag"], requeue: true });
  await ch.call("basic.get", { queue, "no-ack": true });
  await ch.call("basic.get", { queue });
});

scenario("deleting a quorum queue if it is unused or empty is not implemented", async (t) => {
  for (const flag of ["if-unused", "if-empty"]) {
    const ch = await t.channel();
    const queue = await t.queue(ch, "q", QUORUM, DURABLE);
    await ch.call("queue.delete", { queue, [flag]: true });
  }
});

scenario("the prefetch of consumers of a quorum queue", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", QUORUM, DURABLE);
  await ch.call("basic.qos", { "prefetch-count": 1 });
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  for (const body of ["one", "two", "three"]) ch.publish("", queue, body);
  for (let tag = 1; tag <= 3; tag++) {
    await ch.recv(1);
    ch.send("basic.ack", { "delivery-tag": tag });
  }
});

scenario("a message of a quorum queue that comes back from a closed channel counts its delivery", async (t) => {
  const ch = await t.channel();
  const other = await ch.connection.channel(2).open();
  const queue = await t.queue(ch, "q", QUORUM, DURABLE);
  await other.call("basic.consume", { queue, "consumer-tag": "c" });
  ch.publish("", queue, "one");
  await other.recv(1);
  await ch.call("basic.consume", { queue, "consumer-tag": "d" });
  await other.call("channel.close", { "reply-code": 200 });
  await ch.recv(1);
});

scenario("a full quorum queue drops its oldest message", async (t) => {
  const ch = await t.channel();
  const dead = await t.queue(ch, "dead");
  const args = { ...QUORUM, "x-max-length": 1, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead };
  const queue = await t.queue(ch, "q", args, DURABLE);
  await ch.call("basic.consume", { queue: dead, "consumer-tag": "d", "no-ack": true });
  await ch.quiet("confirm.select");
  const published = await t.channel();
  for (const body of ["one", "two"]) published.publish("", queue, body);
  await ch.recv(1);
});

scenario("a quorum queue with a single active consumer", async (t) => {
  const ch = await t.channel();
  const other = await ch.connection.channel(2).open();
  const queue = await t.queue(ch, "q", { ...QUORUM, "x-single-active-consumer": true }, DURABLE);
  await other.call("basic.consume", { queue, "consumer-tag": "one" });
  await ch.call("basic.consume", { queue, "consumer-tag": "two" });
  ch.publish("", queue, "first");
  await other.recv(1);
  other.send("basic.ack", { "delivery-tag": 1 });
  await other.call("channel.close", { "reply-code": 200 });
  ch.publish("", queue, "second");
  await ch.recv(1);
});
