import assert from "node:assert/strict";
import { test } from "node:test";
import { RouteCache } from "./route-cache.ts";

const answer = ["q"];

function heldOf(cache: RouteCache<string>, keys: readonly string[]): number {
  return keys.filter((key) => cache.get(key) !== undefined).length;
}

test("a cache answers what was put in, until it is cleared", () => {
  const cache = new RouteCache<string>();
  cache.set("a", answer);
  assert.equal(cache.get("a"), answer);
  assert.equal(cache.get("b"), undefined);
  cache.clear();
  assert.equal(cache.get("a"), undefined);
});

test("unique keys without end never hold more than 16,384, and a key in use stays", () => {
  const cache = new RouteCache<string>();
  const keys: string[] = [];
  cache.set("hot", answer);
  for (let at = 0; at < 50_000; at++) {
    keys.push(`k${at}`);
    cache.set(`k${at}`, answer);
    assert.equal(cache.get("hot"), answer);
  }
  const held = heldOf(cache, keys);
  assert.ok(held <= 16_384 && held > 4_096, `${held} keys`);
});

test("answers of many queues count for more", () => {
  const cache = new RouteCache<string>();
  const long = Array.from({ length: 1_000 }, (_, at) => `q${at}`);
  const keys = Array.from({ length: 1_000 }, (_, at) => `k${at}`);
  for (const key of keys) cache.set(key, long);
  assert.ok(heldOf(cache, keys) <= 130);
});
