import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FrameReader } from "./framing.ts";

const frameBytesMax = 5_000_000;

function framed(payloads: readonly Buffer[]): Buffer {
  return Buffer.concat(
    payloads.flatMap((payload) => {
      const size = Buffer.alloc(4);
      size.writeInt32BE(payload.length);
      return [size, payload];
    }),
  );
}

/** Cuts into chunks of these sizes, over and over; each chunk's memory is wiped once it is read. */
function read(bytes: Buffer, sizes: readonly number[], reader = new FrameReader(frameBytesMax)): Buffer[] {
  const found: Buffer[] = [];
  let turn = 0;
  for (let at = 0; at < bytes.length;) {
    const size = sizes.length === 0 ? bytes.length : sizes[turn++ % sizes.length]!;
    const chunk = Buffer.from(bytes.subarray(at, at + size));
    at += size;
    reader.push(chunk);
    while (reader.next()) found.push(Buffer.from(reader.buffer.subarray(reader.start, reader.end)));
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

test("the frames are the same however the bytes are cut", () => {
  fc.assert(
    fc.property(fc.array(payloads, { maxLength: 6 }), cuts, (sent, sizes) => {
      const found = read(framed(sent), sizes);
      assert.equal(found.length, sent.length);
      for (const [index, payload] of found.entries()) assert.ok(payload.equals(sent[index]!));
    }),
    { numRuns: 60 },
  );
});

test("any bytes end in frames, in waiting or in a fault, wherever they are cut", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), cuts, (bytes, sizes) => {
      const [whole, cut] = [new FrameReader(40), new FrameReader(40)];
      assert.deepEqual(read(Buffer.from(bytes), [], whole), read(Buffer.from(bytes), sizes, cut));
      assert.equal(whole.fault, cut.fault);
      assert.equal(whole.keptBytes, cut.keptBytes);
    }),
    { numRuns: 500 },
  );
});

test("a size over the limit or below zero is refused at once, and nothing behind it is read", () => {
  for (const [size, said] of [
    [frameBytesMax + 1, frameBytesMax + 1],
    [0xffff_ffff, -1],
    [0x8000_0000, -(2 ** 31)],
  ]) {
    const reader = new FrameReader(frameBytesMax);
    const bytes = Buffer.alloc(12);
    bytes.writeUInt32BE(size!, 0);
    assert.deepEqual(read(bytes, [3], reader), []);
    assert.equal(reader.fault, `a frame of ${said} bytes, of ${frameBytesMax} at most`);
  }
});

test("the memory of what is half there goes by what came, not by what was promised", () => {
  const before = process.memoryUsage().arrayBuffers;
  const promise = Buffer.alloc(104);
  promise.writeInt32BE(100_000_000);
  const readers = Array.from({ length: 1000 }, () => {
    const reader = new FrameReader(104_857_600);
    reader.push(Buffer.from(promise));
    assert.equal(reader.next(), false);
    assert.equal(reader.keptBytes, 104);
    return reader;
  });
  assert.ok(process.memoryUsage().arrayBuffers - before < 4_000_000);
  for (const reader of readers) reader.close();
});
