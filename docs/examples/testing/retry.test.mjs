import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "amqplib";
import { startBroker } from "entrepot/testing";

// What is tested: a worker whose queue tries again what has failed, a minute later, then two, then four.
async function startWorker(url, charge) {
  const connection = await connect(url);
  const channel = await connection.createChannel();
  await channel.assertQueue("given-up", { durable: true });
  await channel.assertQueue("charges", {
    durable: true,
    deadLetterExchange: "",
    deadLetterRoutingKey: "given-up",
    arguments: { "x-retry-min-ms": 60_000, "x-retry-attempts": 3 },
  });
  const work = async (message) => {
    try {
      await charge(JSON.parse(message.content.toString()));
      channel.ack(message);
    } catch {
      channel.nack(message);
    }
  };
  await channel.consume("charges", (message) => void work(message));
  return connection;
}

test("a charge that fails is tried again after 1, 2 and 4 minutes, and then given up", async () => {
  await using broker = await startBroker();
  let attempts = 0;
  const worker = await startWorker(broker.url, async () => {
    attempts++;
    throw new Error("the bank is closed");
  });
  const channel = await worker.createConfirmChannel();
  channel.sendToQueue("charges", Buffer.from('{"order":4711}'), { persistent: true });
  await channel.waitForConfirms();

  await broker.advance(0); // until everybody has done what there was to do
  assert.equal(attempts, 1);
  await broker.advance("59s");
  assert.equal(attempts, 1);
  await broker.advance("1s");
  assert.equal(attempts, 2);
  await broker.advance("2m");
  assert.equal(attempts, 3);
  await broker.advance("4m");
  assert.equal(attempts, 4);
  assert.equal((await channel.checkQueue("given-up")).messageCount, 1);

  // Somebody has called the bank.
  await broker.redrive("given-up");
  await broker.advance(0);
  assert.equal(attempts, 5);
  await worker.close();
});
