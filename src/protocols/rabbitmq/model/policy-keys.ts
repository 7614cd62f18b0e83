/**
 * The settings that a policy may make: one line each. A setting `k` of a queue is the argument `x-k` in other hands, so it has
 * effect by being merged with the arguments that the queue was declared with (policy-merge.ts), and all that arguments mean is
 * written down once, in declare-queue.ts.
 *
 * The keys and texts are those of RabbitMQ 3.10, those of its later versions, and some of ours. Keys without effect here are
 * accepted and checked, for definitions have to be taken as they are; whoever sets one is told (`withoutEffect`). They speak of
 * mirrors, of federation, of where and how queues are stored.
 */

import { ageMs } from "./arguments.ts";
import type { QueueType } from "./declaration.ts";
import { shortStringBytesMax } from "./errors.ts";
import { byName, shownFields, shownJson } from "./erlang-json.ts";
import { isObject, type JsonObject } from "./parameter-checks.ts";
import { Pattern } from "../../../base/pattern.ts";

/** How a value meets another one for the same key. */
export type Resolution = "min" | "max" | "this" | "other" | "limit";

export interface PolicyKey {
  readonly name: string;
  /** Undefined: it is good. */
  readonly check: (value: unknown) => string | undefined;
  /** A policy that has this key does not apply to queues of these types. */
  readonly excludes: readonly QueueType[];
  /** How the value of an operator's policy (`this`) meets that of a policy (`other`); undefined: not for operators. */
  readonly operator: Resolution | undefined;
  /** How the value of a policy (`this`) meets a declared argument (`other`). */
  readonly argument: Resolution | Readonly<Record<QueueType, Resolution>>;
  readonly hasEffect: boolean;
}

const streamMaxSegmentBytes = 3_000_000_000;

const whole =
  (least: number, most = Infinity) =>
  (value: unknown) =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
const anyWhole = (value: unknown): boolean => Number.isInteger(value);
const text = (value: unknown): boolean => typeof value === "string";
/** A longer one could not be told to a client. */
const routingKey = (value: unknown): boolean =>
  typeof value === "string" && Buffer.byteLength(value) <= shortStringBytesMax;
const word =
  (...words: readonly (string | number)[]) =>
  (value: unknown) =>
    words.includes(value as string);
const age = (value: unknown): boolean => typeof value === "string" && ageMs(value) !== undefined;

/** The check by which `isGood`, or the value is not a valid something. */
function valid(isGood: (value: unknown) => boolean, what: string): PolicyKey["check"] {
  return (value) => (isGood(value) ? undefined : `${shownJson(value)} is not a valid ${what}`);
}

const nowhere: readonly QueueType[] = [];
const notStream: readonly QueueType[] = ["stream"];
const onlyQuorum: readonly QueueType[] = ["classic", "stream"];
const onlyStream: readonly QueueType[] = ["classic", "quorum"];
const onlyClassic: readonly QueueType[] = ["quorum", "stream"];
const byArgument = "other";
const quorumPolicyWins = { classic: "other", quorum: "this", stream: "this" } as const;

type Rest = Partial<Pick<PolicyKey, "operator" | "argument" | "hasEffect">>;
const inert: Rest = { hasEffect: false };

function key(name: string, check: PolicyKey["check"], excludes: readonly QueueType[], rest: Rest = {}): PolicyKey {
  return { name, check, excludes, operator: undefined, argument: byArgument, hasEffect: true, ...rest };
}

const haCheck = (): undefined => undefined;
const min: Rest = { operator: "min", argument: "min" };

