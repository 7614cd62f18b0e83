/**
 * The nouns of AMQP 0-9-1 and those of the broker: header values, and the properties that the router may ask for.
 * Nothing is lost on the way in that a binding could match: widths go, since numbers match by value; a decimal becomes
 * the nearest number, and of headers with one name the first counts.
 */

import { textOfBytes } from "../../../base/byte-text.ts";
import type { BindingView } from "../../../broker/api.ts";
import type { FieldTable, FieldValue } from "./field-table.ts";

export type Headers = BindingView["args"];
type HeaderValue = Headers[string];

/** A table as the broker's headers. */
export function headersOf(table: FieldTable): Headers {
  const headers: { [key: string]: HeaderValue } = {};
  for (const { name, value } of table) {
    // defineProperty, for a header may be called __proto__.
    if (!Object.hasOwn(headers, name)) {
      Object.defineProperty(headers, name, { value: headerValueOf(value), enumerable: true });
    }
  }
  return headers;
}

function headerValueOf(value: FieldValue): HeaderValue {
  switch (value.type) {
    case "A":
      return value.value.map(headerValueOf);
    case "F":
      return headersOf(value.value);
    case "T":
      // In seconds: a binding matches a time by its number, as it does in RabbitMQ.
      return value.value;
    case "D":
      return value.value / 10 ** value.scale;
    default:
      return value.value;
  }
}

/** The keys in a CC or BCC header: the texts of its array. Undefined when the header is not an array. */
export function keysOf(value: FieldValue | undefined): readonly string[] | undefined {
  if (value === undefined) return [];
  if (value.type !== "A") return undefined;
  const keys: string[] = [];
  for (const { type, value: key } of value.value) {
    if (type === "S") keys.push(typeof key === "string" ? key : textOfBytes(key));
  }
  return keys;
}
