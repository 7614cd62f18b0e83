/**
 * Requests of every API in every version that are well-formed and mean nothing good: names that exist and names that do not,
 * numbers at their ends, ids of others. And the same with bytes changed. Whatever comes, the broker answers in the form of
 * that version or hangs up; a producer beside it notices nothing, and a restart finds all in order.
 *
 * HOSTILE_REQUESTS says how many for each version, HOSTILE_SEED repeats them.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { Field } from "../../src/protocols/kafka/codec/fields.ts";
import { apiVersionsRequest, apiVersionsResponse } from "../../src/protocols/kafka/codec/messages/api-versions.ts";
import { metadataRequest, metadataResponse } from "../../src/protocols/kafka/codec/messages/metadata.ts";
import { produceRequest, produceResponse } from "../../src/protocols/kafka/codec/messages/produce.ts";
import { createTopicsRequest, createTopicsResponse } from "../../src/protocols/kafka/codec/messages/topics.ts";
import { putRequestHeader } from "../../src/protocols/kafka/codec/headers.ts";
import { buildBatch, type RecordModel } from "../../src/protocols/kafka/codec/record-models.suite.ts";
import { allSchemas, type AnySchema } from "../conformance/kafka/schemas.ts";
import { valuesOf } from "../conformance/kafka/values.ts";
import { WireClient } from "../conformance/kafka/wire-client.ts";
import { residentBytes, spawnBroker } from "../interop/broker.ts";

const perVersion = Number(process.env["HOSTILE_REQUESTS"] ?? 6);
const seed = Number(process.env["HOSTILE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const mebibyte = 1024 * 1024;
/** Long enough for an answer; one that waits for something else is not waited for. */
const patienceMs = 150;

const schemaByName = new Map((await allSchemas()).map((each) => [each.name, each]));

function record(offset: number): RecordModel {
  return { offset, timestampMs: 1_750_000_000_000, key: Buffer.from("k"), value: Buffer.alloc(50), headers: [] };
}

const batch = buildBatch([record(0), record(1), record(2)]);
const names = fc.constantFrom(
  "orders",
  "orders",
  "nobody",
  "",
  "a b",
  ".",
  "__consumer_offsets",
  "x".repeat(250),
  "größe",
);
const numbers = fc.constantFrom(0, 0, 1, 2, 3, -1, -2, 100, 0x7fff_ffff, -0x8000_0000);

/** Values that get further than the first check. */
function preferred(topicId: string) {
  return (name: string, field: Field): fc.Arbitrary<unknown> | undefined => {
    if (
      /^(name|topic|topicName|groupId|key|transactionalId|memberId|resourceName)$/.test(name) &&
      field.type === "string"
    ) {
      return names;
    }
    if (name === "maxWaitMs") return fc.constantFrom(0, 1, -1);
    if (field.type === "uuid") return fc.constantFrom(topicId, topicId, "0".repeat(32));
    if (field.type === "records") return fc.constantFrom(batch, batch.subarray(0, 90), Buffer.concat([batch, batch]));
    if (field.type === "int8") return fc.constantFrom(0, 1, 2, 4, -1);
    if (field.type === "int16") return fc.constantFrom(0, 1, -1, 3);
    return field.type === "int32" || field.type === "int64" ? numbers : undefined;
  };
}

test(`senseless requests of every API and version (HOSTILE_SEED=${seed})`, { timeout: 280_000 }, async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), "entrepot-hostile-kafka-"));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const start = () => spawnBroker({ dataDir, listen: { kafka: "127.0.0.1:0" } });
  let broker = await start();
  const address = broker.addresses["kafka"]!;
  const witness = await Witness.open(address);
  await witness.create("witness");
  const topicId = await witness.create("orders");
  const apis = (await witness.client.ask(apiVersionsRequest, apiVersionsResponse, 0, {}))!.apiKeys;
  assert.ok(apis.length > 25);
  const residentBefore = residentBytes(broker.pid);

  let sent = 0;
  for (const { apiKey, maxVersion } of apis) {
    const request = [...schemaByName.values()].find(({ key, name }) => key === apiKey && name.endsWith("Request"))!;
    const response = schemaByName.get(request.name.replace(/Request$/, "Response"))!;
    for (let version = request.minVersion; version <= maxVersion; version++) {
      const values = fc.sample(valuesOf(request.fields, version, preferred(topicId)), { seed, numRuns: perVersion });
      for (const [index, value] of values.entries()) {
        const body = Buffer.from(request.encode(version, value));
        // One in three is damaged on its way.
        if (index % 3 === 2 && body.length > 0) body[(index * 7919) % body.length]! ^= 1 << (index % 8);
        await ask(address, request, response, version, body);
        sent++;
      }
    }
    await witness.produce(request.name);
  }
  t.diagnostic(`${sent} requests`);
  const growth = (residentBytes(broker.pid) ?? 0) - (residentBefore ?? 0);
  assert.ok(growth < 200 * mebibyte, `resident memory grew by ${growth / mebibyte} MiB`);
  witness.client.close();
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());
  assert.ok(!/assertion|internal error|unexpected/i.test(broker.log()), broker.log().slice(-4000));

  broker = await start();
  const again = await Witness.open(broker.addresses["kafka"]!);
  again.produced = witness.produced;
  await again.produce("restart");
  again.client.close();
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());
});

/** A well-behaved producer. */
class Witness {
  readonly client: WireClient;
  produced = 0;

  static async open(address: string): Promise<Witness> {
    return new Witness(await WireClient.open(address));
  }

  constructor(client: WireClient) {
    this.client = client;
  }

  /** Its id. */
  async create(name: string): Promise<string> {
    const topics = [{ name, numPartitions: 2, replicationFactor: 1 }];
    const created = await this.client.ask(createTopicsRequest, createTopicsResponse, 5, { topics, timeoutMs: 5000 });
    assert.equal(created?.topics[0]?.errorCode, 0);
    const found = await this.client.ask(metadataRequest, metadataResponse, 12, { topics: [{ name }] });
    return found!.topics[0]!.topicId;
  }

  async produce(after: string): Promise<void> {
    const topicData = [{ name: "witness", partitionData: [{ index: 0, records: batch }] }];
    const asked = this.client.ask(produceRequest, produceResponse, 9, { acks: -1, timeoutMs: 5000, topicData });
    const answer = await within(asked, 20_000);
    assert.ok(answer !== undefined && answer !== "late", `the witness was left alone after ${after}`);
    const { errorCode, baseOffset } = answer.responses[0]!.partitionResponses[0]!;
    assert.deepEqual([errorCode, baseOffset], [0, this.produced], `after ${after}`);
    this.produced += 3;
  }
}

/** Throws if the answer is not in the form of this version. */
async function ask(
  address: string,
  request: AnySchema,
  response: AnySchema,
  version: number,
  body: Buffer,
): Promise<void> {
  const client = await WireClient.open(address);
  const header = putRequestHeader(request.key, version, 5, "hostile", request.isFlexible(version));
  const frame = await within(client.send(Buffer.concat([header, body])), patienceMs);
  if (frame !== undefined && frame !== "late") client.decode(frame, response, version);
  client.close();
}

async function within<T>(promise: Promise<T>, limitMs: number): Promise<T | "late"> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => (timer = setTimeout(() => resolve("late"), limitMs)));
  const first = await Promise.race([promise, late]);
  clearTimeout(timer);
  return first;
}
