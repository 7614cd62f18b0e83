/**
 * What is done to queues, whoever asks: over AMQP or over HTTP, the same checks in the same order with the same texts.
 *
 * Refused, in RabbitMQ's order: names that begin with `amq.`, what the user may not, other connections' exclusive queues,
 * more queues than the virtual host may have, a declaration that differs from the existing queue's, arguments that are
 * wrong or of another type of queue, deletion while in use or not empty, if asked.
 */

import type { Queue } from "../../../broker/api.ts";
import { keptForm, queueDeclaration, type QueueDeclaration } from "./declaration.ts";
import {
  checkNewQueue,
  checkSameQueue,
  checkSameTopic,
  queueSettings,
  queueType,
  ignoresOverflow,
} from "./declare-queue.ts";
import { Fault, lockedQueue, notFound, resource } from "./errors.ts";
import { fieldTypeNames, fieldValue, type FieldTable } from "./field-table.ts";
import { checkAccess, checkOwner, type Caller } from "./permissions.ts";
import {
  declareWorkQueue,
  ensureWorkQueue,
  hasWorkQueue,
  isTopic,
  readyCountOf,
  subscriptionOf,
} from "./work-queue.ts";

export interface QueueAsked {
  readonly durable: boolean;
  readonly autoDelete: boolean;
  /** The caller's alone, for as long as it is there. It has to see to the end of it. */
  readonly exclusive: boolean;
  readonly arguments: FieldTable;
}

interface DeclaredQueue {
  readonly queue: Queue;
  readonly isNew: boolean;
}

/**
 * Makes the queue, or finds that it is there as it is asked for.
 * @param name empty: the queue gets a name of ours.
 */
export function declareQueue(caller: Caller, name: string, asked: QueueAsked): DeclaredQueue | Fault {
  const declaration = declarationOf(caller, asked);
  if (name === "" && declaration.type !== "classic") {
    const text = `Cannot declare a server-named queue for type rabbit_${declaration.type}_queue`;
    return new Fault("preconditionFailed", text);
  }
  if (name.startsWith("amq.")) {
    return new Fault("accessRefused", `queue name '${name}' contains reserved prefix 'amq.*'`);
  }
  const declared = declareNamed(caller, name === "" ? caller.server.uniqueName("amq.gen") : name, declaration);
  if (!(declared instanceof Fault)) declared.queue.touch();
  return declared;
}

function declareNamed(caller: Caller, name: string, declaration: QueueDeclaration): DeclaredQueue | Fault {
  const { namespace, name: vhost } = caller.virtualHost;
  const refused = checkAccess(caller, "configure", "queue", name);
  if (refused !== undefined) return refused;
  const existing = namespace.queue(name);
  if (existing !== undefined) {
    const differs = isTopic(existing)
      ? declareTopic(caller, existing, declaration)
      : checkExisting(caller, existing, declaration);
    return differs ?? { queue: existing, isNew: false };
  }
  const fault =
    checkQueueLimit(caller, name) ??
    checkDeadLetter(caller, name, declaration.arguments) ??
    checkNewQueue(declaration, name, vhost);
  if (fault !== undefined) return fault;
  const queue = namespace.createQueue(name, queueSettings(declaration), keptForm(declaration));
  if (ignoresOverflow(declaration)) {
    const fields = { vhost, queue: name, overflow: "reject-publish-dlx" };
    caller.server.log.warn("a quorum queue does not know this x-overflow, and drops its head", fields);
  }
  if (declaration.exclusive) {
    caller.server.ownerByQueue.set(queue, caller);
    caller.exclusiveQueues?.add(queue);
  }
  return { queue, isNew: true };
}

/** An exclusive queue does not outlive its connection, and so not the broker. */
function declarationOf(caller: Caller, asked: QueueAsked): QueueDeclaration {
  const { durable, autoDelete, exclusive } = asked;
  const args = withDefaultType(asked, caller.virtualHost.record.defaultQueueType);
  return {
    type: queueType(args),
    durable: durable && !exclusive,
    autoDelete,
    exclusive,
    declaredBy: caller.user.name,
    arguments: args,
  };
}

/** The virtual host's type, for a queue that can be of it and did not ask for one. */
function withDefaultType(asked: QueueAsked, type: string | undefined): FieldTable {
  const { durable, autoDelete, exclusive, arguments: args } = asked;
  if (type === undefined || fieldValue(args, "x-queue-type") !== undefined) return args;
  const isReplicated = type === "quorum" || type === "stream";
  if (isReplicated ? !durable || exclusive || autoDelete : type !== "classic") return args;
  return [...args, { name: "x-queue-type", value: { type: "S", value: type } }];
}

function checkExisting(caller: Caller, queue: Queue, declaration: QueueDeclaration): Fault | undefined {
  const vhost = caller.virtualHost.name;
  const owner = caller.server.ownerByQueue.get(queue);
  // Strictly: who owns it must say so again, and who says so must own it.
  if (owner !== (declaration.exclusive ? caller : undefined)) return lockedQueue(queue.name, vhost);
  return checkSameQueue(queueDeclaration(queue), declaration, queue.name, vhost);
}

