/** RabbitMQ's `rabbitmq_global_*`: counters by protocol and type of queue, which outlive what they were counted on. */

import { deadLetterStrategies, deathReasons, queueTypes, type Totals } from "../stats/totals.ts";
import type { Heading } from "./text.ts";
import { labelsOf } from "./text.ts";

export interface GlobalMetric extends Heading {
  lines(totals: Totals): Iterable<readonly [labels: string, value: number]>;
}

const protocol = "amqp091";
const ofProtocol = labelsOf({ protocol });

function plain(name: string, type: "counter" | "gauge", help: string, value: (totals: Totals) => number): GlobalMetric {
  return { name, type, help, lines: (totals) => [[ofProtocol, value(totals)]] };
}

/** @param columns of `deliverColumns` */
function byType(name: string, help: string, columns: readonly number[]): GlobalMetric {
  return {
    name,
    type: "counter",
    help,
    lines: (totals) =>
      queueTypes.map((type) => {
        const { deliver } = totals.byType[type];
        const labels = labelsOf({ protocol, queue_type: `rabbit_${type}_queue` });
        return [labels, columns.reduce((sum, column) => sum + deliver[column]!, 0)] as const;
      }),
  };
}

const deathHelp: Readonly<Record<(typeof deathReasons)[number], string>> = {
  expired: "message TTL exceeded",
  rejected: "basic.reject or basic.nack",
  maxlen: "overflow drop-head or reject-publish-dlx",
  delivery_limit: "delivery-limit exceeded",
};

function deaths(reason: (typeof deathReasons)[number], index: number): GlobalMetric {
  return {
    name: `messages_dead_lettered_${reason}_total`,
    type: "counter",
    help: `Total number of messages dead-lettered due to ${deathHelp[reason]}`,
    *lines(totals) {
      for (const type of ["classic", "quorum"] as const) {
        for (const [at, strategy] of deadLetterStrategies.entries()) {
          const labels = labelsOf({ queue_type: `rabbit_${type}_queue`, dead_letter_strategy: strategy });
          yield [labels, totals.byType[type].dead[index * deadLetterStrategies.length + at]!];
        }
      }
    },
  };
}

export const globalMetrics: readonly GlobalMetric[] = [
  plain("consumers", "gauge", "Current number of consumers", (totals) => totals.consumers),
  plain("publishers", "gauge", "Current number of publishers", (totals) => totals.publishers),
  byType("messages_acknowledged_total", "Total number of messages acknowledged by consumers", [5]),
  plain(
    "messages_confirmed_total",
    "counter",
    "Total number of messages confirmed to publishers",
    ({ sums }) => sums[1]!,
  ),
  ...deathReasons.map(deaths),
  byType(
    "messages_delivered_consume_auto_ack_total",
    "Total number of messages delivered to consumers using basic.consume with automatic acknowledgment",
    [3],
  ),
  byType(
    "messages_delivered_consume_manual_ack_total",
    "Total number of messages delivered to consumers using basic.consume with manual acknowledgment",
    [2],
  ),
  byType(
    "messages_delivered_get_auto_ack_total",
    "Total number of messages delivered to consumers using basic.get with automatic acknowledgment",
    [1],
  ),
  byType(
    "messages_delivered_get_manual_ack_total",
    "Total number of messages delivered to consumers using basic.get with manual acknowledgment",
    [0],
  ),
  byType("messages_delivered_total", "Total number of messages delivered to consumers", [0, 1, 2, 3]),
  byType("messages_get_empty_total", "Total number of times basic.get operations fetched no message", [6]),
  plain(
    "messages_received_confirm_total",
    "counter",
    "Total number of messages received from publishers expecting confirmations",
    (totals) => totals.publishedForConfirm,
  ),
  plain(
    "messages_received_total",
    "counter",
    "Total number of messages received from publishers",
    ({ sums }) => sums[0]!,
  ),
  byType("messages_redelivered_total", "Total number of messages redelivered to consumers", [4]),
  plain("messages_routed_total", "counter", "Total number of messages routed to queues or streams", (totals) =>
    queueTypes.reduce((sum, type) => sum + totals.byType[type].published, 0),
  ),
  plain(
    "messages_unroutable_dropped_total",
    "counter",
    "Total number of messages published as non-mandatory into an exchange and dropped as unroutable",
    ({ sums }) => sums[3]!,
  ),
  plain(
    "messages_unroutable_returned_total",
    "counter",
    "Total number of messages published as mandatory into an exchange and returned to the publisher as unroutable",
    ({ sums }) => sums[2]!,
  ),
];
