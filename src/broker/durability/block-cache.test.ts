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

test("blocks lie in lasting memory as long as there is some, which is cut from few pieces and used again", () => {
  const pieces: number[] = [];
  const allocate = (bytes: number): Buffer => {
    pieces.push(bytes);
    return Buffer.alloc(bytes);
  };
  const cache = new BlockCache(1000, { bytesMax: 7500, allocate });
  const slots = Array.from({ length: 9 }, () => cache.acquireBlock(1000));
  assert.deepEqual(pieces, [1000, 1000, 2000, 3000]);
  assert.equal(new Set(slots.map((slot) => cache.buffer(slot))).size, 9);
  const lasting = new Set(slots.slice(0, 7).map((slot) => cache.buffer(slot)));
  for (const slot of slots) cache.release(slot);
  assert.equal(cache.bytes, 0);
  // What is no block takes none of it, and a long one does not fit.
  assert.ok(!lasting.has(cache.buffer(cache.acquire(1000))));
  assert.equal(cache.buffer(cache.acquireBlock(1001)).length, 1001);
  for (let again = 0; again < 7; again++) assert.ok(lasting.delete(cache.buffer(cache.acquireBlock(1000))));
  assert.ok(!lasting.has(cache.buffer(cache.acquireBlock(1000))));
  assert.equal(pieces.length, 4);
});
