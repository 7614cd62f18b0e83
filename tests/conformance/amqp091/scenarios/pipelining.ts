/** Clients that do not wait for answers: order of replies, what an error does to what follows, and what a channel sees of itself. */
import { family } from "../scenario.ts";
import { frame, methodPayload, type Fields } from "../frames.ts";
import type { WireChannel } from "../wire-client.ts";

const scenario = family("pipelining");

/** Sends several methods in one write. */
function together(ch: WireChannel, calls: readonly (readonly [string, Fields, string?])[]): void {
  const bytes: Buffer[] = [];
  for (const [method, fields, body] of calls) {
    bytes.push(frame(1, ch.id, methodPayload(method, fields)));
    if (body !== undefined) bytes.push(...ch.contentFrames({ body }));
  }
  ch.connection.raw(Buffer.concat(bytes), calls.map(([method]) => method).join(", ") + " in one write");
}

scenario("replies come in the order of the requests", async (t) => {
  const ch = await t.channel();
  const [queue, exchange] = [t.name("q"), t.name("x")];
  together(ch, [
    ["exchange.declare", { exchange, type: "fanout" }],
    ["queue.declare", { queue }],
    ["queue.bind", { queue, exchange }],
    ["confirm.select", {}],
    ["basic.qos", { "prefetch-count": 10 }],
    ["queue.purge", { queue }],
    ["basic.get", { queue }],
    ["queue.unbind", { queue, exchange }],
    ["exchange.delete", { exchange }],
    ["queue.delete", { queue }],
  ]);
  await ch.recv(10);
});

scenario("a channel gets what it has just published", async (t) => {
  const ch = await t.channel();
  const queue = t.name("q");
  together(ch, [
    ["queue.declare", { queue }],
    ["basic.publish", { "routing-key": queue }, "one"],
    ["basic.get", { queue, "no-ack": true }],
    ["basic.publish", { "routing-key": queue }, "two"],
    ["basic.get", { queue, "no-ack": true }],
    ["basic.get", { queue, "no-ack": true }],
  ]);
  await ch.recv(4);
});

scenario("a channel gets what it has just published to a durable queue", async (t) => {
  const ch = await t.channel();
  const queue = t.name("q");
  together(ch, [
    ["queue.declare", { queue, durable: true }],
    ["basic.publish", { "routing-key": queue }, "one"],
    ["basic.get", { queue }],
    ["basic.ack", { "delivery-tag": 1 }],
    ["queue.purge", { queue }],
    ["queue.delete", { queue }],
  ]);
  await ch.recv(4);
});

scenario("a publish goes by the bindings of its moment", async (t) => {
  const ch = await t.channel();
  const [queue, exchange] = [await t.queue(ch, "q"), await t.exchange(ch, "x", "fanout")];
  together(ch, [
    ["basic.publish", { exchange }, "before"],
    ["queue.bind", { queue, exchange }],
    ["basic.publish", { exchange }, "bound"],
    ["queue.unbind", { queue, exchange }],
    ["basic.publish", { exchange }, "after"],
  ]);
  await ch.recv(2);
  await ch.barrier(queue);
  await ch.call("basic.get", { queue, "no-ack": true });
});

scenario("what follows an error is ignored", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  together(ch, [
    ["basic.publish", { "routing-key": queue }, "before"],
    ["queue.declare", { queue: t.name("nowhere"), passive: true }],
    ["basic.publish", { "routing-key": queue }, "after"],
    ["queue.delete", { queue }],
    ["queue.declare", { queue: t.name("other") }],
  ]);
  await ch.recv(1);
  await ch.open();
  await ch.barrier(queue);
  await ch.call("queue.declare", { queue: t.name("other"), passive: true });
});

scenario("what was published before an error is kept", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  together(ch, [
    ["basic.publish", { "routing-key": queue }, "one"],
    ["basic.publish", { "routing-key": queue }, "two"],
    ["basic.publish", { exchange: t.name("nowhere") }, "three"],
    ["basic.publish", { "routing-key": queue }, "four"],
  ]);
  await ch.recv(1);
  await ch.open();
  await ch.barrier(queue);
});

scenario("a close right behind publishes keeps them", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  together(ch, [
    ["basic.publish", { "routing-key": queue }, "one"],
    ["channel.close", { "reply-code": 200 }],
  ]);
  await ch.recv(1);
  await ch.open();
  await ch.barrier(queue);
});

scenario("a close of the connection right behind publishes keeps them", async (t) => {
  const [ch, other] = [await t.channel(), await t.channel()];
  const queue = await t.queue(other, "q");
  together(ch, [
    ["basic.publish", { "routing-key": queue }, "one"],
    ["basic.publish", { "routing-key": queue }, "two"],
  ]);
  await ch.connection.channel(0).call("connection.close", { "reply-code": 200 });
  await other.barrier(queue);
});

scenario("a consumer gets what was published before and behind its consume", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  together(ch, [
    ["basic.publish", { "routing-key": queue }, "one"],
    ["basic.publish", { "routing-key": queue }, "two"],
    ["basic.consume", { queue, "consumer-tag": "c", "no-ack": true }],
    ["basic.publish", { "routing-key": queue }, "three"],
  ]);
  await ch.recv(4);
});

scenario("acknowledgements sent in advance of their deliveries close the channel", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  together(ch, [
    ["basic.ack", { "delivery-tag": 1 }],
    ["basic.publish", { "routing-key": queue }, "one"],
    ["basic.get", { queue }],
  ]);
  await ch.recv(1);
});

scenario("many messages keep their order through a queue and a consumer", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", {}, { durable: true });
  await ch.quiet("basic.qos", { "prefetch-count": 50 });
  await ch.quiet("basic.consume", { queue, "consumer-tag": "c" });
  for (let i = 0; i < 500; i++)
    ch.write("basic.publish", { "routing-key": queue }, { props: { "delivery-mode": 2 }, body: String(i) });
  const bodies: string[] = [];
  for (let i = 1; i <= 500; i++) {
    const delivery = await ch.take();
    bodies.push(delivery?.body.toString() ?? "nothing");
    if (i % 10 === 0) ch.write("basic.ack", { "delivery-tag": i, multiple: true });
  }
  t.note(`in order: ${bodies.every((body, index) => body === String(index))}`);
  await ch.barrier(queue);
});

scenario("requests on two channels are each answered in order", async (t) => {
  const connection = await t.connect();
  const [one, two] = [await connection.channel(1).open(), await connection.channel(2).open()];
  const queue = t.name("q");
  for (let i = 0; i < 3; i++) {
    for (const ch of [one, two]) ch.send("queue.declare", { queue });
  }
  await one.recv(3);
  await two.recv(3);
});

scenario("an open, a use and a close of a channel at once", async (t) => {
  const connection = await t.connect();
  const ch = connection.channel(1);
  together(ch, [
    ["channel.open", {}],
    ["queue.declare", { queue: t.name("q") }],
    ["channel.close", { "reply-code": 200 }],
  ]);
  await ch.recv(3);
});
