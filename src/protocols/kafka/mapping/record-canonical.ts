/**
 * A record as all protocols see it, and a message of another protocol as a record. The table of fields is record-fields.ts,
 * how values become bytes header-values.ts; docs/crossing.md tells it to users.
 *
 * What a record says it gets back: canonical() and recordParts() are each other's inverse, but for what a publish brings about
 * (exchange and routing key), for `amqp.user-id`, and for a header of a field that comes a second time, which gets a prefix.
 */

import { escapedName, unescapedName } from "../../../base/reserved-names.ts";
import type { CanonicalHeader, CanonicalMessage, Entry } from "../../../broker/api.ts";
import { bytesOfText } from "../../../base/byte-text.ts";
import { readHeaders, writeHeaders, type RecordHeader } from "./header-section.ts";
import { bytesOfValue, valueOfBytes } from "./header-values.ts";
import {
  fieldOf,
  marksOf,
  recordFields,
  reservedNames,
  typesHeader,
  type FieldName,
  type Marks,
} from "./record-fields.ts";
import { RecordHead } from "./record-head.ts";

type NumberName = "expirationMs" | "priority";
type FieldValues = { [Name in Exclude<FieldName, NumberName | "isPersistent">]?: string } & {
  [Name in NumberName]?: number;
} & { isPersistent?: boolean };

const noMarks: Marks = {};
const head = new RecordHead();

/** The headers of a record, apart: those that are fields, and those that are headers. */
export class RecordHeaders {
  readonly fields: FieldValues = {};
  readonly headers: CanonicalHeader[] = [];

  constructor(buffer: Buffer, start: number, end: number) {
    // Most records have none: a count of zero.
    if (end - start === 1 && buffer[start] === 0) return;
    const all = readHeaders(buffer, start, end);
    const marks = this.#marksIn(all);
    const seen = new Map<string, number>();
    for (const { name, value } of all) {
      if (value === marks.source && name === typesHeader) continue;
      const field = name.startsWith("amqp.") ? fieldOf(name, value) : undefined;
      if (field !== undefined && this.fields[field.field] === undefined) {
        Object.assign(this.fields, { [field.field]: field.value });
        continue;
      }
      const mark = marks.byName === noMarks ? undefined : markAt(marks.byName, name, seen);
      const plainName = name.startsWith("amqp.") ? unescapedName(name, reservedNames(value)) : name;
      this.headers.push({ name: plainName, ...valueOfBytes(value, mark) });
    }
  }

  #marksIn(all: readonly RecordHeader[]): { readonly byName: Marks; readonly source: Buffer | undefined } {
    for (const { name, value } of all) {
      if (name !== typesHeader) continue;
      const byName = marksOf(value);
      if (byName !== undefined && value !== null) return { byName, source: value };
    }
    return { byName: noMarks, source: undefined };
  }
}

function markAt(marks: Marks, name: string, seen: Map<string, number>): string | undefined {
  if (!Object.hasOwn(marks, name)) return undefined;
  const mark = marks[name]!;
  const times = seen.get(name) ?? 0;
  seen.set(name, times + 1);
  if (typeof mark === "string") return times === 0 ? mark : undefined;
  return mark[times] ?? undefined;
}

/** The entry is a single record: record-head.ts, and its value. */
export function canonicalOfRecord(entry: Entry): CanonicalMessage {
  const { buffer, headStart, headEnd, bodyStart, bodyEnd } = entry;
  head.set(buffer, headStart, headEnd);
  const { keyStart, keyEnd, isTimed, timestampMs, hasValue } = head;
  const { fields, headers } = new RecordHeaders(buffer, head.headersStart, head.headersEnd);
  return {
    id: fields.id,
    timestampMs: timestampMs >= 0 ? timestampMs : entry.timestampMs,
    isTimed,
    key: keyStart < 0 ? undefined : Buffer.from(buffer.subarray(keyStart, keyEnd)),
    headers,
    contentType: fields.contentType,
    contentEncoding: fields.contentEncoding,
    correlationId: fields.correlationId,
    replyTo: fields.replyTo,
    type: fields.type,
    userId: undefined,
    appId: fields.appId,
    expirationMs: fields.expirationMs,
    priority: fields.priority,
    isPersistent: fields.isPersistent !== false,
    exchange: fields.exchange ?? entry.exchange(),
    routingKey: fields.routingKey ?? (fields.exchange === undefined ? entry.routingKey() : ""),
    buffer,
    bodyStart,
    bodyEnd,
    isTombstone: !hasValue,
  };
}

/** The headers that a record of this message has, as they stand in a batch. */
export function headersOfMessage(message: CanonicalMessage): Buffer {
  const headers: RecordHeader[] = [];
  const marks: (string | undefined)[] = [];
  let isMarked = false;
  for (const { name, value, type } of message.headers) {
    const { bytes, mark } = bytesOfValue(value, type);
    const written = name.startsWith("amqp.") ? escapedName(name, reservedNames(bytes)) : name;
    headers.push({ name: written, value: bytes });
    marks.push(mark);
    isMarked ||= mark !== undefined;
  }
  const types = isMarked ? Buffer.from(JSON.stringify(marksOfHeaders(headers, marks))) : undefined;
  for (const field of recordFields) {
    const text = field.text(message);
    if (text !== undefined) headers.push({ name: field.header, value: bytesOfText(text) });
  }
  if (types !== undefined) headers.push({ name: typesHeader, value: types });
  return writeHeaders(headers);
}

function marksOfHeaders(headers: readonly RecordHeader[], marks: readonly (string | undefined)[]): Marks {
  const byName = new Map<string, (string | null)[]>();
  for (const [index, { name }] of headers.entries()) {
    const mark = marks[index] ?? null;
    const known = byName.get(name);
    if (known === undefined) byName.set(name, [mark]);
    else known.push(mark);
  }
  const told = [...byName].filter(([, each]) => each.some((mark) => mark !== null));
  // Of entries, for a header may be called __proto__.
  return Object.fromEntries(told.map(([name, each]) => [name, each.length === 1 ? each[0]! : each]));
}
