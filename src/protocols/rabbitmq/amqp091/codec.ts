/**
 * Methods and content headers, from bytes and to bytes, driven by the tables of frames.ts. This is the whole codec:
 * codec-hot.ts only has twins of it for the few frames that go by per message, and a property test holds that both
 * agree.
 *
 * Decoding is strict where RabbitMQ is: every argument must be there and nothing may follow the last one; short strings
 * must be UTF-8, but for methods with content. What is wrong comes back as a value, with the words that RabbitMQ uses.
 */

import { assert } from "../../../base/assert.ts";
import { textByteLength, textOfBytes, writeTextBytes } from "../../../base/byte-text.ts";
import { putU16, putU32 } from "../../../base/bytes.ts";
import { Input } from "../../../wire/input.ts";
import type { Output } from "../../../wire/output.ts";
import { readTable, tableBytes, writeTable, type FieldTable } from "../model/field-table.ts";
import {
  frameEnd,
  frameOverheadBytes,
  frameTypes,
  methodNameById,
  methods,
  type Method,
  type MethodArguments,
  type MethodName,
  type MethodSpec,
  type WireType,
} from "./frames.ts";

/** Why the payload of a method frame is no method. */
export class MethodFault {
  readonly kind: "unknown-method" | "malformed";
  readonly classId: number;
  readonly methodId: number;
  /** Fit for a reply text, but for its length. */
  readonly text: string;

  constructor(kind: "unknown-method" | "malformed", id: number, text: string) {
    this.kind = kind;
    this.classId = id >>> 16;
    this.methodId = id & 0xffff;
    this.text = text;
  }
}

/** How many octets RabbitMQ's text for an undecodable method can show at most before it is cut. */
const shownBytesMax = 100;

const fieldsByName = new Map<MethodName, readonly (readonly [string, WireType])[]>();
for (const [name, spec] of Object.entries(methods)) fieldsByName.set(name as MethodName, Object.entries(spec.fields));

function fieldsOf(name: MethodName): readonly (readonly [string, WireType])[] {
  return fieldsByName.get(name)!;
}

/** Decodes the payload of a method frame, which fills `buffer[start, end)`. */
export function decodeMethod(buffer: Buffer, start: number, end: number): Method | MethodFault {
  const input = new Input(buffer, start, end);
  const id = input.u32();
  if (input.fault !== null) return new MethodFault("malformed", 0, "a method frame without a method");
  const name = methodNameById(id);
  if (name === undefined) return new MethodFault("unknown-method", id, `unknown method ${id >>> 16}.${id & 0xffff}`);

  const spec: MethodSpec = methods[name];
  const args: Record<string, unknown> = {};
  let isText = true;
  let bits = 0;
  let bit = 0;
  for (const [field, type] of fieldsOf(name)) {
    if (type === "bit") {
      if (bit === 0) bits = input.u8();
      args[field] = (bits & (1 << bit)) !== 0;
      bit = (bit + 1) & 7;
      continue;
    }
    bit = 0;
    const value = readArgument(input, type);
    const isKey = field === "routingKey";
    // A routing key may be any bytes, and so may what another broker delivers to a shovel.
    isText &&=
      type !== "shortstr" || isKey || (spec.hasContent && name !== "basic.publish") || typeof value === "string";
    args[field] = type !== "shortstr" || typeof value === "string" ? value : textOfBytes(value as Buffer);
  }
  if (input.fault !== null || !input.isAtEnd) {
    const shown = buffer.subarray(start + 4, Math.min(end, start + 4 + shownBytesMax));
    return new MethodFault("malformed", id, `cannot decode <<${shown.join(",")}>>`);
  }
  if (!isText) return new MethodFault("malformed", id, "Malformed UTF-8 in shortstr");
  return { name, args } as unknown as Method;
}

function readArgument(input: Input, type: WireType): unknown {
  switch (type) {
    case "octet":
      return input.u8();
    case "short":
      return input.u16();
    case "long":
      return input.u32();
    case "longlong":
      return input.u64();
    case "shortstr":
      return input.text(input.u8());
    case "longstr":
      return input.text(input.u32());
    case "table":
      return readTable(input);
    case "bit":
      return input.u8() !== 0;
  }
}

