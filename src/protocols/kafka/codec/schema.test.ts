import assert from "node:assert/strict";
import { test } from "node:test";
import { Input, Malformed } from "../../../wire/input.ts";
import { array, int16, int32, int64, string, struct, uuid } from "./fields.ts";
import { putRequestHeader, RequestHeader, responseHasTags } from "./headers.ts";
import { apiVersionsRequest, apiVersionsResponse } from "./messages/api-versions.ts";
import { metadataRequest, metadataResponse } from "./messages/metadata.ts";
import { messageSchema } from "./schema.ts";

const sample = messageSchema("Sample", 99, "0-3", "2+", {
  name: string("0+", { nullable: "1+" }),
  epoch: int32("1+", { default: -1 }),
  points: array("0+", { at: int64("0+"), marks: array("1+", "int16", { nullable: "1+" }) }),
  id: uuid("3+"),
  end: struct("2+", { offset: int64("2+", { default: -1 }), code: int16("3+") }, { tag: 1 }),
  hint: string("2+", { tag: 0, nullable: "2+", default: null }),
  place: int32("3+", { tag: 3 }),
});

/** Hexadecimal, with spaces where a reader likes them. */
function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(" ", ""), "hex");
}

test("fields that a version lacks have their default when read, and are not written", () => {
  const bytes = sample.encode(0, { name: "a", epoch: 7, points: [{ at: 5, marks: [1] }] });
  assert.deepEqual(bytes, hex("0001 61 00000001 0000000000000005"));
  assert.deepEqual(sample.decode(bytes, 0), {
    name: "a",
    epoch: -1,
    points: [{ at: 5, marks: [] }],
    id: "0".repeat(32),
    end: { offset: -1, code: 0 },
    hint: null,
    place: 0,
  });
});

test("flexible versions have varint lengths, and tagged fields only where they differ from their default", () => {
  const plain = sample.encode(2, { name: null, points: [] });
  assert.deepEqual(plain, hex("00 ffffffff 01 00"));
  const tagged = sample.encode(3, { name: "a", points: [], end: { offset: 3 }, hint: "x", id: "0f".repeat(16) });
  const tags = "02 00 02 0278 01 0b 0000000000000003 0000 00";
  assert.deepEqual(tagged, hex("0261 ffffffff 01" + "0f".repeat(16) + tags));
  const read = sample.decode(tagged, 3);
  assert.ok(!(read instanceof Malformed));
  assert.deepEqual(read.end, { offset: 3, code: 0 });
  assert.equal(read.hint, "x");
});

test("unknown tags are passed over", () => {
  const bytes = hex("0261 ffffffff 01 01 07 03 aabbcc");
  const read = sample.decode(bytes, 2);
  assert.ok(!(read instanceof Malformed));
  assert.equal(read.name, "a");
});

test("a negative length is null, whichever it is", () => {
  const lengths = [
    ["fffe ffffffff 00000000", 1],
    ["8000 ffffffff 00000000", 1],
    // 2^32 - 1, which is -1 to Kafka, and one more than the length.
    ["ffffffff0f ffffffff 01 00", 2],
  ] as const;
  for (const [text, version] of lengths) {
    const read = sample.decode(hex(text), version);
    assert.ok(!(read instanceof Malformed), text);
    assert.equal(read.name, null, text);
  }
  // 2^31, from which one is taken, is the largest of all.
  assert.ok(sample.decode(hex("8080808008 ffffffff 01 00"), 2) instanceof Malformed);
  const marks = sample.decode(hex("0001 61 00000000 00000001 0000000000000005 fffffffe"), 1);
  assert.ok(!(marks instanceof Malformed));
  assert.equal(marks.points[0]!.marks, null);
});

test("a tag that is known is as long as what it is, whatever its size says", () => {
  const read = sample.decode(hex("0261 ffffffff 01 01 00 05 0278"), 2);
  assert.ok(!(read instanceof Malformed));
  assert.equal(read.hint, "x");
});

test("what is malformed says where", () => {
  const reasons = [
    ["0001", 0],
    ["ffff 00000000", 0],
    ["0001 61 7fffffff", 0],
    ["0001 61 ffffffff", 0],
    ["0261 ffffffff 01 01 01 0c 0000000000", 2],
    ["0261 ffffffff 01 01 03 01 00", 2],
    ["ffffffffff01", 2],
  ].map(([text, version]) => (sample.decode(hex(text as string), version as number) as Malformed).reason);
  assert.deepEqual(reasons, [
    "Sample v0: it ends too early (name)",
    "Sample v0: null, which it cannot be (name)",
    "Sample v0: 2147483647 elements, which do not fit (points)",
    "Sample v0: null, which it cannot be (points)",
    "Sample v2: it ends too early (offset)",
    "Sample v2: tag 3 is of another version (tags)",
    "Sample v2: a varint has more than 5 bytes (name)",
  ]);
});

test("a frame of small elements is not believed without end", () => {
  const bytes = Buffer.alloc(8_000_010, 1);
  bytes.writeInt32BE(300_001, 0);
  const read = metadataRequest.decode(bytes, 0);
  assert.equal((read as Malformed).reason, "MetadataRequest v0: more than 300000 elements (topics)");
});

test("numbers of 64 bits keep their sign, and what was rounded keeps its side", () => {
  for (const at of [0, -1, 1, -(2 ** 40) - 3, 2 ** 53 - 1, -(2 ** 53) + 1, 2 ** 63, -(2 ** 63)]) {
    const bytes = sample.encode(0, { name: "", points: [{ at }] });
    assert.equal(bytes.readBigInt64BE(6), at === 2 ** 63 ? 2n ** 63n - 1n : BigInt(at));
    const read = sample.decode(bytes, 0);
    assert.ok(!(read instanceof Malformed));
    assert.equal(read.points[0]!.at, at);
  }
});

test("headers are flexible where the message is, but for the response of ApiVersions", () => {
  const bytes = putRequestHeader(18, 3, 77, "me", true);
  const header = new RequestHeader();
  const input = new Input(bytes, 0, bytes.length);
  assert.ok(header.readFixed(input));
  assert.ok(header.readRest(input, apiVersionsRequest.isFlexible(header.apiVersion)));
  assert.ok(input.isAtEnd);
  const { apiKey, apiVersion, correlationId, clientId } = header;
  assert.deepEqual([apiKey, apiVersion, correlationId, clientId], [18, 3, 77, "me"]);

  assert.equal(responseHasTags(apiVersionsResponse, 3), false);
  assert.equal(responseHasTags(metadataResponse, 9), true);
  assert.equal(responseHasTags(metadataResponse, 8), false);
});
