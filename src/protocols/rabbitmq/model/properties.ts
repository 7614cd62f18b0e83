/**
 * The property section of a message, called its head here: two octets of flags, then each property whose flag is set.
 *
 *     u16 flags: bit 15 content-type ... bit 2 cluster-id    (bits 1 and 0 are ignored, as RabbitMQ does)
 *
 * The broker stores the head as it came and, for most messages, only ever asks where some property is. `scanProperties`
 * answers that in one pass into a struct that is used again, with nothing decoded and nothing allocated; it also
 * checks the headers' structure, so that nobody behind it meets a malformed table. A position is that of the property's
 * first octet on the wire: the length of a short string or of the table, the number itself otherwise.
 *
 * When the broker must change a head (dead-lettering sets headers and takes the expiration away), `rewriteProperties`
 * copies every property that is not named byte for byte, headers of odd encodings included.
 */

import { assert } from "../../../base/assert.ts";
import { textByteLength, writeTextBytes } from "../../../base/byte-text.ts";
import { copyBytes, getU16, getU32, putU16, putU64 } from "../../../base/bytes.ts";
import { Input, Malformed } from "../../../wire/input.ts";
import { readTable, tableBytes, writeTable, type FieldTable } from "./field-table.ts";
import { tableEnd } from "./field-table-scan.ts";

/** The 14 properties of basic content in their order on the wire, which is that of their flags from bit 15 down. */
export const basicProperties = {
  contentType: "shortstr",
  contentEncoding: "shortstr",
  headers: "table",
  deliveryMode: "octet",
  priority: "octet",
  correlationId: "shortstr",
  replyTo: "shortstr",
  expiration: "shortstr",
  messageId: "shortstr",
  timestamp: "longlong",
  type: "shortstr",
  userId: "shortstr",
  appId: "shortstr",
  clusterId: "shortstr",
} as const;

export type PropertyName = keyof typeof basicProperties;

/** All that is set, decoded. `timestamp` is in seconds since 1970; strings that are not UTF-8 are damaged here. */
export interface Properties {
  contentType?: string;
  contentEncoding?: string;
  headers?: FieldTable;
  deliveryMode?: number;
  priority?: number;
  correlationId?: string;
  replyTo?: string;
  expiration?: string;
  messageId?: string;
  timestamp?: number | bigint;
  type?: string;
  userId?: string;
  appId?: string;
  clusterId?: string;
}

/** What to change in a head: a value sets a property, null takes it away, the others stay as they are. */
export type PropertyChanges = { readonly [N in PropertyName]?: Properties[N] | null };

const names = Object.keys(basicProperties) as PropertyName[];

function flagOf(index: number): number {
  return 0x8000 >>> index;
}

/** Where the properties of one head stand, or -1 for those that are not set. To be used again and again. */
export class PropertyPositions {
  contentType = -1;
  contentEncoding = -1;
  headers = -1;
  /** Behind the headers. */
  headersEnd = -1;
  deliveryMode = -1;
  priority = -1;
  correlationId = -1;
  replyTo = -1;
  expiration = -1;
  messageId = -1;
  timestamp = -1;
  type = -1;
  userId = -1;
  appId = -1;
  clusterId = -1;
  /** Which are set, by their flags on the wire. */
  flags = 0;

  clear(): void {
    this.contentType = -1;
    this.contentEncoding = -1;
    this.headers = -1;
    this.headersEnd = -1;
    this.deliveryMode = -1;
    this.priority = -1;
    this.correlationId = -1;
    this.replyTo = -1;
    this.expiration = -1;
    this.messageId = -1;
    this.timestamp = -1;
    this.type = -1;
    this.userId = -1;
    this.appId = -1;
    this.clusterId = -1;
    this.flags = 0;
  }
}

/**
 * Finds the properties of the head that fills `buffer[start, end)`.
 * @returns whether the head is well-formed; if not, the positions mean nothing.
 */
export function scanProperties(buffer: Buffer, start: number, end: number, into: PropertyPositions): boolean {
  if (into.flags !== 0) into.clear();
  if (end - start < 2) return false;
  const flags = getU16(buffer, start) & 0xfffc;
  into.flags = flags;
  let at = start + 2;
  if ((flags & 0xe000) !== 0) {
    if ((flags & 0x8000) !== 0) at = behindShort(buffer, (into.contentType = at), end);
    if ((flags & 0x4000) !== 0) at = behindShort(buffer, (into.contentEncoding = at), end);
    if ((flags & 0x2000) !== 0) {
      into.headers = at;
      const headersEnd = tableEnd(buffer, at, end);
      if (headersEnd < 0) return false;
      at = into.headersEnd = headersEnd;
    }
  }
  if ((flags & 0x1000) !== 0) into.deliveryMode = at++;
  if ((flags & 0x0800) !== 0) into.priority = at++;
  if ((flags & 0x07fc) !== 0) {
    if ((flags & 0x0400) !== 0) at = behindShort(buffer, (into.correlationId = at), end);
    if ((flags & 0x0200) !== 0) at = behindShort(buffer, (into.replyTo = at), end);
    if ((flags & 0x0100) !== 0) at = behindShort(buffer, (into.expiration = at), end);
    if ((flags & 0x0080) !== 0) at = behindShort(buffer, (into.messageId = at), end);
    if ((flags & 0x0040) !== 0) at = (into.timestamp = at) + 8;
    if ((flags & 0x0020) !== 0) at = behindShort(buffer, (into.type = at), end);
    if ((flags & 0x0010) !== 0) at = behindShort(buffer, (into.userId = at), end);
    if ((flags & 0x0008) !== 0) at = behindShort(buffer, (into.appId = at), end);
    if ((flags & 0x0004) !== 0) at = behindShort(buffer, (into.clusterId = at), end);
  }
  return at === end;
}

