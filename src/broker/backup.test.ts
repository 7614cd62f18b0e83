import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryDisk } from "../log/memory/memory-disk.ts";
import { writeAt } from "../log/disk-read.ts";
import type { DiskFile } from "../log/log.ts";
import type { BackupSink } from "./api.ts";
import { Bottle, plainExchange } from "./test-broker.suite.ts";

const small = { settings: { checkpointBytes: 64 << 10, cacheBytes: 32 << 10, bufferBytes: 16 << 10 } };

/** Writes a copy to a disk of its own. `meanwhile` runs before each piece. */
class DiskSink implements BackupSink {
  readonly disk = new MemoryDisk();
  readonly names: string[] = [];
  readonly promised: number[] = [];
  readonly written: number[] = [];
  readonly #meanwhile: () => Promise<void>;
  #file: DiskFile | undefined;

  constructor(meanwhile = async (): Promise<void> => undefined) {
    this.#meanwhile = meanwhile;
  }

  async file(name: string, bytes: number): Promise<void> {
    await this.#meanwhile();
    await this.#file?.close();
    this.names.push(name);
    this.promised.push(bytes);
    this.written.push(0);
    this.#file = await this.disk.open(name, "synced");
  }

  async write(piece: Buffer): Promise<void> {
    await this.#meanwhile();
    const at = this.written.pop()!;
    await writeAt(this.#file!, Buffer.from(piece), 0, piece.length, at);
    this.written.push(at + piece.length);
    await this.disk.syncDirectory();
  }
}

/** Runs until the promise is settled. */
async function until<T>(bottle: Bottle, promise: Promise<T>): Promise<T> {
  const state = { isOver: false };
  const over = (): void => void (state.isOver = true);
  promise.then(over, over);
  while (!state.isOver) await bottle.settle();
  return promise;
}

/** A broker that is started on the copy. */
async function restore(bottle: Bottle, disk: MemoryDisk): Promise<Bottle> {
  const original = bottle.disk;
  bottle.disk = disk;
  const restored = await bottle.fork();
  bottle.disk = original;
  return restored;
}

test("a copy of a broker at rest is that broker", async () => {
  const bottle = await Bottle.open(small);
  const queue = bottle.declare("q");
  bottle.broker.createNamespace("other").createExchange("e", plainExchange, { why: "not" });
  bottle.ns.createExchange("x", { ...plainExchange, kind: "topic", alternate: "e" }, {});
  bottle.ns.bind("x", { queue }, "a.#", { n: 12n });
  bottle.broker.definitions.put("user", "me", { hash: "…" });
  for (const isCheckpointed of [false, true, true]) {
    bottle.publishAll("q", ["a", "b", "c"], { priority: 1 });
    await bottle.settle();
    if (isCheckpointed) await bottle.checkpoint();
    bottle.publish("q", "d");
    const sink = new DiskSink();
    const report = await until(bottle, bottle.broker.backup(sink));
    assert.deepEqual(sink.written, sink.promised);
    assert.deepEqual(report, { files: sink.names.length, bytes: sink.written.reduce((a, b) => a + b) });
    const restored = await restore(bottle, sink.disk);
    assert.deepEqual(restored.logged, []);
    assert.equal(restored.broker.id, bottle.broker.id);
    assert.deepEqual(restored.broker.definitions.get("user", "me"), { hash: "…" });
    assert.equal(restored.broker.namespace("other")!.exchange("e")!.name, "e");
    assert.deepEqual(
      [...restored.ns.bindingsFrom("x")].map(({ key, args }) => [key, args]),
      [["a.#", { n: 12n }]],
    );
    assert.deepEqual(await restored.drain("q"), await (await bottle.fork()).drain("q"));
    // It is a broker like any other: it writes, and is found again.
    restored.publish("q", "more");
    await restored.settle();
    await restored.crash();
    assert.deepEqual(await restored.drain("q"), ["more"]);
  }
});

test("what was confirmed before a copy was asked for is in it, whatever happens meanwhile", async () => {
  const bottle = await Bottle.open(small);
  bottle.declare("q");
  const taker = bottle.consume("q", { creditLimit: 300 });
  let published = 0;
  let settled = 0;
  const work = (): void => {
    for (let i = 0; i < 100; i++) bottle.publish("q", String(published++).padStart(300));
    for (const { lease } of taker.deliveries.splice(0, 70)) {
      taker.session.settle(lease, false, "accept");
      settled++;
    }
  };
  for (let round = 0; round < 8; round++) {
    for (let i = 0; i < 5; i++) {
      work();
      await bottle.settle();
    }
    const isDurable = published;
    const wasSettled = settled;
    work();
    let steps = 0;
    const sink = new DiskSink(async () => {
      if (steps++ > 20) return;
      work();
      // The checkpoints that this brings about would take away what is being copied.
      await bottle.settle();
      await bottle.settle();
    });
    await until(bottle, bottle.broker.backup(sink));
    assert.deepEqual(sink.written, sink.promised);
    const restored = await restore(bottle, sink.disk);
    assert.deepEqual(restored.logged, []);
    const found = (await restored.drain("q")).map(Number);
    assert.ok(found[0]! >= wasSettled && found[0]! <= settled, "what was settled before does not come back");
    assert.ok(found.at(-1)! >= isDurable - 1, "what was confirmed is there");
    assert.deepEqual(
      found,
      Array.from(found, (_, i) => found[0]! + i),
    );
  }
  assert.ok(bottle.broker.statistics.checkpoints > 5);
  assert.equal(bottle.fatal, undefined);
});

test("files that are copied outlive the checkpoints that need them no more, and go when the copy is over", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  const fill = async (): Promise<void> => {
    bottle.queue("q").purge();
    bottle.publishAll("q", ["a", "b"], { body: Buffer.alloc(5000) });
    await bottle.settle();
    await bottle.checkpoint();
  };
  await fill();
  await fill();
  let filesMeanwhile: string[] = [];
  let isFirst = true;
  const sink = new DiskSink(async () => {
    if (!isFirst) return;
    isFirst = false;
    for (let i = 0; i < 5; i++) await fill();
    filesMeanwhile = await bottle.disk.list();
  });
  await until(bottle, bottle.broker.backup(sink));
  const restored = await restore(bottle, sink.disk);
  assert.deepEqual(restored.logged, []);
  assert.deepEqual((await restored.drain("q")).length, 2);
  for (const name of sink.names) assert.ok(filesMeanwhile.includes(name), `${name} was there`);
  await bottle.settle();
  const files = await bottle.disk.list();
  assert.ok(files.length < filesMeanwhile.length);
  assert.ok(!files.includes(sink.names.find((name) => name.startsWith("segment"))!));
  await fill();
  await bottle.crash();
  assert.deepEqual(bottle.logged, []);
});

