/** Entrepot's own metrics: what RabbitMQ's plug-in does not tell. */

import type { Alerts } from "../../../../alerts/alerts.ts";
import type { Queue } from "../../../../broker/api.ts";

import type { RequestCount } from "../../model/server.ts";
import type { Snapshot } from "./snapshot.ts";
import { labelsOf, type MetricsText } from "./text.ts";

export const ownPrefix = "entrepot_";

const oldest = {
  name: "queue_oldest_message_age_seconds",
  type: "gauge",
  help: "Age of the oldest message that waits for a consumer; of all queues: of the oldest of them",
} as const;
const scheduled = {
  name: "queue_messages_scheduled",
  type: "gauge",
  help: "Messages that wait for their time",
} as const;

/** Of all queues together, and of the broker. */
export function writeOwn(text: MetricsText, { stats, totals, nowMs }: Snapshot): void {
  const { statistics } = stats.server.broker;
  const line = (type: "gauge" | "counter", name: string, help: string, value: number): void => {
    text.head(ownPrefix, { name, type, help });
    text.line(ownPrefix, name, "", value);
  };
  line(oldest.type, oldest.name, oldest.help, ageSeconds(totals.oldestReadyMs, nowMs));
  line(scheduled.type, scheduled.name, scheduled.help, totals.scheduled);
  text.histogram(
    ownPrefix,
    { name: "settle_duration_seconds", help: "From a delivery to its settlement" },
    "",
    statistics.settleMs,
    1000,
  );
  text.histogram(
    ownPrefix,
    { name: "commit_duration_seconds", help: "Synced write of a block of the journal" },
    "",
    statistics.commitMs,
    1000,
  );
  text.histogram(
    ownPrefix,
    { name: "commit_bytes", help: "Size of a block of the journal" },
    "",
    statistics.commitBytes,
    1,
  );
  line("gauge", "journal_bytes", "Journal that is not behind a checkpoint yet", statistics.journalBytes);
  line("gauge", "segment_bytes", "Segments on disk", statistics.segmentBytes);
  line("gauge", "segments", "Segments on disk", statistics.segmentCount);
  line("counter", "checkpoints_total", "Checkpoints that were written", statistics.checkpoints);
  line("gauge", "checkpoint_duration_seconds", "How long the last checkpoint took", statistics.checkpointMs / 1000);
  line("gauge", "cache_bytes", "Memory that holds messages", statistics.cacheBytes);
  line("counter", "cpu_seconds_total", "Processor time of the broker", stats.process().cpuSeconds);
  const delay = stats.options.loopDelay.read();
  const name = "event_loop_delay_seconds";
  text.head(ownPrefix, { name, type: "gauge", help: "How late the event loop was, since the start" });
  for (const [quantile, ms] of [
    ["0.5", delay.p50Ms],
    ["0.99", delay.p99Ms],
    ["1", delay.maxMs],
  ] as const) {
    text.line(ownPrefix, name, `quantile="${quantile}"`, ms / 1000);
  }
  writeAlerts(text, stats.server.alerts);
  writeRequests(text, [...(stats.server.kafkaRequests?.() ?? [])]);
}

const requestMetrics: readonly (readonly [name: string, help: string, value: (of: RequestCount) => number])[] = [
  ["kafka_requests_total", "Requests of Kafka's protocol", ({ count }) => count],
  [
    "kafka_request_seconds_total",
    "From a request to its answer, waiting included",
    ({ elapsedMs }) => elapsedMs / 1000,
  ],
  ["kafka_request_bytes_total", "Bytes of requests", ({ requestBytes }) => requestBytes],
  ["kafka_response_bytes_total", "Bytes of answers", ({ responseBytes }) => responseBytes],
];

/** Of Kafka's protocol, where somebody speaks it. */
function writeRequests(text: MetricsText, counts: readonly RequestCount[]): void {
  if (counts.length === 0) return;
  for (const [name, help, value] of requestMetrics) {
    text.head(ownPrefix, { name, type: "counter", help });
    for (const of of counts) text.line(ownPrefix, name, labelsOf({ request: of.request }), value(of));
  }
}

/** Each rule has its line, so that one that never fires is seen to be watched. */
function writeAlerts(text: MetricsText, alerts: Alerts | undefined): void {
  const name = "alert_firing";
  if (alerts === undefined || alerts.rules.length === 0) return;
  text.head(ownPrefix, { name, type: "gauge", help: "Queues, or the broker, for which the rule fires" });
  for (const rule of alerts.rules) {
    const labels = labelsOf({ rule: rule.name, severity: rule.severity });
    text.line(ownPrefix, name, labels, alerts.firingCount(rule));
  }
}

/** Of each queue. */
export const ownQueueMetrics = [
  {
    ...oldest,
    value: (queue: Queue, { nowMs }: Snapshot) => ageSeconds(queue.oldestReadyMs ?? Infinity, nowMs),
  },
  { ...scheduled, value: (queue: Queue) => queue.scheduledCount },
] as const;

function ageSeconds(sinceMs: number, nowMs: number): number {
  return sinceMs === Infinity ? 0 : Math.max(0, nowMs - sinceMs) / 1000;
}
