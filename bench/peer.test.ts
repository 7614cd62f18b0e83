import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { frame, method, MethodFrame, publishFrames } from "./frames.ts";
import { Histogram } from "./histogram.ts";
import { Peer } from "./peer.ts";
import { nowMs, Publisher, stampedMs, stampedSequence } from "./publisher.ts";
import { windowOf } from "./growth-scenarios.ts";
import { topicBinding } from "./scenarios.ts";

const script: Readonly<Record<number, MethodFrame>> = {
  [method.connectionStartOk]: new MethodFrame(0, method.connectionTune).u16(10).u32(131072).u16(0),
  [method.connectionOpen]: new MethodFrame(0, method.connectionOpenOk).shortString(""),
  [method.channelOpen]: new MethodFrame(1, method.channelOpenOk).longString(""),
};

/** A server that gets through the handshake and is then silent. */
function listen(): Promise<Server> {
  const server = createServer((socket: Socket) => {
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      if (chunk.toString("latin1", 0, 4) === "AMQP") {
        const start = new MethodFrame(0, method.connectionStart).u8(0).u8(9).table({});
        socket.write(start.longString("PLAIN").longString("en_US").bytes());
        return;
      }
      for (let at = 0; at < chunk.length; at += chunk.readUInt32BE(at + 3) + 8) {
        const answer = script[chunk.readUInt32BE(at + 7)];
        if (answer) socket.write(answer.bytes());
      }
    });
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

function delivery(tag: number, body: Buffer): Buffer {
  const deliver = new MethodFrame(3, method.basicDeliver)
    .shortString("tag")
    .u64(tag)
    .u8(tag & 1)
    .shortString("exchange")
    .shortString("key");
  const header = Buffer.alloc(14);
  header.writeBigUInt64BE(BigInt(body.length), 4);
  const frames: Buffer[] = [];
  for (let at = 0; at < body.length; at += 120) frames.push(frame(3, 3, body.subarray(at, at + 120)));
  return Buffer.concat([deliver.bytes(), frame(2, 3, header), ...frames]);
}

test("a peer sees the same deliveries and confirms however bytes and bodies are cut", async () => {
  const server = await listen();
  const address = server.address() as { port: number };
  const peer = await Peer.open(`amqp://127.0.0.1:${address.port}`);
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 300 }), { minLength: 1, maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1, maxLength: 20 }),
      (sizes, cuts) => {
        const seen: string[] = [];
        const expected: string[] = [];
        peer.receiver = {
          deliver: (channel, tag, redelivered, bytes, at) =>
            seen.push(`deliver ${channel} ${tag} ${redelivered} ${bytes[at]}`),
          confirm: (channel, tag, multiple, refused) => seen.push(`confirm ${channel} ${tag} ${multiple} ${refused}`),
          pause: () => {},
        };
        const stream = Buffer.concat(
          sizes.map((size, index) => {
            const tag = index * 2 ** 30 + 1;
            expected.push(`deliver 3 ${tag} ${(tag & 1) === 1} 65`, `confirm 7 ${tag} true false`);
            const ack = new MethodFrame(7, method.basicAck).u64(tag).u8(1).bytes();
            return Buffer.concat([delivery(tag, Buffer.alloc(size + 1, "A")), ack]);
          }),
        );
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const count = Math.min(cuts[turn % cuts.length]!, stream.length - at);
          peer.receive(Buffer.from(stream.subarray(at, at + count)), count);
          at += count;
        }
        assert.deepEqual(seen, expected);
      },
    ),
  );
  peer.destroy();
  server.close();
});

test("a publish says where its body and its delay are", () => {
  const shape = { channel: 1, exchange: "e", routingKey: "k", persistent: true, bodyBytes: 20, frameBytesMax: 131072 };
  const { bytes, bodyAt, delayAt } = publishFrames({ ...shape, delayed: true });
  assert.equal(bytes.toString("latin1", delayAt - 8, delayAt), "x-delayI".slice(-8));
  assert.equal(bytes.toString("latin1", bodyAt, bodyAt + 20), ".".repeat(20));
  assert.equal(bytes[delayAt + 4], 2);
});

test("a long body is published in frames of the agreed size, and a stamp is read back to the 128th of a millisecond", async () => {
  const shape = { channel: 1, exchange: "e", routingKey: "k", persistent: true, delayed: false };
  const { bytes, bodyAt } = publishFrames({ ...shape, bodyBytes: 250, frameBytesMax: 108 });
  const sizes = [0, 108, 216].map((at) => bytes.readUInt32BE(bodyAt - 4 + at));
  assert.deepEqual(sizes, [100, 100, 50]);
  assert.equal(bytes.length, bodyAt + 250 + 2 * 8 + 1);
  const server = await listen();
  const peer = await Peer.open(`amqp://127.0.0.1:${(server.address() as { port: number }).port}`);
  const written: Buffer[] = [];
  peer.write = (part) => void written.push(part);
  const options = { channel: 1, exchange: "", routingKeys: ["q"], persistent: true, window: 4, limit: 0 };
  const beforeMs = nowMs();
  new Publisher(peer, { ...options, bodyBytes: 10, firstSequence: 70_000 }).allow(2);
  const sent = Buffer.concat(written);
  const at = sent.length - 11;
  assert.equal(stampedSequence(sent, at), 70_001);
  assert.ok(stampedMs(sent, at) > beforeMs - 0.01 && stampedMs(sent, at) <= nowMs());
  peer.destroy();
  server.close();
});

test("a histogram's quantiles are within one percent", () => {
  const histogram = new Histogram();
  for (let us = 1; us <= 100_000; us++) histogram.record(us);
  for (const fraction of [0.1, 0.5, 0.99]) {
    const error = Math.abs(histogram.quantileUs(fraction) / (fraction * 100_000) - 1);
    assert.ok(error < 0.01, `${fraction}: ${error}`);
  }
});

test("topic keys have one length, so that a ring of frames can hold them", () => {
  const lengths = new Set(Array.from({ length: 9999 }, (_, index) => topicBinding(index).key.length));
  assert.equal(lengths.size, 1);
});

test("what is under way stays within ten thousand messages and sixteen megabytes, and is never nothing", () => {
  assert.equal(windowOf(1, 1, 100), 1000);
  assert.equal(windowOf(200, 1, 100), 50);
  assert.equal(windowOf(10_000, 1, 100), 1);
  assert.equal(windowOf(1, 1000, 100), 10);
  assert.equal(windowOf(1, 1, 1_000_000), 16);
  assert.equal(windowOf(100, 1, 1_000_000), 1);
});
