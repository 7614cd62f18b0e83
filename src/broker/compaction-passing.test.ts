/** What goes from a compacted log when its time has come: tombstones, what was aborted, ends of transactions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { batchBody, type BatchMessage, Bottle, plainLog, testFormat } from "./test-broker.suite.ts";
import { nobody, append, read, readBatches } from "./compaction-log.suite.ts";

test("a tombstone supersedes at once, and goes itself when it was to be heard long enough", async () => {
  const bottle = await Bottle.open();
  const log = bottle.ns.createQueue(
    "log",
    { ...plainLog, retention: { ...plainLog.retention, compact: true, deleteRetentionMs: 60_000 } },
    {},
  );
  append(bottle, log, "a=1", "b=1");
  append(bottle, log, "a");
  await bottle.advance(2000);
  assert.deepEqual(await read(bottle, "log"), ["1:b=1", "2:a"]);
  await bottle.advance(30_000);
  await bottle.evict();
  await bottle.crash();
  await bottle.advance(20_000);
  assert.deepEqual(await read(bottle, "log"), ["1:b=1", "2:a"]);
  await bottle.advance(300_000);
  assert.deepEqual(await read(bottle, "log"), ["1:b=1", "2:a"], "the last of a log is how its readers come to the end");
  append(bottle, bottle.queue("log"), "c=1");
  await bottle.advance(70_000);
  assert.deepEqual(await read(bottle, "log"), ["1:b=1", "3:c=1"]);
  append(bottle, bottle.queue("log"), "b", "a=2");
  append(bottle, bottle.queue("log"), "b=2", "c=2");
  await bottle.advance(2000);
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(await read(bottle, "log"), ["5:a=2", "6:b=2", "7:c=2"]);
    if (round === 0) await bottle.crash();
    else await bottle.evict();
    await bottle.advance(70_000);
  }
});

test("what waits to go is as old after a start as it was before, and what was seen since the checkpoint is as old as the start", async () => {
  const bottle = await Bottle.open();
  const retention = { ...plainLog.retention, compact: true, deleteRetentionMs: 60_000 };
  const log = bottle.ns.createQueue("log", { ...plainLog, retention }, {});
  append(bottle, log, "a=1", "b=1", "c=1", "a");
  await bottle.advance(2000);
  for (let start = 0; start < 3; start++) {
    await bottle.advance(15_000);
    await bottle.evict();
    await bottle.crash();
  }
  append(bottle, bottle.queue("log"), "b", "d=1");
  await bottle.advance(5000);
  await bottle.crash();
  await bottle.advance(5000);
  assert.deepEqual(await read(bottle, "log"), ["2:c=1", "3:a", "4:b", "5:d=1"]);
  await bottle.advance(10_000);
  assert.deepEqual(await read(bottle, "log"), ["2:c=1", "4:b", "5:d=1"]);
  await bottle.advance(30_000);
  assert.deepEqual(await read(bottle, "log"), ["2:c=1", "4:b", "5:d=1"]);
  await bottle.advance(30_000);
  assert.deepEqual(await read(bottle, "log"), ["2:c=1", "5:d=1"]);
});

test("how long what passes stays is what the log says now, for what waits already as well", async () => {
  const bottle = await Bottle.open();
  const log = bottle.declareLog("log", { compact: true, deleteRetentionMs: 60_000 });
  const stays = (deleteRetentionMs: number): void =>
    log.configure({ ...log.settings, retention: { ...log.settings.retention, deleteRetentionMs } });
  const end = (): void => {
    const body = Buffer.from("0000control 5");
    const marker = { ...nobody, producerId: 5, producerEpoch: 0, count: 1, format: testFormat.id, timestampMs: 0 };
    log.endTransaction(5, 0, true, { ...marker, body, bodyStart: 0, bodyEnd: body.length });
  };
  /** The last offset of each entry. */
  const entries = async (): Promise<number[]> => {
    await bottle.settle();
    const found: number[] = [];
    log.read(0, log.visibleEnd, ({ offset }) => found.push(offset) > 0);
    return found;
  };
  append(bottle, log, "a=1", "a");
  end();
  await bottle.advance(2000);
  stays(10_000);
  append(bottle, log, "b=1", "b");
  end();
  append(bottle, log, "c=1");
  await bottle.advance(5000);
  assert.deepEqual(await entries(), [1, 2, 4, 5, 6]);
  await bottle.advance(9000);
  assert.deepEqual(await entries(), [6]);
  append(bottle, log, "d", "e=1");
  await bottle.advance(5000);
  stays(60_000);
  await bottle.advance(30_000);
  assert.deepEqual(await read(bottle, "log"), ["6:c=1", "7:d", "8:e=1"]);
  await bottle.advance(30_000);
  assert.deepEqual(await read(bottle, "log"), ["6:c=1", "8:e=1"]);
});