/**
 * A topic that another protocol made. Who declares it says how it is consumed here: the first one makes its work queue, and
 * the arguments of later ones have to be the same. It is durable and nobody's own; of which type it would be is not compared,
 * since it is used as any.
 */
function declareTopic(caller: Caller, topic: Queue, declaration: QueueDeclaration): Fault | undefined {
  const { name: vhost } = caller.virtualHost;
  const { name } = topic;
  if (declaration.exclusive) return lockedQueue(name, vhost);
  const received = declaration.arguments.filter((field) => field.name !== "x-queue-type");
  const isMade = hasWorkQueue(topic);
  const fault =
    checkSameTopic(queueDeclaration(topic), { ...declaration, arguments: received }, name, vhost, isMade) ??
    (isMade ? undefined : checkDeadLetter(caller, name, received)) ??
    checkNewQueue({ ...declaration, type: "quorum", arguments: received }, name, vhost);
  if (fault !== undefined) return fault;
  if (!isMade) declareWorkQueue(caller.server.broker, topic, received);
  return undefined;
}

function checkQueueLimit({ server, virtualHost }: Caller, name: string): Fault | undefined {
  const { vhostLimits: limits } = server;
  const vhost = virtualHost.name;
  if (!limits.wouldExceedQueues(vhost, 1)) return undefined;
  const text = `cannot declare queue '${name}': queue limit in vhost '${vhost}' (${limits.queuesMax(vhost)}) is reached`;
  return new Fault("preconditionFailed", text);
}

/** Who declares a dead-letter exchange takes messages from the queue and publishes them there. */
function checkDeadLetter(caller: Caller, name: string, args: FieldTable): Fault | undefined {
  const exchange = fieldValue(args, "x-dead-letter-exchange");
  if (exchange === undefined) return undefined;
  if (exchange.type !== "S") {
    const what = `for arg 'x-dead-letter-exchange' in ${resource("queue", name, caller.virtualHost.name)}`;
    return new Fault("preconditionFailed", `invalid type '${fieldTypeNames[exchange.type]}' ${what}`);
  }
  return (
    checkAccess(caller, "read", "queue", name) ?? checkAccess(caller, "write", "exchange", exchange.value.toString())
  );
}

/** A queue that the caller may take messages from. */
export function readableQueue(caller: Caller, name: string): Queue | Fault {
  const refused = checkAccess(caller, "read", "queue", name);
  if (refused !== undefined) return refused;
  const queue = caller.virtualHost.namespace.queue(name);
  if (queue === undefined) return notFound("queue", name, caller.virtualHost.name);
  return checkOwner(caller, queue) ?? queue;
}

/** @returns how many messages are gone. */
export function purgeQueue(caller: Caller, name: string): { messageCount: number } | Fault {
  const queue = readableQueue(caller, name);
  if (queue instanceof Fault) return queue;
  if (queueDeclaration(queue).type === "stream" && !isTopic(queue)) {
    const what = resource("queue", name, caller.virtualHost.name);
    return new Fault("notImplemented", `queue.purge not supported by stream queues ${what}`);
  }
  if (isTopic(queue)) ensureWorkQueue(queue);
  return { messageCount: queue.purge(subscriptionOf(queue)) };
}

interface DeleteConditions {
  readonly ifUnused: boolean;
  readonly ifEmpty: boolean;
}

/**
 * One that is not there counts as deleted.
 * @returns how many messages went with it.
 */
export function deleteQueue(caller: Caller, name: string, asked: DeleteConditions): { messageCount: number } | Fault {
  const { namespace } = caller.virtualHost;
  const refused = checkAccess(caller, "configure", "queue", name);
  if (refused !== undefined) return refused;
  const queue = namespace.queue(name);
  if (queue === undefined) return { messageCount: 0 };
  const fault = checkOwner(caller, queue) ?? checkDelete(queue, asked, caller.virtualHost.name);
  if (fault !== undefined) return fault;
  const messageCount = queueDeclaration(queue).type === "stream" && !isTopic(queue) ? 0 : readyCountOf(queue);
  namespace.deleteQueue(queue);
  return { messageCount };
}

function checkDelete(queue: Queue, { ifUnused, ifEmpty }: DeleteConditions, vhost: string): Fault | undefined {
  const what = resource("queue", queue.name, vhost);
  const { type } = queueDeclaration(queue);
  if (type === "stream" && !isTopic(queue)) return undefined;
  if (type === "quorum" && (ifUnused || ifEmpty)) {
    const flag = ifUnused ? "if-unused" : "if-empty";
    const text = `cannot delete ${what}. queue.delete operations with ${flag} flag set are not supported by quorum queues`;
    return new Fault("notImplemented", text);
  }
  if (ifUnused && queue.consumerCount > 0) return new Fault("preconditionFailed", `${what} in use`);
  if (ifEmpty && readyCountOf(queue) > 0) return new Fault("preconditionFailed", `${what} not empty`);
  return undefined;
}
