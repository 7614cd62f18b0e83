/**
 * Field tables on the wire, and their readable form in transcripts.
 *
 * A plain JavaScript value is sent with the type that most clients choose (string S, boolean t, integer I or l, other
 * number d, null V, object F, array A, bytes x); `as('s', 5)` names the type itself. What is received keeps its type and
 * is shown as `{a=I:1, b="text"}`, since clients of several languages depend on the types.
 */
export interface Typed {
  readonly type: string;
  readonly value: unknown;
}

class TypedValue implements Typed {
  readonly type: string;
  readonly value: unknown;
  constructor(type: string, value: unknown) {
    this.type = type;
    this.value = value;
  }
}

/** A field value with its wire type letter. */
export function as(type: string, value: unknown): Typed {
  return new TypedValue(type, value);
}

function typed(value: unknown): Typed {
  if (value instanceof TypedValue) return value;
  if (typeof value === "string") return as("S", value);
  if (typeof value === "boolean") return as("t", value);
  if (typeof value === "bigint") return as("l", value);
  if (typeof value === "number") {
    if (!Number.isInteger(value)) return as("d", value);
    return as(Math.abs(value) < 2 ** 31 ? "I" : "l", value);
  }
  if (value === null || value === undefined) return as("V", null);
  if (value instanceof Uint8Array) return as("x", value);
  if (Array.isArray(value)) return as("A", value);
  return as("F", value);
}

function number(bytes: number, write: (buffer: Buffer) => void): Buffer {
  const buffer = Buffer.alloc(bytes);
  write(buffer);
  return buffer;
}

export function longString(value: string | Uint8Array): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value) : Buffer.from(value);
  return Buffer.concat([number(4, (b) => b.writeUInt32BE(bytes.length)), bytes]);
}

export function shortString(value: string | Uint8Array): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value) : Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length & 255]), bytes]);
}

/** A table with its length; an array of pairs may repeat a key. */
export function table(value: unknown): Buffer {
  if (value instanceof Uint8Array) return longString(value);
  const pairs = Array.isArray(value) ? (value as [string, unknown][]) : Object.entries(value ?? {});
  return longString(Buffer.concat(pairs.flatMap(([key, field]) => [shortString(key), fieldValue(field)])));
}

export function fieldValue(input: unknown): Buffer {
  const { type, value } = typed(input);
  return Buffer.concat([Buffer.from(type, "latin1"), fieldBody(type, value)]);
}

function fieldBody(type: string, value: unknown): Buffer {
  switch (type) {
    case "t":
      return Buffer.from([value ? 1 : 0]);
    case "b":
      return number(1, (b) => b.writeInt8(Number(value)));
    case "B":
      return number(1, (b) => b.writeUInt8(Number(value)));
    case "s":
      return number(2, (b) => b.writeInt16BE(Number(value)));
    case "u":
      return number(2, (b) => b.writeUInt16BE(Number(value)));
    case "I":
      return number(4, (b) => b.writeInt32BE(Number(value)));
    case "i":
      return number(4, (b) => b.writeUInt32BE(Number(value)));
    case "l":
      return number(8, (b) => b.writeBigInt64BE(BigInt(value as number)));
    case "T":
      return number(8, (b) => b.writeBigUInt64BE(BigInt(value as number)));
    case "f":
      return number(4, (b) => b.writeFloatBE(Number(value)));
    case "d":
      return number(8, (b) => b.writeDoubleBE(Number(value)));
    case "D": {
      const [scale, digits] = value as [number, number];
      return Buffer.concat([Buffer.from([scale]), number(4, (b) => b.writeInt32BE(digits))]);
    }
    case "S":
    case "x":
      return longString(value as string | Uint8Array);
    case "A":
      return longString(Buffer.concat((value as unknown[]).map(fieldValue)));
    case "F":
      return table(value);
    default:
      return Buffer.alloc(0);
  }
}

