/** Transactions that reach into AMQP's queues, and topics that are made anew in their midst. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Queue } from "../../../broker/api.ts";
import { plainQueue } from "../../../broker/test-broker.suite.ts";
import { plainTraits } from "../codec/batch-builder.ts";
import { compressions } from "../codec/compression.ts";
import { errorCode } from "../codec/errors.ts";
import { attributeBits } from "../codec/record-batch.ts";
import { buildBatch } from "../codec/record-models.suite.ts";
import { endTxn } from "../commands/end-txn.ts";
import { initProducerId } from "../commands/init-producer-id.ts";
import { produce } from "../commands/produce.ts";
import { KafkaHouse } from "../kafka-house.suite.ts";
import { stageIn, tell } from "./bottle-stage.suite.ts";
import { TransactionStory } from "./transaction-story.suite.ts";

/** What a consumer of the queue gets, which has it settled at once. */
function take(house: KafkaHouse, queue: Queue): string[] {
  const session = house.core.createSession();
  const bodies: string[] = [];
  const receiver = {
    deliver: (_lease: number, entry: { buffer: Buffer; bodyStart: number; bodyEnd: number }) =>
      void bodies.push(entry.buffer.toString("utf8", entry.bodyStart, entry.bodyEnd)),
    ended: () => undefined,
  };
  session.consume(queue, { noAck: true, exclusive: false, priority: 0, creditLimit: 0, leaseMs: 0 }, receiver);
  house.settle();
  session.close();
  house.settle();
  return bodies;
}

test("nobody is given what a transaction produced to a queue before it is committed; aborted, it is gone", async () => {
  const house = await KafkaHouse.open();
  const queue = house.core.namespace("/")!.createQueue("q", plainQueue, {});
  const story = new TransactionStory(stageIn(house));
  await story.tell(`
    topic t made
      NONE
    a inits T
      NONE
      anew
    a writes q/0 one two v=12
      NONE
    a writes t/0 three v=12
      NONE
  `);
  assert.deepEqual(take(house, queue), []);
  await story.tell(`
    a ends commit v=5
      NONE
      newer
    t/0 shows
      three
    a writes q/0 four v=12
      NONE
  `);
  assert.deepEqual(take(house, queue), ["one", "two"]);
  await story.tell(`
    a ends abort v=5
      NONE
      newer
    a adds q/0
      q/0 NONE
    a writes q/0 five
      NONE
    a ends commit v=4
      NONE
  `);
  assert.deepEqual(take(house, queue), ["five"]);
  assert.equal(queue.readyCount, 0);
});

test("what an aborted transaction produced to a queue that remembers ids is taken when it comes again", async () => {
  const house = await KafkaHouse.open();
  const queue = house.core.namespace("/")!.createQueue("q", { ...plainQueue, dedup: { windowMs: 0, maxIds: 10 } }, {});
  const client = house.client();
  const transactionalId = "T";
  const asked = { transactionalId, transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 };
  let { producerId, producerEpoch } = client.call(initProducerId, 5, asked);
  const write = (value: string): void => {
    const traits = {
      ...plainTraits,
      attributes: attributeBits.transactional,
      producerId,
      producerEpoch,
      baseSequence: 0,
    };
    const headers = [["x-deduplication-header", Buffer.from("id")]] as const;
    const record = { offset: 0, timestampMs: 0, key: null, value: Buffer.from(value), headers };
    const partitionData = [{ index: 0, records: buildBatch([record], compressions.none, traits) }];
    const topicData = [{ name: "q", partitionData }];
    const { responses } = client.call(produce, 12, { transactionalId, acks: -1, timeoutMs: 1000, topicData });
    assert.equal(responses[0]!.partitionResponses[0]!.errorCode, errorCode.NONE);
  };
  const end = (committed: boolean): void => {
    const answer = client.call(endTxn, 5, { transactionalId, producerId, producerEpoch, committed });
    assert.equal(answer.errorCode, errorCode.NONE);
    ({ producerId, producerEpoch } = answer);
  };
  write("aborted");
  end(false);
  write("committed");
  end(true);
  write("seen before");
  end(true);
  assert.deepEqual(take(house, queue), ["committed"]);
});

test("a transaction commits a group's offsets of a queue", async () => {
  const house = await KafkaHouse.open();
  const retention = { ...plainQueue.retention, untilSettled: false };
  house.core.namespace("/")!.createQueue("q", { ...plainQueue, retention }, {});
  await new TransactionStory(stageIn(house)).tell(`
    a inits T
      NONE
      anew
    a commits g q/0=7 v=5
      q/0 NONE
    g stands q/0
      UNSTABLE_OFFSET_COMMIT
    a ends commit v=5
      NONE
      newer
    g stands q/0
      7
  `);
});

test("offsets and messages of a topic are not those of another one that has got its name", () =>
  tell(`
    topic t made
      NONE
    topic u made
      NONE
    a inits T
      NONE
      anew
    a writes t/0 x v=12
      NONE
    a writes u/0 y v=12
      NONE
    a commits g t/0=3 u/0=4 v=5
      t/0 NONE
      u/0 NONE
    topic t gone
      NONE
    topic t made
      NONE
    a writes t/1 z v=11
      TRANSACTION_ABORTABLE
    a ends commit v=5
      NONE
      newer
    t/0 shows all
      nothing
    u/0 shows all
      y |commit
    g stands t/0
      -1
    g stands u/0
      4
  `));
