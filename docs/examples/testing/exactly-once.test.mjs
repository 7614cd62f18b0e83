import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { connect } from "amqplib";
import { startBroker } from "entrepot/testing";

// What is tested: payments are booked by their ids, in the same step in which the id is remembered.
class Ledger {
  total = 0;
  ids = new Set();
  book(id, amount) {
    if (this.ids.has(id)) return;
    this.ids.add(id);
    this.total += amount;
  }
}

// It connects again for as long as it is to run, as a client's supervisor would.
async function consume(url, ledger, { signal, beforeAck = async () => {} }) {
  while (!signal.aborted) {
    try {
      const connection = await connect(url);
      connection.on("error", () => {}); // "close" follows
      const channel = await connection.createChannel();
      channel.on("error", () => {});
      const take = async (message) => {
        ledger.book(message.properties.messageId, Number(message.content));
        await beforeAck();
        try {
          channel.ack(message);
        } catch {} // the connection has gone meanwhile: the message comes again
      };
      await channel.consume("payments", (message) => void take(message));
      signal.addEventListener("abort", () => connection.close().catch(() => {}));
      await new Promise((resolve) => connection.once("close", resolve));
    } catch {
      await pause(20);
    }
  }
}

async function publish(url, id, amount) {
  const connection = await connect(url);
  connection.on("error", () => {});
  const channel = await connection.createConfirmChannel();
  channel.on("error", () => {});
  await channel.assertQueue("payments", { durable: true });
  channel.sendToQueue("payments", Buffer.from(String(amount)), { persistent: true, messageId: id });
  await channel.waitForConfirms();
  await connection.close();
}

test("a payment is booked once, whatever crashes between booking and acknowledging it", async () => {
  await using broker = await startBroker();
  const ledger = new Ledger();
  await publish(broker.url, "payment-1", 100);

  const stop = new AbortController();
  let deliveries = 0;
  const again = Promise.withResolvers();
  const consumer = consume(broker.url, ledger, {
    signal: stop.signal,
    beforeAck: async () => {
      if (++deliveries === 2) again.resolve();
      if (deliveries > 1) return;
      await broker.crash();
      await broker.recover();
    },
  });
  await again.promise;
  assert.equal(ledger.total, 100);

  // The confirm of the next one is lost on its way, so its producer publishes it a second time.
  broker.faults.loseConfirm({ name: "payments" });
  await assert.rejects(publish(broker.url, "payment-2", 50));
  await publish(broker.url, "payment-2", 50);
  assert.equal((await broker.nextPublished("payments", { count: 3 })).length, 3);
  await broker.advance(0);
  assert.equal(deliveries, 4);
  assert.equal(ledger.total, 150);

  stop.abort();
  await consumer;
});
