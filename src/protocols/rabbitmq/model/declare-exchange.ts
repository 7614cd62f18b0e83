/**
 * exchange.declare: the types of exchanges, by the names that clients use, as the core's matchers; and the checks and
 * texts of RabbitMQ. A type that we do not have is refused as RabbitMQ refuses one whose plug-in is not enabled.
 */

import type { ExchangeSettings } from "../../../broker/api.ts";
import { booleanArgument, isWhole, numberArgument, numberOf, textArgument } from "./arguments.ts";
import type { ExchangeDeclaration } from "./declaration.ts";
import { dedupOf } from "./declare-queue.ts";
import { compareArguments, compareField } from "./equivalence.ts";
import { erlangValue, Fault, resource, shownValue } from "./errors.ts";
import { eventExchange } from "./events.ts";
import { fieldTypeNames, fieldValue, type FieldTable, type FieldValue } from "./field-table.ts";

const kindByType = {
  direct: "direct",
  fanout: "fanout",
  topic: "topic",
  headers: "headers",
  "x-consistent-hash": "consistent-hash",
  "x-modulus-hash": "modulus-hash",
  "x-random": "random",
  "x-local-random": "random",
  "x-recent-history": "fanout",
  "x-message-deduplication": "fanout",
  // What the event exchange was in its first versions.
  "x-event": "topic",
} as const satisfies Readonly<Record<string, ExchangeSettings["kind"]>>;

const delayedType = "x-delayed-message";
/** What an exchange may be declared as. */
export type ExchangeType = keyof typeof kindByType | typeof delayedType;
/** The name of the type, and of the argument by which any other exchange does it as well. */
const dedupType = "x-message-deduplication";
const cacheArguments = [
  ["x-cache-size", "Missing or invalid argument"],
  ["x-cache-ttl", "Invalid argument"],
] as const;
const historyDefault = 20;
const hashProperties = ["correlation_id", "message_id", "timestamp"];

/** The exchanges that each virtual host has from the start. */
export const firstExchanges: readonly { readonly name: string; readonly type: string; readonly internal: boolean }[] = [
  { name: "", type: "direct", internal: false },
  { name: "amq.direct", type: "direct", internal: false },
  { name: "amq.fanout", type: "fanout", internal: false },
  { name: "amq.topic", type: "topic", internal: false },
  { name: "amq.headers", type: "headers", internal: false },
  { name: "amq.match", type: "headers", internal: false },
  { name: "amq.rabbitmq.trace", type: "topic", internal: true },
  { name: eventExchange, type: "topic", internal: true },
];

export function checkExchangeType(type: string): Fault | undefined {
  if (type === delayedType || routes(type)) return undefined;
  return new Fault("commandInvalid", `${type === "" ? "invalid" : "unknown"} exchange type '${type}'`);
}

/** Whether there is such a type, and it routes by itself. */
function routes(type: string): type is keyof typeof kindByType {
  return Object.hasOwn(kindByType, type);
}

/** The checks of a new exchange, after that of its type. */
export function checkNewExchange(type: string, args: FieldTable, name: string, vhost: string): Fault | undefined {
  const alternate = fieldValue(args, "alternate-exchange");
  if (alternate !== undefined && alternate.type !== "S") {
    const what = `for arg 'alternate-exchange' in ${resource("exchange", name, vhost)}`;
    return new Fault("preconditionFailed", `invalid type '${fieldTypeNames[alternate.type]}' ${what}`);
  }
  return (
    (type === delayedType ? checkDelayed(args) : undefined) ??
    checkOfType(routedType(type, args), args) ??
    (remembers(type, args) ? checkCache(args) : undefined)
  );
}

/** The type by which an exchange routes: of one that delays, what it is otherwise. */
export function routedType(type: string, args: FieldTable): string {
  return type === delayedType ? (textArgument(args, "x-delayed-type") ?? "direct") : type;
}

