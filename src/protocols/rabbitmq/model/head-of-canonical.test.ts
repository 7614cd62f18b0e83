import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { CanonicalMessage } from "../../../broker/api.ts";
import { fullHead, headOfCanonical } from "./head-of-canonical.ts";

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