test("keys for which there is no room are left alone, and tombstones with them", async () => {
  const bottle = await Bottle.open({ settings: { compactionBytesMax: 330 } });
  const retention = { ...plainLog.retention, compact: true, deleteRetentionMs: 60_000 };
  const log = bottle.ns.createQueue("log", { ...plainLog, retention }, {});
  // Three keys and a tombstone are as much as there is room for.
  append(bottle, log, "a=1", "b=1", "c=1", "a");
  append(bottle, log, "d=1", "d=2", "b=2");
  await bottle.advance(2000);
  const left = ["2:c=1", "3:a", "4:d=1", "5:d=2", "6:b=2"];
  assert.deepEqual(await read(bottle, "log"), left);
  assert.match(bottle.logged.join(), /more keys than there is room for/);
  await bottle.advance(70_000);
  assert.deepEqual(await read(bottle, "log"), left);
  // Room for others when a log goes.
  bottle.ns.deleteQueue(log);
  const other = bottle.declareLog("other", { compact: true });
  append(bottle, other, "x=1", "y=1");
  append(bottle, other, "x=2", "y=2");
  await bottle.advance(2000);
  assert.deepEqual(await read(bottle, "other"), ["2:x=2", "3:y=2"]);
});

test("messages of a transaction count when it is committed and go when it is aborted; its end goes when nothing is left of it", async () => {
  const bottle = await Bottle.open();
  const retention = { ...plainLog.retention, compact: true, deleteRetentionMs: 60_000 };
  const log = bottle.ns.createQueue("log", { ...plainLog, retention }, {});
  let sequence = 0;
  const produce = (...texts: string[]): void => {
    const messages = texts.map((text, delta): BatchMessage => ({ delta, key: text[0]!, body: text, transaction: 5 }));
    const body = batchBody(messages);
    const count = texts.length;
    const by = { producerId: 5, producerEpoch: 0, sequence, count, isTransactional: true };
    sequence += count;
    log.appendBatch({ ...by, format: testFormat.id, timestampMs: 0, body, bodyStart: 0, bodyEnd: body.length });
  };
  const end = (isCommitted: boolean): void => {
    const body = Buffer.from("0000control 5");
    const marker = { ...nobody, producerId: 5, producerEpoch: 0, count: 1, format: testFormat.id, timestampMs: 0 };
    log.endTransaction(5, 0, isCommitted, { ...marker, body, bodyStart: 0, bodyEnd: body.length });
  };
  /** What is stored, markers too. */
  const bases = async (): Promise<number[]> => {
    await bottle.settle();
    const found: number[] = [];
    log.read(0, log.visibleEnd, ({ baseOffset }) => found.push(baseOffset) > 0);
    return found;
  };
  append(bottle, log, "a=0", "b=0");
  produce("a=1", "c=1");
  await bottle.advance(2000);
  assert.deepEqual(await read(bottle, "log"), ["0:a=0", "1:b=0"]);
  end(true);
  await bottle.advance(2000);
  assert.deepEqual(await read(bottle, "log"), ["1:b=0", "2:a=1", "3:c=1"]);
  produce("b=2", "c=2");
  end(false);
  await bottle.advance(2000);
  assert.deepEqual(await read(bottle, "log"), ["1:b=0", "2:a=1", "3:c=1"]);
  assert.deepEqual(await bases(), [0, 2, 4, 7]);
  await bottle.advance(200_000);
  assert.deepEqual(await bases(), [0, 2, 4, 7], "it is the last of the log");
  append(bottle, log, "a=3", "b=3", "c=3");
  await bottle.advance(2000);
  assert.deepEqual(await bases(), [4, 8], "and goes when something lies behind it");
  await bottle.advance(130_000);
  assert.deepEqual(await bases(), [8]);
  assert.deepEqual(await read(bottle, "log"), ["8:a=3", "9:b=3", "10:c=3"]);
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(log.abortedTransactions(0, log.visibleEnd), [], "what nothing is left of is not told");
    await bottle.checkpoint();
  }
});

