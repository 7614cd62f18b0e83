/**
 * The headers in which AMQP messages carry what other protocols have fields for, and which of them mean that: a header that is
 * only called so stands for itself, with a prefix where it is a message of another protocol that has it.
 */

import { bytesOfText, textOfBytes } from "../../../base/byte-text.ts";
import type { ReservedNames } from "../../../base/reserved-names.ts";
import type { FieldValue } from "./field-table.ts";

export const keyHeader = "kafka.key";
export const tombstoneHeader = "kafka.tombstone";
export const repeatedHeader = "kafka.repeated";
export const longNamesHeader = "kafka.headers";
export const omittedHeader = "kafka.omitted";
export const millisecondsHeader = "timestamp_in_ms";
export const clusterHeader = "amqp.cluster-id";
export const secondsHeader = "amqp.timestamp";
const prefix = "kafka.header.";
export const shortBytesMax = 255;
/** Later times cannot be told apart to the millisecond. */
export const secondsMax = 8_640_000_000_000;

/** Properties that are text: AMQP's, the canonical form's, and the header for one that is too long for a property. */
export const textProperties = [
  ["messageId", "id", "amqp.message-id"],
  ["contentType", "contentType", "amqp.content-type"],
  ["contentEncoding", "contentEncoding", "amqp.content-encoding"],
  ["correlationId", "correlationId", "amqp.correlation-id"],
  ["replyTo", "replyTo", "amqp.reply-to"],
  ["type", "type", "amqp.type"],
  ["userId", "userId", "amqp.user-id"],
  ["appId", "appId", "amqp.app-id"],
] as const;

export function keyBytes(value: FieldValue | undefined): Buffer | undefined {
  if (value?.type !== "S" && value?.type !== "x") return undefined;
  return typeof value.value === "string" ? Buffer.from(value.value) : value.value;
}

export function isTrue(value: FieldValue | undefined): boolean {
  return value?.type === "t" && value.value;
}

export function textsIn(value: FieldValue): string[] | undefined {
  if (value.type !== "A") return undefined;
  const texts: string[] = [];
  for (const each of value.value) {
    if (each.type !== "S") return undefined;
    texts.push(typeof each.value === "string" ? each.value : textOfBytes(each.value));
  }
  return texts;
}

/** The parts of a second in a header, if it speaks of this second. */
function millisecondsIn(value: FieldValue, seconds: number | undefined): number | undefined {
  if (seconds === undefined || value.type !== "l" || typeof value.value !== "number") return undefined;
  return value.value % 1000 !== 0 && Math.floor(value.value / 1000) === seconds ? value.value : undefined;
}

/** What a header means that is not one. */
export function isMeant(name: string, value: FieldValue, seconds: number | undefined, isEmpty: boolean): boolean {
  switch (name) {
    case keyHeader:
      return keyBytes(value) !== undefined;
    case tombstoneHeader:
      return isEmpty && isTrue(value);
    case repeatedHeader:
      return textsIn(value) !== undefined;
    case longNamesHeader:
      return value.type === "A" && value.value.every(isNamedValue);
    case millisecondsHeader:
      return millisecondsIn(value, seconds) !== undefined;
    default:
      return isLongText(name, value);
  }
}

function isNamedValue(pair: FieldValue): boolean {
  return pair.type === "A" && pair.value.length === 2 && pair.value[0]!.type === "S";
}

function isLongText(name: string, value: FieldValue): boolean {
  if (!name.startsWith("amqp.") || value.type !== "S" || !textProperties.some(([, , header]) => header === name))
    return false;
  return name !== "amqp.user-id" && Buffer.byteLength(value.value) > shortBytesMax;
}

/** Names that a header with these values, of which one stands for more than itself, cannot have as they are. */
export function reserved(values: readonly FieldValue[], seconds: number | undefined, isEmpty: boolean): ReservedNames {
  return { prefix, isReserved: (name) => values.some((value) => isMeant(name, value, seconds, isEmpty)) };
}

export function isText(bytes: Buffer): boolean {
  return textOfBytes(bytes).isWellFormed();
}

export function textOf({ value }: FieldValue): string {
  return typeof value === "string" ? value : textOfBytes(value as Buffer);
}

/** What was published through an exchange has its routing key as key, if it has one. */
export function impliedKey(exchange: string, routingKey: string): Buffer | undefined {
  return exchange === "" || routingKey === "" ? undefined : bytesOfText(routingKey);
}
