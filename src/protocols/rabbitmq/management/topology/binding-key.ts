/**
 * The names that the API gives to bindings, `properties_key`: the routing key, quoted, and behind a `~` a hash of the arguments
 * if there are any. A binding with neither is called `~`. RabbitMQ's hash is one of Erlang's terms; ours is one of the
 * arguments as JSON. Both are opaque: a client takes a key from a list, or from the Location of what it made.
 */

import { bytesOfText, textOfBytes } from "../../../../base/byte-text.ts";
import { crc32 } from "../../../../base/crc.ts";
import { jsonOfHeaders } from "../../model/json-table.ts";
import type { Headers } from "../../model/mapping.ts";

export function propertiesKey(routingKey: string, args: Headers): string {
  const names = Object.keys(args);
  if (names.length === 0) return routingKey === "" ? "~" : quoteKey(routingKey);
  return `${quoteKey(routingKey)}~${argumentsHash(args)}`;
}

export type SoughtBinding = { readonly routingKey: string; readonly argumentsHash: string | undefined };

/** Undefined: no binding has such a key. */
export function readPropertiesKey(key: string): SoughtBinding | undefined {
  if (key === "~") return { routingKey: "", argumentsHash: undefined };
  const [quoted, argumentsHash, ...rest] = key.split("~");
  const routingKey = unquote(quoted ?? "");
  return rest.length > 0 || routingKey === undefined ? undefined : { routingKey, argumentsHash };
}

export function argumentsHash(args: Headers): string {
  const sorted = Object.entries(jsonOfHeaders(args)).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const bytes = Buffer.from(JSON.stringify(sorted));
  const hash = Buffer.alloc(4);
  hash.writeUInt32BE(crc32(bytes, 0, bytes.length) >>> 0);
  return hash.toString("base64url");
}

/** As HTML forms do: a space is a plus. */
export function quotePlus(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");
}

/** A key may be any bytes: each that is no text is quoted by itself. */
function quoteKey(text: string): string {
  const parts = text.isWellFormed() ? [text] : (text.match(/\p{Surrogate}|\P{Surrogate}+/gu) ?? []);
  const quoted = parts.map((part) => (part.isWellFormed() ? quotePlus(part) : quoteBytes(part)));
  return quoted.join("").replaceAll("~", "%7E");
}

function quoteBytes(text: string): string {
  return bytesOfText(text)
    .toString("hex")
    .toUpperCase()
    .replace(/../g, (byte) => `%${byte}`);
}

function unquote(text: string): string | undefined {
  const parts: readonly string[] = text.replaceAll("+", " ").match(/%[0-9a-fA-F]{2}|[^%]+|%/g) ?? [];
  if (parts.includes("%")) return undefined;
  const bytes = parts.map((part) =>
    part.startsWith("%") ? Buffer.of(Number.parseInt(part.slice(1), 16)) : Buffer.from(part),
  );
  return textOfBytes(Buffer.concat(bytes));
}
