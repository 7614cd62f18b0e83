/**
 * Logs that were made by another protocol (Kafka's topics), as queues: what AMQP consumes from one without saying from where on
 * competes on its *work queue*, a subscription of the log that settles messages one by one, over all partitions. Whoever says
 * `x-stream-offset` reads the log, as a stream, and nobody's messages are fewer for it.
 *
 * The work queue is made when the first client declares the topic (not passively), consumes or gets, and starts with the oldest
 * message that the log then holds. It behaves as a quorum queue does: failed attempts count, and deliveries of a message that
 * came back say how often. The arguments of the declaration that made it, and policies, say what becomes of messages that nobody
 * wants; a later declaration is compared with them. How long messages stay in the log is the log's own matter, and arguments
 * that speak of it are refused.
 *
 * The arguments are kept in the broker's definitions, since the log's declaration is another protocol's.
 */

import type { Broker, Queue, SubscriptionSettings } from "../../../broker/api.ts";
import { Malformed } from "../../../wire/input.ts";
import { textArgument } from "./arguments.ts";
import { effectiveArgumentsOf, isDeclaredHere, queueDeclaration, setDeclaredArguments } from "./declaration.ts";
import { queueSettings, workQueueArguments } from "./declare-queue.ts";
import { decodeTable, tableBytes, writeTable, type FieldTable } from "./field-table.ts";

const workQueue = "default";
/** Of the definitions that hold arguments. */
const kind = "amqp091-work-queue";

/** Whether it is a log that another protocol made. */
export function isTopic(queue: Queue): boolean {
  return queue.settings.mode === "offset" && !isDeclaredHere(queue);
}

/** The subscription by which its messages are consumed one by one; undefined: a queue's own, or none. */
export function subscriptionOf(queue: Queue): string | undefined {
  return isTopic(queue) ? workQueue : undefined;
}

export function hasWorkQueue(queue: Queue): boolean {
  return queue.namedSubscription(workQueue) !== undefined;
}

/** Messages that a consumer would get. Of a topic without a work queue: all that one would begin with. */
export function readyCountOf(queue: Queue): number {
  if (queue.settings.mode !== "offset" || !isTopic(queue)) return queue.readyCount;
  return queue.namedSubscription(workQueue)?.readyCount ?? queue.readyCount;
}

export function leasedCountOf(queue: Queue): number {
  if (queue.settings.mode !== "offset" || !isTopic(queue)) return queue.leasedCount;
  return queue.namedSubscription(workQueue)?.leasedCount ?? 0;
}

/** Whether one consumer at a time gets messages. */
export function isSingleActive(queue: Queue): boolean {
  if (queue.settings.mode === "failover") return true;
  return isTopic(queue) && workQueueSettings(queueDeclaration(queue).arguments).mode === "failover";
}

/** Makes the topic's work queue, unless there is one. */
export function ensureWorkQueue(queue: Queue): void {
  if (!hasWorkQueue(queue)) queue.subscribe(workQueue, workQueueSettings(effectiveArgumentsOf(queue)), "first");
}

/** The same, with these arguments, which stay with it. It has none. */
export function declareWorkQueue(broker: Broker, queue: Queue, args: FieldTable): void {
  const own = args.filter(({ name }) => workQueueArguments.includes(name));
  const bytes = Buffer.alloc(tableBytes(own));
  writeTable(bytes, 0, own);
  broker.atomically(() => {
    if (own.length > 0) broker.definitions.put(kind, keyOf(queue), bytes.toString("base64"));
    setDeclaredArguments(queue, own);
    ensureWorkQueue(queue);
  });
}

/** What it was declared with before a restart. */
export function restoreWorkQueue(broker: Broker, queue: Queue): void {
  const kept = broker.definitions.get(kind, keyOf(queue));
  if (typeof kept !== "string") return;
  if (!hasWorkQueue(queue)) return forgetWorkQueue(broker, queue);
  const bytes = Buffer.from(kept, "base64");
  const table = decodeTable(bytes, 0, bytes.length);
  if (!(table instanceof Malformed)) setDeclaredArguments(queue, table);
}

/** The topic goes. */
export function forgetWorkQueue(broker: Broker, queue: Queue): void {
  const key = keyOf(queue);
  if (broker.definitions.get(kind, key) !== undefined) broker.definitions.remove(kind, key);
}

/** Its arguments mean something else now, by policies. What it was made as stays. */
export function configureWorkQueue(queue: Queue, args: FieldTable): void {
  if (!hasWorkQueue(queue)) return;
  const { mode } = workQueueSettings(queueDeclaration(queue).arguments);
  queue.configureSubscription(workQueue, { ...workQueueSettings(args), mode });
}

function keyOf(queue: Queue): string {
  return JSON.stringify([queue.namespace.name, queue.name]);
}

function workQueueSettings(args: FieldTable): SubscriptionSettings {
  const asQueue = { type: "quorum", durable: true, autoDelete: false, exclusive: false, arguments: args } as const;
  const { mode, deadLetter, deliveryLimit, retry } = queueSettings(asQueue);
  // A log is never full: nothing stands against it.
  const atLeastOnce = textArgument(args, "x-dead-letter-strategy") === "at-least-once";
  return {
    mode: mode === "failover" ? "failover" : "shared",
    maxPriority: 0,
    deadLetter: deadLetter && { ...deadLetter, atLeastOnce },
    deliveryLimit,
    retry,
  };
}
