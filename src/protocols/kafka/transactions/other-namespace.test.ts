import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../../../observe/log.ts";
import { errorCode } from "../codec/errors.ts";
import { attributeBits } from "../codec/record-batch.ts";
import { createTopics } from "../commands/create-topics.ts";
import { initProducerId } from "../commands/init-producer-id.ts";
import { produce } from "../commands/produce.ts";
import { createKafka } from "../index.ts";
import { batchOf, KafkaHouse } from "../kafka-house.suite.ts";
import { plainKafkaSettings } from "../settings.ts";

test("what is open in another namespace than that of the topics is aborted at the start, and not said to be committed", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  client.call(createTopics, 5, { topics: [{ name: "t", numPartitions: 1, replicationFactor: 1 }] });
  const transactionalId = "T";
  const { producerId, producerEpoch } = client.call(initProducerId, 4, {
    transactionalId,
    transactionTimeoutMs: 60_000,
  });
  const traits = { producerId, producerEpoch, baseSequence: 0, attributes: attributeBits.transactional };
  const topicData = [{ name: "t", partitionData: [{ index: 0, records: batchOf(["a"], traits) }] }];
  client.call(produce, 12, { transactionalId, acks: -1, timeoutMs: 1000, topicData });
  const queue = house.core.namespace("/")!.queue("t")!;
  assert.ok(queue.stableEnd < queue.visibleEnd);
  house.core.createNamespace("other");
  const { clock, core, authority } = house;
  const parts = { broker: core, authority, clock, random: core.random, logger: silentLogger, ports: () => [] };
  const settings = { ...plainKafkaSettings, namespace: "other" };
  const { transactions } = createKafka({ ...parts, version: "0.0.0", settings }).server;
  house.settle();
  assert.equal(queue.stableEnd, queue.visibleEnd);
  assert.deepEqual(
    queue.abortedTransactions(0, queue.visibleEnd).map((aborted) => aborted.producerId),
    [producerId],
  );
  const answer = transactions.end(transactionalId, { producerId, producerEpoch }, true, false, 1);
  assert.equal(answer.errorCode, errorCode.PRODUCER_FENCED);
});
