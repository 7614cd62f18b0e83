import assert from "node:assert/strict";
import { test } from "node:test";
import { addPartitionsToTxn } from "../commands/add-partitions-to-txn.ts";
import { createTopics } from "../commands/create-topics.ts";
import { endTxn } from "../commands/end-txn.ts";
import { initProducerId } from "../commands/init-producer-id.ts";
import { errorCode } from "../codec/errors.ts";
import { CrashHouse } from "./crash-house.suite.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into by hand here
type Any = any;

const hourMs = 3_600_000;

// Found by torture: readers of what is committed waited for two hours, for as long as the clock had been ahead.
test("a transaction that began before the clock was set back takes no longer than it may", async () => {
  for (const setBackMs of [0, 2 * hourMs]) {
    const house = await CrashHouse.open(1);
    const topic = { name: "t", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
    await house.ask(house.client(), createTopics, 5, { topics: [topic], timeoutMs: 1000 });
    const wish = { transactionalId: "T", transactionTimeoutMs: 5000, producerId: -1, producerEpoch: -1 };
    const { producerId, producerEpoch } = (await house.ask(house.client(), initProducerId, 4, wish)) as Any;
    await house.ask(house.client(), addPartitionsToTxn, 3, {
      v3AndBelowTransactionalId: "T",
      v3AndBelowProducerId: producerId,
      v3AndBelowProducerEpoch: producerEpoch,
      v3AndBelowTopics: [{ name: "t", partitions: [0] }],
    });
    await house.crash(house.clock.now() - setBackMs);
    await house.pass(7000);
    const end = { transactionalId: "T", producerId, producerEpoch, committed: true };
    const answer = (await house.ask(house.client(), endTxn, 3, end)) as Any;
    assert.notEqual(answer.errorCode, errorCode.NONE, `set back by ${setBackMs} ms`);
  }
});
