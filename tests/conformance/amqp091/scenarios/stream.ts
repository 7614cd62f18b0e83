/** Streams as queues: where reading starts, the offsets that come with messages, and what is refused. */
import { family, type ScenarioContext } from "../scenario.ts";
import { as } from "../values.ts";
import type { Fields } from "../frames.ts";
import type { WireChannel } from "../wire-client.ts";

const scenario = family("stream");

async function stream(t: ScenarioContext, count: number): Promise<{ ch: WireChannel; queue: string }> {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-queue-type": "stream" }, { durable: true });
  await ch.quiet("confirm.select");
  for (let i = 0; i < count; i++) {
    ch.write("basic.publish", { "routing-key": queue }, { body: `message ${i}` });
    await ch.take();
  }
  await ch.call("basic.qos", { "prefetch-count": 100 });
  return { ch, queue };
}

async function consume(
  ch: WireChannel,
  queue: string,
  offset: unknown,
  count: number,
  args: Fields = {},
): Promise<void> {
  const all = offset === undefined ? args : { "x-stream-offset": offset, ...args };
  await ch.call("basic.consume", { queue, "consumer-tag": "c", arguments: all });
  await ch.recv(count);
}

scenario("reading from the first message", async (t) => {
  const { ch, queue } = await stream(t, 3);
  await consume(ch, queue, "first", 3);
});

scenario("reading from an offset", async (t) => {
  const { ch, queue } = await stream(t, 5);
  await consume(ch, queue, as("l", 3), 2);
});

scenario("reading from an offset of a small integer type", async (t) => {
  const { ch, queue } = await stream(t, 3);
  await consume(ch, queue, as("b", 2), 1);
});

scenario("reading from the next message", async (t) => {
  const { ch, queue } = await stream(t, 2);
  await consume(ch, queue, "next", 0);
  const other = await t.channel();
  other.write("basic.publish", { "routing-key": queue }, { body: "after" });
  await ch.recv(1);
});

scenario("without an offset reading starts with the next message", async (t) => {
  const { ch, queue } = await stream(t, 2);
  await consume(ch, queue, undefined, 0);
  const other = await t.channel();
  other.write("basic.publish", { "routing-key": queue }, { body: "after" });
  await ch.recv(1);
});

scenario("reading from a time", async (t) => {
  const { ch, queue } = await stream(t, 2);
  await consume(ch, queue, as("T", 1), 2);
});

scenario("reading from an interval", async (t) => {
  const { ch, queue } = await stream(t, 2);
  await consume(ch, queue, "1h", 2);
});

scenario("an offset specification that makes no sense is refused", async (t) => {
  for (const offset of ["nosuch", "", true, 1.5, null, [1]]) {
    const ch = await t.channel();
    const queue = t.name("q");
    await ch.quiet("queue.declare", { queue, durable: true, arguments: { "x-queue-type": "stream" } });
    await ch.quiet("basic.qos", { "prefetch-count": 100 });
    await ch.call("basic.consume", { queue, "consumer-tag": "c", arguments: { "x-stream-offset": offset } });
  }
});

scenario("a consumer of a stream needs a prefetch count", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-queue-type": "stream" }, { durable: true });
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
});

scenario("a consumer of a stream must acknowledge", async (t) => {
  const { ch, queue } = await stream(t, 0);
  await ch.call("basic.consume", { queue, "consumer-tag": "c", "no-ack": true });
});

scenario("an exclusive consumer of a stream", async (t) => {
  const { ch, queue } = await stream(t, 0);
  await ch.call("basic.consume", { queue, "consumer-tag": "c", exclusive: true });
});

scenario("a stream can not be got from or purged", async (t) => {
  const { ch, queue } = await stream(t, 1);
  await ch.call("basic.get", { queue });
  const other = await t.channel();
  await other.call("queue.purge", { queue });
});

scenario("a global prefetch is not for streams", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-queue-type": "stream" }, { durable: true });
  await ch.call("basic.qos", { "prefetch-count": 5, global: true });
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
});

scenario("acknowledging gives credit and removes nothing", async (t) => {
  const { ch, queue } = await stream(t, 3);
  await ch.call("basic.qos", { "prefetch-count": 1 });
  await consume(ch, queue, "first", 1);
  ch.send("basic.ack", { "delivery-tag": 1 });
  await ch.recv(1);
  ch.send("basic.ack", { "delivery-tag": 2 });
  await ch.recv(1);
  const other = await t.channel();
  await other.call("basic.qos", { "prefetch-count": 10 });
  await consume(other, queue, "first", 3);
});

scenario("nack and reject are not for streams", async (t) => {
  const { ch, queue } = await stream(t, 3);
  await ch.call("basic.qos", { "prefetch-count": 1 });
  await consume(ch, queue, "first", 1);
  ch.send("basic.nack", { "delivery-tag": 1, requeue: true });
  await ch.recv(1);
});

scenario("the offset stands among the headers of the client", async (t) => {
  const { ch, queue } = await stream(t, 0);
  ch.write(
    "basic.publish",
    { "routing-key": queue },
    { props: { headers: { mine: 1 }, "message-id": "m", "delivery-mode": 1 }, body: "x" },
  );
  await ch.take();
  await consume(ch, queue, "first", 1);
});

scenario("deleting a stream", async (t) => {
  const { ch, queue } = await stream(t, 2);
  await consume(ch, queue, "first", 2);
  const other = await t.channel();
  await other.call("queue.delete", { queue });
  await ch.recv(1);
});

scenario("bindings bring messages to a stream", async (t) => {
  const { ch, queue } = await stream(t, 0);
  const exchange = await t.exchange(ch, "x", "topic");
  await t.bind(ch, queue, exchange, "a.#");
  ch.publish(exchange, "a.b", "routed");
  await ch.recv(1);
  await consume(ch, queue, "first", 1);
});

scenario("two consumers of a stream read it each from its own place", async (t) => {
  const { ch, queue } = await stream(t, 3);
  await consume(ch, queue, "first", 3);
  const other = await t.channel();
  await other.call("basic.qos", { "prefetch-count": 10 });
  await consume(other, queue, as("l", 2), 1);
});

scenario("an offset behind the end waits for it", async (t) => {
  const { ch, queue } = await stream(t, 1);
  await consume(ch, queue, as("l", 3), 0);
  const other = await t.channel();
  await other.quiet("confirm.select");
  for (let i = 1; i <= 3; i++) {
    other.write("basic.publish", { "routing-key": queue }, { body: `message ${i}` });
    await other.take();
  }
  await ch.recv(1);
});
