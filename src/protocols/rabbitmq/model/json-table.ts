/**
 * Tables of arguments as JSON, and JSON as tables: the forms in which RabbitMQ's management and its definitions show and take
 * them. A table's letters are lost on the way out; on the way in a whole number is a 64-bit one, another a double, and so is one
 * that 64 bits do not hold (RabbitMQ keeps such a number, and cannot tell it to a client). Nothing is refused that a table can
 * say: `null` cannot be said, and is.
 */

import { shortStringBytesMax } from "./errors.ts";
import type { Headers } from "./mapping.ts";
import { nestingMax, type FieldTable, type FieldValue } from "./field-table.ts";
import { isObject } from "./parameter-checks.ts";

/** Of definitions, where arguments and values stand in rows of lists: what may be declared is exported, and imported again. */
export const definitionLevelsMax = nestingMax + 3;

/** Signed numbers of 64 bits are below it, and not below its negative. */
const longEnd = 2 ** 63;

/** Whether JSON is nested deeper than tables may be, so that nothing need follow it to its end. */
export function isTooDeep(value: unknown, levels = nestingMax): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  for (const element of Object.values(value)) if (isTooDeep(element, levels - 1)) return true;
  return false;
}

/** What JSON says, or undefined if it is no table: not an object, or what `whyNoTable` names. An empty list is an empty table. */
export function tableOfJson(value: unknown): FieldTable | undefined {
  return isTooDeep(value) ? undefined : shallowTable(value);
}

function shallowTable(value: unknown): FieldTable | undefined {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return [];
  if (!isObject(value)) return undefined;
  const table: { name: string; value: FieldValue }[] = [];
  for (const [name, element] of Object.entries(value)) {
    if (Buffer.byteLength(name) > shortStringBytesMax) return undefined;
    const field = fieldOfJson(element);
    if (field === undefined) return undefined;
    table.push({ name, value: field });
  }
  return table;
}

/** Why an object is no table, in RabbitMQ's words where it has any. */
export function whyNoTable(value: object): string {
  if (isTooDeep(value)) return `Tables are nested ${nestingMax} times at most.`;
  return hasLongName(value) ? "A name in a table has 255 bytes at most." : "null_not_allowed";
}

function hasLongName(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(
    ([name, element]) => Buffer.byteLength(name) > shortStringBytesMax || hasLongName(element),
  );
}

function fieldOfJson(value: unknown): FieldValue | undefined {
  switch (typeof value) {
    case "string":
      return { type: "S", value };
    case "boolean":
      return { type: "t", value };
    case "number":
      return Number.isInteger(value) && value >= -longEnd && value < longEnd
        ? { type: "l", value }
        : { type: "d", value };
    default:
  }
  if (!Array.isArray(value)) {
    const table = isObject(value) ? shallowTable(value) : undefined;
    return table && { type: "F", value: table };
  }
  const elements = value.map(fieldOfJson);
  if (elements.includes(undefined)) return undefined;
  return { type: "A", value: elements as FieldValue[] };
}

/** Of fields with one name the first counts. */
export function jsonOfTable(table: FieldTable): Record<string, unknown> {
  const json: Record<string, unknown> = {};
  for (const { name, value } of table) if (!Object.hasOwn(json, name)) put(json, name, jsonOfField(value));
  return json;
}

function jsonOfField(value: FieldValue): unknown {
  switch (value.type) {
    case "A":
      return value.value.map(jsonOfField);
    case "F":
      return jsonOfTable(value.value);
    case "D":
      return value.value / 10 ** value.scale;
    default:
      return plainJson(value.value);
  }
}

/** The arguments of a binding, which the core keeps by value. */
export function jsonOfHeaders(headers: Headers): Record<string, unknown> {
  const json: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(headers)) put(json, name, jsonOfHeader(value));
  return json;
}

function jsonOfHeader(value: Headers[string]): unknown {
  if (Array.isArray(value)) return value.map(jsonOfHeader);
  if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
    return jsonOfHeaders(value as Headers);
  }
  return plainJson(value);
}

function plainJson(value: string | number | bigint | boolean | null | undefined | Uint8Array): unknown {
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Uint8Array) return shownBytes(Buffer.from(value));
  return value ?? null;
}

/** Text if it is any; else what RabbitMQ makes of such bytes. */
function shownBytes(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  return Buffer.from(text).equals(bytes) ? text : `Not UTF-8, base64 is: ${lines(bytes.toString("base64"))}`;
}

function lines(base64: string): string {
  return base64.replace(/.{76}/g, "$&\n");
}

/** Also for a field that is called `__proto__`. */
function put(json: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(json, name, { value, enumerable: true, configurable: true, writable: true });
}
