/**
 * What is answered to members of groups, held against what Kafka 4.1.1 answered to the same (golden/groups.txt): random
 * schedules, in all versions. Where several members might lead next, Kafka goes by the order of a hash map: should a seed that
 * is added meet that, it is to be left out.
 *
 *     ENTREPOT_KAFKA=127.0.0.1:9092                            asks whatever listens there instead
 *     ENTREPOT_WRITE_GOLDEN=1 ENTREPOT_KAFKA=127.0.0.1:9092    ... and writes down what it answers
 *
 * A Kafka has to have group.initial.rebalance.delay.ms=0.
 */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { createTopicsRequest, createTopicsResponse } from "../../../src/protocols/kafka/codec/messages/topics.ts";
import { findCoordinatorRequest, findCoordinatorResponse } from "../../../src/protocols/kafka/codec/messages/groups.ts";
import { startBroker } from "../../../src/start-broker.ts";
import { GroupRun, stepsOf, topic } from "./group-schedules.ts";
import { WireClient } from "./wire-client.ts";

const golden = new URL("./golden/groups.txt", import.meta.url);
const given = process.env["ENTREPOT_KAFKA"];
const isWriting = process.env["ENTREPOT_WRITE_GOLDEN"] === "1";
const seeds = Array.from({ length: 60 }, (_, index) => index + 1);

/** By seed, the answers of each step. */
function readGolden(): ReadonlyMap<number, readonly (readonly string[])[]> {
  const bySeed = new Map<number, string[][]>();
  let steps: string[][] = [];
  for (const line of readFileSync(golden, "utf8").split("\n")) {
    const seed = /^# (\d+)$/.exec(line);
    if (seed !== null) bySeed.set(Number(seed[1]), (steps = []));
    else if (line.startsWith("  ")) steps.at(-1)!.push(line.slice(2));
    else if (line !== "") steps.push([]);
  }
  return bySeed;
}

async function makeReady(address: string): Promise<void> {
  const client = await WireClient.open(address);
  const topics = [{ name: topic, numPartitions: 1, replicationFactor: 1 }];
  await client.ask(createTopicsRequest, createTopicsResponse, 5, { topics });
  // Kafka makes its topic of groups when it is first asked for a coordinator.
  for (let tries = 0; tries < 100; tries++) {
    const found = await client.ask(findCoordinatorRequest, findCoordinatorResponse, 3, { key: "g" });
    if (found?.errorCode === 0) break;
    await new Promise((resolve) => void setTimeout(resolve, 100));
  }
  client.close();
}

async function run(address: string, seed: number, counts: readonly number[] | undefined): Promise<string[][]> {
  const group = `groups-test-${seed}-${Date.now()}`;
  const groupRun = new GroupRun(address, group);
  for (const [at, step] of stepsOf(seed).entries()) await groupRun.take(step, counts?.[at]);
  groupRun.close();
  return groupRun.told().map((answers) => [...answers]);
}

test("groups answer as Kafka's do", { timeout: 300_000 }, async (t) => {
  const broker =
    given === undefined
      ? await startBroker({
          memory: true,
          listen: { kafka: "127.0.0.1:0" },
          set: { "kafka.groupInitialRebalanceDelayMs": 0 },
        })
      : undefined;
  const address = given ?? `127.0.0.1:${broker!.ports["kafka"]}`;
  await makeReady(address);
  if (isWriting) {
    assert.ok(given !== undefined, "it is Kafka that is asked");
    const texts = await Promise.all(
      seeds.map(async (seed) => {
        const steps = (await run(address, seed, undefined)).map(
          (answers, at) => `${stepsOf(seed)[at]!.what}\n${answers.map((line) => `  ${line}\n`).join("")}`,
        );
        return `# ${seed}\n${steps.join("")}`;
      }),
    );
    writeFileSync(golden, texts.join("\n"));
  }
  const told = readGolden();
  for (const [seed, steps] of told) {
    await t.test(`schedule ${seed}`, async () => {
      // Kafka lists and describes what it has written down, a moment later.
      const counts = given === undefined ? steps.map((answers) => answers.length) : undefined;
      assert.deepEqual(await run(address, seed, counts), steps);
    });
  }
  await broker?.stop();
});
