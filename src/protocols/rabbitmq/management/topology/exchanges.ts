/** Exchanges: declare and delete, with the checks of AMQP's methods. In paths the default exchange is called `amq.default`. */

import { Fault } from "../../model/errors.ts";
import { declareExchange as declare, deleteExchange as deleteNamed } from "../../model/exchanges.ts";
import { cleanName } from "../../model/names.ts";
import { booleanField, isReply, shapeFields, textField } from "../body-fields.ts";
import { created, done, objectNotFound, put, vhostNotFound, type Reply } from "../reply.ts";
import type { Route, VhostCall } from "../route.ts";
import { inVhost } from "./queues.ts";
import { callerOf, exchangeName, faultReply } from "./refusals.ts";

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
  const type = textField(body, "type") ?? "direct";
  if (isReply(type)) return type;
  const shape = shapeFields(body);
  if (isReply(shape)) return shape;
  const internal = booleanField(body, "internal");
  if (isReply(internal)) return internal;

  const declared = declare(callerOf(call), cleanName(asked), { type, internal, ...shape });
  if (declared instanceof Fault) return faultReply(call, declared);
  return declared.isNew ? created : put(false);
}

function deleteExchange(call: VhostCall): Reply {
  const name = exchangeName(call.params["exchange"] ?? "");
  if (call.vhost.namespace.exchange(name) === undefined) return objectNotFound;
  const fault = deleteNamed(callerOf(call), name, { ifUnused: call.query.get("if-unused") === "true" });
  return fault === undefined ? done : faultReply(call, fault);
}
