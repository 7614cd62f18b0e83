/**
 * What is promised of what is asked: a group stands where it was told that it stands, or further; a partition ends behind
 * what was acknowledged; who takes a place over begins no further than its group came. And of what is read and written in one transaction:
 * for each message that went in, one came out.
 */

import { keyOf, listOf, type Books, type Finding, type Got, type Move } from "./books.ts";
import type { Rot } from "./rot.ts";

export function checkPositions(books: Books, rot: Rot): Finding[] {
  return [
    ...positionFaults(books),
    ...extentFaults(books),
    ...resumeFaults(books, rot),
    ...finishFaults(books, rot),
    ...transformFaults(books, rot),
  ];
}

interface Track {
  /** When it was told, or asked for, and the greatest offset until then. */
  readonly at: number[];
  readonly most: number[];
}

function note(track: Track, at: number, offset: number): void {
  track.at.push(at);
  track.most.push(Math.max(offset, track.most.at(-1) ?? 0));
}

function mostUntil({ at, most }: Track, until: number): number {
  let [low, high] = [0, at.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at[middle]! < until) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? 0 : most[low - 1]!;
}

function tracksOf(moves: readonly Move[], kind: Move["kind"]): Map<string, Track> {
  const tracks = new Map<string, Track>();
  for (const move of moves) {
    if (move.kind !== kind) continue;
    const name = `${move.group} ${move.place}/${move.partition}`;
    const track = tracks.get(name) ?? { at: [], most: [] };
    tracks.set(name, track);
    note(track, move.at, move.offset);
  }
  return tracks;
}

const nothing: Track = { at: [], most: [] };

function positionFaults(books: Books): Finding[] {
  const findings: Finding[] = [];
  const asked = tracksOf(books.moves, "move");
  const told = tracksOf(books.moves, "moved");
  const seen = new Map<string, Track>();
  for (const { group, place, partition, offset, since, at } of books.positions) {
    const name = `${group} ${place}/${partition}`;
    const before = seen.get(name) ?? { at: [], most: [] };
    seen.set(name, before);
    const least = Math.max(mostUntil(told.get(name) ?? nothing, since), mostUntil(before, since));
    if (offset < least) findings.push({ kind: "stale", what: `${name} stands at ${offset}, after ${least} was told` });
    const most = mostUntil(asked.get(name) ?? nothing, at + 1);
    if (offset > most)
      findings.push({ kind: "phantom", what: `${name} stands at ${offset}, and nobody went past ${most}` });
    note(before, at, offset);
  }
  return findings;
}

function extentFaults(books: Books): Finding[] {
  const findings: Finding[] = [];
  const told = new Map<string, Track>();
  const acknowledged = [...books.sentByKey.values()].filter(({ offset, outcome }) => offset >= 0 && outcome === "ok");
  for (const { send, offset, partition, okAt } of acknowledged.sort((one, other) => one.okAt - other.okAt)) {
    const name = `${send.place}/${partition}`;
    const track = told.get(name) ?? { at: [], most: [] };
    told.set(name, track);
    note(track, okAt, offset + 1);
  }
  for (const { place, partition, offset, since } of books.extents) {
    const least = mostUntil(told.get(`${place}/${partition}`) ?? nothing, since);
    if (offset < least)
      findings.push({
        kind: "stale",
        what: `${place}/${partition} ends at ${offset}, after ${least} was acknowledged`,
      });
  }
  return findings;
}

/** The first that a member gets lies no further than the group ever asked to stand, or nothing is there in between. */
function resumeFaults(books: Books, rot: Rot): Finding[] {
  const findings: Finding[] = [];
  const asked = tracksOf(books.moves, "move");
  const committed = committedOf(books);
  const begun = new Set<string>();
  for (const { group, view, reader, place, partition, offset, at } of books.gots) {
    const name = `${place}/${partition}`;
    if (group === undefined || view !== "committed" || begun.has(`${reader} ${name}`)) continue;
    begun.add(`${reader} ${name}`);
    const from = mostUntil(asked.get(`${group} ${name}`) ?? nothing, at);
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
