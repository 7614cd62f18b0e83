import assert from "node:assert/strict";
import { test } from "node:test";
import { Bottle } from "../test-broker.suite.ts";

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

test("what a checkpoint writes from where it lies is not written over meanwhile, and is given back then", async () => {
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
  let lent = 0;
  for (let round = 2; !state.isTaken; round++) {
    await bottle.settle();
    // Whatever is free by now gets other bytes.
    bottle.queue("q").purge();
    await fill(round);
    for (const { source, asAsked, go } of held.splice(0)) {
      if (source.length >= 600_000) lent++;
      assert.ok(source.equals(asAsked), `round ${round}`);
      go();
    }
    await bottle.settle();
  }
  await taken;
  assert.ok(lent > 0);
  bottle.queue("q").purge();
  await bottle.settle();
  assert.ok(cache.bytes <= 2 * cache.bufferBytes, `${cache.bytes} are still held`);
  assert.deepEqual([bottle.logged, bottle.fatal], [[], undefined]);
});
