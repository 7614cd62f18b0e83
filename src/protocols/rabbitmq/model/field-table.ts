/**
 * Field tables and arrays: the maps of AMQP 0-9-1, in headers, arguments and properties of peers.
 *
 *     table = u32 length, then fields: u8 length, name, value
 *     array = u32 length, then values
 *     value = u8 letter, then what the letter says
 *
 * The specification's letters and those of real brokers and clients differ; these are RabbitMQ's (its errata page and
 * its parser agree): 'b' and 'B' are signed and unsigned octets, 's' and 'u' 16 bits, 'I' and 'i' 32 bits, 'l' and 'L'
 * both signed 64 bits, 'S' a long string, 'x' bytes, 'V' nothing.
 *
 * A decoded value keeps its letter, and fields keep their order and their doubles, so that encoding a decoded table
 * gives the same bytes (but for a boolean octet other than 0 and 1, which becomes 1, and the payload of a NaN). A long
 * string is a `string` if it is UTF-8 and a `Buffer` if it is not; so is a name that is not, in `nameBytes`. Whoever
 * wants plain values asks `plainValue`.
 *
 * Decoding never throws and never reads past the table's end, whatever the bytes. Nesting is bounded, since each level
 * costs a stack frame here and in everyone who walks a table; RabbitMQ has no such bound. field-table-scan.ts checks and
 * searches a table without decoding it.
 */

import { textByteLength, writeTextBytes } from "../../../base/byte-text.ts";
import { putU16, putU32 } from "../../../base/bytes.ts";
import { Input, Malformed } from "../../../wire/input.ts";

/** How deep tables and arrays may be nested in each other. */
export const nestingMax = 64;

/** A value with its letter. `D` is unscaled × 10^-scale; `T` counts seconds since 1970. */
export type FieldValue =
  | { readonly type: "t"; readonly value: boolean }
  | { readonly type: "b" | "B" | "s" | "u" | "I" | "i" | "f" | "d"; readonly value: number }
  | { readonly type: "l" | "L" | "T"; readonly value: number | bigint }
  | { readonly type: "D"; readonly scale: number; readonly value: number }
  | { readonly type: "S"; readonly value: string | Buffer }
  | { readonly type: "x"; readonly value: Buffer }
  | { readonly type: "A"; readonly value: readonly FieldValue[] }
  | { readonly type: "F"; readonly value: FieldTable }
  | { readonly type: "V"; readonly value: null };

export type FieldType = FieldValue["type"];

export interface Field {
  readonly name: string;
  readonly value: FieldValue;
  /** The name's bytes, only where they are not UTF-8; `name` has replacement characters then. */
  readonly nameBytes?: Buffer;
}

export type FieldTable = readonly Field[];

/** What RabbitMQ calls the types in the texts of its errors. */
export const fieldTypeNames: Readonly<Record<FieldType, string>> = {
  t: "bool",
  b: "byte",
  B: "unsignedbyte",
  s: "short",
  u: "unsignedshort",
  I: "signedint",
  i: "unsignedint",
  l: "long",
  L: "long",
  f: "float",
  d: "double",
  D: "decimal",
  S: "longstr",
  A: "array",
  T: "timestamp",
  F: "table",
  V: "void",
  x: "binary",
};

/** The value of the first field of that name, which is the one that RabbitMQ takes. */
export function fieldValue(table: FieldTable, name: string): FieldValue | undefined {
  for (const field of table) if (field.name === name) return field.value;
  return undefined;
}

export type PlainValue = string | number | bigint | boolean | null | Buffer | PlainValue[] | Map<string, PlainValue>;

/** The value without its letters; a decimal becomes the nearest number. */
export function plainValue(value: FieldValue): PlainValue {
  switch (value.type) {
    case "A":
      return value.value.map(plainValue);
    case "F":
      return plainTable(value.value);
    case "D":
      return value.value / 10 ** value.scale;
    default:
      return value.value;
  }
}

