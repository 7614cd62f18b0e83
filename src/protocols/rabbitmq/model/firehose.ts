/**
 * The firehose: while a virtual host is traced, a copy of each message that is published in it, and of each that is
 * delivered, goes to its topic exchange `amq.rabbitmq.trace`, with the keys `publish.<exchange>` and `deliver.<queue>`.
 * The copy has the body as it was, and in its headers everything else, by the names that RabbitMQ gives it.
 *
 * What goes to that exchange itself is not traced, or each copy would make another. A delivery's copy is published when
 * the delivery is over: it is written in the middle of the core's work on a queue, which may be one that gets copies.
 * Nothing here is fast: it is for finding out, and costs one look at a boolean as long as it is off.
 */

import { emptyPublication, type Entry, type Namespace, type Publication, type Queue } from "../../../broker/api.ts";
import { longNumber, type Field, type FieldTable, type FieldValue } from "./field-table.ts";
import { contentOf } from "./foreign-content.ts";
import { amqpFormat } from "./format.ts";
import {
  basicProperties,
  decodeProperties,
  encodeProperties,
  type Properties,
  type PropertyName,
} from "./properties.ts";
import { Malformed } from "../../../wire/input.ts";
import type { Caller } from "./permissions.ts";

const traceExchange = "amq.rabbitmq.trace";

/** By what a message comes or goes. */
export interface TracedWay {
  readonly caller: Caller;
  /** Its name. */
  readonly connection: string;
  readonly channel: number;
}

/** A short string has 255 bytes at most, and names may have as many before anything is put in front. */
const keyBytesMax = 255;

const outcome = { routed: 0, refused: false, ticket: 0 };

/** RabbitMQ's names of properties, and ours. */
const propertyNames = (Object.keys(basicProperties) as PropertyName[]).map(
  (name) => [name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), name] as const,
);

/** A message is about to be published. */
export function tracePublish(way: TracedWay, publication: Publication): void {
  const { namespace } = way.caller.virtualHost;
  const { exchange, routingKey, extraKeys, head, headStart, headEnd } = publication;
  if (exchange.name === traceExchange) return;
  // Not those that only the broker knows, such as an exchange's history.
  const queues = namespace.routesOf(publication).filter((queue) => namespace.queue(queue.name) === queue);
  const headers = [
    ...messageHeaders(way, exchange.name, [routingKey, ...(extraKeys ?? [])], head, headStart, headEnd),
    ...whereHeaders(way),
    { name: "routed_queues", value: { type: "A", value: queues.map((queue) => text(queue.name)) } as const },
  ];
  const { body, bodyStart, bodyEnd } = publication;
  publish(namespace, `publish.${exchange.name}`, headers, body.subarray(bodyStart, bodyEnd));
}

/** A message was delivered, or got. */
export function traceDelivery(way: TracedWay, queue: Queue, entry: Entry, isRedelivered: boolean): void {
  const { server, virtualHost } = way.caller;
  if (entry.exchange() === traceExchange) return;
  const { buffer } = entry;
  const { exchange, routingKey, head } = contentOf(server.broker, entry);
  const keys = [routingKey, ...amqpFormat.extraKeys(head, 0, head.length)];
  const headers: FieldTable = [
    ...messageHeaders(way, exchange, keys, head, 0, head.length),
    { name: "redelivered", value: whole(isRedelivered ? 1 : 0) },
    ...whereHeaders(way),
  ];
  const body = Buffer.from(buffer.subarray(entry.bodyStart, entry.bodyEnd));
  server.broker.clock.defer(() => publish(virtualHost.namespace, `deliver.${queue.name}`, headers, body));
}

function messageHeaders(
  way: TracedWay,
  exchange: string,
  keys: readonly string[],
  head: Buffer,
  headStart: number,
  headEnd: number,
): FieldTable {
  const properties = decodeProperties(head, headStart, headEnd);
  return [
    { name: "exchange_name", value: text(exchange) },
    { name: "routing_keys", value: { type: "A", value: keys.map(text) } },
    { name: "properties", value: { type: "F", value: properties instanceof Malformed ? [] : tableOf(properties) } },
    { name: "node", value: text(way.caller.server.nodeName) },
  ];
}

function whereHeaders({ caller, connection, channel }: TracedWay): FieldTable {
  return [
    { name: "vhost", value: text(caller.virtualHost.name) },
    { name: "connection", value: text(connection) },
    { name: "channel", value: whole(channel) },
    { name: "user", value: text(caller.user.name) },
  ];
}

function tableOf(properties: Properties): FieldTable {
  const table: Field[] = [];
  for (const [shown, name] of propertyNames) {
    const value = properties[name];
    if (value !== undefined) table.push({ name: shown, value: fieldOf(value) });
  }
  return table;
}

function fieldOf(value: string | number | bigint | FieldTable): FieldValue {
  if (typeof value === "string") return text(value);
  if (typeof value === "number") return whole(value);
  return typeof value === "bigint" ? longNumber(value) : { type: "F", value };
}

function text(value: string): FieldValue {
  return { type: "S", value };
}

/** 32 bits as RabbitMQ writes them; a timestamp may have more. */
function whole(value: number): FieldValue {
  return value === (value | 0) ? { type: "I", value } : longNumber(value);
}

function publish(namespace: Namespace, key: string, headers: FieldTable, body: Buffer): void {
  const exchange = namespace.exchange(traceExchange);
  if (exchange === undefined) return;
  const head = encodeProperties({ headers });
  const publication: Publication = {
    ...emptyPublication(exchange),
    format: amqpFormat.id,
    routingKey: cut(key),
    head,
    headEnd: head.length,
    body,
    bodyEnd: body.length,
  };
  namespace.publish(publication, outcome);
}

function cut(key: string): string {
  let short = key;
  while (Buffer.byteLength(short) > keyBytesMax) short = short.slice(0, -1);
  return short;
}
