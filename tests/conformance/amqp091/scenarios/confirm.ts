/** Publisher confirms: their order against returns, their refusals, and what they do with errors. */
import { family } from "../scenario.ts";

const scenario = family("confirm");

scenario("each publish is confirmed, routed or not", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  await ch.call("confirm.select");
  ch.publish("", queue, "one");
  await ch.confirms(1);
  ch.publish("", t.name("nowhere"), "two");
  await ch.confirms(1, 2);
  ch.publish("", queue, "three", { "delivery-mode": 2 });
  await ch.confirms(1, 3);
});

scenario("many publishes are all confirmed", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", {}, { durable: true });
  await ch.call("confirm.select");
  for (let i = 1; i <= 20; i++) ch.publish("", queue, `message ${i}`, { "delivery-mode": 2 });
  await ch.confirms(20);
  await ch.barrier(queue);
});

scenario("delivery tags of confirms start with the select", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "before");
  await ch.call("confirm.select");
  ch.publish("", queue, "after");
  await ch.confirms(1);
  await ch.call("confirm.select");
  ch.publish("", queue, "again");
  await ch.confirms(1, 2);
});

scenario("a returned message is returned before it is confirmed", async (t) => {
  const ch = await t.channel();
  await ch.call("confirm.select");
  ch.publish("", t.name("nowhere"), "comes back", {}, { mandatory: true });
  await ch.recv(2);
});

scenario("a message to several queues is confirmed once", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "fanout");
  for (const name of ["one", "two", "three"])
    await t.bind(ch, await t.queue(ch, name, {}, { durable: true }), exchange);
  await ch.call("confirm.select");
  ch.publish(exchange, "", "to all", { "delivery-mode": 2 });
  await ch.recv(1);
  await ch.barrier(t.name("three"));
});

scenario("a publish to a full queue that rejects is refused", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-max-length": 1, "x-overflow": "reject-publish" });
  await ch.call("confirm.select");
  ch.publish("", queue, "one");
  await ch.confirms(1);
  ch.publish("", queue, "two");
  await ch.confirms(1, 2);
  await ch.call("basic.get", { queue, "no-ack": true });
  ch.publish("", queue, "three");
  await ch.confirms(1, 3);
  await ch.barrier(queue);
});

scenario("a publish that one of two queues rejects is refused, and the other has it", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "fanout");
  const full = await t.queue(ch, "full", { "x-max-length": 0, "x-overflow": "reject-publish" });
  const open = await t.queue(ch, "open");
  await t.bind(ch, full, exchange);
  await t.bind(ch, open, exchange);
  await ch.call("confirm.select");
  ch.publish(exchange, "", "x");
  await ch.confirms(1);
  await ch.barrier(open);
  await ch.barrier(full);
});

scenario("no reply is sent to a select that wants none", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.send("confirm.select", { nowait: true });
  ch.publish("", queue, "one");
  await ch.confirms(1);
});

scenario("an error of a publish closes the channel instead of a confirm", async (t) => {
  const ch = await t.channel();
  await ch.call("confirm.select");
  ch.publish(t.name("nowhere"), "k", "x");
  await ch.recv(1);
});

scenario("a confirmed message that a consumer gets first", async (t) => {
  const [publisher, consumer] = [await t.channel(), await t.channel()];
  const queue = await t.queue(publisher, "q", {}, { durable: true });
  await consumer.call("basic.consume", { queue, "consumer-tag": "c" });
  await publisher.call("confirm.select");
  publisher.publish("", queue, "one", { "delivery-mode": 2 });
  await consumer.recv(1);
  consumer.send("basic.ack", { "delivery-tag": 1 });
  await publisher.confirms(1);
});

scenario("confirms of a quorum queue", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-queue-type": "quorum" }, { durable: true });
  await ch.call("confirm.select");
  for (const body of ["one", "two"]) ch.publish("", queue, body);
  await ch.confirms(2);
  await ch.call("basic.get", { queue });
});

scenario("confirms of messages that expire at once", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  await ch.call("confirm.select");
  ch.publish("", queue, "gone", { expiration: "0" });
  await ch.confirms(1);
  await ch.barrier(queue);
});
