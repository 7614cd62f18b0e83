/**
 * The queue class: declare, bind, unbind, purge, delete. What is refused, in which order, stands in model/queues.ts and
 * model/bindings.ts.
 *
 * An empty name in declare makes a queue with a name of ours; elsewhere it means the queue that the channel declared
 * last. An exclusive queue belongs to its connection and goes with it.
 */

import type { Queue } from "../../../../broker/api.ts";
import type { Channel } from "../channel.ts";
import { bind, unbind, type BindingEnds } from "../../model/bindings.ts";
import { Fault } from "../../model/errors.ts";
import { headersOf } from "../../model/mapping.ts";
import { cleanName } from "../../model/names.ts";
import { checkOwner } from "../../model/permissions.ts";
import { declareQueue, deleteQueue, purgeQueue } from "../../model/queues.ts";
import { readyCountOf } from "../../model/work-queue.ts";
import type { MethodArguments } from "../frames.ts";
import { replyToQueue } from "../reply-to.ts";

type DeclareArguments = MethodArguments<"queue.declare">;

export function queueDeclare(channel: Channel, args: DeclareArguments): Fault | undefined {
  const name = cleanName(args.queue);
  if (name.startsWith("amq.rabbitmq.reply-to")) return declareReplyTo(channel, name, args);
  const queue = args.passive ? existingQueue(channel, name) : declare(channel, name, args);
  if (queue instanceof Fault) return queue;
  channel.lastQueue = queue.name;
  if (args.noWait) return undefined;
  const counts = { messageCount: readyCountOf(queue), consumerCount: queue.consumerCount };
  channel.connection.reply(channel.number, "queue.declare-ok", { queue: queue.name, ...counts });
  return undefined;
}

/** Every declaration of a reply address is passive: it asks whether somebody is there to take the reply. */
function declareReplyTo(channel: Channel, name: string, args: DeclareArguments): Fault | undefined {
  const isThere = name === replyToQueue || channel.connection.hub.replyTargets.find(name) !== undefined;
  if (!isThere) return channel.noQueue(name);
  channel.lastQueue = name;
  const reply = { queue: name, messageCount: 0, consumerCount: 1 };
  if (!args.noWait) channel.connection.send(channel.number, "queue.declare-ok", reply);
  return undefined;
}

function existingQueue(channel: Channel, name: string): Queue | Fault {
  const queue = channel.connection.namespace.queue(name);
  if (queue === undefined) return channel.noQueue(name);
  const fault = checkOwner(channel.connection, queue);
  if (fault !== undefined) return fault;
  queue.touch();
  return queue;
}

function declare({ connection }: Channel, name: string, args: DeclareArguments): Queue | Fault {
  const declared = declareQueue(connection, name, args);
  return declared instanceof Fault ? declared : declared.queue;
}

export function queueBind(channel: Channel, args: MethodArguments<"queue.bind">): Fault | undefined {
  const ends = bindingEnds(channel, args);
  if (ends instanceof Fault) return ends;
  const { connection } = channel;
  const fault = bind(connection, ends, args.arguments);
  if (fault !== undefined) return fault;
  if (!args.noWait) connection.reply(channel.number, "queue.bind-ok", {});
  // What the exchange remembers is in memory until it is durable: the next binding waits for that, too.
  else if ((connection.namespace.exchange(ends.source)?.settings.historyLength ?? 0) > 0)
    connection.whenDurable(connection.hub.broker.ticket, () => undefined);
  return undefined;
}

export function queueUnbind(channel: Channel, args: MethodArguments<"queue.unbind">): Fault | undefined {
  const ends = bindingEnds(channel, args);
  if (ends instanceof Fault) return ends;
  const fault = unbind(channel.connection, ends, headersOf(args.arguments));
  if (fault === undefined) channel.connection.reply(channel.number, "queue.unbind-ok", {});
  return fault;
}

function bindingEnds(
  channel: Channel,
  args: { readonly queue: string; readonly exchange: string; readonly routingKey: string },
): BindingEnds | Fault {
  const name = channel.queueName(args.queue);
  if (name instanceof Fault) return name;
  // With neither queue nor key, the queue's name is the key.
  const routingKey = args.queue === "" && args.routingKey === "" ? name : args.routingKey;
  return { source: cleanName(args.exchange), destinationType: "queue", destination: cleanName(name), routingKey };
}

export function queuePurge(channel: Channel, args: MethodArguments<"queue.purge">): Fault | undefined {
  const name = channel.queueName(args.queue);
  if (name instanceof Fault) return name;
  const purged = purgeQueue(channel.connection, name);
  if (purged instanceof Fault) return purged;
  if (!args.noWait) channel.connection.reply(channel.number, "queue.purge-ok", purged);
  return undefined;
}

export function queueDelete(channel: Channel, args: MethodArguments<"queue.delete">): Fault | undefined {
  const { connection } = channel;
  const name = channel.queueName(args.queue);
  if (name instanceof Fault) return name;
  const deleted = deleteQueue(connection, cleanName(name), args);
  if (deleted instanceof Fault) return deleted;
  if (!args.noWait) connection.reply(channel.number, "queue.delete-ok", deleted);
  return undefined;
}
