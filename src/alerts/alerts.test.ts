import { test } from "node:test";
import * as check from "node:assert/strict";
import { ownSettings } from "../broker/catalog/named-subscriptions.ts";
import { Bottle } from "../broker/test-broker.suite.ts";
import type { LogFields, Logger } from "../observe/log.ts";
import { Alerts, type AlertNotice } from "./alerts.ts";
import { readAlerts, type AlertSettings } from "./rules.ts";
import type { Post } from "./webhook.ts";

function settings(given: unknown): AlertSettings {
  const read = readAlerts(given);
  check.ok(!Array.isArray(read), String(read));
  return read as AlertSettings;
}

interface Watch {
  readonly bottle: Bottle;
  readonly alerts: Alerts;
  readonly logged: { readonly message: string; readonly fields: LogFields }[];
  readonly figures: { memoryBytes: number };
  /** What was logged since the last time. */
  said(): string[];
}

/** A broker that is watched by rules, each second. */
async function watch(rules: readonly object[], post?: Post, webhooks: readonly object[] = []): Promise<Watch> {
  const bottle = await Bottle.open();
  const logged: Watch["logged"] = [];
  const note = (message: string, fields: LogFields = {}): void => void logged.push({ message, fields });
  const logger: Logger = { debug: note, info: note, warn: note, error: note };
  const figures = { memoryBytes: 0 };
  const alerts = new Alerts({
    settings: settings({ every: "1s", rules, webhooks }),
    broker: bottle.broker,
    logger,
    memoryBytes: () => figures.memoryBytes,
    post: post ?? (() => Promise.reject(new Error("nobody is to be told"))),
  });
  alerts.start();
  let seen = 0;
  return {
    bottle,
    alerts,
    logged,
    figures,
    said: () => {
      const fresh = logged.slice(seen);
      seen = logged.length;
      return fresh.map(({ message, fields }) => `${message} ${[fields["rule"], fields["queue"]].join(" ").trim()}`);
    },
  };
}

function publish(bottle: Bottle, queue: string, count: number): void {
  bottle.publishAll(
    queue,
    Array.from({ length: count }, (_, n) => String(n)),
  );
}

test("a rule fires when its time is up, and clears past its other threshold only", async () => {
  const { bottle, alerts, said } = await watch([
    { name: "deep", metric: "depth", queue: "^orders", above: 10, clear: 5, for: "3s" },
  ]);
  const queue = bottle.declare("orders.in");
  bottle.declare("other");
  publish(bottle, "other", 100);
  publish(bottle, "orders.in", 11);
  await bottle.advance(1000);
  check.deepEqual(
    [...alerts.open()].map(({ state }) => state),
    ["pending"],
  );
  await bottle.advance(2000);
  check.deepEqual(said(), []);
  await bottle.advance(1000);
  check.deepEqual(said(), ["an alert fires deep orders.in"]);
  check.equal(alerts.firingCount(alerts.rules[0]!), 1);
  for (let n = 0; n < 4; n++) await bottle.get("orders.in");
  await bottle.advance(2000);
  check.equal(queue.readyCount, 7);
  check.deepEqual(said(), [], "between the thresholds it stays");
  for (let n = 0; n < 2; n++) await bottle.get("orders.in");
  await bottle.advance(1000);
  check.deepEqual(said(), ["an alert is over deep orders.in"]);
  check.deepEqual([...alerts.open()], []);
});

test("a figure that comes back in time does not fire, and its time begins anew", async () => {
  const { bottle, said } = await watch([{ name: "deep", metric: "depth", above: 0, for: "2s" }]);
  bottle.declare("q");
  for (let round = 0; round < 3; round++) {
    publish(bottle, "q", 1);
    await bottle.advance(2000);
    await bottle.get("q");
    await bottle.advance(1000);
  }
  check.deepEqual(said(), []);
});

