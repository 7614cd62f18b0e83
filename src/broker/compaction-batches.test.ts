import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../base/random.ts";
import { batchBody, Bottle, plainLog } from "./test-broker.suite.ts";
import { appendBody, append, read, readBatches } from "./compaction-log.suite.ts";

test("a message of a batch is superseded by its own offset; the batch goes with its last", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { compact: true });
  append(bottle, log, "a=1", "b=1", "c=1");
  append(bottle, log, "a=2", "a=3");
  bottle.publish("log", "b=2", { key: "b" });
  await bottle.advance(2000);
  for (let round = 0; round < 4; round++) {
    assert.deepEqual(await read(bottle, "log"), ["2:c=1", "4:a=3", "5:b=2"], String(round));
    assert.equal(bottle.queue("log").readyCount, 3);
    if (round === 0) await bottle.crash();
    if (round === 1) await bottle.evict();
    if (round === 2) await bottle.restart();
  }
  append(bottle, bottle.queue("log"), "a=4", "c=2");
  await bottle.advance(2000);
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(await read(bottle, "log"), ["5:b=2", "6:a=4", "7:c=2"]);
    if (round === 0) await bottle.evict();
    if (round === 1) await bottle.crash();
  }
});

test("a checkpoint writes batches without what was superseded, at their offsets", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { compact: true });
  append(bottle, log, "a=1", "b=1", "c=1");
  append(bottle, log, "d=1", "a=2");
  await bottle.settle();
  await bottle.evict();
  append(bottle, log, "b=2", "d=2");
  append(bottle, log, "e=1", "d=3");
  await bottle.advance(2000);
  await bottle.evict();
  // What was written before it was superseded is written anew when the half of its segment is dead.
  const expected = ["2:c=1", "4:a=2", "5:b=2", "7:e=1", "8:d=3"];
  for (let i = 0; i < 3; i++) await bottle.evict();
  assert.deepEqual(await readBatches(bottle, "log"), ["0-2: c=1", "3-4: a=2", "5-6: b=2", "7-8: e=1 d=3"]);
  await bottle.crash();
  assert.deepEqual(await read(bottle, "log"), expected);
});

test("what is superseded is not read in batches either: in memory, on disk, and while more is superseded", async () => {
  for (const isVolatile of [false, true]) {
    const bottle = await Bottle.open({ isVolatile });
    const log = bottle.declareLog("log", { compact: true });
    append(bottle, log, "a=1", "b=1", "c=1", "d=1");
    append(bottle, log, "e=1");
    await bottle.advance(2000);
    assert.deepEqual(await readBatches(bottle, "log"), ["0-3: a=1 b=1 c=1 d=1", "4-4: e=1"]);
    const whole = log.readyBytes;
    append(bottle, log, "b=2", "d=2");
    await bottle.advance(2000);
    const expected = ["0-3: a=1 c=1", "4-4: e=1", "5-6: b=2 d=2"];
    assert.deepEqual(await readBatches(bottle, "log"), expected);
    assert.ok(log.readyBytes < whole * 2, "it takes less memory");
    if (!isVolatile) {
      await bottle.crash();
      assert.deepEqual(await readBatches(bottle, "log"), expected);
      await bottle.evict();
      assert.deepEqual(await readBatches(bottle, "log"), expected);
    }
    append(bottle, bottle.queue("log"), "a=2", "d=3");
    await bottle.advance(2000);
    const later = ["0-3: c=1", "4-4: e=1", "5-6: b=2", "7-8: a=2 d=3"];
    // What a segment holds whole, and what is behind it.
    for (let round = 0; round < 3; round++) {
      assert.deepEqual(await readBatches(bottle, "log"), later);
      if (!isVolatile) await (round === 0 ? bottle.evict() : bottle.restart());
    }
  }
});

test("messages of batches that have no key go when the log becomes a compacted one, but for the last; those that stand alone stay", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log");
  const appendKeyless = (...bodies: string[]): void =>
    void appendBody(
      bottle,
      bottle.queue("log"),
      batchBody(bodies.map((body, delta) => ({ delta, body }))),
      bodies.length,
    );
  appendKeyless("x", "y");
  bottle.publish("log", "alone");
  const mixed = [
    { delta: 0, body: "x" },
    { delta: 1, key: "a", body: "a=1" },
    { delta: 2, body: "y" },
    { delta: 3, body: "z" },
  ];
  appendBody(bottle, log, batchBody(mixed), mixed.length);
  appendKeyless("end");
  log.configure({ ...log.settings, retention: { ...log.settings.retention, compact: true } });
  await bottle.advance(2000);
  const expected = ["2-2: alone", "3-6: a=1"];
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(await readBatches(bottle, "log"), [...expected, "7-7: end"], String(round));
    await (round === 0 ? bottle.crash() : bottle.evict());
    await bottle.advance(2000);
  }
  append(bottle, bottle.queue("log"), "b=1");
  await bottle.advance(2000);
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(await readBatches(bottle, "log"), [...expected, "8-8: b=1"], String(round));
    assert.equal(bottle.queue("log").readyCount, 3);
    await (round === 0 ? bottle.crash() : bottle.evict());
  }
});

