/**
 * What Kafka's messages are made of, as plain tables.
 *
 *     name: string("0-12"),                          in versions 0 to 12
 *     clusterId: string("2+", { nullable: "2+" }),   from version 2 on, may be null
 *     epoch: int32("9+", { default: -1 }),           what it is in versions that lack it, and when it is left out
 *     endpoints: array("16+", { host: string("16+") }, { tag: 0 }),   tagged: only there if it is not its default
 *
 * Names, order, versions and defaults are those of Kafka's own message definitions, and a test compares them. The types of
 * what is read and written are inferred from the tables.
 */

/** What the primitive types are in TypeScript. */
export interface Primitives {
  bool: boolean;
  int8: number;
  int16: number;
  int32: number;
  /** Rounded past ±2^53. */
  int64: number;
  /** 32 hexadecimal digits. */
  uuid: string;
  string: string;
  /** When read, a view into the request's frame. */
  bytes: Buffer;
  records: Buffer;
}

export type PrimitiveName = keyof Primitives;

export interface FieldOptions<T = unknown> {
  /** The versions in which it may be null. */
  readonly nullable?: string;
  /** What it is if it is not there: 0, false, empty unless something else is said. */
  readonly default?: T | null;
  /** It is a tagged field of this number in all its versions. */
  readonly tag?: number;
}

declare const typed: unique symbol;

export interface Field<Read = unknown, Written = unknown> extends FieldOptions {
  readonly type: PrimitiveName | "struct" | "array";
  /** `3+`, `0-12` or `4`. */
  readonly versions: string;
  /** Of a struct and an array of structs. */
  readonly fields?: Fields;
  /** Of an array of primitives. */
  readonly element?: PrimitiveName;
  /** Only for the type checker. */
  readonly [typed]?: { readonly read: Read; readonly written: Written };
}

export type Fields = Readonly<Record<string, Field>>;

/** All fields, as they are read. */
export type ReadFields<F> = { readonly [K in keyof F]: F[K] extends Field<infer Read> ? Read : never };
/** As they are written: what is left out has its default. */
export type WrittenFields<F> = {
  readonly [K in keyof F]?: (F[K] extends Field<unknown, infer Written> ? Written : never) | undefined;
};

type NullOf<O> = O extends { readonly nullable: string } ? null : never;
type ElementRead<E> = E extends PrimitiveName ? Primitives[E] : ReadFields<E>;
type ElementWritten<E> = E extends PrimitiveName ? Primitives[E] : WrittenFields<E>;

function primitive<N extends PrimitiveName>(type: N) {
  return <const O extends FieldOptions<Primitives[N]>>(
    versions: string,
    options?: O,
  ): Field<Primitives[N] | NullOf<O>, Primitives[N] | NullOf<O>> => ({ type, versions, ...options });
}

export const bool = primitive("bool");
export const int8 = primitive("int8");
export const int16 = primitive("int16");
export const int32 = primitive("int32");
export const int64 = primitive("int64");
export const uuid = primitive("uuid");
export const string = primitive("string");
export const bytes = primitive("bytes");
export const records = primitive("records");

export function struct<const F extends Fields, const O extends FieldOptions<never>>(
  versions: string,
  fields: F,
  options?: O,
): Field<ReadFields<F> | NullOf<O>, WrittenFields<F> | NullOf<O>> {
  return { type: "struct", versions, fields, ...options };
}

/** Of a primitive type, by its name, or of structs, by their fields. */
export function array<const E extends PrimitiveName | Fields, const O extends FieldOptions<never>>(
  versions: string,
  element: E,
  options?: O,
): Field<readonly ElementRead<E>[] | NullOf<O>, readonly ElementWritten<E>[] | NullOf<O>> {
  const of: Partial<Field> = typeof element === "string" ? { element } : { fields: element };
  return { type: "array", versions, ...of, ...options } as Field<never, never>;
}
