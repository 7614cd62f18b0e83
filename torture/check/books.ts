/** A history in the order of who was told what, turned into what is known of each message and each transaction. */

import type { Event, Outcome } from "../history.ts";

export interface Finding {
  readonly kind: FindingKind;
  readonly what: string;
}

export type FindingKind =
  | "lost"
  | "phantom"
  | "broken"
  | "duplicated"
  | "reordered"
  | "uncommitted"
  | "aborted"
  | "torn"
  | "settled"
  | "held twice"
  | "unflagged"
  | "moved"
  | "skipped"
  | "stale"
  | "transformed";

type Of<K extends Event["kind"]> = Extract<Event, { kind: K }>;
export type Send = Of<"send">;
export type Got = Of<"got">;
export type Move = Of<"move" | "moved">;

export interface Sent {
  readonly send: Send;
  outcome: Outcome | undefined;
  /** When it was told that it is there. */
  okAt: number;
  offset: number;
  /** Of the last message that went with it, in one batch. */
  batchEnd: number;
  partition: number | undefined;
}

export interface Txn {
  /** When the commit was asked for; infinite if it never was. */
  commitAt: number;
  isAborting: boolean;
  outcome: Outcome | undefined;
  /** When it was told that it is committed. */
  okAt: number;
  readonly messages: string[];
}

export interface Holding {
  readonly reader: string;
  readonly got: Got;
  /** How many events came before it. */
  readonly order: number;
  how: "accept" | "release" | undefined;
  settledAt: number;
  /** When it was told that its acceptance is durable. */
  sureAt: number;
}

export interface Books {
  readonly sentByKey: Map<string, Sent>;
  readonly txnById: Map<string, Txn>;
  /** Of queues: place, blank and key to who was given the message, in order. */
  readonly holdings: Map<string, Holding[]>;
  readonly gots: Got[];
  readonly lifeBeganAt: Map<string, number>;
  /** When a reader's last barrier that was confirmed had gone out: until then it was alive for the broker as well. */
  readonly aliveUntil: Map<string, number>;
  readonly emptied: Of<"emptied">[];
  readonly moves: Move[];
  readonly positions: Of<"position">[];
  readonly extents: Of<"extent">[];
  readonly fetched: Of<"fetched">[];
  readonly transformed: Of<"transformed">[];
  readonly finished: Of<"finished">[];
  readonly damage: Of<"damage">[];
}

export const keyOf = ({ writer, seq }: { readonly writer: string; readonly seq: number }): string => `${writer} ${seq}`;

export function readBooks(events: readonly Event[]): Books {
  const books: Books = {
    sentByKey: new Map(),
    txnById: new Map(),
    holdings: new Map(),
    gots: [],
    lifeBeganAt: new Map(),
    aliveUntil: new Map(),
    emptied: [],
    moves: [],
    positions: [],
    extents: [],
    fetched: [],
    transformed: [],
    finished: [],
    damage: [],
  };
  const heldByReader = new Map<string, Holding[]>();
  for (const [order, event] of events.entries()) {
    switch (event.kind) {
      case "send":
        noteSend(books, event);
        break;
      case "sent":
        noteSent(books, event);
        break;
      case "end":
      case "ended":
        noteEnd(txnOf(books, event.txn), event);
        break;
      case "got":
        noteGot(books, event, order, heldByReader);
        break;
      case "settle":
        noteSettle(books, event);
        break;
      case "settled":
        noteSettled(books, event, heldByReader);
        break;
      case "reading":
        books.lifeBeganAt.set(event.reader, event.at);
        break;
      case "move":
      case "moved":
        books.moves.push(event);
        break;
      case "position":
        books.positions.push(event);
        break;
      case "extent":
        books.extents.push(event);
        break;
      case "fetched":
        books.fetched.push(event);
        break;
      case "emptied":
        books.emptied.push(event);
        break;
      case "transformed":
        books.transformed.push(event);
        break;
      case "finished":
        books.finished.push(event);
        break;
      case "damage":
        books.damage.push(event);
        break;
      case "fault":
        break;
    }
  }
  return books;
}

