/**
 * What is promised of queues, and of the work queues of topics.
 *
 * A message is given to one consumer at a time, again until it is accepted, and flagged then. It is accepted for good when
 * the client was told that something is durable which it published behind the acceptance on the same channel. When a
 * delivery that a client reads was made is not known (it may have lain in the network), so it counts against the broker only
 * if the life of the reader began after the acceptance was sure, or two lives accepted the same for sure.
 */

import { fateOf, keyOf, type Books, type Finding, type Holding } from "./books.ts";
import type { Rot } from "./rot.ts";

export function checkQueues(books: Books, rot: Rot): Finding[] {
  const findings: Finding[] = [];
  for (const [name, held] of books.holdings) {
    for (const holding of held) findings.push(...contentFaults(books, name, holding));
    findings.push(...repetitionFaults(books, name, held));
  }
  return [...findings, ...orderFaults(books), ...lossFaults(books, rot)];
}

/** What no reader of anything may be given. */
export function contentFault(books: Books, got: Holding["got"]): Finding | undefined {
  const sent = books.sentByKey.get(keyOf(got));
  const what = `${got.reader} got ${keyOf(got)} from ${got.place}`;
  if (sent === undefined || sent.send.place !== got.place)
    return { kind: "phantom", what: `${what}, where nobody sent it` };
  if (!got.isIntact) return { kind: "broken", what: `${what}, and it is not as it was sent` };
  if (sent.send.txn === undefined || got.view === "all") return undefined;
  const { commitAt } = books.txnById.get(sent.send.txn)!;
  if (commitAt === Number.POSITIVE_INFINITY)
    return { kind: "aborted", what: `${what}, of ${sent.send.txn}, which nobody has committed` };
  if (got.at < commitAt) return { kind: "uncommitted", what: `${what}, before ${sent.send.txn} was committed` };
  return undefined;
}

function contentFaults(books: Books, _name: string, { got }: Holding): Finding[] {
  const fault = contentFault(books, got);
  return fault === undefined ? [] : [fault];
}

function repetitionFaults(books: Books, name: string, held: readonly Holding[]): Finding[] {
  const findings: Finding[] = [];
  const unflagged = held.filter(({ got }) => got.isFlagged === false);
  if (unflagged.length > 1) {
    const readers = unflagged.map(({ reader }) => reader).join(", ");
    findings.push({
      kind: "unflagged",
      what: `${name} came ${unflagged.length} times as if for the first: ${readers}`,
    });
  }
  for (const later of unflagged) {
    const earlier = held.find((each) => each.order < later.order && wasGivenBefore(books, each, later));
    if (earlier === undefined || unflagged.length > 1) continue;
    const what = `${name} came to ${later.reader} as if for the first time, after ${earlier.reader} was given it`;
    findings.push({ kind: "unflagged", what });
  }
  const sure = held.filter(({ sureAt }) => sureAt < Number.POSITIVE_INFINITY);
  if (sure.length > 1) {
    const readers = sure.map(({ reader }) => reader).join(", ");
    findings.push({ kind: "settled", what: `${name} was accepted for good ${sure.length} times: ${readers}` });
  }
  const firstSure = Math.min(...sure.map(({ sureAt }) => sureAt));
  for (const { reader, got } of held) {
    if ((books.lifeBeganAt.get(reader) ?? 0) <= firstSure) continue;
    const what = `${name} came to ${reader} at ${got.at}, though it was accepted for good at ${firstSure}`;
    findings.push({ kind: "settled", what });
  }
  for (const first of held) {
    const second = held.find((each) => isHeldBeside(books, first, each));
    if (second === undefined) continue;
    const what = `${name} was given to ${second.reader} at ${second.got.at} while ${first.reader} held it`;
    findings.push({ kind: "held twice", what });
  }
  return findings;
}

/** For certain: the life of the other's reader began later, or both came on one channel. */
function wasGivenBefore(books: Books, one: Holding, other: Holding): boolean {
  return one.reader === other.reader || (books.lifeBeganAt.get(other.reader) ?? 0) > one.got.at;
}

/** `other`, in a life that began later, was given what `holding` has not settled, and lived on to hold. */
function isHeldBeside(books: Books, holding: Holding, other: Holding): boolean {
  if (other === holding || other.reader === holding.reader || other.got.at < holding.got.at) return false;
  const began = books.lifeBeganAt.get(other.reader) ?? 0;
  const aliveUntil = books.aliveUntil.get(holding.reader) ?? 0;
  return began > holding.got.at && holding.settledAt > other.got.at && aliveUntil > other.got.at;
}

/** What comes for the first time comes in the order of its writer, to each consumer, from each partition; and all that is left to one. */
function orderFaults(books: Books): Finding[] {
  const findings: Finding[] = [];
  const lastSeq = new Map<string, number>();
  for (const got of books.gots) {
    if (got.view !== "queue" || (got.isFlagged !== false && got.isAlone !== true)) continue;
    const partition = books.sentByKey.get(keyOf(got))?.partition ?? "";
    const name = `${got.place} ${partition} to ${got.reader} from ${got.writer}`;
    const last = lastSeq.get(name) ?? -1;
    if (got.seq < last) findings.push({ kind: "reordered", what: `${name}: ${got.seq} came after ${last}` });
    lastSeq.set(name, Math.max(last, got.seq));
  }
  return findings;
}

function lossFaults(books: Books, rot: Rot): Finding[] {
  const emptied = new Set(books.emptied.filter(({ view }) => view === "queue").map(({ place }) => place));
  const findings: Finding[] = [];
  for (const [key, sent] of books.sentByKey) {
    const { place } = sent.send;
    if (!emptied.has(place)) continue;
    const fate = fateOf(books, sent);
    const held = books.holdings.get(`${place} ${key}`) ?? [];
    // What somebody was given is on disk, whether its publisher has heard of it or not.
    const mustBe = fate === "there" || (fate === "open" && held.length > 0 && !rot.mayHaveHit(place));
    if (!mustBe) continue;
    if (held.some(({ how }) => how === "accept") || rot.excuses(sent)) continue;
    const seen =
      held.length === 0 ? "nobody ever got it" : `last given to ${held.at(-1)!.reader} at ${held.at(-1)!.got.at}`;
    findings.push({
      kind: "lost",
      what: `${key} to ${place}, ${fate === "there" ? `acknowledged at ${sent.okAt}` : "not acknowledged"}: ${seen}`,
    });
  }
  return findings;
}