/** Reads what a server sent; throws a RangeError past the end, which fails the scenario. */
export class Reader {
  readonly bytes: Buffer;
  at = 0;
  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
  take(length: number): Buffer {
    if (this.at + length > this.bytes.length) throw new RangeError("a frame ends inside of a field");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
  u8(): number {
    return this.take(1).readUInt8();
  }
  u16(): number {
    return this.take(2).readUInt16BE();
  }
  u32(): number {
    return this.take(4).readUInt32BE();
  }
  u64(): bigint {
    return this.take(8).readBigUInt64BE();
  }
  short(): string {
    return this.take(this.u8()).toString();
  }
  long(): Buffer {
    return this.take(this.u32());
  }
  /** Pairs in the order of the wire, values as `Typed`. */
  table(): [string, Typed][] {
    const inner = new Reader(this.long());
    const pairs: [string, Typed][] = [];
    while (inner.at < inner.bytes.length) pairs.push([inner.short(), inner.field()]);
    return pairs;
  }
  field(): Typed {
    const type = String.fromCharCode(this.u8());
    return as(type, this.fieldBody(type));
  }
  private fieldBody(type: string): unknown {
    switch (type) {
      case "t":
        return this.u8() !== 0;
      case "b":
        return this.take(1).readInt8();
      case "B":
        return this.u8();
      case "s":
        return this.take(2).readInt16BE();
      case "u":
        return this.u16();
      case "I":
        return this.take(4).readInt32BE();
      case "i":
        return this.u32();
      case "l":
        return this.take(8).readBigInt64BE();
      case "T":
        return this.u64();
      case "f":
        return this.take(4).readFloatBE();
      case "d":
        return this.take(8).readDoubleBE();
      case "D":
        return [this.u8(), this.take(4).readInt32BE()];
      case "S":
      case "x":
        return this.long();
      case "A": {
        const inner = new Reader(this.long());
        const values: Typed[] = [];
        while (inner.at < inner.bytes.length) values.push(inner.field());
        return values;
      }
      case "F":
        return this.table();
      case "V":
        return null;
      default:
        throw new RangeError(`unknown field type ${JSON.stringify(type)}`);
    }
  }
}

/** Text in quotes, or `hex:` where the bytes are no text; longer than `most` is cut down to its length and digest. */
export function quoted(bytes: Uint8Array | string, most = 300): string {
  const buffer = Buffer.from(bytes as string);
  const text = buffer.toString();
  if (buffer.length > most) return `<${buffer.length} bytes>`;
  if (Buffer.from(text).equals(buffer)) return JSON.stringify(text);
  return `hex:${buffer.toString("hex")}`;
}

/**
 * A table in the order of its keys: what RabbitMQ changes in a table it writes back sorted or not depending on how often
 * it did, and no client can tell. That untouched tables come back to the byte is shown by comparing bytes.
 */
export function shownTable(value: unknown): string {
  const pairs = Array.isArray(value) ? (value as [string, unknown][]) : Object.entries(value ?? {});
  const sorted = pairs.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${sorted.map(([key, field]) => `${key}=${shown(field)}`).join(", ")}}`;
}

/** The transcript form of a field value, sent or received. */
export function shown(input: unknown): string {
  const { type, value } = typed(input);
  switch (type) {
    case "S":
      return quoted(value as string);
    case "t":
      return String(value);
    case "V":
      return "void";
    case "A":
      return `[${(value as unknown[]).map(shown).join(", ")}]`;
    case "F": {
      return shownTable(value);
    }
    case "x":
      return `x:${Buffer.from(value as Uint8Array).toString("hex")}`;
    case "D":
      return `D:${(value as number[]).join("/")}`;
    case "T": {
      const age = Date.now() / 1000 - Number(value);
      return Math.abs(age) < 600 ? "T:now" : `T:${String(value)}`;
    }
    default:
      return `${type}:${String(value)}`;
  }
}
