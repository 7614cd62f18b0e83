/** What one scrape is made of: the totals, and the objects that there are. */

import type { Exchange, Queue } from "../../../../broker/api.ts";
import type { LiveChannel, LiveConnection } from "../../model/live.ts";
import type { Stats } from "../stats/stats.ts";
import type { Totals } from "../stats/totals.ts";
import { exchangeDeclaration } from "../../model/declaration.ts";
import { channelName } from "../stats/consumer-json.ts";
import { labelsOf } from "./text.ts";

export interface PlacedExchange {
  readonly exchange: Exchange;
  readonly vhost: string;
}

const labelsByQueue = new WeakMap<Queue, string>();

export class Snapshot {
  readonly stats: Stats;
  readonly totals: Totals;
  readonly nowMs: number;
  /** Only objects of these virtual hosts; undefined: of all. */
  readonly #vhosts: ReadonlySet<string> | undefined;

  constructor(stats: Stats, vhosts: ReadonlySet<string> | undefined) {
    this.stats = stats;
    this.totals = stats.sampler.totals();
    this.nowMs = stats.server.broker.clock.now();
    this.#vhosts = vhosts;
  }

  *queues(): Generator<Queue> {
    for (const { name, namespace } of this.stats.server.vhosts.all()) if (this.#has(name)) yield* namespace.queues();
  }

  *exchanges(): Generator<PlacedExchange> {
    for (const { name, namespace } of this.stats.server.vhosts.all()) {
      if (!this.#has(name)) continue;
      for (const exchange of namespace.exchanges()) yield { exchange, vhost: name };
    }
  }

  *connections(): Generator<LiveConnection> {
    yield* this.stats.server.live.all();
  }

  *channels(): Generator<{ readonly connection: LiveConnection; readonly channel: LiveChannel }> {
    for (const connection of this.stats.server.live.all()) {
      for (const channel of connection.channels()) yield { connection, channel };
    }
  }

  #has(vhost: string): boolean {
    return this.#vhosts === undefined || this.#vhosts.has(vhost);
  }
}

/** They are the same for as long as the queue lives. */
export function queueLabels(queue: Queue): string {
  let labels = labelsByQueue.get(queue);
  if (labels === undefined) {
    labels = labelsOf({ vhost: queue.namespace.name, queue: queue.name });
    labelsByQueue.set(queue, labels);
  }
  return labels;
}

export function channelLabels({
  connection,
  channel,
}: {
  readonly connection: LiveConnection;
  readonly channel: LiveChannel;
}): string {
  return labelsOf({ channel: channelName(connection, channel), vhost: connection.vhost });
}

/** Under the name that RabbitMQ's plug-in has for it. */
export function connectionLabels(connection: LiveConnection): string {
  return labelsOf({ channel: connection.name });
}

export function exchangeLabels({ exchange, vhost }: PlacedExchange): string {
  return labelsOf({ vhost, exchange: exchange.name, type: exchangeDeclaration(exchange).type });
}
