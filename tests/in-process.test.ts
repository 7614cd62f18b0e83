/** The library's face: a broker in the process of its user, as a test suite would have it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { connect } from "amqplib";
import { startBroker } from "../src/start-broker.ts";

test("a broker starts on a free port, serves, and stops", async () => {
  const broker = await startBroker({ memory: true, listen: { amqp: 0 } });
  assert.deepEqual(broker.addresses, { amqp: `127.0.0.1:${broker.ports["amqp"]}` });
  const connection = await connect(`amqp://127.0.0.1:${broker.ports["amqp"]}`);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue("q");
  channel.sendToQueue("q", Buffer.from("hello"));
  await channel.waitForConfirms();
  const message = await channel.get("q", { noAck: true });
  assert.equal(message === false ? "" : message.content.toString(), "hello");

  // A client learns why it is let go.
  const closed = once(connection, "close");
  connection.on("error", () => undefined);
  await broker.stop();
  const [error] = (await closed) as [Error];
  assert.match(error.message, /320.*broker forced connection closure with reason 'shutdown'/);
  await assert.rejects(connect(`amqp://127.0.0.1:${broker.ports["amqp"]}`));
});

test("an hour passes by saying so, and no client is cut off by it", async () => {
  const broker = await startBroker({ memory: true, listen: { amqp: 0 }, clock: "virtual" });
  const connection = await connect(`amqp://127.0.0.1:${broker.ports["amqp"]}?heartbeat=1`);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue("dead");
  await channel.assertQueue("q", {
    messageTtl: 3_600_000,
    deadLetterExchange: "",
    deadLetterRoutingKey: "dead",
  });
  channel.sendToQueue("q", Buffer.from("old"));
  await channel.waitForConfirms();
  await broker.advance("59m");
  assert.equal((await channel.checkQueue("dead")).messageCount, 0);
  await broker.advance("2m");
  assert.equal((await channel.checkQueue("dead")).messageCount, 1);
  await connection.close();
  await broker.stop();
});

test("a message dies through a chain of queues in one advance", async () => {
  const broker = await startBroker({ memory: true, listen: { amqp: 0 }, clock: "virtual" });
  const connection = await connect(`amqp://127.0.0.1:${broker.ports["amqp"]}`);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue("c3");
  await channel.assertQueue("c2", { messageTtl: 10_000, deadLetterExchange: "", deadLetterRoutingKey: "c3" });
  await channel.assertQueue("c1", { messageTtl: 10_000, deadLetterExchange: "", deadLetterRoutingKey: "c2" });
  channel.sendToQueue("c1", Buffer.from("old"));
  await channel.waitForConfirms();
  await broker.advance("60s");
  assert.equal((await channel.checkQueue("c3")).messageCount, 1);
  await connection.close();
  await broker.stop();
});

test("what died can be sent back to where it came from", async () => {
  const broker = await startBroker({ memory: true, listen: { amqp: 0 } });
  const connection = await connect(`amqp://127.0.0.1:${broker.ports["amqp"]}`);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue("dead");
  await channel.assertQueue("work", { deadLetterExchange: "", deadLetterRoutingKey: "dead" });
  for (const text of ["one", "two", "three"]) channel.sendToQueue("work", Buffer.from(text));
  await channel.waitForConfirms();
  for (let i = 0; i < 3; i++) {
    const message = await channel.get("work");
    if (message !== false) channel.reject(message, false);
  }
  assert.equal((await channel.checkQueue("dead")).messageCount, 3);
  assert.equal(await broker.redrive("dead", 2), 2);
  assert.equal((await channel.checkQueue("work")).messageCount, 2);
  const back = await channel.get("work", { noAck: true });
  assert.equal(back === false ? "" : back.content.toString(), "one");
  assert.equal(await broker.redrive("dead"), 1);
  await assert.rejects(broker.redrive("nowhere"), /no queue nowhere/);
  await connection.close();
  await broker.stop();
});

test("two brokers in one process know nothing of each other", async () => {
  const brokers = await Promise.all([1, 2].map(() => startBroker({ memory: true, listen: { amqp: 0 } })));
  const [first, second] = await Promise.all(
    brokers.map(async ({ ports }) => {
      const connection = await connect(`amqp://127.0.0.1:${ports["amqp"]}`);
      return { connection, channel: await connection.createChannel() };
    }),
  );
  await first!.channel.assertQueue("only here");
  second!.channel.on("error", () => undefined);
  await assert.rejects(second!.channel.checkQueue("only here"), /NOT_FOUND/);
  await Promise.all([first!.connection.close(), second!.connection.close()]);
  await Promise.all(brokers.map((broker) => broker.stop()));
});
