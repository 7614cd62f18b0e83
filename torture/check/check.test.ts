/** A checker that finds nothing proves nothing: for each kind of finding a history that must be found, beside one that is well. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Event, Telling } from "../history.ts";
import { checkHistory } from "./check.ts";

/** Told one ms after the other. */
function kindsOf(...told: readonly Telling[]): string[] {
  const events: Event[] = told.map((event, at) => ({ at, ...event }));
  return [...new Set(checkHistory(events).map(({ kind }) => kind))].sort();
}

const send = (writer: string, seq: number, more: object = {}): Telling => ({
  kind: "send",
  place: "q",
  writer,
  seq,
  ...more,
});
const sent = (writer: string, seq: number, more: object = {}): Telling => ({
  kind: "sent",
  writer,
  seqs: [seq, seq],
  outcome: "ok",
  ...more,
});
const given = (reader: string, writer: string, seq: number, more: object = {}): Telling => ({
  kind: "got",
  reader,
  place: "q",
  view: "queue",
  writer,
  seq,
  isIntact: true,
  isFlagged: false,
  ...more,
});
const settle = (reader: string, writer: string, seq: number, how: "accept" | "release" = "accept"): Telling => ({
  kind: "settle",
  reader,
  place: "q",
  writer,
  seq,
  how,
});
const read = (reader: string, writer: string, seq: number, offset: number, more: object = {}): Telling => ({
  kind: "got",
  reader,
  place: "t",
  view: "committed",
  writer,
  seq,
  isIntact: true,
  partition: 0,
  offset,
  ...more,
});
const reading = (reader: string): Telling => ({ kind: "reading", reader });
const settled = (reader: string, since: number): Telling => ({ kind: "settled", reader, since });
const emptied = (place: string, view: "queue" | "committed" | "all", reader = "last"): Telling => ({
  kind: "emptied",
  place,
  view,
  reader,
});
const toLog = { place: "t", partition: 0 };

test("a queue that gives each message once, or again with the flag, is well", () => {
  const found = kindsOf(
    send("w", 0),
    sent("w", 0),
    send("w", 1),
    sent("w", 1, { outcome: "unknown" }),
    reading("c"),
    given("c", "w", 0),
    settle("c", "w", 0),
    settled("c", 8),
    given("c", "w", 1),
    reading("d"),
    given("d", "w", 1, { isFlagged: true }),
    settle("d", "w", 1, "release"),
    given("d", "w", 1, { isFlagged: true }),
    settle("d", "w", 1),
    emptied("q", "queue"),
  );
  assert.deepEqual(found, []);
});

test("a confirmed message that nobody was given, or nobody accepted, is lost", () => {
  assert.deepEqual(kindsOf(send("w", 0), sent("w", 0), emptied("q", "queue")), ["lost"]);
  const handedBack = [send("w", 0), sent("w", 0), given("c", "w", 0), settle("c", "w", 0, "release")];
  assert.deepEqual(kindsOf(...handedBack, emptied("q", "queue")), ["lost"]);
});

test("a message that was not confirmed may be there or not", () => {
  assert.deepEqual(kindsOf(send("w", 0), sent("w", 0, { outcome: "unknown" }), emptied("q", "queue")), []);
});

test("a message that somebody was given does not vanish, confirmed or not", () => {
  const unsure = [send("w", 0), sent("w", 0, { outcome: "unknown" }), reading("c"), given("c", "w", 0)];
  assert.deepEqual(kindsOf(...unsure, emptied("q", "queue")), ["lost"]);
  assert.deepEqual(kindsOf(...unsure, settle("c", "w", 0), emptied("q", "queue")), []);
});

test("a flag that is forgotten is found", () => {
  const flagged = [send("w", 0), reading("c"), given("c", "w", 0, { isFlagged: true })];
  assert.deepEqual(kindsOf(...flagged, reading("d"), given("d", "w", 0)), ["unflagged"]);
  assert.deepEqual(kindsOf(...flagged, given("c", "w", 0)), ["unflagged"]);
  assert.deepEqual(kindsOf(reading("d"), ...flagged, given("d", "w", 0)), []);
});

test("what is left to one reader comes in its order, flagged or not", () => {
  const two = [0, 1].map((seq) => send("w", seq));
  const left = (seq: number, more: object): Telling => given("last", "w", seq, { isFlagged: true, ...more });
  assert.deepEqual(kindsOf(...two, left(1, { isAlone: true }), left(0, { isAlone: true })), ["reordered"]);
  assert.deepEqual(kindsOf(...two, left(1, {}), left(0, {})), []);
});

