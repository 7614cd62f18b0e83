/**
 * What is made of requests of every API and version that mean nothing good, half of them with bytes changed: the end of the
 * connection, silence, or an answer with these error codes in these places. Held against what Kafka 4.1.1 made of the same
 * (golden/hostile-requests.txt); where we mean to differ, `differences` says why.
 *
 *     ENTREPOT_KAFKA=127.0.0.1:9092                            asks whatever listens there instead
 *     ENTREPOT_WRITE_GOLDEN=1 ENTREPOT_KAFKA=127.0.0.1:9092    ... and writes down what it answers
 *
 * A Kafka has to have group.initial.rebalance.delay.ms=0 and auto.create.topics.enable=false, and must not have been asked before.
 */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { errorName } from "../../../src/protocols/kafka/codec/errors.ts";
import { apiVersionsKey, putRequestHeader, responseHasTags } from "../../../src/protocols/kafka/codec/headers.ts";
import { findCoordinatorRequest, findCoordinatorResponse } from "../../../src/protocols/kafka/codec/messages/groups.ts";
import {
  deleteGroupsRequest,
  deleteGroupsResponse,
} from "../../../src/protocols/kafka/codec/messages/group-administration.ts";
import { metadataRequest, metadataResponse } from "../../../src/protocols/kafka/codec/messages/metadata.ts";
import { createTopicsRequest, createTopicsResponse } from "../../../src/protocols/kafka/codec/messages/topics.ts";
import {
  initProducerIdRequest,
  initProducerIdResponse,
} from "../../../src/protocols/kafka/codec/messages/transactions.ts";
import { Malformed } from "../../../src/wire/input.ts";
import { startBroker } from "../../../src/start-broker.ts";
import { advertisedApis, type Api } from "../../hostile/kafka-verdict.ts";
import { within } from "../../hostile/kafka-witness.ts";
import { hostileRequest, perVersion, topicOf } from "./hostile-requests.ts";
import { WireClient } from "./wire-client.ts";

const golden = new URL("./golden/hostile-requests.txt", import.meta.url);
const given = process.env["ENTREPOT_KAFKA"];
const isWriting = process.env["ENTREPOT_WRITE_GOLDEN"] === "1";
const patienceMs = 20_000;
/** What Kafka has not answered by then waits. */
const silenceMs = 1000;
/** Kafka's broker hears of what its controller does a moment later. */
const settleMs = given === undefined ? 0 : 30;

/** Kafka on a listener without SASL does not let anybody log in. */
function isCompared({ request }: Api): boolean {
  return !request.name.startsWith("Sasl");
}

interface Difference {
  readonly why: string;
  isSo(what: string, kafka: string, ours: string): boolean;
}

const differences: readonly Difference[] = [
  {
    why: "something fails inside Kafka, and it says so",
    isSo: (_, kafka, ours) => kafka.includes("UNKNOWN_SERVER_ERROR") && isAnswer(ours),
  },
  {
    why: "something fails inside Kafka, and it never answers: no transaction is named, there are no records, a kind of resource is unknown",
    isSo: (what, kafka, ours) =>
      kafka === "waits" &&
      /^(Produce|AddPartitionsToTxn|AlterConfigs|IncrementalAlterConfigs)/.test(what) &&
      isAnswer(ours),
  },
  {
    why: "of resources of which one is of an unknown kind, Kafka refuses all; here each has its own answer",
    isSo: (what, kafka, ours) =>
      what.startsWith("DescribeConfigs") &&
      /^\{results:\[(\d x )?\{errorCode:INVALID_REQUEST\}\]\}$/.test(kafka) &&
      ours.includes("{errorCode:INVALID_REQUEST}"),
  },
  {
    why: "nobody follows us: who claims to be a replica reads as a client does",
    isSo: (what, kafka, ours) =>
      what.startsWith("Fetch") &&
      kafka.includes("NOT_LEADER_OR_FOLLOWER") &&
      ours === kafka.replaceAll("NOT_LEADER_OR_FOLLOWER", "NONE"),
  },
  {
    why: "one partition is named twice, which Kafka's map makes one of",
    isSo: (what, kafka, ours) =>
      what === "ProduceRequest v8 8" &&
      ours === kafka.replace(/^(.*)\[2 x (.*)\[2 x (.*)\]\}\]\}$/, "$1[$2[2 x $3]},$2[3 x $3]}]}"),
  },
  {
    why: "topics are deleted at once, whatever time there is for it",
    isSo: (what, kafka) =>
      what.startsWith("DeleteTopics") && kafka === "{responses:[2 x {errorCode:REQUEST_TIMED_OUT}]}",
  },
  {
    why: "a page of less than one partition is one of one",
    isSo: (what, kafka, ours) =>
      what === "DescribeTopicPartitionsRequest v0 1" && kafka === "{topics:[{errorCode:NONE}]}" && isAnswer(ours),
  },
];

