/**
 * The exchange class: declare, delete, bind and unbind (between exchanges).
 *
 * Refused, in RabbitMQ's order: an unknown type (ends the connection), the default exchange, what the user may not, names
 * that begin with `amq.`, a declaration that differs from the existing exchange's, deletion while in use, if asked.
 */

import type { Namespace } from "../../../../broker/api.ts";
import { cleanName } from "../access.ts";
import { checkBinding } from "../../model/binding.ts";
import type { Channel } from "../channel.ts";
import { exchangeDeclaration, keptForm, type ExchangeDeclaration } from "../../model/declaration.ts";
import {
  checkExchangeType,
  checkNewExchange,
  checkSameExchange,
  exchangeSettings,
} from "../../model/declare-exchange.ts";
import { Fault, notFound, resource } from "../../model/errors.ts";
import { fieldTypeNames, fieldValue } from "../../model/field-table.ts";
import type { MethodArguments } from "../frames.ts";
import { headersOf } from "../../model/mapping.ts";
import { checkAccess, checkBinding as checkBindingAccess, defaultRefused } from "../permissions.ts";

export function exchangeDeclare(channel: Channel, args: MethodArguments<"exchange.declare">): Fault | undefined {
  const { namespace, vhost } = channel.connection;
  const name = cleanName(args.exchange);
  const fault = args.passive ? checkExists(namespace, name, vhost) : declare(channel, name, args);
  if (fault === undefined && !args.noWait) channel.connection.reply(channel.number, "exchange.declare-ok", {});
  return fault;
}

function checkExists(namespace: Namespace, name: string, vhost: string): Fault | undefined {
  if (name === "") return new Fault("accessRefused", defaultRefused);
  return namespace.exchange(name) === undefined ? notFound("exchange", name, vhost) : undefined;
}

function declare(channel: Channel, name: string, args: MethodArguments<"exchange.declare">): Fault | undefined {
  const { namespace, vhost } = channel.connection;
  const typeFault = checkExchangeType(args.type);
  if (typeFault !== undefined) return typeFault;
  if (name === "") return new Fault("accessRefused", defaultRefused);
  const refused = checkAccess(channel.connection, "configure", "exchange", name);
  if (refused !== undefined) return refused;
  const existing = namespace.exchange(name);
  if (existing !== undefined) {
    return checkSameExchange(existing.settings, exchangeDeclaration(existing), args, name, vhost);
  }
  if (name.startsWith("amq.")) {
    return new Fault("accessRefused", `exchange name '${name}' contains reserved prefix 'amq.*'`);
  }
  const fault = checkAlternate(channel, name, args) ?? checkNewExchange(args.type, args.arguments, name, vhost);
  if (fault !== undefined) return fault;
  const declaration: ExchangeDeclaration = { type: args.type, internal: args.internal, arguments: args.arguments };
  namespace.createExchange(name, exchangeSettings(args, args.arguments), keptForm(declaration));
  return undefined;
}

/** Who declares an alternate exchange sends messages on from one exchange to the other. */
function checkAlternate(
  { connection }: Channel,
  name: string,
  args: MethodArguments<"exchange.declare">,
): Fault | undefined {
  const alternate = fieldValue(args.arguments, "alternate-exchange");
  if (alternate === undefined) return undefined;
  if (alternate.type !== "S") {
    const what = `for arg 'alternate-exchange' in ${resource("exchange", name, connection.vhost)}`;
    return new Fault("preconditionFailed", `invalid type '${fieldTypeNames[alternate.type]}' ${what}`);
  }
  return (
    checkAccess(connection, "read", "exchange", name) ??
    checkAccess(connection, "write", "exchange", alternate.value.toString())
  );
}

export function exchangeDelete(channel: Channel, args: MethodArguments<"exchange.delete">): Fault | undefined {
  const { namespace, vhost } = channel.connection;
  const name = cleanName(args.exchange);
  if (name === "") return new Fault("accessRefused", defaultRefused);
  if (name.startsWith("amq.")) {
    return new Fault("accessRefused", `deletion of system ${resource("exchange", name, vhost)} not allowed`);
  }
  const refused = checkAccess(channel.connection, "configure", "exchange", name);
  if (refused !== undefined) return refused;
  if (namespace.exchange(name) !== undefined) {
    if (args.ifUnused && hasBindings(namespace, name)) {
      return new Fault("preconditionFailed", `${resource("exchange", name, vhost)} in use`);
    }
    namespace.deleteExchange(name);
  }
  if (!args.noWait) channel.connection.reply(channel.number, "exchange.delete-ok", {});
  return undefined;
}

function hasBindings(namespace: Namespace, name: string): boolean {
  for (const _ of namespace.bindingsFrom(name)) return true;
  return false;
}

export function exchangeBind(channel: Channel, args: MethodArguments<"exchange.bind">): Fault | undefined {
  const { namespace, vhost } = channel.connection;
  const source = cleanName(args.source);
  const destination = cleanName(args.destination);
  const refused = checkBindingAccess(channel.connection, "exchange", destination, source, args.routingKey);
  if (refused !== undefined) return refused;
  const exchange = namespace.exchange(source);
  if (exchange === undefined) return notFound("exchange", source, vhost);
  if (namespace.exchange(destination) === undefined) return notFound("exchange", destination, vhost);
  const fault = checkBinding(exchange, args.routingKey, args.arguments);
  if (fault !== undefined) return fault;
  namespace.bind(source, { exchange: destination }, args.routingKey, headersOf(args.arguments));
  if (!args.noWait) channel.connection.reply(channel.number, "exchange.bind-ok", {});
  return undefined;
}

export function exchangeUnbind(channel: Channel, args: MethodArguments<"exchange.unbind">): Fault | undefined {
  const { namespace } = channel.connection;
  const source = cleanName(args.source);
  const destination = cleanName(args.destination);
  const refused = checkBindingAccess(channel.connection, "exchange", destination, source, args.routingKey);
  if (refused !== undefined) return refused;
  if (namespace.exchange(source) !== undefined && namespace.exchange(destination) !== undefined) {
    namespace.unbind(source, { exchange: destination }, args.routingKey, headersOf(args.arguments));
  }
  if (!args.noWait) channel.connection.reply(channel.number, "exchange.unbind-ok", {});
  return undefined;
}
