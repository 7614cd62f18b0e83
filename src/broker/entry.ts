/**
 * The form in which a message is stored, in memory, in the journal and in segments alike, so that it is copied and
 * never converted on its way. All integers are big endian.
 *
 *      0        1       2          3       4               10               12                 14            18
 *     +--------+-------+----------+-------+---------------+----------------+------------------+-------------+- - -
 *     | format | flags | priority | marks | timestamp u48 | exchange len 2 | routing key len 2| head len 4  | ...
 *     +--------+-------+----------+-------+---------------+----------------+------------------+-------------+- - -
 *
 *     18: [ttl ms u48] [deliver at ms u48] [key len u16, key] [count u32] [more keys]   (each if flagged)
 *         more keys: bytes u32 | (len u16, key) ...
 *         exchange | routing key | head: the protocol's raw property section | body: the rest
 *
 * `marks` bit 0: more than one queue points to these bytes. With `count` the entry is a batch: its body holds so many
 * messages, of consecutive offsets, in a form that its protocol knows.
 */
import { textOfBytes, writeTextBytes } from "../base/byte-text.ts";
import { getU16, getU32, putU16, putU32 } from "../base/bytes.ts";
import type { Entry } from "./api.ts";
import type { Batch } from "./batch.ts";
import type { UnpackedMessage } from "./format.ts";

export const entryFlag = { durable: 1, ttl: 2, deliverAt: 4, key: 8, count: 16, moreKeys: 32 } as const;
export const entryMark = { shared: 1 } as const;
const fixedBytes = 18;

export function writeU48(buffer: Buffer, at: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  buffer[at] = high >>> 8;
  buffer[at + 1] = high;
  putU32(buffer, at + 2, value);
}

export function readU48(buffer: Buffer, at: number): number {
  return ((buffer[at]! << 8) | buffer[at + 1]!) * 0x1_0000_0000 + getU32(buffer, at + 2);
}

/** Writes a string as UTF-8, or as the bytes it stands for; answers the position behind it. Short ASCII, the usual, is faster by hand. */
export function writeText(buffer: Buffer, at: number, text: string): number {
  const length = text.length;
  if (length > 40) return writeTextBytes(buffer, at, text);
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return writeTextBytes(buffer, at, text);
    buffer[at + i] = code;
  }
  return at + length;
}

/** No entry of this publication is longer than this. */
export function entryBytesMax(p: UnpackedMessage): number {
  const texts = p.exchange.name.length + p.routingKey.length + (p.key === undefined ? 0 : p.key.length);
  const most = fixedBytes + 6 + 6 + 2 + 4 + texts * 3 + (p.headEnd - p.headStart) + (p.bodyEnd - p.bodyStart);
  return carriesMoreKeys(p) ? p.extraKeys.reduce((sum, key) => sum + 2 + key.length * 3, most + 4) : most;
}

/** A message that is routed later takes the further keys along by which it is to be routed. */
function carriesMoreKeys(p: UnpackedMessage): p is UnpackedMessage & { extraKeys: readonly string[] } {
  return p.extraKeys !== undefined && p.deliverAtMs > 0;
}

function writeMoreKeys(target: Buffer, at: number, keys: readonly string[]): number {
  let to = at + 4;
  for (const key of keys) {
    const end = writeText(target, to + 2, key);
    putU16(target, to, end - to - 2);
    to = end;
  }
  putU32(target, at, to - at - 4);
  return to;
}

/** Writes the entry at `at`; answers the position behind it. The caller has made room for entryBytesMax(). */
export function writeEntry(
  target: Buffer,
  at: number,
  p: UnpackedMessage,
  isDurable: boolean,
  isShared: boolean,
  nowMs: number,
): number {
  let flags = isDurable ? entryFlag.durable : 0;
  let to = at + fixedBytes;
  if (p.ttlMs >= 0) {
    flags |= entryFlag.ttl;
    writeU48(target, to, p.ttlMs);
    to += 6;
  }
  if (p.deliverAtMs > 0) {
    flags |= entryFlag.deliverAt;
    writeU48(target, to, p.deliverAtMs);
    to += 6;
  }
  if (p.key !== undefined) {
    flags |= entryFlag.key;
    const end = writeText(target, to + 2, p.key);
    putU16(target, to, end - to - 2);
    to = end;
  }
  if (carriesMoreKeys(p)) {
    flags |= entryFlag.moreKeys;
    to = writeMoreKeys(target, to, p.extraKeys);
  }
  target[at] = p.format;
  target[at + 1] = flags;
  target[at + 2] = p.priority;
  target[at + 3] = isShared ? entryMark.shared : 0;
  writeU48(target, at + 4, nowMs);
  const exchangeEnd = writeText(target, to, p.exchange.name);
  putU16(target, at + 10, exchangeEnd - to);
  const keyEnd = writeText(target, exchangeEnd, p.routingKey);
  putU16(target, at + 12, keyEnd - exchangeEnd);
  const headBytes = p.headEnd - p.headStart;
  putU32(target, at + 14, headBytes);
  p.head.copy(target, keyEnd, p.headStart, p.headEnd);
  p.body.copy(target, keyEnd + headBytes, p.bodyStart, p.bodyEnd);
  return keyEnd + headBytes + (p.bodyEnd - p.bodyStart);
}

