/**
 * What a shovel is told to do: the JSON of RabbitMQ's runtime parameter "shovel" (static shovels are written the same way),
 * what is wrong with one, in RabbitMQ's words, and the plan that is made of one.
 */

import { must } from "../../../base/assert.ts";
import { shownJson } from "../model/erlang-json.ts";
import type { FieldTable } from "../model/field-table.ts";
import { tableOfJson } from "../model/json-table.ts";
import {
  checkFields,
  isBinary,
  isList,
  isNumber,
  isObject,
  isQueueName,
  isTrueOrFalse,
  isWord,
  type FieldRule,
  type JsonObject,
  type ParameterCheck,
} from "../model/parameter-checks.ts";
import { unreadable } from "../model/shown-uri.ts";
import { AddressFault, parseAddress } from "./address.ts";

export type AckMode = "on-confirm" | "on-publish" | "no-ack";

/** Where the messages come from: a queue, or an exchange to which a queue of its own is bound. */
export interface ShovelSource {
  readonly uris: readonly string[];
  readonly queue: string | undefined;
  readonly queueArguments: FieldTable;
  readonly exchange: string | undefined;
  readonly exchangeKey: string;
  readonly prefetchCount: number;
  /** After how many messages it ends and its definition is deleted. */
  readonly deleteAfter: "never" | "queue-length" | number;
  readonly consumerArguments: FieldTable;
  readonly consumerTag: string;
  /** The queue must be there: it is not declared. */
  readonly isPredeclared: boolean;
}

export interface ShovelDestination {
  readonly uris: readonly string[];
  readonly queue: string | undefined;
  readonly queueArguments: FieldTable;
  /** Undefined: each message's own. */
  readonly exchange: string | undefined;
  readonly exchangeKey: string | undefined;
  /** Under RabbitMQ's names: content_type, delivery_mode, ... */
  readonly properties: Readonly<Record<string, string | number>>;
  readonly addForwardHeaders: boolean;
  readonly addTimestampHeader: boolean;
  readonly isPredeclared: boolean;
}

export interface ShovelPlan {
  readonly source: ShovelSource;
  readonly destination: ShovelDestination;
  readonly ackMode: AckMode;
  /** How long it waits before it tries again after a failure; 0: it does not. */
  readonly reconnectMs: number;
}

/** Whether who sets a definition may use that virtual host of this broker; a text says why not. */
export type MayEnter = (vhost: string) => string | undefined;

const isDeleteAfter: ParameterCheck = (key, value) =>
  value === "never" || value === "queue-length" || (Number.isInteger(value) && (value as number) >= 0)
    ? undefined
    : `${key} should be a number greater than or equal to 0, "never" or "queue-length", actually was ${shownJson(value)}`;

/** Of basic.qos: past it nothing could be asked for. RabbitMQ takes any number, and fails when it starts the shovel. */
const isPrefetch: ParameterCheck = (key, value) =>
  typeof value === "number" && !(Number.isInteger(value) && value >= 0 && value <= 65_535)
    ? `${key} should be a whole number from 0 to 65535, actually was ${value}`
    : isNumber(key, value);

const isTable: ParameterCheck = (key, value) =>
  tableOfJson(value) === undefined
    ? `${key} should be a table of arguments, actually was ${shownJson(value)}`
    : undefined;

