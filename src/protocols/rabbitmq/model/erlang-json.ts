/**
 * Values that came as JSON, as RabbitMQ prints them in the texts of its errors: the Erlang terms that its JSON reader makes of
 * them. Clients' tests match on those texts. What is longer than a line is not broken into several, as Erlang would.
 */

import { erlangBinary, erlangString } from "./errors.ts";

export function shownJson(value: unknown): string {
  if (typeof value === "string") return erlangBinary(Buffer.from(value));
  if (Array.isArray(value)) return shownList(value);
  if (typeof value !== "object" || value === null) return String(value);
  const fields = Object.entries(value).toSorted(byName);
  return `#{${fields.map(([name, field]) => `${shownJson(name)} => ${shownJson(field)}`).join(",")}}`;
}

/** The same as a list of pairs, which RabbitMQ makes of the outermost object. */
export function shownFields(fields: Iterable<readonly [string, unknown]>): string {
  return `[${[...fields].map(([name, value]) => `{${shownJson(name)},${shownJson(value)}}`).join(",")}]`;
}

/** The order of an Erlang map's keys. */
export function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** A list of characters is a string to Erlang. */
function shownList(values: readonly unknown[]): string {
  const isText = values.length > 0 && values.every((value) => typeof value === "number" && isPrintable(value));
  if (isText) return erlangString(String.fromCharCode(...(values as number[])));
  return `[${values.map(shownJson).join(",")}]`;
}

function isPrintable(code: number): boolean {
  return Number.isInteger(code) && ((code >= 0x20 && code < 0x7f) || (code >= 8 && code <= 13) || code === 27);
}
