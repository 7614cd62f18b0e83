/** Consumers as `/api/consumers` shows them, and as queues and channels do. */

import type { Queue } from "../../../../broker/api.ts";
import { jsonOfTable } from "../../model/json-table.ts";
import type { LiveChannel, LiveConnection, LiveConnections, LiveConsumer } from "../../model/live.ts";
import type { Fields } from "./rates.ts";

/** A consumer and where it is. */
export interface PlacedConsumer {
  readonly consumer: LiveConsumer;
  readonly channel: LiveChannel;
  readonly connection: LiveConnection;
}

export function channelName(connection: LiveConnection, channel: LiveChannel): string {
  return `${connection.name} (${channel.number})`;
}

export function consumerJson(placed: PlacedConsumer, node: string): Fields {
  const { consumer, channel, connection } = placed;
  return {
    arguments: jsonOfTable(consumer.arguments),
    ack_required: !consumer.noAck,
    active: consumer.isActive,
    activity_status: consumer.activityStatus,
    channel_details: {
      connection_name: connection.name,
      name: channelName(connection, channel),
      node,
      number: channel.number,
      peer_host: connection.address.remoteAddress,
      peer_port: connection.address.remotePort,
      user: connection.user,
    },
    consumer_tag: consumer.tag,
    exclusive: consumer.exclusive,
    prefetch_count: consumer.prefetchCount,
    queue: { name: consumer.queue.name, vhost: consumer.queue.namespace.name },
  };
}

export function* allConsumers(live: LiveConnections): Generator<PlacedConsumer> {
  for (const connection of live.all()) {
    for (const channel of connection.channels()) {
      for (const consumer of channel.consumers()) yield { consumer, channel, connection };
    }
  }
}

/** The consumers of each queue, looked up for many queues by one walk over all consumers, and only if one is asked for. */
export class ConsumersByQueue {
  readonly #live: LiveConnections;
  #byQueue: Map<Queue, PlacedConsumer[]> | undefined;

  constructor(live: LiveConnections) {
    this.#live = live;
  }

  of(queue: Queue): readonly PlacedConsumer[] {
    if (queue.consumerCount === 0) return [];
    if (this.#byQueue === undefined) {
      this.#byQueue = new Map();
      for (const placed of allConsumers(this.#live)) {
        const others = this.#byQueue.get(placed.consumer.queue);
        if (others === undefined) this.#byQueue.set(placed.consumer.queue, [placed]);
        else others.push(placed);
      }
    }
    return this.#byQueue.get(queue) ?? [];
  }
}
