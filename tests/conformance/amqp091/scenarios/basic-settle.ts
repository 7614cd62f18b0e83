/** Settling: ack, nack, reject, recover; redelivery, its flag and its order. */
import { family } from "../scenario.ts";

const scenario = family("basic-settle");

scenario("acknowledged messages are gone, the others come back when the connection ends", async (t) => {
  const [one, two] = [await t.channel(), await t.channel()];
  const queue = await t.queue(two, "q");
  for (const body of ["one", "two", "three"]) two.publish("", queue, body);
  await two.barrier(queue);
  for (let i = 0; i < 3; i++) await one.call("basic.get", { queue });
  one.send("basic.ack", { "delivery-tag": 2 });
  await one.barrier(queue);
  await one.connection.channel(0).call("connection.close", { "reply-code": 200 });
  for (let i = 0; i < 3; i++) await two.call("basic.get", { queue });
});

scenario("messages come back when a connection is dropped", async (t) => {
  const [one, two] = [await t.channel(), await t.channel()];
  const queue = await t.queue(two, "q");
  two.publish("", queue, "one");
  await two.barrier(queue);
  await one.call("basic.get", { queue });
  await two.call("basic.consume", { queue, "consumer-tag": "c" });
  await one.connection.drop();
  await two.recv(1);
});

scenario("an unknown delivery tag closes the channel", async (t) => {
  const ch = await t.channel();
  for (const [method, fields] of [
    ["basic.ack", { "delivery-tag": 1 }],
    ["basic.ack", { "delivery-tag": 5, multiple: true }],
    ["basic.nack", { "delivery-tag": 1 }],
    ["basic.nack", { "delivery-tag": 5, multiple: true }],
    ["basic.reject", { "delivery-tag": 1 }],
    ["basic.ack", { "delivery-tag": 0 }],
    ["basic.reject", { "delivery-tag": 0 }],
    ["basic.nack", { "delivery-tag": 0 }],
  ] as const) {
    await ch.call(method, fields);
  }
});

scenario("settling everything where there is nothing is no error", async (t) => {
  const ch = await t.channel();
  ch.send("basic.ack", { "delivery-tag": 0, multiple: true });
  ch.send("basic.nack", { "delivery-tag": 0, multiple: true });
  await ch.call("channel.flow", { active: true });
});

scenario("acknowledging twice closes the channel", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "one");
  await ch.call("basic.get", { queue });
  ch.send("basic.ack", { "delivery-tag": 1 });
  await ch.call("basic.ack", { "delivery-tag": 1 });
});

scenario("acknowledging more than was delivered settles nothing", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const body of ["one", "two"]) ch.publish("", queue, body);
  await ch.call("basic.get", { queue });
  await ch.call("basic.get", { queue });
  await ch.call("basic.ack", { "delivery-tag": 3, multiple: true });
  await ch.call("basic.get", { queue });
  await ch.call("basic.get", { queue });
});

scenario("acknowledging several takes what is there, with gaps", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (let i = 1; i <= 5; i++) ch.publish("", queue, `message ${i}`);
  for (let i = 0; i < 5; i++) await ch.call("basic.get", { queue });
  ch.send("basic.ack", { "delivery-tag": 2 });
  ch.send("basic.ack", { "delivery-tag": 3, multiple: true });
  ch.send("basic.ack", { "delivery-tag": 0, multiple: true });
  await ch.barrier(queue);
  await ch.call("basic.ack", { "delivery-tag": 5 });
});

scenario("a multiple acknowledgement of a tag that is settled already", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (let i = 1; i <= 3; i++) ch.publish("", queue, `message ${i}`);
  for (let i = 0; i < 3; i++) await ch.call("basic.get", { queue });
  ch.send("basic.ack", { "delivery-tag": 2 });
  await ch.barrier(queue);
  ch.send("basic.ack", { "delivery-tag": 2, multiple: true });
  await ch.barrier(queue);
  await ch.call("basic.ack", { "delivery-tag": 2, multiple: true });
});

scenario("a rejected message that is requeued comes back to its place with the flag", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const body of ["one", "two", "three"]) ch.publish("", queue, body);
  await ch.call("basic.get", { queue });
  await ch.call("basic.get", { queue });
  ch.send("basic.reject", { "delivery-tag": 2, requeue: true });
  ch.send("basic.reject", { "delivery-tag": 1, requeue: true });
  await ch.barrier(queue);
  for (let i = 0; i < 3; i++) await ch.call("basic.get", { queue });
});

scenario("a rejected message that is not requeued is gone", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const body of ["one", "two"]) ch.publish("", queue, body);
  await ch.call("basic.get", { queue });
  ch.send("basic.reject", { "delivery-tag": 1 });
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
});

