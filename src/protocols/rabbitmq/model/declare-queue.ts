/**
 * queue.declare's arguments: which there are, what each may be, which type of queue takes it, and what it means to the
 * core. One line an argument; the texts and their order are RabbitMQ 3.10's. Added to 3.10's are the arguments of its
 * later versions, and some of ours (README.md explains them).
 *
 * An argument that no type knows is accepted and ignored; one that only another type knows is refused.
 */

import type { DeadLetterPolicy, DedupPolicy, Overflow, QueueSettings, RetryPolicy } from "../../../broker/api.ts";
import {
  ageMs,
  booleanArgument,
  checkArguments,
  isAge,
  isBoolean,
  isDuration,
  isExpiry,
  isInteger,
  isNotNegative,
  isOneOf,
  isPositive,
  isPriorityMax,
  isText,
  numberArgument,
  textArgument,
  wholeArgument,
  type Check,
} from "./arguments.ts";
import type { QueueDeclaration, QueueType } from "./declaration.ts";
import { compareArguments, compareField } from "./equivalence.ts";
import { erlangString, Fault, resource, shortStringBytesMax, shownValue } from "./errors.ts";
import { fieldTypeNames, fieldValue, type FieldTable } from "./field-table.ts";

interface ArgumentRule {
  readonly name: string;
  readonly check?: Check;
  readonly types: readonly QueueType[];
}

const classic = ["classic"] as const;
const quorum = ["quorum"] as const;
const stream = ["stream"] as const;
const queues = ["classic", "quorum"] as const;
const every = ["classic", "quorum", "stream"] as const;

const isRoutingKey: Check = (value, all) => {
  const wrong = isText(value, all);
  if (wrong !== undefined) return wrong;
  // RabbitMQ takes a longer one, and fails when it delivers what has it.
  const bytes = Buffer.byteLength(textArgument(all, "x-dead-letter-routing-key") ?? "");
  if (bytes > shortStringBytesMax) return `{max_length_exceeded,${bytes}}`;
  return fieldValue(all, "x-dead-letter-exchange") === undefined ? "routing_key_but_no_dlx_defined" : undefined;
};
const isQueueVersion: Check = (value, all) => {
  const wrong = isNotNegative(value, all);
  if (wrong !== undefined) return wrong;
  return [1, 2].includes(Number(value.value))
    ? undefined
    : erlangString(`unsupported queue version '${shownValue(value)}'`);
};
const isShare: Check = ({ type, value }) => {
  const share = Number(value);
  if (!["f", "d", "b", "B", "s", "u", "I", "i", "l", "L"].includes(type))
    return `{unacceptable_type,${fieldTypeNames[type]}}`;
  return share >= 0 && share <= 1 ? undefined : `{not_between_0_and_1,${share}}`;
};
const queueTypes = ["classic", "quorum", "stream"] as const;
const isQueueType = isOneOf(queueTypes, (word) => erlangString(`unsupported queue type '${word}'`));
const isOverflow = isOneOf(["drop-head", "reject-publish", "reject-publish-dlx"], () => "invalid_overflow");
const isStrategy = isOneOf(["at-most-once", "at-least-once"], () => "invalid_dlx_strategy");
const isQueueMode = isOneOf(["default", "lazy"], (word) => erlangString(`unsupported queue mode '${word}'`));
const isLocator = isOneOf(
  ["client-local", "balanced", "min-masters", "random", "least-leaders"],
  () => "invalid_queue_locator_arg",
);
const isRetryType = isOneOf(["disabled", "all", "failed", "returned"], () => "invalid_delayed_retry_type");
const isGrowth = isOneOf(["linear", "exponential"], () => "invalid_retry_growth");

