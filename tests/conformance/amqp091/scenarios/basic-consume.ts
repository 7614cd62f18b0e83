/** Consuming: consumers and their tags, prefetch, get, priorities, single active consumers, cancellation. */
import { family } from "../scenario.ts";
import { as } from "../values.ts";

const scenario = family("basic-consume");

scenario("a consumer gets what is there and what comes, in order", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const body of ["one", "two"]) ch.publish("", queue, body);
  await ch.call("basic.consume", { queue, "consumer-tag": "c", "no-ack": true });
  await ch.recv(2);
  ch.publish("", queue, "three");
  await ch.recv(1);
});

scenario("the server names a consumer that has no tag", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  await ch.call("basic.consume", { queue });
});

scenario("two consumers of one channel with the same tag end the connection", async (t) => {
  const ch = await t.channel();
  const [one, two] = [await t.queue(ch, "one"), await t.queue(ch, "two")];
  await ch.call("basic.consume", { queue: one, "consumer-tag": "same" });
  await ch.call("basic.consume", { queue: two, "consumer-tag": "same" });
});

scenario("the same tag on two channels is no conflict", async (t) => {
  const connection = await t.connect();
  const [one, two] = [await connection.channel(1).open(), await connection.channel(2).open()];
  const queue = await t.queue(one, "q");
  await one.call("basic.consume", { queue, "consumer-tag": "same" });
  await two.call("basic.consume", { queue, "consumer-tag": "same" });
});

scenario("a cancelled tag can be used again", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  await ch.call("basic.cancel", { "consumer-tag": "c" });
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
});

scenario("cancelling a consumer that does not exist is no error", async (t) => {
  const ch = await t.channel();
  await ch.call("basic.cancel", { "consumer-tag": "nobody" });
  ch.send("basic.cancel", { "consumer-tag": "nobody", nowait: true });
  await ch.call("basic.cancel", { "consumer-tag": "" });
});

scenario("a cancelled consumer gets nothing more, and its messages can still be acknowledged", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "one");
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  await ch.recv(1);
  await ch.call("basic.cancel", { "consumer-tag": "c" });
  ch.publish("", queue, "two");
  await ch.barrier(queue);
  ch.send("basic.ack", { "delivery-tag": 1 });
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
});

scenario("an exclusive consumer keeps others out, and others keep it out", async (t) => {
  const [one, two] = [await t.channel(), await t.channel()];
  const queue = await t.queue(one, "q");
  await one.call("basic.consume", { queue, "consumer-tag": "first", exclusive: true });
  await two.call("basic.consume", { queue, "consumer-tag": "second" });
  await two.call("basic.consume", { queue, "consumer-tag": "second", exclusive: true });
  await two.call("basic.get", { queue });
  await one.call("basic.cancel", { "consumer-tag": "first" });
  await two.call("basic.consume", { queue, "consumer-tag": "second" });
  await one.call("basic.consume", { queue, "consumer-tag": "first", exclusive: true });
});

scenario("no-local is accepted and ignored", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  await ch.call("basic.consume", { queue, "consumer-tag": "c", "no-local": true, "no-ack": true });
  ch.publish("", queue, "from myself");
  await ch.recv(1);
});

scenario("a consumer without acknowledgement has delivery tags all the same", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  await ch.call("basic.consume", { queue, "consumer-tag": "c", "no-ack": true });
  ch.publish("", queue, "one");
  ch.publish("", queue, "two");
  await ch.recv(2);
  ch.send("basic.ack", { "delivery-tag": 1 });
  await ch.recv(1);
});

scenario("deliveries of two queues share the tags of their channel", async (t) => {
  const ch = await t.channel();
  const [one, two] = [await t.queue(ch, "one"), await t.queue(ch, "two")];
  await ch.call("basic.consume", { queue: one, "consumer-tag": "a" });
  await ch.call("basic.consume", { queue: two, "consumer-tag": "b" });
  for (const queue of [one, two, one]) {
    ch.publish("", queue, "x");
    await ch.recv(1);
  }
  ch.publish("", two, "y");
  await ch.recv(1);
  await ch.call("basic.get", { queue: one });
});

scenario("the prefetch count of a consumer holds back the rest", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (let i = 1; i <= 5; i++) ch.publish("", queue, `message ${i}`);
  await ch.call("basic.qos", { "prefetch-count": 2 });
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  await ch.recv(2);
  await ch.barrier(queue);
  ch.send("basic.ack", { "delivery-tag": 1 });
  await ch.recv(1);
  await ch.barrier(queue);
  ch.send("basic.ack", { "delivery-tag": 3, multiple: true });
  await ch.recv(2);
  await ch.barrier(queue);
});

