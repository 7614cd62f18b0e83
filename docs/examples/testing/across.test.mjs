import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect } from "amqplib";
import { Kafka, logLevel } from "kafkajs";
import { startBroker } from "entrepot/testing";

// What is tested: orders come by Kafka, an invoice for each goes to an exchange of RabbitMQ's clients.
async function startInvoicing({ amqpUrl, kafkaAddress }) {
  const connection = await connect(amqpUrl);
  const channel = await connection.createConfirmChannel();
  await channel.assertExchange("invoices", "topic", { durable: true });
  const kafka = new Kafka({ brokers: [kafkaAddress], clientId: "invoicing", logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: "invoicing" });
  await consumer.connect();
  await consumer.subscribe({ topic: "orders", fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message }) => {
      const { id, country, total } = JSON.parse(message.value.toString());
      const invoice = Buffer.from(JSON.stringify({ order: id, total }));
      for (let isConfirmed = false; !isConfirmed;) {
        channel.publish("invoices", `new.${country}`, invoice, { persistent: true, messageId: id });
        isConfirmed = await channel.waitForConfirms().then(
          () => true,
          () => false, // it was refused: again
        );
      }
    },
  });
  return async () => {
    await consumer.disconnect();
    await connection.close();
  };
}

// One broker for all tests of the file; for each test a place of its own.
let broker;
before(async () => void (broker = await startBroker()));
after(() => broker.stop());

async function placeOrders(kafkaAddress, ...orders) {
  const producer = new Kafka({ brokers: [kafkaAddress], logLevel: logLevel.NOTHING }).producer();
  await producer.connect();
  await producer.send({ topic: "orders", messages: orders.map((order) => ({ value: JSON.stringify(order) })) });
  await producer.disconnect();
}

test("each order has an invoice, sent by its country", async () => {
  await using place = await broker.namespace();
  const kafkaAddress = await place.kafka();
  await placeOrders(kafkaAddress, { id: "a", country: "be", total: 10 }, { id: "b", country: "nl", total: 20 });
  const stop = await startInvoicing({ amqpUrl: place.url, kafkaAddress });

  const invoices = await place.nextPublished("invoices", { count: 2 });
  assert.deepEqual(
    invoices.map(({ routingKey, messageId, text }) => [routingKey, messageId, JSON.parse(text)]),
    [
      ["new.be", "a", { order: "a", total: 10 }],
      ["new.nl", "b", { order: "b", total: 20 }],
    ],
  );
  await stop();
});

test("an invoice that is refused is sent again", async () => {
  await using place = await broker.namespace();
  const kafkaAddress = await place.kafka();
  const refused = broker.faults.refusePublish({ namespace: place.name, name: "invoices", times: 2 });
  await placeOrders(kafkaAddress, { id: "c", country: "be", total: 30 });
  const stop = await startInvoicing({ amqpUrl: place.url, kafkaAddress });

  const [invoice] = await place.nextPublished("invoices");
  assert.equal(invoice.messageId, "c");
  assert.equal(refused.firedCount, 2);
  await stop();
});