export const batchHeadBytes = fixedBytes + 4;

/** Writes a batch as an entry of `batchHeadBytes` and its body; answers the position behind it. */
export function writeBatchEntry(
  target: Buffer,
  at: number,
  batch: Batch,
  isDurable: boolean,
  timestampMs: number,
): number {
  target[at] = batch.format;
  target[at + 1] = entryFlag.count | (isDurable ? entryFlag.durable : 0);
  target[at + 2] = 0;
  target[at + 3] = 0;
  writeU48(target, at + 4, timestampMs);
  target.fill(0, at + 10, at + fixedBytes);
  putU32(target, at + fixedBytes, batch.count);
  batch.body.copy(target, at + batchHeadBytes, batch.bodyStart, batch.bodyEnd);
  return at + batchHeadBytes + (batch.bodyEnd - batch.bodyStart);
}

/** A window onto one stored entry, moved from entry to entry with set(). */
export class EntryCursor implements Entry {
  buffer: Buffer = Buffer.alloc(0);
  partition = 0;
  offset = -1;
  format = 0;
  flags = 0;
  priority = 0;
  timestampMs = 0;
  ttlMs = -1;
  deliverAtMs = 0;
  exchangeStart = 0;
  exchangeEnd = 0;
  routingKeyStart = 0;
  routingKeyEnd = 0;
  headStart = 0;
  headEnd = 0;
  bodyStart = 0;
  bodyEnd = 0;
  count = 1;
  #moreKeysAt = 0;
  #keyStart = 0;
  #keyEnd = 0;

  get isDurable(): boolean {
    return (this.flags & entryFlag.durable) !== 0;
  }

  isShared = false;

  get isBatch(): boolean {
    return (this.flags & entryFlag.count) !== 0;
  }

  get baseOffset(): number {
    return this.offset - this.count + 1;
  }

  set(buffer: Buffer, start: number, end: number, offset: number): this {
    this.buffer = buffer;
    this.offset = offset;
    this.format = buffer[start]!;
    const flags = buffer[start + 1]!;
    this.flags = flags;
    this.priority = buffer[start + 2]!;
    this.isShared = (buffer[start + 3]! & entryMark.shared) !== 0;
    this.timestampMs = readU48(buffer, start + 4);
    let at = start + fixedBytes;
    this.ttlMs = -1;
    this.deliverAtMs = 0;
    this.count = 1;
    if ((flags & ~entryFlag.durable) !== 0) at = this.#setOptional(buffer, at, flags);
    this.exchangeStart = at;
    at += getU16(buffer, start + 10);
    this.exchangeEnd = at;
    this.routingKeyStart = at;
    at += getU16(buffer, start + 12);
    this.routingKeyEnd = at;
    this.headStart = at;
    at += getU32(buffer, start + 14);
    this.headEnd = at;
    this.bodyStart = at;
    this.bodyEnd = end;
    return this;
  }

  #setOptional(buffer: Buffer, from: number, flags: number): number {
    let at = from;
    if (flags & entryFlag.ttl) {
      this.ttlMs = readU48(buffer, at);
      at += 6;
    }
    if (flags & entryFlag.deliverAt) {
      this.deliverAtMs = readU48(buffer, at);
      at += 6;
    }
    if (flags & entryFlag.key) {
      this.#keyStart = at + 2;
      this.#keyEnd = at + 2 + getU16(buffer, at);
      at = this.#keyEnd;
    }
    if (flags & entryFlag.count) {
      this.count = getU32(buffer, at);
      at += 4;
    }
    if (flags & entryFlag.moreKeys) {
      this.#moreKeysAt = at;
      at += 4 + getU32(buffer, at);
    }
    return at;
  }

  exchange(): string {
    return this.buffer.toString("utf8", this.exchangeStart, this.exchangeEnd);
  }

  routingKey(): string {
    return textOfBytes(this.buffer, this.routingKeyStart, this.routingKeyEnd);
  }

  /** Further keys by which a message is to be routed that waits for its time. */
  moreKeys(): readonly string[] | undefined {
    if ((this.flags & entryFlag.moreKeys) === 0) return undefined;
    const keys: string[] = [];
    const end = this.#moreKeysAt + 4 + getU32(this.buffer, this.#moreKeysAt);
    for (let at = this.#moreKeysAt + 4; at < end; at += 2 + getU16(this.buffer, at)) {
      keys.push(textOfBytes(this.buffer, at + 2, at + 2 + getU16(this.buffer, at)));
    }
    return keys;
  }

  /** The key's bytes, one to a character: whether they are UTF-8 or not, as many keys are as many strings. */
  keyOctets(): string | undefined {
    return this.flags & entryFlag.key ? this.buffer.toString("latin1", this.#keyStart, this.#keyEnd) : undefined;
  }

  key(): string | undefined {
    return this.flags & entryFlag.key ? this.buffer.toString("utf8", this.#keyStart, this.#keyEnd) : undefined;
  }
}
