// Entrepot is an ES module: node --experimental-vm-modules node_modules/jest/bin/jest.js
import { connect } from "amqplib";
import { startBroker } from "entrepot/testing";

let broker;
let place;
beforeAll(async () => {
  broker = await startBroker();
});
beforeEach(async () => {
  place = await broker.namespace();
});
afterEach(() => place.delete());
afterAll(() => broker.stop());

test("an order that nobody takes within a quarter of an hour is cancelled", async () => {
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