scenario("a prefetch count counts for consumers that come later, each on its own", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (let i = 1; i <= 6; i++) ch.publish("", queue, `message ${i}`);
  await ch.call("basic.qos", { "prefetch-count": 1 });
  await ch.call("basic.consume", { queue, "consumer-tag": "one" });
  await ch.recv(1);
  await ch.call("basic.qos", { "prefetch-count": 2 });
  await ch.call("basic.consume", { queue, "consumer-tag": "two" });
  await ch.recv(2);
  await ch.barrier(queue);
});

scenario("a global prefetch count is shared by the consumers of a channel", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (let i = 1; i <= 5; i++) ch.publish("", queue, `message ${i}`);
  await ch.barrier(queue);
  await ch.call("basic.qos", { "prefetch-count": 3, global: true });
  await ch.call("basic.consume", { queue, "consumer-tag": "one" });
  await ch.recv(3);
  await ch.call("basic.consume", { queue, "consumer-tag": "two" });
  await ch.barrier(queue);
  ch.send("basic.ack", { "delivery-tag": 1 });
  await ch.recv(1);
  await ch.barrier(queue);
});

scenario("a global prefetch count can be raised, lowered and lifted", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (let i = 1; i <= 6; i++) ch.publish("", queue, `message ${i}`);
  await ch.call("basic.qos", { "prefetch-count": 1, global: true });
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  await ch.recv(1);
  await ch.barrier(queue);
  await ch.call("basic.qos", { "prefetch-count": 3, global: true });
  await ch.recv(2);
  await ch.barrier(queue);
  await ch.call("basic.qos", { "prefetch-count": 1, global: true });
  ch.send("basic.ack", { "delivery-tag": 1 });
  await ch.barrier(queue);
  await ch.call("basic.qos", { "prefetch-count": 0, global: true });
  await ch.recv(3);
  await ch.barrier(queue);
});

scenario("both prefetch counts hold at once", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (let i = 1; i <= 6; i++) ch.publish("", queue, `message ${i}`);
  await ch.call("basic.qos", { "prefetch-count": 2 });
  await ch.call("basic.qos", { "prefetch-count": 3, global: true });
  await ch.call("basic.consume", { queue, "consumer-tag": "one" });
  await ch.recv(2);
  await ch.call("basic.consume", { queue, "consumer-tag": "two" });
  await ch.recv(1);
  await ch.barrier(queue);
});

scenario("prefetch does not count messages that need no acknowledgement, nor those got", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (let i = 1; i <= 4; i++) ch.publish("", queue, `message ${i}`);
  await ch.call("basic.qos", { "prefetch-count": 1 });
  await ch.call("basic.get", { queue });
  await ch.call("basic.get", { queue });
  await ch.call("basic.consume", { queue, "consumer-tag": "c", "no-ack": true });
  await ch.recv(2);
  await ch.barrier(queue);
});

scenario("a prefetch size is not implemented", async (t) => {
  const ch = await t.channel();
  await ch.call("basic.qos", { "prefetch-size": 1 });
});

scenario("a prefetch size of zero with every count is fine", async (t) => {
  const ch = await t.channel();
  await ch.call("basic.qos", { "prefetch-count": 65535 });
  await ch.call("basic.qos", { "prefetch-count": 0, global: true });
  await ch.call("basic.qos", {});
});

scenario("two consumers of a queue take turns", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  await ch.call("basic.consume", { queue, "consumer-tag": "one", "no-ack": true });
  await ch.call("basic.consume", { queue, "consumer-tag": "two", "no-ack": true });
  for (let i = 1; i <= 5; i++) {
    ch.publish("", queue, `message ${i}`);
    await ch.recv(1);
  }
});

scenario("a consumer of higher priority gets messages as long as it can take them", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  await ch.call("basic.qos", { "prefetch-count": 2 });
  await ch.call("basic.consume", { queue, "consumer-tag": "low", arguments: { "x-priority": -1 } });
  await ch.call("basic.consume", { queue, "consumer-tag": "none" });
  await ch.call("basic.consume", { queue, "consumer-tag": "high", arguments: { "x-priority": 10 } });
  for (let i = 1; i <= 7; i++) {
    ch.publish("", queue, `message ${i}`);
    if (i < 7) await ch.recv(1);
  }
  await ch.barrier(queue);
  ch.send("basic.ack", { "delivery-tag": 1 });
  await ch.recv(1);
});