test("age, unacked, consumers and the rate of the dead are watched", async () => {
  const { bottle, said } = await watch([
    { name: "old", metric: "oldestAge", queue: "^q$", above: "5s" },
    { name: "held", metric: "unacked", above: 2 },
    { name: "alone", metric: "consumers", queue: "^q$", below: 1 },
    { name: "dying", metric: "deadLetterRate", queue: "^short$", above: 4 },
    { name: "dying too", metric: "deadLetterRate", queue: "^short$", above: 4 },
  ]);
  bottle.declare("q");
  bottle.declare("short", { ttlMs: 100 });
  publish(bottle, "q", 3);
  await bottle.advance(1000);
  check.deepEqual(said(), ["an alert fires alone q"]);
  await bottle.advance(5000);
  check.deepEqual(said(), ["an alert fires old q"]);
  const taker = bottle.consume("q");
  await bottle.settle();
  await bottle.advance(1000);
  check.deepEqual(said(), ["an alert is over old q", "an alert fires held q", "an alert is over alone q"]);
  taker.session.settle(0, true, "accept");
  publish(bottle, "short", 20);
  await bottle.advance(1000);
  check.deepEqual(said().toSorted(byText), [
    "an alert fires dying short",
    "an alert fires dying too short",
    "an alert is over held q",
  ]);
  await bottle.advance(1000);
  check.equal(said().length, 2);
});

test("what a log holds waits for nobody; what its subscription has ready does", async () => {
  const { bottle, said } = await watch([{ name: "old", metric: "oldestAge", queue: "^log$", above: "5s" }]);
  const log = bottle.declareLog("log");
  publish(bottle, "log", 3);
  await bottle.advance(60_000);
  check.deepEqual(said(), []);
  log.subscribe("work", ownSettings(log.settings), "first");
  await bottle.advance(1000);
  check.deepEqual(said(), ["an alert fires old log"]);
  log.purge("work");
  await bottle.advance(1000);
  check.deepEqual(said(), ["an alert is over old log"]);
});

test("memory and the disk's alarm are the broker's", async () => {
  const { bottle, figures, said } = await watch([
    { name: "big", metric: "memory", above: "1GiB", severity: "critical" },
    { name: "full", metric: "diskAlarm", above: 0 },
  ]);
  figures.memoryBytes = 1024 ** 3 + 1;
  bottle.broker.core.setPressure("disk", true);
  await bottle.advance(1000);
  check.deepEqual(said(), ["an alert fires big", "an alert fires full"]);
  figures.memoryBytes = 5;
  bottle.broker.core.setPressure("disk", false);
  await bottle.advance(1000);
  check.deepEqual(said(), ["an alert is over big", "an alert is over full"]);
});

test("the end of a queue ends its alerts", async () => {
  const { bottle, said } = await watch([{ name: "deep", metric: "depth", above: 0 }]);
  const queue = bottle.declare("q");
  publish(bottle, "q", 1);
  await bottle.advance(1000);
  bottle.ns.deleteQueue(queue);
  await bottle.advance(1000);
  check.deepEqual(said(), ["an alert fires deep q", "an alert is over deep q"]);
});

test("a webhook that fails is tried again, in order; one that refuses is given up", async () => {
  const bodies: string[] = [];
  const answers = [503, 0, 200, 400, 200];
  const post: Post = async (_target, body) => {
    bodies.push(`${(JSON.parse(body) as AlertNotice).status} ${answers[0]}`);
    const status = answers.shift() ?? 200;
    if (status === 0) throw Object.assign(new Error("https://user:secret@host refused"), { code: "ECONNREFUSED" });
    return status;
  };
  const { bottle, logged } = await watch([{ name: "deep", metric: "depth", above: 0, targets: ["ops"] }], post, [
    { name: "ops", url: "https://host/hook", headers: { authorization: "secret" } },
  ]);
  bottle.declare("q");
  for (let round = 0; round < 2; round++) {
    publish(bottle, "q", 1);
    await bottle.advance(1000);
    await bottle.get("q");
    await bottle.advance(1000);
  }
  for (let second = 0; second < 5; second++) await bottle.advance(1000);
  check.deepEqual(bodies, ["firing 503", "firing 0", "firing 200", "resolved 400", "firing 200", "resolved undefined"]);
  check.ok(logged.some(({ message }) => message === "an alert could not be delivered"));
  check.ok(logged.some(({ fields }) => fields["reason"] === "ECONNREFUSED"));
  check.ok(!JSON.stringify(logged).includes("secret"));
});

