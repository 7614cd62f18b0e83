/** Whose a transactional id is: nobody else fences its producer, or ends or writes its transactions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errorCode } from "../codec/errors.ts";
import { plainTraits } from "../codec/batch-builder.ts";
import { attributeBits } from "../codec/record-batch.ts";
import { buildBatch } from "../codec/record-models.suite.ts";
import { addOffsetsToTxn } from "../commands/add-offsets-to-txn.ts";
import { addPartitionsToTxn } from "../commands/add-partitions-to-txn.ts";
import { createTopics } from "../commands/create-topics.ts";
import { endTxn } from "../commands/end-txn.ts";
import { findCoordinator } from "../commands/find-coordinator.ts";
import { initProducerId } from "../commands/init-producer-id.ts";
import { produce } from "../commands/produce.ts";
import { txnOffsetCommit } from "../commands/txn-offset-commit.ts";
import { batchOf, KafkaHouse, type KafkaClient } from "../kafka-house.suite.ts";

test("who may not write to an id's name neither takes it over nor does anything in its transaction", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  client.call(createTopics, 5, { topics: [{ name: "t", numPartitions: 1, replicationFactor: 1 }] });
  const transactionalId = "orders";
  const init = () => client.call(initProducerId, 5, { transactionalId, transactionTimeoutMs: 60_000 });
  const { producerId, producerEpoch } = init();
  const by = { transactionalId, producerId, producerEpoch };
  const traits = {
    ...plainTraits,
    producerId,
    producerEpoch,
    baseSequence: 0,
    attributes: attributeBits.transactional,
  };
  const record = { offset: 0, timestampMs: house.clock.now(), key: null, value: Buffer.from("x"), headers: [] };
  const write = () => {
    const topicData = [{ name: "t", partitionData: [{ index: 0, records: buildBatch([record], 0, traits) }] }];
    const { responses } = client.call(produce, 12, { transactionalId, acks: -1, timeoutMs: 1000, topicData });
    return responses[0]!.partitionResponses[0]!.errorCode;
  };
  assert.equal(write(), errorCode.NONE);
  const may = (configure: string, write: string, read: string) =>
    house.authority.permissions.set({ user: "guest", vhost: "/", configure, write, read });
  const topics = [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset: 1 }] }];
  const offsets = { ...by, groupId: "g", generationId: -1, memberId: "", topics };
  const added = { v3AndBelowTransactionalId: transactionalId, v3AndBelowTopics: [{ name: "t", partitions: [0] }] };
  const addedBy = { v3AndBelowProducerId: producerId, v3AndBelowProducerEpoch: producerEpoch };
  const told = () => ({
    init: init().errorCode,
    add: client.call(addPartitionsToTxn, 3, { ...added, ...addedBy }).resultsByTopicV3AndBelow[0]!
      .resultsByPartition[0]!.partitionErrorCode,
    addGroup: client.call(addOffsetsToTxn, 4, { ...by, groupId: "g" }).errorCode,
    offsets: client.call(txnOffsetCommit, 5, offsets).topics[0]!.partitions[0]!.errorCode,
    write: write(),
    end: client.call(endTxn, 5, { ...by, committed: true }).errorCode,
  });
  const find = () =>
    client.call(findCoordinator, 4, { keyType: 1, coordinatorKeys: [transactionalId] }).coordinators[0]!.errorCode;
  may("^t$", "^t$", "^(t|g)$");
  for (const [what, code] of Object.entries({ ...told(), find: find() }))
    assert.equal(code, errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, what);
  may("^orders$", "^t$", "^(t|g)$");
  assert.equal(find(), errorCode.NONE, "whoever may do anything with it may see it");
  assert.equal(init().errorCode, errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  may("", "^(t|orders)$", "^t$");
  assert.equal(
    client.call(addOffsetsToTxn, 4, { ...by, groupId: "g" }).errorCode,
    errorCode.GROUP_AUTHORIZATION_FAILED,
  );
  assert.equal(
    client.call(txnOffsetCommit, 5, offsets).topics[0]!.partitions[0]!.errorCode,
    errorCode.GROUP_AUTHORIZATION_FAILED,
  );
  // Nobody has touched what was begun.
  assert.equal(client.call(endTxn, 5, { ...by, committed: true }).errorCode, errorCode.NONE);
});

test("of a request with a batch of somebody else's transaction nothing is appended, nor is anything without an id", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  client.call(createTopics, 5, { topics: [{ name: "t", numPartitions: 3, replicationFactor: 1 }] });
  const transactionalId = "orders";
  const by = client.call(initProducerId, 5, { transactionalId, transactionTimeoutMs: 60_000 });
  const { producerId, producerEpoch } = by;
  const ofTransaction = { producerId, producerEpoch, baseSequence: 0, attributes: attributeBits.transactional };
  const batches = [batchOf(["plain"]), batchOf(["of a transaction"], ofTransaction), batchOf(["plain"])];
  const write = (id: string | null) => {
    const partitionData = batches.map((records, index) => ({ index, records }));
    const topicData = [{ name: "t", partitionData }];
    const { responses } = client.call(produce, 12, { transactionalId: id, acks: -1, timeoutMs: 1000, topicData });
    return responses[0]!.partitionResponses.map(({ errorCode: code }) => code);
  };
  const ends = () =>
    house.core
      .namespace("/")!
      .queue("t")!
      .partitions.map(({ nextOffset }) => nextOffset);
  const refused = batches.map(() => errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  const permit = (pattern: string) =>
    house.authority.permissions.set({ user: "guest", vhost: "/", configure: "", write: pattern, read: "" });
  permit("^t$");
  assert.deepEqual(write(transactionalId), refused);
  permit(".*");
  assert.deepEqual(write(null), refused);
  assert.deepEqual(ends(), [0, 0, 0]);
  assert.deepEqual(write(transactionalId), [errorCode.NONE, errorCode.NONE, errorCode.NONE]);
  assert.deepEqual(ends(), [1, 1, 1]);
});

test("what Kafka's brokers ask each other is answered to administrators alone", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  client.call(createTopics, 5, { topics: [{ name: "t", numPartitions: 1, replicationFactor: 1 }] });
  const transactionalId = "orders";
  const by = client.call(initProducerId, 5, { transactionalId, transactionTimeoutMs: 60_000 });
  const { producerId, producerEpoch } = by;
  const asked = { transactionalId, producerId, producerEpoch, topics: [{ name: "t", partitions: [0] }] };
  const ask = (asker: KafkaClient, version: number) => {
    const answer = asker.call(addPartitionsToTxn, version, { transactions: [asked] });
    const [found] = answer.resultsByTransaction;
    return { code: answer.errorCode, ofPartition: found?.topicResults[0]!.resultsByPartition[0]!.partitionErrorCode };
  };
  house.authority.users.put("poor", { password: "x", tags: ["management"] });
  house.authority.permissions.set({ user: "poor", vhost: "/", configure: ".*", write: ".*", read: ".*" });
  const poor = house.client({ certificateName: "poor" });
  for (const version of [4, 5])
    assert.deepEqual(ask(poor, version), { code: errorCode.CLUSTER_AUTHORIZATION_FAILED, ofPartition: undefined });
  const seat = house.server.transactions.find(transactionalId)!;
  assert.equal(seat.partitions.size, 0);
  for (const version of [4, 5])
    assert.deepEqual(ask(client, version), { code: errorCode.NONE, ofPartition: errorCode.NONE });
  assert.equal(seat.partitions.size, 1);
});
