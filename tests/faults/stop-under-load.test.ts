/**
 * SIGTERM under load: the broker ends with status 0 within its deadline, tells clients 320 CONNECTION_FORCED, and has
 * everything confirmed when it is started again, of which exactly what a consumer held is flagged as redelivered.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { spawnBroker } from "../interop/broker.ts";
import { assertNothingLost, closeCode, drain, numberOf, open, Producer } from "./clients.ts";

const deadlineMs = 5000;
const set = {
  "journal.fileBytes": "2MiB",
  "journal.checkpointBytes": "4MiB",
  "shutdown.deadlineMs": `${deadlineMs}ms`,
};

test("SIGTERM under load: status 0, clients are told, nothing confirmed is lost, and flags are right", async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), "entrepot-faults-"));
  let broker = await spawnBroker({ dataDir, set });
  t.after(async () => {
    await broker.kill("SIGKILL");
    rmSync(dataDir, { recursive: true, force: true });
  });
  const queues = ["a", "b"];
  const producers: Producer[] = [];
  for (const queue of queues) producers.push(await Producer.open(broker.amqp, { queue, sizeBytes: 1000 }));
  const codes = producers.map(({ connection }) => closeCode(connection));

  // On the first queue a consumer takes and keeps a part; the second has none.
  const consumer = await open(broker.amqp);
  codes.push(closeCode(consumer));
  const channel = await consumer.createChannel();
  await channel.prefetch(100);
  const held = new Set<number>();
  const settled = new Set<number>();
  const busy = Promise.withResolvers<void>();
  await channel.consume("a", (message) => {
    if (message === null) return;
    const number = numberOf(message);
    if (number % 100 === 0 && held.size < 60) {
      held.add(number);
    } else {
      channel.ack(message);
      settled.add(number);
    }
    if (settled.size === 5000) busy.resolve();
  });

  const work = producers.map(async (producer) => {
    const gone = new Promise<boolean>((resolve) => producer.connection.once("close", () => resolve(false)));
    for (;;) {
      const answers = [];
      for (let index = 0; index < 100; index++) answers.push(producer.send());
      for (const answer of answers) if (!(await Promise.race([answer, gone]))) return;
    }
  });
  await busy.promise;
  const began = performance.now();
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());
  const tookMs = performance.now() - began;
  assert.ok(tookMs < deadlineMs, `it took ${tookMs} ms`);
  assert.deepEqual(await Promise.all(codes), [320, 320, 320]);
  await Promise.all(work);

  broker = await spawnBroker({ dataDir, set });
  const a = (await drain(broker.amqp, "a")).redeliveredByNumber;
  const b = (await drain(broker.amqp, "b")).redeliveredByNumber;
  assertNothingLost(producers[1]!.confirmed, b);
  assert.deepEqual(
    [...b].filter(([, isRedelivered]) => isRedelivered),
    [],
  );
  const taken = new Map([...settled].map((number) => [number, true]));
  assertNothingLost(producers[0]!.confirmed, a, taken);
  for (const number of held) assert.equal(a.get(number), true, `${number} was held and has no flag`);
  // What the broker sent and the consumer never saw, or acknowledged too late, is flagged too: no more than the prefetch.
  const flagged = [...a].filter(([, isRedelivered]) => isRedelivered);
  t.diagnostic(`stopped in ${Math.round(tookMs)} ms; ${held.size} held, ${flagged.length} flagged`);
  assert.ok(flagged.length <= 100, `${flagged.length} are flagged`);
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());
});

test("after SIGTERM exactly what a consumer had and had not acknowledged is flagged", async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), "entrepot-faults-"));
  let broker = await spawnBroker({ dataDir, set });
  t.after(async () => {
    await broker.kill("SIGKILL");
    rmSync(dataDir, { recursive: true, force: true });
  });
  const producer = await Producer.open(broker.amqp, { queue: "a", sizeBytes: 1000 });
  await producer.sendAll(500);
  const consumer = await open(broker.amqp);
  const channel = await consumer.createChannel();
  await channel.prefetch(60);
  const held = new Set<number>();
  const all = Promise.withResolvers<void>();
  await channel.consume("a", (message) => {
    const number = numberOf(message!);
    if (number < 10) channel.ack(message!);
    else held.add(number);
    if (held.size === 60) all.resolve();
  });
  await all.promise;
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());

  broker = await spawnBroker({ dataDir, set });
  const { redeliveredByNumber } = await drain(broker.amqp, "a");
  assert.equal(redeliveredByNumber.size, 490);
  for (const [number, isRedelivered] of redeliveredByNumber) assert.equal(isRedelivered, held.has(number), `${number}`);
});
