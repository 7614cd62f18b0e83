import assert from "node:assert/strict";
import { test } from "node:test";
import { bufferBytes, memoryJson } from "./node-json.ts";
import { openStatsHouse } from "./stats-house.suite.ts";

const MB = 1_000_000;

test("the parts of memory are the whole, whether the runtime counts the messages' memory or not", async () => {
  const { stats } = await openStatsHouse();
  for (const lastingMb of [0, 20, 45]) {
    const reading = { ...stats.process(), residentBytes: 150 * MB, externalBytes: (65 - lastingMb) * MB };
    const statistics = { cacheBytes: 50 * MB, lastingCacheBytes: lastingMb * MB };
    const seen = Object.assign(Object.create(stats) as typeof stats, {
      process: () => reading,
      server: { broker: { statistics } },
    });
    const { total, strategy: _strategy, ...parts } = memoryJson(seen);
    const sum = Object.values(parts).reduce<number>((all, part) => all + Number(part), 0);
    assert.equal(sum, 150 * MB);
    assert.equal(parts["queue_procs"], 50 * MB);
    assert.equal(parts["binary"], 15 * MB);
    assert.deepEqual(total, { erlang: 95 * MB, rss: 150 * MB, allocated: 105 * MB });
    assert.equal(bufferBytes(seen), 65 * MB);
  }
});
