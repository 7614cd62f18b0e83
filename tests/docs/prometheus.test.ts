/**
 * A Prometheus scrapes a broker as deploy/prometheus.yml says: it has an answer to each query of the Grafana dashboard, values for
 * each of its variables, and evaluates each of the alert rules.
 */

import { test, type TestContext } from "node:test";
import * as check from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { connect } from "amqplib";
import { Kafka, logLevel } from "kafkajs";
import { startBroker, type RunningBroker } from "../../src/start-broker.ts";
import { prepared, run } from "../interop/client-suite.ts";

const deploy = fileURLToPath(new URL("../../deploy", import.meta.url));
const answersWithinMs = 60_000;

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Something of all that the dashboard shows, again and again: what is told by the second wants more than one. Answers its end. */
async function keepBusy(broker: RunningBroker): Promise<() => Promise<void>> {
  const connection = await connect(`amqp://${broker.addresses["amqp"]}`);
  const channel = await connection.createConfirmChannel();
  for (const queue of ["work", "idle"]) await channel.assertQueue(queue);
  await channel.prefetch(5);
  await channel.consume("work", (message) => {
    // The last ones stay unacknowledged.
    if (message !== null && message.fields.deliveryTag > 3) channel.ack(message);
  });
  const brokers = [broker.addresses["kafka"]!];
  const kafka = new Kafka({ clientId: "busy", brokers, logLevel: logLevel.NOTHING });
  const [producer, consumer] = [kafka.producer(), kafka.consumer({ groupId: "readers", maxWaitTimeInMs: 100 })];
  await producer.connect();
  await producer.send({ topic: "events", messages: [{ value: "1" }] });
  await consumer.connect();
  await consumer.subscribe({ topic: "events", fromBeginning: true });
  await consumer.run({ autoCommitThreshold: 1, eachMessage: () => Promise.resolve() });
  const state = { isOver: false };
  const body = Buffer.alloc(50_000);
  const working = (async () => {
    while (!state.isOver) {
      for (const queue of ["work", "idle"]) channel.sendToQueue(queue, body, { persistent: true });
      await channel.waitForConfirms();
      await producer.send({ topic: "events", messages: [{ value: "more" }] });
      await setTimeout(100);
    }
  })();
  return async () => {
    state.isOver = true;
    await working;
    await Promise.all([producer.disconnect(), consumer.disconnect(), connection.close()]);
  };
}

/** Answers the address of its API. */
async function startPrometheus(context: TestContext, target: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "entrepot-prometheus-"));
  const config = readFileSync(join(deploy, "prometheus.yml"), "utf8")
    .replaceAll("entrepot:15692", target)
    .replaceAll(/scrape_interval: \d+s/g, "scrape_interval: 1s")
    .replace(/^global:$/m, "$&\n  evaluation_interval: 1s")
    .replace("alerts.rules.yml", join(deploy, "alerts.rules.yml"));
  const path = join(folder, "prometheus.yml");
  writeFileSync(path, config);
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    "prometheus",
    [`--config.file=${path}`, `--storage.tsdb.path=${join(folder, "data")}`, `--web.listen-address=${address}`],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log = (log + text).slice(-2000)));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  context.after(async () => {
    child.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true });
  });
  const untilMs = performance.now() + answersWithinMs;
  while (!(await fetch(`http://${address}/-/ready`).catch(() => undefined))?.ok) {
    check.ok(performance.now() < untilMs && child.exitCode === null, log);
    await setTimeout(100);
  }
  return `http://${address}/api/v1`;
}

async function asked<T>(api: string, path: string, parameters: Readonly<Record<string, string>> = {}): Promise<T> {
  const response = await fetch(`${api}/${path}?${new URLSearchParams(parameters).toString()}`);
  const { status, data, error } = (await response.json()) as { status: string; data: T; error?: string };
  check.equal(status, "success", `${path} ${JSON.stringify(parameters)}: ${error}`);
  return data;
}

test("Prometheus takes deploy's configuration and rules", async (context) => {
  const found = await prepared("prometheus", whereThereIs);
  if ("missing" in found) return context.skip(found.missing);
  for (const [what, file] of [
    ["config", "prometheus.yml"],
    ["rules", "alerts.rules.yml"],
  ] as const) {
    const { status, output, errors } = await run("promtool", ["check", what, join(deploy, file)]);
    check.equal(status, 0, `${output}${errors}`);
  }
});

test("Prometheus has an answer to each query of the dashboard, and evaluates each alert", async (context) => {
  const found = await prepared("prometheus", whereThereIs);
  if ("missing" in found) return context.skip(found.missing);
  const data = mkdtempSync(join(tmpdir(), "entrepot-scraped-"));
  const broker = await startBroker({
    data,
    listen: { amqp: 0, kafka: 0, http: 0 },
    set: { "journal.checkpointBytes": "1MiB", "kafka.groupInitialRebalanceDelayMs": 0 },
  });
  const busy = keepBusy(broker);
  context.after(async () => {
    await (
      await busy.catch(() => undefined)
    )?.();
    await broker.stop();
    rmSync(data, { recursive: true });
  });
  await busy;
  const api = await startPrometheus(context, broker.addresses["http"]!);
  const { panels, templating } = JSON.parse(readFileSync(join(deploy, "grafana/entrepot.json"), "utf8")) as Dashboard;
  const labels = templating.list.flatMap(({ name, definition }) => {
    const [, match, label] = /^label_values\((.+), (\w+)\)$/.exec(definition ?? "") ?? [];
    return match === undefined ? [] : [{ name, label: label!, match: match.replaceAll(/\$\w+/g, ".*") }];
  });
  check.equal(labels.length, templating.list.length - 1, "but for the data source, each variable is of a label");
  const expressions = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));
  const untilMs = performance.now() + answersWithinMs;
  for (let without: string[] = ["all"]; without.length > 0;) {
    check.ok(performance.now() < untilMs, `no answer to ${without.join("\n")}`);
    await setTimeout(500);
    without = [];
    for (const { title, expr } of expressions) {
      const query = expr.replaceAll("$__rate_interval", "30s").replaceAll(/\$\w+/g, ".*");
      const { result } = await asked<{ result: readonly unknown[] }>(api, "query", { query });
      if (result.length === 0) without.push(`${title}: ${query}`);
    }
    for (const { name, label, match } of labels) {
      const values = await asked<readonly string[]>(api, `label/${label}/values`, { "match[]": match });
      if (values.length === 0) without.push(`$${name}`);
    }
  }
  interface Rule {
    readonly name: string;
    readonly health: string;
    readonly lastError?: string;
  }
  let rules: Rule[] = [];
  do {
    check.ok(performance.now() < untilMs, `not evaluated: ${JSON.stringify(rules)}`);
    await setTimeout(200);
    rules = (await asked<{ groups: readonly { rules: Rule[] }[] }>(api, "rules")).groups.flatMap(
      (group) => group.rules,
    );
  } while (rules.some(({ health }) => health === "unknown"));
  check.ok(rules.length > 5);
  for (const { name, health, lastError } of rules) check.equal(health, "ok", `${name}: ${lastError}`);
});

async function whereThereIs() {
  const found = await Promise.all(["prometheus", "promtool"].map((program) => run(program, ["--version"])));
  return found.every(({ status }) => status === 0)
    ? { command: "prometheus", args: [] }
    : { missing: "there is no Prometheus on this machine" };
}
