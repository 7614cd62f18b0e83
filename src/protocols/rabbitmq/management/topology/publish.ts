/**
 * Publishing a message over HTTP: for tests and for operators, one a request. It goes the way of any other message, mandatory
 * and confirmed: the answer says whether it reached a queue, and comes when it is durable.
 */

import { emptyPublication, type Publication, type PublishOutcome } from "../../../../broker/api.ts";
import { Fault, notFound } from "../../model/errors.ts";
import { fieldValue, type FieldTable } from "../../model/field-table.ts";
import { tracePublish } from "../../model/firehose.ts";
import { amqpFormatId } from "../../model/format.ts";
import { encodeProperties, type Properties } from "../../model/properties.ts";
import {
  checkPublish,
  checkUserId,
  readCopies,
  readExpiration,
  unknownDeliveryMode,
  withoutBcc,
} from "../../model/publish-checks.ts";
import { isReply, missingFields } from "../body-fields.ts";
import { replyObject } from "../listing.ts";
import { badRequest, type Reply } from "../reply.ts";
import type { Route, VhostCall } from "../route.ts";
import { readProperties } from "./properties-json.ts";
import { inVhost } from "./queues.ts";
import { accessRefused, callerOf, exchangeName, tracedWay } from "./refusals.ts";

const bodyBytesMax = 20_000_000;

export const publishRoutes: readonly Route[] = [
  {
    method: "POST",
    path: "/exchanges/:vhost/:exchange/publish",
    access: "vhost",
    about: "Publishes a message: routing_key, properties, payload, payload_encoding (string or base64).",
    bodyBytesMax,
    handle: (call) => inVhost(call, publish, accessRefused),
  },
];

function publish(call: VhostCall): Reply {
  const { body, vhost, identity } = call;
  const missing = missingFields(body, ["routing_key", "properties", "payload", "payload_encoding"]);
  if (missing !== undefined) return missing;
  const { routing_key: routingKey } = body;
  if (typeof routingKey !== "string") return badRequest(["not_string", "routing_key"]);
  if (Buffer.byteLength(routingKey) > 255) return badRequest(["too_long", "routing_key"]);
  if (!identity.mayEnter(vhost.name)) return accessRefused;
  const payload = readPayload(body["payload"], body["payload_encoding"]);
  if (isReply(payload)) return payload;
  const read = readProperties(body["properties"]);
  if (isReply(read)) return read;

  const name = exchangeName(call.params["exchange"] ?? "");
  const exchange = vhost.namespace.exchange(name);
  if (exchange === undefined) return publishFault(notFound("exchange", name, vhost.name));
  const publication: Publication = {
    ...emptyPublication(exchange),
    format: amqpFormatId,
    durable: read.properties.deliveryMode === 2,
    priority: read.properties.priority ?? 0,
    routingKey,
    head: read.head,
    headEnd: read.head.length,
    body: payload,
    bodyEnd: payload.length,
  };
  const fault = checkPublish(callerOf(call), exchange, routingKey) ?? readHead(call, read.properties, publication);
  if (fault !== undefined) return publishFault(fault);
  call.server.messageSizes.add(payload.length);
  if (vhost.record.isTracing) tracePublish(tracedWay(call), publication);
  const outcome: PublishOutcome = { routed: 0, refused: false, ticket: 0 };
  vhost.namespace.publish(publication, outcome);
  if (outcome.refused) return badRequest("rejected Unable to publish message. Check queue limits.");
  return replyObject(call, { routed: outcome.routed > 0 });
}

/** A publish has no answer of its own that could be another status: what ends the channel is a bad request. */
function publishFault(fault: Fault): Reply {
  return badRequest(`${fault.code} ${fault.replyText}`);
}

function readPayload(payload: unknown, encoding: unknown): Buffer | Reply {
  if (typeof payload !== "string") return badRequest("payload_not_string");
  if (encoding === "string") return Buffer.from(payload);
  if (encoding !== "base64") return badRequest(["unsupported_encoding", encoding]);
  const isBase64 = /^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(payload);
  return isBase64 ? Buffer.from(payload, "base64") : badRequest(["not_base64", payload]);
}

/** What the broker has to know of the properties; the same that a channel looks for in a message that came by AMQP. */
function readHead(call: VhostCall, properties: Properties, publication: Publication): Fault | undefined {
  const { userId, expiration, deliveryMode = 1, headers = [] } = properties;
  if (deliveryMode !== 1 && deliveryMode !== 2) return unknownDeliveryMode(deliveryMode);
  const wrong = userId === undefined ? undefined : checkUserId(call.identity, userId);
  if (wrong !== undefined) return wrong;
  const ttlMs = expiration === undefined ? -1 : readExpiration(expiration);
  if (ttlMs instanceof Fault) return ttlMs;
  publication.ttlMs = ttlMs;
  return headers.length === 0 ? undefined : readHeaders(properties, headers, publication);
}

function readHeaders(properties: Properties, headers: FieldTable, publication: Publication): Fault | undefined {
  const keys = readCopies(headers);
  if (keys instanceof Fault) return keys;
  if (keys.length > 0) publication.extraKeys = keys;
  if (fieldValue(headers, "BCC") === undefined) return undefined;
  publication.head = encodeProperties({ ...properties, headers: withoutBcc(headers) });
  publication.headEnd = publication.head.length;
  return undefined;
}
