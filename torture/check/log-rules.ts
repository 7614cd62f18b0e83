/**
 * What is promised of logs: topics, and queues that Kafka's clients read.
 *
 * An offset holds one message, for ever and for everybody, and a message has one offset. Of one writer they come in its
 * order. Who reads a partition gets all that is there behind where it began, in order, and a group all of it together. What
 * is committed is seen by who reads what is committed, whole, not before its commit, and what is aborted never.
 */

import { contentFault } from "./queue-rules.ts";
import { fateOf, keyOf, listOf, type Books, type Finding, type Got } from "./books.ts";
import type { Rot } from "./rot.ts";

export function checkLogs(books: Books, rot: Rot): Finding[] {
  const shelves = shelvesOf(books);
  return [
    ...placeFaults(books),
    ...orderFaults(books, shelves),
    ...lossFaults(books, shelves, rot),
    ...gapFaults(books, shelves, rot),
  ];
}

/** Place, partition and view to what is there: offset to key, from all that was read of it. */
type Shelves = Map<string, Map<number, string>>;

const shelfName = (place: string, partition: number, view: string): string => `${place}/${partition} ${view}`;

function shelvesOf(books: Books): Shelves {
  const shelves: Shelves = new Map();
  for (const got of books.gots) {
    if (got.view === "queue" || got.partition === undefined || got.offset === undefined) continue;
    const name = shelfName(got.place, got.partition, got.view);
    let shelf = shelves.get(name);
    if (shelf === undefined) shelves.set(name, (shelf = new Map()));
    shelf.set(got.offset, keyOf(got));
  }
  return shelves;
}

function placeFaults(books: Books): Finding[] {
  const findings: Finding[] = [];
  const keyAt = new Map<string, string>();
  const offsetOf = new Map<string, string>();
  for (const got of books.gots) {
    if (got.view === "queue") continue;
    const fault = contentFault(books, got);
    if (fault !== undefined) findings.push(fault);
    const at = `${got.place}/${got.partition} at ${got.offset}`;
    const key = keyOf(got);
    const before = keyAt.get(at);
    if (before !== undefined && before !== key)
      findings.push({ kind: "moved", what: `${at} was ${before}, and is ${key} for ${got.reader}` });
    keyAt.set(at, key);
    const elsewhere = offsetOf.get(`${got.place} ${key}`);
    if (elsewhere !== undefined && elsewhere !== at)
      findings.push({ kind: "duplicated", what: `${key} is ${elsewhere} and ${at}` });
    offsetOf.set(`${got.place} ${key}`, at);
  }
  for (const [key, { send, offset, partition, outcome }] of books.sentByKey) {
    if (offset < 0 || outcome !== "ok") continue;
    const told = `${send.place}/${partition} at ${offset}`;
    const found = offsetOf.get(`${send.place} ${key}`);
    if (found !== undefined && found !== told)
      findings.push({ kind: "moved", what: `${key} was said to be ${told}, and is ${found}` });
  }
  return findings;
}

function orderFaults(books: Books, shelves: Shelves): Finding[] {
  const findings: Finding[] = [];
  for (const [name, shelf] of shelves) {
    const lastByWriter = new Map<string, number>();
    for (const [offset, key] of [...shelf].sort(([one], [other]) => one - other)) {
      const { writer, seq } = books.sentByKey.get(key)?.send ?? { writer: "", seq: 0 };
      const last = lastByWriter.get(writer) ?? -1;
      if (seq < last)
        findings.push({ kind: "reordered", what: `${name}: ${key} at ${offset} is behind ${writer} ${last}` });
      lastByWriter.set(writer, Math.max(last, seq));
    }
  }
  return findings;
}

