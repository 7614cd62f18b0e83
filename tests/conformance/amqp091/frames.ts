/** Frames, methods and property sections as bytes, and their readable forms: what a client needs beside its state. */
import { createHash } from "node:crypto";
import { methodByName, PROPERTIES, type FieldType, type Method } from "./spec.ts";
import { longString, quoted, shortString, shownTable, table, type Reader } from "./values.ts";

export type Fields = Record<string, unknown>;

export const FRAME_END = 206;

export function frame(type: number, channel: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(7);
  head.writeUInt8(type, 0);
  head.writeUInt16BE(channel, 1);
  head.writeUInt32BE(payload.length, 3);
  return Buffer.concat([head, payload, Buffer.from([FRAME_END])]);
}

export function uint(bytes: number, value: unknown): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(BigInt.asUintN(64, BigInt((value ?? 0) as number)));
  return buffer.subarray(8 - bytes);
}

function field(type: FieldType | "D", value: unknown): Buffer {
  switch (type) {
    case "o":
      return uint(1, value);
    case "s":
      return uint(2, value);
    case "l":
      return uint(4, value);
    case "L":
    case "D":
      return uint(8, value);
    case "S":
      return shortString((value ?? "") as string);
    case "X":
      return longString((value ?? "") as string);
    default:
      return table(value);
  }
}

/** A method's payload: ids, then the fields, absent ones as zero. */
export function methodPayload(name: string, fields: Fields = {}): Buffer {
  const method = methodByName.get(name);
  if (method === undefined) throw new Error(`no method ${name}`);
  const known = new Set(method.fields.map((f) => f.name));
  for (const key of Object.keys(fields)) if (!known.has(key)) throw new Error(`${name} has no field ${key}`);
  const parts = [uint(2, method.classId), uint(2, method.methodId)];
  for (let i = 0; i < method.fields.length; i++) {
    if (method.fields[i]?.type !== "b") {
      const { name: key, type } = method.fields[i] as Method["fields"][number];
      parts.push(field(type, fields[key] ?? (name === "exchange.declare" && key === "type" ? "direct" : undefined)));
      continue;
    }
    let bits = 0;
    for (let bit = 0; method.fields[i]?.type === "b"; i++, bit++) {
      if (fields[method.fields[i]?.name ?? ""] === true) bits |= 1 << bit;
    }
    i--;
    parts.push(Buffer.from([bits]));
  }
  return Buffer.concat(parts);
}

export function propertySection(props: Fields | Uint8Array = {}): Buffer {
  if (props instanceof Uint8Array) return Buffer.from(props);
  let flags = 0;
  const parts: Buffer[] = [];
  const known = new Set(PROPERTIES.map(([name]) => name));
  for (const key of Object.keys(props)) if (!known.has(key)) throw new Error(`no property ${key}`);
  PROPERTIES.forEach(([name, type], index) => {
    if (props[name] === undefined) return;
    flags |= 1 << (15 - index);
    parts.push(field(type, props[name]));
  });
  return Buffer.concat([uint(2, flags), ...parts]);
}

export function readField(reader: Reader, type: FieldType | "D"): unknown {
  switch (type) {
    case "o":
      return reader.u8();
    case "s":
      return reader.u16();
    case "l":
      return reader.u32();
    case "L":
      return Number(reader.u64());
    case "D":
      return reader.u64();
    case "S":
      return reader.short();
    case "X":
      return reader.long();
    default:
      return reader.table();
  }
}

export function shownField(type: FieldType | "D", value: unknown): string {
  if (type === "S" || type === "X") return quoted(value as string);
  if (type === "T") return value instanceof Uint8Array ? quoted(value) : shownTable(value);
  return String(value);
}

export function shownBody(body: Buffer): string {
  if (body.length <= 80) return quoted(body);
  return `<${body.length} bytes, sha1 ${createHash("sha1").update(body).digest("hex").slice(0, 12)}>`;
}

export function shownProps(props: Iterable<readonly [string, unknown]>): string {
  const types = new Map(PROPERTIES);
  return [...props].map(([name, value]) => `${name}=${shownField(types.get(name) ?? "S", value)}`).join(" ");
}

export function readMethod(method: Method, reader: Reader): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  let bits = 0;
  let bit = 0;
  for (const { name, type } of method.fields) {
    if (type !== "b") {
      bit = 0;
      fields[name] = readField(reader, type);
      continue;
    }
    if (bit === 0) bits = reader.u8();
    fields[name] = ((bits >> bit++) & 1) === 1;
  }
  return fields;
}