function isAnswer(made: string): boolean {
  return /^(answered|\{.*\})$/.test(made) && !made.includes("UNKNOWN_SERVER_ERROR");
}

/** Of what was answered, where errors are told and which; elements that are alike are one, with their number. */
function codesIn(value: unknown): unknown {
  if (Array.isArray(value)) {
    const counts = new Map<string, number>();
    for (const each of value) {
      const text = JSON.stringify(codesIn(each)) ?? "";
      if (text !== "") counts.set(text, (counts.get(text) ?? 0) + 1);
    }
    const texts = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return counts.size === 0 ? undefined : texts.map(([text, count]) => (count === 1 ? text : `${count} x ${text}`));
  }
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value)) return undefined;
  // Kafka's own topics, where all are listed.
  if (isInternal(value)) return undefined;
  const told = Object.entries(value).flatMap(([name, each]) => {
    const codes = /errorCode$/i.test(name) ? errorName(each as number) : codesIn(each);
    return codes === undefined ? [] : [[name, codes]];
  });
  return told.length === 0 ? undefined : Object.fromEntries(told);
}

function isInternal(value: { readonly name?: unknown }): boolean {
  return typeof value.name === "string" && value.name.startsWith("__");
}

function told(value: unknown): string {
  return JSON.stringify(codesIn(value) ?? "answered").replaceAll(/[\\"]/g, "");
}

/** @param expected by the golden file */
async function ask(address: string, bytes: Buffer, api: Api, version: number, expected?: string): Promise<string> {
  const client = await WireClient.open(address);
  const first = client.send(bytes);
  const second = client.send(putRequestHeader(apiVersionsKey, 0, 0x7654_3210, "next", false));
  const frame = await within(first, expected === undefined || expected === "waits" ? silenceMs : patienceMs);
  if (frame !== undefined && frame !== "late" && frame.readInt32BE(0) !== 0x7654_3210) await within(second, 100);
  client.close();
  if (frame === "late") return "waits";
  if (frame === undefined) return "closed";
  const correlationId = frame.readInt32BE(0);
  if (correlationId === 0x7654_3210) return "nothing";
  assert.equal(correlationId, bytes.readInt32BE(4), "it is the answer to another request");
  const read = api.response.decode(frame, version, responseHasTags(api.response, version) ? 5 : 4);
  if (read instanceof Malformed) return `malformed: ${read.reason}`;
  return told(read);
}

/** Kafka makes its topics of groups and transactions when it is first asked for a coordinator, and loads them then. */
async function makeReady(address: string): Promise<void> {
  const client = await WireClient.open(address);
  for (const keyType of [0, 1])
    await untilDone(() => client.ask(findCoordinatorRequest, findCoordinatorResponse, 3, { key: "g", keyType }));
  await untilDone(() => client.ask(deleteGroupsRequest, deleteGroupsResponse, 1, { groupsNames: ["g"] }));
  const begin = { transactionalId: "g", transactionTimeoutMs: 60_000 };
  await untilDone(() => client.ask(initProducerIdRequest, initProducerIdResponse, 2, begin));
  client.close();
}

async function untilDone(ask: () => Promise<unknown>): Promise<void> {
  while (/COORDINATOR/.test(told(await ask()))) await pause(100);
}

async function pause(ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => void setTimeout(resolve, ms));
}

/** Its id. */
async function createTopic(client: WireClient, name: string): Promise<string> {
  const topics = [{ name, numPartitions: 2, replicationFactor: 1 }];
  await client.ask(createTopicsRequest, createTopicsResponse, 5, { topics, timeoutMs: 10_000 });
  for (;;) {
    const found = await client.ask(metadataRequest, metadataResponse, 12, { topics: [{ name }] });
    const [topic] = found!.topics;
    if (topic?.errorCode === 0 && topic.partitions.every(({ errorCode }) => errorCode === 0)) return topic.topicId;
    await pause(10);
  }
}

/** A line for each. */
async function run(address: string, apis: readonly Api[], expected: ReadonlyMap<string, string>): Promise<string[]> {
  const lines: string[] = [];
  const client = await WireClient.open(address);
  for (const api of apis) {
    for (let version = api.minVersion; version <= api.maxVersion; version++) {
      // Of a version that Kafka 4.1 does not have, nothing is known.
      if (!isWriting && !expected.has(`${api.request.name} v${version} 0`)) continue;
      const topicId = await createTopic(client, topicOf(api.request, version));
      for (let index = 0; index < perVersion; index++) {
        const what = `${api.request.name} v${version} ${index}`;
        const bytes = hostileRequest(api.request, version, index, topicId);
        lines.push(`${what}: ${await ask(address, bytes, api, version, expected.get(what))}`);
        await pause(settleMs);
      }
    }
  }
  client.close();
  return lines;
}

/** By request, what Kafka made of it. */
function readGolden(): ReadonlyMap<string, string> {
  return new Map(readFileSync(golden, "utf8").split("\n").slice(0, -1).map(split));
}

function split(line: string): [what: string, made: string] {
  const at = line.indexOf(": ");
  return [line.slice(0, at), line.slice(at + 2)];
}

test(
  "senseless and mutated requests are answered, or end their connection, as with Kafka",
  { timeout: 280_000 },
  async (t) => {
    const set = { "kafka.groupInitialRebalanceDelayMs": 0, "kafka.autoCreateTopics": false };
    const listen = { kafka: "127.0.0.1:0" };
    const broker = given === undefined ? await startBroker({ memory: true, listen, set }) : undefined;
    t.after(() => broker?.stop());
    const address = given ?? `127.0.0.1:${broker!.ports["kafka"]}`;
    const apis = [...(await advertisedApis(address)).values()]
      .filter(isCompared)
      .toSorted((a, b) => a.request.key - b.request.key);
    await makeReady(address);
    if (isWriting) {
      assert.ok(given !== undefined, "it is Kafka that is asked");
      writeFileSync(golden, `${(await run(address, apis, new Map())).join("\n")}\n`);
      return;
    }
    const expected = readGolden();
    const lines = await run(address, apis, expected);
    assert.equal(lines.length, expected.size);
    const met = new Map(differences.map(({ why }) => [why, 0]));
    const wrong = lines.flatMap((line) => {
      const [what, ours] = split(line);
      const kafka = expected.get(what)!;
      if (ours === kafka) return [];
      const difference = differences.find(({ isSo }) => isSo(what, kafka, ours));
      if (difference === undefined) return [{ what, ours, kafka }];
      met.set(difference.why, met.get(difference.why)! + 1);
      return [];
    });
    t.diagnostic(
      `${lines.length} requests; differences: ${[...met].map(([why, count]) => `${count}, since ${why}`).join("; ")}`,
    );
    assert.deepEqual(wrong, []);
    if (given === undefined) for (const [why, count] of met) assert.ok(count > 0, `it is no longer so: ${why}`);
  },
);
