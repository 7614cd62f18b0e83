/** Channels: opening, closing, numbers, flow, and content frames that come when they must not. */
import { family } from "../scenario.ts";
import { frame, methodPayload } from "../frames.ts";

const scenario = family("channel");

scenario("a channel is opened, closed and opened again", async (t) => {
  const connection = await t.connect();
  const ch = connection.channel(1);
  await ch.call("channel.open");
  await ch.call("channel.close", { "reply-code": 200, "reply-text": "bye" });
  await ch.call("channel.open");
  await ch.call("queue.declare", { queue: t.name("q") });
});

scenario("channel numbers need no order", async (t) => {
  const connection = await t.connect();
  for (const id of [7, 2, 2047, 1]) await connection.channel(id).call("channel.open");
});

scenario("a channel over the agreed number is refused", async (t) => {
  for (const [channelMax, id] of [
    [0, 2048],
    [2, 3],
    [2047, 2048],
    [2, 65535],
  ]) {
    const connection = await t.connect(channelMax === 0 ? {} : { channelMax: channelMax as number });
    t.note(`channel-max ${channelMax === 0 ? "of the server" : channelMax}`);
    const ch = connection.channel(id as number);
    ch.send("channel.open");
    await ch.recv(1);
  }
});

scenario("only so many channels as agreed, whatever their numbers", async (t) => {
  const connection = await t.connect({ channelMax: 2 });
  await connection.channel(1).call("channel.open");
  await connection.channel(2).call("channel.open");
  connection.channel(3).send("channel.open");
  await connection.channel(3).recv(1);
});

scenario("opening an open channel again ends the connection", async (t) => {
  const ch = await t.channel();
  await ch.call("channel.open");
});

scenario("a method on a channel that is not open ends the connection", async (t) => {
  for (const [method, fields] of [
    ["queue.declare", { queue: "q" }],
    ["basic.ack", { "delivery-tag": 1 }],
    ["channel.flow", { active: true }],
    ["channel.close", { "reply-code": 200 }],
    ["channel.close-ok", {}],
  ] as const) {
    const connection = await t.connect();
    connection.channel(5).send(method, fields);
    await connection.channel(5).recv(1);
  }
});

scenario("content frames on a channel that is not open end the connection", async (t) => {
  for (const type of [2, 3]) {
    const connection = await t.connect();
    connection.raw(frame(type, 5, Buffer.alloc(14)), `frame of type ${type} on channel 5`);
    await connection.channel(5).recv(1);
  }
});

scenario("closing a channel cancels its consumers and puts back what was unacknowledged", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  const other = await ch.connection.channel(2).open();
  for (const body of ["one", "two"]) ch.publish("", queue, body);
  await ch.barrier(queue);
  await other.call("basic.consume", { queue, "consumer-tag": "c" });
  await other.recv(2);
  await other.call("channel.close", { "reply-code": 200 });
  await ch.call("basic.get", { queue });
  await ch.call("basic.get", { queue });
});

scenario("a channel that was closed with an error ignores all but the answer", async (t) => {
  const ch = await t.channel();
  ch.answersClose = false;
  await ch.call("queue.declare", { queue: t.name("nowhere"), passive: true });
  ch.write("queue.declare", { queue: t.name("q") });
  ch.connection.transcript.line('a1 > queue.declare queue="q"');
  ch.publish("", t.name("q"), "ignored");
  ch.send("basic.ack", { "delivery-tag": 99 });
  ch.write("channel.close-ok");
  ch.connection.transcript.line("a1 > channel.close-ok");
  ch.answersClose = true;
  await ch.call("channel.open");
  await ch.call("queue.declare", { queue: t.name("q"), passive: true });
});

scenario("a channel that waits for close-ok takes a close as well", async (t) => {
  const ch = await t.channel();
  ch.answersClose = false;
  await ch.call("queue.declare", { queue: t.name("nowhere"), passive: true });
  await ch.call("channel.close", { "reply-code": 200 });
  ch.write("channel.close-ok");
  ch.connection.transcript.line("a1 > channel.close-ok");
  await ch.call("channel.open");
});

scenario("an error on one channel does not touch another", async (t) => {
  const connection = await t.connect();
  const [one, two] = [await connection.channel(1).open(), await connection.channel(2).open()];
  await one.call("queue.declare", { queue: t.name("nowhere"), passive: true });
  await two.call("queue.declare", { queue: t.name("q") });
});

scenario("channel.flow is answered when active, and refused otherwise", async (t) => {
  const ch = await t.channel();
  await ch.call("channel.flow", { active: true });
  await ch.call("channel.flow", { active: false });
});

scenario("methods that only a server sends are refused on a channel", async (t) => {
  for (const method of [
    "queue.declare-ok",
    "basic.consume-ok",
    "exchange.declare-ok",
    "channel.open-ok",
    "tx.select-ok",
    "basic.get-empty",
    "confirm.select-ok",
  ]) {
    const ch = await t.channel();
    ch.send(method);
    await ch.recv(1);
  }
});

