import assert from "node:assert/strict";
import { connect as connectSocket } from "node:net";
import { test } from "node:test";
import { connect } from "amqplib";
import { handshake } from "../conformance/amqp091/handshake.ts";
import { WireConnection } from "../conformance/amqp091/wire-client.ts";
import { Arena } from "./arena.ts";

const count = 1500;
const body = Buffer.alloc(64 * 1024, "slow");

test("a consumer that does not read holds up nobody, costs no memory, and gets everything when it reads again", async (t) => {
  const arena = await Arena.open(t);
  const socket = connectSocket(arena.port, arena.host);
  const reader = new WireConnection("", socket, { line: () => undefined, patienceMs: 60_000 });
  t.after(() => socket.destroy());
  await handshake(reader, {});
  const channel = await reader.channel(1).open();
  await channel.quiet("queue.declare", { queue: "slow", durable: true });
  await channel.quiet("basic.consume", { queue: "slow", "no-ack": true });

  await arena.disturb({ growthMebibytesMax: 160 }, async () => {
    socket.pause();
    const connection = await connect(`amqp://guest:guest@${arena.amqp}/`);
    const publisher = await connection.createConfirmChannel();
    for (let sent = 0; sent < count; sent += 50) {
      for (let index = sent; index < sent + 50; index++) {
        publisher.sendToQueue("slow", body, { persistent: true, messageId: String(index) });
      }
      await publisher.waitForConfirms();
    }
    await connection.close();
    arena.checkMemory(160);

    socket.resume();
    for (let index = 0; index < count; index++) {
      const delivery = await channel.take();
      assert.equal(delivery?.props.get("message-id"), String(index));
      assert.ok(delivery.body.equals(body));
    }
    await channel.quiet("queue.delete", { queue: "slow" });
  });
});
