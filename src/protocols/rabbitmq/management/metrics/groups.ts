/**
 * How far groups of readers have come in the logs that they read: of each group, in each partition, under the names that
 * Kafka's exporters have for it, so that dashboards and autoscalers find them.
 */
import type { Queue } from "../../../../broker/api.ts";
import type { Snapshot } from "./snapshot.ts";
import { labelsOf } from "./text.ts";

export const groupPrefix = "kafka_";

export interface Place {
  readonly group: string;
  readonly topic: Queue;
  readonly partition: Queue;
}

export function* places(snapshot: Snapshot): Generator<Place> {
  for (const topic of snapshot.queues()) {
    for (const partition of topic.partitions) {
      for (const [group] of partition.committedOffsets()) yield { group, topic, partition };
    }
  }
}

export function placeLabels({ group, topic, partition }: Place): string {
  return labelsOf({
    consumergroup: group,
    topic: topic.name,
    partition: String(partition.index),
    vhost: topic.namespace.name,
  });
}

export const groupMetrics = [
  {
    name: "consumergroup_current_offset",
    type: "gauge",
    help: "Offset that the group has committed: of the message that it reads next",
    value: ({ group, partition }: Place) => partition.committedOffset(group)?.offset ?? 0,
  },
  {
    name: "consumergroup_lag",
    type: "gauge",
    help: "Messages between what the group has committed and the end",
    value: ({ group, partition }: Place) => partition.lag(group),
  },
] as const;