scenario("methods with content that only a server sends are refused", async (t) => {
  for (const method of ["basic.deliver", "basic.return", "basic.get-ok"]) {
    const ch = await t.channel();
    ch.send(method, {}, { body: "x" });
    await ch.recv(1);
  }
});

scenario("access.request is answered", async (t) => {
  const ch = await t.channel();
  await ch.call("access.request", { realm: "/data", active: true, write: true, read: true });
});

scenario("a content header without a method", async (t) => {
  const ch = await t.channel();
  const [header] = ch.contentFrames({ body: "" });
  ch.connection.raw(header as Buffer, "content header");
  await ch.recv(1);
});

scenario("a content body without a header", async (t) => {
  const ch = await t.channel();
  ch.connection.raw(frame(3, 1, Buffer.from("abc")), "content body");
  await ch.recv(1);
});

scenario("a method where a content header is due", async (t) => {
  const ch = await t.channel();
  ch.send("basic.publish", { "routing-key": t.name("q") });
  ch.send("queue.declare", { queue: t.name("q") });
  await ch.recv(1);
});

scenario("a body where a content header is due", async (t) => {
  const ch = await t.channel();
  ch.send("basic.publish", { "routing-key": t.name("q") });
  ch.connection.raw(frame(3, 1, Buffer.from("abc")), "content body");
  await ch.recv(1);
});

scenario("a method where a content body is due", async (t) => {
  const ch = await t.channel();
  const [header] = ch.contentFrames({ bodySize: 5 });
  ch.send("basic.publish", { "routing-key": t.name("q") });
  ch.connection.raw(header as Buffer, "content header for 5 bytes");
  ch.send("queue.declare", { queue: t.name("q") });
  await ch.recv(1);
});

scenario("a second header where a content body is due", async (t) => {
  const ch = await t.channel();
  const [header] = ch.contentFrames({ bodySize: 5 });
  ch.send("basic.publish", { "routing-key": t.name("q") });
  ch.connection.raw(Buffer.concat([header as Buffer, header as Buffer]), "content header for 5 bytes, twice");
  await ch.recv(1);
});

scenario("a content header of another class than its method", async (t) => {
  const ch = await t.channel();
  ch.send("basic.publish", { "routing-key": t.name("q") });
  const header = Buffer.alloc(14);
  header.writeUInt16BE(50, 0);
  ch.connection.raw(frame(2, 1, header), "content header of class 50");
  await ch.recv(1);
});

scenario("a content header with a weight", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.send("basic.publish", { "routing-key": queue });
  const header = Buffer.alloc(14);
  header.writeUInt16BE(60, 0);
  header.writeUInt16BE(7, 2);
  ch.connection.raw(frame(2, 1, header), "content header with weight 7");
  await ch.recv(1);
});

scenario("empty body frames are taken", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  const [header] = ch.contentFrames({ bodySize: 3 });
  ch.send("basic.publish", { "routing-key": queue });
  const bodies = ["", "ab", "", "c"].map((text) => frame(3, 1, Buffer.from(text)));
  ch.connection.raw(Buffer.concat([header as Buffer, ...bodies]), "content header for 3 bytes, bodies of 0, 2, 0, 1");
  await ch.barrier(queue);
  await ch.call("basic.get", { queue, "no-ack": true });
});

scenario("a body frame behind an empty content", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, "");
  ch.connection.raw(frame(3, 1, Buffer.alloc(0)), "content body of 0 bytes");
  await ch.recv(1);
});

scenario("contents of two channels may interleave", async (t) => {
  const connection = await t.connect();
  const [one, two] = [await connection.channel(1).open(), await connection.channel(2).open()];
  const queue = await t.queue(one, "q");
  const first = [
    frame(1, 1, methodPayload("basic.publish", { "routing-key": queue })),
    ...one.contentFrames({ body: "first" }),
  ];
  const second = [
    frame(1, 2, methodPayload("basic.publish", { "routing-key": queue })),
    ...two.contentFrames({ body: "second" }),
  ];
  const mixed = first.flatMap((bytes, index) => [bytes, second[index] as Buffer]);
  connection.raw(Buffer.concat(mixed), "method 1, method 2, header 1, header 2, body 1, body 2");
  await two.barrier(queue);
  await one.barrier(queue);
});

scenario("a property section with bad flags", async (t) => {
  for (const [text, bytes] of [
    ["a continuation bit", [0x80, 0x01, 0, 0, 4, 116, 101, 120, 116]],
    ["a flag that no property has", [0, 2]],
    ["a string cut short", [0x80, 0, 9, 97]],
    ["bytes behind the properties", [0, 0, 1, 2, 3]],
    ["no flags at all", []],
  ] as const) {
    const ch = await t.channel();
    const queue = await t.queue(ch, text);
    ch.send("basic.publish", { "routing-key": queue }, { props: Buffer.from(bytes) });
    await ch.call("queue.purge", { queue });
  }
});
