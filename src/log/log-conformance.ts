/**
 * What every Log does, as tests over whatever can open one. An implementation that keeps nothing has no `reopen`, and
 * the tests that need one are skipped with that reason.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Journal, Log, RunMeta } from "./log.ts";
import { appendBlock, entriesOf, entryOf, payloadOf, readSpan } from "./test-blocks.ts";

export interface LogUnderTest {
  log: Log;
  /** The same log as the next process finds it; the first is closed. */
  reopen: (() => Promise<Log>) | undefined;
  dispose(): Promise<void>;
}

async function openAll(log: Log, fromSeq: number): Promise<{ journal: Journal; seqs: number[]; payloads: Buffer[] }> {
  const seqs: number[] = [];
  const payloads: Buffer[] = [];
  const { journal, damage } = await log.journalOpen(fromSeq, (block) => {
    seqs.push(block.seq);
    payloads.push(Buffer.from(block.buffer.subarray(block.start, block.end)));
  });
  assert.deepEqual(damage, []);
  return { journal, seqs, payloads };
}

export function testLog(name: string, open: () => Promise<LogUnderTest>): void {
  testInOneLife(name, open);
  testAcrossLives(name, open);
}

function testInOneLife(name: string, open: () => Promise<LogUnderTest>): void {
  const over = (what: string, run: (subject: LogUnderTest) => Promise<void>): void => {
    test(`${name}: ${what}`, async () => {
      const subject = await open();
      try {
        await run(subject);
      } finally {
        await subject.dispose();
      }
    });
  };
  over("sequences begin with 1, advance when append is called, and done comes later", async ({ log }) => {
    const { journal, seqs } = await openAll(log, 1);
    assert.deepEqual([journal.nextSeq, seqs], [1, []]);
    const order: string[] = [];
    const appended = appendBlock(journal, payloadOf(1)).then(() => order.push("done"));
    order.push("called");
    assert.equal(journal.nextSeq, 2);
    await appended;
    assert.deepEqual(order, ["called", "done"]);
    assert.equal(journal.rotate(), 2);
    await appendBlock(journal, payloadOf(2));
    await journal.trim(2);
    assert.equal(journal.nextSeq, 3);
    await journal.close();
  });

  over("close waits for the append under way", async ({ log }) => {
    const { journal } = await openAll(log, 1);
    let isDone = false;
    void appendBlock(journal, payloadOf(1)).then(() => (isDone = true));
    await journal.close();
    assert.ok(isDone);
  });

  over("there is no checkpoint in a new log, no segment, and there are bytes to write", async ({ log }) => {
    assert.deepEqual(await log.checkpoints.readNewest(), { id: 0, damage: [] });
    assert.deepEqual(await log.segments.list(), []);
    assert.ok((await log.freeBytes()) > 0);
    await log.checkpoints.write(1, [Buffer.from("state")]);
    await log.checkpoints.removeOthers([1]);
  });

  over("a segment is written, read, and removed", async ({ log }) => {
    const builder = await log.segments.create(1);
    builder.beginRun(9);
    const first = builder.put(5, 1000, entryOf(5, 1000), 0, 30);
    for (let offset = 6; offset < 600; offset++)
      builder.put(offset, 1000 + offset, entryOf(offset, 1000 + offset), 0, 30);
    await builder.flush();
    assert.equal(builder.bytesBuffered, 0);
    builder.endRun();
    builder.beginRun(10);
    builder.share(0, 1000, first, 30);
    builder.endRun();
    assert.equal(builder.bytes, 595 * 30);
    const runs = await builder.finish();
    assert.deepEqual((await log.segments.open(1)).runs, runs);
    const [run, shared] = runs as [RunMeta, RunMeta];
    const span = await readSpan(log.segments, run, 550, { entriesMax: 2 });
    assert.deepEqual(
      entriesOf(span),
      [550, 551].map((offset) => ({ offset, payload: entryOf(offset, 1000 + offset).toString("hex") })),
    );
    assert.deepEqual(entriesOf(await readSpan(log.segments, shared, 0)), [
      { offset: 0, payload: entryOf(5, 1000).toString("hex") },
    ]);
    assert.equal(await log.segments.offsetAtTime(run, 1550), 550);
    await log.segments.remove(1);
    assert.deepEqual(await log.segments.list(), []);
  });
}

function testAcrossLives(name: string, open: () => Promise<LogUnderTest>): void {
  const overKept = (what: string, run: (log: Log, reopen: () => Promise<Log>) => Promise<void>): void => {
    test(`${name}: ${what}`, async (context) => {
      const subject = await open();
      try {
        if (subject.reopen === undefined) context.skip("it keeps nothing");
        else await run(subject.log, subject.reopen);
      } finally {
        await subject.dispose();
      }
    });
  };

  overKept("blocks come back, behind a trim those that are left", async (log, reopen) => {
    const { journal } = await openAll(log, 1);
    for (let seq = 1; seq <= 5; seq++) {
      if (seq === 4) journal.rotate();
      await appendBlock(journal, payloadOf(seq, seq * 3000));
    }
    await journal.close();
    const second = await reopen();
    const found = await openAll(second, 1);
    assert.deepEqual(found.seqs, [1, 2, 3, 4, 5]);
    assert.ok(found.payloads.every((payload, index) => payload.equals(payloadOf(index + 1, (index + 1) * 3000))));
    assert.equal(found.journal.nextSeq, 6);
    await appendBlock(found.journal, payloadOf(6));
    await found.journal.trim(4);
    await found.journal.close();
    const third = await openAll(await reopen(), 4);
    assert.deepEqual(third.seqs, [4, 5, 6]);
    await third.journal.close();
  });

  overKept("checkpoints and segments come back", async (log, reopen) => {
    await log.checkpoints.write(1, [Buffer.from("one")]);
    await log.checkpoints.write(2, [Buffer.from("t"), Buffer.from("wo")]);
    const builder = await log.segments.create(4);
    builder.beginRun(1);
    builder.put(1, 2, entryOf(1, 2), 0, 30);
    builder.endRun();
    const runs = await builder.finish();
    const second = await reopen();
    const newest = await second.checkpoints.readNewest();
    assert.ok("bytes" in newest && newest.id === 2 && newest.bytes.toString() === "two");
    assert.deepEqual(await second.segments.list(), [4]);
    assert.deepEqual((await second.segments.open(4)).runs, runs);
  });
}
