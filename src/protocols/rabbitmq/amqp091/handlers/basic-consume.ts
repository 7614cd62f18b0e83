/**
 * basic.consume and cancel.
 *
 * From a queue: competing, with prefetch, priority, exclusively. From a stream, or from the kept history of a queue
 * (`x-stream-offset` says so): a reader of its own, which takes nothing from anybody. From amq.rabbitmq.reply-to: the
 * replies to this channel. Refused, as in RabbitMQ: a tag that is in use, a stream without prefetch or with no-ack, a
 * prefetch over the channel for streams and quorum queues, arguments that the type of queue does not know.
 */

import type { Broker, ConsumeOptions, Entry, Queue, StartAt } from "../../../../broker/api.ts";
import { readableQueue } from "../access.ts";
import {
  ageMs,
  booleanArgument,
  checkArguments,
  isBoolean,
  isInteger,
  isNotNegative,
  isStreamOffset,
  numberArgument,
  numberOf,
  type Check,
} from "../../model/arguments.ts";
import type { Channel } from "../channel.ts";
import { AmqpConsumer } from "../consumer.ts";
import { consumerTimeoutMs, queueDeclaration, type QueueType } from "../../model/declaration.ts";
import { Fault, resource } from "../../model/errors.ts";
import { fieldValue, type FieldTable } from "../../model/field-table.ts";
import { ensureWorkQueue, isTopic, subscriptionOf } from "../../model/work-queue.ts";
import type { MethodArguments } from "../frames.ts";
import { replyToQueue } from "../reply-to.ts";

type ConsumeArguments = MethodArguments<"basic.consume">;

const rules: readonly { readonly name: string; readonly check?: Check; readonly types: readonly QueueType[] }[] = [
  { name: "x-priority", check: isInteger, types: ["classic", "quorum"] },
  { name: "x-cancel-on-ha-failover", check: isBoolean, types: ["classic"] },
  { name: "x-credit", types: ["classic", "quorum", "stream"] },
  { name: "x-stream-offset", check: isStreamOffset, types: ["stream"] },
  { name: "x-consumer-timeout", check: isNotNegative, types: ["classic", "quorum"] },
  { name: "x-stream-filter", types: ["stream"] },
  { name: "x-stream-match-unfiltered", types: ["stream"] },
];

export function consume(channel: Channel, args: ConsumeArguments): Fault | undefined {
  if (channel.consumerByTag.has(args.consumerTag) && args.consumerTag !== "") {
    return new Fault("notAllowed", `attempt to reuse consumer tag '${args.consumerTag}'`);
  }
  if (args.queue === replyToQueue) return consumeReplies(channel, args);
  const queue = readableQueue(channel, args.queue);
  if (queue instanceof Fault) return queue;
  const saysOffset = fieldValue(args.arguments, "x-stream-offset") !== undefined;
  // A topic of another protocol is a stream to who says from where on, and a work queue to all others.
  const type = isTopic(queue) && !saysOffset ? "quorum" : queueDeclaration(queue).type;
  const readsLog = type === "stream" || (hasHistory(queue) && saysOffset);
  const fault = checkConsume(channel, queue, readsLog ? "stream" : type, args);
  if (fault !== undefined) return fault;
  const inUse = new Fault(
    "accessRefused",
    `${resource("queue", queue.name, channel.connection.vhost)} in exclusive use`,
  );
  // Alone and one at a time exclude each other; only classic queues know "alone".
  const isExclusive = args.exclusive && type === "classic" && !readsLog;
  if (isExclusive && queue.settings.mode === "failover") return inUse;

  if (isTopic(queue) && !readsLog) ensureWorkQueue(queue);
  const tag = tagOf(channel, args.consumerTag);
  const options = optionsOf(channel, queue, args, readsLog, isExclusive);
  const { noAck, arguments: table } = args;
  const { prefetchCount } = channel;
  const asked = { tag, noAck, exclusive: isExclusive, prefetchCount, arguments: table, readsLog };
  const consumer = new AmqpConsumer(channel, queue, { ...asked, leaseMs: options.leaseMs });
  const accepted = channel.session.consume(queue, options, consumer);
  if ("refused" in accepted) return inUse;
  consumer.consumer = accepted;
  channel.consumerByTag.set(tag, consumer);
  channel.connection.hub.events.consumerCreated(channel, consumer, asked);
  if (!args.noWait) channel.connection.send(channel.number, "basic.consume-ok", { consumerTag: tag });
  return undefined;
}

function tagOf(channel: Channel, asked: string): string {
  return asked === "" ? channel.connection.server.uniqueName("amq.ctag") : asked;
}

function hasHistory(queue: Queue): boolean {
  const { maxAgeMs, maxBytes } = queue.settings.retention;
  return maxAgeMs > 0 || maxBytes > 0;
}

