/** Kafka's world: some seeds are tried each time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runKafkaSeed } from "./run.ts";

/** More of them: `npm run simulate -- --world kafka --seeds N`. */
const seeds = 60;
const budgetMs = 15_000;

test(`${seeds} seeds of Kafka's world, or as many as there is time for, break no promise`, async () => {
  const startedMs = performance.now();
  const sums: Record<string, number> = {};
  for (let seed = 1; seed <= seeds && performance.now() - startedMs < budgetMs; seed++) {
    try {
      for (const [what, count] of Object.entries(await runKafkaSeed(seed))) sums[what] = (sums[what] ?? 0) + count;
    } catch (error) {
      assert.fail(`replay it with: npm run simulate -- --world kafka --seed ${seed}\n${(error as Error).stack}`);
    }
  }
  // It is about these: runs in which one of them never happens show nothing.
  for (const [what, count] of Object.entries(sums)) assert.ok(count > 0, `${what}: ${count}`);
});

test("a seed of Kafka's world gives the same trace each time", async () => {
  for (const seed of [2, 5]) {
    const traces = [[], []] as string[][];
    for (const trace of traces) await runKafkaSeed(seed, (line) => trace.push(line));
    assert.ok(traces[0]!.length > 50);
    assert.deepEqual(traces[1], traces[0]);
  }
});
