/** What the simulator found once stays fixed, and some new seeds are tried each time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { regressions } from "./regressions.ts";
import { runSeed } from "./run.ts";

/** More of them: `npm run simulate -- --seeds N`. */
const seeds = 250;
const budgetMs = 30_000;

for (const { seed, found } of regressions) {
  test(`seed ${seed}: ${found}`, async () => {
    await runSeed(seed);
  });
}

test(`${seeds} seeds, or as many as there is time for, break no promise`, async () => {
  const startedMs = performance.now();
  for (let seed = 1; seed <= seeds && performance.now() - startedMs < budgetMs; seed++) {
    try {
      await runSeed(seed);
    } catch (error) {
      assert.fail(`replay it with: npm run simulate -- --seed ${seed}\n${(error as Error).stack}`);
    }
  }
});

test("a seed gives the same trace each time", async () => {
  for (const seed of [3, 17, 134]) {
    const traces = [[], []] as string[][];
    for (const trace of traces) await runSeed(seed, (line) => trace.push(line));
    assert.ok(traces[0]!.length > 50);
    assert.deepEqual(traces[1], traces[0]);
  }
});
