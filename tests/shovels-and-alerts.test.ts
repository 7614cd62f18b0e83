/**
 * Shovels over the management API of a running broker: set, seen, kept across a restart, deleted. Alerts: shown there, and sent
 * to a receiver.
 */

import { test } from "node:test";
import * as check from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startBroker, type RunningBroker } from "../src/start-broker.ts";

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly value: unknown;
}

async function ask(
  broker: RunningBroker,
  method: string,
  path: string,
  body?: unknown,
  login = "guest:guest",
): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${broker.ports["http"]}/api${path}`, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(login).toString("base64")}`,
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    text,
    value: text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : text,
  };
}

async function until<T>(look: () => Promise<T>, isSo: (seen: T) => boolean): Promise<T> {
  for (let turn = 0; ; turn++) {
    const seen = await look();
    if (isSo(seen)) return seen;
    if (turn > 2000) throw new Error(`waited in vain; the last was ${JSON.stringify(seen)}`);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

const parameter = "/parameters/shovel/%2F/mover";
const value = { "src-uri": "amqp://", "src-queue": "a", "dest-uri": "amqp://guest:guest@", "dest-queue": "b" };

function states(broker: RunningBroker): Promise<unknown[]> {
  return ask(broker, "GET", "/shovels").then(({ value: list }) =>
    (list as { state: string }[]).map(({ state }) => state),
  );
}

test("a dynamic shovel is set, shown without its password, kept across a restart, restarted and deleted", async (context) => {
  const data = mkdtempSync(join(tmpdir(), "entrepot-shovel-"));
  let broker = await startBroker({ data, listen: { http: 0 } });
  context.after(async () => {
    await broker.stop();
    rmSync(data, { recursive: true });
  });
  check.equal((await ask(broker, "PUT", parameter, { value })).status, 201);
  const isRunning = (seen: unknown[]): boolean => seen[0] === "running";
  await until(() => states(broker), isRunning);
  const { value: list } = await ask(broker, "GET", "/shovels/%2F");
  const [{ timestamp, node, ...shown }] = list as [Record<string, unknown>];
  check.match(String(timestamp), /^\d{4}-\d\d-\d\d \d\d?:\d\d:\d\d$/);
  check.match(String(node), /^entrepot@/);
  check.deepEqual(shown, {
    name: "mover",
    vhost: "/",
    type: "dynamic",
    remaining: "unlimited",
    remaining_unacked: "unlimited",
    pending: 0,
    forwarded: 0,
    state: "running",
    src_uri: "amqp://",
    src_protocol: "amqp091",
    dest_protocol: "amqp091",
    dest_uri: "amqp://",
    src_queue: "a",
    dest_queue: "b",
    blocked_status: "running",
  });
  check.deepEqual((await ask(broker, "GET", "/shovels/vhost/%2F/mover")).value, list);

  await broker.stop();
  broker = await startBroker({ data, listen: { http: 0 } });
  await until(() => states(broker), isRunning);
  check.equal((await ask(broker, "DELETE", "/shovels/vhost/%2F/mover/restart")).status, 204);
  await until(() => states(broker), isRunning);
  check.equal((await ask(broker, "DELETE", "/shovels/vhost/%2F/mover")).status, 204);
  check.deepEqual(await states(broker), []);
  check.equal((await ask(broker, "GET", parameter)).status, 404);
  for (const path of ["/mover", "/mover/restart"]) {
    check.equal((await ask(broker, "DELETE", `/shovels/vhost/%2F${path}`)).status, 404);
  }
  check.equal((await ask(broker, "GET", "/shovels/none")).status, 404);
});

test("a wrong definition is refused with RabbitMQ's text", async (context) => {
  const broker = await startBroker({ memory: true, listen: { http: 0 } });
  context.after(() => broker.stop());
  const { "src-queue": _, ...noQueue } = value;
  const refused = await ask(broker, "PUT", parameter, { value: noQueue });
  check.equal(refused.status, 400);
  check.deepEqual(refused.value, {
    error: "bad_request",
    reason: "Validation failed\n\nMust specify 'src-exchange' or 'src-queue'\n",
  });
});

test("tags and virtual hosts decide who sees and sets shovels", async (context) => {
  const broker = await startBroker({
    memory: true,
    listen: { http: 0 },
    set: { shovels: JSON.stringify({ fixed: value }) },
  });
  context.after(() => broker.stop());
  await ask(broker, "PUT", "/vhosts/mine", {});
  for (const [name, tags] of [
    ["maker", "policymaker"],
    ["watcher", "monitoring"],
  ]) {
    await ask(broker, "PUT", `/users/${name}`, { password: "p", tags });
    await ask(broker, "PUT", `/permissions/mine/${name}`, { configure: ".*", write: ".*", read: ".*" });
  }
  const as = (login: string) => (method: string, path: string, body?: unknown) =>
    ask(broker, method, path, body, `${login}:p`);
  const [maker, watcher] = [as("maker"), as("watcher")];
  const names = async (answer: Promise<Answer>): Promise<unknown> =>
    ((await answer).value as { name: string }[]).map(({ name }) => name);

  const elsewhere = await maker("PUT", "/parameters/shovel/mine/mover", { value });
  check.match(elsewhere.text, /user \\"maker\\" may not connect to vhost \\"\/\\"/);
  const own = { ...value, "src-uri": "amqp:///mine", "dest-uri": "amqp:///mine" };
  check.equal((await maker("PUT", "/parameters/shovel/mine/mover", { value: own })).status, 201);
  check.equal((await maker("PUT", parameter, { value: own })).status, 401);
  check.equal((await maker("GET", "/shovels")).status, 401);
  check.deepEqual(await names(watcher("GET", "/shovels")), ["mover"]);
  check.equal((await watcher("DELETE", "/shovels/vhost/mine/mover")).status, 401);
  check.deepEqual(await names(ask(broker, "GET", "/shovels")), ["fixed", "mover"]);
});

test("alerts are shown to who may see their queue", async (context) => {
  const rules = [
    { name: "any", metric: "depth", below: 1, for: "1h" },
    { name: "memory", metric: "memory", above: 1 },
  ];
  const broker = await startBroker({
    memory: true,
    listen: { http: 0 },
    clock: "virtual",
    set: { alerts: JSON.stringify({ rules }) },
  });
  context.after(() => broker.stop());
  await ask(broker, "PUT", "/vhosts/mine", {});
  await ask(broker, "PUT", "/queues/mine/q", {});
  await ask(broker, "PUT", "/queues/%2F/p", {});
  await ask(broker, "PUT", "/users/u", { password: "p", tags: "management" });
  await ask(broker, "PUT", "/permissions/mine/u", { configure: "", write: "", read: "" });
  await broker.advance("5s");
  const shown = async (login: string): Promise<unknown> =>
    ((await ask(broker, "GET", "/entrepot/alerts", undefined, login)).value as Record<string, unknown>[]).map(
      ({ rule, state, queue }) => [rule, state, queue],
    );
  check.deepEqual(await shown("u:p"), [["any", "pending", "q"]]);
  check.deepEqual(await shown("guest:guest"), [
    ["any", "pending", "p"],
    ["any", "pending", "q"],
    ["memory", "firing", undefined],
  ]);
  const metrics = await fetch(`http://127.0.0.1:${broker.ports["http"]}/metrics`).then((answer) => answer.text());
  check.match(metrics, /^entrepot_alert_firing\{rule="memory",severity="warning"\} 1$/m);
  check.match(metrics, /^entrepot_alert_firing\{rule="any",severity="warning"\} 0$/m);
});

test("a configuration with wrong shovels or alerts does not start, and says what is wrong", async () => {
  const starting = startBroker({
    memory: true,
    listen: { amqp: 0 },
    set: { shovels: '{"s":{"src-queue":"a"}}', alerts: '{"rules":[{"name":"r"}]}' },
  });
  await check.rejects(starting, (error: Error & { problems?: readonly string[] }) => {
    check.match(error.message, /shovel s: Key "src-uri" not found in s/);
    check.match(error.message, /alerts\.rules\[0\]: metric is none of depth/);
    return true;
  });
});

test("a real receiver gets JSON with the headers that were given", async (context) => {
  const got = Promise.withResolvers<{ headers: Record<string, unknown>; notice: Record<string, unknown> }>();
  const receiver = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (piece: string) => (text += piece));
    request.on("end", () => {
      response.end("thanks");
      got.resolve({ headers: request.headers, notice: JSON.parse(text) as Record<string, unknown> });
    });
  });
  receiver.listen(0, "127.0.0.1");
  await once(receiver, "listening");
  const { port } = receiver.address() as AddressInfo;
  const alerts = {
    rules: [{ name: "alone", metric: "consumers", below: 1, for: "1m", targets: ["ops"], severity: "critical" }],
    webhooks: [{ name: "ops", url: `http://127.0.0.1:${port}/`, headers: { authorization: "Bearer t" } }],
  };
  const broker = await startBroker({
    memory: true,
    listen: { http: 0 },
    clock: "virtual",
    set: { alerts: JSON.stringify(alerts) },
  });
  context.after(async () => {
    await broker.stop();
    receiver.close();
  });
  await ask(broker, "PUT", "/queues/%2F/q", {});
  await broker.advance("2m");
  const { headers, notice } = await got.promise;
  check.equal(headers["authorization"], "Bearer t");
  check.equal(headers["content-type"], "application/json");
  const { startsAt, broker: id, ...rest } = notice;
  check.ok(Date.parse(String(startsAt)) > 0 && String(id).length > 0);
  check.deepEqual(rest, {
    status: "firing",
    rule: "alone",
    severity: "critical",
    metric: "consumers",
    value: 0,
    threshold: 1,
    clear: 1,
    namespace: "/",
    queue: "q",
  });
});
