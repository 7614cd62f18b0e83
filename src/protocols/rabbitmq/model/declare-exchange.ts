/**
 * exchange.declare: the types of exchanges, by the names that clients use, as the core's matchers; and the checks and
 * texts of RabbitMQ. A type that we do not have is refused as RabbitMQ refuses one whose plug-in is not enabled.
 */

import type { ExchangeSettings } from "../../../broker/api.ts";
import { booleanArgument, numberArgument, textArgument } from "./arguments.ts";
import type { ExchangeDeclaration } from "./declaration.ts";
import { dedupOf } from "./declare-queue.ts";
import { compareArguments, compareField } from "./equivalence.ts";
import { erlangValue, Fault, resource, shownValue } from "./errors.ts";
import { eventExchange } from "./events.ts";
import { fieldTypeNames, fieldValue, type FieldTable } from "./field-table.ts";

const kindByType: Readonly<Record<string, ExchangeSettings["kind"]>> = {
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
};

const delayedType = "x-delayed-message";
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
  if (type === delayedType || Object.hasOwn(kindByType, type)) return undefined;
  return new Fault("commandInvalid", `${type === "" ? "invalid" : "unknown"} exchange type '${type}'`);
}

/** The checks of a new exchange, after that of its type. */
export function checkNewExchange(type: string, args: FieldTable, name: string, vhost: string): Fault | undefined {
  const alternate = fieldValue(args, "alternate-exchange");
  if (alternate !== undefined && alternate.type !== "S") {
    const what = `for arg 'alternate-exchange' in ${resource("exchange", name, vhost)}`;
    return new Fault("preconditionFailed", `invalid type '${fieldTypeNames[alternate.type]}' ${what}`);
  }
  switch (type) {
    case delayedType:
      return checkDelayed(args);
    case "x-consistent-hash":
      return checkHash(args);
    case "x-recent-history":
      return checkHistory(args);
    default:
      return undefined;
  }
}

function checkDelayed(args: FieldTable): Fault | undefined {
  const inner = textArgument(args, "x-delayed-type");
  if (inner !== undefined && Object.hasOwn(kindByType, inner)) return undefined;
  return new Fault("preconditionFailed", "Invalid argument, 'x-delayed-type' must be an existing exchange type");
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
  const type = flags.type === delayedType ? (textArgument(args, "x-delayed-type") ?? "direct") : flags.type;
  const isDedup = type === "x-message-deduplication" || booleanArgument(args, "x-message-deduplication");
  return {
    kind: kindByType[type] ?? "direct",
    durable: flags.durable,
    autoDelete: flags.autoDelete,
    alternate: textArgument(args, "alternate-exchange"),
    hashHeader: textArgument(args, "hash-header"),
    hashProperty: textArgument(args, "hash-property")?.replaceAll("_", "-"),
    delays: flags.type === delayedType,
    historyLength:
      type === "x-recent-history" ? (numberArgument(args, "x-recent-history-length") ?? historyDefault) : 0,
    dedup: isDedup ? dedupOf(args) : undefined,
  };
}
