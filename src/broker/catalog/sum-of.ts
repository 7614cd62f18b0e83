import type { QueueState } from "./queue-state.ts";

/** Over all partitions of the topic. */
export function sumOf(topic: QueueState, count: (partition: QueueState) => number): number {
  const { partitions } = topic;
  let sum = count(topic);
  for (let i = 1; i < partitions.length; i++) sum += count(partitions[i]!);
  return sum;
}
