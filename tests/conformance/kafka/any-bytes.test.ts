/** What a peer sends is read in every version of every message without a throw, without end, and without much memory. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Input, Malformed } from "../../../src/wire/input.ts";
import { RequestHeader } from "../../../src/protocols/kafka/codec/headers.ts";
import { allSchemas, type AnySchema } from "./schemas.ts";
import { valuesOf, withoutAbsent } from "./values.ts";

type Plain = Record<string, unknown>;

const schemas = await allSchemas();
const versions = schemas.flatMap((schema) =>
  Array.from(
    { length: schema.maxVersion - schema.minVersion + 1 },
    (_, index) => [schema, schema.minVersion + index] as const,
  ),
);
const edits = fc.array(fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff))), {
  maxLength: 5,
});

/** In the midst of other bytes, which must not be seen. */
function read(schema: AnySchema, version: number, bytes: Buffer): unknown {
  const surrounded = Buffer.concat([Buffer.alloc(16, 0x41), bytes, Buffer.alloc(64, 0x01)]);
  const input = new Input(surrounded, 16, 16 + bytes.length);
  const value = schema.read(input, version);
  assert.ok(input.at <= 16 + bytes.length && input.end <= 16 + bytes.length, `${schema.name} v${version}`);
  return value;
}

test("what is written is read again", () => {
  for (const [schema, version] of versions) {
    fc.assert(
      fc.property(valuesOf(schema.fields, version), (value) => {
        const back = read(schema, version, schema.encode(version, value));
        assert.ok(!(back instanceof Malformed), `${schema.name} v${version}`);
        assert.deepEqual(withoutAbsent(schema.fields, back as Plain, version), value, `${schema.name} v${version}`);
      }),
      { numRuns: 15 },
    );
  }
});

test("any bytes are a message or malformed", () => {
  for (const [schema, version] of versions) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => void read(schema, version, Buffer.from(bytes))),
      { numRuns: 60 },
    );
  }
});

test("a message with a few wrong bytes, or cut off, is one or malformed; what is read can be written", () => {
  for (const [schema, version] of versions) {
    fc.assert(
      fc.property(valuesOf(schema.fields, version), edits, fc.nat(40), (value, changes, cut) => {
        const bytes = Buffer.from(schema.encode(version, value));
        for (const [at, octet] of changes) if (bytes.length > 0) bytes[at % bytes.length] = octet;
        const back = read(schema, version, bytes.subarray(0, bytes.length - (cut > 30 ? cut - 30 : 0)));
        if (!(back instanceof Malformed)) schema.encode(version, back);
      }),
      { numRuns: 25 },
    );
  }
});

test("two megabytes of the same byte become little, in every message", { timeout: 120_000 }, () => {
  for (const octet of [0, 1, 2, 3, 0x7f, 0xff]) {
    const bytes = Buffer.alloc(2_000_000, octet);
    for (const [schema, version] of versions) {
      const back = read(schema, version, bytes);
      assert.ok(back instanceof Malformed || countOf(back) <= 300_000 * 12, `${schema.name} v${version} of ${octet}`);
    }
  }
});

/** Of all values in it; an element has some fields. */
function countOf(value: unknown): number {
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value)) return 1;
  let count = 1;
  for (const each of Object.values(value)) count += countOf(each);
  return count;
}

test("any bytes in the place of a header are one or malformed", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.boolean(), (bytes, isFlexible) => {
      const input = new Input(Buffer.from(bytes), 0, bytes.length);
      const header = new RequestHeader();
      const isWhole = header.readFixed(input) && header.readRest(input, isFlexible);
      assert.equal(isWhole && input.fault !== null, false);
      assert.ok(input.at <= bytes.length);
    }),
    { numRuns: 2000 },
  );
});