test("what others have read at the beginning of a log is missed by who reads all of it later", () => {
  const two = [0, 1].flatMap((seq) => [send("w", seq, toLog), sent("w", seq, toLog)]);
  const before = [read("r", "w", 0, 0), read("r", "w", 1, 1)];
  const all = emptied("t", "committed");
  assert.deepEqual(kindsOf(...two, ...before, read("last", "w", 1, 1), all), ["lost"]);
  assert.deepEqual(kindsOf(...two, ...before, read("last", "w", 0, 0), read("last", "w", 1, 1), all), []);
});

test("what somebody has read of a log stays there, acknowledged or not", () => {
  const unsure = [send("w", 0, toLog), sent("w", 0, { ...toLog, outcome: "unknown" })];
  const all = emptied("t", "committed");
  assert.deepEqual(kindsOf(...unsure, read("r", "w", 0, 0), all), ["lost"]);
  assert.deepEqual(kindsOf(...unsure, all), []);
});

test("what the broker says that it lost to rot is excused, once", () => {
  const damage: Telling = { kind: "damage", text: "", place: "q", partition: 0, offset: 7 };
  assert.deepEqual(kindsOf(send("w", 0), sent("w", 0), damage, emptied("q", "queue")), []);
  const two = [send("w", 0), sent("w", 0), send("w", 1), sent("w", 1)];
  assert.deepEqual(kindsOf(...two, damage, damage, emptied("q", "queue")), ["lost"]);
});

test("who passes over what another one has read before it rotted is excused", () => {
  const logged = [0, 1, 2].map((seq) => send("w", seq, toLog));
  const before = [0, 1, 2].map((seq) => read("r", "w", seq, seq));
  const after = [read("s", "w", 0, 0), read("s", "w", 2, 2)];
  const damage: Telling = { kind: "damage", text: "", place: "t", partition: 0, offset: 1 };
  assert.deepEqual(kindsOf(...logged, ...before, ...after, damage), []);
  assert.deepEqual(kindsOf(...logged, ...before, ...after), ["skipped"]);
});

test("of a batch that rotted all messages are excused, and none of another batch", () => {
  const where = { place: "t", partition: 0 };
  const batch: Telling = { kind: "sent", writer: "w", seqs: [0, 1], outcome: "ok", ...where, offset: 6 };
  const both = [send("w", 0, where), send("w", 1, where), batch];
  const damage = (offset: number): Telling => ({ kind: "damage", text: "", ...where, offset });
  assert.deepEqual(kindsOf(...both, damage(7), emptied("t", "committed")), []);
  assert.deepEqual(kindsOf(...both, damage(6), emptied("t", "committed")), ["lost"]);
});

test("what nobody sent, or sent elsewhere, is a phantom", () => {
  assert.deepEqual(kindsOf(given("c", "w", 0)), ["phantom"]);
  assert.deepEqual(kindsOf(send("w", 0, { place: "other" }), given("c", "w", 0)), ["phantom"]);
  assert.deepEqual(kindsOf(read("r", "w", 0, 0)), ["phantom"]);
});

test("what is not as it was sent is broken", () => {
  assert.deepEqual(kindsOf(send("w", 0), given("c", "w", 0, { isIntact: false })), ["broken"]);
});

test("two deliveries as if for the first time are found", () => {
  assert.deepEqual(kindsOf(send("w", 0), given("c", "w", 0), given("d", "w", 0)), ["unflagged"]);
});

test("a message that comes to a life which began after its acceptance was sure is found", () => {
  const before = [send("w", 0), reading("c"), given("c", "w", 0), settle("c", "w", 0), settled("c", 4)];
  assert.deepEqual(kindsOf(...before, reading("d"), given("d", "w", 0, { isFlagged: true })), ["settled"]);
});

test("one that may have lain in the network is not", () => {
  const before = [send("w", 0), reading("c"), reading("d"), given("c", "w", 0), settle("c", "w", 0), settled("c", 5)];
  assert.deepEqual(kindsOf(...before, given("d", "w", 0, { isFlagged: true })), []);
});

test("two lives that accepted the same for good are found", () => {
  const both = [send("w", 0), given("c", "w", 0), given("d", "w", 0, { isFlagged: true })];
  const accepted = [settle("c", "w", 0), settle("d", "w", 0), settled("c", 5), settled("d", 5)];
  assert.deepEqual(kindsOf(...both, ...accepted), ["settled"]);
});

test("an acceptance that went out behind what was confirmed is not sure", () => {
  const first = [send("w", 0), reading("c"), given("c", "w", 0), settle("c", "w", 0), settled("c", 2)];
  assert.deepEqual(kindsOf(...first, reading("d"), given("d", "w", 0, { isFlagged: true })), []);
});

