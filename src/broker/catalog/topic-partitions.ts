/**
 * Topics with several partitions. The queue that has the topic's name is its first partition and stands for the whole: it
 * is what exchanges route to, what is declared, configured and deleted. The others are queues of the core's own, each with
 * its own stream and its own delivery state, so that nothing below this file knows of more than one. What is one for all
 * (settings, counters, ids that were seen) they share with the first.
 *
 * Rejected: offsets and delivery state by partition inside of one queue, which every path of the core would pay for.
 */
import { assert } from "../../base/assert.ts";
import { partitionOfBytes, partitionOfKey } from "../../base/murmur2.ts";
import type { Publication } from "../api.ts";
import type { Core } from "../core.ts";
import { addBranches } from "../subscription/attach.ts";
import type { Definition } from "./definition.ts";
import { ownSettings } from "./named-subscriptions.ts";
import type { QueueState } from "./queue-state.ts";

/** No client can have a queue of this name. */
export function partitionName(topic: string, index: number): string {
  return `\u0000partition:${index}:${topic}`;
}

export function queueDefinition(queue: QueueState): Definition {
  const { id, name, settings, declaration, isHidden, topic, index } = queue;
  const plain = { op: "queue", ns: queue.namespace.name, name, id, settings, declaration } as const;
  if (topic !== queue) return { ...plain, declaration: undefined, hidden: true, topic: topic.id, index };
  return isHidden ? { ...plain, hidden: true } : plain;
}

/** Adds partitions until there are `count`. The topic's subscriptions read them from the beginning, its consumers too. */
export function growTopic(core: Core, topic: QueueState, count: number): void {
  assert(topic.topic === topic && !topic.isHidden, "partitions are added to a topic");
  assert(count > topic.partitions.length, "a topic has as many partitions as it had, or more");
  core.commit.atomically(() => {
    for (let index = topic.partitions.length; index < count; index++) {
      const partition = topic.namespace.addPartition(core.nextId(), topic, index);
      if (topic.isDurable) core.define(queueDefinition(partition));
      for (const [name, { settings }] of topic.named ?? []) partition.subscribe(name, ownSettings(settings), "first");
      addBranches(core, topic, partition);
    }
  });
}

/** Which partition of a topic that has several a publication goes to: the one it names, its key's, or the next in turn. */
export function partitionFor(core: Core, topic: QueueState, p: Publication): QueueState {
  const { partitions } = topic;
  const { length } = partitions;
  if (p.partition >= 0) {
    assert(p.partition < length, "a message goes to a partition that is there");
    return partitions[p.partition]!;
  }
  if (p.key !== undefined) return partitions[partitionOfKey(p.key, length)]!;
  const key = core.format(p.format).partitionKey?.(p);
  if (key !== undefined) return partitions[partitionOfBytes(key, length)]!;
  topic.turn = (topic.turn + 1) % length;
  return partitions[topic.turn]!;
}
