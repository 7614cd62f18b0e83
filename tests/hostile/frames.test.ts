import assert from "node:assert/strict";
import { test } from "node:test";
import { frame, methodPayload, propertySection, type WireConnection } from "../conformance/amqp091/wire-client.ts";
import { Arena } from "./arena.ts";

const list = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** The reply code with which the connection ends; "closed" if it ends without one. */
async function ending(peer: WireConnection): Promise<unknown> {
  for (;;) {
    const received = await peer.channel(0).take();
    if (received === undefined) return peer.isClosed ? "closed" : "still open";
    if (received.name === "connection.close") return received.fields["reply-code"];
  }
}

/** A frame whose head says one thing and whose bytes say another. */
function liar(type: number, channel: number, size: number, payload = Buffer.alloc(0), end = 206): Buffer {
  const bytes = frame(type, channel, payload);
  bytes.writeUInt32BE(size, 3);
  bytes[bytes.length - 1] = end;
  return bytes;
}

test("frames that are too large, badly ended or of no known type end their connection, with FRAME_ERROR or UNEXPECTED_FRAME", async (t) => {
  const arena = await Arena.open(t);
  await arena.disturb({ growthMebibytesMax: 60 }, async () => {
    const bad: [Buffer, number][] = [
      [liar(1, 1, 0xffff_ffff, Buffer.alloc(1000)), 501],
      [liar(3, 1, 131_073, Buffer.alloc(131_073)), 501],
      [liar(1, 0, 4, Buffer.alloc(4), 0), 501],
      [frame(1, 1, Buffer.of(0, 60)), 501],
      [frame(3, 1, Buffer.from("a body that nothing announced")), 505],
    ];
    for (const [bytes, expected] of bad) {
      const peer = await arena.client();
      await peer.channel(1).open();
      peer.write(bytes);
      assert.ok(
        [expected, 501, 502, 505].includes((await ending(peer)) as number),
        `after ${bytes.subarray(0, 12).toString("hex")}`,
      );
    }
  });
});

test("announced bodies cost nothing until they come, and what is larger than allowed is refused", async (t) => {
  const arena = await Arena.open(t);
  await arena.disturb({ growthMebibytesMax: 100 }, async () => {
    const header = (channel: number, size: bigint): Buffer => {
      const payload = Buffer.alloc(12);
      payload.writeUInt16BE(60, 0);
      payload.writeBigUInt64BE(size, 4);
      return frame(2, channel, Buffer.concat([payload, propertySection({})]));
    };
    const publish = methodPayload("basic.publish", { "routing-key": "nowhere" });

    const promising = await arena.client();
    for (const channel of list(500).map((index) => index + 1)) {
      await promising.channel(channel).open();
      promising.write(Buffer.concat([frame(1, channel, publish), header(channel, 100_000_000n)]));
    }
    assert.ok(await promising.channel(600).open());
    arena.checkMemory(100);

    for (const size of [200_000_000n, 2n ** 63n, 2n ** 64n - 1n]) {
      const peer = await arena.client();
      const channel = await peer.channel(1).open();
      peer.write(Buffer.concat([frame(1, 1, publish), header(1, size)]));
      // RabbitMQ refuses only when the whole body is there.
      const [answer] = await channel.recv(1, 300);
      assert.match(answer?.name ?? "nothing", /^(nothing|(channel|connection)\.close)$/, `for ${size} bytes`);
    }
  });
});

test("headers nested deep are carried, or refused in AMQP's terms", async (t) => {
  const arena = await Arena.open(t);
  await arena.disturb({ growthMebibytesMax: 100 }, async () => {
    const client = await arena.client();
    const channel = await client.channel(1).open();
    await channel.quiet("queue.declare", { queue: "deep", exclusive: true });
    await channel.quiet("exchange.declare", { exchange: "deep.headers", type: "headers", "auto-delete": true });
    await channel.quiet("queue.bind", {
      queue: "deep",
      exchange: "deep.headers",
      arguments: { "x-match": "any", a: 1 },
    });
    for (const depth of [10, 100, 1000, 15_000]) {
      for (const table of [nestedTables(depth), nestedArrays(depth)]) {
        const props = Buffer.concat([Buffer.from([0x20, 0x00]), table]);
        const peer = await arena.client();
        const sender = await peer.channel(1).open();
        await sender.quiet("confirm.select");
        sender.write("basic.publish", { exchange: "deep.headers" }, { props, body: "deep" });
        const answer = (await sender.recv(1))[0];
        assert.match(answer?.name ?? "nothing", /^(basic\.ack|(channel|connection)\.close)$/, `depth ${depth}`);
      }
    }
    // The same as arguments of a queue, which are also compared with those of a second declaration.
    for (const depth of [10, 1000]) {
      let arguments_: Record<string, unknown> = {};
      for (const _ of list(depth)) arguments_ = { n: arguments_ };
      const peer = await arena.client();
      for (const _ of ["declared", "compared"]) {
        const declare = { queue: `deep.${depth}`, "auto-delete": true, arguments: { "x-deep": arguments_ } };
        const answer = await (await peer.channel(1).open()).call("queue.declare", declare);
        assert.match(answer?.name ?? "nothing", /^(queue\.declare-ok|(channel|connection)\.close)$/);
        if (answer?.name !== "queue.declare-ok") break;
      }
    }
  });
});

/** A table in a table in a table, `depth` times. Each level has a length, a name of one letter and a type. */
function nestedTables(depth: number): Buffer {
  const bytes = Buffer.alloc(7 * depth + 4);
  for (let level = 0; level < depth; level++) {
    bytes.writeUInt32BE(7 * (depth - level), 7 * level);
    bytes.write("\x01nF", 7 * level + 4, "latin1");
  }
  return bytes;
}

/** A table with one field, an array in an array, `depth` times. Each level has a length and a type. */
function nestedArrays(depth: number): Buffer {
  const bytes = Buffer.alloc(7 + 5 * depth + 4);
  bytes.writeUInt32BE(bytes.length - 4, 0);
  bytes.write("\x01aA", 4, "latin1");
  for (let level = 0; level < depth; level++) {
    bytes.writeUInt32BE(5 * (depth - level), 7 + 5 * level);
    bytes.write("A", 7 + 5 * level + 4, "latin1");
  }
  return bytes;
}