/** The table as a map; of fields with one name, the first counts. */
export function plainTable(table: FieldTable): Map<string, PlainValue> {
  const plain = new Map<string, PlainValue>();
  for (const field of table) if (!plain.has(field.name)) plain.set(field.name, plainValue(field.value));
  return plain;
}

/** Makes a long string. */
export function longString(value: string | Buffer): FieldValue {
  return { type: "S", value };
}

/** Makes a signed number of 64 bits, RabbitMQ's own choice for what it counts. */
export function longNumber(value: number | bigint): FieldValue {
  return { type: "l", value };
}

/**
 * A table from simple values, with the letters that RabbitMQ's server gives to its own: `S`, `t`, `I` or `l`, `d`.
 * Values that have a letter already are taken as they are.
 */
export function tableOf(fields: Readonly<Record<string, string | number | boolean | FieldValue>>): FieldTable {
  return Object.entries(fields).map(([name, value]) => ({ name, value: typedValue(value) }));
}

function typedValue(value: string | number | boolean | FieldValue): FieldValue {
  if (typeof value === "string") return { type: "S", value };
  if (typeof value === "boolean") return { type: "t", value };
  if (typeof value !== "number") return value;
  if (!Number.isSafeInteger(value)) return { type: "d", value };
  return value === (value | 0) ? { type: "I", value } : { type: "l", value };
}

/** Decodes the table whose length stands at `start` and that fills the bytes up to `end` exactly. */
export function decodeTable(buffer: Buffer, start: number, end: number): FieldTable | Malformed {
  const input = new Input(buffer, start, end);
  const table = readTable(input);
  if (input.fault === null && !input.isAtEnd) input.fail("bytes are left behind the table");
  return input.fault === null ? table : new Malformed(input.fault);
}

/** Reads a table with its length; what is wrong with it is in the input's `fault` afterwards. */
export function readTable(input: Input, depth = 0): FieldTable {
  const table: Field[] = [];
  const outerEnd = enter(input, depth);
  while (!input.isAtEnd) {
    const nameLength = input.u8();
    const nameStart = input.at;
    const name = input.text(nameLength);
    const value = readValue(input, depth);
    if (typeof name === "string") table.push({ name, value });
    else table.push({ name: input.buffer.toString("utf8", nameStart, nameStart + nameLength), value, nameBytes: name });
  }
  leave(input, outerEnd);
  return table;
}

function readArray(input: Input, depth: number): FieldValue[] {
  const values: FieldValue[] = [];
  const outerEnd = enter(input, depth);
  while (!input.isAtEnd) values.push(readValue(input, depth));
  leave(input, outerEnd);
  return values;
}

/** Reads a length, makes what it spans the whole of the input, and returns where the input ended. */
function enter(input: Input, depth: number): number {
  const outerEnd = input.end;
  const length = input.u32();
  if (depth >= nestingMax) input.fail("tables are nested too deep");
  else if (length > input.end - input.at) input.fail("a length points past the end");
  else input.end = input.at + length;
  return outerEnd;
}

function leave(input: Input, outerEnd: number): void {
  input.end = outerEnd;
  if (input.fault !== null) input.at = outerEnd;
}

function readValue(input: Input, depth: number): FieldValue {
  const letter = input.u8();
  switch (letter) {
    case 0x53: // S
      return { type: "S", value: input.text(input.u32()) };
    case 0x49: // I
      return { type: "I", value: input.i32() };
    case 0x74: // t
      return { type: "t", value: input.u8() !== 0 };
    case 0x6c: // l
      return { type: "l", value: input.i64() };
    case 0x4c: // L
      return { type: "L", value: input.i64() };
    case 0x54: // T
      return { type: "T", value: input.u64() };
    case 0x46: // F
      return { type: "F", value: readTable(input, depth + 1) };
    case 0x41: // A
      return { type: "A", value: readArray(input, depth + 1) };
    case 0x62: // b
      return { type: "b", value: input.i8() };
    case 0x42: // B
      return { type: "B", value: input.u8() };
    case 0x73: // s
      return { type: "s", value: input.i16() };
    case 0x75: // u
      return { type: "u", value: input.u16() };
    case 0x69: // i
      return { type: "i", value: input.u32() };
    case 0x66: // f
      return { type: "f", value: input.f32() };
    case 0x64: // d
      return { type: "d", value: input.f64() };
    case 0x44: // D
      return { type: "D", scale: input.u8(), value: input.u32() };
    case 0x78: // x
      return { type: "x", value: input.bytes(input.u32()) };
    case 0x56: // V
      return { type: "V", value: null };
    default:
      input.fail("a field has an unknown type");
      return { type: "V", value: null };
  }
}