test("a receiver that does not answer holds a bounded number of notices, and what was dropped is told", async () => {
  const answer = Promise.withResolvers<number>();
  const told: string[] = [];
  const { bottle, alerts, logged } = await watch(
    [{ name: "any", metric: "depth", above: 0, targets: ["ops"] }],
    async (_target, body) => {
      told.push((JSON.parse(body) as AlertNotice).queue ?? "");
      return answer.promise;
    },
    [{ name: "ops", url: "http://host/" }],
  );
  for (let n = 0; n < 1200; n++) {
    bottle.declare(`q${n}`);
    publish(bottle, `q${n}`, 1);
  }
  await bottle.advance(1000);
  check.equal(alerts.firingCount(alerts.rules[0]!), 1200);
  check.deepEqual(told, ["q0"]);
  answer.resolve(200);
  for (let turn = 0; turn < 50; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
  check.equal(told.length, 1000);
  check.equal(told.at(-1), "q1199", "the newest are told");
  check.deepEqual(
    logged.map(({ message, fields }) => [message, fields["count"]]),
    [["alerts were dropped: too many wait for their receiver", 200]],
  );
  alerts.stop();
});

test("what is wrong with rules is said with its place", () => {
  const faultsOf = (given: unknown): readonly string[] => {
    const read = readAlerts(given);
    return Array.isArray(read) ? (read as string[]) : [];
  };
  const rule = { name: "r", metric: "depth", above: 1 };
  const hook = { name: "w", url: "https://x/a?b" };
  const cases: [unknown, RegExp][] = [
    [[], /alerts: is no map/],
    [{ rule: [] }, /alerts: there is no rule; it has every, rules, webhooks/],
    [{ every: "1ms" }, /alerts.every: is no duration/],
    [{ rules: [{ ...rule, metric: "height" }] }, /rules\[0\]: metric is none of depth/],
    [{ rules: [{ ...rule, below: 1 }] }, /has above or below, one of the two/],
    [{ rules: [{ ...rule, clear: 2 }] }, /clear is on the wrong side/],
    [{ rules: [{ ...rule, above: "many" }] }, /above, below and clear of depth are numbers/],
    [{ rules: [{ ...rule, metric: "memory", queue: "q" }] }, /memory is of the broker/],
    [{ rules: [{ ...rule, targets: ["nobody"] }] }, /targets is no list of log/],
    [{ rules: [{ ...rule, queue: "(" }] }, /queue is no regular expression/],
    [{ rules: [{ ...rule, for: "soon" }] }, /for is no duration/],
    [{ rules: [rule, rule] }, /two rules are called r/],
    [{ webhooks: [{ name: "w", url: "ftp://x" }] }, /webhooks\[0\]: url is no address/],
    [{ webhooks: [{ name: "log", url: "http://x" }] }, /has no name of its own/],
    [{ webhooks: [hook, { ...hook, url: "https://y" }] }, /^alerts.webhooks: two webhooks are called w$/],
    [
      { webhooks: [{ ...hook, url: "https://u:secret@x" }] },
      /^alerts.webhooks\[0\]: url has a user or a password in it/,
    ],
    [{ webhooks: [{ ...hook, url: "https://u@x" }] }, /url has a user or a password/],
    ...["no name", "", "näme", "Content-Length", "expect", "Upgrade"].map((header): [unknown, RegExp] => [
      { webhooks: [{ ...hook, headers: { [header]: "1" } }] },
      new RegExp(`headers: ${header} cannot be sent`),
    ]),
    ...["secret\r\nx: y", "secret\0", "secret€"].map((value): [unknown, RegExp] => [
      { webhooks: [{ ...hook, headers: { authorization: value } }] },
      /^alerts.webhooks\[0\]: headers: authorization cannot be sent with such a name or value$/,
    ]),
  ];
  for (const [given, expected] of cases) {
    const told = faultsOf(given).join("\n");
    check.match(told, expected);
    check.doesNotMatch(told, /secret/);
  }
  const headers = { authorization: "Bearer a.b-c/d=", "X_Api-Key": "ä \t~", "content-type": "text/plain" };
  check.deepEqual(faultsOf({ webhooks: [{ ...hook, headers }] }), []);
  check.ok(new Request(hook.url, { headers }), "what is taken can be sent");
});

function byText(a: string, b: string): number {
  return a < b ? -1 : 1;
}
