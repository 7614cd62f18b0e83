/** A broker without a disk that has as much in memory as it may: producers are blocked, and go on as consumers drain. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { spawnBroker } from "../interop/broker.ts";
import { assertNothingLost, closeCode, drain, Producer } from "./clients.ts";

const queue = "work";

test("in memory, above the high watermark producers are blocked, and a drain lets them go on", async (t) => {
  const broker = await spawnBroker({ set: { "memory.highWatermarkBytes": "64MiB" } });
  t.after(() => broker.kill("SIGKILL"));
  const producer = await Producer.open(broker.amqp, { queue, sizeBytes: 100_000 });
  await producer.sendUntilBlocked();
  const held = producer.send();
  assert.ok(producer.confirmed.size > 500 && producer.confirmed.size < 1000, `${producer.confirmed.size} confirmed`);

  const first = await drain(broker.amqp, queue, 10);
  assert.ok(producer.isBlocked);
  const rest = await drain(broker.amqp, queue);
  await producer.unblocked();
  assert.ok(await held);
  await producer.sendAll(10);
  const last = await drain(broker.amqp, queue);
  assertNothingLost(producer.confirmed, first.redeliveredByNumber, rest.redeliveredByNumber, last.redeliveredByNumber);
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());
});

test("a producer that is blocked when the broker stops answers the close, and does not hold up the stop", async (t) => {
  const broker = await spawnBroker({ set: { "memory.highWatermarkBytes": "64MiB", "shutdown.deadlineMs": "30s" } });
  t.after(() => broker.kill("SIGKILL"));
  const producer = await Producer.open(broker.amqp, { queue, sizeBytes: 100_000 });
  await producer.sendUntilBlocked();
  const code = closeCode(producer.connection);
  const began = performance.now();
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());
  assert.ok(performance.now() - began < 5000, "the broker waited for an answer that it did not read");
  assert.equal(await code, 320);
});
