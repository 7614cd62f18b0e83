/** Exchanges: declare and delete, with the checks of AMQP's methods. In paths the default exchange is called `amq.default`. */

import { textArgument } from "../../model/arguments.ts";
import { exchangeDeclaration, keptForm } from "../../model/declaration.ts";
import {
  checkExchangeType,
  checkNewExchange,
  checkSameExchange,
  exchangeSettings,
} from "../../model/declare-exchange.ts";
import { Fault, resource } from "../../model/errors.ts";
import { argumentsField, booleanField, isReply, textField } from "../body-fields.ts";
import { badRequest, created, done, objectNotFound, put, vhostNotFound, type Reply } from "../reply.ts";
import type { Route, VhostCall } from "../route.ts";
import { inVhost } from "./queues.ts";
import { checkPermission, exchangeName, faultReply } from "./refusals.ts";

const nameBytesMax = 255;
const defaultRefused = new Fault("accessRefused", "operation not permitted on the default exchange");

export const exchangeRoutes: readonly Route[] = [
  {
    method: "PUT",
    path: "/exchanges/:vhost/:exchange",
    access: "vhost",
    about: "Declares an exchange: type, durable, auto_delete, internal, arguments.",
    handle: (call) => inVhost(call, declareExchange, vhostNotFound),
  },
  {
    method: "DELETE",
    path: "/exchanges/:vhost/:exchange",
    access: "vhost",
    about: "Deletes an exchange; if-unused=true refuses if anything is bound to it.",
    handle: (call) => inVhost(call, deleteExchange),
  },
];

type ExchangeFlags = Parameters<typeof exchangeSettings>[0];

function declareExchange(call: VhostCall): Reply {
  const { vhost, body } = call;
  const asked = exchangeName(call.params["exchange"] ?? "");
  const bytes = Buffer.byteLength(asked);
  if (bytes > nameBytesMax) return badRequest(`exchange should be less than 255 bytes, actually was ${bytes}\n`);
  const type = textField(body, "type") ?? "direct";
  if (isReply(type)) return type;
  const durable = booleanField(body, "durable");
  if (isReply(durable)) return durable;
  const autoDelete = booleanField(body, "auto_delete");
  if (isReply(autoDelete)) return autoDelete;
  const internal = booleanField(body, "internal");
  if (isReply(internal)) return internal;
  const args = argumentsField(body);
  if (isReply(args)) return args;

  const name = asked.replace(/[\r\n]/g, "");
  const received = { type, durable, autoDelete, internal, arguments: args };
  const existing = vhost.namespace.exchange(name);
  const fault = checkDeclare(call, name, received);
  if (fault !== undefined) return faultReply(call, fault);
  if (existing !== undefined) return put(false);
  vhost.namespace.createExchange(name, exchangeSettings(received, args), keptForm({ type, internal, arguments: args }));
  return created;
}

function checkDeclare(
  call: VhostCall,
  name: string,
  received: ExchangeFlags & { readonly arguments: Parameters<typeof checkNewExchange>[1] },
): Fault | undefined {
  const { name: vhost, namespace } = call.vhost;
  const fault = checkExchangeType(received.type);
  if (fault !== undefined) return fault;
  if (name === "") return defaultRefused;
  const refusal = checkPermission(call, "configure", "exchange", name);
  if (refusal !== undefined) return refusal;
  const existing = namespace.exchange(name);
  if (existing !== undefined) {
    return checkSameExchange(existing.settings, exchangeDeclaration(existing), received, name, vhost);
  }
  if (name.startsWith("amq.")) {
    return new Fault("accessRefused", `exchange name '${name}' contains reserved prefix 'amq.*'`);
  }
  const alternate = textArgument(received.arguments, "alternate-exchange");
  return (
    checkNewExchange(received.type, received.arguments, name, vhost) ??
    (alternate === undefined
      ? undefined
      : (checkPermission(call, "read", "exchange", name) ?? checkPermission(call, "write", "exchange", alternate)))
  );
}

function deleteExchange(call: VhostCall): Reply {
  const { namespace, name: vhost } = call.vhost;
  const name = exchangeName(call.params["exchange"] ?? "");
  if (namespace.exchange(name) === undefined) return objectNotFound;
  const fault = checkDelete(call, name, vhost);
  if (fault !== undefined) return faultReply(call, fault);
  namespace.deleteExchange(name);
  return done;
}

function checkDelete(call: VhostCall, name: string, vhost: string): Fault | undefined {
  if (name === "") return defaultRefused;
  if (name.startsWith("amq.")) {
    return new Fault("accessRefused", `deletion of system ${resource("exchange", name, vhost)} not allowed`);
  }
  const refusal = checkPermission(call, "configure", "exchange", name);
  if (refusal !== undefined || call.query.get("if-unused") !== "true") return refusal;
  for (const _ of call.vhost.namespace.bindingsFrom(name)) {
    return new Fault("preconditionFailed", `${resource("exchange", name, vhost)} in use`);
  }
  return undefined;
}
