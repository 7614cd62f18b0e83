import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockCache } from "./block-cache.ts";

test("who waits for room is told once when there is some, whatever made it: a buffer or a page", () => {
  const cache = new BlockCache(1000);
  let timesTold = 0;
  cache.onRoom = (): void => void timesTold++;
  const slot = cache.acquire(1000);
  const pageBytes = 500;
  cache.bytes += pageBytes;
  cache.roomBytes = 400;
  cache.release(slot);
  assert.equal(timesTold, 0);
  cache.less(pageBytes);
  assert.deepEqual([timesTold, cache.bytes], [1, 0]);
  cache.release(cache.acquire(1000));
  assert.equal(timesTold, 1);
});

test("blocks lie in lasting memory as long as there is some, which is cut from one piece and used again", () => {
  const pieces: number[] = [];
  const allocate = (bytes: number): Buffer => {
    pieces.push(bytes);
    return Buffer.alloc(bytes);
  };
  const cache = new BlockCache(1000, { bytesMax: 7500, allocate });
  const slots = Array.from({ length: 9 }, () => cache.acquireBlock(1000));
  assert.deepEqual(pieces, [7000]);
  assert.deepEqual([cache.bytes, cache.lastingBytes], [9000, 7000]);
  assert.equal(new Set(slots.map((slot) => cache.buffer(slot))).size, 9);
  const lasting = new Set(slots.slice(0, 7).map((slot) => cache.buffer(slot)));
  for (const slot of slots) cache.release(slot);
  assert.deepEqual([cache.bytes, cache.lastingBytes], [0, 0]);
  // What is no block takes none of it, and a long one does not fit.
  assert.ok(!lasting.has(cache.buffer(cache.acquire(1000))));
  assert.equal(cache.buffer(cache.acquireBlock(1001)).length, 1001);
  for (let again = 0; again < 7; again++) assert.ok(lasting.delete(cache.buffer(cache.acquireBlock(1000))));
  assert.ok(!lasting.has(cache.buffer(cache.acquireBlock(1000))));
  assert.equal(pieces.length, 1);
});

test("who works on little memory writes to little of it", () => {
  const cache = new BlockCache(1000, { bytesMax: 100_000, allocate: (bytes) => Buffer.alloc(bytes) });
  const seen = new Set<Buffer>();
  for (let turn = 0; turn < 50; turn++) {
    const slots = [cache.acquireBlock(1000), cache.acquireBlock(10)];
    for (const slot of slots) {
      seen.add(cache.buffer(slot));
      cache.release(slot);
    }
  }
  assert.equal(seen.size, 2);
});

test("where there is no lasting memory it is asked for once, and blocks lie where all else does", () => {
  let asked = 0;
  const allocate = (): undefined => void asked++;
  const cache = new BlockCache(1000, { bytesMax: 7500, allocate });
  const slots = [cache.acquireBlock(1000), cache.acquireBlock(1000)];
  assert.deepEqual([asked, cache.bytes, cache.lastingBytes], [1, 2000, 0]);
  for (const slot of slots) cache.release(slot);
  assert.equal(cache.bytes, 0);
});
