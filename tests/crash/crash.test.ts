/**
 * SIGKILL under load. Publishers and consumers on connections of their own work on durable queues; after a number of
 * confirms that is drawn anew each round the broker is killed, started again on the same data, and the load goes on. In
 * the end all queues are drained, and the ledger says what is missing or came wrongly. Definitions are checked as well:
 * what was declared before the kill is there after it.
 *
 * CRASH_ROUNDS says how often it is killed.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { spawnBroker, type BrokerProcess } from "../interop/broker.ts";
import { Ledger } from "./ledger.ts";
import { consume, consumed, declareAll, drain, open, Publisher, queues, routes } from "./load.ts";

const rounds = Number(process.env["CRASH_ROUNDS"] ?? 5);
const roundLimitMs = 60_000;
const standstillMs = 10_000;

// Small files, so that a few rounds see many checkpoints and recycled journals.
const set = { "journal.fileBytes": "2MiB", "journal.checkpointBytes": "4MiB" };

test(
  `after ${rounds} times SIGKILL nothing confirmed is missing`,
  { timeout: (rounds + 2) * roundLimitMs },
  async (t) => {
    const dataDir = mkdtempSync(join(tmpdir(), "entrepot-crash-"));
    const ledger = new Ledger();
    const publishers = routes.flatMap((route, index) =>
      [0, 1].map((which) => new Publisher(`p${index}${which}`, route, ledger)),
    );
    let broker: BrokerProcess | undefined;
    t.after(async () => {
      await broker?.kill("SIGKILL");
      rmSync(dataDir, { recursive: true, force: true });
    });

    for (let round = 1; round <= rounds; round++) {
      broker = await spawnBroker({ dataDir, set });
      await checkDefinitions(broker.amqp, round);
      const confirms = Math.random() < 0.2 ? 1 : 1 + Math.floor(Math.random() * 30_000);
      await killUnderLoad(broker, publishers, ledger, { round, confirms });
      assert.deepEqual(ledger.faults, [], `round ${round}, killed after ${confirms} confirms`);
    }

    broker = await spawnBroker({ dataDir, set });
    for (const queue of consumed) await drain(broker.amqp, queue, ledger);
    ledger.close();
    assert.deepEqual(ledger.faults, []);
    assert.equal(await broker.kill("SIGTERM"), 0, broker.log());

    broker = await spawnBroker({ dataDir, set });
    const connection = await open(broker.amqp);
    const channel = await connection.createChannel();
    for (const queue of consumed)
      assert.equal((await channel.checkQueue(queue)).messageCount, 0, `${queue} is not empty`);
    await connection.close();
    t.diagnostic(JSON.stringify(ledger.counts));
  },
);

/** What earlier rounds declared is there; and this round's own is declared, to be looked for by the next. */
async function checkDefinitions(amqp: string, round: number): Promise<void> {
  const connection = await open(amqp);
  const channel = await connection.createChannel();
  if (round > 1) {
    for (const queue of Object.keys(queues)) await channel.checkQueue(queue);
    for (let earlier = 1; earlier < round; earlier++) {
      await channel.checkExchange(`exchange.${earlier}`);
      assert.equal((await channel.checkQueue(`queue.${earlier}`)).messageCount, 1);
    }
  }
  await declareAll(channel);
  await channel.assertExchange(`exchange.${round}`, "topic", { durable: true });
  await channel.assertQueue(`queue.${round}`, { durable: true });
  await channel.bindQueue(`queue.${round}`, `exchange.${round}`, "#.end");
  const confirming = await connection.createConfirmChannel();
  confirming.publish(`exchange.${round}`, "to.the.end", Buffer.from("routed"), { persistent: true });
  await confirming.waitForConfirms();
  await connection.close();
}

/** Runs the load until so many confirms came, then kills the broker and waits until every client has noticed. */
async function killUnderLoad(
  broker: BrokerProcess,
  publishers: readonly Publisher[],
  ledger: Ledger,
  { round, confirms }: { round: number; confirms: number },
): Promise<void> {
  const enough = Promise.withResolvers<void>();
  let left = confirms;
  const consumers = await Promise.all(
    consumed.flatMap((queue) =>
      [1, 2].map((which) => consume(broker.amqp, queue, `c${which} ${queue} ${round}`, ledger)),
    ),
  );
  const standstill = setTimeout(() => {
    const { sent, confirmed, delivered } = ledger.counts;
    const where = `${left} of ${confirms} confirms to come; ${sent} sent, ${confirmed} confirmed, ${delivered} delivered`;
    enough.reject(new Error(`round ${round}: no confirm for ${standstillMs} ms: ${where}\n${broker.log()}`));
  }, standstillMs);
  const onConfirm = (): void => {
    standstill.refresh();
    if (--left === 0) enough.resolve();
  };
  const all = Promise.allSettled([
    ...publishers.map((publisher) => publisher.run(broker.amqp, onConfirm)),
    ...consumers.map(({ gone }) => gone),
  ]);
  const outcome = await Promise.race([enough.promise, all]).finally(() => clearTimeout(standstill));
  if (outcome !== undefined) {
    const reasons = outcome.map((each) => (each.status === "rejected" ? String(each.reason) : "ended"));
    throw new Error(`the load ended by itself: ${reasons.join(", ")}\n${broker.log()}`);
  }
  await broker.kill("SIGKILL");
  await all;
  ledger.crashed();
}
