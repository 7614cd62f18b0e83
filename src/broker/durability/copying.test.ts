import assert from "node:assert/strict";
import { test } from "node:test";
import { Bottle, plainExchange } from "../test-broker.suite.ts";

interface HeldWrite {
  readonly source: Buffer;
  readonly asAsked: Buffer;
  go(): void;
}

/** Writes to segments wait here; until they go the disk has not looked at the bytes. */
function holdSegments({ disk }: Bottle): HeldWrite[] {
  const held: HeldWrite[] = [];
  const open = disk.open.bind(disk);
  disk.open = async (name, mode) => {
    const file = await open(name, mode);
    if (!name.startsWith("segment")) return file;
    const write = file.write.bind(file);
    file.write = (buffer, start, length, position, done): void => {
      const source = buffer.subarray(start, start + length);
      held.push({ source, asAsked: Buffer.from(source), go: () => write(buffer, start, length, position, done) });
    };
    return file;
  };
  return held;
}

test("a checkpoint of many queues that hold nothing, or little, gives its turn back on the way", async () => {
  for (const isEmpty of [true, false]) {
    const bottle = await Bottle.open();
    const { core } = bottle.broker;
    for (let i = 0; i < 5000; i++) {
      bottle.declare(`q${i}`);
      bottle.publish(`q${i}`, "a");
    }
    await bottle.settle();
    if (isEmpty) for (let i = 0; i < 5000; i++) bottle.queue(`q${i}`).purge();
    await bottle.settle();
    const partitions = [...core.queueById.values()].map(({ partition }) => partition);
    assert.equal(core.dirty.size, 5000);
    let isTaken = false;
    let before = 0;
    let most = 0;
    const look = (): void => {
      const done = partitions.filter(({ checkpointWritten }) => checkpointWritten > 0).length;
      most = Math.max(most, done - before);
      before = done;
      if (!isTaken) bottle.later(look);
    };
    look();
    const taken = bottle.broker.checkpoint().then(() => (isTaken = true));
    await bottle.settle();
    await taken;
    assert.ok(most > 0 && most <= 2048, `${most} queues in one turn`);
  }
});

test("what is lent to a checkpoint is not filled anew before it was copied, and is given back then", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  const { cache } = bottle.broker.core;
  const fill = async (octet: number): Promise<void> => {
    for (let i = 0; i < 12; i++) bottle.publish("q", "", { body: Buffer.alloc(600_000, octet) });
    await bottle.settle();
  };
  await fill(1);
  const held = holdSegments(bottle);
  const state = { isTaken: false };
  const taken = bottle.broker.checkpoint().then(() => (state.isTaken = true));
  let ofTheCheckpoint = 0;
  for (let round = 2; !state.isTaken; round++) {
    await bottle.settle();
    // Whatever is free by now gets other bytes.
    bottle.queue("q").purge();
    await fill(round);
    for (const { source, asAsked, go } of held.splice(0)) {
      if (source.includes(Buffer.alloc(600_000, 1))) ofTheCheckpoint++;
      for (let later = 2; later <= round; later++)
        assert.ok(!source.includes(Buffer.alloc(64, later)), `round ${round}`);
      assert.ok(source.equals(asAsked), `round ${round}`);
      go();
    }
    await bottle.settle();
  }
  await taken;
  assert.ok(ofTheCheckpoint > 0);
  bottle.queue("q").purge();
  await bottle.settle();
  assert.ok(cache.bytes <= 2 * cache.bufferBytes, `${cache.bytes} are still held`);
  assert.deepEqual([bottle.logged, bottle.fatal], [[], undefined]);
});

const segmentsOf = async ({ disk }: Bottle): Promise<string[]> =>
  (await disk.list()).filter((name) => name.startsWith("segment"));

