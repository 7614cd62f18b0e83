/**
 * Requests of every API in every version that are well-formed and mean nothing good: names that exist and names that do not,
 * numbers at their ends, ids of others; and of those that wait, some that have reason to. And the same with bytes changed, cut out and put in. Each is answered in the form of
 * its version, or the connection is closed, as Kafka does it (kafka-verdict.ts): there is no silence, but where something is to
 * be waited for. Those who wait stay while others go on, and then vanish: what the broker had for them is gone soon after, the
 * sockets and the members of groups. A producer beside them notices nothing, and a restart finds all in order.
 *
 * HOSTILE_REQUESTS says how many for each version, HOSTILE_SEED repeats them.
 */

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { seededRandom } from "../../src/base/random.ts";
import { putRequestHeader } from "../../src/protocols/kafka/codec/headers.ts";
import {
  describeGroupsRequest,
  describeGroupsResponse,
  listGroupsRequest,
  listGroupsResponse,
} from "../../src/protocols/kafka/codec/messages/group-administration.ts";
import { valuesOf, type Preferred } from "../conformance/kafka/values.ts";
import { residentBytes, spawnBroker } from "../interop/broker.ts";
import { patient, senseless } from "./kafka-values.ts";
import { advertisedApis, holdTo, soonForgotten, verdictOn } from "./kafka-verdict.ts";
import { KafkaWaiter } from "./kafka-waiter.ts";
import { KafkaWitness } from "./kafka-witness.ts";
import { mutated } from "./mutated.ts";

const perVersion = Number(process.env["HOSTILE_REQUESTS"] ?? 8);
const seed = Number(process.env["HOSTILE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const mebibyte = 1024 * 1024;
/** At once. */
const waitersMax = 300;
/** Sessions end, and the groups that wait for those who had them. */
const forgottenWithinMs = 60_000;

/** Undefined where the system does not say. */
function socketCount(pid: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  const files = readdirSync(`/proc/${pid}/fd`).map((name) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${name}`);
    } catch {
      // It is closed by now.
      return "";
    }
  });
  return files.filter((file) => file.startsWith("socket:")).length;
}

/** Nobody but the witness is there, and nobody is a member of a group. */
async function assertForgotten(pid: number, { client }: KafkaWitness, sockets: number | undefined): Promise<void> {
  const untilMs = performance.now() + forgottenWithinMs;
  for (;;) {
    const listed = await client.ask(listGroupsRequest, listGroupsResponse, 4, {});
    const groups = listed!.groups.map(({ groupId }) => groupId);
    const described = await client.ask(describeGroupsRequest, describeGroupsResponse, 5, { groups });
    const inhabited = described!.groups.filter(({ members }) => members.length > 0);
    const open = socketCount(pid);
    if (inhabited.length === 0 && open === sockets) return;
    const what = `${open} sockets of ${sockets}, members of ${inhabited.map(({ groupId }) => groupId).join()}`;
    assert.ok(performance.now() < untilMs, `those who vanished are not forgotten: ${what}`);
    await new Promise((resolve) => void setTimeout(resolve, 200));
  }
}

test(`senseless requests of every API and version (HOSTILE_SEED=${seed})`, { timeout: 280_000 }, async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), "entrepot-hostile-kafka-"));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const start = () => spawnBroker({ dataDir, listen: { kafka: "127.0.0.1:0" }, set: soonForgotten });
  let broker = await start();
  t.after(() => broker.kill("SIGKILL"));
  const address = broker.addresses["kafka"]!;
  const witness = await KafkaWitness.open(address);
  const topicId = await witness.create("orders");
  const quiet = { name: "quiet", id: await witness.create("quiet") };
  const apis = await advertisedApis(address);
  assert.ok(apis.size > 25);
  const residentBefore = residentBytes(broker.pid);
  const socketsBefore = socketCount(broker.pid);

  const random = seededRandom(seed);
  const counts = { answer: 0, unsupported: 0, closed: 0, nothing: 0, wait: 0 };
  const waiters: KafkaWaiter[] = [];
  const left = new Map<string, number>();
  const leave = async (waiter: KafkaWaiter): Promise<void> => {
    const which = `${waiter.verdict.response.name} ${await waiter.leave(witness.client)}`;
    left.set(which, (left.get(which) ?? 0) + 1);
  };
  for (const { request, minVersion, maxVersion } of apis.values()) {
    for (let version = minVersion; version <= maxVersion; version++) {
      const header = putRequestHeader(request.key, version, 5, "hostile", request.isFlexible(version));
      const sample = (preferred: Preferred) =>
        fc.sample(valuesOf(request.fields, version, preferred), { seed, numRuns: perVersion });
      const mayWait = request.name === "FetchRequest" || request.name === "JoinGroupRequest";
      const values = [...sample(senseless(topicId)), ...(mayWait ? sample(patient(quiet)) : [])];
      for (const [index, value] of values.entries()) {
        const whole = Buffer.concat([header, request.encode(version, value)]);
        const bytes = index % 2 === 0 ? whole : mutated(whole, random);
        const verdict = verdictOn(bytes, apis);
        counts[verdict.kind]++;
        const name = `${request.name} v${version}`;
        if (verdict.kind !== "wait") await holdTo(verdict, address, bytes, name);
        else waiters.push(await KafkaWaiter.open(verdict, address, bytes, name));
        if (waiters.length > waitersMax) await leave(waiters.shift()!);
      }
      await witness.produce(`${request.name} v${version}`);
    }
  }
  await witness.produce(`${waiters.length} had begun to wait`);
  for (const waiter of waiters) await leave(waiter);
  await assertForgotten(broker.pid, witness, socketsBefore);
  t.diagnostic(
    JSON.stringify({ ...counts, ...Object.fromEntries(left), witnessWaitedMs: Math.round(witness.longestMs) }),
  );
  for (const api of ["Fetch", "JoinGroup"])
    assert.ok(
      [...left.keys()].some((which) => which.startsWith(api)),
      `no ${api} may have had to wait`,
    );
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