/** How many bytes the table takes on the wire, its length included. */
export function tableBytes(table: FieldTable): number {
  let bytes = 4;
  for (const field of table) bytes += 1 + nameBytes(field) + valueBytes(field.value);
  return bytes;
}

function nameBytes(field: Field): number {
  return field.nameBytes?.length ?? Buffer.byteLength(field.name);
}

function valueBytes(value: FieldValue): number {
  switch (value.type) {
    case "V":
      return 1;
    case "t":
    case "b":
    case "B":
      return 2;
    case "s":
    case "u":
      return 3;
    case "I":
    case "i":
    case "f":
      return 5;
    case "D":
      return 6;
    case "l":
    case "L":
    case "T":
    case "d":
      return 9;
    case "S":
    case "x":
      return 5 + (typeof value.value === "string" ? textByteLength(value.value) : value.value.length);
    case "F":
      return 1 + tableBytes(value.value);
    case "A":
      return value.value.reduce((bytes, element) => bytes + valueBytes(element), 5);
  }
}

/** Writes the table at `at`, where `tableBytes(table)` must be free. Returns the position behind it. */
export function writeTable(buffer: Buffer, at: number, table: FieldTable): number {
  let to = at + 4;
  for (const field of table) {
    const length = nameBytes(field);
    buffer[to++] = length;
    if (field.nameBytes !== undefined) field.nameBytes.copy(buffer, to);
    else buffer.write(field.name, to, length, "utf8");
    to = writeValue(buffer, to + length, field.value);
  }
  putU32(buffer, at, to - at - 4);
  return to;
}

function writeArray(buffer: Buffer, at: number, values: readonly FieldValue[]): number {
  let to = at + 4;
  for (const value of values) to = writeValue(buffer, to, value);
  putU32(buffer, at, to - at - 4);
  return to;
}

function writeLong(buffer: Buffer, at: number, value: string | Buffer): number {
  // A routing key, in the record of a death, may be any bytes.
  const end = typeof value === "string" ? writeTextBytes(buffer, at + 4, value) : at + 4 + value.copy(buffer, at + 4);
  putU32(buffer, at, end - at - 4);
  return end;
}

function writeValue(buffer: Buffer, at: number, value: FieldValue): number {
  const to = at + 1;
  buffer[at] = value.type.charCodeAt(0);
  switch (value.type) {
    case "V":
      return to;
    case "t":
      buffer[to] = value.value ? 1 : 0;
      return to + 1;
    case "b":
    case "B":
      buffer[to] = value.value;
      return to + 1;
    case "s":
    case "u":
      putU16(buffer, to, value.value);
      return to + 2;
    case "I":
    case "i":
      putU32(buffer, to, value.value);
      return to + 4;
    case "f":
      return buffer.writeFloatBE(value.value, to);
    case "d":
      return buffer.writeDoubleBE(value.value, to);
    case "D":
      buffer[to] = value.scale;
      putU32(buffer, to + 1, value.value);
      return to + 5;
    case "l":
    case "L":
    case "T":
      return buffer.writeBigUInt64BE(BigInt.asUintN(64, BigInt(value.value)), to);
    case "S":
    case "x":
      return writeLong(buffer, to, value.value);
    case "F":
      return writeTable(buffer, to, value.value);
    case "A":
      return writeArray(buffer, to, value.value);
  }
}
