// What the property tests of this folder draw from. Named so that it stays out of the build and is no test of its own.
import fc from "fast-check";
import type { Field, FieldTable, FieldValue } from "../model/field-table.ts";
import { methods, type Method, type MethodName, type WireType } from "./frames.ts";
import type { Properties } from "../model/properties.ts";

/** Plain objects, as the decoders make them. */
const plain = { noNullPrototype: true };

export const shortStrings = fc
  .string({ unit: "binary", maxLength: 60 })
  .map((text) => Buffer.from(text).toString())
  .filter((text) => Buffer.byteLength(text) <= 255);

const longs = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(exactly);
const unsignedLongs = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(exactly);

function exactly(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

const texts = fc.oneof(shortStrings, fc.constant(Buffer.from([0xff, 0xfe, 0x80]))) as fc.Arbitrary<string | Buffer>;

function typed<T extends FieldValue["type"], V>(type: T, value: fc.Arbitrary<V>): fc.Arbitrary<{ type: T; value: V }> {
  return value.map((drawn) => ({ type, value: drawn }));
}

export const fieldValues: fc.Arbitrary<FieldValue> = fc.letrec<{ value: FieldValue; table: FieldTable }>((tie) => ({
  table: fc.array(fc.record({ name: shortStrings, value: tie("value") }, plain) as fc.Arbitrary<Field>, {
    maxLength: 4,
  }),
  value: fc.oneof(
    { depthSize: "small" },
    typed("S", texts),
    typed("t", fc.boolean()),
    typed("b", fc.integer({ min: -128, max: 127 })),
    typed("B", fc.nat(255)),
    typed("s", fc.integer({ min: -32_768, max: 32_767 })),
    typed("u", fc.nat(65_535)),
    typed("I", fc.integer()),
    typed("i", fc.nat(0xffff_ffff)),
    typed("l", longs),
    typed("L", longs),
    typed("T", unsignedLongs),
    typed("f", fc.float({ noNaN: true })),
    typed("d", fc.double({ noNaN: true })),
    fc.record({ type: fc.constant("D" as const), scale: fc.nat(255), value: fc.nat(0xffff_ffff) }, plain),
    typed(
      "x",
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    ),
    typed("V", fc.constant(null)),
    typed("A", fc.array(tie("value"), { maxLength: 4 })),
    typed("F", tie("table")),
  ) as fc.Arbitrary<FieldValue>,
})).value;

export const tables: fc.Arbitrary<FieldTable> = fc.array(
  fc.record({ name: shortStrings, value: fieldValues }, plain) as fc.Arbitrary<Field>,
  { maxLength: 5 },
);

const octets = fc.nat(255);

export const properties: fc.Arbitrary<Properties> = fc.record(
  {
    contentType: shortStrings,
    contentEncoding: shortStrings,
    headers: tables,
    deliveryMode: octets,
    priority: octets,
    correlationId: shortStrings,
    replyTo: shortStrings,
    expiration: shortStrings,
    messageId: shortStrings,
    timestamp: unsignedLongs,
    type: shortStrings,
    userId: shortStrings,
    appId: shortStrings,
    clusterId: shortStrings,
  },
  { requiredKeys: [], ...plain },
);

function argument(type: WireType): fc.Arbitrary<unknown> {
  switch (type) {
    case "bit":
      return fc.boolean();
    case "octet":
      return octets;
    case "short":
      return fc.nat(65_535);
    case "long":
      return fc.nat(0xffff_ffff);
    case "longlong":
      return unsignedLongs;
    case "shortstr":
      return shortStrings;
    case "longstr":
      return texts;
    case "table":
      return tables;
  }
}

/** Methods of that name, or of any. */
export function methodsNamed<N extends MethodName>(name: N): fc.Arbitrary<Extract<Method, { name: N }>> {
  const args = Object.entries(methods[name].fields).map(([field, type]) => [field, argument(type)]);
  return fc.record({ name: fc.constant(name), args: fc.record(Object.fromEntries(args), plain) }, plain) as never;
}

export const anyMethod: fc.Arbitrary<Method> = fc
  .constantFrom(...(Object.keys(methods) as MethodName[]))
  .chain((name) => methodsNamed(name) as fc.Arbitrary<Method>);

/** The same bytes with some of them changed, inserted, removed or cut off. */
export function mutated(bytes: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  const edit = fc.record({
    kind: fc.constantFrom("set", "flip", "insert", "remove", "cut"),
    at: fc.nat(),
    octet: fc.oneof(octets, fc.constantFrom(0, 1, 127, 128, 206, 255)),
  });
  return fc.tuple(bytes, fc.array(edit, { minLength: 1, maxLength: 4 })).map(([original, edits]) => {
    let now = Buffer.from(original);
    for (const { kind, at, octet } of edits) {
      const position = now.length === 0 ? 0 : at % now.length;
      if (kind === "insert") {
        now = Buffer.concat([now.subarray(0, position), Buffer.of(octet), now.subarray(position)]);
      } else if (kind === "remove") {
        now = Buffer.concat([now.subarray(0, position), now.subarray(position + 1)]);
      } else if (kind === "cut") {
        now = now.subarray(0, position);
      } else if (now.length > 0) {
        now[position] = kind === "set" ? octet : now[position]! ^ (1 << (octet & 7));
      }
    }
    return now;
  });
}

/** The bytes in the middle of others, as they lie in a chunk, so that reading past an end finds something to read. */
export function within(bytes: Buffer): { buffer: Buffer; start: number; end: number } {
  const around = Buffer.alloc(64, 0x53);
  return { buffer: Buffer.concat([around, bytes, around]), start: 64, end: 64 + bytes.length };
}
