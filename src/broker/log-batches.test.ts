import assert from "node:assert/strict";
import { test } from "node:test";
import { getU32, putU32 } from "../base/bytes.ts";
import { crc32c } from "../base/crc32c.ts";
import { seededRandom } from "../base/random.ts";
import type { Batch } from "./batch.ts";
import { Bottle, guardedFormat, testFormat } from "./test-broker.suite.ts";

interface Stored {
  readonly base: number;
  readonly count: number;
  readonly text: string;
  readonly isBatch: boolean;
}

/** The tests' batches: room for the base offset, and a text; large ones guard it. */
function batchOf(text: string, count: number, timestampMs: number): Batch {
  const bytes = Buffer.from(text);
  const isGuarded = bytes.length > 8000;
  const head = Buffer.alloc(isGuarded ? 8 : 4);
  if (isGuarded) putU32(head, 4, crc32c(bytes, 0, bytes.length));
  const format = isGuarded ? guardedFormat.id : testFormat.id;
  const body = Buffer.concat([head, bytes]);
  const nobody = { producerId: -1, producerEpoch: -1, sequence: -1, isTransactional: false };
  return { ...nobody, count, format, timestampMs, body, bodyStart: 0, bodyEnd: body.length };
}

/** All entries from the one that holds `offset` on, as PartitionReading gives them. */
async function readAll(bottle: Bottle, log: string, offset: number): Promise<Stored[]> {
  const queue = bottle.queue(log);
  const found: Stored[] = [];
  for (let at = offset, rounds = 0; at < queue.visibleEnd; rounds++) {
    assert.ok(rounds < 1000, `reading goes on from ${at}`);
    const next = queue.read(at, queue.visibleEnd, (entry) => {
      const { buffer, bodyStart, bodyEnd, baseOffset, count, isBatch } = entry;
      const headBytes = entry.format === guardedFormat.id ? 8 : 4;
      if (isBatch) assert.equal(getU32(buffer, bodyStart), baseOffset, "the batch knows its place");
      found.push({
        base: baseOffset,
        count,
        isBatch,
        text: buffer.toString("utf8", bodyStart + (isBatch ? headBytes : 0), bodyEnd),
      });
      return true;
    });
    if (next < queue.visibleEnd) queue.load(next, () => undefined);
    await bottle.settle();
    at = next;
  }
  return found;
}

test("a log of batches and messages is read by offset from anywhere, over crash, eviction and restart", async () => {
  for (let seed = 0; seed < 12; seed++) {
    const random = seededRandom(seed);
    const below = (end: number): number => Math.floor(random.next() * end);
    const bottle = await Bottle.open({ settings: { bufferBytes: 1 << 16, cacheBytes: 1 << 18 } });
    bottle.declareLog("log");
    const model: Stored[] = [];
    let next = 0;
    let first = 0;
    const check = async (): Promise<void> => {
      const queue = bottle.queue("log");
      assert.deepEqual([queue.firstOffset, queue.nextOffset, queue.visibleEnd], [first, next, next]);
      for (const from of [0, first, below(next + 1), below(next + 1)]) {
        const expected = model.filter(({ base, count }) => base + count > Math.max(from, first));
        assert.deepEqual(await readAll(bottle, "log", from), expected, `seed ${seed} from ${from}`);
      }
    };
    for (let step = 0; step < 40; step++) {
      const kind = below(10);
      if (kind < 6) {
        for (let i = below(30); i >= 0; i--) {
          const text = `${seed}/${step}/${i}`.padEnd(below(random.next() < 0.1 ? 100_000 : 600), ".");
          const isBatch = random.next() < 0.7;
          const count = isBatch ? 1 + below(random.next() < 0.05 ? 70_000 : 200) : 1;
          model.push({ base: next, count, text, isBatch });
          if (isBatch) {
            const at = bottle.queue("log").appendBatch(batchOf(text, count, bottle.clock.now()));
            assert.equal(at, next);
          } else bottle.publish("log", text);
          next += count;
        }
        await bottle.settle();
      } else if (kind === 6) await bottle.crash();
      else if (kind === 7) await bottle.evict();
      else if (kind === 8) await bottle.restart();
      else if (random.next() < 0.5) {
        first = Math.max(first, below(next));
        bottle.queue("log").trim(first);
        await bottle.settle();
      }
      await check();
    }
    assert.deepEqual(bottle.logged, []);
  }
});

