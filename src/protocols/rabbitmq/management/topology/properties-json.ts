/** The properties of a message as JSON, under the names that RabbitMQ's API gives them. */

import { decodeProperties, encodeProperties, type Properties, type PropertyName } from "../../model/properties.ts";
import { jsonOfTable, tableOfJson, whyNoTable } from "../../model/json-table.ts";
import { Malformed } from "../../../../wire/input.ts";
import { badRequest, type Reply } from "../reply.ts";
import { isReply } from "../body-fields.ts";

const names: readonly (readonly [PropertyName, string])[] = [
  ["contentType", "content_type"],
  ["contentEncoding", "content_encoding"],
  ["headers", "headers"],
  ["deliveryMode", "delivery_mode"],
  ["priority", "priority"],
  ["correlationId", "correlation_id"],
  ["replyTo", "reply_to"],
  ["expiration", "expiration"],
  ["messageId", "message_id"],
  ["timestamp", "timestamp"],
  ["type", "type"],
  ["userId", "user_id"],
  ["appId", "app_id"],
  ["clusterId", "cluster_id"],
];
const integerMax: Partial<Readonly<Record<PropertyName, number>>> = {
  deliveryMode: 255,
  priority: 255,
  timestamp: Number.MAX_SAFE_INTEGER,
};
const shortBytesMax = 255;

/** The properties, and the section of a message that they make. */
export function readProperties(value: unknown): { readonly properties: Properties; readonly head: Buffer } | Reply {
  // No properties may be an empty list: some languages' maps become that.
  if (typeof value !== "object" || value === null) return badRequest(["not_an_object", "properties"]);
  const properties: Record<string, unknown> = {};
  for (const [name, shown] of names) {
    const given = Object.hasOwn(value, shown) ? (value as Record<string, unknown>)[shown] : undefined;
    if (given === undefined) continue;
    const read = readProperty(name, shown, given);
    if (isReply(read)) return read;
    properties[name] = read;
  }
  return { properties, head: encodeProperties(properties) };
}

function readProperty(name: PropertyName, shown: string, value: unknown): unknown {
  if (name === "headers") return tableOfJson(value) ?? badRequest(whyNoTable(Object(value) as object));
  const most = integerMax[name];
  if (most !== undefined) {
    if (!Number.isSafeInteger(value)) return badRequest(["not_int", shown]);
    return (value as number) < 0 || (value as number) > most ? badRequest(["out_of_range", shown]) : value;
  }
  if (typeof value !== "string") return badRequest(["not_string", shown]);
  return Buffer.byteLength(value) > shortBytesMax ? badRequest(["too_long", shown]) : value;
}

/** In RabbitMQ's order, which is from the last to the first. */
export function propertiesJson(buffer: Buffer, start: number, end: number): Record<string, unknown> {
  const properties = decodeProperties(buffer, start, end);
  const json: Record<string, unknown> = {};
  if (properties instanceof Malformed) return json;
  for (const [name, shown] of names.toReversed()) {
    const value = properties[name];
    if (value === undefined) continue;
    if (name === "headers") json[shown] = jsonOfTable(properties.headers ?? []);
    else json[shown] = typeof value === "bigint" ? Number(value) : value;
  }
  return json;
}
