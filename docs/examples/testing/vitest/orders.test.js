import { connect } from "amqplib";
import { test as base, expect } from "vitest";
import { startBroker } from "entrepot/testing";

const test = base.extend({
  // One broker for the tests of a worker, and for each test a place of its own.
  broker: [
    // oxlint-disable-next-line no-empty-pattern -- Vitest wants to see a pattern
    async ({}, use) => {
      const broker = await startBroker();
      await use(broker);
      await broker.stop();
    },
    { scope: "worker" },
  ],
  place: async ({ broker }, use) => {
    const place = await broker.namespace();
    await use(place);
    await place.delete();
  },
});

test("an order that nobody takes within a quarter of an hour is cancelled", async ({ broker, place }) => {
  const connection = await connect(place.url);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue("cancelled");
  await channel.assertQueue("orders", {
    messageTtl: 900_000,
    deadLetterExchange: "",
    deadLetterRoutingKey: "cancelled",
  });
  channel.sendToQueue("orders", Buffer.from("4711"), { persistent: true });
  await channel.waitForConfirms();
  await broker.advance("15m");
  expect((await channel.get("cancelled")).content.toString()).toBe("4711");
  place.assertPublished("orders", ["4711"]);
  await connection.close();
});
