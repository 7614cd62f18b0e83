/**
 * Rules of alerts as a configuration has them, and what is wrong with them. A rule watches one figure of each queue that it
 * names, or of the broker; it fires for a queue when the figure has been past its threshold for a while, and clears when it has
 * come back past another, so that a figure that trembles at the threshold does not send a message each time.
 */

import { parseDuration } from "../base/clock.ts";
import { Pattern } from "../base/pattern.ts";

/** Figures of a queue, then those of the broker. */
export const queueMetrics = [
  "depth" /** ready messages */,
  "oldestAge" /** of the message that would be delivered next, ms, 0 of a log that nobody works off; a duration in rules */,
  "unacked" /** delivered, and not settled */,
  "deadLetterRate" /** messages a second that died, between two looks */,
  "consumers",
] as const;
export const brokerMetrics = [
  "memory" /** bytes that the process uses */,
  "diskFree" /** bytes free where the data is */,
  "memoryAlarm" /** 1 while producers are held back for memory, else 0 */,
  "diskAlarm" /** the same for the disk */,
] as const;

export type QueueMetric = (typeof queueMetrics)[number];
export type BrokerMetric = (typeof brokerMetrics)[number];

export const severities = ["info", "warning", "critical"] as const;
export type Severity = (typeof severities)[number];

export interface Rule {
  readonly name: string;
  readonly metric: QueueMetric | BrokerMetric;
  /** Unanchored, as in policies; undefined: all. */
  readonly queue: Pattern | undefined;
  readonly namespace: Pattern | undefined;
  /** Fires when the figure is above (or below) `threshold`, and clears when it is no longer so of `clear`. */
  readonly isAbove: boolean;
  readonly threshold: number;
  readonly clear: number;
  /** How long it must be past the threshold without a break. */
  readonly forMs: number;
  readonly severity: Severity;
  /** Names of targets. */
  readonly targets: readonly string[];
}