const rules: readonly ArgumentRule[] = [
  { name: "x-expires", check: isExpiry, types: queues },
  { name: "x-message-ttl", check: isDuration, types: queues },
  { name: "x-dead-letter-exchange", check: isText, types: queues },
  { name: "x-dead-letter-routing-key", check: isRoutingKey, types: queues },
  { name: "x-dead-letter-strategy", check: isStrategy, types: quorum },
  { name: "x-max-length", check: isNotNegative, types: queues },
  { name: "x-max-length-bytes", check: isNotNegative, types: every },
  { name: "x-max-in-memory-length", check: isNotNegative, types: quorum },
  { name: "x-max-in-memory-bytes", check: isNotNegative, types: quorum },
  { name: "x-max-priority", check: isPriorityMax, types: classic },
  { name: "x-overflow", check: isOverflow, types: queues },
  { name: "x-queue-mode", check: isQueueMode, types: classic },
  { name: "x-queue-version", check: isQueueVersion, types: classic },
  { name: "x-single-active-consumer", check: isBoolean, types: queues },
  { name: "x-queue-type", check: isQueueType, types: every },
  { name: "x-quorum-initial-group-size", check: isPositive, types: quorum },
  { name: "x-max-age", check: isAge, types: stream },
  { name: "x-stream-max-segment-size-bytes", check: isNotNegative, types: stream },
  { name: "x-initial-cluster-size", check: isPositive, types: stream },
  { name: "x-queue-leader-locator", check: isLocator, types: every },
  { name: "x-queue-master-locator", types: classic },
  { name: "x-delivery-limit", types: quorum },
  // Of versions after 3.10.
  { name: "x-consumer-timeout", check: isNotNegative, types: queues },
  { name: "x-consumer-disconnected-timeout", check: isNotNegative, types: quorum },
  { name: "x-quorum-target-group-size", types: quorum },
  { name: "x-member-placement-tag", types: quorum },
  { name: "x-delayed-retry-type", check: isRetryType, types: quorum },
  { name: "x-delayed-retry-min", check: isNotNegative, types: quorum },
  { name: "x-delayed-retry-max", check: isNotNegative, types: quorum },
  { name: "x-stream-filter-size-bytes", check: isNotNegative, types: stream },
  // Ours.
  { name: "x-history-max-age", check: isAge, types: queues },
  { name: "x-history-max-bytes", check: isNotNegative, types: queues },
  { name: "x-retry-min-ms", check: isNotNegative, types: queues },
  { name: "x-retry-max-ms", check: isNotNegative, types: queues },
  { name: "x-retry-growth", check: isGrowth, types: queues },
  { name: "x-retry-jitter", check: isShare, types: queues },
  { name: "x-retry-attempts", check: isInteger, types: queues },
  // Of the message-deduplication plug-in.
  { name: "x-message-deduplication", check: isBoolean, types: queues },
  { name: "x-cache-size", check: isNotNegative, types: queues },
  { name: "x-cache-ttl", check: isNotNegative, types: queues },
];

/** What is said of how messages are delivered, and not of what a queue or log holds. */
export const workQueueArguments: readonly string[] = [
  "x-dead-letter-exchange",
  "x-dead-letter-routing-key",
  "x-dead-letter-strategy",
  "x-delivery-limit",
  "x-single-active-consumer",
  "x-consumer-timeout",
  "x-delayed-retry-type",
  "x-delayed-retry-min",
  "x-delayed-retry-max",
  "x-retry-min-ms",
  "x-retry-max-ms",
  "x-retry-growth",
  "x-retry-jitter",
  "x-retry-attempts",
];

const ruleByName: ReadonlyMap<string, ArgumentRule> = new Map(rules.map((rule) => [rule.name, rule]));

const segmentBytesMax = 3_000_000_000;

/** A quorum queue orders by priority without being asked to, as RabbitMQ's do since 4.3. */
const quorumPriorityMax = 255;

const dedupDefaultIds = 100_000;

/** Whether queues of this type know the argument. */
export function isArgumentOf(type: QueueType, name: string): boolean {
  return ruleByName.get(name)?.types.includes(type) === true;
}