scenario("a consumer priority that is no integer is refused", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const priority of ["5", true, 1.5, null, as("l", 5), as("b", -5), as("T", 5)]) {
    await ch.call("basic.consume", { queue, "consumer-tag": "c", arguments: { "x-priority": priority } });
    if (ch.isOpen) await ch.call("basic.cancel", { "consumer-tag": "c" });
  }
});

scenario("unknown arguments of a consumer are ignored", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  await ch.call("basic.consume", {
    queue,
    "consumer-tag": "c",
    arguments: { "x-mine": 1, mine: "x", "x-cancel-on-ha-failover": true },
  });
});

scenario("a stream offset is refused by a classic queue", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  await ch.call("basic.consume", { queue, "consumer-tag": "c", arguments: { "x-stream-offset": "first" } });
});

scenario("with a single active consumer the others wait for their turn", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-single-active-consumer": true });
  await ch.call("basic.consume", { queue, "consumer-tag": "one", "no-ack": true });
  await ch.call("basic.consume", { queue, "consumer-tag": "two", "no-ack": true });
  await ch.call("basic.consume", { queue, "consumer-tag": "three", "no-ack": true });
  for (let i = 1; i <= 2; i++) {
    ch.publish("", queue, `message ${i}`);
    await ch.recv(1);
  }
  await ch.call("basic.cancel", { "consumer-tag": "one" });
  ch.publish("", queue, "message 3");
  await ch.recv(1);
  await ch.barrier(queue);
});

scenario("a single active consumer at its prefetch count does not let others in", async (t) => {
  const ch = await t.channel();
  const other = await ch.connection.channel(2).open();
  const queue = await t.queue(ch, "q", { "x-single-active-consumer": true });
  await ch.call("basic.qos", { "prefetch-count": 1 });
  await ch.call("basic.consume", { queue, "consumer-tag": "one" });
  await other.call("basic.consume", { queue, "consumer-tag": "two" });
  for (let i = 1; i <= 3; i++) ch.publish("", queue, `message ${i}`);
  await ch.recv(1);
  await ch.barrier(queue);
  await ch.call("channel.close", { "reply-code": 200 });
  await other.recv(3);
  await other.barrier(queue);
});

scenario("an exclusive consumer and a single active consumer exclude each other", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-single-active-consumer": true });
  await ch.call("basic.consume", { queue, "consumer-tag": "one", exclusive: true });
});

scenario("a consumer is told when its queue is deleted", async (t) => {
  const [one, two] = [await t.channel(), await t.channel()];
  const queue = await t.queue(one, "q");
  await one.call("basic.consume", { queue, "consumer-tag": "first" });
  await one.call("basic.consume", { queue, "consumer-tag": "second" });
  await two.call("queue.delete", { queue });
  const cancelled = [await one.take(), await one.take()].map((frame) => frame?.line ?? "nothing");
  for (const line of cancelled.toSorted()) one.note(line);
  await one.call("basic.cancel", { "consumer-tag": "first" });
});

scenario("a consumer of a client that takes no notification is not told", async (t) => {
  const one = await t.channel({ capabilities: {} });
  const two = await t.channel();
  const queue = await t.queue(one, "q");
  await one.call("basic.consume", { queue, "consumer-tag": "c" });
  await two.call("queue.delete", { queue });
  await one.call("channel.flow", { active: true });
});

scenario("no reply is sent to a consume or cancel that wants none", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.send("basic.consume", { queue, "consumer-tag": "c", nowait: true });
  ch.publish("", queue, "one");
  await ch.recv(1);
  ch.send("basic.cancel", { "consumer-tag": "c", nowait: true });
  ch.publish("", queue, "two");
  await ch.barrier(queue);
});

scenario("getting tells how many messages are left", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const body of ["one", "two", "three"]) ch.publish("", queue, body);
  await ch.call("basic.get", { queue });
  await ch.call("basic.get", { queue, "no-ack": true });
  await ch.call("basic.get", { queue });
  await ch.call("basic.get", { queue });
});

scenario("getting works beside a consumer that can take no more", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  await ch.call("basic.qos", { "prefetch-count": 1 });
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  for (const body of ["one", "two"]) ch.publish("", queue, body);
  await ch.recv(1);
  await ch.call("basic.get", { queue });
});

scenario("a client gets its own messages from an exclusive queue of its connection only", async (t) => {
  const [one, two] = [await t.channel(), await t.channel()];
  const queue = await t.queue(one, "q", {}, { exclusive: true });
  two.publish("", queue, "for you");
  await two.call("channel.flow", { active: true });
  await one.barrier(queue);
  await one.call("basic.get", { queue });
  await two.call("basic.get", { queue });
});
