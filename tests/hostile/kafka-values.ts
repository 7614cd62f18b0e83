/** Values of requests: such as mean nothing good, and such as have to wait for their answer. */

import fc from "fast-check";
import type { Preferred } from "../conformance/kafka/values.ts";
import { batch } from "./kafka-witness.ts";

const names = fc.constantFrom(
  "orders",
  "orders",
  "nobody",
  "",
  "a b",
  ".",
  "__consumer_offsets",
  "x".repeat(250),
  "größe",
);
const numbers = fc.constantFrom(0, 0, 1, 2, 3, -1, -2, 100, 0x7fff_ffff, -0x8000_0000);

/** Names that exist and names that do not, numbers at their ends: values that get further than the first check. */
export function senseless(topicId: string): Preferred {
  return (name, field) => {
    if (
      /^(name|topic|topicName|groupId|key|transactionalId|memberId|resourceName)$/.test(name) &&
      field.type === "string"
    ) {
      return names;
    }
    if (name === "maxWaitMs") return fc.constantFrom(0, 1, -1, 1000, 60_000);
    if (name === "sessionTimeoutMs") return fc.constantFrom(0, 1000, 3000, 5000);
    // Silence is an answer to acks=0.
    if (name === "acks") return fc.constantFrom(-1, -1, 1, 1, 0, 3);
    if (field.type === "uuid") return fc.constantFrom(topicId, topicId, "0".repeat(32));
    if (field.type === "records") return fc.constantFrom(batch, batch.subarray(0, 90), Buffer.concat([batch, batch]));
    if (field.type === "int8") return fc.constantFrom(0, 1, 2, 4, -1);
    if (field.type === "int16") return fc.constantFrom(0, 1, -1, 3);
    return field.type === "int32" || field.type === "int64" ? numbers : undefined;
  };
}

/** What is there, and has nothing yet. */
export interface QuietTopic {
  readonly name: string;
  readonly id: string;
}

/** Of a fetch that waits for records, and of somebody who joins a group in which there may be others. */
export function patient(topic: QuietTopic): Preferred {
  const values: Readonly<Record<string, readonly unknown[]>> = {
    topic: [topic.name],
    topicId: [topic.id],
    partition: [0, 1],
    fetchOffset: [0],
    currentLeaderEpoch: [-1, 0],
    lastFetchedEpoch: [-1],
    replicaId: [-1],
    maxWaitMs: [1000, 60_000],
    minBytes: [1, 100],
    maxBytes: [1_000_000],
    partitionMaxBytes: [1_000_000],
    isolationLevel: [0, 1],
    sessionId: [0],
    sessionEpoch: [-1, 0],
    groupId: ["quiet-1", "quiet-2", "quiet-3"],
    memberId: [""],
    groupInstanceId: [null, "instance"],
    sessionTimeoutMs: [3000, 5000],
    rebalanceTimeoutMs: [5000, 60_000],
    protocolType: ["consumer"],
    name: ["range"],
  };
  return (name) => {
    const some = values[name];
    return some === undefined ? undefined : fc.constantFrom(...some);
  };
}
