/**
 * Requests of every API in every version that are well-formed and mean nothing good: names that exist and names that do not,
 * numbers at their ends, ids of others. And the same with bytes changed, cut out and put in. Each is answered in the form of
 * its version, or the connection is closed, as Kafka does it (kafka-verdict.ts): there is no silence. A producer beside them
 * notices nothing, and a restart finds all in order.
 *
 * HOSTILE_REQUESTS says how many for each version, HOSTILE_SEED repeats them.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { seededRandom } from "../../src/base/random.ts";
import { putRequestHeader } from "../../src/protocols/kafka/codec/headers.ts";
import { valuesOf } from "../conformance/kafka/values.ts";
import { residentBytes, spawnBroker } from "../interop/broker.ts";
import { senseless } from "./kafka-values.ts";
import { advertisedApis, holdTo, verdictOn } from "./kafka-verdict.ts";
import { KafkaWitness } from "./kafka-witness.ts";
import { mutated } from "./mutated.ts";

const perVersion = Number(process.env["HOSTILE_REQUESTS"] ?? 8);
const seed = Number(process.env["HOSTILE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const mebibyte = 1024 * 1024;

test(`senseless requests of every API and version (HOSTILE_SEED=${seed})`, { timeout: 280_000 }, async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), "entrepot-hostile-kafka-"));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const start = () => spawnBroker({ dataDir, listen: { kafka: "127.0.0.1:0" } });
  let broker = await start();
  t.after(() => broker.kill("SIGKILL"));
  const address = broker.addresses["kafka"]!;
  const witness = await KafkaWitness.open(address);
  const topicId = await witness.create("orders");
  const apis = await advertisedApis(address);
  assert.ok(apis.size > 25);
  const residentBefore = residentBytes(broker.pid);

  const random = seededRandom(seed);
  const counts = { answer: 0, unsupported: 0, closed: 0, nothing: 0, wait: 0 };
  for (const { request, minVersion, maxVersion } of apis.values()) {
    for (let version = minVersion; version <= maxVersion; version++) {
      const header = putRequestHeader(request.key, version, 5, "hostile", request.isFlexible(version));
      const values = fc.sample(valuesOf(request.fields, version, senseless(topicId)), { seed, numRuns: perVersion });
      for (const [index, value] of values.entries()) {
        const whole = Buffer.concat([header, request.encode(version, value)]);
        const bytes = index % 2 === 0 ? whole : mutated(whole, random);
        const verdict = verdictOn(bytes, apis);
        counts[verdict.kind]++;
        await holdTo(verdict, address, bytes, `${request.name} v${version}`);
      }
      await witness.produce(`${request.name} v${version}`);
    }
  }
  t.diagnostic(JSON.stringify({ ...counts, witnessWaitedMs: Math.round(witness.longestMs) }));
  assert.ok(counts.answer > counts.wait && counts.closed > 0, "most of them have to be answered at once, and some not");
  const growth = (residentBytes(broker.pid) ?? 0) - (residentBefore ?? 0);
  assert.ok(growth < 200 * mebibyte, `resident memory grew by ${growth / mebibyte} MiB`);
  witness.client.close();
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());
  assert.ok(!/assertion|internal error|unexpected/i.test(broker.log()), broker.log().slice(-4000));

  broker = await start();
  const again = await KafkaWitness.open(broker.addresses["kafka"]!, witness.topic, witness.produced);
  await again.produce("restart");
  again.client.close();
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());
});
