/** What clients may make the coordinator keep, in memory and in the journal. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { addOffsetsToTxn } from "../commands/add-offsets-to-txn.ts";
import { addPartitionsToTxn } from "../commands/add-partitions-to-txn.ts";
import { createTopics } from "../commands/create-topics.ts";
import { endTxn } from "../commands/end-txn.ts";
import { initProducerId } from "../commands/init-producer-id.ts";
import { txnOffsetCommit } from "../commands/txn-offset-commit.ts";
import { errorCode } from "../codec/errors.ts";
import { KafkaHouse } from "../kafka-house.suite.ts";
import { stageIn } from "./bottle-stage.suite.ts";
import { CrashHouse } from "./crash-house.suite.ts";
import { TransactionStory } from "./transaction-story.suite.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into by hand here
type Any = any;

const groupKind = "kafka-transaction-group";

test("a group that joins a transaction is written down by itself, and goes with the transaction", async () => {
  const house = await KafkaHouse.open();
  const story = new TransactionStory(stageIn(house));
  await story.tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a joins g
      NONE
  `);
  const { definitions } = house.core;
  const transaction = definitions.get("kafka-transaction", "T");
  for (let i = 0; i < 100; i++) {
    await story.tell(`
    a joins g${i}
      NONE
    a joins g${i}
      NONE
    `);
  }
  assert.equal(definitions.get("kafka-transaction", "T"), transaction, "it was not written again");
  assert.equal([...definitions.entries(groupKind)].length, 101);
  await story.tell(`
    a commits g7 t/0=5
      t/0 NONE
    a ends commit
      NONE
    g7 stands t/0
      5
    a commits g7 t/0=6
      t/0 TRANSACTION_ABORTABLE
  `);
  assert.deepEqual([...definitions.entries(groupKind)], []);
});

test("groups that have joined a transaction are in it after a crash, also as they were kept before", async () => {
  for (const isFormer of [false, true]) {
    const house = await CrashHouse.open(1);
    const topic = { name: "t", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
    await house.ask(house.client(), createTopics, 5, { topics: [topic], timeoutMs: 1000 });
    const wish = { transactionalId: "T", transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 };
    const { producerId, producerEpoch } = (await house.ask(house.client(), initProducerId, 4, wish)) as Any;
    const by = { transactionalId: "T", producerId, producerEpoch };
    const groups = ["g", "h"];
    for (const groupId of groups) await house.ask(house.client(), addOffsetsToTxn, 3, { ...by, groupId });
    if (isFormer) {
      const { definitions } = house.core;
      for (const [name] of [...definitions.entries(groupKind)]) definitions.remove(groupKind, name);
      definitions.put("kafka-transaction", "T", { ...(definitions.get("kafka-transaction", "T") as object), groups });
      await house.quiet();
    }
    await house.crash();
    await house.ask(house.client(), addPartitionsToTxn, 3, {
      v3AndBelowTransactionalId: "T",
      v3AndBelowProducerId: producerId,
      v3AndBelowProducerEpoch: producerEpoch,
      v3AndBelowTopics: [{ name: "t", partitions: [0] }],
    });
    await house.crash();
    const partitions = [{ partitionIndex: 0, committedOffset: 3, committedMetadata: "" }];
    for (const groupId of groups) {
      const asked = { ...by, groupId, topics: [{ name: "t", partitions }], memberId: "", generationId: -1 };
      const answer = (await house.ask(house.client(), txnOffsetCommit, 3, asked)) as Any;
      assert.equal(answer.topics[0].partitions[0].errorCode, errorCode.NONE);
    }
    const ended = (await house.ask(house.client(), endTxn, 3, { ...by, committed: true })) as Any;
    assert.equal(ended.errorCode, errorCode.NONE);
    await house.crash();
    assert.deepEqual([...house.core.definitions.entries(groupKind)], []);
    assert.equal(house.core.namespace("/")!.queue("t")!.committedOffset("h")?.offset, 3);
  }
});

test("a group whose id is too long, or empty where there has to be one, joins no transaction", async () => {
  const house = await KafkaHouse.open();
  await new TransactionStory(stageIn(house)).tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
  `);
  const { producerId, producerEpoch } = house.server.transactions.find("T")!.state;
  const by = { transactionalId: "T", producerId, producerEpoch };
  const partitions = [{ partitionIndex: 0, committedOffset: 3, committedMetadata: "" }];
  const topics = [{ name: "t", partitions }];
  const client = house.client();
  const long = "g".repeat(21_846);
  assert.equal(client.call(addOffsetsToTxn, 4, { ...by, groupId: long }).errorCode, errorCode.INVALID_GROUP_ID);
  for (const [groupId, version] of [
    [long, 5],
    ["", 0],
    ["", 4],
    ["", 5],
  ] as const) {
    const asked = { ...by, groupId, memberId: "", generationId: -1, topics };
    const answer = client.call(txnOffsetCommit, version, asked);
    assert.equal(answer.topics[0]!.partitions[0]!.errorCode, errorCode.INVALID_GROUP_ID);
  }
  const { state, groups } = house.server.transactions.find("T")!;
  assert.deepEqual([state.phase, groups.size], ["Empty", 0]);
  assert.deepEqual([...house.server.groups.all()], []);
});

test("a commit of offsets that comes to nothing makes no group", async () => {
  const house = await KafkaHouse.open();
  await new TransactionStory(stageIn(house)).tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a commits g t/0=281474976710655 v=5
      t/0 INVALID_COMMIT_OFFSET_SIZE
  `);
  assert.deepEqual([...house.server.groups.all()], []);
});

test("transactional ids have a bound together: beyond it there are no new ones, and those that are there go on", async () => {
  const house = await KafkaHouse.open();
  const { transactions } = house.server;
  const nameOf = (index: number): string => String(index).padEnd(32_000, "x");
  const take = (transactionalId: string) => transactions.takeOver(transactionalId, undefined, 60_000);
  assert.equal(take("short").errorCode, errorCode.NONE);
  let count = 0;
  for (; count < 4500 && take(nameOf(count)).errorCode === errorCode.NONE; count++) {
    if (count % 100 === 0) house.settle();
  }
  // 256 MB of names of 64 KB.
  assert.ok(count > 3800 && count < 4200, String(count));
  assert.equal(take(nameOf(count)).errorCode, errorCode.COORDINATOR_NOT_AVAILABLE);
  assert.equal(take(nameOf(0)).errorCode, errorCode.NONE);
  const { errorCode: code, ...by } = take("short");
  assert.equal(code, errorCode.NONE);
  assert.equal(transactions.addGroup("short", by, "g", 1), errorCode.NONE);
  const long = (index: number): string => String(index).padEnd(21_845, "g");
  let groups = 0;
  while (groups < 10 && transactions.addGroup("short", by, long(groups), 1) === errorCode.NONE) groups++;
  assert.ok(groups < 4, "groups of a transaction count, too");
  assert.equal(transactions.addGroup("short", by, long(groups), 1), errorCode.COORDINATOR_NOT_AVAILABLE);
  assert.equal(transactions.addGroup("short", by, "g", 1), errorCode.NONE);
  assert.equal(transactions.end("short", by, false, false, 1).errorCode, errorCode.NONE);
  house.clock.advance(8 * 86_400_000);
  house.settle();
  assert.deepEqual([...transactions.all()], []);
  assert.equal(take(nameOf(count)).errorCode, errorCode.NONE);
});

test("of a group in a transaction its name counts, in which the transactional id stands again", async () => {
  const house = await KafkaHouse.open();
  const { transactions } = house.server;
  const name = "x".repeat(32_000);
  const { errorCode: code, ...by } = transactions.takeOver(name, undefined, 60_000);
  assert.equal(code, errorCode.NONE);
  let groups = 0;
  for (; groups < 4500 && transactions.addGroup(name, by, `g${groups}`, 1) === errorCode.NONE; groups++) {
    if (groups % 100 === 0) house.settle();
  }
  assert.ok(groups > 3800 && groups < 4200, String(groups));
  assert.equal(transactions.end(name, by, false, false, 1).errorCode, errorCode.NONE);
  house.settle();
  assert.equal(transactions.addGroup(name, by, "again", 1), errorCode.NONE);
});

test("what transactions are to commit has a bound together, and what is decided makes room", async () => {
  const house = await KafkaHouse.open();
  const { pending } = house.server.groups;
  const metadata = "m".repeat(8 << 20);
  const said = (partition: number) => [{ topic: "t", partition, offset: 1, leaderEpoch: -1, metadata }];
  let count = 0;
  for (; count < 100 && pending.hasRoomFor(count % 2, "g", said(count)); count++) {
    pending.add(count % 2, "g", said(count));
    house.settle();
  }
  // 256 MB, in strings of two bytes a character.
  assert.ok(count >= 14 && count <= 16, String(count));
  pending.take(0);
  assert.ok(pending.hasRoomFor(0, "g", said(count)));
  for (let again = 0; again < 40; again++) {
    pending.add(1, "g", said(1));
    house.settle();
  }
  assert.ok(pending.hasRoomFor(0, "g", said(count)), "what is said anew takes the place of what was said");
  pending.dropTopic("t");
  assert.equal(pending.hasAny("g"), false);
});

test("what is to be committed in a topic goes with it, however often and by whom it was said, and nothing else does", async () => {
  const house = await KafkaHouse.open();
  const { pending } = house.server.groups;
  const said = (topic: string, partition: number) => [{ topic, partition, offset: 1, leaderEpoch: -1, metadata: null }];
  pending.add(0, "g", said("t", 0));
  pending.add(0, "g", said("t", 0));
  pending.add(1, "g", said("t", 0));
  pending.add(1, "h", said("t", 1));
  pending.add(1, "g", said("other", 0));
  pending.dropTopic("nowhere");
  assert.deepEqual([pending.has("g", "t", 0), pending.has("h", "t", 1)], [true, true]);
  pending.take(0);
  assert.equal(pending.has("g", "t", 0), true);
  pending.dropTopic("t");
  assert.deepEqual([pending.has("g", "t", 0), pending.hasAny("h"), pending.has("g", "other", 0)], [false, false, true]);
  pending.add(0, "g", said("t", 0));
  pending.dropTopic("t");
  pending.dropTopic("other");
  assert.deepEqual([...pending.groups()], []);
});

test("an id that asks for partitions twice in one request is told the second time that the first is under way", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  client.call(createTopics, 5, { topics: [{ name: "t", numPartitions: 3, replicationFactor: 1 }] });
  const by = { transactionalId: "T", transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 };
  const { producerId, producerEpoch } = client.call(initProducerId, 4, by);
  const asks = (index: number, verifyOnly = false) => {
    const topics = [{ name: "t", partitions: [index] }];
    return { transactionalId: "T", producerId, producerEpoch, verifyOnly, topics };
  };
  const codes = (...transactions: ReturnType<typeof asks>[]) =>
    client
      .call(addPartitionsToTxn, 5, { transactions })
      .resultsByTransaction.map(({ topicResults }) => topicResults[0]!.resultsByPartition[0]!.partitionErrorCode);
  assert.deepEqual(codes(asks(0), asks(1)), [errorCode.NONE, errorCode.CONCURRENT_TRANSACTIONS]);
  assert.deepEqual(codes(asks(0, true), asks(1, true)), [errorCode.NONE, errorCode.TRANSACTION_ABORTABLE]);
});
