/**
 * The names that the API gives to bindings, `properties_key`: the routing key, quoted, and behind a `~` a hash of the arguments
 * if there are any. A binding with neither is called `~`. RabbitMQ's hash is one of Erlang's terms; ours is one of the
 * arguments as JSON. Both are opaque: a client takes a key from a list, or from the Location of what it made.
 */

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

function quoteKey(text: string): string {
  return quotePlus(text).replaceAll("~", "%7E");
}

function unquote(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}