test("a batch is written once and whole, or not at all", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log");
  bottle.queue("log").appendBatch(batchOf("kept", 10, 0));
  await bottle.settle();
  bottle.queue("log").appendBatch(batchOf("lost", 10, 0));
  assert.equal(bottle.queue("log").visibleEnd, 10);
  await bottle.crash();
  assert.deepEqual(
    (await readAll(bottle, "log", 0)).map(({ text }) => text),
    ["kept"],
  );
  assert.equal(bottle.queue("log").nextOffset, 10);
});

test("a large batch is stored under the checksum that it brings along", async () => {
  const bottle = await Bottle.open();
  bottle.declareLog("log");
  const sound = batchOf("s".repeat(20_000), 10, 0);
  const changed = batchOf("t".repeat(20_000), 10, 0);
  bottle.queue("log").appendBatch(sound);
  await bottle.settle();
  await bottle.evict();
  bottle.queue("log").appendBatch(sound);
  await bottle.settle();
  // As if a bit had changed in memory after it was verified: nobody is to take it for what was sent.
  changed.body[10_000]! ^= 1;
  bottle.queue("log").appendBatch(changed);
  await bottle.settle();
  await bottle.crash();
  assert.equal((await readAll(bottle, "log", 0)).length, 2);
  bottle.queue("log").appendBatch(changed);
  await bottle.evict();
  assert.equal((await readAll(bottle, "log", 0)).length, 2);
  assert.match(JSON.stringify(bottle.logged), /entry at offset 29 of partition \d+ does not verify/);
});

test("a batch for which there are no offsets left is not written, and what is there is found again after a crash", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  log.appendBatch(batchOf("first", 10, 0));
  await bottle.settle();
  // As hundreds of thousands of batches would have it that say that they are two thousand million messages each.
  const base = 2 ** 48 - 10;
  for (const { partition, name } of bottle.broker.core.queueById.values()) if (name === "log") partition.next = base;
  const numbered = { producerId: 1, producerEpoch: 0, sequence: 0 };
  const tooMany = batchOf("too many", 10, 0);
  for (const batch of [tooMany, { ...tooMany, ...numbered }])
    assert.throws(() => log.appendBatch(batch), /the offsets of a batch fit/);
  assert.equal(log.appendBatch({ ...batchOf("last", 9, 0), ...numbered }), base);
  await bottle.settle();
  for (let round = 0; round < 2; round++) {
    const queue = bottle.queue("log");
    const found: string[] = [];
    for (const from of [0, base])
      queue.read(from, queue.visibleEnd, ({ buffer, bodyStart, bodyEnd, baseOffset }) => {
        found.push(`${baseOffset}: ${buffer.toString("utf8", bodyStart + 4, bodyEnd)}`);
        return false;
      });
    assert.deepEqual(found, ["0: first", `${base}: last`]);
    assert.equal(queue.nextOffset, 2 ** 48 - 1);
    await bottle.crash();
  }
});

test("who follows a partition is told once when there is more, and when it is gone", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  let told = 0;
  const end = log.follow(() => told++);
  for (let i = 0; i < 5; i++) log.appendBatch(batchOf("x", 3, 0));
  assert.equal(told, 0);
  await bottle.settle();
  assert.equal(told, 1);
  end();
  log.appendBatch(batchOf("x", 3, 0));
  await bottle.settle();
  assert.equal(told, 1);
  log.follow(() => told++);
  bottle.ns.deleteQueue(log);
  assert.equal(log.isDeleted, true);
  await bottle.settle();
  assert.equal(told, 2);
});

