/**
 * Values of headers, from AMQP to what all protocols know and back. On the way out widths go (an integer is an integer), so
 * where the type that RabbitMQ's own clients would choose is another than the one that was there, its *shape* goes along: the
 * letter, for a list `A[…]` and for a table `F{…}` with those of what is in it, in order.
 *
 * Rejected: to send the shape always (most headers are text), and the table as bytes beside its values (two truths).
 */

import { bytesOfText, textOfBytes } from "../../../base/byte-text.ts";
import type { CanonicalHeader } from "../../../broker/api.ts";
import { nestingMax, type Field, type FieldTable, type FieldValue } from "./field-table.ts";

type HeaderValue = CanonicalHeader["value"];

/** A Date holds no more. */
const secondsMax = 8_640_000_000_000;

/** The value for other protocols, and its shape where it is not the plain one. */
export function canonicalValue(field: FieldValue): { readonly value: HeaderValue; readonly type?: string } {
  const value = valueOf(field);
  const shape = shapeOf(field);
  return shape === shapeOf(plainField(value)) ? { value } : { value, type: shape };
}

function valueOf(field: FieldValue): HeaderValue {
  switch (field.type) {
    case "A":
      return field.value.map(valueOf);
    case "F":
      return tableValue(field.value);
    case "T":
      return field.value <= secondsMax ? new Date(Number(field.value) * 1000) : field.value;
    case "D":
      return field.value / 10 ** field.scale;
    default:
      return field.value;
  }
}

/** Of fields with one name the first counts. */
function tableValue(table: FieldTable): HeaderValue {
  const value: Record<string, HeaderValue> = {};
  for (const field of table) {
    const name = nameOf(field);
    if (!Object.hasOwn(value, name))
      Object.defineProperty(value, name, { value: valueOf(field.value), enumerable: true });
  }
  return value;
}

/** A name that is no text, as base/byte-text.ts has it. */
export function nameOf({ name, nameBytes }: Field): string {
  return nameBytes === undefined ? name : textOfBytes(nameBytes);
}

export function fieldNamed(name: string, value: FieldValue): Field {
  if (name.isWellFormed()) return { name, value };
  const nameBytes = bytesOfText(name);
  return { name: nameBytes.toString(), value, nameBytes };
}

function shapeOf(field: FieldValue): string {
  switch (field.type) {
    case "A":
      return `A[${field.value.map(shapeOf).join("")}]`;
    case "F": {
      // In the order of the value's names, which is not always the table's.
      const byName = new Map<string, FieldValue>();
      for (const each of field.value) if (!byName.has(nameOf(each))) byName.set(nameOf(each), each.value);
      const names: Record<string, null> = {};
      for (const name of byName.keys()) Object.defineProperty(names, name, { value: null, enumerable: true });
      return `F{${Object.keys(names)
        .map((name) => shapeOf(byName.get(name)!))
        .join("")}}`;
    }
    case "D":
      return `D${field.scale},${field.value};`;
    default:
      return field.type;
  }
}

/** The field for a value of another protocol, or of ours with its shape. A shape that does not fit counts for nothing. */
export function fieldOf(value: HeaderValue, shape: string | undefined): FieldValue {
  if (shape === undefined) return plainField(value);
  const reader = new ShapeReader(shape);
  const field = reader.read(value, 0);
  return field === undefined || !reader.isAtEnd ? plainField(value) : field;
}

function plainField(value: HeaderValue, depth = 0): FieldValue {
  if (value === null) return { type: "V", value };
  if (typeof value === "string") return { type: "S", value: value.isWellFormed() ? value : bytesOfText(value) };
  if (typeof value === "boolean") return { type: "t", value };
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) return { type: "d", value };
    return value === (value | 0) ? { type: "I", value } : { type: "l", value };
  }
  if (typeof value === "bigint") return { type: "l", value: BigInt.asIntN(64, value) };
  if (value instanceof Date) return timeField(value);
  if (value instanceof Uint8Array) return { type: "x", value: asBuffer(value) };
  // What nobody could read is its text.
  if (depth >= nestingMax - 1) return { type: "S", value: JSON.stringify(value) ?? "" };
  if (Array.isArray(value)) return { type: "A", value: value.map((each) => plainField(each, depth + 1)) };
  return {
    type: "F",
    value: Object.entries(value).flatMap(([name, each]) => fieldIfNamed(name, plainField(each, depth + 1))),
  };
}

