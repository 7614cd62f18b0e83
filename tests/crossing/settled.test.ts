// What consumers of a queue have settled is gone for Kafka's clients: they come to the end of what is left, whatever is gone behind it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { connect } from "amqplib";
import kafkajs from "kafkajs";
import { spawnBroker } from "../interop/broker.ts";
import { prepared, programLimitMs, run } from "../interop/client-suite.ts";

const { Kafka, logLevel } = kafkajs;
const listen = { amqp: "127.0.0.1:0", kafka: "127.0.0.1:0" };

test(
  "a queue is read to its end, be it settled from there on, from its beginning, or all of it",
  {
    timeout: programLimitMs,
  },
  async (t) => {
    const program = await prepared("kcat", async () =>
      (await run("kcat", ["-V"])).status === 0 ? { command: "kcat", args: [] } : { missing: "there is no kcat" },
    );
    if ("missing" in program) return t.skip(program.missing);
    const broker = await spawnBroker({ listen });
    const address = broker.addresses["kafka"]!;
    const amqp = await connect(`amqp://guest:guest@${broker.amqp}/`);
    const channel = await amqp.createConfirmChannel();
    await channel.assertQueue("q");
    for (let number = 0; number < 6; number++)
      channel.sendToQueue("q", Buffer.from(String(number)), { persistent: true });
    await channel.waitForConfirms();
    const tags: number[] = [];
    const consumer = await channel.consume("q", (message) => {
      tags.push(message!.fields.deliveryTag);
      if (tags.length === 6) channel.emit("all are there");
    });
    if (tags.length < 6) await once(channel, "all are there");

    const admin = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    t.after(async () => {
      await admin.disconnect();
      await amqp.close();
      await broker.kill("SIGTERM");
    });
    const settle = async (...numbers: number[]): Promise<void> => {
      for (const number of numbers) channel.ack({ fields: { deliveryTag: tags[number] } } as never);
      // What was sent before it is handled before it.
      await channel.checkQueue("q");
    };
    const seen = async (): Promise<[string, string, string]> => {
      const { status, output, errors } = await run("kcat", ["-b", address, "-C", "-t", "q", "-o", "beginning", "-e"]);
      assert.equal(status, 0, errors);
      assert.match(errors, /Reached end of topic q \[0\] at offset 6/);
      const [{ low, high } = { low: "", high: "" }] = await admin.fetchTopicOffsets("q");
      return [output.replaceAll("\n", ""), low, high];
    };
    assert.deepEqual(await seen(), ["012345", "0", "6"]);
    await settle(4, 5);
    assert.deepEqual(await seen(), ["0123", "0", "6"]);
    await settle(0, 2);
    assert.deepEqual(await seen(), ["13", "1", "6"]);
    await settle(1, 3);
    assert.deepEqual(await seen(), ["", "6", "6"]);
    await channel.cancel(consumer.consumerTag);
  },
);