test("a message that is given to another life while its holder lives on is found", () => {
  const held = [send("w", 0), reading("c"), given("c", "w", 0), reading("d"), given("d", "w", 0, { isFlagged: true })];
  assert.deepEqual(kindsOf(...held, settled("c", 5)), ["held twice"]);
  assert.deepEqual(kindsOf(...held), []);
});

test("messages of a writer in another order are found, in queues and in logs", () => {
  assert.deepEqual(kindsOf(send("w", 0), send("w", 1), given("c", "w", 1), given("c", "w", 0)), ["reordered"]);
  const logged = [send("w", 0, toLog), send("w", 1, toLog)];
  assert.deepEqual(kindsOf(...logged, read("r", "w", 1, 0), read("r", "w", 0, 1)), ["reordered"]);
});

test("an acknowledged record that is not read is lost, one of an open transaction is not", () => {
  assert.deepEqual(kindsOf(send("w", 0, toLog), sent("w", 0, toLog), emptied("t", "committed")), ["lost"]);
  const open = [send("w", 0, { ...toLog, txn: "x" }), sent("w", 0, toLog)];
  assert.deepEqual(kindsOf(...open, emptied("t", "committed")), []);
  assert.deepEqual(kindsOf(...open, emptied("t", "all")), ["lost"]);
});

test("one message at two offsets, and two messages at one, are found", () => {
  const two = [send("w", 0, toLog), send("w", 1, toLog)];
  assert.deepEqual(kindsOf(...two, read("r", "w", 0, 0), read("r", "w", 0, 1)), ["duplicated"]);
  assert.deepEqual(kindsOf(...two, read("r", "w", 0, 0), read("s", "w", 1, 0)), ["moved"]);
});

test("a message at another offset than its producer was told is found", () => {
  const told = [send("w", 0, toLog), sent("w", 0, { ...toLog, offset: 7 })];
  assert.deepEqual(kindsOf(...told, read("r", "w", 0, 8)), ["moved"]);
  assert.deepEqual(kindsOf(...told, read("r", "w", 0, 7)), []);
});

const inTxn = (seq: number): Telling => send("w", seq, { ...toLog, txn: "x" });
const commit: Telling = { kind: "end", txn: "x", how: "commit" };
const abort: Telling = { kind: "end", txn: "x", how: "abort" };
const ended = (outcome: "ok" | "unknown"): Telling => ({ kind: "ended", txn: "x", outcome });

test("what is aborted, or was never committed, is seen by nobody who reads what is committed", () => {
  assert.deepEqual(kindsOf(inTxn(0), abort, ended("ok"), read("r", "w", 0, 0)), ["aborted"]);
  assert.deepEqual(kindsOf(inTxn(0), read("r", "w", 0, 0)), ["aborted"]);
  assert.deepEqual(kindsOf(inTxn(0), abort, read("r", "w", 0, 0, { view: "all" })), []);
});

test("what is read before its commit was asked for is found", () => {
  assert.deepEqual(kindsOf(inTxn(0), read("r", "w", 0, 0), commit, ended("ok")), ["uncommitted"]);
});

test("of a transaction whose end nobody knows there is all or nothing", () => {
  const both = [inTxn(0), inTxn(1), commit, ended("unknown")];
  assert.deepEqual(kindsOf(...both, read("last", "w", 0, 0), emptied("t", "committed")), ["torn"]);
  assert.deepEqual(kindsOf(...both, emptied("t", "committed")), []);
  const whole = [read("last", "w", 0, 0), read("last", "w", 1, 1)];
  assert.deepEqual(kindsOf(...both, ...whole, emptied("t", "committed")), []);
});

test("of one that was committed nothing may be missing", () => {
  const found = kindsOf(inTxn(0), inTxn(1), commit, ended("ok"), emptied("t", "committed"));
  assert.deepEqual(found, ["lost"]);
});

test("a reader who passes over what another one finds is found", () => {
  const three = [send("w", 0, toLog), send("w", 1, toLog), send("w", 2, toLog)];
  const all = [read("r", "w", 0, 0), read("r", "w", 1, 1), read("r", "w", 2, 2)];
  assert.deepEqual(kindsOf(...three, ...all, read("s", "w", 0, 0), read("s", "w", 2, 2)), ["skipped"]);
  assert.deepEqual(kindsOf(...three, ...all, read("s", "w", 1, 1), read("s", "w", 0, 0), read("s", "w", 1, 1)), []);
});

const place = { group: "g", place: "t", partition: 0 };