/** Three queues of the same 12 MB, and one of 4 MB of its own. */
async function filled(): Promise<Bottle> {
  const bottle = await Bottle.open({ settings: { segmentBytesMax: 2 << 20, checkpointBytes: 1 << 30 } });
  bottle.ns.createExchange("e", { ...plainExchange, kind: "fanout" }, {});
  for (const name of ["a", "b", "c"]) bottle.ns.bind("e", { queue: bottle.declare(name) }, "", {});
  bottle.declare("own");
  for (let i = 0; i < 120; i++) {
    bottle.publish("", "", { exchange: "e", body: Buffer.alloc(100_000, `${i} `) });
    if (i % 3 === 0) bottle.publish("own", "", { body: Buffer.alloc(100_000, `${i} `) });
    if (i % 10 === 9) await bottle.settle();
  }
  return bottle;
}

const numbersOf = (bodies: readonly string[]): number[] => bodies.map((body) => Number.parseInt(body, 10));
const all = Array.from({ length: 120 }, (_, i) => i);

test("a checkpoint of more than a segment may hold goes on in others, and what is shared is put once into each", async () => {
  const bottle = await filled();
  await bottle.evict();
  const names = await segmentsOf(bottle);
  assert.ok(names.length > 4, String(names.length));
  let bytes = 0;
  for (const name of names) {
    const { length } = bottle.disk.bytesOf(name);
    assert.ok(length < 5 << 20, `${name}: ${length}`);
    bytes += length;
  }
  assert.ok(bytes < 42 << 20, String(bytes));
  await bottle.crash();
  for (const name of ["a", "b", "c"]) assert.deepEqual(numbersOf(await bottle.drain(name)), all, name);
  assert.deepEqual(
    numbersOf(await bottle.drain("own")),
    all.filter((i) => i % 3 === 0),
  );
  for (let i = 0; i < 3; i++) await bottle.checkpoint();
  assert.deepEqual(await segmentsOf(bottle), []);
  assert.equal(bottle.fatal, undefined);
});

test("what is left of segments is written anew into as many as it takes", async () => {
  const bottle = await filled();
  await bottle.evict();
  const before = await segmentsOf(bottle);
  for (const name of ["a", "b", "c", "own"]) {
    const taker = bottle.consume(name);
    await bottle.settle();
    for (const { lease, body } of taker.take())
      if (Number.parseInt(body, 10) % 9 !== 0) taker.session.settle(lease, false, "accept");
    taker.session.close();
  }
  for (let i = 0; i < 4; i++) await bottle.checkpoint();
  const after = await segmentsOf(bottle);
  // One that is not full may have just enough left in it to stay.
  assert.ok(after.filter((name) => before.includes(name)).length <= 1, `${before.join()}, ${after.join()}`);
  assert.ok(after.length > 1 && after.length < before.length, `${before.length}, ${after.length}`);
  await bottle.crash();
  for (const name of ["a", "b", "c", "own"]) {
    const left = all.filter((i) => i % 9 === 0);
    assert.deepEqual(numbersOf(await bottle.drain(name)), left, name);
  }
});

test("a disk that fills up between the segments of a checkpoint has nothing left of any", async () => {
  const bottle = await filled();
  const { disk } = bottle;
  const rename = disk.rename.bind(disk);
  let whole = 0;
  disk.rename = async (from, to) => {
    await rename(from, to);
    if (to.startsWith("segment") && ++whole === 2) disk.bytesMax = disk.bytesUsed() + (1 << 20);
  };
  const state = { isOver: false };
  void bottle.broker.checkpoint().then(() => (state.isOver = true));
  while (!state.isOver) await bottle.settle();
  assert.equal(whole, 2);
  assert.deepEqual(await segmentsOf(bottle), []);
  disk.bytesMax = Number.MAX_SAFE_INTEGER;
  await bottle.advance(3000);
  assert.ok((await segmentsOf(bottle)).length > 4);
  await bottle.evict();
  assert.deepEqual(numbersOf(await bottle.drain("b")), all);
});
