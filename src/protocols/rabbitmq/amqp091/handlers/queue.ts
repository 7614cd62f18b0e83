/**
 * The queue class: declare, bind, unbind, purge, delete.
 *
 * An empty name in declare makes a queue with a name of ours; elsewhere it means the queue that the channel declared
 * last. An exclusive queue belongs to its connection and goes with it. Refused, in RabbitMQ's order: names that begin
 * with `amq.`, what the user may not, other connections' exclusive queues, more queues than the virtual host may have, a declaration that differs from the existing queue's, arguments
 * that are wrong or of another type of queue, deletion while in use or not empty, if asked.
 */

import type { Namespace, Queue } from "../../../../broker/api.ts";
import { checkOwner, cleanName, readableQueue } from "../access.ts";
import { checkBinding } from "../../model/binding.ts";
import type { Channel } from "../channel.ts";
import { keptForm, queueDeclaration, type QueueDeclaration } from "../../model/declaration.ts";
import { checkNewQueue, checkSameQueue, queueSettings, queueType } from "../../model/declare-queue.ts";
import { Fault, lockedQueue, notFound, resource } from "../../model/errors.ts";
import { fieldTypeNames, fieldValue, type FieldTable } from "../../model/field-table.ts";
import type { Vhost } from "../../model/vhosts.ts";
import type { MethodArguments } from "../frames.ts";
import { headersOf } from "../../model/mapping.ts";
import { checkAccess, checkBinding as checkBindingAccess } from "../permissions.ts";
import { replyToQueue } from "../reply-to.ts";

type DeclareArguments = MethodArguments<"queue.declare">;

export function queueDeclare(channel: Channel, args: DeclareArguments): Fault | undefined {
  const name = cleanName(args.queue);
  if (name.startsWith("amq.rabbitmq.reply-to")) return declareReplyTo(channel, name, args);
  const queue = args.passive ? existingQueue(channel, name) : declare(channel, name, args);
  if (queue instanceof Fault) return queue;
  channel.lastQueue = queue.name;
  queue.touch();
  if (args.noWait) return undefined;
  const counts = { messageCount: queue.readyCount, consumerCount: queue.consumerCount };
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
  return checkOwner(channel, queue) ?? queue;
}

function declare(channel: Channel, asked: string, args: DeclareArguments): Queue | Fault {
  const { connection } = channel;
  const { namespace, vhost, hub } = connection;
  const table = withDefaultType(args, connection.virtualHost);
  const declaration: QueueDeclaration = {
    type: queueType(table),
    durable: args.durable && !args.exclusive,
    autoDelete: args.autoDelete,
    exclusive: args.exclusive,
    arguments: table,
  };
  if (asked === "" && declaration.type !== "classic") {
    const text = `Cannot declare a server-named queue for type rabbit_${declaration.type}_queue`;
    return new Fault("preconditionFailed", text);
  }
  if (asked.startsWith("amq.")) {
    return new Fault("accessRefused", `queue name '${asked}' contains reserved prefix 'amq.*'`);
  }
  const name = asked === "" ? hub.uniqueName("amq.gen") : asked;
  const refused = checkAccess(connection, "configure", "queue", name);
  if (refused !== undefined) return refused;
  const existing = namespace.queue(name);
  if (existing !== undefined) return checkExisting(channel, existing, declaration) ?? existing;

  const fault =
    checkQueueLimit(channel, name) ??
    checkDeadLetter(channel, name, args.arguments) ??
    checkNewQueue(declaration, name, vhost);
  if (fault !== undefined) return fault;
  const queue = namespace.createQueue(name, queueSettings(declaration), keptForm(declaration));
  if (args.exclusive) {
    hub.ownerByQueue.set(queue, connection);
    connection.exclusiveQueues.add(queue);
  }
  return queue;
}

/** The virtual host's type, for a queue that can be of it and did not ask for one. */
function withDefaultType(args: DeclareArguments, { record }: Vhost): FieldTable {
  const { defaultQueueType } = record;
  if (defaultQueueType === undefined || fieldValue(args.arguments, "x-queue-type") !== undefined) return args.arguments;
  const isReplicated = defaultQueueType === "quorum" || defaultQueueType === "stream";
  if (isReplicated ? !args.durable || args.exclusive || args.autoDelete : defaultQueueType !== "classic") {
    return args.arguments;
  }
  return [...args.arguments, { name: "x-queue-type", value: { type: "S", value: defaultQueueType } }];
}

function checkQueueLimit({ connection }: Channel, name: string): Fault | undefined {
  const { hub, vhost } = connection;
  const { vhostLimits } = hub.server;
  if (!vhostLimits.wouldExceedQueues(vhost, 1)) return undefined;
  const limit = `queue limit in vhost '${vhost}' (${vhostLimits.queuesMax(vhost)}) is reached`;
  return new Fault("preconditionFailed", `cannot declare queue '${name}': ${limit}`);
}

/** Who declares a dead-letter exchange takes messages from the queue and publishes them there. */
function checkDeadLetter({ connection }: Channel, name: string, args: FieldTable): Fault | undefined {
  const exchange = fieldValue(args, "x-dead-letter-exchange");
  if (exchange === undefined) return undefined;
  if (exchange.type !== "S") {
    const what = `for arg 'x-dead-letter-exchange' in ${resource("queue", name, connection.vhost)}`;
    return new Fault("preconditionFailed", `invalid type '${fieldTypeNames[exchange.type]}' ${what}`);
  }
  return (
    checkAccess(connection, "read", "queue", name) ??
    checkAccess(connection, "write", "exchange", exchange.value.toString())
  );
}