test("a member that begins behind where its group ever was is found", () => {
  const two = [send("w", 0, toLog), send("w", 1, toLog), read("last", "w", 0, 0), read("last", "w", 1, 1)];
  assert.deepEqual(kindsOf(...two, read("r", "w", 1, 1, { group: "g" })), ["skipped"]);
  const moved: Telling = { kind: "move", ...place, offset: 1 };
  assert.deepEqual(kindsOf(...two, moved, read("r", "w", 1, 1, { group: "g" })), []);
});

test("a group that has come to the end and was not given all is found", () => {
  const two = [send("w", 0, toLog), send("w", 1, toLog), read("last", "w", 0, 0), read("last", "w", 1, 1)];
  const finished: Telling = { kind: "finished", group: "g", place: "t" };
  assert.deepEqual(kindsOf(...two, read("r", "w", 0, 0, { group: "g" }), finished), ["skipped"]);
});

test("a position that goes back, or to where nobody went, is found", () => {
  const went: Telling[] = [
    { kind: "move", ...place, offset: 5 },
    { kind: "moved", ...place, offset: 5, outcome: "ok" },
  ];
  assert.deepEqual(kindsOf(...went, { kind: "position", ...place, offset: 4, since: 2 }), ["stale"]);
  assert.deepEqual(kindsOf(...went, { kind: "position", ...place, offset: 4, since: 1 }), []);
  assert.deepEqual(kindsOf(...went, { kind: "position", ...place, offset: 6, since: 2 }), ["phantom"]);
  const seen: Telling = { kind: "position", ...place, offset: 5, since: 0 };
  assert.deepEqual(kindsOf(went[0]!, seen, { kind: "position", ...place, offset: 0, since: 2 }), ["stale"]);
});

test("a position that is seen before the commit of the transaction that moves it, or after its abort, is found", () => {
  const move = (txn: string): Telling => ({ kind: "move", ...place, offset: 5, txn });
  const stands = (offset: number, since: number): Telling => ({ kind: "position", ...place, offset, since });
  assert.deepEqual(kindsOf(move("x"), stands(5, 1), commit, ended("ok")), ["uncommitted"]);
  assert.deepEqual(kindsOf(move("x"), stands(0, 1), commit, stands(5, 3), ended("unknown"), stands(5, 5)), []);
  assert.deepEqual(kindsOf(move("x"), abort, ended("ok"), stands(5, 3)), ["aborted"]);
  assert.deepEqual(kindsOf(move("x"), stands(5, 1)), ["aborted"]);
  assert.deepEqual(kindsOf(move("x"), abort, ended("ok"), stands(0, 3)), []);
  assert.deepEqual(kindsOf(move("x"), commit, stands(6, 2)), ["phantom"]);
  const again: Telling[] = [move("x"), abort, ended("ok"), move("y"), { kind: "end", txn: "y", how: "commit" }];
  assert.deepEqual(kindsOf(...again, stands(5, 5)), []);
});

test("a member that begins where only an aborted transaction went is found", () => {
  const two = [send("w", 0, toLog), send("w", 1, toLog), read("last", "w", 0, 0), read("last", "w", 1, 1)];
  const move: Telling = { kind: "move", ...place, offset: 1, txn: "x" };
  assert.deepEqual(kindsOf(...two, move, abort, read("r", "w", 1, 1, { group: "g" })), ["skipped"]);
  assert.deepEqual(kindsOf(...two, move, commit, read("r", "w", 1, 1, { group: "g" })), []);
});

const extent = (offset: number, since: number, view: "committed" | "all" = "all"): Telling => ({
  kind: "extent",
  ...toLog,
  offset,
  since,
  view,
});

test("a partition that ends before what was acknowledged is stale", () => {
  const told = [send("w", 0, toLog), sent("w", 0, { ...toLog, offset: 3 })];
  assert.deepEqual(kindsOf(...told, extent(3, 2)), ["stale"]);
  assert.deepEqual(kindsOf(...told, extent(3, 1)), []);
  assert.deepEqual(kindsOf(...told, extent(4, 2)), []);
  assert.deepEqual(kindsOf(...told, extent(3, 2, "committed")), ["stale"]);
  assert.deepEqual(kindsOf(...told, extent(4, 2, "committed")), []);
});

test("an end that goes back is stale, and an end of what is committed is no less than an end of all", () => {
  assert.deepEqual(kindsOf(extent(5, 0), extent(4, 1)), ["stale"]);
  assert.deepEqual(kindsOf(extent(5, 0), extent(4, 0)), []);
  assert.deepEqual(kindsOf(extent(5, 0, "committed"), extent(4, 1, "committed")), ["stale"]);
  assert.deepEqual(kindsOf(extent(5, 0, "committed"), extent(4, 1)), ["stale"]);
  assert.deepEqual(kindsOf(extent(5, 0), extent(4, 1, "committed")), []);
});

