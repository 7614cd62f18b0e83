/**
 * The fields that a message has everywhere and a Kafka record lacks, and the headers in which a record carries them. What
 * does not read as its field is a header like any other.
 *
 * `amqp.user-id` is written and not read: who produces a record may put any name there, and consumers of other protocols
 * trust the field, since their broker has looked at it.
 */

import { textOfBytes } from "../../../base/byte-text.ts";
import type { ReservedNames } from "../../../base/reserved-names.ts";
import type { CanonicalMessage } from "../../../broker/api.ts";

export type FieldName =
  | "id"
  | "contentType"
  | "contentEncoding"
  | "correlationId"
  | "replyTo"
  | "type"
  | "userId"
  | "appId"
  | "expirationMs"
  | "priority"
  | "isPersistent"
  | "exchange"
  | "routingKey";

export interface RecordField {
  readonly header: string;
  readonly field: FieldName;
  /** undefined: nothing is to be said. */
  text(message: CanonicalMessage): string | undefined;
  /** undefined: the header is no such field. */
  value(text: string): string | number | boolean | undefined;
}

const userIdHeader = "amqp.user-id";
const priorityMax = 255;
/** As 32 bits without a sign. */
const expirationMsMax = 4_294_967_295;

function textField(header: string, field: FieldName, isRead = true): RecordField {
  return {
    header,
    field,
    text: (message) => message[field] as string | undefined,
    value: (text) => (isRead ? text : undefined),
  };
}

function numberField(header: string, field: "expirationMs" | "priority", most: number): RecordField {
  return {
    header,
    field,
    text: (message) => (message[field] === undefined ? undefined : String(message[field])),
    value: (text) => (String(Number(text)) === text && isWithin(Number(text), most) ? Number(text) : undefined),
  };
}

/** Where it was published to: the empty name is what a record has without a header. */
function placeField(header: string, field: "exchange" | "routingKey"): RecordField {
  return { header, field, text: (message) => message[field] || undefined, value: (text) => text || undefined };
}

function isWithin(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= most;
}

/** The mapping, one line a field. Key, time, tombstone and body are the record's own. */
export const recordFields: readonly RecordField[] = [
  textField("amqp.message-id", "id"),
  textField("amqp.content-type", "contentType"),
  textField("amqp.content-encoding", "contentEncoding"),
  textField("amqp.correlation-id", "correlationId"),
  textField("amqp.reply-to", "replyTo"),
  textField("amqp.type", "type"),
  textField("amqp.app-id", "appId"),
  textField(userIdHeader, "userId", false),
  numberField("amqp.expiration", "expirationMs", expirationMsMax),
  numberField("amqp.priority", "priority", priorityMax),
  {
    header: "amqp.delivery-mode",
    field: "isPersistent",
    text: ({ isPersistent }) => (isPersistent ? undefined : "1"),
    value: (text) => (text === "1" ? false : undefined),
  },
  placeField("amqp.exchange", "exchange"),
  placeField("amqp.routing-key", "routingKey"),
];

const fieldByHeader: ReadonlyMap<string, RecordField> = new Map(recordFields.map((field) => [field.header, field]));

/** Marks of headers whose values are no text, by their names: JSON. */
export const typesHeader = "amqp.types";

const headerPrefix = "amqp.";

/** The field that a header is, if it is one. */
export function fieldOf(
  name: string,
  value: Buffer | null,
): { field: FieldName; value: string | number | boolean } | undefined {
  const found = name.startsWith(headerPrefix) && value !== null ? fieldByHeader.get(name) : undefined;
  const read = found?.value(textOfBytes(value!));
  return read === undefined ? undefined : { field: found!.field, value: read };
}

/** Names that a header cannot have as they are, with this value, if it is to stand for nothing but itself. */
export function reservedNames(value: Buffer | null): ReservedNames {
  return {
    prefix: "amqp.header.",
    isReserved: (name) => {
      if (!name.startsWith(headerPrefix)) return false;
      if (name === typesHeader) return marksOf(value) !== undefined;
      return fieldOf(name, value) !== undefined || name === userIdHeader;
    },
  };
}

/** Marks of the headers that have one, by name: one, or one for each time that the name comes, null for none. */
export type Marks = Readonly<Record<string, string | readonly (string | null)[]>>;

/** What stands in `amqp.types`. undefined: that is another header, of this name. */
export function marksOf(value: Buffer | null): Marks | undefined {
  if (value === null || value[0] !== 0x7b) return undefined;
  try {
    const marks: unknown = JSON.parse(value.toString());
    return Object.values(marks as object).every(isMark) ? (marks as Marks) : undefined;
  } catch {
    // Somebody's own header.
    return undefined;
  }
}

function isMark(mark: unknown): boolean {
  return (
    typeof mark === "string" || (Array.isArray(mark) && mark.every((each) => each === null || typeof each === "string"))
  );
}
