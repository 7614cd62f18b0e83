/**
 * Getting messages over HTTP: for a look, some at a time. A session takes them one by one, and when all are there settles them as
 * `ackmode` says: only then, or the next would be the one that was just given back. A session that ends gives back the rest.
 *
 * A message of 100 MB in a list of a hundred is more than anybody reads: past a bound, an answer holds no more messages. What
 * counts is the text that it is, properties and all. Messages in memory are there at once, so the turn of the event loop is
 * given back now and then: a million of them would else be one turn.
 */

import type { Clock } from "../../../../base/clock.ts";
import { Slices } from "../../../../base/slices.ts";
import type { Broker, Entry, Queue, Session } from "../../../../broker/api.ts";
import { queueDeclaration } from "../../model/declaration.ts";
import { Fault, notFound, resource } from "../../model/errors.ts";
import { traceDelivery } from "../../model/firehose.ts";
import { contentOf } from "../../model/foreign-content.ts";
import { readableQueue } from "../../model/queues.ts";
import { ensureWorkQueue, isTopic, readyCountOf, subscriptionOf } from "../../model/work-queue.ts";
import { integerField, isReply, missingFields } from "../body-fields.ts";
import { badRequest, type Reply } from "../reply.ts";
import type { Route, VhostCall } from "../route.ts";
import { propertiesJson } from "./properties-json.ts";
import { inVhost } from "./queues.ts";
import { accessRefused, callerOf, channelFaultReply, tracedWay } from "./refusals.ts";

const ackModes = ["ack_requeue_true", "ack_requeue_false", "reject_requeue_true", "reject_requeue_false"] as const;
type AckMode = (typeof ackModes)[number];

const sliceMs = 3;
const sliceMessages = 128;
/** Of one answer, but for its last message. */
const answerCharactersMax = 50_000_000;
/** Of one payload. No text can be longer than half a gigabyte; JSON may write a character as six, base64 three bytes as four. */
const textBytesMax = 80_000_000;
const base64BytesMax = 380_000_000;

export const getRoutes: readonly Route[] = [
  {
    method: "POST",
    path: "/queues/:vhost/:queue/get",
    access: "vhost",
    about: `Takes messages: count, ackmode (${ackModes.join(", ")}), encoding (auto, base64), truncate.`,
    handle: (call) => inVhost(call, get),
  },
];

interface Wish {
  readonly count: number;
  readonly ackMode: AckMode;
  readonly isAlwaysBase64: boolean;
  /** Bytes of each payload at most. */
  readonly truncate: number;
}

async function get(call: VhostCall): Promise<Reply> {
  const wish = readWish(call);
  if (isReply(wish)) return wish;
  const { vhost, identity, server } = call;
  if (!identity.mayEnter(vhost.name)) return accessRefused;
  const name = call.params["queue"] ?? "";
  const queue = vhost.namespace.queue(name);
  if (queue === undefined) return channelFaultReply(notFound("queue", name, vhost.name));
  const readable = readableQueue(callerOf(call), name);
  const fault = readable instanceof Fault ? readable : checkKind(readable);
  if (fault !== undefined) return channelFaultReply(fault);
  const trace: Trace = (entry, isRedelivered) => {
    if (vhost.record.isTracing) traceDelivery(tracedWay(call), queue, entry, isRedelivered);
  };
  const session = server.broker.createSession();
  const source: Source = { broker: server.broker, clock: server.clock, session, queue, isWanted: true };
  call.peer.whenGone(() => (source.isWanted = false));
  try {
    return { status: 200, elements: await takeAll(source, wish, trace) };
  } finally {
    session.close();
  }
}

function readWish({ body }: VhostCall): Wish | Reply {
  const missing = missingFields(body, ["ackmode", "count", "encoding"]);
  if (missing !== undefined) return missing;
  const count = integerField(body, "count");
  if (isReply(count)) return count;
  const { encoding } = body;
  if (encoding !== "auto" && encoding !== "base64")
    return badRequest("Unsupported encoding. Please use auto or base64.");
  const truncate = body["truncate"] === undefined ? Infinity : integerField(body, "truncate");
  if (isReply(truncate)) return truncate;
  if (truncate < 0) return badRequest(["not_positive", "truncate"]);
  const ackMode = ackModes.find((mode) => mode === body["ackmode"]);
  if (ackMode === undefined) return badRequest(`Unsupported ackmode. Please use ${ackModes.join(", ")}.`);
  return { count, ackMode, isAlwaysBase64: encoding === "base64", truncate };
}

