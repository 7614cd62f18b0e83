/**
 * What a Kafka client may say of its headers' types, which is anything: an AMQP client gets the record whatever it is, and the
 * broker goes on.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { CanonicalHeader, CanonicalMessage } from "../../src/broker/api.ts";
import { valueOfBytes } from "../../src/protocols/kafka/mapping/header-values.ts";
import { headOfCanonical } from "../../src/protocols/rabbitmq/model/head-of-canonical.ts";
import { decodeProperties } from "../../src/protocols/rabbitmq/model/properties.ts";
import { Malformed } from "../../src/wire/input.ts";

const kinds = fc.constantFrom("null", "text", "number", "boolean", "time", "bytes", "json", "", "none");
const letters = fc.constantFrom(..."bBsuIilLfdDTSxtVAF[]{};,0123456789".split(""));
const shapes = fc.oneof(
  letters,
  fc.array(letters, { maxLength: 8 }).map((each) => each.join("")),
);
const marks = fc.oneof(
  fc.constantFrom(
    "number:T",
    "number:l",
    "number:f",
    "number:I",
    "time:T",
    "json:A[T]",
    "json:F{l}",
    "text:S",
    "bytes:x",
  ),
  fc.tuple(kinds, shapes).map(([kind, shape]) => `${kind}:${shape}`),
  kinds,
  fc.string({ maxLength: 8 }),
);
const numbers = ["1.5", "-1", "0", "-0", "NaN", "Infinity", "-Infinity", "1e400", "9007199254740993", "-1e300", "1e15"];
const scalars = fc.oneof(
  fc.constantFrom(
    ...numbers,
    "18446744073709551616",
    "true",
    "2026-11-22T08:00:00.000Z",
    "+275760-09-13T00:00:00.000Z",
  ),
  fc.string({ maxLength: 6 }),
);
const json = fc.oneof(
  fc.json({ maxDepth: 4 }),
  scalars.map((text) =>
    JSON.stringify([text, { $number: text }, { $integer: text }, { $time: text }, { $bytes: text }]),
  ),
  scalars.map((text) => JSON.stringify({ [text.repeat(60)]: { a: text }, $table: [1.5] })),
);
const texts = fc.oneof(scalars, json);
const bytes = fc.oneof(
  texts.map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 6 }).map((each) => Buffer.from(each)),
  fc.constant(null),
);

function messageWith(headers: readonly CanonicalHeader[]): CanonicalMessage {
  const buffer = Buffer.alloc(0);
  return {
    id: undefined,
    timestampMs: 0,
    isTimed: false,
    key: undefined,
    headers,
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
    buffer,
    bodyStart: 0,
    bodyEnd: 0,
    isTombstone: false,
  };
}

test("a header with any mark over any value becomes a header of AMQP's", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(bytes, marks), { minLength: 1, maxLength: 4 }), (marked) => {
      const headers = marked.map(([value, mark], at) => ({ name: `h${at}`, ...valueOfBytes(value, mark) }));
      const head = headOfCanonical(messageWith(headers), Infinity);
      const read = decodeProperties(head, 0, head.length);
      assert.ok(!(read instanceof Malformed));
      assert.equal(read.headers?.length, headers.length);
    }),
    { numRuns: 20_000 },
  );
});

test("a time that is no whole number of seconds is a number", () => {
  for (const [text, mark] of [
    ["1.5", "number:T"],
    ["Infinity", "number:T"],
    ["1e400", "number:T"],
    ["[1.5]", "json:A[T]"],
  ] as const) {
    const header = { name: "h", ...valueOfBytes(Buffer.from(text), mark) };
    const head = headOfCanonical(messageWith([header]), Infinity);
    const read = decodeProperties(head, 0, head.length);
    assert.ok(!(read instanceof Malformed));
    const value = read.headers![0]!.value;
    assert.equal(value.type === "A" ? value.value[0]!.type : value.type, "d", text);
  }
});