function txnOf(books: Books, id: string): Txn {
  let txn = books.txnById.get(id);
  if (txn === undefined) {
    const never = Number.POSITIVE_INFINITY;
    txn = { commitAt: never, isAborting: false, outcome: undefined, okAt: never, messages: [] };
    books.txnById.set(id, txn);
  }
  return txn;
}

function noteSend(books: Books, send: Send): void {
  const never = Number.POSITIVE_INFINITY;
  const sent = { send, outcome: undefined, okAt: never, offset: -1, batchEnd: -1, partition: send.partition };
  books.sentByKey.set(keyOf(send), sent);
  if (send.txn !== undefined) txnOf(books, send.txn).messages.push(keyOf(send));
}

function noteSent(books: Books, event: Of<"sent">): void {
  for (let seq = event.seqs[0]; seq <= event.seqs[1]; seq++) {
    const sent = books.sentByKey.get(keyOf({ writer: event.writer, seq }));
    if (sent === undefined) throw new Error(`the history has an answer for ${event.writer} ${seq}, which was not sent`);
    sent.outcome = event.outcome;
    if (event.outcome === "ok") sent.okAt = event.at;
    sent.partition ??= event.partition;
    if (event.offset === undefined || event.offset < 0) continue;
    sent.offset = event.offset + seq - event.seqs[0];
    sent.batchEnd = event.offset + event.seqs[1] - event.seqs[0];
  }
}

function noteEnd(txn: Txn, event: Of<"end" | "ended">): void {
  if (event.kind === "ended") {
    txn.outcome = event.outcome;
    if (event.outcome === "ok") txn.okAt = event.at;
  } else if (event.how === "commit") txn.commitAt = event.at;
  else txn.isAborting = true;
}

function noteGot(books: Books, got: Got, order: number, heldByReader: Map<string, Holding[]>): void {
  books.gots.push(got);
  if (got.view !== "queue") return;
  const name = `${got.place} ${keyOf(got)}`;
  const never = Number.POSITIVE_INFINITY;
  const holding = { reader: got.reader, got, order, how: undefined, settledAt: never, sureAt: never };
  listOf(books.holdings, name).push(holding);
  listOf(heldByReader, got.reader).push(holding);
}

function noteSettle(books: Books, event: Of<"settle">): void {
  const held = books.holdings.get(`${event.place} ${keyOf(event)}`);
  const holding = held?.findLast((each) => each.reader === event.reader && each.how === undefined);
  if (holding === undefined)
    throw new Error(`the history has ${event.reader} settle ${keyOf(event)}, which it did not get`);
  holding.how = event.how;
  holding.settledAt = event.at;
}

function noteSettled(books: Books, event: Of<"settled">, heldByReader: Map<string, Holding[]>): void {
  const held = heldByReader.get(event.reader) ?? [];
  const open: Holding[] = [];
  for (const holding of held) {
    if (holding.how === "accept" && holding.settledAt <= event.since) holding.sureAt = event.at;
    else open.push(holding);
  }
  heldByReader.set(event.reader, open);
  books.aliveUntil.set(event.reader, Math.max(event.since, books.aliveUntil.get(event.reader) ?? 0));
}

export function listOf<T>(map: Map<string, T[]>, name: string): T[] {
  let list = map.get(name);
  if (list === undefined) map.set(name, (list = []));
  return list;
}

/** Whether it has to be there, must not be, or may be either. */
export function fateOf(books: Books, sent: Sent): "there" | "gone" | "open" {
  const { txn } = sent.send;
  if (txn === undefined) return sent.outcome === "ok" ? "there" : "open";
  const { commitAt, outcome } = books.txnById.get(txn)!;
  if (commitAt === Number.POSITIVE_INFINITY) return "gone";
  return outcome === "ok" ? "there" : "open";
}
