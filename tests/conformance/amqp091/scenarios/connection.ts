/** Connections: the handshake in all its wrong variants, frames that break the rules, and the ways to close. */
import { PROTOCOL_HEADER, startOk } from "../handshake.ts";
import { family, type ScenarioContext } from "../scenario.ts";
import { as, longString, shortString } from "../values.ts";
import { frame, methodPayload, type Fields } from "../frames.ts";
import type { WireConnection } from "../wire-client.ts";

const scenario = family("connection");

/** A connection that has received connection.start, without a line. */
async function started(t: ScenarioContext): Promise<WireConnection> {
  // A refusal is answered late, up to eight seconds when scenarios at the same time have logins refused as well.
  t.patienceMs = 15_000;
  const connection = await t.tcp();
  connection.write(PROTOCOL_HEADER);
  await connection.channel(0).take();
  return connection;
}

/** A connection that has received connection.tune, without a line. */
async function tuned(t: ScenarioContext, capabilities?: Fields): Promise<WireConnection> {
  const connection = await started(t);
  connection.channel(0).write("connection.start-ok", startOk("guest", "guest", capabilities));
  await connection.channel(0).take();
  return connection;
}

/** Answers connection.start in several ways, each on a connection of its own; all at once, since RabbitMQ makes the refused wait. */
async function logins(t: ScenarioContext, variants: readonly Fields[]): Promise<void> {
  const connections: WireConnection[] = [];
  for (const _ of variants) connections.push(await started(t));
  connections.forEach((connection, index) => connection.channel(0).send("connection.start-ok", variants[index]));
  for (const connection of connections) await connection.channel(0).recv(1);
}

const TUNE = { "channel-max": 2047, "frame-max": 131072, heartbeat: 0 };

scenario("the handshake of an ordinary client", async (t) => {
  const connection = await t.tcp();
  const zero = connection.channel(0);
  connection.raw(PROTOCOL_HEADER, "AMQP 0 0 9 1");
  const start = await zero.take();
  const fields: Fields = start?.fields ?? {};
  t.note(
    `version ${String(fields["version-major"])}.${String(fields["version-minor"])}, locales ${String(fields["locales"])}`,
  );
  t.note(`mechanisms: ${String(fields["mechanisms"]).split(" ").toSorted().join(" ")}`);
  for (const [key, { type, value }] of fields["server-properties"] as [string, { type: string; value: unknown }][]) {
    if (key !== "capabilities") {
      t.note(`server property ${key} of type ${type}`);
      continue;
    }
    for (const [capability, flag] of value as [string, { type: string; value: unknown }][]) {
      t.note(`capability ${capability}: ${flag.type} ${String(flag.value)}`);
    }
  }
  await zero.call("connection.start-ok", startOk("guest", "guest"));
  zero.send("connection.tune-ok", TUNE);
  await zero.call("connection.open", { "virtual-host": "/" });
  await zero.call("connection.close", { "reply-code": 200, "reply-text": "bye" });
});

