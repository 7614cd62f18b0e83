/**
 * SIGKILL under the load of Java's producer with its defaults: what it has under way when the broker dies are several requests,
 * each with batches for several partitions, of which some are stored and answered, some stored and not answered, and some never
 * came. It sends all that was not answered again, under the same sequence numbers. In the end
 *
 * - each record that was acknowledged is there once and in order, at the offset that was told;
 * - there is nothing else.
 *
 * CRASH_ROUNDS says how often the broker is killed; once more it is when all is acknowledged.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { prepared } from "../interop/client-suite.ts";
import { kafkaClients } from "../interop/kafka-clients.ts";
import { CrashingBroker, roundLimitMs, rounds, stepsToCome } from "./kafka-broker.ts";
import { readTopic } from "./kafka-load.ts";
import { Pipeliner } from "./kafka-pipeliner.ts";
import { Ledger } from "./ledger.ts";

const partitions = 4;
/** In a round; some tenths of a second. */
const recordsMax = 30_000;

test(
  `after ${rounds} times SIGKILL each record of a pipelining producer is there once`,
  { timeout: (rounds + 3) * roundLimitMs },
  async (t) => {
    let classPath = "";
    const found = await prepared("kafka-clients", async () => {
      const java = await kafkaClients();
      if ("missing" in java) return java;
      classPath = java.classPath;
      return { command: "java", args: [] };
    });
    if ("missing" in found) return t.skip(found.missing);
    const broker = await CrashingBroker.open(t, { topics: ["in"], partitions });
    const ledger = new Ledger();
    const pipeliner = new Pipeliner(classPath, broker.address, "in", partitions, ledger);
    t.after(() => pipeliner.kill());
    const crash = async (): Promise<void> => {
      await broker.crash();
      ledger.crashed();
    };
    const failed = pipeliner.ended.then(() => assert.fail("the producer ended before it was told to"));
    for (let round = 1; round <= rounds; round++) {
      const { onStep, done } = stepsToCome(
        1 + Math.floor(Math.random() * recordsMax),
        () => `round ${round}\n${broker.log()}`,
      );
      pipeliner.onAcknowledged = onStep;
      await Promise.race([done, failed]);
      await crash();
    }
    pipeliner.stop();
    await pipeliner.ended;
    await crash();

    for (const [partition, values] of (await readTopic(broker.client, "in", partitions)).entries())
      pipeliner.found(partition, values);
    ledger.close();
    assert.deepEqual([...pipeliner.faults, ...ledger.faults], []);
    const { inFlightMax, repeated } = pipeliner;
    const { confirmed, delivered } = ledger.counts;
    t.diagnostic(JSON.stringify({ confirmed, delivered, inFlightMax, repeated }));
    assert.ok(inFlightMax > 1, "requests were under way one at a time");
    assert.ok(repeated > 0, "no record was sent more than once");
    await broker.stop();
  },
);