test("a batch from which compaction took something is made smaller once, and lies there so from then on", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { compact: true });
  append(bottle, log, "a=1", "b=1", "c=1");
  append(bottle, log, "a=2");
  await bottle.advance(2000);
  for (let round = 0; round < 2; round++) {
    const places = new Set<string>();
    for (let i = 0; i < 3; i++) {
      await readBatches(bottle, "log");
      log.read(0, 3, ({ bodyStart, bodyEnd }) => places.add(`${bodyStart}-${bodyEnd}`) !== undefined);
    }
    assert.equal(places.size, 1, "each reader finds it in the same place");
    await bottle.evict();
  }
});

test("batches that take long to look at are looked at over many turns", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { compact: true });
  for (let i = 0; i < 50; i++) append(bottle, log, `a=${i}`);
  await bottle.settle();
  let elapsedMs = 0;
  bottle.clock.elapsedMs = () => (elapsedMs += 4);
  let turns = 0;
  const countTurn = (): void => {
    if (++turns < 1000 && log.readyCount > 1) bottle.clock.defer(countTurn);
  };
  // When the pass begins.
  bottle.clock.setTimer(bottle.clock.now() + 1000, () => bottle.clock.defer(countTurn));
  await bottle.advance(2000);
  assert.equal(log.readyCount, 1);
  assert.ok(turns > 20 && turns < 1000, `${turns} turns`);
});

test("a batch that was cut, and of which the rest is superseded, is gone", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { compact: true });
  append(bottle, log, "a=1", "b=1", "c=1");
  append(bottle, log, "c=2");
  await bottle.advance(2000);
  log.trim(2);
  append(bottle, log, "d=1");
  await bottle.advance(2000);
  assert.deepEqual(await readBatches(bottle, "log"), ["3-3: c=2", "4-4: d=1"]);
});

test("what is younger than the lag stays, whatever came after it", async () => {
  const bottle = await Bottle.open();
  const retention = { ...plainLog.retention, compact: true, compactLagMs: 10_000 };
  const log = bottle.ns.createQueue("log", { ...plainLog, retention }, {});
  append(bottle, log, "a=1", "a=2");
  await bottle.advance(5000);
  append(bottle, log, "a=3");
  await bottle.advance(4000);
  assert.deepEqual(await read(bottle, "log"), ["0:a=1", "1:a=2", "2:a=3"]);
  await bottle.advance(2500);
  assert.deepEqual(await read(bottle, "log"), ["1:a=2", "2:a=3"]);
  await bottle.advance(5000);
  assert.deepEqual(await read(bottle, "log"), ["2:a=3"]);
  append(bottle, log, "a=4");
  await bottle.advance(2000);
  log.configure({ ...plainLog, retention: { ...retention, compactLagMs: 0 } });
  await bottle.advance(2000);
  assert.deepEqual(await read(bottle, "log"), ["3:a=4"]);
});

test("a log that is compacted and ages does both", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { compact: true, maxAgeMs: 60_000 });
  append(bottle, log, "a=1", "b=1");
  append(bottle, log, "a=2");
  await bottle.advance(40_000);
  append(bottle, log, "c=1");
  await bottle.advance(2000);
  assert.deepEqual(await read(bottle, "log"), ["1:b=1", "2:a=2", "3:c=1"]);
  await bottle.advance(30_000);
  assert.deepEqual(await read(bottle, "log"), ["3:c=1"]);
});

test("the age of a log is looked at across a gap in one step, however wide it is", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { compact: true, maxAgeMs: 60_000 });
  append(bottle, log, "a=1");
  appendBody(bottle, log, batchBody([{ delta: 0, key: "b", body: "b=1" }]), 100_000);
  append(bottle, log, "b=2");
  await bottle.advance(30_000);
  append(bottle, log, "c=1");
  await bottle.advance(20_000);
  assert.deepEqual(await read(bottle, "log"), ["0:a=1", "100001:b=2", "100002:c=1"]);
  const { partition } = [...bottle.broker.core.queueById.values()][0]!;
  let looks = 0;
  const look = partition.look.bind(partition);
  partition.look = (...args): boolean => {
    looks++;
    return look(...args);
  };
  await bottle.advance(20_000);
  assert.ok(looks < 1000, `${looks} looks`);
  assert.deepEqual(await read(bottle, "log"), ["100002:c=1"]);
});

