/**
 * SIGKILL under the load of Kafka's clients, which go on by themselves when the broker is back on its port: idempotent
 * producers repeat what was not answered, a transformer reads what they wrote, writes a result for each message in
 * transactions that hold its offsets, and aborts some of them on purpose. In the end
 *
 * - each message that was acknowledged is there once and in order, whatever was repeated over a crash;
 * - under read_committed each result is there once, and none of an attempt that was aborted;
 * - committed offsets never went back, and never ahead of the results.
 *
 * CRASH_ROUNDS says how often the broker is killed.
 */

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { CrashingBroker, roundLimitMs, rounds, stepsToCome } from "./kafka-broker.ts";
import { committedOffset, IdempotentProducer, partitions, readTopic, Transformer } from "./kafka-load.ts";

const stepsMax = 120;

// A client that was given up while its broker was down goes on trying, a hundred times a hundred times, whatever it is told.
after(() => void setTimeout(() => process.exit(), 2000).unref());

test(
  `after ${rounds} times SIGKILL each record of Kafka's clients is there once`,
  { timeout: (rounds + 3) * roundLimitMs },
  async (t) => {
    const broker = await CrashingBroker.open(t, { topics: ["in", "out"], partitions });
    const { client } = broker;
    let progress = (): void => undefined;
    const onProgress = (): void => progress();
    const producers = Array.from({ length: partitions }, (_, at) => new IdempotentProducer(client, at, onProgress));
    const transformers = Array.from({ length: partitions }, (_, at) => new Transformer(client, at, onProgress));
    const running = [...producers.map((each) => each.run()), ...transformers.map((each) => each.run())];

    for (let round = 1; round <= rounds; round++) {
      const { onStep, done } = stepsToCome(
        1 + Math.floor(Math.random() * stepsMax),
        () => `round ${round}\n${broker.log()}`,
      );
      progress = onStep;
      await Promise.race([done, ...running]);
      await broker.crash();
      for (const each of transformers) each.checkOffset(await committedOffset(client, each));
    }

    for (const producer of producers) producer.stop();
    await Promise.all(running.slice(0, partitions));
    for (const [at, transformer] of transformers.entries()) transformer.stopAfter(producers[at]!.sent);
    await Promise.all(running);
    const given = await readTopic(client, "in");
    const results = await readTopic(client, "out");
    for (const [at, producer] of producers.entries()) {
      const expected = Array.from({ length: producer.sent }, (_, index) => String(index));
      assert.deepEqual(given[at], expected, `partition ${at} is not as it was produced`);
      assert.deepEqual(
        results[at]!.map((each) => each.split(" ")[0]),
        expected,
        `results of partition ${at} are not once and in order`,
      );
      for (const each of results[at]!)
        assert.ok(!transformers[at]!.aborted.has(each.split(" ")[1]!), `${each} was aborted and is seen`);
    }
    t.diagnostic(
      JSON.stringify({
        produced: producers.map((each) => each.sent),
        transactions: transformers.map((each) => each.committed),
        aborted: transformers.map((each) => each.aborted.size),
        recovered: transformers.map((each) => each.restarts),
      }),
    );
    await broker.stop();
  },
);