/** Writes a method frame. Short strings must fit into 255 bytes. */
export function writeMethod<N extends MethodName>(
  output: Output,
  channel: number,
  name: N,
  args: MethodArguments<N>,
): void {
  const fields = fieldsOf(name);
  const values = args as Record<string, unknown>;
  const size = argumentsBytes(fields, values);
  let at = output.reserve(size + 4 + frameOverheadBytes);
  const buffer = output.buffer;
  at = writeFrameHeader(buffer, at, frameTypes.method, channel, size + 4);
  putU32(buffer, at, methods[name].id);
  at += 4;
  let bit = 0;
  for (const [field, type] of fields) {
    const value = values[field];
    if (type === "bit") {
      if (bit === 0) buffer[at++] = 0;
      if (value === true) buffer[at - 1] = buffer[at - 1]! | (1 << bit);
      bit = (bit + 1) & 7;
    } else {
      bit = 0;
      at = writeArgument(buffer, at, type, value);
    }
  }
  buffer[at] = frameEnd;
}

function argumentsBytes(fields: readonly (readonly [string, WireType])[], values: Record<string, unknown>): number {
  let bytes = 0;
  let bit = 0;
  for (const [field, type] of fields) {
    if (type === "bit") {
      if (bit === 0) bytes++;
      bit = (bit + 1) & 7;
    } else {
      bit = 0;
      bytes += argumentBytes(type, values[field]);
    }
  }
  return bytes;
}

function argumentBytes(type: WireType, value: unknown): number {
  switch (type) {
    case "bit":
    case "octet":
      return 1;
    case "short":
      return 2;
    case "long":
      return 4;
    case "longlong":
      return 8;
    case "shortstr":
      return 1 + textByteLength(value as string);
    case "longstr":
      return 4 + Buffer.byteLength(value as string | Buffer);
    case "table":
      return tableBytes(value as FieldTable);
  }
}

function writeArgument(buffer: Buffer, at: number, type: WireType, value: unknown): number {
  switch (type) {
    case "bit":
    case "octet":
      buffer[at] = Number(value);
      return at + 1;
    case "short":
      putU16(buffer, at, value as number);
      return at + 2;
    case "long":
      putU32(buffer, at, value as number);
      return at + 4;
    case "longlong":
      return buffer.writeBigUInt64BE(BigInt(value as number | bigint), at);
    case "shortstr": {
      const length = writeTextBytes(buffer, at + 1, value as string) - at - 1;
      assert(length <= 255, "a short string has at most 255 bytes");
      buffer[at] = length;
      return at + 1 + length;
    }
    case "longstr": {
      const bytes = typeof value === "string" ? Buffer.from(value) : (value as Buffer);
      putU32(buffer, at, bytes.length);
      bytes.copy(buffer, at + 4);
      return at + 4 + bytes.length;
    }
    case "table":
      return writeTable(buffer, at, value as FieldTable);
  }
}

/** Cuts a text to what a short string can hold, never inside of a character. For texts that quote a client's names. */
export function fitShortString(text: string): string {
  if (text.length <= 85) return text;
  const bytes = Buffer.from(text);
  if (bytes.length <= 255) return text;
  let end = 255;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}

/** Writes a frame's type, channel and size at `at`. Returns the position behind. */
export function writeFrameHeader(buffer: Buffer, at: number, type: number, channel: number, size: number): number {
  buffer[at] = type;
  putU16(buffer, at + 1, channel);
  putU32(buffer, at + 3, size);
  return at + 7;
}

/** Writes a heartbeat frame. */
export function writeHeartbeat(output: Output): void {
  const at = output.reserve(frameOverheadBytes);
  output.buffer[writeFrameHeader(output.buffer, at, frameTypes.heartbeat, 0, 0)] = frameEnd;
}

/** Writes the header of RabbitMQ's protocol: the answer to a peer that asked for another version. */
export function writeProtocolHeader(output: Output): void {
  const at = output.reserve(8);
  putU32(output.buffer, at, 0x414d5150);
  putU32(output.buffer, at + 4, 0x0000_0901);
}
