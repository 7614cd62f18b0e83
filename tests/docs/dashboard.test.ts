/**
 * The Grafana dashboard, Prometheus's rules and docs/monitoring.md speak of metrics that a broker has, and the dashboard is
 * one that Grafana can lay out: each panel has its place, each variable is declared.
 */

import { before, test } from "node:test";
import * as check from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Kafka, logLevel } from "kafkajs";
import { parse } from "yaml";
import { startBroker } from "../../src/start-broker.ts";

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly datasource: { uid: string } }[];
}

interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}

const root = new URL("../../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");
const dashboard = JSON.parse(read("deploy/grafana/entrepot.json")) as Dashboard;
const targets = dashboard.panels.flatMap((panel) => panel.targets ?? []);
const summaryPage = new Set<string>();
const everyPage = new Set<string>();

before(async () => {
  const broker = await startBroker({
    memory: true,
    listen: { http: 0, kafka: 0 },
    set: { alerts: '{"rules":[{"name":"one","metric":"depth","above":1}]}' },
  });
  try {
    // Kafka's are there from its first request on.
    const admin = new Kafka({ brokers: [`127.0.0.1:${broker.ports["kafka"]}`], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    await admin.disconnect();
    for (const page of ["/metrics", "/metrics/per-object", "/metrics/memory-breakdown"]) {
      const text = await (await fetch(`http://127.0.0.1:${broker.ports["http"]}${page}`)).text();
      for (const [, name] of text.matchAll(/^# TYPE (\w+)/gm)) {
        everyPage.add(name!);
        if (page === "/metrics") summaryPage.add(name!);
      }
    }
  } finally {
    await broker.stop();
  }
});

/** Names of metrics in an expression; what histograms are made of is named as the histogram. */
function metricsOf(expression: string): string[] {
  const found = expression.match(/\b(?:rabbitmq|entrepot|kafka)_\w+/g) ?? [];
  return found.map((name) => name.replace(/_(?:bucket|sum|count)$/, ""));
}

/** @param expression asks one of the two pages that deploy/prometheus.yml scrapes, by their jobs */
function missingIn(expression: string): string[] {
  const page = expression.includes('job="entrepot-objects"') ? everyPage : summaryPage;
  return metricsOf(expression).filter((name) => !page.has(name));
}

test("every metric of the dashboard is on the page that it asks", () => {
  check.ok(targets.length > 40);
  for (const { expr } of targets) {
    check.deepEqual(missingIn(expr), [], expr);
    check.match(expr, /job="entrepot(?:-objects)?"/, "an expression says which of the two pages it wants");
  }
  for (const { definition } of dashboard.templating.list) check.deepEqual(missingIn(definition ?? ""), []);
});

test("the dashboard shows both protocols: lag of groups, and messages over AMQP", () => {
  const shown = new Set(targets.flatMap(({ expr }) => metricsOf(expr)));
  for (const name of [
    "kafka_consumergroup_lag",
    "entrepot_kafka_requests_total",
    "rabbitmq_global_messages_received_total",
    "entrepot_queue_oldest_message_age_seconds",
    "entrepot_commit_duration_seconds",
  ]) {
    check.ok(shown.has(name), name);
  }
});

test("the dashboard can be laid out: ids, places, variables", () => {
  check.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
  const taken = new Map<string, string>();
  for (const { title, type, gridPos, targets: own = [], datasource } of dashboard.panels) {
    const { x, y, w, h } = gridPos;
    check.ok(x >= 0 && x + w <= 24 && h > 0, title);
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        check.equal(taken.get(`${column} ${line}`), undefined, `${title} lies over another one`);
        taken.set(`${column} ${line}`, title);
      }
    }
    if (type === "row") continue;
    check.equal(datasource?.uid, "${datasource}", title);
    check.ok(own.length > 0, title);
    check.equal(new Set(own.map(({ refId }) => refId)).size, own.length, title);
  }
  const declared = new Set(dashboard.templating.list.map(({ name }) => `$${name}`));
  for (const { expr } of targets) {
    for (const [variable] of expr.matchAll(/\$\w+/g))
      check.ok(variable === "$__rate_interval" || declared.has(variable));
  }
});

test("every metric of Prometheus's alert rules is on the page that the rule asks", () => {
  const { groups } = parse(read("deploy/alerts.rules.yml")) as {
    groups: { rules: { alert: string; expr: string; annotations: { summary: string } }[] }[];
  };
  const rules = groups.flatMap((group) => group.rules);
  check.ok(rules.length > 5);
  for (const { alert, expr, annotations } of rules) {
    check.deepEqual(missingIn(expr), [], alert);
    check.notEqual(annotations.summary, "");
  }
});

test("every metric that docs/monitoring.md names in full is there", () => {
  const names = [...read("docs/monitoring.md").matchAll(/`((?:rabbitmq|entrepot|kafka)_\w+[a-z])(?:\{[^`]*)?`/g)].map(
    ([, name]) => name!,
  );
  check.ok(names.length > 10);
  check.deepEqual(
    names.filter((name) => !everyPage.has(name)),
    [],
  );
});

test("what compose.yaml mounts is there, and the paths fit", () => {
  const { services } = parse(read("deploy/compose.yaml")) as {
    services: Record<string, { volumes: string[]; environment?: Record<string, string> }>;
  };
  for (const mount of Object.values(services).flatMap(({ volumes }) => volumes)) {
    const [from = ""] = mount.split(":");
    if (from.startsWith("./")) check.ok(read(`deploy/${from.slice(2)}`).length > 0, from);
  }
  const provider = parse(read("deploy/grafana/provider.yaml")) as { providers: { options: { path: string } }[] };
  const folder = provider.providers[0]!.options.path;
  check.ok(services["grafana"]!.volumes.some((mount) => mount.split(":")[1]!.startsWith(folder)));
});