for (const [text, header] of [
  ["AMQP 0-9", "AMQP\x01\x01\x09\x00"],
  ["AMQP 0-9 as 0 0 9 0", "AMQP\x00\x00\x09\x00"],
  ["AMQP 0-10", "AMQP\x01\x01\x00\x0a"],
  ["an unknown version", "AMQP\x00\x00\x09\x02"],
  ["an unknown protocol id", "AMQP\x05\x00\x09\x01"],
  ["AMQP 1.0", "AMQP\x00\x01\x00\x00"],
  ["HTTP", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["eight zero bytes", "\0\0\0\0\0\0\0\0"],
] as const) {
  scenario(`the first bytes are those of ${text}`, async (t) => {
    const connection = await t.tcp();
    connection.raw(Buffer.from(header, "latin1"), JSON.stringify(header));
    await connection.closedByServer(15_000);
    t.note(`the server said ${connection.takeHeader()}`);
  });
}

scenario("a wrong password is refused with a close if the client can take one", async (t) => {
  const connection = await started(t);
  await connection.channel(0).call("connection.start-ok", startOk("guest", "wrong"));
  await connection.closedByServer();
});

scenario("a wrong password closes the socket if the client did not say that it takes a close", async (t) => {
  const connection = await started(t);
  await connection.channel(0).call("connection.start-ok", startOk("guest", "wrong", {}));
});

scenario("an unknown user is refused like a wrong password", async (t) => {
  const connection = await started(t);
  await connection.channel(0).call("connection.start-ok", startOk("nobody", "nothing"));
});

scenario("an empty password and an empty user are refused", async (t) => {
  await logins(t, [startOk("guest", ""), startOk("", ""), startOk("", "guest")]);
});

scenario("an unknown mechanism is refused", async (t) => {
  await logins(
    t,
    ["NOSUCH", "plain", "", "EXTERNAL"].map((mechanism) => ({ ...startOk("guest", "guest"), mechanism })),
  );
});

scenario("a PLAIN response that is malformed is refused", async (t) => {
  const responses = ["", "guest", "\0guest", "guest\0guest", "a\0guest\0guest", "\0guest\0guest\0"];
  await logins(
    t,
    responses.map((response) => ({ ...startOk("guest", "guest"), response })),
  );
});

scenario("AMQPLAIN takes a table without its length", async (t) => {
  const login = (user: string, password: string): Buffer =>
    Buffer.concat([
      shortString("LOGIN"),
      Buffer.from("S"),
      longString(user),
      shortString("PASSWORD"),
      Buffer.from("S"),
      longString(password),
    ]);
  const responses = [
    login("guest", "guest"),
    login("guest", "wrong"),
    login("guest", "guest").subarray(0, 15),
    Buffer.alloc(0),
  ];
  await logins(
    t,
    responses.map((response) => ({ ...startOk("guest", "guest"), mechanism: "AMQPLAIN", response })),
  );
});

scenario("the locale does not matter", async (t) => {
  for (const locale of ["", "de_DE"]) {
    const connection = await started(t);
    await connection.channel(0).call("connection.start-ok", { ...startOk("guest", "guest"), locale });
  }
});

scenario("client properties may be anything", async (t) => {
  const connection = await started(t);
  const odd = { capabilities: "not a table", product: 5, nested: { a: [1, { b: null }] }, when: as("T", 1) };
  await connection.channel(0).call("connection.start-ok", { ...startOk("guest", "guest"), "client-properties": odd });
});

scenario("the tune of the server", async (t) => {
  const connection = await started(t);
  await connection.channel(0).call("connection.start-ok", startOk("guest", "guest"));
});

for (const [text, tune] of [
  ["a frame size of 4095", { ...TUNE, "frame-max": 4095 }],
  ["a frame size of 1", { ...TUNE, "frame-max": 1 }],
  ["a frame size over that of the server", { ...TUNE, "frame-max": 131073 }],
  ["more channels than the server allows", { ...TUNE, "channel-max": 2048 }],
  ["as many channels as possible", { ...TUNE, "channel-max": 65535 }],
  ["no limit of channels", { ...TUNE, "channel-max": 0 }],
  ["no limit of frames", { ...TUNE, "frame-max": 0 }],
  ["the smallest frames", { ...TUNE, "frame-max": 4096 }],
  ["one channel", { ...TUNE, "channel-max": 1 }],
] as const) {
  scenario(`a client tunes ${text}`, async (t) => {
    const connection = await tuned(t);
    const zero = connection.channel(0);
    zero.send("connection.tune-ok", tune);
    await zero.call("connection.open", { "virtual-host": "/" });
  });
}

scenario("an unknown virtual host is refused", async (t) => {
  for (const host of ["nowhere", "", "//", "ünknown"]) {
    const connection = await tuned(t);
    connection.channel(0).write("connection.tune-ok", TUNE);
    await connection.channel(0).call("connection.open", { "virtual-host": host });
    await connection.closedByServer();
  }
});

scenario("connection.open before the login ends the connection", async (t) => {
  const connection = await started(t);
  await connection.channel(0).call("connection.open", { "virtual-host": "/" });
});

scenario("connection.tune-ok before the login ends the connection", async (t) => {
  const connection = await started(t);
  await connection.channel(0).call("connection.tune-ok", TUNE);
});

scenario("connection.open before the tune ends the connection", async (t) => {
  const connection = await tuned(t);
  await connection.channel(0).call("connection.open", { "virtual-host": "/" });
});

scenario("a second connection.tune-ok ends the connection", async (t) => {
  const connection = await tuned(t);
  connection.channel(0).send("connection.tune-ok", TUNE);
  await connection.channel(0).call("connection.tune-ok", TUNE);
});

scenario("a handshake method on an open connection is refused", async (t) => {
  for (const [method, fields] of [
    ["connection.start-ok", startOk("guest", "guest")],
    ["connection.tune-ok", TUNE],
    ["connection.open", { "virtual-host": "/" }],
    ["connection.secure-ok", { response: "" }],
  ] as const) {
    const connection = await t.connect();
    connection.channel(0).write(method, fields);
    connection.transcript.line(`${connection.label}0 > ${method}`);
    await connection.channel(0).recv(1);
  }
});

scenario("methods that only a server sends are refused from a client", async (t) => {
  for (const method of [
    "connection.start",
    "connection.tune",
    "connection.open-ok",
    "connection.blocked",
    "connection.close-ok",
  ]) {
    const connection = await t.connect();
    await connection.channel(0).call(method);
  }
});

scenario("a method of another class on channel 0 is refused", async (t) => {
  for (const method of ["channel.open", "queue.declare", "basic.publish", "tx.select"]) {
    const connection = await t.connect();
    await connection.channel(0).call(method);
  }
});

scenario("a connection method on another channel is refused", async (t) => {
  const one = await t.connect();
  one.channel(1).send("connection.close", { "reply-code": 200 });
  await one.channel(1).recv(1);
  const two = await t.channel();
  two.send("connection.close", { "reply-code": 200 });
  await two.recv(1);
});

scenario("an unknown class or method ends the connection", async (t) => {
  for (const [classId, methodId] of [
    [60, 999],
    [999, 10],
    [0, 0],
    [10, 99],
  ]) {
    const ch = await t.channel();
    const payload = Buffer.alloc(8);
    payload.writeUInt16BE(classId as number, 0);
    payload.writeUInt16BE(methodId as number, 2);
    ch.connection.raw(frame(1, 1, payload), `method ${classId},${methodId} on channel 1`);
    await ch.recv(1);
  }
});

scenario("an unknown method on channel 0 ends the connection", async (t) => {
  const connection = await t.connect();
  connection.raw(frame(1, 0, Buffer.from([0, 99, 0, 99])), "method 99,99 on channel 0");
  await connection.channel(0).recv(1);
});

scenario("a method whose fields end too early", async (t) => {
  for (const [text, payload] of [
    ["queue.declare without anything", methodPayload("queue.declare").subarray(0, 4)],
    ["queue.declare cut in its name", methodPayload("queue.declare", { queue: "abcdef" }).subarray(0, 9)],
    ["basic.ack cut in its tag", methodPayload("basic.ack").subarray(0, 8)],
    ["nothing at all", Buffer.alloc(0)],
    ["three bytes", Buffer.from([0, 50, 0])],
  ] as const) {
    const ch = await t.channel();
    ch.connection.raw(frame(1, 1, payload), text);
    await ch.recv(1);
  }
});

scenario("a method with bytes behind its fields", async (t) => {
  const ch = await t.channel();
  const payload = Buffer.concat([methodPayload("channel.flow", { active: true }), Buffer.from("more")]);
  ch.connection.raw(frame(1, 1, payload), "channel.flow and four more bytes");
  await ch.recv(1);
});

scenario("a table whose length or types are wrong", async (t) => {
  const declare = (args: Buffer): Buffer =>
    Buffer.concat([Buffer.from([0, 50, 0, 10, 0, 0]), shortString("q"), Buffer.from([0]), args]);
  for (const [text, args] of [
    ["a length past the end", Buffer.from([0, 0, 0, 50, 1, 97, 116, 1])],
    ["an unknown type", Buffer.from([0, 0, 0, 4, 1, 97, 0x3f, 1])],
    ["a value cut short", Buffer.from([0, 0, 0, 4, 1, 97, 0x49, 1])],
    ["a key cut short", Buffer.from([0, 0, 0, 2, 9, 97])],
  ] as const) {
    const ch = await t.channel();
    ch.connection.raw(frame(1, 1, declare(args)), `queue.declare with a table with ${text}`);
    await ch.recv(1);
  }
});

scenario("a frame that does not end with 206", async (t) => {
  const ch = await t.channel();
  const bytes = frame(1, 1, methodPayload("channel.flow", { active: true }));
  bytes[bytes.length - 1] = 205;
  ch.connection.raw(bytes, "channel.flow in a frame that ends with 205");
  await ch.recv(1);
  await ch.connection.closedByServer();
});

scenario("a frame of an unknown type", async (t) => {
  for (const type of [0, 4, 5, 9, 255]) {
    const ch = await t.channel();
    ch.connection.raw(frame(type, 1, Buffer.from("abcd")), `frame of type ${type} on channel 1`);
    await ch.recv(1);
  }
});

scenario("a frame of an unknown type on channel 0", async (t) => {
  const connection = await t.connect();
  connection.raw(frame(9, 0, Buffer.from("abcd")), "frame of type 9 on channel 0");
  await connection.channel(0).recv(1);
});

scenario("a frame over the agreed size", async (t) => {
  const connection = await t.connect({ frameMax: 4096 });
  const ch = await connection.channel(1).open();
  const queue = await t.queue(ch, "q");
  ch.publish("", queue, Buffer.alloc(4088, "a"));
  await ch.barrier(queue);
  const publish = Buffer.concat([frame(1, 1, methodPayload("basic.publish", { "routing-key": queue }))]);
  for (const length of [4096, 4097]) {
    const [header] = ch.contentFrames({ bodySize: length });
    const bytes = Buffer.concat([publish, header as Buffer, frame(3, 1, Buffer.alloc(length, "a"))]);
    connection.raw(bytes, `basic.publish with a body frame of ${length} bytes`);
    await ch.barrier(queue);
  }
});

scenario("a frame over the agreed size in the handshake", async (t) => {
  const connection = await started(t);
  const properties = { long: "x".repeat(5000) };
  await connection
    .channel(0)
    .call("connection.start-ok", { ...startOk("guest", "guest"), "client-properties": properties });
});

scenario("content frames on channel 0", async (t) => {
  for (const type of [2, 3]) {
    const connection = await t.connect();
    connection.raw(frame(type, 0, Buffer.alloc(14)), `frame of type ${type} on channel 0`);
    await connection.channel(0).recv(1);
  }
});

scenario("a heartbeat is taken at any time, with or without content", async (t) => {
  const ch = await t.channel();
  ch.connection.raw(frame(8, 0, Buffer.alloc(0)), "heartbeat");
  await ch.call("channel.flow", { active: true });
  ch.connection.raw(frame(8, 1, Buffer.alloc(0)), "heartbeat on channel 1");
  await ch.call("channel.flow", { active: true });
  ch.connection.raw(frame(8, 0, Buffer.from("abc")), "heartbeat with content");
  await ch.call("channel.flow", { active: true });
});

scenario("a heartbeat between the frames of a content", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  const [header, body] = ch.contentFrames({ body: "content" });
  ch.connection.write(
    Buffer.concat([frame(1, 1, methodPayload("basic.publish", { "routing-key": queue })), header as Buffer]),
  );
  ch.connection.raw(Buffer.concat([frame(8, 0, Buffer.alloc(0)), body as Buffer]), "method, header, heartbeat, body");
  await ch.barrier(queue);
});