test("a batch that cannot be read is left as it is, and one that lies about what it spans harms nobody", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { compact: true });
  append(bottle, log, "a=1", "b=1");
  appendBody(bottle, log, Buffer.from("0000no json"), 5);
  appendBody(
    bottle,
    log,
    batchBody([
      { delta: 3, key: "b", body: "b=2" },
      { delta: 9_000_000, key: "a", body: "lie" },
    ]),
    1_000_000,
  );
  await bottle.advance(2000);
  for (let round = 0; round < 3; round++) {
    const messages = await read(bottle, "log");
    assert.equal(messages[0], "0:a=1");
    const seen: number[] = [];
    const queue = bottle.queue("log");
    for (let at = 0; at < queue.visibleEnd; await bottle.settle()) {
      at = queue.read(at, queue.visibleEnd, ({ count }) => seen.push(count) > 0);
      if (at < queue.visibleEnd) queue.load(at, () => undefined);
    }
    assert.deepEqual(seen, [2, 5, 1_000_000]);
    if (round === 0) await bottle.crash();
    else await bottle.evict();
  }
});

test("whatever comes, crashes and is written anew: the newest of each key is there, at its offset, and little else", async () => {
  for (let seed = 0; seed < 8; seed++) {
    const random = seededRandom(seed);
    const below = (end: number): number => Math.floor(random.next() * end);
    const bottle = await Bottle.open({ settings: { bufferBytes: 1 << 16, cacheBytes: 1 << 17 } });
    bottle.declareLog("log", { compact: true });
    const newest = new Map<string, string>();
    for (let step = 0; step < 60; step++) {
      const kind = below(10);
      if (kind < 6) {
        for (let i = below(20); i >= 0; i--) {
          const texts = Array.from({ length: 1 + below(12) }, () => {
            const key = `k${below(40)}`;
            return random.next() < 0.1 ? key : `${key}=${seed}.${step}.${i}.${"x".repeat(below(200))}`;
          });
          const queue = bottle.queue("log");
          const base = queue.nextOffset;
          if (random.next() < 0.2) bottle.publish("log", texts[0]!, { key: texts[0]!.split("=")[0]! });
          else append(bottle, queue, ...texts);
          const count = queue.nextOffset - base;
          for (const [delta, text] of texts.slice(0, count).entries()) {
            newest.set(text.split("=")[0]!, `${base + delta}:${text}`);
          }
        }
        await bottle.settle();
      } else if (kind === 6) await bottle.crash();
      else if (kind === 7) await bottle.evict();
      else if (kind === 8) await bottle.restart();
      else await bottle.advance(below(3000));
      if (below(4) > 0) continue;
      await bottle.advance(2000);
      const found = await read(bottle, "log");
      assert.deepEqual([...found].sort(), [...newest.values()].sort(), `seed ${seed} step ${step}`);
      assert.equal(bottle.queue("log").readyCount, newest.size);
    }
    await bottle.advance(2000);
    for (let i = 0; i < 4; i++) await bottle.evict();
    const batches = await readBatches(bottle, "log");
    const messages = batches.join(" ").split(" ").length - batches.length;
    assert.ok(batches.length <= newest.size && batches.length > 0, `${batches.length} for ${newest.size} keys`);
    assert.ok(messages < newest.size * 2.5, `${messages} messages for ${newest.size} keys`);
    assert.deepEqual(bottle.logged, []);
  }
});

test("behind a megabyte of what is superseded, a reader finds the whole of the batch that comes next", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { compact: true });
  const long = (bytes: number): string => "x".repeat(bytes);
  for (let i = 0; i < 9; i++) append(bottle, log, `k${i}=${long(105 << 10)}`);
  for (let i = 0; i < 20; i++) append(bottle, log, ...["a", "b", "c"].map((name) => `${name}${i}=${long(40 << 10)}`));
  await bottle.settle();
  await bottle.evict();
  for (let i = 0; i < 9; i++) append(bottle, log, `k${i}=new`);
  await bottle.advance(2000);
  await bottle.crash();
  const offsets = (await read(bottle, "log")).map((text) => Number(text.split(":")[0]));
  assert.deepEqual(
    offsets,
    Array.from({ length: 69 }, (_, i) => 9 + i),
  );
  assert.equal((await readBatches(bottle, "log")).length, 29);
});

test("a log whose batches have lost most of their messages is written anew once, and not at each checkpoint", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { compact: true });
  const again = Array.from({ length: 9 }, (_, key) => `again${key}=${"y".repeat(200)}`);
  for (let i = 0; i < 20; i++) append(bottle, log, `kept${i}=${"x".repeat(200)}`, ...again);
  await bottle.settle();
  const segments = async (): Promise<string[]> =>
    (await bottle.disk.list()).filter((name) => name.startsWith("segment"));
  await bottle.checkpoint();
  const whole = await segments();
  await bottle.advance(60_000);
  for (let i = 0; i < 4; i++) await bottle.checkpoint();
  const before = await segments();
  assert.notDeepEqual(before, whole);
  for (let i = 0; i < 4; i++) await bottle.checkpoint();
  assert.deepEqual(await segments(), before);
});
