/**
 * From a table of fields to a decoder and an encoder for each version.
 *
 * A MessageSchema compiles a version when it is first asked for, into closures that no longer look at versions, and keeps
 * them: a start of the broker compiles nothing. Reading gives plain objects with all fields in the table's order, those that
 * the version lacks at their default; tags that are not known are passed over, as Kafka does. Writing takes the same objects
 * with anything left out. Null where a version cannot say it is written as empty.
 *
 * No bytes make it throw. An array is believed only as far as the bytes behind it can hold that many of its elements, and a
 * message holds 300,000 elements in all, three times what a fetch of the largest of Kafka's brokers has: some ten megabytes,
 * where else a frame of 100 MB, three bytes an element, would become gigabytes. Bytes behind the last field are ignored, as in Kafka.
 *
 * Rejected: code made as text (quicker by a third where it was tried, and unreadable; what is hot has a twin written by
 * hand), a class per message, and compiling at load, which would cost every start for versions that nobody speaks.
 */

import { assert } from "../../../base/assert.ts";
import { Input, Malformed } from "../../../wire/input.ts";
import { ChunkPool, Output } from "../../../wire/output.ts";
import type { Field, Fields, PrimitiveName, ReadFields, WrittenFields } from "./fields.ts";
import {
  readBytes,
  readInt64,
  readLength,
  readString,
  readUuid,
  readUvarint,
  uuidZero,
  writeBytes,
  writeInt64,
  writeLength,
  writeString,
  writeUuid,
  writeUvarint,
} from "./primitives.ts";

/** Elements of arrays in one message, all together. */
const elementsMax = 300_000;

/** What a schema reads, and what it writes. */
export type ReadOf<S> = S extends MessageSchema<infer Read> ? Read : never;
export type WrittenOf<S> = S extends MessageSchema<unknown, infer Written> ? Written : never;

type Plain = Record<string, unknown>;

/** How a type is read and written in one version. */
interface Codec {
  /** It never takes fewer. */
  readonly bytesLeast: number;
  read(input: Input): unknown;
  write(output: Output, value: never): void;
}

interface VersionRange {
  readonly first: number;
  readonly last: number;
}

/** `3+`, `0-12`, `4`, `none`. */
export function versionsOf(text: string): VersionRange {
  if (text === "none") return { first: 1, last: 0 };
  const match = /^(\d+)(?:(\+)|-(\d+))?$/.exec(text);
  assert(match !== null, `versions are written as 3+, 0-12, 4 or none, not as ${text}`);
  const first = Number(match[1]);
  return { first, last: match[2] === undefined ? Number(match[3] ?? first) : Number.POSITIVE_INFINITY };
}

function isIn(versions: string | undefined, version: number): boolean {
  if (versions === undefined) return false;
  const { first, last } = versionsOf(versions);
  return version >= first && version <= last;
}

/** Of the message that is being read: there is one at a time. */
let elementsLeft = 0;

/** Elements of arrays in the message that was read last: what is kept of it goes by them. */
export function elementsRead(): number {
  return elementsMax - Math.max(0, elementsLeft);
}

let faultyField = "";

export class MessageSchema<out Read = unknown, in Written = never> {
  /** As in Kafka's definitions: `MetadataRequest`. */
  readonly name: string;
  /** The API's key; -1 of what is neither a request nor a response. */
  readonly key: number;
  readonly minVersion: number;
  readonly maxVersion: number;
  /** From this version on lengths are varints and fields may be tagged; infinite if there is none. */
  readonly firstFlexibleVersion: number;
  readonly fields: Fields;
  readonly #codecs: (Codec | undefined)[] = [];

  /** Made by `messageSchema`, which infers the types. */
  constructor(name: string, key: number, versions: string, flexible: string, fields: Fields) {
    this.name = name;
    this.key = key;
    ({ first: this.minVersion, last: this.maxVersion } = versionsOf(versions));
    this.firstFlexibleVersion = flexible === "none" ? Number.POSITIVE_INFINITY : versionsOf(flexible).first;
    this.fields = fields;
  }

  has(version: number): boolean {
    return version >= this.minVersion && version <= this.maxVersion;
  }

  isFlexible(version: number): boolean {
    return version >= this.firstFlexibleVersion;
  }

  /** Reads from where the input stands. Byte fields are views into its buffer. */
  read(input: Input, version: number): Read | Malformed {
    elementsLeft = elementsMax;
    faultyField = "";
    const value = this.#codec(version).read(input);
    if (input.fault === null) return value as Read;
    return new Malformed(`${this.name} v${version}: ${input.fault} (${faultyField})`);
  }

  /** Reads `buffer[start, end)`. */
  decode(buffer: Buffer, version: number, start = 0, end = buffer.length): Read | Malformed {
    return this.read(new Input(buffer, start, end), version);
  }

  write(output: Output, version: number, value: Written): void {
    this.#codec(version).write(output, value as never);
  }