test("times of batches are in no order: the first entry that is as young is found, in memory and on disk", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  const start = bottle.clock.now();
  const times = [5000, 1000, 9000, 2000, 9000, 12_000, 3000];
  for (const ms of times) log.appendBatch(batchOf(String(ms), 10, start + ms));
  await bottle.settle();
  for (let round = 0; round < 3; round++) {
    const queue = bottle.queue("log");
    assert.equal(await queue.offsetAtTime(start), 0);
    assert.equal(await queue.offsetAtTime(start + 5001), 20);
    assert.equal(await queue.offsetAtTime(start + 9001), 50);
    assert.equal(await queue.offsetAtTime(start + 12_001), 70);
    if (round === 1) {
      queue.trim(25);
      assert.equal(await queue.offsetAtTime(start), 25);
      queue.trim(31);
      assert.equal(await queue.offsetAtTime(start + 8000), 40);
      break;
    }
    await bottle.evict();
  }
});

test("retention counts messages, takes whole batches for bytes and age, and a clock that is ahead holds it up for an hour", async () => {
  const bottle = await Bottle.open();
  const start = bottle.clock.now();
  const count = bottle.declareLog("count", { maxCount: 25 });
  const bytes = bottle.declareLog("bytes", { maxBytes: 3000 });
  const age = bottle.declareLog("age", { maxAgeMs: 10_000 });
  for (let i = 0; i < 10; i++) {
    for (const log of [count, bytes, age]) log.appendBatch(batchOf("x".repeat(1000 - 26), 10, start + i * 1000));
  }
  age.appendBatch(batchOf("ahead", 10, start + 1e12));
  await bottle.settle();
  assert.deepEqual([count.firstOffset, bytes.firstOffset, age.firstOffset], [75, 70, 0]);
  await bottle.advance(15_001);
  assert.equal(age.firstOffset, 60);
  await bottle.advance(10_000);
  assert.equal(age.firstOffset, 100);
  await bottle.advance(3_600_000);
  assert.equal(age.firstOffset, 110);
  assert.deepEqual(
    (await readAll(bottle, "count", 0)).map(({ base }) => base),
    [70, 80, 90],
  );
});

test("a log is cut to its size at once, however many offsets its batches say that they span", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { maxBytes: 3000 });
  const wide = 400_000_000;
  log.appendBatch(batchOf("x".repeat(2000), wide, 0));
  const fromMs = performance.now();
  for (const bytes of [1500, 10, 10]) {
    log.appendBatch(batchOf("x".repeat(bytes), 10, 0));
    await bottle.settle();
    assert.equal(log.firstOffset, 0, "what is over is less than its oldest batch");
  }
  const tookMs = performance.now() - fromMs;
  log.appendBatch(batchOf("x".repeat(1500), 10, 0));
  await bottle.settle();
  assert.equal(log.firstOffset, wide);
  assert.ok(tookMs < 1000, `${tookMs} ms`);
});

test("the batch that a reader is in is not taken twice, and what ends behind its end is left", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  for (let i = 0; i < 4; i++) log.appendBatch(batchOf(String(i), 10, 0));
  await bottle.settle();
  const seen: number[] = [];
  const note = (end: number) => (entry: { readonly baseOffset: number }) => seen.push(entry.baseOffset) < end;
  assert.equal(log.read(15, 40, note(2)), 20);
  assert.deepEqual(seen, [10, 20]);
  assert.equal(
    log.read(20, 25, () => true),
    25,
  );
  const stamp = Buffer.alloc(4);
  putU32(stamp, 0, 20);
  assert.equal(
    log.read(20, 30, ({ buffer, bodyStart }) => buffer.subarray(bodyStart, bodyStart + 4).equals(stamp)),
    30,
  );
});

test("an empty page does not stay for ever when what is appended next begins far behind it", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  const { partition } = [...bottle.broker.core.queueById.values()][0]!;
  for (let i = 0; i < 50; i++) {
    log.appendBatch(batchOf("wide", 1000, bottle.clock.now()));
    await bottle.settle();
    log.trim(log.nextOffset);
  }
  assert.equal(partition.pages.size, 1);
});