scenario("nack with multiple requeues everything up to the tag in order", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (let i = 1; i <= 5; i++) ch.publish("", queue, `message ${i}`);
  for (let i = 0; i < 4; i++) await ch.call("basic.get", { queue });
  ch.send("basic.nack", { "delivery-tag": 3, multiple: true, requeue: true });
  await ch.barrier(queue);
  for (let i = 0; i < 4; i++) await ch.call("basic.get", { queue });
});

scenario("nack of zero with multiple requeues everything", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (let i = 1; i <= 3; i++) ch.publish("", queue, `message ${i}`);
  for (let i = 0; i < 3; i++) await ch.call("basic.get", { queue });
  ch.send("basic.nack", { "delivery-tag": 0, multiple: true, requeue: true });
  await ch.barrier(queue);
  for (let i = 0; i < 3; i++) await ch.call("basic.get", { queue });
});

scenario("nack without requeue drops the messages", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (let i = 1; i <= 3; i++) ch.publish("", queue, `message ${i}`);
  for (let i = 0; i < 2; i++) await ch.call("basic.get", { queue });
  ch.send("basic.nack", { "delivery-tag": 2, multiple: true });
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
});

scenario("a message requeued by its only consumer comes to it again, with a new tag", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "one");
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  await ch.recv(1);
  for (let tag = 1; tag <= 3; tag++) {
    ch.send("basic.nack", { "delivery-tag": tag, requeue: true });
    await ch.recv(1);
  }
});

scenario("a message requeued by one consumer goes to the next", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  await ch.call("basic.qos", { "prefetch-count": 1 });
  await ch.call("basic.consume", { queue, "consumer-tag": "one" });
  await ch.call("basic.consume", { queue, "consumer-tag": "two" });
  ch.publish("", queue, "first");
  await ch.recv(1);
  ch.send("basic.reject", { "delivery-tag": 1, requeue: true });
  await ch.recv(1);
  ch.send("basic.reject", { "delivery-tag": 2, requeue: true });
  await ch.recv(1);
});

scenario("recover with requeue gives everything back to the queue", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const body of ["one", "two"]) ch.publish("", queue, body);
  await ch.call("basic.get", { queue });
  await ch.call("basic.get", { queue });
  await ch.call("basic.recover", { requeue: true });
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
  await ch.call("basic.get", { queue });
});

scenario("recover delivers again to the consumers of the channel", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const body of ["one", "two"]) ch.publish("", queue, body);
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  await ch.recv(2);
  await ch.call("basic.recover", { requeue: true });
  await ch.recv(2);
});

scenario("recover without requeue is not implemented", async (t) => {
  const ch = await t.channel();
  await ch.call("basic.recover", { requeue: false });
});

scenario("recover-async does the same without an answer", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "one");
  await ch.call("basic.get", { queue });
  ch.send("basic.recover-async", { requeue: true });
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
  ch.send("basic.recover-async", { requeue: false });
  await ch.recv(1);
});

scenario("recover with nothing to recover", async (t) => {
  const ch = await t.channel();
  await ch.call("basic.recover", { requeue: true });
});

scenario("a message that was in flight keeps the redelivered flag on another connection", async (t) => {
  const [one, two, three] = [await t.channel(), await t.channel(), await t.channel()];
  const queue = await t.queue(three, "q");
  three.publish("", queue, "one");
  await three.barrier(queue);
  await one.call("basic.get", { queue });
  await one.call("channel.close", { "reply-code": 200 });
  await two.call("basic.get", { queue });
  await two.call("channel.close", { "reply-code": 200 });
  await three.call("basic.get", { queue });
});

scenario("messages that were only waiting have no redelivered flag", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const body of ["one", "two"]) ch.publish("", queue, body);
  await ch.call("basic.get", { queue });
  ch.send("basic.reject", { "delivery-tag": 1, requeue: true });
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
  await ch.call("basic.get", { queue });
});

scenario("tags of one channel mean nothing on another", async (t) => {
  const connection = await t.connect();
  const [one, two] = [await connection.channel(1).open(), await connection.channel(2).open()];
  const queue = await t.queue(one, "q");
  one.publish("", queue, "one");
  await one.call("basic.get", { queue });
  await two.call("basic.ack", { "delivery-tag": 1 });
});

scenario("what is acknowledged on a closed channel is unknown on the one that replaces it", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "one");
  await ch.call("basic.get", { queue });
  await ch.call("channel.close", { "reply-code": 200 });
  await ch.call("basic.ack", { "delivery-tag": 1 });
});

scenario("messages requeued by a closed channel come before those that were never delivered", async (t) => {
  const ch = await t.channel();
  const other = await ch.connection.channel(2).open();
  const queue = await t.queue(ch, "q");
  for (let i = 1; i <= 4; i++) ch.publish("", queue, `message ${i}`);
  await ch.barrier(queue);
  await other.call("basic.get", { queue });
  await other.call("basic.get", { queue });
  await other.call("channel.close", { "reply-code": 200 });
  for (let i = 0; i < 4; i++) await ch.call("basic.get", { queue });
});