function checkConsume(channel: Channel, queue: Queue, type: QueueType, args: ConsumeArguments): Fault | undefined {
  const { vhost } = channel.connection;
  const what = resource("queue", queue.name, vhost);
  const checks = rules
    .filter((rule) => rule.check !== undefined && rule.types.includes(type))
    .map((rule) => [rule.name, rule.check!] as const);
  const fault = checkArguments(what, args.arguments, checks);
  if (fault !== undefined) return fault;
  for (const { name } of args.arguments) {
    const rule = rules.find((known) => known.name === name);
    if (rule !== undefined && !rule.types.includes(type)) {
      return new Fault("preconditionFailed", `invalid arg '${name}' for ${what} of queue type rabbit_${type}_queue`);
    }
  }
  if (type === "stream" && channel.prefetchCount === 0) {
    return new Fault("preconditionFailed", `consumer prefetch count is not set for '${what}'`);
  }
  if (type === "stream" && args.noAck) {
    return new Fault("notImplemented", `automatic acknowledgement not supported by stream queues ${what}`);
  }
  if (type !== "classic" && channel.globalPrefetchCount > 0) {
    return new Fault("notImplemented", `${what} does not support global qos`);
  }
  return undefined;
}

function optionsOf(
  channel: Channel,
  queue: Queue,
  args: ConsumeArguments,
  readsLog: boolean,
  exclusive: boolean,
): ConsumeOptions {
  const { arguments: table } = args;
  const { settings, broker } = channel.connection.hub;
  const filter = readsLog ? filterOf(table, broker) : undefined;
  return {
    noAck: args.noAck,
    exclusive,
    priority: numberArgument(table, "x-priority") ?? 0,
    creditLimit: channel.prefetchCount,
    leaseMs: args.noAck ? 0 : (numberArgument(table, "x-consumer-timeout") ?? consumerTimeoutMs(queue, settings)),
    ...(readsLog || !isTopic(queue) ? {} : { subscription: subscriptionOf(queue)! }),
    ...(readsLog ? { startAt: startOf(table, broker.clock.now()) } : {}),
    ...(filter === undefined ? {} : { filter }),
  };
}

function startOf(table: FieldTable, nowMs: number): StartAt {
  const value = fieldValue(table, "x-stream-offset");
  if (value === undefined) return "next";
  if (value.type === "T") return { timeMs: numberOf(value) * 1000 };
  if (value.type !== "S") return { offset: Math.max(0, numberOf(value)) };
  const text = value.value.toString();
  if (text === "first" || text === "last" || text === "next") return text;
  return { timeMs: nowMs - (ageMs(text) ?? 0) };
}

/** Of x-stream-filter: one value or several; with x-stream-match-unfiltered also what has none. */
function filterOf(table: FieldTable, broker: Broker): ((entry: Entry) => boolean) | undefined {
  const value = fieldValue(table, "x-stream-filter");
  if (value === undefined) return undefined;
  const wanted = new Set<string>();
  for (const element of value.type === "A" ? value.value : [value]) {
    if (element.type === "S") wanted.add(element.value.toString());
  }
  const takesUnfiltered = booleanArgument(table, "x-stream-match-unfiltered");
  return (entry) => {
    const has = broker.formatOf(entry).headers(entry.buffer, entry.headStart, entry.headEnd)["x-stream-filter-value"];
    return typeof has === "string" ? wanted.has(has) : takesUnfiltered;
  };
}

function consumeReplies(channel: Channel, args: ConsumeArguments): Fault | undefined {
  if (!args.noAck) return new Fault("preconditionFailed", "reply consumer cannot acknowledge");
  if (channel.replyAddress !== undefined) return new Fault("preconditionFailed", "reply consumer already set");
  const tag = tagOf(channel, args.consumerTag);
  channel.takeReplies(tag);
  if (!args.noWait) channel.connection.send(channel.number, "basic.consume-ok", { consumerTag: tag });
  return undefined;
}

export function cancel(channel: Channel, args: MethodArguments<"basic.cancel">): undefined {
  const consumer = channel.consumerByTag.get(args.consumerTag);
  if (consumer !== undefined) {
    channel.consumerByTag.delete(args.consumerTag);
    consumer.consumer?.cancel();
    channel.connection.hub.events.consumerDeleted(channel, consumer);
  } else if (channel.replyAddress !== undefined && channel.replyConsumerTag === args.consumerTag) {
    channel.takeNoReplies();
  }
  // An unknown tag is no error: the consumer may have been cancelled by the broker at the same moment.
  if (!args.noWait) channel.connection.send(channel.number, "basic.cancel-ok", { consumerTag: args.consumerTag });
  return undefined;
}