export function queueType(args: FieldTable): QueueType {
  const named = textArgument(args, "x-queue-type");
  return queueTypes.find((type) => type === named) ?? "classic";
}

/** The checks of a new queue. `asked` is what the client said, before exclusive made it transient. */
export function checkNewQueue(declaration: QueueDeclaration, name: string, vhost: string): Fault | undefined {
  const { type, arguments: args } = declaration;
  const what = resource("queue", name, vhost);
  const checks = rules
    .filter((rule) => rule.check !== undefined && (rule.name === "x-queue-type" || rule.types.includes(type)))
    .map((rule) => [rule.name, rule.check!] as const);
  const typeRule = checks.filter(([checked]) => checked === "x-queue-type");
  return (
    checkArguments(what, args, typeRule) ??
    checkArguments(what, args, checks) ??
    checkForeign(what, type, args) ??
    (type === "classic" ? undefined : checkReplicated(what, declaration))
  );
}

function checkForeign(what: string, type: QueueType, args: FieldTable): Fault | undefined {
  for (const { name } of args) {
    const rule = rules.find((known) => known.name === name);
    if (rule !== undefined && !rule.types.includes(type)) {
      return new Fault("preconditionFailed", `invalid arg '${name}' for ${what} of queue type rabbit_${type}_queue`);
    }
  }
  return undefined;
}

function checkReplicated(what: string, declaration: QueueDeclaration): Fault | undefined {
  const refuse = (property: string): Fault =>
    new Fault("preconditionFailed", `invalid property '${property}' for ${what}`);
  if (declaration.autoDelete) return refuse("auto-delete");
  if (declaration.exclusive) return refuse("exclusive-owner");
  if (!declaration.durable) return refuse("non-durable");
  if ((numberArgument(declaration.arguments, "x-stream-max-segment-size-bytes") ?? 0) > segmentBytesMax) {
    return new Fault("preconditionFailed", "Exceeded max value for x-stream-max-segment-size-bytes");
  }
  return undefined;
}

/** Compares a declaration with that of the queue that has the name. */
export function checkSameQueue(
  current: QueueDeclaration,
  received: QueueDeclaration,
  name: string,
  vhost: string,
): Fault | undefined {
  const what = resource("queue", name, vhost);
  const names = rules.filter((rule) => rule.types.includes(current.type)).map((rule) => rule.name);
  return (
    compareField(what, "durable", current.durable, received.durable) ??
    compareField(what, "auto_delete", current.autoDelete, received.autoDelete) ??
    compareArguments(what, names, current.arguments, received.arguments)
  );
}

/**
 * The same with a topic of another protocol. What is said of its work queue is compared if it is `isMade`; all else would be
 * about the log, and is refused.
 */
export function checkSameTopic(
  current: QueueDeclaration,
  received: QueueDeclaration,
  name: string,
  vhost: string,
  isMade: boolean,
): Fault | undefined {
  const what = resource("queue", name, vhost);
  const ofLog = rules.map((rule) => rule.name).filter((one) => !workQueueArguments.includes(one));
  return (
    compareField(what, "durable", current.durable, received.durable) ??
    compareField(what, "auto_delete", current.autoDelete, received.autoDelete) ??
    compareArguments(what, ofLog, [], received.arguments) ??
    (isMade ? compareArguments(what, workQueueArguments, current.arguments, received.arguments) : undefined)
  );
}