test("readers hear of an aborted transaction as long as its end is there, and no longer: they would drop what its producer commits later", async () => {
  const bottle = await Bottle.open();
  const retention = { ...plainLog.retention, compact: true, deleteRetentionMs: 60_000 };
  bottle.ns.createQueue("log", { ...plainLog, retention }, {});
  const aborted = (): [number, number][] => {
    const log = bottle.queue("log");
    return log.abortedTransactions(0, log.visibleEnd).map(({ producerId, firstOffset }) => [producerId, firstOffset]);
  };
  const by = { producerId: 5, producerEpoch: 0, sequence: 0, count: 1, isTransactional: true };
  const body = batchBody([{ delta: 0, key: "x", body: "x=1", transaction: 5 }]);
  const control = Buffer.from("0000control 5");
  const made = { format: testFormat.id, timestampMs: 0, bodyStart: 0 };
  bottle.queue("log").appendBatch({ ...by, ...made, body, bodyEnd: body.length });
  // Of somebody else, in its midst: it stays for good.
  append(bottle, bottle.queue("log"), "a=1");
  const marker = { ...nobody, ...made, producerId: 5, producerEpoch: 0, count: 1 };
  bottle.queue("log").endTransaction(5, 0, false, { ...marker, body: control, bodyEnd: control.length });
  await bottle.advance(2000);
  assert.deepEqual(aborted(), [[5, 0]]);
  await bottle.advance(70_000);
  assert.deepEqual(aborted(), [[5, 0]], "the end stays, since something is left between it and the begin");
  // The first pass after a start does not see the begin any more, which is superseded.
  await bottle.crash();
  await bottle.advance(2000);
  assert.deepEqual(aborted(), [[5, 0]]);
  append(bottle, bottle.queue("log"), "b=1");
  await bottle.advance(70_000);
  for (const round of ["at once", "after a checkpoint", "after a crash"]) {
    assert.deepEqual(await readBatches(bottle, "log"), ["1-1: a=1", "3-3: b=1"]);
    assert.deepEqual(aborted(), [], round);
    await (round === "at once" ? bottle.checkpoint() : bottle.crash());
  }
});

test("batches of an aborted transaction that follow each other go all", async () => {
  for (const isVolatile of [false, true]) {
    const bottle = await Bottle.open({ isVolatile });
    const retention = { ...plainLog.retention, compact: true, deleteRetentionMs: 0 };
    const log = bottle.ns.createQueue("log", { ...plainLog, retention }, {});
    append(bottle, log, "a=0");
    const by = { producerId: 5, producerEpoch: 0, format: testFormat.id, timestampMs: 0, bodyStart: 0 };
    let sequence = 0;
    for (const keys of [["b", "c"], ["d", "e"], ["f"]]) {
      const body = batchBody(keys.map((key, delta) => ({ delta, key, body: "aborted", transaction: 5 })));
      const count = keys.length;
      log.appendBatch({ ...by, sequence, isTransactional: true, count, body, bodyEnd: body.length });
      sequence += count;
    }
    const body = Buffer.from("0000control 5");
    log.endTransaction(5, 0, false, { ...nobody, ...by, count: 1, body, bodyEnd: body.length });
    await bottle.advance(5000);
    if (!isVolatile) await bottle.checkpoint();
    const found: number[] = [];
    for (let from = 0; from < log.visibleEnd; from++)
      log.read(from, log.visibleEnd, ({ baseOffset }) => found.push(baseOffset) > 0);
    // Nothing but the end, from wherever it is read.
    assert.deepEqual([found, log.visibleEnd], [[0, 6, 6, 6, 6, 6, 6, 6], 7]);
  }
});

test("what waits to go takes no more memory than there are keys, and ends of transactions no more than their share", async () => {
  const bottle = await Bottle.open({ settings: { compactionBytesMax: 20_000 } });
  const retention = { ...plainLog.retention, compact: true, deleteRetentionMs: 60_000 };
  const log = bottle.ns.createQueue("log", { ...plainLog, retention }, {});
  const { core } = bottle.broker;
  const setAndDelete = async (): Promise<void> => {
    for (let key = 0; key < 10; key++) append(bottle, log, `key${key}=1`, `key${key}`);
    await bottle.advance(2000);
  };
  await setAndDelete();
  const bytes = core.compactionBytes;
  for (let round = 0; round < 20; round++) await setAndDelete();
  assert.equal(core.compactionBytes, bytes, "a tombstone of a key takes the place of the one before");
  for (let key = 0; key < 10; key++) append(bottle, log, `key${key}=2`);
  await bottle.advance(2000);
  assert.ok(core.compactionBytes < bytes, "a newer message takes its place as well");
  assert.deepEqual(bottle.logged, []);

  const body = Buffer.from("0000control 5");
  const marker = { ...nobody, producerId: 5, producerEpoch: 0, count: 1, format: testFormat.id, timestampMs: 0 };
  for (let round = 0; round < 1000; round++)
    log.endTransaction(5, 0, true, { ...marker, body, bodyStart: 0, bodyEnd: body.length });
  await bottle.advance(2000);
  assert.ok(core.compactionEndBytes > 0 && core.compactionEndBytes <= 2500, `${core.compactionEndBytes}`);
  assert.match(bottle.logged.join(), /more ends of transactions than there is room for/);
  assert.doesNotMatch(bottle.logged.join(), /more keys/);
  append(bottle, log, "key0=3");
  await bottle.advance(70_000);
  let markers = 0;
  log.read(0, log.visibleEnd, ({ isBatch, buffer, bodyStart }) => {
    if (isBatch && buffer.toString("utf8", bodyStart + 4, bodyStart + 11) === "control") markers++;
    return true;
  });
  assert.ok(markers > 0 && markers < 1000, `${markers} found no room and stay`);
  bottle.ns.deleteQueue(log);
  assert.deepEqual([core.compactionBytes, core.compactionEndBytes], [0, 0]);
});
