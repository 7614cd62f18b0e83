/** Time to live, length limits, priorities. */
import { family } from "../scenario.ts";

const scenario = family("limits");

scenario("a message of a queue with a time to live is gone after it", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-message-ttl": 250 });
  ch.publish("", queue, "one");
  await ch.barrier(queue);
  await t.pass(500);
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
});

scenario("the smaller of the two times to live holds", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-message-ttl": 250 });
  ch.publish("", queue, "long by its own", { expiration: "60000" });
  await t.pass(500);
  await ch.barrier(queue);
  const slow = await t.queue(ch, "slow", { "x-message-ttl": 60_000 });
  ch.publish("", slow, "short by its own", { expiration: "250" });
  await t.pass(500);
  await ch.barrier(slow);
});

scenario("a message with a time to live of zero reaches only who waits for it", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "nobody waits", { expiration: "0" });
  await ch.barrier(queue);
  await ch.call("basic.consume", { queue, "consumer-tag": "c", "no-ack": true });
  ch.publish("", queue, "somebody waits", { expiration: "0" });
  await ch.recv(1);
});

scenario("a queue with a time to live of zero keeps nothing", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-message-ttl": 0 });
  ch.publish("", queue, "nobody waits");
  await ch.barrier(queue);
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  ch.publish("", queue, "somebody waits");
  await ch.recv(1);
});

scenario("an expired message behind one that is not waits for the head", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "lasting");
  ch.publish("", queue, "short", { expiration: "20" });
  await t.pass(500);
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
  await ch.call("basic.get", { queue });
});

scenario("an unacknowledged message does not expire, until it is back", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-message-ttl": 250 });
  ch.publish("", queue, "one");
  await ch.call("basic.get", { queue });
  await t.pass(500);
  ch.send("basic.nack", { "delivery-tag": 1, requeue: true });
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
});

scenario("a full queue drops its oldest message", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-max-length": 2 });
  for (const body of ["one", "two", "three", "four"]) ch.publish("", queue, body);
  await ch.barrier(queue);
  await ch.call("basic.get", { queue, "no-ack": true });
  await ch.call("basic.get", { queue, "no-ack": true });
});

scenario("unacknowledged messages do not count for the length", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-max-length": 1 });
  ch.publish("", queue, "one");
  await ch.call("basic.get", { queue });
  ch.publish("", queue, "two");
  await ch.barrier(queue);
  ch.send("basic.nack", { "delivery-tag": 1, requeue: true });
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
});

scenario("bodies alone count for the bytes, without properties", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-max-length-bytes": 10 });
  ch.publish("", queue, "12345", { "content-type": "a long content type", headers: { h: "x".repeat(100) } });
  ch.publish("", queue, "67890");
  await ch.barrier(queue);
  ch.publish("", queue, "!");
  await ch.barrier(queue);
  ch.publish("", queue, "more than ten bytes");
  await ch.barrier(queue);
});

scenario("a queue of length zero passes on to who waits", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-max-length": 0 });
  ch.publish("", queue, "nobody waits");
  await ch.barrier(queue);
  await ch.call("basic.consume", { queue, "consumer-tag": "c", "no-ack": true });
  ch.publish("", queue, "somebody waits");
  await ch.recv(1);
});

scenario("a full queue that rejects keeps what it has", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-max-length": 2, "x-overflow": "reject-publish" });
  for (const body of ["one", "two", "three"]) ch.publish("", queue, body);
  await ch.barrier(queue);
  await ch.call("basic.get", { queue, "no-ack": true });
  ch.publish("", queue, "four");
  await ch.barrier(queue);
  await ch.call("basic.get", { queue, "no-ack": true });
  await ch.call("basic.get", { queue, "no-ack": true });
});

scenario("messages of higher priority come first, equal ones in order", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-max-priority": 5 });
  for (const priority of [1, 5, 0, 3, 5, 9]) ch.publish("", queue, `priority ${priority}`, { priority });
  ch.publish("", queue, "no priority");
  await ch.barrier(queue);
  for (let i = 0; i < 7; i++) await ch.call("basic.get", { queue, "no-ack": true });
});

scenario("priorities do nothing in a queue that has none", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const priority of [1, 5]) ch.publish("", queue, `priority ${priority}`, { priority });
  await ch.barrier(queue);
  for (let i = 0; i < 2; i++) await ch.call("basic.get", { queue, "no-ack": true });
});

scenario("a requeued message takes its place among its priority", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-max-priority": 5 });
  for (const [body, priority] of [
    ["a", 1],
    ["b", 1],
    ["c", 2],
  ] as const)
    ch.publish("", queue, body, { priority });
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
  await ch.call("basic.get", { queue });
  ch.send("basic.nack", { "delivery-tag": 2, multiple: true, requeue: true });
  await ch.barrier(queue);
  for (let i = 0; i < 3; i++) await ch.call("basic.get", { queue, "no-ack": true });
});

scenario("a full queue with priorities drops from its head, the highest", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-max-priority": 5, "x-max-length": 2 });
  for (const [body, priority] of [
    ["high", 5],
    ["low", 1],
    ["middle", 3],
    ["lowest", 0],
  ] as const)
    ch.publish("", queue, body, { priority });
  await ch.barrier(queue);
  for (let i = 0; i < 3; i++) await ch.call("basic.get", { queue, "no-ack": true });
});

scenario("purging a queue with priorities takes all of them", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-max-priority": 3 });
  for (const priority of [0, 1, 2, 3]) ch.publish("", queue, "x", { priority });
  await ch.barrier(queue);
  await ch.call("queue.purge", { queue });
});

scenario("an expired message of a low priority waits for the head as well", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-max-priority": 3 });
  ch.publish("", queue, "low and short", { priority: 0, expiration: "20" });
  ch.publish("", queue, "high", { priority: 3 });
  await t.pass(500);
  await ch.barrier(queue);
});