const keys: readonly PolicyKey[] = [
  key("alternate-exchange", valid(text, "alternate exchange name"), nowhere),
  key("dead-letter-exchange", valid(text, "dead letter exchange name"), notStream),
  key("dead-letter-routing-key", valid(routingKey, "dead letter routing key"), notStream),
  key("dead-letter-strategy", valid(word("at-most-once", "at-least-once"), "dead letter strategy"), onlyQuorum),
  key("message-ttl", valid(whole(0), "message TTL"), notStream, min),
  key("expires", valid(whole(1), "queue expiry"), notStream, {
    operator: "min",
    argument: { classic: "min", quorum: "this", stream: "min" },
  }),
  key("max-length", valid(whole(0), "maximum length"), notStream, min),
  key("max-length-bytes", valid(whole(0), "maximum length in bytes"), nowhere, {
    operator: "min",
    argument: { classic: "min", quorum: "min", stream: "this" },
  }),
  key("max-in-memory-length", valid(whole(0), "maximum memory in bytes"), notStream, { ...min, ...inert }),
  key("max-in-memory-bytes", valid(whole(0), "maximum memory in bytes"), notStream, { ...min, ...inert }),
  key("queue-mode", valid(word("default", "lazy"), "queue-mode value"), onlyClassic, inert),
  key("queue-version", valid(word(1, 2), "queue-version value"), nowhere, { operator: "this", ...inert }),
  key("overflow", valid(word("drop-head", "reject-publish", "reject-publish-dlx"), "overflow value"), notStream, {
    operator: "this",
    argument: quorumPolicyWins,
  }),
  key("delivery-limit", valid(anyWhole, "delivery limit"), onlyQuorum, { operator: "limit", argument: "limit" }),
  key("max-age", valid(age, "max age"), onlyStream, { argument: "this" }),
  key("stream-max-segment-size-bytes", valid(whole(0, streamMaxSegmentBytes), "segment size"), onlyStream, inert),
  key("stream-filter-size-bytes", valid(whole(16, 255), "filter size. Valid range is 16-255"), nowhere, inert),
  key(
    "queue-leader-locator",
    valid(word("client-local", "balanced", "random", "least-leaders"), "queue leader locator value"),
    nowhere,
    inert,
  ),
  key("initial-cluster-size", valid(whole(0), "cluster size"), onlyStream, inert),
  // Of versions after 3.10.
  key("consumer-timeout", valid(whole(0), "consumer timeout"), nowhere, { argument: "min" }),
  key("consumer-disconnected-timeout", valid(whole(0), "consumer disconnected timeout"), nowhere, inert),
  key("target-group-size", valid(whole(1), "qq target count value"), onlyQuorum, { operator: "max", ...inert }),
  key(
    "delayed-retry-type",
    valid(
      word("all", "failed", "returned", "disabled"),
      "delayed retry type. Must be one of: all, failed, returned, disabled",
    ),
    nowhere,
    { operator: "this", argument: "this" },
  ),
  key("delayed-retry-min", valid(whole(1), "delayed retry minimum delay. Must be a positive integer"), nowhere, {
    operator: "max",
    argument: "min",
  }),
  key("delayed-retry-max", valid(whole(1), "delayed retry maximum delay. Must be a positive integer"), nowhere, {
    operator: "min",
    argument: "min",
  }),
  // Mirrors, checked together.
  ...[
    "ha-mode",
    "ha-params",
    "ha-sync-mode",
    "ha-sync-batch-size",
    "ha-promote-on-shutdown",
    "ha-promote-on-failure",
  ].map((name) => key(name, haCheck, name === "ha-sync-batch-size" ? nowhere : onlyClassic, inert)),
  key(
    "queue-master-locator",
    (value) =>
      word("client-local", "min-masters", "random")(value)
        ? undefined
        : `${shownJson(value)} invalid queue-master-locator value`,
    onlyClassic,
    inert,
  ),
  key("federation-upstream", valid(text, "federation upstream name"), nowhere, inert),
  key("federation-upstream-set", valid(text, "federation upstream set name"), nowhere, inert),
  key("federation-upstream-pattern", federationPattern, nowhere, inert),
  // Ours.
  key("history-max-age", valid(age, "history age"), notStream),
  key("history-max-bytes", valid(whole(0), "history size"), notStream),
  key("retry-min-ms", valid(whole(0), "retry delay"), notStream),
  key("retry-max-ms", valid(whole(0), "retry delay"), notStream),
  key("retry-growth", valid(word("linear", "exponential"), "retry growth"), notStream),
  key(
    "retry-jitter",
    valid((value) => typeof value === "number" && value >= 0 && value <= 1, "jitter"),
    notStream,
  ),
  key("retry-attempts", valid(whole(0), "number of attempts"), notStream),
];

export const policyKeyByName: ReadonlyMap<string, PolicyKey> = new Map(keys.map((known) => [known.name, known]));

function federationPattern(value: unknown): string | undefined {
  if (typeof value !== "string") return `${shownJson(value)} is not a valid federation upstream pattern name`;
  const pattern = Pattern.read(value);
  if (pattern instanceof Pattern) return undefined;
  return `could not compile pattern ${value} to a regular expression. Error: {"${pattern.text}",${pattern.at}}`;
}