/** Behind the short string at `at`; past `end` if it, or one before it, does not fit, and from then on always. */
function behindShort(buffer: Buffer, at: number, end: number): number {
  return at < end ? at + 1 + buffer[at]! : end + 1;
}

/** The short string whose length stands at `at`: for the positions that `scanProperties` found. */
export function shortStringAt(buffer: Buffer, at: number): string {
  return buffer.toString("utf8", at + 1, at + 1 + buffer[at]!);
}

/** Decodes the head that fills `buffer[start, end)`. */
export function decodeProperties(buffer: Buffer, start: number, end: number): Properties | Malformed {
  const input = new Input(buffer, start, end);
  const flags = input.u16();
  const properties: Record<string, unknown> = {};
  for (const [index, name] of names.entries()) {
    if ((flags & flagOf(index)) !== 0) properties[name] = readProperty(input, name);
  }
  if (input.fault === null && !input.isAtEnd) input.fail("bytes are left behind the properties");
  return input.fault === null ? properties : new Malformed(input.fault);
}

function readProperty(input: Input, name: PropertyName): unknown {
  switch (basicProperties[name]) {
    case "shortstr":
      return input.text(input.u8()).toString();
    case "octet":
      return input.u8();
    case "longlong":
      return input.u64();
    case "table":
      return readTable(input);
  }
}

/** A head with these properties. */
export function encodeProperties(properties: Properties): Buffer {
  const head = Buffer.allocUnsafe(2 + changedBytes(properties));
  let flags = 0;
  let to = 2;
  for (const [index, name] of names.entries()) {
    const value = properties[name];
    if (value === undefined) continue;
    to = writeProperty(head, to, name, value);
    flags |= flagOf(index);
  }
  putU16(head, 0, flags);
  return head.subarray(0, to);
}

/**
 * A head like the one in `buffer[start, end)`, but for the changes; what they do not name is copied to the byte.
 * The head must be one that `scanProperties` accepts, and short strings must fit into 255 bytes.
 */
export function rewriteProperties(buffer: Buffer, start: number, end: number, changes: PropertyChanges): Buffer {
  const oldFlags = getU16(buffer, start);
  const head = Buffer.allocUnsafeSlow(end - start + changedBytes(changes));
  let flags = 0;
  let from = start + 2;
  let to = 2;
  for (const [index, name] of names.entries()) {
    const flag = flagOf(index);
    const wasSet = (oldFlags & flag) !== 0;
    const next = wasSet ? behindProperty(buffer, from, end, name) : from;
    const change = changes[name];
    if (change !== undefined && change !== null) {
      to = writeProperty(head, to, name, change);
      flags |= flag;
    } else if (wasSet && change === undefined) {
      copyBytes(buffer, from, next, head, to);
      to += next - from;
      flags |= flag;
    }
    from = next;
  }
  putU16(head, 0, flags);
  return head.subarray(0, to);
}

function behindProperty(buffer: Buffer, at: number, end: number, name: PropertyName): number {
  switch (basicProperties[name]) {
    case "shortstr":
      return behindShort(buffer, at, end);
    case "octet":
      return at + 1;
    case "longlong":
      return at + 8;
    case "table":
      return at + 4 + getU32(buffer, at);
  }
}

type PropertyValue = string | number | bigint | FieldTable;

/** A bound for what the changes take on the wire. */
function changedBytes(changes: PropertyChanges): number {
  let bytes = 0;
  for (const name of names) {
    const change = changes[name];
    if (change === undefined) continue;
    if (typeof change === "string") bytes += 1 + textByteLength(change);
    else if (typeof change === "object") bytes += change === null ? 0 : tableBytes(change);
    else bytes += 8;
  }
  return bytes;
}

function writeProperty(head: Buffer, at: number, name: PropertyName, value: PropertyValue): number {
  switch (basicProperties[name]) {
    case "shortstr": {
      const end = writeTextBytes(head, at + 1, value as string);
      const length = end - at - 1;
      assert(length <= 255, "a short string has at most 255 bytes");
      head[at] = length;
      return end;
    }
    case "octet":
      head[at] = value as number;
      return at + 1;
    case "longlong":
      if (typeof value === "bigint") return head.writeBigUInt64BE(value, at);
      putU64(head, at, value as number);
      return at + 8;
    case "table":
      return writeTable(head, at, value as FieldTable);
  }
}