function areUris(mayEnter: MayEnter): ParameterCheck {
  return (key, value) => {
    if (typeof value === "string") return uriFault(value, mayEnter);
    if (!Array.isArray(value) || value.length === 0) return isList(key, value) ?? `${key} should not be empty`;
    for (const each of value as readonly unknown[]) {
      const fault = typeof each === "string" ? uriFault(each, mayEnter) : isBinary(key, each);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
}

/** Credentials are not quoted, as RabbitMQ quotes them: such texts are logged. */
function uriFault(uri: string, mayEnter: MayEnter): string | undefined {
  const address = parseAddress(uri);
  if (address instanceof AddressFault) {
    const shown = `"${unreadable(uri)}"`;
    return `${shown} not a valid URI: {${address.reason},${shown}}`;
  }
  return address.remote === undefined ? mayEnter(address.vhost) : undefined;
}

const propertyRules: readonly FieldRule[] = [
  ...["content_type", "content_encoding"].map((name) => ({ name, check: isShortText })),
  { name: "delivery_mode", check: isOctet },
  { name: "priority", check: isOctet },
  ...["correlation_id", "reply_to", "expiration", "message_id"].map((name) => ({ name, check: isShortText })),
  { name: "timestamp", check: isTimestamp },
  ...["type", "user_id", "app_id", "cluster_id"].map((name) => ({ name, check: isShortText })),
];

function isShortText(key: string, value: unknown): string | undefined {
  const wrong = isBinary(key, value);
  if (wrong !== undefined) return wrong;
  const bytes = Buffer.byteLength(value as string);
  return bytes <= 255 ? undefined : `${key} should be at most 255 bytes, actually was ${bytes}`;
}

function isOctet(key: string, value: unknown): string | undefined {
  const isOne = Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255;
  return (
    isNumber(key, value) ?? (isOne ? undefined : `${key} should be from 0 to 255, actually was ${shownJson(value)}`)
  );
}

function isTimestamp(key: string, value: unknown): string | undefined {
  const isOne = Number.isSafeInteger(value) && (value as number) >= 0;
  return (
    isNumber(key, value) ??
    (isOne ? undefined : `${key} should be seconds since 1970, actually was ${shownJson(value)}`)
  );
}

/** The first fault of a property is that of the whole. */
const areProperties: ParameterCheck = (key, value) => checkFields(key, propertyRules, value)[0];

function rulesFor(mayEnter: MayEnter): readonly FieldRule[] {
  return [
    { name: "internal", check: isTrueOrFalse },
    { name: "reconnect-delay", check: isNumber },
    { name: "ack-mode", check: isWord(["no-ack", "on-publish", "on-confirm"]) },
    { name: "src-protocol", check: isWord(["amqp091"]) },
    { name: "dest-protocol", check: isWord(["amqp091"]) },
    { name: "src-uri", check: areUris(mayEnter), isMandatory: true },
    { name: "src-exchange", check: isShortText },
    { name: "src-exchange-key", check: isShortText },
    { name: "src-queue", check: isQueueName },
    { name: "src-queue-args", check: isTable },
    { name: "src-consumer-args", check: isTable },
    { name: "src-consumer-name", check: isShortText },
    { name: "prefetch-count", check: isPrefetch },
    { name: "src-prefetch-count", check: isPrefetch },
    { name: "delete-after", check: isDeleteAfter },
    { name: "src-delete-after", check: isDeleteAfter },
    { name: "src-predeclared", check: isTrueOrFalse },
    { name: "dest-uri", check: areUris(mayEnter), isMandatory: true },
    { name: "dest-exchange", check: isShortText },
    { name: "dest-exchange-key", check: isShortText },
    { name: "dest-queue", check: isQueueName },
    { name: "dest-queue-args", check: isTable },
    { name: "add-forward-headers", check: isTrueOrFalse },
    { name: "add-timestamp-header", check: isTrueOrFalse },
    { name: "dest-add-forward-headers", check: isTrueOrFalse },
    { name: "dest-add-timestamp-header", check: isTrueOrFalse },
    { name: "publish-properties", check: areProperties },
    { name: "dest-publish-properties", check: areProperties },
    { name: "dest-predeclared", check: isTrueOrFalse },
  ];
}

/** All that is wrong with a definition; nothing: it can be planned. */
export function shovelFaults(name: string, definition: unknown, mayEnter: MayEnter): readonly string[] {
  if (!isObject(definition)) return [`${name} not a list ${shownJson(definition)}`];
  const faults: string[] = [];
  const has = (key: string): boolean => Object.hasOwn(definition, key);
  if (has("src-exchange") && has("src-queue")) faults.push("Cannot specify 'src-exchange' and 'src-queue'");
  if (!has("src-exchange") && !has("src-queue")) faults.push("Must specify 'src-exchange' or 'src-queue'");
  const limit = definition["src-delete-after"] ?? definition["delete-after"];
  if (typeof limit === "number" && definition["ack-mode"] === "no-ack") {
    faults.push("Cannot specify 'no-ack' and numerical 'delete-after'");
  }
  if (has("dest-exchange") && has("dest-queue")) faults.push("Cannot specify 'dest-exchange' and 'dest-queue'");
  return [...faults, ...checkFields(name, rulesFor(mayEnter), definition)];
}

/** The keys of a definition that was checked. */
interface CheckedDefinition {
  readonly "src-uri": string | readonly string[];
  readonly "dest-uri": string | readonly string[];
  readonly "src-queue"?: string;
  readonly "src-exchange"?: string;
  readonly "src-exchange-key"?: string;
  readonly "src-prefetch-count"?: number;
  readonly "prefetch-count"?: number;
  readonly "src-delete-after"?: ShovelSource["deleteAfter"];
  readonly "delete-after"?: ShovelSource["deleteAfter"];
  readonly "src-consumer-name"?: string;
  readonly "src-predeclared"?: boolean;
  readonly "dest-queue"?: string;
  readonly "dest-exchange"?: string;
  readonly "dest-exchange-key"?: string;
  readonly "dest-publish-properties"?: ShovelDestination["properties"];
  readonly "publish-properties"?: ShovelDestination["properties"];
  readonly "dest-add-forward-headers"?: boolean;
  readonly "add-forward-headers"?: boolean;
  readonly "dest-add-timestamp-header"?: boolean;
  readonly "add-timestamp-header"?: boolean;
  readonly "dest-predeclared"?: boolean;
  readonly "ack-mode"?: AckMode;
  readonly "reconnect-delay"?: number;
}

/** What to do by a definition without faults; of two names for one thing, the newer counts. */
export function planShovel(definition: JsonObject): ShovelPlan {
  const given = definition as unknown as CheckedDefinition;
  const list = (uris: string | readonly string[]): readonly string[] => (typeof uris === "string" ? [uris] : uris);
  const table = (key: string): FieldTable => must(tableOfJson(definition[key]), "it was checked");
  return {
    source: {
      uris: list(given["src-uri"]),
      queue: given["src-queue"],
      queueArguments: table("src-queue-args"),
      exchange: given["src-exchange"],
      exchangeKey: given["src-exchange-key"] ?? "",
      prefetchCount: given["src-prefetch-count"] ?? given["prefetch-count"] ?? 1000,
      deleteAfter: given["src-delete-after"] ?? given["delete-after"] ?? "never",
      consumerArguments: table("src-consumer-args"),
      consumerTag: given["src-consumer-name"] ?? "",
      isPredeclared: given["src-predeclared"] ?? false,
    },
    destination: {
      uris: list(given["dest-uri"]),
      queue: given["dest-queue"],
      queueArguments: table("dest-queue-args"),
      exchange: given["dest-exchange"],
      exchangeKey: given["dest-exchange-key"],
      properties: given["dest-publish-properties"] ?? given["publish-properties"] ?? {},
      addForwardHeaders: given["dest-add-forward-headers"] ?? given["add-forward-headers"] ?? false,
      addTimestampHeader: given["dest-add-timestamp-header"] ?? given["add-timestamp-header"] ?? false,
      isPredeclared: given["dest-predeclared"] ?? false,
    },
    ackMode: given["ack-mode"] ?? "on-confirm",
    reconnectMs: Math.max(0, given["reconnect-delay"] ?? 5) * 1000,
  };
}
