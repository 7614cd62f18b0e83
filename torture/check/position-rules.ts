/**
 * What is promised of where groups stand: where they were told that they stand, or further, and no further than somebody has asked for.
 * What is asked for in a transaction counts from its commit on, and never if there is none. Who takes a place over begins no further
 * than its group came. And of what is read and written in one transaction: for each message that went in, one came out.
 */

import { keyOf, listOf, type Books, type Finding, type FindingKind, type Got, type Move } from "./books.ts";
import type { Rot } from "./rot.ts";
import { mostUntil, note, trackOf, type Track } from "./track.ts";

export function checkPositions(books: Books, rot: Rot): Finding[] {
  return [
    ...positionFaults(books),
    ...resumeFaults(books, rot),
    ...finishFaults(books, rot),
    ...transformFaults(books, rot),
  ];
}

const nameOf = ({ group, place, partition }: Pick<Move, "group" | "place" | "partition">): string =>
  `${group} ${place}/${partition}`;

/** From when on a group may stand where it was asked to go: infinite if that is in a transaction that nobody has committed. */
function countsAt(books: Books, { txn, at }: Move): number {
  return txn === undefined ? at : (books.txnById.get(txn)?.commitAt ?? Number.POSITIVE_INFINITY);
}

function askedOf(books: Books): Map<string, Track> {
  const asked = books.moves
    .filter(({ kind }) => kind === "move")
    .map((move) => ({ move, from: countsAt(books, move) }))
    .filter(({ from }) => from < Number.POSITIVE_INFINITY);
  const tracks = new Map<string, Track>();
  for (const { move, from } of asked.sort((one, other) => one.from - other.from))
    note(trackOf(tracks, nameOf(move)), from, move.offset);
  return tracks;
}

function positionFaults(books: Books): Finding[] {
  const findings: Finding[] = [];
  const asked = askedOf(books);
  const told = new Map<string, Track>();
  for (const move of books.moves) if (move.kind === "moved") note(trackOf(told, nameOf(move)), move.at, move.offset);
  const seen = new Map<string, Track>();
  for (const position of books.positions) {
    const { offset, since, at } = position;
    const name = nameOf(position);
    const before = trackOf(seen, name);
    const least = Math.max(mostUntil(told.get(name), since), mostUntil(before, since));
    if (offset < least) findings.push({ kind: "stale", what: `${name} stands at ${offset}, after ${least} was told` });
    const most = mostUntil(asked.get(name), at + 1);
    if (offset > most) {
      const { kind, why } = earlyMove(books, position);
      findings.push({ kind, what: `${name} stands at ${offset}, and may not be past ${most}: ${why}` });
    }
    note(before, at, offset);
  }
  return findings;
}

/** What may have brought a group to where it must not be. */
function earlyMove(books: Books, position: Books["positions"][number]): { kind: FindingKind; why: string } {
  const name = nameOf(position);
  let aborted: Move | undefined;
  for (const move of books.moves) {
    if (move.at > position.at) break;
    if (move.kind !== "move" || move.txn === undefined || move.offset < position.offset || nameOf(move) !== name)
      continue;
    if (countsAt(books, move) < Number.POSITIVE_INFINITY)
      return { kind: "uncommitted", why: `${move.txn}, which goes there, was not yet committed` };
    aborted = move;
  }
  if (aborted === undefined) return { kind: "phantom", why: "nobody went there" };
  return { kind: "aborted", why: `${aborted.txn}, which goes there, nobody has committed` };
}

/** The first that a member gets lies no further than the group ever asked to stand, or nothing is there in between. */
function resumeFaults(books: Books, rot: Rot): Finding[] {
  const findings: Finding[] = [];
  const asked = askedOf(books);
  const committed = committedOf(books);
  const begun = new Set<string>();
  for (const { group, view, reader, place, partition, offset, at } of books.gots) {
    const name = `${place}/${partition}`;
    if (group === undefined || view !== "committed" || begun.has(`${reader} ${name}`)) continue;
    begun.add(`${reader} ${name}`);
    const from = mostUntil(asked.get(`${group} ${name}`), at);
    const skipped = committed.get(name)?.find((each) => each.offset! >= from && each.offset! < offset!);
    if (skipped === undefined || rot.excuses(books.sentByKey.get(keyOf(skipped))!)) continue;
    const what = `${reader} of ${group} began ${name} at ${offset}; the group had come to ${from}, and ${skipped.offset} is there`;
    findings.push({ kind: "skipped", what });
  }
  return findings;
}

function committedOf(books: Books): Map<string, Got[]> {
  const committed = new Map<string, Got[]>();
  for (const got of books.gots)
    if (got.view === "committed") listOf(committed, `${got.place}/${got.partition}`).push(got);
  for (const list of committed.values()) list.sort((one, other) => one.offset! - other.offset!);
  return committed;
}

/** A group that has come to the end has got all that is there. */
function finishFaults(books: Books, rot: Rot): Finding[] {
  const findings: Finding[] = [];
  for (const { group, place } of books.finished) {
    const given = new Set<string>();
    for (const got of books.gots) if (got.group === group && got.place === place) given.add(keyOf(got));
    for (const got of books.gots) {
      if (got.place !== place || got.view !== "committed" || given.has(keyOf(got))) continue;
      given.add(keyOf(got));
      if (rot.excuses(books.sentByKey.get(keyOf(got))!)) continue;
      const what = `${group} has come to the end, and never got ${place}/${got.partition} at ${got.offset}: ${keyOf(got)}`;
      findings.push({ kind: "skipped", what });
    }
  }
  return findings;
}

function transformFaults(books: Books, rot: Rot): Finding[] {
  const findings: Finding[] = [];
  for (const { from, to } of books.transformed) {
    const sources = new Map<string, string>();
    const results = new Map<string, Set<string>>();
    for (const got of books.gots) {
      if (got.view !== "committed") continue;
      if (got.place === from) sources.set(`${from} ${got.partition} ${got.offset} ${keyOf(got)}`, keyOf(got));
      if (got.place !== to) continue;
      // What is not of a transformer marks the end.
      const source = books.sentByKey.get(keyOf(got))?.send.from;
      if (source === undefined) continue;
      const made = results.get(source) ?? new Set();
      results.set(source, made.add(keyOf(got)));
    }
    for (const [source, made] of results) {
      if (made.size > 1) findings.push({ kind: "transformed", what: `${source} became ${[...made].join(" and ")}` });
      const isExcused = rot.excusesKey(source.split(" ").slice(-2).join(" "));
      if (!sources.has(source) && !isExcused)
        findings.push({ kind: "transformed", what: `${[...made][0]} was made of ${source}` });
    }
    const rotten = new Set<string | undefined>();
    for (const sent of books.sentByKey.values())
      if (sent.send.place === to && rot.excuses(sent)) rotten.add(sent.send.from);
    for (const source of sources.keys())
      if (!results.has(source) && !rotten.has(source))
        findings.push({ kind: "transformed", what: `${source} became nothing` });
  }
  return findings;
}