scenario("heartbeats come when they were asked for", async (t) => {
  const connection = await t.connect({ heartbeatSeconds: 1 });
  const came = await connection.waitFor(() => connection.heartbeats >= 2, 3000);
  t.note(`two heartbeats within three seconds: ${came}`);
});

scenario("a client that sends no heartbeats is dropped", async (t) => {
  const connection = await t.connect({ heartbeatSeconds: 1 });
  await connection.closedByServer(8000);
});

scenario("a close by the client is answered, whatever its code", async (t) => {
  const connection = await t.connect();
  await connection
    .channel(0)
    .call("connection.close", { "reply-code": 541, "reply-text": "odd", "class-id": 10, "method-id": 40 });
});

scenario("after its close a server takes only the answer", async (t) => {
  const connection = await t.connect();
  connection.answersClose = false;
  const zero = connection.channel(0);
  await zero.call("channel.open");
  zero.send("channel.open");
  connection.channel(1).send("channel.open");
  zero.send("connection.close-ok");
  await connection.closedByServer();
});

scenario("both sides close at once", async (t) => {
  const connection = await t.connect();
  connection.answersClose = false;
  const zero = connection.channel(0);
  await zero.call("channel.open");
  await zero.call("connection.close", { "reply-code": 200 });
});

scenario("a secret is not updated by those who have none to update", async (t) => {
  const connection = await t.connect();
  await connection.channel(0).call("connection.update-secret", { "new-secret": "guest", reason: "test" });
});

scenario("several frames in one write, and one frame in many", async (t) => {
  const connection = await t.connect();
  const ch = await connection.channel(1).open();
  const queue = t.name("q");
  const declare = frame(1, 1, methodPayload("queue.declare", { queue }));
  connection.raw(Buffer.concat([declare, declare, declare]), "three times queue.declare in one write");
  await ch.recv(3);
  t.line("a > queue.declare byte by byte");
  for (const byte of declare) {
    connection.write(Buffer.from([byte]));
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
  await ch.recv(1);
});

scenario("the protocol header arrives in pieces", async (t) => {
  const connection = await t.tcp();
  t.line("a > AMQP 0 0 9 1 byte by byte");
  for (const byte of PROTOCOL_HEADER) {
    connection.write(Buffer.from([byte]));
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
  const start = await connection.channel(0).take();
  t.note(`came: ${start?.name}`);
});

scenario("two connections have nothing to do with each other", async (t) => {
  const [one, two] = [await t.channel(), await t.channel()];
  await one.call("queue.declare", { queue: t.name("nowhere"), passive: true });
  await two.call("queue.declare", { queue: t.name("q") });
  await one.connection.drop();
  await two.call("queue.declare", { queue: t.name("q"), passive: true });
});
