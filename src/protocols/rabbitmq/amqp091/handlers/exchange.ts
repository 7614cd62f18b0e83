/**
 * The exchange class: declare, delete, bind and unbind (between exchanges). What is refused, in which order, stands in
 * model/exchanges.ts and model/bindings.ts; an unknown type ends the connection.
 */

import type { Namespace } from "../../../../broker/api.ts";
import type { Channel } from "../channel.ts";
import { bind, unbind, type BindingEnds } from "../../model/bindings.ts";
import { Fault, notFound } from "../../model/errors.ts";
import { declareExchange, deleteExchange } from "../../model/exchanges.ts";
import { headersOf } from "../../model/mapping.ts";
import { cleanName } from "../../model/names.ts";
import { defaultRefused } from "../../model/permissions.ts";
import type { MethodArguments } from "../frames.ts";

export function exchangeDeclare(channel: Channel, args: MethodArguments<"exchange.declare">): Fault | undefined {
  const { connection } = channel;
  const name = cleanName(args.exchange);
  const declared = args.passive
    ? checkExists(connection.namespace, name, connection.vhost)
    : declareExchange(connection, name, args);
  if (declared instanceof Fault) return declared;
  if (!args.noWait) connection.reply(channel.number, "exchange.declare-ok", {});
  return undefined;
}

function checkExists(namespace: Namespace, name: string, vhost: string): Fault | undefined {
  if (name === "") return defaultRefused();
  return namespace.exchange(name) === undefined ? notFound("exchange", name, vhost) : undefined;
}

export function exchangeDelete(channel: Channel, args: MethodArguments<"exchange.delete">): Fault | undefined {
  const fault = deleteExchange(channel.connection, cleanName(args.exchange), args);
  if (fault === undefined && !args.noWait) channel.connection.reply(channel.number, "exchange.delete-ok", {});
  return fault;
}

export function exchangeBind(channel: Channel, args: MethodArguments<"exchange.bind">): Fault | undefined {
  const fault = bind(channel.connection, bindingEnds(args), args.arguments);
  if (fault === undefined && !args.noWait) channel.connection.reply(channel.number, "exchange.bind-ok", {});
  return fault;
}

export function exchangeUnbind(channel: Channel, args: MethodArguments<"exchange.unbind">): Fault | undefined {
  const fault = unbind(channel.connection, bindingEnds(args), headersOf(args.arguments));
  if (fault === undefined && !args.noWait) channel.connection.reply(channel.number, "exchange.unbind-ok", {});
  return fault;
}

function bindingEnds(args: { source: string; destination: string; routingKey: string }): BindingEnds {
  const { source, destination, routingKey } = args;
  return { source: cleanName(source), destinationType: "exchange", destination: cleanName(destination), routingKey };
}
