/** Exchanges: declare and delete, with the checks of AMQP's methods. In paths the default exchange is called `amq.default`. */

import { Fault } from "../../model/errors.ts";
import { declareExchange as declare, deleteExchange as deleteNamed } from "../../model/exchanges.ts";
import { cleanName } from "../../model/names.ts";
import { argumentsField, booleanField, isReply, textField } from "../body-fields.ts";
import { badRequest, created, done, objectNotFound, put, vhostNotFound, type Reply } from "../reply.ts";
import type { Route, VhostCall } from "../route.ts";
import { inVhost } from "./queues.ts";
import { callerOf, exchangeName, faultReply } from "./refusals.ts";

const nameBytesMax = 255;

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

function declareExchange(call: VhostCall): Reply {
  const { body } = call;
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

  const declared = declare(callerOf(call), cleanName(asked), { type, durable, autoDelete, internal, arguments: args });
  if (declared instanceof Fault) return faultReply(call, declared);
  return declared.isNew ? created : put(false);
}

function deleteExchange(call: VhostCall): Reply {
  const name = exchangeName(call.params["exchange"] ?? "");
  if (call.vhost.namespace.exchange(name) === undefined) return objectNotFound;
  const fault = deleteNamed(callerOf(call), name, { ifUnused: call.query.get("if-unused") === "true" });
  return fault === undefined ? done : faultReply(call, fault);
}
