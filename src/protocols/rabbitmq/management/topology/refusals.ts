/**
 * What a refusal of the model looks like over HTTP, and how a request shows itself to the model. For things
 * that AMQP would do on a channel of its own (publish, get), RabbitMQ answers with the text that would have ended the channel.
 */

import type { Fault } from "../../model/errors.ts";
import type { TracedWay } from "../../model/firehose.ts";
import type { Caller } from "../../model/permissions.ts";
import { badRequest, notAuthorised, refused, type Reply } from "../reply.ts";
import type { Call, VhostCall } from "../route.ts";

export const accessRefused = notAuthorised("Access refused.");

/** Of a method that was called for the user. The log has what the user is not told. */
export function faultReply(call: Call, fault: Fault): Reply {
  call.server.log.warn("an HTTP request was refused", {
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

/** The request, as one who asks for something: it owns no queue, so that all exclusive ones are others'. */
export function callerOf({ server, identity, vhost }: VhostCall): Caller {
  return { server, user: identity, virtualHost: vhost };
}

/** To the firehose: a request is a connection of its own, with one channel. */
export function tracedWay(call: VhostCall): TracedWay {
  return { caller: callerOf(call), connection: call.peer.address, channel: 1 };
}

/** The default exchange has a name in paths. */
export function exchangeName(shown: string): string {
  return shown === "amq.default" ? "" : shown;
}
