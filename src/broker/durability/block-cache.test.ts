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
