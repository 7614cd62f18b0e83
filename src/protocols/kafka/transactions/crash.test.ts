import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../../base/random.ts";
import { CrashHouse } from "./crash-house.suite.ts";
import { CrashStory } from "./crash-story.suite.ts";

/** Some seconds; a hundred times as many were run by hand. */
const seeds = 20;

test("transactions are seen whole or not at all, whatever comes late and wherever the power goes", async () => {
  const sums: Record<string, number> = {};
  for (let seed = 1; seed <= seeds; seed++) {
    const story = new CrashStory(await CrashHouse.open(seed), seededRandom(seed));
    try {
      await story.run(400);
    } catch (error) {
      throw new Error(`seed ${seed}:\n${story.trace.slice(-60).join("\n")}`, { cause: error });
    }
    for (const [what, count] of Object.entries(story.counts)) sums[what] = (sums[what] ?? 0) + count;
  }
  // It is about these: a run in which none of them happens shows nothing.
  for (const [what, count] of Object.entries(sums)) assert.ok(count > 0, `${what}: ${count}`);
});