/** What came before 1970, or has parts of a second, is told as text. */
function timeField(value: Date): FieldValue {
  const seconds = value.getTime() / 1000;
  return Number.isInteger(seconds) && seconds >= 0
    ? { type: "T", value: seconds }
    : { type: "S", value: value.toISOString() };
}

/** It is no scalar, and no list. */
function isTable(value: HeaderValue): value is Record<string, HeaderValue> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return !(value instanceof Date) && !(value instanceof Uint8Array);
}

const nameBytesMax = 255;

function fieldIfNamed(name: string, value: FieldValue): Field[] {
  const field = fieldNamed(name, value);
  return bytesOfText(name).length > nameBytesMax ? [{ name: field.name.slice(0, 60), value }] : [field];
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const rangeByLetter: Readonly<Record<string, readonly [number, number]>> = {
  b: [-128, 127],
  B: [0, 255],
  s: [-32_768, 32_767],
  u: [0, 65_535],
  I: [-2_147_483_648, 2_147_483_647],
  i: [0, 4_294_967_295],
};

/** Reads a shape along the value that it is of. */
class ShapeReader {
  readonly #shape: string;
  #at = 0;

  constructor(shape: string) {
    this.#shape = shape;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#shape.length;
  }

  /** undefined: it does not fit. */
  read(value: HeaderValue, depth: number): FieldValue | undefined {
    const letter = this.#shape[this.#at++];
    if (letter === "A") return this.#list(value, depth);
    if (letter === "F") return this.#table(value, depth);
    if (letter === "D") return this.#decimal();
    return letter === undefined ? undefined : scalar(letter, value);
  }

  #list(value: HeaderValue, depth: number): FieldValue | undefined {
    if (!Array.isArray(value) || depth >= nestingMax || !this.#takes("[")) return undefined;
    const values: FieldValue[] = [];
    for (const each of value) {
      const field = this.read(each, depth + 1);
      if (field === undefined) return undefined;
      values.push(field);
    }
    return this.#takes("]") ? { type: "A", value: values } : undefined;
  }

  #table(value: HeaderValue, depth: number): FieldValue | undefined {
    if (!isTable(value) || depth >= nestingMax || !this.#takes("{")) return undefined;
    const fields: Field[] = [];
    for (const [name, each] of Object.entries(value)) {
      const field = this.read(each, depth + 1);
      if (field === undefined) return undefined;
      fields.push(...fieldIfNamed(name, field));
    }
    return this.#takes("}") ? { type: "F", value: fields } : undefined;
  }

  #decimal(): FieldValue | undefined {
    const end = this.#shape.indexOf(";", this.#at);
    const [scale, value] = this.#shape.slice(this.#at, Math.max(this.#at, end)).split(",").map(Number);
    this.#at = end + 1;
    if (end < 0 || !isWithin(scale, 0, 255) || !isWithin(value, 0, 4_294_967_295)) return undefined;
    return { type: "D", scale: scale!, value: value! };
  }

  #takes(text: string): boolean {
    return this.#shape[this.#at++] === text;
  }
}

function scalar(letter: string, value: HeaderValue): FieldValue | undefined {
  const range = rangeByLetter[letter];
  if (range !== undefined) {
    return isWithin(value, range[0], range[1]) ? ({ type: letter, value } as FieldValue) : undefined;
  }
  const isNumber = typeof value === "number" || typeof value === "bigint";
  switch (letter) {
    case "l":
    case "L":
      if (!isWhole(value)) return undefined;
      return { type: letter, value: typeof value === "bigint" ? BigInt.asIntN(64, value) : value };
    case "f":
    case "d":
      return isNumber ? { type: letter, value: Number(value) } : undefined;
    case "T":
      if (value instanceof Date) return timeField(value);
      return isWhole(value) && value >= 0 ? { type: "T", value } : undefined;
    case "S":
    case "x":
      if (typeof value === "string") return letter === "S" ? { type: "S", value } : undefined;
      return value instanceof Uint8Array ? { type: letter, value: asBuffer(value) } : undefined;
    case "t":
      return typeof value === "boolean" ? { type: "t", value } : undefined;
    case "V":
      return value === null ? { type: "V", value } : undefined;
    default:
      return undefined;
  }
}

/** What 64 bits can be made of. */
function isWhole(value: HeaderValue): value is number | bigint {
  return typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value));
}

function isWithin(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}
