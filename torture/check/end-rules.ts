/**
 * What is promised of the ends of partitions: all that was acknowledged lies below, from then on, for who asks for the end
 * and for who fetches; and an end does not go back.
 *
 * For who reads what is committed, all that was acknowledged lies below the end as well, as far as it lies before the first
 * message of every transaction that may be open. Where that message lies is known of those that were acknowledged, and of those that
 * were found when all of the place was read; of others only that it is behind what was acknowledged before it was sent. A
 * transaction is open until its client was told of its end, or until an end behind its first message was seen.
 */

import { keyOf, type Books, type Finding, type Sent, type Txn } from "./books.ts";
import type { Rot } from "./rot.ts";
import { mostUntil, note, trackOf, type Track } from "./track.ts";

export function checkEnds(books: Books, rot: Rot): Finding[] {
  const ends: Ends = { acknowledged: acknowledgedIn(books), seen: seenIn(books) };
  return [...extentFaults(books, ends, rot), ...fetchFaults(books, ends, rot)];
}

interface Ends {
  /** Of each partition: behind the last message that was acknowledged. */
  readonly acknowledged: Map<string, Track>;
  /** Of each partition and view: what was answered. */
  readonly seen: Map<string, Track>;
}

const nameOf = ({ place, partition }: { readonly place: string; readonly partition: number }): string =>
  `${place}/${partition}`;

function acknowledgedIn(books: Books): Map<string, Track> {
  const tracks = new Map<string, Track>();
  const acknowledged = [...books.sentByKey.values()].filter(({ offset, outcome }) => offset >= 0 && outcome === "ok");
  for (const { send, offset, partition, okAt } of acknowledged.sort((one, other) => one.okAt - other.okAt))
    note(trackOf(tracks, nameOf({ place: send.place, partition: partition! })), okAt, offset + 1);
  return tracks;
}

function seenIn(books: Books): Map<string, Track> {
  const tracks = new Map<string, Track>();
  for (const extent of books.extents) {
    // What is decided is there.
    note(trackOf(tracks, `${nameOf(extent)} all`), extent.at, extent.offset);
    if (extent.view === "committed") note(trackOf(tracks, `${nameOf(extent)} committed`), extent.at, extent.offset);
  }
  return tracks;
}

function extentFaults(books: Books, { acknowledged, seen }: Ends, rot: Rot): Finding[] {
  const findings: Finding[] = [];
  const undecided = new Undecided(books, acknowledged, rot);
  for (const extent of books.extents) {
    const { offset, since, view = "all" } = extent;
    const name = nameOf(extent);
    const before = mostUntil(seen.get(`${name} ${view}`), since);
    const told = mostUntil(acknowledged.get(name), since);
    const stable = view === "all" ? told : Math.min(told, undecided.firstAt(extent.place, name, since, before));
    const why = before > stable ? "was seen" : "was acknowledged";
    const least = Math.max(before, stable);
    if (offset < least)
      findings.push({ kind: "stale", what: `${name} ends at ${offset} for ${view}, after ${least} ${why}` });
  }
  return findings;
}

/** Where something is there, a fetch brings it. */
function fetchFaults(books: Books, { acknowledged, seen }: Ends, rot: Rot): Finding[] {
  const findings: Finding[] = [];
  for (const fetched of books.fetched) {
    const { place, from, next, since } = fetched;
    const name = nameOf(fetched);
    const least = Math.max(mostUntil(acknowledged.get(name), since), mostUntil(seen.get(`${name} all`), since));
    if (from >= least || next > from || rot.mayHaveHit(place)) continue;
    findings.push({
      kind: "stale",
      what: `a fetch of ${name} from ${from} on brought nothing, where there is ${least - 1}`,
    });
  }
  return findings;
}

interface Stretch {
  /** Its first message in the partition, or where that cannot be before. */
  first: number;
  isKnown: boolean;
  readonly txn: Txn;
}

/** The transactions that may be open, in each partition. */
class Undecided {
  readonly #stretches = new Map<string, Map<string, Stretch>>();
  readonly #books: Books;
  readonly #acknowledged: Map<string, Track>;

  constructor(books: Books, acknowledged: Map<string, Track>, rot: Rot) {
    this.#books = books;
    this.#acknowledged = acknowledged;
    const foundAt = new Map<string, { readonly name: string; readonly offset: number }>();
    for (const got of books.gots)
      if (got.offset !== undefined && got.partition !== undefined)
        foundAt.set(`${got.place} ${keyOf(got)}`, {
          name: nameOf({ place: got.place, partition: got.partition }),
          offset: got.offset,
        });
    const isRead = new Set(books.emptied.filter(({ view }) => view === "all").map(({ place }) => place));
    for (const [key, sent] of books.sentByKey) {
      if (sent.send.txn === undefined) continue;
      const { place } = sent.send;
      const found = foundAt.get(`${place} ${key}`);
      if (found !== undefined) this.#note(found.name, sent, found.offset, true);
      else if (sent.outcome === "ok" && sent.offset >= 0)
        this.#note(nameOf({ place, partition: sent.partition! }), sent, sent.offset, true);
      else if (!isRead.has(place) || rot.mayHaveHit(place)) this.#guess(sent);
    }
  }

  /** Somewhere behind what was acknowledged when it was sent, if anywhere. */
  #guess(sent: Sent): void {
    const { place, at } = sent.send;
    if (sent.partition === undefined) return this.#note(place, sent, 0, false);
    const name = nameOf({ place, partition: sent.partition });
    this.#note(name, sent, mostUntil(this.#acknowledged.get(name), at), false);
  }

  #note(name: string, { send }: Sent, first: number, isKnown: boolean): void {
    const txn = send.txn!;
    let stretches = this.#stretches.get(name);
    if (stretches === undefined) this.#stretches.set(name, (stretches = new Map()));
    const stretch = stretches.get(txn);
    if (stretch === undefined) stretches.set(txn, { first, isKnown, txn: this.#books.txnById.get(txn)! });
    else {
      stretch.first = Math.min(stretch.first, first);
      stretch.isKnown &&= isKnown;
    }
  }

  /** Of what may be open at `since`: the first message of it; infinite if nothing is. All below `decided` is decided. */
  firstAt(place: string, name: string, since: number, decided: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (const where of [name, place])
      for (const { first, isKnown, txn } of this.#stretches.get(where)?.values() ?? []) {
        const isOver = txn.okAt < since || (isKnown && first < decided);
        if (!isOver) least = Math.min(least, first);
      }
    return least;
  }
}