function checkKind(queue: Queue): Fault | undefined {
  if (isTopic(queue)) ensureWorkQueue(queue);
  if (queueDeclaration(queue).type !== "stream" || isTopic(queue)) return undefined;
  const what = resource("queue", queue.name, queue.namespace.name);
  return new Fault("notImplemented", `basic.get not supported by stream queues ${what}`);
}

type Trace = (entry: Entry, isRedelivered: boolean) => void;

/** Where messages are taken from, and by what. */
interface Source {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly session: Session;
  readonly queue: Queue;
  /** Somebody still waits for the answer. */
  isWanted: boolean;
}

/** The messages, each as JSON. */
async function takeAll(source: Source, wish: Wish, trace: Trace): Promise<string[]> {
  const { session, clock, queue } = source;
  const { ackMode } = wish;
  const noAck = ackMode === "ack_requeue_false";
  const slices = new Slices(clock, sliceMs, sliceMessages);
  const texts: string[] = [];
  const leases: number[] = [];
  let characters = 0;
  while (texts.length < wish.count && characters < answerCharactersMax) {
    const message = await take(source, noAck, wish, trace);
    if (message === undefined) break;
    texts.push(message.text);
    leases.push(message.lease);
    characters += message.text.length;
    if (slices.isOver()) await slices.pause();
    // A queue that has gone meanwhile would not answer.
    if (!source.isWanted || queue.namespace.queue(queue.name) !== queue) break;
  }
  if (noAck) return texts;
  // A message that was looked at is no failed attempt; one that was rejected is dead.
  const settlement = ackMode === "reject_requeue_false" ? "reject" : "release";
  for (const lease of leases) {
    session.settle(lease, false, settlement);
    if (slices.isOver()) await slices.pause();
  }
  return texts;
}

interface Taken {
  readonly lease: number;
  readonly text: string;
}

function take(source: Source, noAck: boolean, wish: Wish, trace: Trace): Promise<Taken | undefined> {
  const { broker, session, queue } = source;
  const { promise, resolve } = Promise.withResolvers<Taken | undefined>();
  session.get(
    queue,
    noAck,
    (lease, entry, isRedelivered) => {
      if (entry === undefined) return resolve(undefined);
      const messageCount = readyCountOf(queue);
      trace(entry, isRedelivered);
      const shown = { ...messageJson(broker, entry, isRedelivered, messageCount), ...payloadJson(entry, wish) };
      resolve({ lease, text: JSON.stringify(shown) });
    },
    subscriptionOf(queue),
  );
  return promise;
}

/** The entry is only lent: what is kept is made of it now. */
function messageJson(broker: Broker, entry: Entry, redelivered: boolean, messageCount: number) {
  const { head, exchange, routingKey } = contentOf(broker, entry);
  return {
    payload_bytes: entry.bodyEnd - entry.bodyStart,
    redelivered,
    exchange,
    routing_key: routingKey,
    message_count: messageCount,
    properties: shownProperties(head),
  };
}

/** RabbitMQ shows an empty list for none, and clients know it. */
function shownProperties(head: Buffer): unknown {
  const properties = propertiesJson(head, 0, head.length);
  return Object.keys(properties).length === 0 ? [] : properties;
}

function payloadJson(entry: Entry, { isAlwaysBase64, truncate }: Wish) {
  const { buffer, bodyStart, bodyEnd } = entry;
  const bytes = buffer.subarray(bodyStart, Math.min(bodyEnd, bodyStart + truncate, bodyStart + base64BytesMax));
  const text = isAlwaysBase64 || bytes.length > textBytesMax ? undefined : textOf(bytes);
  return text === undefined
    ? { payload: bytes.toString("base64"), payload_encoding: "base64" }
    : { payload: text, payload_encoding: "string" };
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Undefined: it is no UTF-8. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
