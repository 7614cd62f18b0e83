import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FrameReader, type Framing, notAFrame } from "./frame-reader.ts";

const payloadBytesMax = 5_000_000;

/** A size of four bytes, as in Kafka and AMQP 1.0. */
const sized: Framing = {
  measure(buffer, start, end) {
    if (end - start < 4) return 4;
    const size = buffer.readUInt32BE(start);
    return size <= payloadBytesMax ? 4 + size : notAFrame;
  },
};

/** A letter, then a size in groups of seven bits, as in MQTT: how long the size is tells only the size. */
const varied: Framing = {
  measure(buffer, start, end) {
    let size = 0;
    for (let at = 1; at <= 4; at++) {
      if (start + at >= end) return at + 1;
      const group = buffer[start + at]!;
      size += (group & 0x7f) * 128 ** (at - 1);
      if (group < 128) return 1 + at + size;
    }
    return notAFrame;
  },
};

function sizedFrame(payload: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(payload.length);
  return Buffer.concat([size, payload]);
}

function variedFrame(payload: Buffer): Buffer {
  const head = [0x30];
  for (let rest = payload.length; ; rest >>>= 7) {
    if (rest < 128) return Buffer.concat([Buffer.of(...head, rest), payload]);
    head.push((rest & 0x7f) | 0x80);
  }
}

/** Cuts into chunks of these sizes, over and over; each chunk's memory is wiped once it is read. */
function read(bytes: Buffer, sizes: readonly number[], reader: FrameReader): Buffer[] {
  const found: Buffer[] = [];
  let turn = 0;
  for (let at = 0; at < bytes.length;) {
    const size = sizes.length === 0 ? bytes.length : sizes[turn++ % sizes.length]!;
    const chunk = Buffer.from(bytes.subarray(at, at + size));
    at += size;
    reader.push(chunk);
    while (reader.next()) found.push(Buffer.from(reader.buffer.subarray(reader.start, reader.end)));
    assert.equal(reader.buffer.length, 0);
    chunk.fill(0xee);
  }
  return found;
}

const payloads = fc
  .oneof(
    { weight: 6, arbitrary: fc.nat(40) },
    { weight: 2, arbitrary: fc.nat(100_000) },
    { weight: 1, arbitrary: fc.nat(3_000_000) },
  )
  .map((length) => Buffer.alloc(length, length));

const cuts = fc.oneof(
  fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }).map((few) => [...few, 65_536]),
  fc.array(fc.integer({ min: 1, max: 100_000 }), { maxLength: 6 }),
);

for (const { name, framing, frame } of [
  { name: "a size of four bytes", framing: sized, frame: sizedFrame },
  { name: "a size of one to four bytes", framing: varied, frame: variedFrame },
]) {
  test(`${name}: the frames are the same however the bytes are cut`, () => {
    fc.assert(
      fc.property(fc.array(payloads, { maxLength: 6 }), cuts, (sent, sizes) => {
        const frames = sent.map(frame);
        const found = read(Buffer.concat(frames), sizes, new FrameReader(framing));
        assert.equal(found.length, sent.length);
        for (const [index, bytes] of found.entries()) assert.ok(bytes.equals(frames[index]!));
      }),
      { numRuns: 60 },
    );
  });

  test(`${name}: any bytes end in frames, in waiting or in a refusal, wherever they are cut`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), cuts, (bytes, sizes) => {
        const [whole, cut] = [new FrameReader(framing), new FrameReader(framing)];
        assert.deepEqual(read(Buffer.from(bytes), [], whole), read(Buffer.from(bytes), sizes, cut));
        assert.equal(whole.keptBytes, cut.keptBytes);
      }),
      { numRuns: 500 },
    );
  });
}

test("behind what is no frame nothing is read, and a chunk that was not read to its end is not forgotten", () => {
  const reader = new FrameReader(sized);
  const good = sizedFrame(Buffer.from("abc"));
  assert.equal(read(Buffer.concat([good, Buffer.alloc(4, 0xff), good]), [3], reader).length, 1);
  reader.push(good);
  assert.equal(reader.next(), false);

  const held = new FrameReader(sized);
  const chunk = Buffer.concat([good, good]);
  held.push(chunk);
  assert.equal(held.next(), true);
  assert.throws(() => held.push(good), /was read to its end/);
  held.keepChunk();
  chunk.fill(0xee);
  assert.equal(held.next(), true);
  assert.equal(held.buffer.toString("latin1", held.start + 4, held.end), "abc");
});

test("the memory of what is half there goes by what came, not by what was promised", () => {
  const before = process.memoryUsage().arrayBuffers;
  const promise = Buffer.alloc(104);
  promise.writeInt32BE(payloadBytesMax);
  const readers = Array.from({ length: 1000 }, () => {
    const reader = new FrameReader(sized);
    reader.push(Buffer.from(promise));
    assert.equal(reader.next(), false);
    assert.equal(reader.keptBytes, 104);
    return reader;
  });
  assert.ok(process.memoryUsage().arrayBuffers - before < 4_000_000);
  for (const reader of readers) reader.close();
});