function lossFaults(books: Books, shelves: Shelves, rot: Rot): Finding[] {
  const findings: Finding[] = [];
  const seen = new Map<string, Set<string>>();
  for (const [name, shelf] of shelves) {
    const [place, view] = [name.slice(0, name.lastIndexOf("/")), name.slice(name.lastIndexOf(" ") + 1)];
    const keys = seen.get(`${place} ${view}`) ?? new Set<string>();
    for (const key of shelf.values()) keys.add(key);
    seen.set(`${place} ${view}`, keys);
  }
  for (const { place, view, reader } of books.emptied) {
    if (view === "queue") continue;
    const everSeen = seen.get(`${place} ${view}`) ?? new Set<string>();
    const keys = new Set(
      books.gots.flatMap((got) => (got.reader === reader && got.place === place ? [keyOf(got)] : [])),
    );
    for (const [key, sent] of books.sentByKey) {
      if (sent.send.place !== place || keys.has(key)) continue;
      const fate = fateOf(books, sent);
      const isAcknowledged = fate === "there" || (view === "all" && sent.outcome === "ok");
      // What somebody was given is there for ever, whether its writer has heard of it or not.
      const wasThere = everSeen.has(key) && (view === "all" || fate === "open") && !rot.mayHaveHit(place);
      if (!(isAcknowledged || wasThere) || rot.excuses(sent)) continue;
      const told = isAcknowledged ? `acknowledged at ${sent.okAt}` : "not acknowledged, but read by somebody";
      findings.push({ kind: "lost", what: `${key} to ${place}, ${told}: not among what is ${view} in the end` });
    }
  }
  return [...findings, ...tornFaults(books, seen, rot)];
}

/** Of a transaction whose end nobody knows, all or nothing. */
function tornFaults(books: Books, seen: Map<string, Set<string>>, rot: Rot): Finding[] {
  const findings: Finding[] = [];
  const isReadable = new Set(books.emptied.map(({ place, view }) => `${place} ${view}`));
  for (const [id, txn] of books.txnById) {
    if (txn.commitAt === Number.POSITIVE_INFINITY) continue;
    const there: string[] = [];
    const missing: string[] = [];
    for (const key of txn.messages) {
      const sent = books.sentByKey.get(key)!;
      const { place } = sent.send;
      let isThere: boolean;
      if (isReadable.has(`${place} committed`)) isThere = seen.get(`${place} committed`)?.has(key) === true;
      else if (isReadable.has(`${place} queue`)) isThere = books.holdings.has(`${place} ${key}`);
      else continue;
      if (isThere) there.push(`${key} of ${place}`);
      else if (!rot.excuses(sent)) missing.push(`${key} of ${place}`);
    }
    if (there.length === 0 || missing.length === 0) continue;
    findings.push({
      kind: "torn",
      what: `of ${id} there is ${there[0]}, and not ${missing[0]} (${missing.length} in all)`,
    });
  }
  return findings;
}

/** A reader goes on where it was; what lies between two messages that it got one after the other, nobody else may find. */
function gapFaults(books: Books, shelves: Shelves, rot: Rot): Finding[] {
  const findings: Finding[] = [];
  const offsetsByShelf = new Map<string, number[]>();
  for (const [name, shelf] of shelves)
    offsetsByShelf.set(
      name,
      [...shelf.keys()].sort((one, other) => one - other),
    );
  const runs = new Map<string, Got[]>();
  for (const got of books.gots)
    if (got.view !== "queue") listOf(runs, `${got.reader} ${shelfName(got.place, got.partition!, got.view)}`).push(got);
  for (const run of runs.values()) {
    const { place, partition, view, reader } = run[0]!;
    const name = shelfName(place, partition!, view);
    const offsets = offsetsByShelf.get(name)!;
    for (let i = 1; i < run.length; i++) {
      const [from, to] = [run[i - 1]!.offset!, run[i]!.offset!];
      // It has gone back, as a client does that begins anew.
      if (to <= from) continue;
      const between = offsets[firstAbove(offsets, from)]!;
      if (between >= to || rot.excuses(books.sentByKey.get(shelves.get(name)!.get(between)!)!)) continue;
      const what = `${reader} got ${place}/${partition} at ${from}, then at ${to}, and not what is ${view} at ${between}`;
      findings.push({ kind: "skipped", what });
    }
  }
  return findings;
}

/** Index of the first number above. */
export function firstAbove(sorted: readonly number[], number: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= number) low = middle + 1;
    else high = middle;
  }
  return low;
}