  /** For what is kept or compared; a socket's bytes are written to its Output. */
  encode(version: number, value: Written): Buffer {
    const output = new Output(scratchPool);
    this.write(output, version, value);
    const chunks = output.take();
    const encoded = Buffer.concat(chunks);
    output.release(chunks);
    return encoded;
  }

  #codec(version: number): Codec {
    let codec = this.#codecs[version];
    if (codec === undefined) {
      assert(this.has(version), `${this.name} has no version ${version}`);
      codec = structCodec(this.fields, version, this.isFlexible(version));
      this.#codecs[version] = codec;
    }
    return codec;
  }
}

/**
 * @param versions those of Kafka's definition: `0-13`
 * @param flexible from which one on it is flexible: `9+`, or `none`
 */
export function messageSchema<const F extends Fields>(
  name: string,
  key: number,
  versions: string,
  flexible: string,
  fields: F,
): MessageSchema<ReadFields<F>, WrittenFields<F>> {
  return new MessageSchema(name, key, versions, flexible, fields);
}

interface Step {
  readonly name: string;
  /** What it is when it is left out. */
  readonly absent: () => unknown;
  /** Undefined: the version has no such field. */
  readonly codec: Codec | undefined;
}

interface TaggedStep extends Step {
  readonly codec: Codec;
  readonly tag: number;
  readonly isDefault: (value: unknown) => boolean;
}

function structCodec(fields: Fields, version: number, isFlexible: boolean): Codec {
  const steps: Step[] = [];
  const tagged: TaggedStep[] = [];
  const otherTags: number[] = [];
  for (const [name, field] of Object.entries(fields)) {
    const absent = defaultOf(field);
    const codec = isIn(field.versions, version) ? fieldCodec(field, version, isFlexible) : undefined;
    if (codec === undefined || field.tag === undefined) {
      steps.push({ name, absent, codec });
      if (field.tag !== undefined) otherTags.push(field.tag);
    } else {
      steps.push({ name, absent, codec: undefined });
      tagged.push({ name, absent, codec, tag: field.tag, isDefault: defaultTest(field) });
    }
  }
  tagged.sort((a, b) => a.tag - b.tag);
  const written = steps.filter(({ codec }) => codec !== undefined) as (Step & { readonly codec: Codec })[];
  return {
    bytesLeast: written.reduce((sum, { codec }) => sum + codec.bytesLeast, isFlexible ? 1 : 0),
    read(input) {
      const value: Plain = {};
      for (const { name, absent, codec } of steps) {
        value[name] = codec === undefined ? absent() : codec.read(input);
        if (input.fault !== null) return noteFault(name, value);
      }
      if (isFlexible) readTagged(input, tagged, otherTags, value);
      return value;
    },
    write(output, value: Plain) {
      for (const { name, absent, codec } of written)
        codec.write(output, (value[name] ?? absentOf(value[name], absent)) as never);
      if (isFlexible) writeTagged(output, tagged, value);
    },
  };
}

function absentOf(value: unknown, absent: () => unknown): unknown {
  return value === undefined ? absent() : value;
}

/** The innermost field sees it first. */
function noteFault(name: string, value: Plain): Plain {
  if (faultyField === "") faultyField = name;
  return value;
}

/** @param otherTags those that it has in other versions, which Kafka refuses. */
function readTagged(input: Input, tagged: readonly TaggedStep[], otherTags: readonly number[], value: Plain): void {
  for (let left = readUvarint(input); left > 0 && input.fault === null; left--) {
    const tag = readUvarint(input);
    const bytes = readUvarint(input);
    const step = tagged.find((each) => each.tag === tag);
    if (step !== undefined) {
      // As Kafka: what it is says where it ends, and its size says nothing.
      value[step.name] = step.codec.read(input);
      if (input.fault !== null) noteFault(step.name, value);
    } else if (otherTags.includes(tag)) {
      input.fail(`tag ${tag} is of another version`);
    } else {
      input.skip(bytes);
    }
  }
  if (input.fault !== null) noteFault("tags", value);
}

const scratchPool = new ChunkPool();

function writeTagged(output: Output, tagged: readonly TaggedStep[], value: Plain): void {
  let count = 0;
  for (const { name, isDefault } of tagged) if (!isDefault(value[name])) count++;
  writeUvarint(output, count);
  if (count === 0) return;
  for (const { name, tag, codec, isDefault } of tagged) {
    if (isDefault(value[name])) continue;
    // Its size stands before it.
    const scratch = new Output(scratchPool);
    codec.write(scratch, value[name] as never);
    writeUvarint(output, tag);
    writeUvarint(output, scratch.bytes);
    const chunks = scratch.take();
    for (const chunk of chunks) output.copy(chunk, 0, chunk.length);
    scratch.release(chunks);
  }
}

function fieldCodec(field: Field, version: number, isFlexible: boolean): Codec {
  const isNullable = isIn(field.nullable, version);
  if (field.type === "array") {
    const element = field.fields === undefined ? primitiveCodec(field.element!, isFlexible, false) : undefined;
    return arrayCodec(element ?? structCodec(field.fields!, version, isFlexible), isFlexible, isNullable);
  }
  if (field.type !== "struct") return primitiveCodec(field.type, isFlexible, isNullable);
  const codec = structCodec(field.fields!, version, isFlexible);
  return isNullable ? nullableStruct(codec) : codec;
}

