/**
 * Several members of one group read a topic and write results in transactions that hold the group's offsets (KIP-447), each
 * with a transactional id of its own: no id is taken over, so what keeps a member that was thought dead from writing twice is
 * the group's generation, and that nobody is given offsets while a transaction that moves them is undecided. In each round
 * something happens while transactions are open: a member is stopped for longer than its session and then goes on in the midst of
 * what it was doing, the broker is killed and started again, a member is killed, or a member is stopped and the broker killed
 * meanwhile. In the end
 *
 * - each message that was acknowledged has one result, in its partition's order;
 * - none of an attempt that was aborted is seen;
 * - committed offsets never went back.
 *
 * By librdkafka, whose transactions share an epoch, and by Java's client, which has one for each (KIP-890). CRASH_ROUNDS says how
 * many rounds there are.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { Kafka } from "kafkajs";
import { prepared } from "../interop/client-suite.ts";
import { pythonClients } from "../interop/python-clients.ts";
import { kafkaClients } from "../interop/kafka-clients.ts";
import { CrashingBroker, inTime, roundLimitMs, rounds, standstillMs, stepsToCome } from "./kafka-broker.ts";
import { IdempotentProducer } from "./kafka-load.ts";
import { javaMember, Members, pythonMember } from "./kafka-members.ts";
import { readCommitted } from "./kafka-reader.ts";

const partitions = 4;
const memberCount = 3;
const commitsMax = 20;
/** How far a producer goes ahead of what the group had committed at the last look: more than a round takes, and not for hours. */
const aheadMax = 10_000;
const pollMs = 200;
/** Longer than a member's session, which is 2 s, so that it is out of the group; its transaction may last 4 s. */
const stopMs = 3200;
const set = {
  "kafka.groupSessionTimeoutMinMs": "1000",
  "kafka.groupInitialRebalanceDelayMs": "0",
};

// A client that was given up while its broker was down goes on trying, whatever it is told.
after(() => void globalThis.setTimeout(() => process.exit(), 2000).unref());

for (const kind of ["librdkafka", "Java's client"]) {
  const name = `members of one group, by ${kind}, are killed and stopped ${rounds} times, and each message has one result`;
  test(name, { timeout: (rounds + 3) * roundLimitMs }, async (t) => {
    // Both read with it what there is in the end.
    const found = await prepared("confluent-kafka", async () => {
      const interpreter = await pythonClients();
      return "missing" in interpreter ? interpreter : { command: interpreter.python, args: [] };
    });
    if ("missing" in found) return t.skip(found.missing);
    let program = pythonMember(found.command);
    if (kind !== "librdkafka") {
      const classes = mkdtempSync(join(tmpdir(), "entrepot-member-"));
      t.after(() => rmSync(classes, { recursive: true }));
      const java = await prepared("kafka-clients", async () => {
        const clients = await kafkaClients();
        return "missing" in clients ? clients : await javaMember(clients.classPath, classes);
      });
      if ("missing" in java) return t.skip(java.missing);
      program = java;
    }
    const broker = await CrashingBroker.open(t, { topics: ["in", "out"], partitions, set });
    const { client } = broker;
    const story = (): string => broker.log();

    const producers = Array.from(
      { length: partitions },
      (_, at) => new IdempotentProducer(client, at, () => undefined),
    );
    for (const producer of producers) producer.upTo = aheadMax;
    const running = producers.map((each) => each.run());
    const members = new Members(program, broker.address);
    t.after(() => members.kill());
    for (let at = 0; at < memberCount; at++) members.start();

    let offsets: number[] = producers.map(() => 0);
    const happened: string[] = [];
    const firstKind = Math.floor(Math.random() * 4);
    for (let round = 1; round <= rounds; round++) {
      const { onStep, done } = stepsToCome(1 + Math.floor(Math.random() * commitsMax), story);
      members.onProgress = onStep;
      await Promise.race([done, ...running]);
      const what = (round + firstKind) % 4;
      happened.push(
        ["member stopped", "broker killed", "member killed", "broker killed while a member was stopped"][what]!,
      );
      const stopped = what === 0 || what === 3 ? members.stopOne(stopMs) : undefined;
      if (what === 2) members.killOne();
      if (what === 1 || what === 3) await broker.crash();
      await stopped;
      const now = await inTime("committed offsets", committedOffsets(client), story);
      for (const [at, offset] of now.entries()) {
        assert.ok(offset >= offsets[at]!, `partition ${at}: offset ${offset} after ${offsets[at]} was committed`);
        producers[at]!.upTo = offset + aheadMax;
      }
      offsets = now;
    }

    for (const producer of producers) producer.stop();
    await inTime("the end of the producers", Promise.all(running), story);
    await allCommitted(client, producers);
    await inTime("the end of the members", members.end(), story);
    assert.deepEqual(members.failures, []);
    const results = await readCommitted(found.command, broker.address, "out", partitions);
    for (const [at, producer] of producers.entries()) {
      const got = results[at]!.map((each) => Number(each.split(" ")[0]));
      const wrong = got.findIndex((value, index) => value !== index);
      const seen = got.slice(Math.max(0, wrong - 1), wrong + 2);
      assert.equal(
        wrong,
        -1,
        `partition ${at}: ${seen.join()} at result ${wrong} of ${got.length}; ${happened.join()}`,
      );
      assert.equal(got.length, producer.sent, `partition ${at}: results are missing at its end`);
      for (const each of results[at]!)
        assert.ok(!members.aborted.has(each.split(" ")[1]!), `${each} was aborted and is seen`);
    }
    const { committed, reasons } = members;
    const produced = producers.map((each) => each.sent);
    t.diagnostic(JSON.stringify({ happened, produced, committed, reasons: Object.fromEntries(reasons) }));
    await broker.stop();
  });
}

/** Resolves when the group is at the end of what was sent. */
async function allCommitted(client: Kafka, producers: readonly IdempotentProducer[]): Promise<void> {
  let before = "";
  for (let idle = 0; idle * pollMs < standstillMs; idle++) {
    const offsets = await committedOffsets(client);
    if (offsets.every((offset, at) => offset >= producers[at]!.sent)) return;
    if (offsets.join() !== before) idle = 0;
    before = offsets.join();
    await setTimeout(pollMs);
  }
  assert.fail(`committed is ${before} of ${producers.map(({ sent }) => sent).join()}, and nothing happens`);
}

/** Of the group, by partition; 0: none. */
async function committedOffsets(client: Kafka): Promise<number[]> {
  const admin = client.admin({ retry: { retries: 100, initialRetryTime: 50, maxRetryTime: 500 } });
  await admin.connect();
  try {
    const [topic] = await admin.fetchOffsets({ groupId: "shared", topics: ["in"] });
    const offsets = Array.from({ length: partitions }, () => 0);
    for (const { partition, offset } of topic!.partitions) offsets[partition] = Math.max(0, Number(offset));
    return offsets;
  } finally {
    await admin.disconnect();
  }
}
