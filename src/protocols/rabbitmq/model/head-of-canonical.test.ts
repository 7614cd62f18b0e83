import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { CanonicalMessage } from "../../../broker/api.ts";
import { Malformed } from "../../../wire/input.ts";
import { plainTable } from "./field-table.ts";
import { fullHead, headOfCanonical } from "./head-of-canonical.ts";
import { decodeProperties } from "./properties.ts";

const text = fc.option(fc.string({ maxLength: 300 }), { nil: undefined, freq: 20 });
const flat: fc.Arbitrary<CanonicalMessage> = fc.record({
  id: text,
  timestampMs: fc.oneof(
    fc.maxSafeNat(),
    fc.nat(5).map((seconds) => seconds * 1000),
  ),
  isTimed: fc.boolean(),
  key: fc.option(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.string({ maxLength: 300, unit: "binary" }).map((key) => Buffer.from(key)),
      fc.constant(Buffer.from("orders")),
    ),
    { nil: undefined },
  ),
  headers: fc.constantFrom([], [], [], [{ name: "a", value: "b" }]),
  contentType: text,
  contentEncoding: text,
  correlationId: text,
  replyTo: text,
  type: text,
  userId: text,
  appId: text,
  expirationMs: fc.option(fc.nat(), { nil: undefined, freq: 10 }),
  priority: fc.option(fc.nat(255), { nil: undefined, freq: 10 }),
  isPersistent: fc.boolean(),
  exchange: fc.constantFrom("", "amq.topic"),
  routingKey: fc.constantFrom("", "orders"),
  buffer: fc.constant(Buffer.alloc(4)),
  bodyStart: fc.constant(0),
  bodyEnd: fc.constantFrom(0, 4),
  isTombstone: fc.constantFrom(false, false, false, true),
});

test("the short way to a property section and the long one agree, whatever the limit", () => {
  fc.assert(
    fc.property(flat, fc.constantFrom(Infinity, 300, 30), (message, headBytesMax) => {
      assert.deepEqual(headOfCanonical(message, headBytesMax), fullHead(message, headBytesMax));
    }),
    { numRuns: 1000 },
  );
});

function headersIn(head: Buffer): ReadonlyMap<string, unknown> {
  const properties = decodeProperties(head, 0, head.length);
  assert.ok(!(properties instanceof Malformed));
  return plainTable(properties.headers ?? []);
}

const message: CanonicalMessage = {
  id: "id",
  timestampMs: 5,
  isTimed: true,
  key: undefined,
  headers: [],
  contentType: undefined,
  contentEncoding: undefined,
  correlationId: undefined,
  replyTo: undefined,
  type: undefined,
  userId: undefined,
  appId: undefined,
  expirationMs: undefined,
  priority: undefined,
  isPersistent: true,
  exchange: "",
  routingKey: "",
  buffer: Buffer.alloc(0),
  bodyStart: 0,
  bodyEnd: 0,
  isTombstone: false,
};

test("of headers that do not fit the largest are left out, and named", () => {
  const headers = [10, 3000, 20, 4000, 30].map((size, at) => ({ name: `h${at}`, value: "x".repeat(size) }));
  const kept = headersIn(fullHead({ ...message, headers }, 4000));
  assert.deepEqual([...kept.keys()], ["h0", "h1", "h2", "h4", "timestamp_in_ms", "kafka.omitted"]);
  assert.deepEqual(kept.get("kafka.omitted"), ["h3"]);
});

test("whatever headers there are, the head is within its limit", () => {
  const sizes = fc.array(fc.oneof(fc.nat(20), fc.nat(3000)), { maxLength: 60 });
  fc.assert(
    fc.property(sizes, fc.constantFrom(100, 300, 4044), (lengths, headBytesMax) => {
      const headers = lengths.map((length, at) => ({
        name: `${at}${"n".repeat(length % 200)}`,
        value: "v".repeat(length),
      }));
      const head = fullHead({ ...message, headers }, headBytesMax);
      assert.ok(head.length <= headBytesMax, `${head.length}`);
      headersIn(head);
    }),
  );
});

test("hundreds of thousands of headers are left out at once, and as many are named as find room", () => {
  const headers = Array.from({ length: 200_000 }, (_, at) => ({ name: at.toString(36), value: "" }));
  for (const headBytesMax of [4044, 131_020]) {
    const head = fullHead({ ...message, headers }, headBytesMax);
    assert.ok(head.length <= headBytesMax && head.length > headBytesMax * 0.9, `${head.length}`);
    const names = headersIn(head).get("kafka.omitted") as string[];
    assert.ok(names.length > 50 && names.length < 1000, `${names.length}`);
  }
});