test("a process that ends while a copy is made loses nothing but the copy", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  const sink = new DiskSink(() => new Promise(() => undefined));
  bottle.publish("q", "a");
  await bottle.settle();
  await bottle.checkpoint();
  void bottle.broker.backup(sink);
  for (let i = 0; i < 4; i++) {
    bottle.publish("q", String(i));
    await bottle.settle();
    await bottle.checkpoint();
  }
  const before = await bottle.disk.list();
  await bottle.crash();
  for (let i = 0; i < 3; i++) await bottle.checkpoint();
  assert.deepEqual(bottle.logged, []);
  assert.ok((await bottle.disk.list()).length < before.length);
  assert.deepEqual(await bottle.drain("q"), ["a", "0", "1", "2", "3"]);
});

test("a copy that was cut short is refused when it is started", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  for (let i = 0; i < 3; i++) {
    bottle.publish("q", "a");
    await bottle.settle();
    await bottle.checkpoint();
  }
  const sink = new DiskSink();
  const file = sink.file.bind(sink);
  sink.file = async (name, bytes) => {
    if (name.startsWith("checkpoint")) throw new Error("the line was cut");
    await file(name, bytes);
  };
  await assert.rejects(until(bottle, bottle.broker.backup(sink)), /the line was cut/);
  await assert.rejects(restore(bottle, sink.disk), /there is no checkpoint, and the journal begins at block \d+/);
  // And it did not hold anything back for longer.
  const again = new DiskSink();
  await until(bottle, bottle.broker.backup(again));
  assert.equal((await restore(bottle, again.disk)).queue("q").readyCount, 3);
});

test("no copy is made of what is in memory, on a full disk, or by a broker that stops", async () => {
  const volatile = await Bottle.open({ isVolatile: true });
  await assert.rejects(volatile.broker.backup(new DiskSink()), { code: "EVOLATILE" });
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.publish("q", "a");
  await bottle.settle();
  const never = (): Promise<void> => new Promise(() => undefined);
  const stalled = bottle.broker.backup(new DiskSink(never));
  await bottle.settle();
  bottle.broker.core.setDiskPressure("reserve", true);
  await assert.rejects(stalled, { code: "ENOSPC" });
  await assert.rejects(bottle.broker.backup(new DiskSink()), { code: "ENOSPC" });
  bottle.broker.core.setDiskPressure("reserve", false);
  const last = bottle.broker.backup(new DiskSink(never));
  const refused = assert.rejects(last, { code: "ECANCELED" });
  await bottle.stop();
  await refused;
});

test("a copy that would lack a part of the journal is refused", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  for (let i = 0; i < 2; i++) {
    bottle.publish("q", "a");
    await bottle.settle();
    await bottle.checkpoint();
  }
  bottle.publish("q", "b");
  await bottle.settle();
  // What is behind the older checkpoint only is not read at a start.
  await bottle.crash();
  const checkpoints = (await bottle.disk.list()).filter((name) => name.startsWith("checkpoint")).sort();
  assert.equal(checkpoints.length, 2);
  const rot = (name: string): void => {
    const bytes = Buffer.from(bottle.disk.bytesOf(name));
    bytes[40]! ^= 1;
    bottle.disk.plant(name, bytes);
  };
  rot(checkpoints[1]!);
  await assert.rejects(until(bottle, bottle.broker.backup(new DiskSink())), { code: "ECANCELED" });
  rot(checkpoints[0]!);
  await assert.rejects(until(bottle, bottle.broker.backup(new DiskSink())), { code: "EDAMAGED" });
  await bottle.checkpoint();
  const sink = new DiskSink();
  await until(bottle, bottle.broker.backup(sink));
  assert.equal((await restore(bottle, sink.disk)).queue("q").readyCount, 3);
});
