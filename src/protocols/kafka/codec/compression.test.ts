import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Malformed } from "../../../wire/input.ts";
import { compress, compressions, decompress } from "./compression.ts";
import { xxh32 } from "./lz4.ts";

const codecs = Object.entries(compressions).filter(([name]) => name !== "none");
const bytesMax = 10_000_000;

function unpack(codec: number, packed: Buffer, max: number): Buffer | Malformed {
  return decompress(codec, packed, 0, packed.length, max);
}

/** Some that repeats, some that does not, over the borders of blocks. */
const contents = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc
        .tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.nat(60_000))
        .map(([unit, length]) => Buffer.alloc(length, unit)),
    ),
    { maxLength: 6 },
  )
  .map((pieces) => Buffer.concat([...pieces, ...pieces.slice(0, 2)]));

for (const [name, codec] of codecs) {
  test(`${name}: what was compressed comes back`, () => {
    fc.assert(
      fc.property(contents, (content) => {
        const packed = compress(codec, content);
        const back = unpack(codec, packed, bytesMax);
        assert.ok(!(back instanceof Malformed), String(back));
        assert.ok(back.equals(content));
      }),
      { numRuns: 150 },
    );
  });

  test(`${name}: text gets smaller`, () => {
    const text = Buffer.from(Array.from({ length: 2000 }, (_, n) => `{"id":${n},"state":"delivered"}\n`).join(""));
    assert.ok(compress(codec, text).length < text.length / 2);
  });

  test(`${name}: a bomb makes no more than it may`, () => {
    const bomb = compress(codec, Buffer.alloc(50_000_000));
    const before = process.memoryUsage().arrayBuffers;
    const refused = unpack(codec, bomb, 1_000_000);
    assert.equal((refused as Malformed).reason, "more than 1000000 bytes");
    assert.ok(process.memoryUsage().arrayBuffers - before < 8_000_000);
    assert.ok(!(unpack(codec, bomb, 50_000_000) instanceof Malformed));
  });

  test(`${name}: any bytes are refused or unpacked, never more than allowed`, () => {
    fc.assert(
      fc.property(
        contents,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 }),
        fc.nat(30),
        (content, edits, cut) => {
          const packed = Buffer.from(compress(codec, content));
          for (const [at, octet] of edits) packed[at % packed.length] = octet;
          const broken = packed.subarray(0, packed.length - (cut > 20 ? cut : 0));
          const back = unpack(codec, broken, 500_000);
          assert.ok(back instanceof Malformed || back.length <= 500_000);
        },
      ),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const back = unpack(codec, Buffer.from(bytes), 10_000);
        assert.ok(back instanceof Malformed || back.length <= 10_000);
      }),
      { numRuns: 500 },
    );
  });
}

test("snappy without a frame is read too, as librdkafka writes it", () => {
  // 26 bytes: a literal of 1, a copy of 25 from 1 back.
  assert.deepEqual(unpack(compressions.snappy, Buffer.from("1a0061620100", "hex"), 100), Buffer.alloc(26, "a"));
});

test("lz4 with linked blocks, sizes and checksums is read, and a wrong checksum is refused", () => {
  // Two linked blocks, of which the second only refers to the first; content size and both kinds of checksums.
  const head = Buffer.from([0x5c, 0x40, 12, 0, 0, 0, 0, 0, 0, 0]);
  const literal = Buffer.from([0x60, ...Buffer.from("abcdef")]);
  const match = Buffer.from([0x01, 0x06, 0x00, 0x10, 0x66]);
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const sum = (bytes: Buffer): number => xxh32(bytes, 0, bytes.length);
  const block = (bytes: Buffer): Buffer => Buffer.concat([number(bytes.length), bytes, number(sum(bytes))]);
  const content = Buffer.from("abcdefabcdef");
  const frame = Buffer.concat([
    number(0x184d2204),
    head,
    Buffer.of((sum(head) >>> 8) & 0xff),
    block(literal),
    block(match),
    number(0),
    number(sum(content)),
  ]);
  assert.deepEqual(unpack(compressions.lz4, frame, 100), content);
  assert.deepEqual(unpack(compressions.lz4, Buffer.concat([frame, frame]), 100), Buffer.concat([content, content]));
  for (const at of [6, 14, 20, 25, frame.length - 1]) {
    const broken = Buffer.from(frame);
    broken[at]! ^= 1;
    assert.ok(unpack(compressions.lz4, broken, 100) instanceof Malformed, `at ${at}`);
  }
});

test("xxHash gives its published values", () => {
  assert.equal(xxh32(Buffer.alloc(0), 0, 0), 0x02cc5d05);
  assert.equal(xxh32(Buffer.from("abc"), 0, 3), 0x32d153ff);
  assert.equal(xxh32(Buffer.from("Nobody inspects the spammish repetition"), 0, 39), 0xe2293b2f);
});