/** An octet before it says whether it is there: 1, or -1 for null. */
function nullableStruct(codec: Codec): Codec {
  return {
    bytesLeast: 1,
    read: (input) => (input.i8() < 0 ? null : codec.read(input)),
    write(output, value: Plain | null) {
      output.u8(value === null ? 0xff : 1);
      if (value !== null) codec.write(output, value as never);
    },
  };
}

function arrayCodec(element: Codec, isFlexible: boolean, isNullable: boolean): Codec {
  const elementBytesLeast = Math.max(1, element.bytesLeast);
  return {
    bytesLeast: isFlexible ? 1 : 4,
    read(input) {
      const count = readLength(input, isFlexible);
      if (count < 0) {
        if (!isNullable) input.fail("null, which it cannot be");
        return isNullable ? null : [];
      }
      if (count * elementBytesLeast > input.end - input.at) {
        input.fail(`${count} elements, which do not fit`);
        return [];
      }
      elementsLeft -= count;
      if (elementsLeft < 0) input.fail(`more than ${elementsMax} elements`);
      const values: unknown[] = [];
      for (let left = count; left > 0 && input.fault === null; left--) values.push(element.read(input));
      return values;
    },
    write(output, values: readonly unknown[] | null) {
      if (values === null) {
        writeLength(output, isNullable ? -1 : 0, isFlexible);
        return;
      }
      writeLength(output, values.length, isFlexible);
      for (const value of values) element.write(output, value as never);
    },
  };
}

function fixed<T>(bytesLeast: number, read: (input: Input) => T, write: (output: Output, value: T) => void): Codec {
  return { bytesLeast, read, write };
}

const fixedCodecs = {
  bool: fixed(
    1,
    (input) => input.u8() !== 0,
    (output, value) => output.u8(value ? 1 : 0),
  ),
  int8: fixed(
    1,
    (input) => input.i8(),
    (output, value) => output.u8(value),
  ),
  int16: fixed(
    2,
    (input) => input.i16(),
    (output, value) => output.u16(value),
  ),
  int32: fixed(
    4,
    (input) => input.i32(),
    (output, value) => output.u32(value),
  ),
  int64: fixed(8, readInt64, writeInt64),
  uuid: fixed(16, readUuid, writeUuid),
} satisfies Partial<Record<PrimitiveName, Codec>>;

const none = Buffer.alloc(0);

function primitiveCodec(type: PrimitiveName, isFlexible: boolean, isNullable: boolean): Codec {
  if (type === "string") {
    return {
      bytesLeast: isFlexible ? 1 : 2,
      read: (input) => orEmpty(input, readString(input, isFlexible), isNullable, ""),
      write: (output, value: string | null) => writeString(output, isNullable ? value : (value ?? ""), isFlexible),
    };
  }
  if (type === "bytes" || type === "records") {
    return {
      bytesLeast: isFlexible ? 1 : 4,
      read: (input) => orEmpty(input, readBytes(input, isFlexible), isNullable, none),
      write: (output, value: Buffer | null) => writeBytes(output, isNullable ? value : (value ?? none), isFlexible),
    };
  }
  return fixedCodecs[type];
}

function orEmpty<T>(input: Input, value: T | null, isNullable: boolean, empty: T): T | null {
  if (value !== null || isNullable) return value;
  input.fail("null, which it cannot be");
  return empty;
}

/** Makes what a field is when it is not there; arrays and structs each time anew. */
function defaultOf(field: Field): () => unknown {
  const { type } = field;
  if (field.default !== undefined) return () => field.default;
  if (type === "array") return () => [];
  if (type === "struct") {
    const inner = Object.entries(field.fields!).map(([name, each]) => [name, defaultOf(each)] as const);
    return () => Object.fromEntries(inner.map(([name, make]) => [name, make()]));
  }
  const value = emptyOf(type);
  return () => value;
}

function emptyOf(type: PrimitiveName): unknown {
  if (type === "string") return "";
  if (type === "uuid") return uuidZero;
  if (type === "bool") return false;
  return type === "bytes" || type === "records" ? none : 0;
}

/** Whether a tagged field need not be written. */
function defaultTest(field: Field): (value: unknown) => boolean {
  const { type } = field;
  if (type === "struct" && field.default === undefined) {
    const inner = Object.entries(field.fields!).map(([name, each]) => [name, defaultTest(each)] as const);
    return (value) => value === undefined || inner.every(([name, test]) => test((value as Plain)[name]));
  }
  const usual = defaultOf(field)();
  if (usual !== null && (type === "array" || type === "bytes" || type === "records")) {
    return (value) => value === undefined || (value !== null && (value as readonly unknown[]).length === 0);
  }
  return (value) => value === undefined || value === usual;
}
