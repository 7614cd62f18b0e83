/**
 * What a shovel changes in a message's head, if it is told to: properties of its own choice, the trail `x-shovelled` (newest
 * first, a table for each shovel that the message went through), and the time of the move. A head that nothing is to be done to
 * is never looked at.
 */

import { Malformed } from "../../../wire/input.ts";
import { longNumber, longString, type Field, type FieldTable, type FieldValue } from "../model/field-table.ts";
import {
  decodeProperties,
  PropertyPositions,
  rewriteProperties,
  scanProperties,
  type PropertyChanges,
  type PropertyName,
} from "../model/properties.ts";
import type { ShovelDestination } from "./definition.ts";

const trailHeader = "x-shovelled";
const timeHeader = "x-shovelled-timestamp";
const invalidHeader = "x-invalid-headers";
const positions = new PropertyPositions();

/** Under the names of RabbitMQ's definitions. */
const propertyByName: Readonly<Record<string, PropertyName>> = {
  content_type: "contentType",
  content_encoding: "contentEncoding",
  delivery_mode: "deliveryMode",
  priority: "priority",
  correlation_id: "correlationId",
  reply_to: "replyTo",
  expiration: "expiration",
  message_id: "messageId",
  timestamp: "timestamp",
  type: "type",
  user_id: "userId",
  app_id: "appId",
  cluster_id: "clusterId",
};

export class HeadChanges {
  readonly #properties: PropertyChanges;
  readonly #trail: FieldTable | undefined;
  readonly #addTime: boolean;
  readonly #nowMs: () => number;

  /** @param trail what one hop says of itself, in its order. */
  constructor(destination: ShovelDestination, trail: readonly (readonly [string, string])[], nowMs: () => number) {
    this.#properties = Object.fromEntries(
      Object.entries(destination.properties).map(([name, value]) => [propertyByName[name], value]),
    );
    this.#trail = destination.addForwardHeaders
      ? trail.map(([name, value]) => ({ name, value: longString(value) }))
      : undefined;
    this.#addTime = destination.addTimestampHeader;
    this.#nowMs = nowMs;
  }

  get isNone(): boolean {
    return this.#trail === undefined && !this.#addTime && Object.keys(this.#properties).length === 0;
  }

  /** The head in `buffer[start, end)`, changed. One that cannot be read is left as it is. */
  apply(buffer: Buffer, start: number, end: number): Buffer {
    if (!scanProperties(buffer, start, end, positions)) return buffer.subarray(start, end);
    if (this.#trail === undefined && !this.#addTime) return rewriteProperties(buffer, start, end, this.#properties);
    const properties = decodeProperties(buffer, start, end);
    if (properties instanceof Malformed) return buffer.subarray(start, end);
    let headers = properties.headers ?? [];
    if (this.#trail !== undefined) headers = prepend(headers, trailHeader, { type: "F", value: this.#trail });
    if (this.#addTime) headers = put(headers, timeHeader, longNumber(Math.floor(this.#nowMs() / 1000)));
    return rewriteProperties(buffer, start, end, { ...this.#properties, headers });
  }
}

/** Puts `value` before the others of an array; what is there and no array is put aside, as RabbitMQ does. */
function prepend(headers: FieldTable, name: string, value: FieldValue): FieldTable {
  const old = headers.find((field) => field.name === name)?.value;
  if (old === undefined || old.type === "A") {
    return put(headers, name, { type: "A", value: [value, ...(old?.value ?? [])] });
  }
  const asideField = headers.find((field) => field.name === invalidHeader)?.value;
  const aside = asideField?.type === "F" ? asideField.value : [];
  const invalid = prepend(aside, name, old);
  return put(put(headers, name, { type: "A", value: [value] }), invalidHeader, { type: "F", value: invalid });
}

function put(headers: FieldTable, name: string, value: FieldValue): FieldTable {
  const field: Field = { name, value };
  const at = headers.findIndex((each) => each.name === name);
  return at < 0 ? [...headers, field] : headers.with(at, field);
}
