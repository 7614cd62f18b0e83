/**
 * What a refusal of the model looks like over HTTP, and the checks of permissions that AMQP's methods do as well. For things
 * that AMQP would do on a channel of its own (publish, get), RabbitMQ answers with the text that would have ended the channel.
 */

import type { Access, TopicAccess } from "../../../../auth/identity.ts";
import type { Exchange } from "../../../../broker/api.ts";
import { exchangeDeclaration } from "../../model/declaration.ts";
import { Fault } from "../../model/errors.ts";
import { badRequest, notAuthorised, refused, type Reply } from "../reply.ts";
import type { Call, VhostCall } from "../route.ts";

export const accessRefused = notAuthorised("Access refused.");

/** Of a method that was called for the user. The log has what the user is not told. */
export function faultReply(call: Call, fault: Fault): Reply {
  call.server.logger.warn("an HTTP request was refused", {
    user: call.identity.name,
    method: call.method,
    path: call.path,
    reason: fault.explanation,
  });
  switch (fault.kind) {
    case "notFound":
      return refused(404, "not_found", fault.explanation);
    case "accessRefused":
    case "notAllowed":
      return accessRefused;
    default:
      return badRequest(fault.explanation);
  }
}

/** Of a channel that it would have ended. */
export function channelFaultReply(fault: Fault): Reply {
  switch (fault.kind) {
    case "notFound":
      return refused(404, "not_found", fault.replyText);
    case "accessRefused":
      return notAuthorised(fault.replyText);
    default:
      return badRequest(`${fault.code} ${fault.replyText}`);
  }
}

/** Undefined: the user may. */
export function checkPermission(
  call: VhostCall,
  access: Access,
  kind: "queue" | "exchange",
  name: string,
): Fault | undefined {
  const { identity, vhost } = call;
  if (identity.may(access, vhost.name, shownName(kind, name))) return undefined;
  const what = `${kind} '${shownName(kind, name)}' in vhost '${vhost.name}'`;
  return new Fault("accessRefused", `access to ${what} refused for user '${identity.name}'`);
}

/** The same for a routing key, which exchanges of the type topic restrict. */
export function checkTopic(
  { identity, vhost }: VhostCall,
  access: TopicAccess,
  exchange: Exchange,
  routingKey: string,
): Fault | undefined {
  if (exchange.settings.kind !== "topic" || exchangeDeclaration(exchange).type !== "topic") return undefined;
  if (identity.mayTopic(access, vhost.name, exchange.name, routingKey)) return undefined;
  const what = `topic '${routingKey}' in exchange topic '${exchange.name}' in vhost '${vhost.name}'`;
  return new Fault("accessRefused", `access to ${what} refused for user '${identity.name}'`);
}

/** The default exchange has a name for permissions, and in paths. */
export function shownName(kind: "queue" | "exchange", name: string): string {
  return kind === "exchange" && name === "" ? "amq.default" : name;
}

export function exchangeName(shown: string): string {
  return shown === "amq.default" ? "" : shown;
}
