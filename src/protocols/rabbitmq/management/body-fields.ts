/** Reading the fields of a request's body, with RabbitMQ's words for what is missing or wrong. */

import type { FieldTable } from "../model/field-table.ts";
import { tableOfJson, whyNoTable } from "../model/json-table.ts";
import { badRequest, type Reply } from "./reply.ts";
import type { JsonObject } from "./route.ts";

const lineLengthMax = 78;

/** Undefined: all are there. */
export function missingFields(body: JsonObject, names: readonly string[]): Reply | undefined {
  const missing = names.filter((name) => body[name] === undefined).map((name) => `{key_missing,${name}}`);
  if (missing.length === 0) return undefined;
  const line = missing.join(",");
  // An Erlang list that is too long for a line is printed in several.
  return badRequest(`[${line.length > lineLengthMax ? missing.join(",\n ") : line}]`);
}

/** A boolean, or its name as text, as forms send it. Absent: false. */
export function booleanField(body: JsonObject, name: string): boolean | Reply {
  const value = body[name];
  if (value === undefined || value === null) return false;
  if (typeof value === "boolean") return value;
  if (value === "true" || value === "false") return value === "true";
  return badRequest(["not_boolean", value]);
}

/** An integer, or text of one. */
export function integerField(body: JsonObject, name: string): number | Reply {
  const value = body[name];
  const number = typeof value === "string" && /^[+-]?\d+$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) ? (number as number) : badRequest(["not_integer", value]);
}

/** Text; absent: undefined. */
export function textField(body: JsonObject, name: string): string | undefined | Reply {
  const value = body[name];
  return value === undefined || value === null || typeof value === "string"
    ? (value ?? undefined)
    : badRequest(["not_string", name]);
}

/** Arguments of a queue, an exchange, a binding; forms send an empty text for none. */
export function argumentsField(body: JsonObject): FieldTable | Reply {
  const value = body["arguments"];
  if (value === "" || value === null) return [];
  const table = tableOfJson(value);
  if (table !== undefined) return table.toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  return badRequest(typeof value === "object" ? whyNoTable(value) : ["not_a_table", "arguments"]);
}

/** What a queue and an exchange are both declared with. */
export function shapeFields(body: JsonObject): Shape | Reply {
  const durable = booleanField(body, "durable");
  if (isReply(durable)) return durable;
  const autoDelete = booleanField(body, "auto_delete");
  if (isReply(autoDelete)) return autoDelete;
  const args = argumentsField(body);
  return isReply(args) ? args : { durable, autoDelete, arguments: args };
}

interface Shape {
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly arguments: FieldTable;
}

export function isReply(value: unknown): value is Reply {
  return typeof value === "object" && value !== null && "status" in value;
}