/** What the declaration means to the core. It must have passed the checks. */
export function queueSettings(declaration: QueueDeclaration): QueueSettings {
  const { type, arguments: args } = declaration;
  const isStream = type === "stream";
  const isQuorum = type === "quorum";
  const maxLengthBytes = numberArgument(args, "x-max-length-bytes") ?? -1;
  return {
    durable: declaration.durable,
    retention: {
      untilSettled: !isStream,
      maxAgeMs: ageMs(textArgument(args, isStream ? "x-max-age" : "x-history-max-age") ?? "") ?? 0,
      maxBytes: isStream ? Math.max(0, maxLengthBytes) : (numberArgument(args, "x-history-max-bytes") ?? 0),
      maxCount: 0,
      compact: false,
    },
    mode: isStream ? "offset" : booleanArgument(args, "x-single-active-consumer") ? "failover" : "shared",
    maxPriority: isQuorum ? quorumPriorityMax : (numberArgument(args, "x-max-priority") ?? 0),
    ttlMs: numberArgument(args, "x-message-ttl") ?? -1,
    expiresMs: numberArgument(args, "x-expires") ?? 0,
    maxLength: numberArgument(args, "x-max-length") ?? -1,
    maxLengthBytes: isStream ? -1 : maxLengthBytes,
    overflow: ignoresOverflow(declaration) ? "drop-head" : overflowOf(args),
    deadLetter: deadLetterOf(args),
    deliveryLimit: Math.max(
      -1,
      wholeArgument(args, "x-delivery-limit") ?? numberArgument(args, "x-retry-attempts") ?? -1,
    ),
    retry: retryOf(args),
    dedup: booleanArgument(args, "x-message-deduplication") ? queueDedupOf(args) : undefined,
    autoDelete: declaration.autoDelete,
  };
}

/** As in RabbitMQ, a quorum queue takes reject-publish-dlx, says that it is wrong, and drops its head. */
export function ignoresOverflow({ type, arguments: args }: QueueDeclaration): boolean {
  return type === "quorum" && overflowOf(args) === "reject-publish-dead-letter";
}

function overflowOf(args: FieldTable): Overflow {
  const word = textArgument(args, "x-overflow");
  if (word === "reject-publish-dlx") return "reject-publish-dead-letter";
  return word === "reject-publish" ? word : "drop-head";
}

function deadLetterOf(args: FieldTable): DeadLetterPolicy | undefined {
  const exchange = textArgument(args, "x-dead-letter-exchange");
  if (exchange === undefined) return undefined;
  const routingKey = textArgument(args, "x-dead-letter-routing-key");
  // As in RabbitMQ, at-least-once takes effect together with reject-publish only: a full source must not drop.
  const atLeastOnce =
    textArgument(args, "x-dead-letter-strategy") === "at-least-once" && overflowOf(args) === "reject-publish";
  return { exchange, atLeastOnce, ...(routingKey === undefined ? {} : { routingKey }) };
}

function retryOf(args: FieldTable): RetryPolicy | undefined {
  const on = textArgument(args, "x-delayed-retry-type");
  const minMs = numberArgument(args, "x-delayed-retry-min");
  if (on !== undefined && on !== "disabled" && minMs !== undefined) {
    const maxMs = numberArgument(args, "x-delayed-retry-max") ?? minMs;
    return { on: on as RetryPolicy["on"], minMs, maxMs: Math.max(minMs, maxMs), growth: "linear", jitter: 0 };
  }
  const ownMinMs = numberArgument(args, "x-retry-min-ms");
  if (ownMinMs === undefined) return undefined;
  const growth = textArgument(args, "x-retry-growth") === "linear" ? "linear" : "exponential";
  const maxMs = Math.max(ownMinMs, numberArgument(args, "x-retry-max-ms") ?? 3_600_000);
  return { on: "all", minMs: ownMinMs, maxMs, growth, jitter: numberArgument(args, "x-retry-jitter") ?? 0 };
}

/** The plug-in's queues forget an id with its message. One that says how much or how long it remembers does that instead. */
function queueDedupOf(args: FieldTable): QueueSettings["dedup"] {
  const isWindow = ["x-cache-ttl", "x-cache-size"].some((name) => fieldValue(args, name) !== undefined);
  return isWindow ? dedupOf(args) : "until-settled";
}

export function dedupOf(args: FieldTable): DedupPolicy {
  return {
    windowMs: numberArgument(args, "x-cache-ttl") ?? 0,
    maxIds: numberArgument(args, "x-cache-size") ?? dedupDefaultIds,
  };
}