function checkExisting(channel: Channel, queue: Queue, declaration: QueueDeclaration): Fault | undefined {
  const { connection } = channel;
  const owner = connection.hub.ownerByQueue.get(queue);
  // Strictly: who owns it must say so again, and who says so must own it.
  if (owner !== (declaration.exclusive ? connection : undefined)) return lockedQueue(queue.name, connection.vhost);
  return checkSameQueue(queueDeclaration(queue), declaration, queue.name, connection.vhost);
}

export function queueBind(channel: Channel, args: MethodArguments<"queue.bind">): Fault | undefined {
  const { namespace, vhost } = channel.connection;
  const found = bindingEnds(channel, args);
  if (found instanceof Fault) return found;
  const { exchangeName, queueName, routingKey } = found;
  const refused = checkBindingAccess(channel.connection, "queue", queueName, exchangeName, routingKey);
  if (refused !== undefined) return refused;
  const exchange = namespace.exchange(exchangeName);
  if (exchange === undefined) return notFound("exchange", exchangeName, vhost);
  const queue = namespace.queue(queueName);
  if (queue === undefined) return channel.noQueue(queueName);
  const fault = checkBinding(exchange, routingKey, args.arguments) ?? checkOwner(channel, queue);
  if (fault !== undefined) return fault;
  namespace.bind(exchangeName, { queue }, routingKey, headersOf(args.arguments));
  if (!args.noWait) channel.connection.reply(channel.number, "queue.bind-ok", {});
  return undefined;
}

export function queueUnbind(channel: Channel, args: MethodArguments<"queue.unbind">): Fault | undefined {
  const { namespace } = channel.connection;
  const found = bindingEnds(channel, args);
  if (found instanceof Fault) return found;
  const { exchangeName, queueName, routingKey } = found;
  const refused = checkBindingAccess(channel.connection, "queue", queueName, exchangeName, routingKey);
  if (refused !== undefined) return refused;
  const queue = namespace.queue(queueName);
  if (queue !== undefined && namespace.exchange(exchangeName) !== undefined) {
    // Another connection's queue is only seen to be locked where there is something to unbind.
    const isBound = bindingsBetween(namespace, exchangeName, queue, routingKey);
    const fault = isBound ? checkOwner(channel, queue) : undefined;
    if (fault !== undefined) return fault;
    namespace.unbind(exchangeName, { queue }, routingKey, headersOf(args.arguments));
  }
  channel.connection.reply(channel.number, "queue.unbind-ok", {});
  return undefined;
}

function bindingsBetween(namespace: Namespace, exchange: string, queue: Queue, key: string): boolean {
  for (const binding of namespace.bindingsTo({ queue })) {
    if (binding.source === exchange && binding.key === key) return true;
  }
  return false;
}

interface BindingEnds {
  readonly exchangeName: string;
  readonly queueName: string;
  readonly routingKey: string;
}

function bindingEnds(
  channel: Channel,
  args: { readonly queue: string; readonly exchange: string; readonly routingKey: string },
): BindingEnds | Fault {
  const queueName = channel.queueName(args.queue);
  if (queueName instanceof Fault) return queueName;
  const exchangeName = cleanName(args.exchange);
  // With neither queue nor key, the queue's name is the key.
  const routingKey = args.queue === "" && args.routingKey === "" ? queueName : args.routingKey;
  return { exchangeName, queueName: cleanName(queueName), routingKey };
}

export function queuePurge(channel: Channel, args: MethodArguments<"queue.purge">): Fault | undefined {
  const queue = readableQueue(channel, args.queue);
  if (queue instanceof Fault) return queue;
  if (queueDeclaration(queue).type === "stream") {
    const what = resource("queue", queue.name, channel.connection.vhost);
    return new Fault("notImplemented", `queue.purge not supported by stream queues ${what}`);
  }
  const messageCount = queue.purge();
  if (!args.noWait) channel.connection.reply(channel.number, "queue.purge-ok", { messageCount });
  return undefined;
}

export function queueDelete(channel: Channel, args: MethodArguments<"queue.delete">): Fault | undefined {
  const { connection } = channel;
  const name = channel.queueName(args.queue);
  if (name instanceof Fault) return name;
  const refused = checkAccess(connection, "configure", "queue", cleanName(name));
  if (refused !== undefined) return refused;
  const queue = connection.namespace.queue(cleanName(name));
  let messageCount = 0;
  if (queue !== undefined) {
    const fault = checkOwner(channel, queue) ?? checkDelete(queue, args, connection.vhost);
    if (fault !== undefined) return fault;
    messageCount = queueDeclaration(queue).type === "stream" ? 0 : queue.readyCount;
    connection.hub.ownerByQueue.delete(queue);
    connection.exclusiveQueues.delete(queue);
    connection.namespace.deleteQueue(queue);
  }
  if (!args.noWait) connection.reply(channel.number, "queue.delete-ok", { messageCount });
  return undefined;
}

function checkDelete(queue: Queue, args: MethodArguments<"queue.delete">, vhost: string): Fault | undefined {
  const what = resource("queue", queue.name, vhost);
  const { type } = queueDeclaration(queue);
  if (type === "stream") return undefined;
  if (type === "quorum" && (args.ifUnused || args.ifEmpty)) {
    const flag = args.ifUnused ? "if-unused" : "if-empty";
    const text = `cannot delete ${what}. queue.delete operations with ${flag} flag set are not supported by quorum queues`;
    return new Fault("notImplemented", text);
  }
  if (args.ifUnused && queue.consumerCount > 0) return new Fault("preconditionFailed", `${what} in use`);
  if (args.ifEmpty && queue.readyCount > 0) return new Fault("preconditionFailed", `${what} not empty`);
  return undefined;
}
