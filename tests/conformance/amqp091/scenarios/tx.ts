/** Transactions of AMQP 0-9-1: publishes and settlements that take effect together. */
import { family } from "../scenario.ts";

const scenario = family("tx");

scenario("published messages appear with the commit", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  await ch.call("tx.select");
  ch.publish("", queue, "one");
  ch.publish("", queue, "two");
  await ch.barrier(queue);
  await ch.call("tx.commit");
  await ch.barrier(queue);
  await ch.call("tx.commit");
});

scenario("published messages vanish with the rollback", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  await ch.call("tx.select");
  ch.publish("", queue, "one");
  await ch.call("tx.rollback");
  await ch.call("tx.commit");
  await ch.barrier(queue);
});

scenario("acknowledgements take effect with the commit", async (t) => {
  const ch = await t.channel();
  const other = await ch.connection.channel(2).open();
  const queue = await t.queue(ch, "q");
  other.publish("", queue, "one");
  await other.barrier(queue);
  await ch.call("tx.select");
  await ch.call("basic.get", { queue });
  ch.send("basic.ack", { "delivery-tag": 1 });
  await ch.call("tx.commit");
  await ch.call("channel.close", { "reply-code": 200 });
  await other.barrier(queue);
});

scenario("acknowledgements that were not committed come to nothing", async (t) => {
  const ch = await t.channel();
  const other = await ch.connection.channel(2).open();
  const queue = await t.queue(ch, "q");
  other.publish("", queue, "one");
  await other.barrier(queue);
  await ch.call("tx.select");
  await ch.call("basic.get", { queue });
  ch.send("basic.ack", { "delivery-tag": 1 });
  await ch.call("channel.close", { "reply-code": 200 });
  await other.call("basic.get", { queue });
});

scenario("a rollback gives back acknowledgements, and they can be given again", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "one");
  await ch.call("tx.select");
  await ch.call("basic.get", { queue });
  ch.send("basic.ack", { "delivery-tag": 1 });
  await ch.call("tx.rollback");
  ch.send("basic.ack", { "delivery-tag": 1 });
  await ch.call("tx.commit");
  await ch.barrier(queue);
});

scenario("acknowledging twice in a transaction closes the channel", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "one");
  await ch.call("tx.select");
  await ch.call("basic.get", { queue });
  ch.send("basic.ack", { "delivery-tag": 1 });
  await ch.call("basic.ack", { "delivery-tag": 1 });
});

scenario("rejections take effect with the commit", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const body of ["one", "two"]) ch.publish("", queue, body);
  await ch.call("tx.select");
  await ch.call("basic.get", { queue });
  await ch.call("basic.get", { queue });
  ch.send("basic.reject", { "delivery-tag": 1, requeue: true });
  ch.send("basic.nack", { "delivery-tag": 2 });
  await ch.barrier(queue);
  await ch.call("tx.commit");
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
});

scenario("commit and rollback outside of a transaction are refused", async (t) => {
  const ch = await t.channel();
  await ch.call("tx.commit");
  await ch.call("tx.rollback");
});

scenario("selecting twice is no error", async (t) => {
  const ch = await t.channel();
  await ch.call("tx.select");
  await ch.call("tx.select");
});

scenario("a channel is transactional or confirms, not both", async (t) => {
  const ch = await t.channel();
  await ch.call("tx.select");
  await ch.call("confirm.select");
  await ch.call("confirm.select");
  await ch.call("tx.select");
});

scenario("a mandatory message that cannot be routed is returned with the commit", async (t) => {
  const ch = await t.channel();
  await ch.call("tx.select");
  ch.publish("", t.name("nowhere"), "comes back", {}, { mandatory: true });
  await ch.call("channel.flow", { active: true });
  ch.send("tx.commit");
  await ch.recv(2);
});

scenario("a publish to a missing exchange closes the channel at once, not at the commit", async (t) => {
  const ch = await t.channel();
  await ch.call("tx.select");
  ch.publish(t.name("nowhere"), "k", "x");
  await ch.recv(1);
});

scenario("what is routed is decided at the publish", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "fanout");
  const [early, late] = [await t.queue(ch, "early"), await t.queue(ch, "late")];
  await t.bind(ch, early, exchange);
  await ch.call("tx.select");
  ch.publish(exchange, "", "x");
  await t.bind(ch, late, exchange);
  await ch.call("tx.commit");
  await ch.barrier(early);
  await ch.barrier(late);
});

scenario("a transaction is lost with its channel", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  await ch.call("tx.select");
  ch.publish("", queue, "lost");
  await ch.call("channel.close", { "reply-code": 200 });
  await ch.open();
  await ch.barrier(queue);
});

scenario("consumers in a transaction get messages as usual", async (t) => {
  const ch = await t.channel();
  const other = await ch.connection.channel(2).open();
  const queue = await t.queue(ch, "q");
  await ch.call("tx.select");
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  other.publish("", queue, "one");
  await ch.recv(1);
  ch.send("basic.ack", { "delivery-tag": 1 });
  await ch.call("tx.commit");
  await ch.barrier(queue);
});