function checkDelayed(args: FieldTable): Fault | undefined {
  const inner = textArgument(args, "x-delayed-type");
  if (inner === delayedType) {
    return new Fault("preconditionFailed", `Invalid argument, '${delayedType}' can't be used for 'x-delayed-type'`);
  }
  if (inner !== undefined && routes(inner)) return undefined;
  return new Fault("preconditionFailed", "Invalid argument, 'x-delayed-type' must be an existing exchange type");
}

function checkOfType(type: string, args: FieldTable): Fault | undefined {
  switch (type) {
    case "x-consistent-hash":
      return checkHash(args);
    case "x-recent-history":
      return checkHistory(args);
    default:
      return undefined;
  }
}

function checkHash(args: FieldTable): Fault | undefined {
  const property = fieldValue(args, "hash-property");
  if (property === undefined) return undefined;
  if (fieldValue(args, "hash-header") !== undefined) {
    return new Fault("preconditionFailed", "hash-header and hash-property are mutually exclusive");
  }
  if (hashProperties.includes(shownValue(property))) return undefined;
  return new Fault("preconditionFailed", `Unsupported property: ${shownValue(property)}`);
}

function checkHistory(args: FieldTable): Fault | undefined {
  const length = fieldValue(args, "x-recent-history-length");
  if (length === undefined || ("bsIlL".includes(length.type) && Number(length.value) > 0)) return undefined;
  const text = `Invalid argument ${erlangValue(length)}, 'x-recent-history-length' must be a positive integer`;
  return new Fault("preconditionFailed", text);
}

/** Whether it drops messages that it has seen. */
function remembers(type: string, args: FieldTable): boolean {
  return routedType(type, args) === dedupType || booleanArgument(args, dedupType);
}

/** As the plug-in, which takes texts of numbers, too. But for it the size has to be said. */
function checkCache(args: FieldTable): Fault | undefined {
  for (const [name, what] of cacheArguments) {
    const value = fieldValue(args, name);
    if (value === undefined || isCount(value)) continue;
    return new Fault("preconditionFailed", `${what}, '${name}' must be an integer greater than 0`);
  }
  return undefined;
}

function isCount(value: FieldValue): boolean {
  const isNumber = value.type === "S" ? /^\d{1,15}$/.test(value.value.toString()) : isWhole(value);
  return isNumber && numberOf(value) > 0;
}

export interface ExchangeFlags {
  readonly type: string;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly internal: boolean;
}

/** Compares a declaration with the exchange that has the name. */
export function checkSameExchange(
  settings: ExchangeSettings,
  current: ExchangeDeclaration,
  received: ExchangeFlags & { readonly arguments: FieldTable },
  name: string,
  vhost: string,
): Fault | undefined {
  const what = resource("exchange", name, vhost);
  const names = current.type === delayedType ? ["alternate-exchange", "x-delayed-type"] : ["alternate-exchange"];
  return (
    compareField(what, "type", current.type, received.type) ??
    compareField(what, "durable", settings.durable, received.durable) ??
    compareField(what, "auto_delete", settings.autoDelete, received.autoDelete) ??
    compareField(what, "internal", current.internal, received.internal) ??
    compareArguments(what, names, current.arguments, received.arguments)
  );
}

/** What the declaration means to the core. It must have passed the checks. */
export function exchangeSettings(flags: ExchangeFlags, args: FieldTable): ExchangeSettings {
  const type = routedType(flags.type, args);
  return {
    kind: routes(type) ? kindByType[type] : "direct",
    durable: flags.durable,
    autoDelete: flags.autoDelete,
    alternate: textArgument(args, "alternate-exchange"),
    hashHeader: textArgument(args, "hash-header"),
    hashProperty: textArgument(args, "hash-property")?.replaceAll("_", "-"),
    delays: flags.type === delayedType,
    historyLength:
      type === "x-recent-history" ? (numberArgument(args, "x-recent-history-length") ?? historyDefault) : 0,
    dedup: remembers(type, args) ? dedupOf(args) : undefined,
  };
}