const committed: readonly Telling[] = [inTxn(0), sent("w", 0, { ...toLog, offset: 3 }), commit, ended("ok")];

test("what was committed lies below the end for who reads what is committed, once that was answered", () => {
  assert.deepEqual(kindsOf(...committed, extent(3, 4, "committed")), ["stale"]);
  assert.deepEqual(kindsOf(...committed, extent(4, 4, "committed")), []);
  assert.deepEqual(kindsOf(...committed, extent(3, 3, "committed")), []);
  assert.deepEqual(kindsOf(...committed.slice(0, 3), ended("unknown"), extent(3, 4, "committed")), []);
  const aborted = [...committed.slice(0, 2), abort, ended("ok")];
  assert.deepEqual(kindsOf(...aborted, extent(3, 4, "committed")), ["stale"]);
});

const other = send("v", 0, { ...toLog, txn: "y" });

test("a transaction that is open holds back what lies behind it, and nothing before it", () => {
  const before = [other, sent("v", 0, { ...toLog, offset: 1 }), ...committed];
  assert.deepEqual(kindsOf(...before, extent(1, 6, "committed")), []);
  assert.deepEqual(kindsOf(...before, extent(0, 6, "committed")), ["stale"]);
  const closed: Telling = { kind: "ended", txn: "y", outcome: "ok" };
  assert.deepEqual(kindsOf(...before, closed, extent(1, 7, "committed")), ["stale"]);
  // An end behind its first message shows that it is over.
  assert.deepEqual(kindsOf(...before, extent(2, 6, "committed"), extent(2, 7, "committed")), ["stale"]);
});

test("one of which nobody knows where it is holds back, unless all was read and it was not there", () => {
  const before = [other, sent("v", 0, { outcome: "unknown" }), ...committed, extent(2, 6, "committed")];
  const whole = [read("last", "w", 0, 3, { view: "all" }), emptied("t", "all")];
  assert.deepEqual(kindsOf(...before), []);
  assert.deepEqual(kindsOf(...before, ...whole), ["stale"]);
  assert.deepEqual(kindsOf(...before, read("last", "v", 0, 2, { view: "all" }), ...whole), []);
  assert.deepEqual(kindsOf(...before, ...whole, { kind: "damage", text: "", place: "t" }), []);
});

test("a fetch that brings nothing where something was acknowledged, or seen, is stale", () => {
  const told = [send("w", 0, toLog), sent("w", 0, { ...toLog, offset: 3 })];
  const fetched = (from: number, next: number, since: number): Telling => ({
    kind: "fetched",
    ...toLog,
    from,
    next,
    since,
  });
  assert.deepEqual(kindsOf(...told, fetched(3, 3, 2)), ["stale"]);
  assert.deepEqual(kindsOf(...told, fetched(3, 4, 2)), []);
  assert.deepEqual(kindsOf(...told, fetched(3, 3, 1)), []);
  assert.deepEqual(kindsOf(...told, fetched(4, 4, 2)), []);
  assert.deepEqual(kindsOf(extent(4, 0), fetched(3, 3, 1)), ["stale"]);
  assert.deepEqual(kindsOf(...told, fetched(3, 3, 2), { kind: "damage", text: "", place: "t" }), []);
});

test("of each message that went in one comes out", () => {
  const made = (seq: number, from: string): Telling => send("m", seq, { place: "out", partition: 0, from });
  const result = (seq: number): Telling => read("last", "m", seq, seq, { place: "out" });
  const source = [send("w", 0, toLog), read("last", "w", 0, 0)];
  const transformed: Telling = { kind: "transformed", from: "t", to: "out" };
  const origin = "t 0 0 w 0";
  assert.deepEqual(kindsOf(...source, made(0, origin), result(0), transformed), []);
  assert.deepEqual(kindsOf(...source, transformed), ["transformed"]);
  const twice = [made(0, origin), made(1, origin), result(0), result(1)];
  assert.deepEqual(kindsOf(...source, ...twice, transformed), ["transformed"]);
  assert.deepEqual(kindsOf(...source, made(0, origin), made(1, "t 0 9 w 9"), result(0), result(1), transformed), [
    "transformed",
  ]);
});

test("a history that answers what it never asked is a fault of who wrote it", () => {
  assert.throws(() => kindsOf(sent("w", 0)), /was not sent/);
  assert.throws(() => kindsOf(settle("c", "w", 0)), /did not get/);
});
