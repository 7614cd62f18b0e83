/**
 * Conversations of requests that follow each other without a pause, one of every API, with bytes flipped, cut, doubled and put
 * in, sizes among them. What is due then follows from the bytes (kafka-verdict.ts): the answers to all that can be read, in
 * order, up to the first that cannot, where the connection ends; or up to a request that has not come to its end, whose rest
 * is waited for. A producer beside them notices nothing, and a restart finds all in order.
 *
 * HOSTILE_MUTATIONS says how many, HOSTILE_SEED repeats them.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { once } from "node:events";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { seededRandom, type Random } from "../../src/base/random.ts";
import { SizedFraming, sizeBytes } from "../../src/protocols/kafka/codec/framing.ts";
import { putRequestHeader } from "../../src/protocols/kafka/codec/headers.ts";
import { FrameReader } from "../../src/wire/frame-reader.ts";
import { valuesOf } from "../conformance/kafka/values.ts";
import { spawnBroker } from "../interop/broker.ts";
import { senseless } from "./kafka-values.ts";
import { advertisedApis, checkAnswer, soonForgotten, verdictOn, type Answered, type Api } from "./kafka-verdict.ts";
import { KafkaWitness, within } from "./kafka-witness.ts";
import { mutated } from "./mutated.ts";

const mutations = Number(process.env["HOSTILE_MUTATIONS"] ?? 300);
const seed = Number(process.env["HOSTILE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const atOnce = 10;
const patienceMs = 20_000;
const requestBytesMax = 104_857_600;

type Apis = ReadonlyMap<number, Api>;

function isLogin({ request }: Api): boolean {
  return request.name.startsWith("Sasl");
}

/** One of every API, in any order and any of its versions; all of them are answered, and at once. */
function conversation(apis: Apis, topicId: string, random: Random): Buffer {
  const requests = [...apis.values()].filter((api) => !isLogin(api)).map((api) => ({ api, at: random.next() }));
  const parts: Buffer[] = [];
  for (const { api } of requests.toSorted((a, b) => a.at - b.at)) {
    const { request, minVersion, maxVersion } = api;
    const version = minVersion + Math.floor(random.next() * (maxVersion - minVersion + 1));
    const header = putRequestHeader(request.key, version, parts.length, "mutant", request.isFlexible(version));
    const drawn = { seed: Math.floor(random.next() * 2 ** 31), numRuns: 1 };
    const [value] = fc.sample(valuesOf(request.fields, version, senseless(topicId)), drawn);
    const bytes = Buffer.concat([header, request.encode(version, value)]);
    if (verdictOn(bytes, apis).kind !== "answer") continue;
    const size = Buffer.alloc(sizeBytes);
    size.writeInt32BE(bytes.length);
    parts.push(size, bytes);
  }
  return Buffer.concat(parts);
}

interface Due {
  readonly answers: readonly Answered[];
  /** Of these at least some have come when the connection is closed: others were not durable yet. */
  readonly least: number;
  readonly end: "closed" | "open" | "unknown";
}

/** What follows from the bytes. */
function dueFor(bytes: Buffer, apis: Apis): Due {
  const answers: Answered[] = [];
  let least = 0;
  for (let at = 0; ;) {
    if (at + sizeBytes > bytes.length) return { answers, least, end: "open" };
    const size = bytes.readInt32BE(at);
    if (size < 0 || size > requestBytesMax) return { answers, least, end: "closed" };
    const from = at + sizeBytes;
    if (from + size > bytes.length) return { answers, least, end: "open" };
    at = from + size;
    const verdict = verdictOn(bytes.subarray(from, at), apis);
    if (verdict.kind === "closed") return { answers, least, end: "closed" };
    // What follows depends on what was taken, on time, or on a login.
    if (verdict.kind === "nothing" || verdict.kind === "wait") return { answers, least, end: "unknown" };
    answers.push(verdict);
    const { name } = verdict.response;
    if (name.startsWith("Sasl")) return { answers, least, end: "unknown" };
    // Behind any other request nothing is handled before it is answered.
    if (name !== "ProduceResponse" && name !== "FetchResponse") least = answers.length;
  }
}

async function converse(address: string, bytes: Buffer, due: Due, random: Random): Promise<void> {
  const [host, port] = address.split(":") as [string, string];
  const socket = connect(Number(port), host);
  const reader = new FrameReader(new SizedFraming(requestBytesMax));
  const enough = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  let count = 0;
  socket.on("error", () => socket.destroy());
  socket.on("close", () => closed.resolve());
  socket.on("data", (chunk: Buffer) => {
    reader.push(chunk);
    while (reader.next()) {
      const answer = due.answers[count++];
      try {
        if (answer !== undefined) checkAnswer(reader.buffer.subarray(reader.start + sizeBytes, reader.end), answer);
        else assert.equal(due.end, "unknown", "nothing more was to be answered");
      } catch (error) {
        enough.reject(error);
        closed.reject(error);
      }
      if (count === due.answers.length) enough.resolve();
    }
  });
  for (const { promise } of [enough, closed]) promise.catch(() => undefined);
  await once(socket, "connect");
  for (let at = 0; at < bytes.length && !socket.destroyed;) {
    const length = 1 + Math.floor(random.next() * 2000);
    socket.write(bytes.subarray(at, at + length));
    at += length;
    if (random.next() < 0.3) await new Promise(setImmediate);
  }
  if (due.end === "closed") {
    assert.notEqual(await within(closed.promise, patienceMs), "late", "the connection is not closed");
    assert.ok(count >= due.least, `${count} of ${due.least} answers came`);
  } else if (due.answers.length > 0) {
    const came = await within(Promise.race([enough.promise, closed.promise]), patienceMs);
    assert.notEqual(came, "late", `${count} of ${due.answers.length} answers came`);
    if (due.end === "open") assert.equal(socket.destroyed, false, "the connection is closed");
  }
  socket.destroy();
}

test(`${mutations} mutated conversations of Kafka's (HOSTILE_SEED=${seed})`, { timeout: 280_000 }, async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), "entrepot-hostile-kafka-"));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const start = () => spawnBroker({ dataDir, listen: { kafka: "127.0.0.1:0" }, set: soonForgotten });
  let broker = await start();
  t.after(() => broker.kill("SIGKILL"));
  const address = broker.addresses["kafka"]!;
  const witness = await KafkaWitness.open(address);
  const topicId = await witness.create("orders");
  const apis = await advertisedApis(address);
  const counts = { closed: 0, open: 0, unknown: 0, answers: 0 };
  for (let done = 0; done < mutations; done += atOnce) {
    const some = Array.from({ length: atOnce }, async (_, index) => {
      const random = seededRandom(seed + done + index);
      const bytes = mutated(conversation(apis, topicId, random), random);
      const due = dueFor(bytes, apis);
      counts[due.end]++;
      counts.answers += due.answers.length;
      await converse(address, bytes, due, random).catch((error: Error) => {
        throw new Error(`${error.message}: ${bytes.toString("hex")}`, { cause: error });
      });
    });
    await Promise.all(some);
    await witness.produce(`${done + atOnce} conversations`);
  }
  t.diagnostic(JSON.stringify({ ...counts, witnessWaitedMs: Math.round(witness.longestMs) }));
  assert.ok(counts.closed > 0 && counts.open > 0, "some have to end, and some not");
  witness.client.close();
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());

  broker = await start();
  const again = await KafkaWitness.open(broker.addresses["kafka"]!, witness.topic, witness.produced);
  await again.produce("restart");
  again.client.close();
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());
});