export interface WebhookTarget {
  readonly name: string;
  readonly url: string;
  /** Sent with each call; not shown, and not logged. */
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export interface AlertSettings {
  /** How often figures are looked at. */
  readonly everyMs: number;
  readonly rules: readonly Rule[];
  readonly webhooks: readonly WebhookTarget[];
}

/** The target that is always there. */
export const logTarget = "log";

type Given = Readonly<Record<string, unknown>>;
const topKeys = ["every", "rules", "webhooks"];
const ruleKeys = ["name", "metric", "queue", "namespace", "above", "below", "clear", "for", "severity", "targets"];
const webhookKeys = ["name", "url", "headers", "timeout"];
const sizes: Readonly<Record<string, number>> = {
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KIB: 1024,
  MIB: 1024 ** 2,
  GIB: 1024 ** 3,
};

/** Reads what stands under `alerts`. A list instead: all that is wrong with it. */
export function readAlerts(given: unknown): AlertSettings | readonly string[] {
  const faults: string[] = [];
  if (!isMap(given)) return ["alerts: is no map with rules and webhooks"];
  unknownKeys(given, topKeys, "alerts", faults);
  const everyMs = durationOf(given["every"] ?? "5s");
  if (everyMs === undefined || everyMs < 100) faults.push("alerts.every: is no duration of 100ms or more, such as 5s");
  const webhooks = listOf(given["webhooks"], "alerts.webhooks", faults).flatMap((each, at) =>
    readWebhook(each, `alerts.webhooks[${at}]`, faults),
  );
  const targets = new Set([logTarget, ...webhooks.map(({ name }) => name)]);
  const rules = listOf(given["rules"], "alerts.rules", faults).flatMap((each, at) =>
    readRule(each, `alerts.rules[${at}]`, targets, faults),
  );
  for (const name of namedTwice(rules)) faults.push(`alerts.rules: two rules are called ${name}`);
  for (const name of namedTwice(webhooks)) faults.push(`alerts.webhooks: two webhooks are called ${name}`);
  return faults.length > 0 ? faults : { everyMs: everyMs ?? 0, rules, webhooks };
}

function namedTwice(things: readonly { readonly name: string }[]): Iterable<string> {
  const names = things.map(({ name }) => name);
  return new Set(names.filter((each, at) => names.indexOf(each) !== at));
}

function readRule(given: unknown, place: string, targets: ReadonlySet<string>, faults: string[]): Rule[] {
  const before = faults.length;
  if (!isMap(given)) return fail(faults, `${place}: is no map`);
  unknownKeys(given, ruleKeys, place, faults);
  const { name, metric, above, below } = given;
  if (typeof name !== "string" || name === "") faults.push(`${place}: has no name`);
  const known = [...queueMetrics, ...brokerMetrics].find((each) => each === metric);
  if (known === undefined) {
    return fail(faults, `${place}: metric is none of ${[...queueMetrics, ...brokerMetrics].join(", ")}`);
  }
  if ((above === undefined) === (below === undefined)) faults.push(`${place}: has above or below, one of the two`);
  const isAbove = above !== undefined;
  const threshold = figure(known, isAbove ? above : below);
  const clear = given["clear"] === undefined ? threshold : figure(known, given["clear"]);
  if (threshold === undefined || clear === undefined) {
    faults.push(`${place}: above, below and clear of ${known} are ${expected(known)}`);
  } else if (isAbove ? clear > threshold : clear < threshold) {
    faults.push(`${place}: clear is on the wrong side of the threshold`);
  }
  const isOfQueues = (queueMetrics as readonly string[]).includes(known);
  if (!isOfQueues && (given["queue"] ?? given["namespace"]) !== undefined) {
    faults.push(`${place}: ${known} is of the broker, and of no queue`);
  }
  const forMs = durationOf(given["for"] ?? 0);
  if (forMs === undefined) faults.push(`${place}: for is no duration, such as 5m`);
  const severity = severities.find((each) => each === (given["severity"] ?? "warning"));
  if (severity === undefined) faults.push(`${place}: severity is none of ${severities.join(", ")}`);
  const told = (given["targets"] ?? [logTarget]) as unknown;
  if (!Array.isArray(told) || !told.every((each) => targets.has(each as string))) {
    faults.push(`${place}: targets is no list of ${[...targets].join(", ")}`);
  }
  const queue = patternOf(given["queue"], `${place}: queue`, faults);
  const namespace = patternOf(given["namespace"], `${place}: namespace`, faults);
  if (faults.length > before) return [];
  return [
    {
      name: name as string,
      metric: known,
      queue,
      namespace,
      isAbove,
      threshold: threshold ?? 0,
      clear: clear ?? 0,
      forMs: forMs ?? 0,
      severity: severity ?? "warning",
      targets: told as string[],
    },
  ];
}

function readWebhook(given: unknown, place: string, faults: string[]): WebhookTarget[] {
  const before = faults.length;
  if (!isMap(given)) return fail(faults, `${place}: is no map`);
  unknownKeys(given, webhookKeys, place, faults);
  const { name, url, headers = {} } = given;
  if (typeof name !== "string" || name === "" || name === logTarget) faults.push(`${place}: has no name of its own`);
  if (typeof url !== "string" || !/^https?:\/\/[^/]/.test(url) || !URL.canParse(url)) {
    faults.push(`${place}: url is no address that begins with http:// or https://`);
  } else if (new URL(url).username !== "" || new URL(url).password !== "") {
    // No request can be made of it.
    faults.push(`${place}: url has a user or a password in it; who it is to be goes into the header authorization`);
  }
  if (!isMap(headers) || Object.values(headers).some((value) => typeof value !== "string")) {
    faults.push(`${place}: headers is no map from names to texts`);
  } else {
    // The value may be a secret.
    const wrong = Object.entries(headers).filter(([header, value]) => !isHeader(header, value as string));
    for (const [header] of wrong) faults.push(`${place}: headers: ${header} cannot be sent with such a name or value`);
  }
  const timeoutMs = durationOf(given["timeout"] ?? "10s");
  if (timeoutMs === undefined || timeoutMs === 0) faults.push(`${place}: timeout is no duration, such as 10s`);
  if (faults.length > before) return [];
  return [
    {
      name: name as string,
      url: url as string,
      headers: headers as Record<string, string>,
      timeoutMs: timeoutMs ?? 0,
    },
  ];
}

/** Of the connection itself, and no caller's to set. */
const ownHeaders: readonly string[] = [
  "connection",
  "content-length",
  "expect",
  "keep-alive",
  "transfer-encoding",
  "upgrade",
];

function isHeader(name: string, value: string): boolean {
  const isOwn = ownHeaders.includes(name.toLowerCase());
  return !isOwn && /^[\w!#$%&'*+.^`|~-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
}

function figure(metric: Rule["metric"], given: unknown): number | undefined {
  if (metric === "oldestAge") return durationOf(given);
  if (typeof given === "number") return Number.isFinite(given) && given >= 0 ? given : undefined;
  if (metric !== "memory" && metric !== "diskFree") return undefined;
  const [, amount, unit] = /^(\d+(?:\.\d+)?) ?([KMG]i?B)$/i.exec(typeof given === "string" ? given : "") ?? [];
  return amount === undefined ? undefined : Number(amount) * sizes[unit!.toUpperCase()]!;
}

function expected(metric: Rule["metric"]): string {
  if (metric === "oldestAge") return "durations, such as 10m";
  return metric === "memory" || metric === "diskFree" ? "sizes, such as 2GiB" : "numbers";
}

function durationOf(given: unknown): number | undefined {
  return typeof given === "string" || typeof given === "number" ? parseDuration(String(given)) : undefined;
}

function patternOf(given: unknown, place: string, faults: string[]): Pattern | undefined {
  if (given === undefined) return undefined;
  const pattern = typeof given === "string" ? Pattern.read(given) : undefined;
  if (pattern instanceof Pattern) return pattern;
  faults.push(`${place} is no regular expression`);
  return undefined;
}

function listOf(given: unknown, place: string, faults: string[]): readonly unknown[] {
  if (given === undefined) return [];
  if (Array.isArray(given)) return given;
  faults.push(`${place}: is no list`);
  return [];
}

function unknownKeys(given: Given, known: readonly string[], place: string, faults: string[]): void {
  for (const key of Object.keys(given)) {
    if (!known.includes(key)) faults.push(`${place}: there is no ${key}; it has ${known.join(", ")}`);
  }
}

function fail(faults: string[], fault: string): never[] {
  faults.push(fault);
  return [];
}

function isMap(given: unknown): given is Given {
  return typeof given === "object" && given !== null && !Array.isArray(given);
}
