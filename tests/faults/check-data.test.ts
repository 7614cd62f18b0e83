import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { Bottle, plainExchange } from "../../src/broker/test-broker.suite.ts";
import { checkData, checkDisk, type DataReport } from "../../src/check-data.ts";
import { startBroker } from "../../src/start-broker.ts";

/** Two checkpoints, two segments, a journal behind them; one queue, one log, one delaying exchange. */
async function stored(): Promise<Bottle> {
  const bottle = await Bottle.open();
  const queue = bottle.declare("q");
  bottle.declareLog("log");
  bottle.broker.createNamespace("other");
  bottle.ns.createExchange("late", { ...plainExchange, delays: true }, {});
  bottle.ns.bind("late", { queue }, "k", {});
  bottle.broker.definitions.put("user", "me", {});
  for (let i = 0; i < 3; i++) {
    bottle.publishAll("q", ["a", "b", "c"]);
    bottle.publishAll("log", ["a", "b"]);
    bottle.publish("k", "later", { exchange: "late", delayMs: 60_000 });
    bottle.publish("q", "later", { delayMs: 60_000 });
    await bottle.settle();
    if (i < 2) await bottle.checkpoint();
  }
  await bottle.get("q");
  await bottle.settle();
  return bottle;
}

async function check(bottle: Bottle): Promise<DataReport> {
  const before = await bottle.disk.list();
  const report = await checkDisk(bottle.disk, bottle.clock.now());
  assert.deepEqual((await bottle.disk.list()).sort(), before.sort(), "nothing is written");
  return report;
}

test("a sound directory is said to be so, with what is in it", async () => {
  const bottle = await stored();
  const report = await check(bottle);
  assert.deepEqual([report.damage, report.failure, report.isSound], [[], undefined, true]);
  assert.deepEqual(
    report.contents!.namespaces.map(({ name, exchanges, bindings, delayed }) => [name, exchanges, bindings, delayed]),
    [
      ["/", 1, 1, 3],
      ["other", 0, 0, 0],
    ],
  );
  const [q, log] = report.contents!.namespaces[0]!.queues;
  assert.deepEqual([q!.name, q!.isLog, q!.messages, q!.scheduled], ["q", false, 8, 3]);
  assert.deepEqual([log!.name, log!.isLog, log!.messages], ["log", true, 6]);
  assert.deepEqual(report.contents!.definitions, { broker: 1, user: 1 });
  assert.ok(report.entries >= 14 && report.blocks > 0 && report.segments >= 2);
  const kinds = new Set(report.files.map(({ kind }) => kind));
  for (const kind of ["checkpoint", "journal", "segment"] as const) assert.ok(kinds.has(kind), kind);
  assert.ok(!kinds.has("other"));
  assert.equal(
    report.bytes,
    report.files.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  const queue = bottle.queue("q");
  assert.equal(queue.readyCount, 8);
});

test("an empty directory is sound and empty", async () => {
  const bottle = await Bottle.open();
  for (const name of await bottle.disk.list()) await bottle.disk.remove(name);
  const report = await check(bottle);
  assert.deepEqual([report.isSound, report.bytes, report.contents], [true, 0, { namespaces: [], definitions: {} }]);
});

for (const kind of ["checkpoint", "segment", "journal"] as const) {
  test(`a flipped bit in any ${kind} is found, with its file and its place`, async () => {
    const bottle = await stored();
    const { files } = await check(bottle);
    let finds = 0;
    for (const { name } of files.filter((file) => file.kind === kind)) {
      const bytes = bottle.disk.bytesOf(name);
      // In a journal's tail, what is behind the last block is nobody's.
      const at = kind === "journal" ? 100 : Math.floor(bytes.length / 3);
      if (kind === "journal" && bytes.subarray(0, 4096).every((byte) => byte === 0)) continue;
      bytes[at]! ^= 4;
      const report = await check(bottle);
      const found = report.damage.filter(({ file }) => file === name);
      const isLastBlock = kind === "journal" && report.damage.length === 0;
      assert.ok(isLastBlock || found.length > 0, `${name} at ${at}`);
      if (!isLastBlock) assert.equal(report.isSound, false);
      finds += found.length;
      bytes[at]! ^= 4;
    }
    assert.ok(finds > 0);
    assert.equal((await check(bottle)).isSound, true);
  });
}

test("a segment that is missing is damage, though no file that is there has any", async () => {
  const bottle = await stored();
  const segment = (await check(bottle)).files.find(({ kind }) => kind === "segment")!;
  await bottle.disk.remove(segment.name);
  const report = await check(bottle);
  assert.deepEqual(
    report.damage.map(({ file, what }) => [file, what]),
    [[segment.name, "the segment is missing"]],
  );
  assert.ok(report.contents !== undefined);
});

test("without a checkpoint that can be read there are no contents, and the reason is told", async () => {
  const bottle = await stored();
  const { files } = await check(bottle);
  for (const { name } of files.filter(({ kind }) => kind === "checkpoint")) bottle.disk.bytesOf(name)[40]! ^= 1;
  const report = await check(bottle);
  assert.equal(report.contents, undefined);
  assert.match(report.failure!, /checkpoint/);
  assert.equal(report.damage.length, 2);
});

test("a directory that a broker uses is refused, and that of one that has stopped is not", async () => {
  const directory = await mkdtemp(path.join(tmpdir(), "entrepot-check-"));
  try {
    const broker = await startBroker({ data: directory, listen: { amqp: 0 } });
    await assert.rejects(checkData(directory), { code: "EBUSY" });
    await broker.stop();
    const before = await readdir(directory);
    const report = await checkData(directory);
    assert.equal(report.isSound, true);
    assert.deepEqual(
      report.contents!.namespaces.map(({ name }) => name),
      ["/"],
    );
    assert.deepEqual(await readdir(directory), before);
    await assert.rejects(checkData(path.join(directory, "nowhere")), { code: "ENOENT" });
  } finally {
    await rm(directory, { recursive: true });
  }
});
