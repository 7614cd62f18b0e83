/**
 * Values of headers as bytes, which is all that Kafka has. Text is its UTF-8, bytes are themselves, and nothing is null; other
 * values are text too, such as anybody would write them, with a *mark* that says what they were:
 *
 *     number   42, -0.5, NaN; an integer that a double does not hold is a big one
 *     boolean  true, false
 *     time     2026-11-22T08:00:00.000Z
 *     bytes    only where text would be read
 *     json     lists and tables, where JSON has no word for a value: {"$time": …}, {"$bytes": base64}, {"$number": "NaN"},
 *              {"$integer": "…"}, and {"$table": …} for a table that looks like one of these
 *
 * A mark may carry what the value's own protocol calls its type: `number:I`. What does not fit its mark (somebody has changed
 * the value and left the mark) is what it is without one.
 */

import { isUtf8 } from "node:buffer";
import { bytesOfText } from "../../../base/byte-text.ts";
import type { CanonicalHeader } from "../../../broker/api.ts";

type HeaderValue = CanonicalHeader["value"];

export interface MarkedBytes {
  readonly bytes: Buffer | null;
  /** undefined: the bytes say it all. */
  readonly mark: string | undefined;
}

const depthMax = 64;
const tagged = new Set(["$time", "$bytes", "$number", "$integer", "$table"]);

export function bytesOfValue(value: HeaderValue, type: string | undefined): MarkedBytes {
  if (value === null) return { bytes: null, mark: markOf("null", type, false) };
  if (typeof value === "string") return { bytes: bytesOfText(value), mark: markOf("text", type, false) };
  if (value instanceof Uint8Array) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return { bytes, mark: markOf("bytes", type, isUtf8(bytes)) };
  }
  if (typeof value === "number" || typeof value === "bigint")
    return { bytes: Buffer.from(numberText(value)), mark: markOf("number", type, true) };
  if (typeof value === "boolean") return { bytes: Buffer.from(String(value)), mark: markOf("boolean", type, true) };
  if (value instanceof Date) return { bytes: Buffer.from(value.toISOString()), mark: markOf("time", type, true) };
  return { bytes: Buffer.from(JSON.stringify(jsonOf(value))), mark: markOf("json", type, true) };
}

function markOf(kind: string, type: string | undefined, isNeeded: boolean): string | undefined {
  return type === undefined ? (isNeeded ? kind : undefined) : `${kind}:${type}`;
}

/** The value, and the type that its mark speaks of. */
export function valueOfBytes(
  bytes: Buffer | null,
  mark: string | undefined,
): { readonly value: HeaderValue; readonly type?: string } {
  const plain = bytes === null ? null : isUtf8(bytes) ? bytes.toString() : Buffer.from(bytes);
  if (mark === undefined) return { value: plain };
  const colon = mark.indexOf(":");
  const kind = colon < 0 ? mark : mark.slice(0, colon);
  const value = kind === "bytes" && bytes !== null ? Buffer.from(bytes) : valueOfText(kind, plain);
  if (value === undefined) return { value: plain };
  return colon < 0 ? { value } : { value, type: mark.slice(colon + 1) };
}

function valueOfText(kind: string, text: string | Buffer | null): HeaderValue | undefined {
  if (kind === "null") return text === null ? null : undefined;
  if (typeof text !== "string") return undefined;
  switch (kind) {
    case "text":
      return text;
    case "number":
      return numberOf(text);
    case "boolean":
      return text === "true" ? true : text === "false" ? false : undefined;
    case "time":
      return timeOf(text);
    case "json":
      return parsedOf(text);
    default:
      return undefined;
  }
}

function numberText(value: number | bigint): string {
  if (Object.is(value, -0)) return "-0";
  // Written with an exponent it comes back as what it was.
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value))
    return value.toExponential();
  return String(value);
}

function numberOf(text: string): number | bigint | undefined {
  if (/^-?\d{1,400}$/.test(text)) {
    const value = Number(text);
    return Number.isSafeInteger(value) ? value : BigInt(text);
  }
  if (text.trim() !== text || text === "") return undefined;
  const value = Number(text);
  return Number.isNaN(value) && text !== "NaN" ? undefined : value;
}

function timeOf(text: string): Date | undefined {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? undefined : time;
}

function jsonOf(value: HeaderValue): unknown {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "bigint") return { $integer: String(value) };
  if (typeof value === "number")
    return Number.isFinite(value) && !Object.is(value, -0) ? value : { $number: numberText(value) };
  if (value instanceof Date) return { $time: value.toISOString() };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(jsonOf);
  const table = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, jsonOf(each)]));
  return tagOf(table) === undefined ? table : { $table: table };
}

function tagOf(table: object): string | undefined {
  const names = Object.keys(table);
  return names.length === 1 && tagged.has(names[0]!) ? names[0] : undefined;
}

function parsedOf(text: string): HeaderValue | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? valueOfJson(value, 0) : undefined;
  } catch {
    // It is no JSON: the value is text.
    return undefined;
  }
}

function valueOfJson(json: unknown, depth: number): HeaderValue | undefined {
  if (json === null || typeof json !== "object") return json as HeaderValue;
  if (depth >= depthMax) return undefined;
  if (Array.isArray(json)) {
    const values = json.map((each) => valueOfJson(each, depth + 1));
    return values.includes(undefined) ? undefined : (values as HeaderValue[]);
  }
  const tag = tagOf(json);
  const content: unknown = tag === undefined ? json : (json as Record<string, unknown>)[tag];
  if (tag !== undefined && tag !== "$table") return typeof content === "string" ? untagged(tag, content) : undefined;
  if (typeof content !== "object" || content === null) return undefined;
  const entries = Object.entries(content).map(([name, each]) => [name, valueOfJson(each, depth + 1)] as const);
  return entries.some(([, value]) => value === undefined)
    ? undefined
    : (Object.fromEntries(entries) as Record<string, HeaderValue>);
}

function untagged(tag: string, text: string): HeaderValue | undefined {
  if (tag === "$time") return timeOf(text);
  if (tag === "$bytes") return Buffer.from(text, "base64");
  if (tag === "$integer") return /^-?\d{1,400}$/.test(text) ? BigInt(text) : undefined;
  return numberOf(text);
}
