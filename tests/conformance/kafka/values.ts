/** Values for a message of Kafka's, drawn by its table; and the JSON that Kafka's own converters read. */

import fc from "fast-check";
import type { Field, Fields, PrimitiveName } from "../../../src/protocols/kafka/codec/fields.ts";
import { uuidZero } from "../../../src/protocols/kafka/codec/primitives.ts";
import { versionsOf } from "../../../src/protocols/kafka/codec/schema.ts";

type Plain = Record<string, unknown>;

const texts = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom("", "orders", "größer", "消息", "a".repeat(200)));

const numbers = {
  int8: fc.integer({ min: -128, max: 127 }),
  int16: fc.integer({ min: -32_768, max: 32_767 }),
  int32: fc.integer(),
  int64: fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.constantFrom(-1, -2, 0)),
};

function byteStrings(least: number): fc.Arbitrary<Buffer> {
  const sizes = fc.oneof(fc.nat(20), fc.constantFrom(0, 126, 127, 128, 16_400));
  return sizes.map((size) => Buffer.alloc(size + least, size));
}

const primitives: Readonly<Record<PrimitiveName, fc.Arbitrary<unknown>>> = {
  ...numbers,
  bool: fc.boolean(),
  uuid: fc.oneof(
    fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString("hex")),
    fc.constant(uuidZero),
  ),
  string: texts,
  bytes: byteStrings(0),
  records: byteStrings(0),
};

export function isIn(versions: string | undefined, version: number): boolean {
  if (versions === undefined) return false;
  const { first, last } = versionsOf(versions);
  return version >= first && version <= last;
}

/** Values for fields of this name, where any would be too many. */
export type Preferred = (name: string, field: Field) => fc.Arbitrary<unknown> | undefined;

/** Objects with all fields that the version has. */
export function valuesOf(fields: Fields, version: number, preferred?: Preferred): fc.Arbitrary<Plain> {
  const present = Object.entries(fields).filter(([, field]) => isIn(field.versions, version));
  const drawn = present.map(([name, field]) => {
    const better = preferred?.(name, field);
    const values = fieldValues(field, version, preferred);
    return [name, better === undefined ? values : fc.oneof({ weight: 9, arbitrary: better }, values)] as const;
  });
  return fc.record(Object.fromEntries(drawn), { noNullPrototype: true });
}

function fieldValues(field: Field, version: number, preferred?: Preferred): fc.Arbitrary<unknown> {
  const values = solidValues(field, version, preferred);
  const usual = field.default === undefined || field.default === null ? [] : [fc.constant(field.default)];
  const empty = isIn(field.nullable, version) ? [fc.constant(null)] : [];
  return fc.oneof({ weight: 4, arbitrary: values }, ...usual, ...empty);
}

function solidValues(field: Field, version: number, preferred?: Preferred): fc.Arbitrary<unknown> {
  if (field.type === "struct") return valuesOf(field.fields!, version, preferred);
  if (field.type !== "array") return primitives[field.type];
  const element = field.fields === undefined ? primitives[field.element!] : valuesOf(field.fields, version, preferred);
  return fc.array(element, { maxLength: 3 });
}

/** What was read, without the fields that this version lacks and that therefore have their default. */
export function withoutAbsent(fields: Fields, value: Plain, version: number): Plain {
  const present = Object.entries(fields).filter(([, field]) => isIn(field.versions, version));
  const within = ({ fields: inner }: Field, each: unknown): unknown => {
    if (inner === undefined || each === null) return each;
    if (Array.isArray(each)) return each.map((one) => withoutAbsent(inner, one as Plain, version));
    return withoutAbsent(inner, each as Plain, version);
  };
  return Object.fromEntries(present.map(([name, field]) => [name, within(field, value[name])]));
}

/** As Kafka's JSON converters take it: bytes in base64, a uuid in its 22 letters. */
export function toJson(fields: Fields, value: Plain): Plain {
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, fieldJson(fields[name]!, each)]));
}

function fieldJson(field: Field, value: unknown): unknown {
  if (value === null) return null;
  const one = (each: unknown): unknown =>
    field.fields === undefined
      ? primitiveJson(field.element ?? (field.type as PrimitiveName), each)
      : toJson(field.fields, each as Plain);
  return field.type === "array" ? (value as unknown[]).map(one) : one(value);
}

function primitiveJson(type: PrimitiveName, value: unknown): unknown {
  if (type === "uuid") return Buffer.from(value as string, "hex").toString("base64url");
  return Buffer.isBuffer(value) ? value.toString("base64") : value;
}

export function fromJson(fields: Fields, json: Plain): Plain {
  return Object.fromEntries(Object.entries(json).map(([name, each]) => [name, fieldFromJson(fields[name]!, each)]));
}

function fieldFromJson(field: Field, json: unknown): unknown {
  if (json === null) return null;
  const one = (each: unknown): unknown =>
    field.fields === undefined
      ? primitiveFromJson(field.element ?? (field.type as PrimitiveName), each)
      : fromJson(field.fields, each as Plain);
  return field.type === "array" ? (json as unknown[]).map(one) : one(json);
}

function primitiveFromJson(type: PrimitiveName, json: unknown): unknown {
  if (type === "uuid") return Buffer.from(json as string, "base64url").toString("hex");
  return type === "bytes" || type === "records" ? Buffer.from(json as string, "base64") : json;
}
