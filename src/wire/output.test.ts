import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ChunkPool, Output } from "./output.ts";

type Step = { kind: "u8" | "u16" | "u32" | "u64"; value: number } | { kind: "copy" | "reserve"; bytes: number };

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("u8" as const), value: fc.nat(0xff) }),
    fc.record({ kind: fc.constant("u16" as const), value: fc.nat(0xffff) }),
    fc.record({ kind: fc.constant("u32" as const), value: fc.nat(0xffff_ffff) }),
    fc.record({ kind: fc.constant("u64" as const), value: fc.maxSafeNat() }),
    fc.record({ kind: fc.constantFrom("copy" as const, "reserve" as const), bytes: fc.nat(200) }),
    fc.record({ kind: fc.constantFrom("copy" as const, "reserve" as const), bytes: fc.nat(150_000) }),
  ),
  { maxLength: 40 },
);

const source = Buffer.alloc(200_000, "abcdefghijklmnopqrstuvwxyz0123456789");

function apply(output: Output, step: Step): Buffer {
  switch (step.kind) {
    case "copy":
      output.copy(source, 7, 7 + step.bytes);
      return source.subarray(7, 7 + step.bytes);
    case "reserve": {
      const at = output.reserve(step.bytes);
      assert.ok(at + step.bytes <= output.buffer.length);
      source.copy(output.buffer, at, 0, step.bytes);
      return source.subarray(0, step.bytes);
    }
    default: {
      output[step.kind](step.value);
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64BE(BigInt(step.value));
      return bytes.subarray(8 - Number(step.kind.slice(1)) / 8);
    }
  }
}

test("what was written comes out in order, whatever the sizes", () => {
  const pool = new ChunkPool();
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 4 }), (rounds) => {
      const output = new Output(pool);
      for (const round of rounds) {
        const expected = Buffer.concat(round.map((step) => apply(output, step)));
        assert.equal(output.bytes, expected.length);
        const taken = output.take();
        assert.equal(output.bytes, 0);
        assert.ok(Buffer.concat(taken).equals(expected));
        output.release(taken);
      }
    }),
    { numRuns: 100 },
  );
});

test("a small write after another takes a small chunk, and an idle output holds none", () => {
  const pool = new ChunkPool();
  const output = new Output(pool);
  output.u8(1);
  assert.equal(output.buffer.length, 4096);
  const taken = output.take();
  assert.equal(output.buffer.length, 0);
  output.release(taken);
  assert.equal(pool.freeBytes, 4096);
});

test("after a large take the next chunk is large from the start", () => {
  const output = new Output(new ChunkPool());
  output.copy(source, 0, 100_000);
  output.release(output.take());
  output.u8(1);
  assert.equal(output.buffer.length, 65_536);
});

test("chunks are used again, and a second release of the same chunks has no effect", () => {
  const pool = new ChunkPool();
  const output = new Output(pool);
  output.copy(source, 0, 100_000);
  const taken = output.take();
  output.release(taken);
  const freeBytes = pool.freeBytes;
  assert.ok(freeBytes >= 100_000);
  output.release(taken);
  assert.equal(pool.freeBytes, freeBytes);
  output.copy(source, 0, 100_000);
  output.discard();
  assert.equal(pool.freeBytes, freeBytes);
});

test("a reservation larger than a chunk is whole, and its memory is not pooled", () => {
  const pool = new ChunkPool();
  const output = new Output(pool);
  const at = output.reserve(1_000_000);
  assert.ok(at + 1_000_000 <= output.buffer.length);
  output.discard();
  assert.equal(pool.freeBytes, 0);
});
