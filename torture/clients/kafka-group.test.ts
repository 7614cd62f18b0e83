import assert from "node:assert/strict";
import { test } from "node:test";
import { startBroker } from "../../src/start-broker.ts";
import { openKafka } from "./kafka-client.ts";
import { commit } from "./kafka-group.ts";

const topic = "events";

test("offsets are told as committed when the broker has taken them, and not when the consumer is about to stop", async (t) => {
  const broker = await startBroker({ memory: true, listen: { kafka: 0 } });
  t.after(() => broker.stop());
  const { kafka } = openKafka(broker.ports.kafka!);
  const admin = kafka.admin();
  await admin.connect();
  t.after(() => admin.disconnect());
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic, messages: [{ value: "1" }] });
  await producer.disconnect();

  const consumer = kafka.consumer({ groupId: "readers" });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const told = Promise.withResolvers<boolean[]>();
  let stopping: Promise<void> | undefined;
  await consumer.run({
    autoCommit: false,
    eachBatch: async () => {
      const taken = await commit(consumer, [{ topic, partition: 0, offset: "1" }]);
      stopping = consumer.stop();
      told.resolve([taken, await commit(consumer, [{ topic, partition: 0, offset: "2" }])]);
    },
  });
  assert.deepEqual(await told.promise, [true, false]);
  await stopping;
  await consumer.disconnect();
  const [{ partitions } = { partitions: [] }] = await admin.fetchOffsets({ groupId: "readers", topics: [topic] });
  assert.equal(partitions[0]!.offset, "1");
});
