import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mutated } from "./codec-arbitraries.suite.ts";
import { FrameParser, protocolOf } from "./codec-parser.ts";
import { frameTypes } from "./frames.ts";

const protocolHeader = Buffer.from("AMQP\0\0\x09\x01", "latin1");
const frameMaxBytes = 131_072;

interface Frame {
  type: number;
  channel: number;
  payload: string;
}

const payloads = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 1, arbitrary: fc.nat(100_000).map((length) => new Uint8Array(length).fill(length)) },
);

const frames: fc.Arbitrary<Frame[]> = fc.array(
  fc.record(
    {
      type: fc.constantFrom(1, 2, 3, 8),
      channel: fc.nat(65_535),
      payload: payloads.map((bytes) => Buffer.from(bytes).toString("latin1")),
    },
    { noNullPrototype: true },
  ),
  { maxLength: 8 },
);

function bytesOf(sent: Frame[]): Buffer {
  const pieces = [protocolHeader];
  for (const { type, channel, payload } of sent) {
    const header = Buffer.alloc(7);
    header[0] = type;
    header.writeUInt16BE(channel, 1);
    header.writeUInt32BE(payload.length, 3);
    pieces.push(header, Buffer.from(payload, "latin1"), Buffer.of(206));
  }
  return Buffer.concat(pieces);
}

/** Cuts into chunks of these sizes, over and over; each chunk has memory of its own, wiped once it is parsed. */
function parse(bytes: Buffer, sizes: number[], parser = new FrameParser()): Frame[] {
  parser.frameMaxBytes = frameMaxBytes;
  const found: Frame[] = [];
  let turn = 0;
  for (let at = 0; at < bytes.length;) {
    const size = sizes.length === 0 ? bytes.length : sizes[turn++ % sizes.length]!;
    const chunk = Buffer.from(bytes.subarray(at, at + size));
    at += size;
    parser.push(chunk);
    while (parser.next()) {
      const payload = parser.buffer.toString("latin1", parser.start, parser.end);
      found.push({ type: parser.type, channel: parser.channel, payload });
    }
    chunk.fill(0xee);
  }
  return found;
}

const cuts = fc.oneof(
  fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 10 }),
  fc.array(fc.integer({ min: 1, max: 70_000 }), { maxLength: 10 }),
);

test("the frames are the same however the bytes are cut", () => {
  fc.assert(
    fc.property(frames, cuts, (sent, sizes) => {
      const first = { type: frameTypes.protocolHeader, channel: 0, payload: protocolHeader.toString("latin1") };
      assert.deepEqual(parse(bytesOf(sent), sizes), [first, ...sent]);
    }),
    { numRuns: 200 },
  );
});

test("no bytes make it throw, and its verdict does not depend on the cuts", () => {
  fc.assert(
    fc.property(mutated(frames.map(bytesOf)), cuts, (bytes, sizes) => {
      const whole = new FrameParser();
      const cut = new FrameParser();
      assert.deepEqual(parse(bytes, sizes, cut), parse(bytes, [], whole));
      assert.deepEqual(cut.fault, whole.fault);
    }),
    { numRuns: 300 },
  );
});

test("a payload may pass the limit by the frame's overhead, as in RabbitMQ, and no more", () => {
  const parser = new FrameParser();
  const payload = "x".repeat(frameMaxBytes);
  assert.equal(parse(bytesOf([{ type: 3, channel: 1, payload }]), [65_536], parser).length, 2);
  assert.equal(parser.fault, null);

  // The header alone is enough to refuse it.
  const refused = new FrameParser();
  const bytes = bytesOf([{ type: 3, channel: 9, payload: `${payload}x` }]);
  assert.equal(parse(bytes.subarray(0, 15), [], refused).length, 1);
  assert.deepEqual(refused.fault, {
    kind: "frame-too-large",
    type: 3,
    channel: 9,
    size: frameMaxBytes + 1,
    endOctet: 0,
    payload: Buffer.alloc(0),
  });
});

test("without a limit, a frame of several megabytes is put together", () => {
  const parser = new FrameParser();
  const payload = "y".repeat(5_000_000);
  const bytes = bytesOf([
    { type: 3, channel: 1, payload },
    { type: 8, channel: 0, payload: "" },
  ]);
  let sizes = 0;
  for (let at = 0; at < bytes.length; at += 65_536) {
    parser.push(bytes.subarray(at, at + 65_536));
    parser.frameMaxBytes = 0;
    while (parser.next()) sizes += parser.end - parser.start;
  }
  assert.equal(sizes, 8 + 5_000_000);
});

test("a wrong end octet is a fault, and nothing is read after it", () => {
  const wrongEnd = new FrameParser();
  assert.equal(
    parse(Buffer.concat([protocolHeader, Buffer.from("0100010000000300000001", "hex")]), [3], wrongEnd).length,
    1,
  );
  const payload = Buffer.alloc(3);
  assert.deepEqual(wrongEnd.fault, { kind: "bad-end", type: 1, channel: 1, size: 3, endOctet: 1, payload });
  wrongEnd.push(bytesOf([]));
  assert.equal(wrongEnd.next(), false);
});

test("between frames, nothing of a chunk is kept", () => {
  const parser = new FrameParser();
  parse(bytesOf([{ type: 1, channel: 1, payload: "abc" }]), [], parser);
  assert.equal(parser.keptBytes, 0);
  assert.equal(parser.buffer.length, 0);
});

test("the first eight bytes tell the protocol", () => {
  const told = (text: string) => protocolOf(Buffer.from(text, "latin1"), 0);
  assert.equal(told("AMQP\0\0\x09\x01"), "amqp-0-9-1");
  assert.equal(told("AMQP\x01\x01\0\x09"), "amqp-0-9");
  assert.equal(told("AMQP\x03\x01\0\0"), "amqp-1-0-sasl");
  assert.equal(told("AMQP\0\x01\0\0"), "amqp-1-0");
  assert.equal(told("AMQP\x01\x01\x08\0"), "amqp-other");
  assert.equal(told("GET / HT"), "http");
  assert.equal(told("\x16\x03\x01\x02\0\x01\0\0"), "tls");
  assert.equal(told("SSH-2.0-"), "unknown");
});
