/**
 * Header values as every protocol sees them.
 *
 * A protocol decodes its own types into these and no others, so that a binding made through one protocol matches what
 * another publishes. Widths are not kept: the integers 1 of 8, 32 and 64 bits are one value, whether a number or a
 * bigint holds it. A double without a fraction is that integer too, since a number cannot tell them apart.
 *
 * Two questions are asked of values. `sameValue` is the question of a match, and takes text and bytes with the same
 * UTF-8 for equal, because clients disagree about which of the two they send. `canonicalText` is the question of
 * identity (is this the binding that exists already?), and keeps them apart.
 */

/** One header value. A `Date` is a timestamp, `null` is the value that says only "present". */
export type HeaderValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | Date
  | HeaderValue[]
  | { [key: string]: HeaderValue };

/** Headers of a message, or arguments of a binding, by name. */
export interface Headers {
  readonly [key: string]: HeaderValue;
}

/** What a message without headers answers. */
export const noHeaders: Headers = Object.freeze({});

/** The header of that name, or undefined. Never looks at the prototype: `constructor` is a fine name for a header. */
export function headerOf(headers: Headers, name: string): HeaderValue | undefined {
  return Object.hasOwn(headers, name) ? headers[name] : undefined;
}

/** Whether two values match, with integers compared by value across number and bigint. */
export function sameValue(a: HeaderValue, b: HeaderValue): boolean {
  if (a === b) return true;
  if (typeof a === "number" || typeof a === "bigint") {
    return (typeof b === "number" || typeof b === "bigint") && sameNumber(a, b);
  }
  if (a === null || b === null || typeof a === "boolean" || typeof b === "boolean") return false;
  if (typeof a === "string" || a instanceof Uint8Array) {
    return (typeof b === "string" || b instanceof Uint8Array) && sameBytes(a, b);
  }
  if (typeof b !== "object") return false;
  if (a instanceof Date) return b instanceof Date && a.getTime() === b.getTime();
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((value, at) => sameValue(value, b[at] as HeaderValue));
  }
  if (b instanceof Date || b instanceof Uint8Array || Array.isArray(b)) return false;
  return sameTable(a, b);
}

function sameNumber(a: number | bigint, b: number | bigint): boolean {
  if (typeof a === "number" && typeof b === "number") return a === b || Object.is(a, b);
  if (typeof a === "number") return Number.isInteger(a) && BigInt(a) === b;
  if (typeof b === "number") return Number.isInteger(b) && BigInt(b) === a;
  return a === b;
}

function sameBytes(a: string | Uint8Array, b: string | Uint8Array): boolean {
  if (typeof a === "string" && typeof b === "string") return false;
  const left = typeof a === "string" ? Buffer.from(a) : a;
  const right = typeof b === "string" ? Buffer.from(b) : b;
  return Buffer.compare(left, right) === 0;
}

function sameTable(a: Headers, b: Headers): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => {
    const other = headerOf(b, name);
    return other !== undefined && sameValue(a[name] as HeaderValue, other);
  });
}

/** A text that is equal for deeply equal headers and differs for others, whatever the order of names. Empty for none. */
export function canonicalText(headers: Headers): string {
  let text = "";
  for (const name of Object.keys(headers).sort()) {
    text += `${name.length}:${name}${canonicalValue(headers[name] as HeaderValue)}`;
  }
  return text;
}

/** The same for one value. Every form is either of fixed length or says its length, so no two values share a text. */
export function canonicalValue(value: HeaderValue): string {
  switch (typeof value) {
    case "string":
      return `s${value.length}:${value}`;
    case "bigint":
      return `i${value};`;
    case "number":
      return Number.isInteger(value) ? `i${BigInt(value)};` : `d${value};`;
    case "boolean":
      return value ? "t" : "f";
    default:
      break;
  }
  if (value === null) return "n";
  if (value instanceof Date) return `T${value.getTime()};`;
  if (value instanceof Uint8Array) return `b${value.length}:${Buffer.from(value).toString("hex")}`;
  if (Array.isArray(value)) return `[${value.map(canonicalValue).join("")}]`;
  return `{${canonicalText(value)}}`;
}
