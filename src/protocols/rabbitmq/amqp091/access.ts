/** Finding queues for a channel, where an empty name means the last one declared. */

import type { Queue } from "../../../broker/api.ts";
import type { Channel } from "./channel.ts";
import { Fault } from "../model/errors.ts";
import { readableQueue as readable } from "../model/queues.ts";

/** The queue that a method names, if the connection may read from it. */
export function readableQueue(channel: Channel, asked: string): Queue | Fault {
  const name = channel.queueName(asked);
  return name instanceof Fault ? name : readable(channel.connection, name);
}
