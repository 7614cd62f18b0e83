/**
 * The deaths of a record, written into its headers as they stand in a batch, under the names by which those who know of dead
 * letters look for them: `x-death` is a list of tables, the newest first, one for each queue and reason with a count.
 */

import type { CanonicalHeader, Death } from "../../../broker/api.ts";
import { readHeaders, writeHeaders, type RecordHeader } from "./header-section.ts";
import { bytesOfValue, valueOfBytes } from "./header-values.ts";
import { fieldOf, marksOf, typesHeader, type Marks } from "./record-fields.ts";

type HeaderValue = CanonicalHeader["value"];
type Table = Readonly<Record<string, HeaderValue>>;

const deathHeader = "x-death";

/** Newest first. */
export function deathsIn(buffer: Buffer, start: number, end: number): { queue: string; reason: string }[] {
  return tablesIn(readHeaders(buffer, start, end)).map((death) => ({
    queue: textOf(death["queue"]),
    reason: textOf(death["reason"]),
  }));
}

/** Where it died first, if anywhere. */
export function firstDeathQueueIn(buffer: Buffer, start: number, end: number): string | undefined {
  return readHeaders(buffer, start, end)
    .find(({ name }) => name === "x-first-death-queue")
    ?.value?.toString();
}

/** The headers with one more. The expiration goes: it would kill the message again where it is parked. */
export function withDeathIn(buffer: Buffer, start: number, end: number, death: Death): Buffer {
  const old = readHeaders(buffer, start, end);
  const isSame = (table: Table): boolean =>
    textOf(table["queue"]) === death.queue && textOf(table["reason"]) === death.reason;
  const deaths = tablesIn(old);
  const before = deaths.find(isSame);
  const expiration = old.find(({ name, value }) => fieldOf(name, value)?.field === "expirationMs");
  const table = before === undefined ? newTable(death, expiration?.value?.toString()) : counted(before);
  const history = bytesOfValue([table, ...deaths.filter((each) => !isSame(each))] as HeaderValue, undefined);

  const changes = new Map<string, Buffer | null>([[deathHeader, history.bytes]]);
  const hadNone = deaths.length === 0;
  for (const which of hadNone ? ["first", "last"] : ["last"]) {
    changes.set(`x-${which}-death-reason`, Buffer.from(death.reason));
    changes.set(`x-${which}-death-queue`, Buffer.from(death.queue));
    changes.set(`x-${which}-death-exchange`, Buffer.from(death.exchange));
  }
  const marks = { ...marksAmong(old), [deathHeader]: history.mark! };
  changes.set(typesHeader, Buffer.from(JSON.stringify(marks)));
  const kept = old.filter((header) => header !== expiration && !isChanged(header, changes));
  return writeHeaders([...kept, ...[...changes].map(([name, value]) => ({ name, value }))]);
}

function isChanged({ name, value }: RecordHeader, changes: ReadonlyMap<string, unknown>): boolean {
  // Another header that is only called so stays.
  return name === typesHeader ? marksOf(value) !== undefined : changes.has(name);
}

function newTable(death: Death, expiration: string | undefined): Table {
  const table = {
    count: 1,
    reason: death.reason,
    queue: death.queue,
    time: new Date(Math.floor(death.timeMs / 1000) * 1000),
    exchange: death.exchange,
    "routing-keys": [...death.routingKeys],
  };
  return expiration === undefined ? table : { ...table, "original-expiration": expiration };
}

function counted(table: Table): Table {
  const { count } = table;
  return { ...table, count: typeof count === "number" ? count + 1 : 1 };
}

function tablesIn(headers: readonly RecordHeader[]): Table[] {
  const found = headers.find(({ name }) => name === deathHeader);
  const mark = marksAmong(headers)[deathHeader];
  if (found === undefined || typeof mark !== "string") return [];
  const { value } = valueOfBytes(found.value, mark);
  return Array.isArray(value) ? (value.filter(isTable) as Table[]) : [];
}

function marksAmong(headers: readonly RecordHeader[]): Marks {
  for (const { name, value } of headers) if (name === typesHeader) return marksOf(value) ?? {};
  return {};
}

function isTable(value: HeaderValue): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !(value instanceof Uint8Array)
  );
}

function textOf(value: HeaderValue | undefined): string {
  return typeof value === "string" ? value : "";
}