/** What is wrong with a policy's definition; undefined: nothing. */
export function checkDefinition(definition: unknown, isOperators: boolean): string | undefined {
  if (Array.isArray(definition) && definition.length > 0) {
    return `definition must be a dictionary: ${shownJson(definition)}`;
  }
  if (!isObject(definition) && !Array.isArray(definition)) {
    const validator = isOperators ? "operator_policy_validator" : "policy_validator";
    return `parse error while reading policy definition: ${shownJson(definition)}. Validator: ${validator}.`;
  }
  const fields = Object.entries(definition).toSorted(byName);
  if (fields.length === 0) return "no policy provided";
  const unknown: [string, unknown][] = [];
  for (const [name, value] of fields) {
    const known = policyKeyByName.get(name);
    if (known === undefined || (isOperators && known.operator === undefined)) unknown.push([name, value]);
    else {
      const wrong = known.check(value);
      if (wrong !== undefined) return wrong;
    }
  }
  const together = checkTogether(definition as JsonObject, isOperators);
  if (together !== undefined) return together;
  return unknown.length > 0 ? `${shownFields(unknown)} are not recognised policy settings` : undefined;
}

/** Keys that only make sense with others. */
function checkTogether(definition: JsonObject, isOperators: boolean): string | undefined {
  const upstreams = Object.keys(definition).filter((name) => name.startsWith("federation-upstream"));
  if (upstreams.length > 1) {
    return "cannot specify federation-upstream, federation-upstream-set or federation-upstream-pattern together";
  }
  return checkRetry(definition) ?? (isOperators ? undefined : checkMirrors(definition));
}

function checkRetry(definition: JsonObject): string | undefined {
  const type = definition["delayed-retry-type"];
  const least = definition["delayed-retry-min"];
  const most = definition["delayed-retry-max"];
  if (type !== undefined && type !== "disabled" && least === undefined) {
    return `delayed-retry-min is required when delayed-retry-type is ${type as string}`;
  }
  if (typeof least !== "number" || typeof most !== "number" || most >= least) return undefined;
  return `delayed-retry-max (${most}) must not be smaller than delayed-retry-min (${least})`;
}

function checkMirrors(definition: JsonObject): string | undefined {
  const names = Object.keys(definition).filter((name) => name.startsWith("ha-") && policyKeyByName.has(name));
  if (names.length === 0) return undefined;
  const mode = definition["ha-mode"];
  if (mode === undefined) {
    return "ha-mode must be specified to specify ha-params, ha-sync-mode or ha-promote-on-shutdown";
  }
  if (!word("all", "exactly", "nodes")(mode)) return `${shownJson(mode)} is not a valid ha-mode value`;
  return (
    checkMirrorParams(mode as string, definition["ha-params"]) ??
    oneOf(definition, "ha-sync-mode", ["manual", "automatic"]) ??
    checkBatch(definition["ha-sync-batch-size"]) ??
    oneOf(definition, "ha-promote-on-shutdown", ["always", "when-synced"]) ??
    oneOf(definition, "ha-promote-on-failure", ["always", "when-synced"])
  );
}

function checkMirrorParams(mode: string, params: unknown): string | undefined {
  if (mode === "all") return params === undefined ? undefined : 'ha-mode="all" does not take parameters';
  // What is not there is printed as the atom by which RabbitMQ says so.
  const shown = params === undefined ? "none" : shownJson(params);
  if (mode === "exactly") return whole(1)(params) ? undefined : `ha-mode="exactly" takes an integer, ${shown} given`;
  if (!Array.isArray(params)) return `ha-mode="nodes" takes a list, ${shown} given`;
  if (params.length === 0) return 'ha-mode="nodes" list must be non-empty';
  const wrong = params.filter((node) => typeof node !== "string");
  return wrong.length === 0
    ? undefined
    : `ha-mode="nodes" takes a list of strings, ${shownJson(wrong)} was not a string`;
}

function checkBatch(value: unknown): string | undefined {
  if (value === undefined || whole(1)(value)) return undefined;
  return `ha-sync-batch-size takes an integer greater than 0, ${shownJson(value)} given`;
}

function oneOf(definition: JsonObject, name: string, words: readonly string[]): string | undefined {
  const value = definition[name];
  if (value === undefined || words.includes(value as string)) return undefined;
  return `${name} must be ${words.map((each) => `"${each}"`).join(" or ")}, got ${shownJson(value)}`;
}

/** Those settings of a definition that change nothing here. */
export function keysWithoutEffect(definition: JsonObject): readonly string[] {
  return Object.keys(definition).filter((name) => policyKeyByName.get(name)?.hasEffect === false);
}
