/** Finding queues for a channel: who may use them, and what is said when there is none. */

import type { Queue } from "../../../broker/api.ts";
import type { Channel } from "./channel.ts";
import { Fault, lockedQueue } from "../model/errors.ts";
import { checkAccess } from "./permissions.ts";

/** The queue that a method names, if the connection may read from it. An empty name means the last one declared. */
export function readableQueue(channel: Channel, asked: string): Queue | Fault {
  const name = channel.queueName(asked);
  if (name instanceof Fault) return name;
  const refused = checkAccess(channel.connection, "read", "queue", name);
  if (refused !== undefined) return refused;
  const queue = channel.connection.namespace.queue(name);
  if (queue === undefined) return channel.noQueue(name);
  return checkOwner(channel, queue) ?? queue;
}

/** An exclusive queue is its connection's alone. */
export function checkOwner(channel: Channel, queue: Queue): Fault | undefined {
  const { connection } = channel;
  const owner = connection.hub.ownerByQueue.get(queue);
  return owner === undefined || owner === connection ? undefined : lockedQueue(queue.name, connection.vhost);
}

/** Carriage returns and line feeds in names are taken out, as RabbitMQ does. */
export function cleanName(name: string): string {
  return /[\r\n]/.test(name) ? name.replace(/[\r\n]/g, "") : name;
}
