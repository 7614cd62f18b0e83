/** What tests of fetches and of offsets have in common: a topic `t`, what goes into it, and answers as text. */
import assert from "node:assert/strict";
import { BatchView } from "../codec/record-batch.ts";
import { uuidZero } from "../codec/primitives.ts";
import { batchOf, KafkaHouse, type KafkaClient } from "../kafka-house.suite.ts";
import { createTopics } from "./create-topics.ts";
import { fetch } from "./fetch.ts";
import { listOffsets } from "./list-offsets.ts";
import { metadata } from "./metadata.ts";
import { produce } from "./produce.ts";

export interface Asked {
  readonly topic?: string;
  readonly partition?: number;
  readonly offset?: number;
  readonly max?: number;
  readonly epoch?: number;
}

export interface Limits {
  readonly wait?: number;
  readonly min?: number;
  readonly max?: number;
  readonly session?: number;
  readonly epoch?: number;
  readonly isolation?: number;
  readonly forget?: readonly number[];
  readonly version?: number;
}

export async function open(partitions = 1): Promise<{ house: KafkaHouse; client: KafkaClient; id: string }> {
  const house = await KafkaHouse.open({ fetchSessionsMax: 2 });
  const client = house.client();
  client.call(createTopics, 5, { topics: [{ name: "t", numPartitions: partitions, replicationFactor: 1 }] });
  const { topics } = client.call(metadata, 12, { topics: [{ name: "t", topicId: uuidZero }] });
  return { house, client, id: topics[0]!.topicId };
}

export function send(client: KafkaClient, values: readonly string[], index = 0): void {
  sendBatch(client, batchOf(values), index);
}

export function sendBatch(client: KafkaClient, records: Buffer, index = 0): void {
  const topicData = [{ name: "t", partitionData: [{ index, records }] }];
  const { responses } = client.call(produce, 9, { acks: 1, timeoutMs: 1000, topicData });
  assert.equal(responses[0]!.partitionResponses[0]!.errorCode, 0);
}

export function request(asked: readonly Asked[], limits: Limits) {
  return {
    maxWaitMs: limits.wait ?? 0,
    minBytes: limits.min ?? 1,
    maxBytes: limits.max ?? 1_000_000,
    sessionId: limits.session ?? 0,
    sessionEpoch: limits.epoch ?? -1,
    isolationLevel: limits.isolation ?? 0,
    topics: asked.map(({ topic = "t", partition = 0, offset = 0, max = 100_000, epoch = -1 }) => ({
      topic,
      partitions: [{ partition, fetchOffset: offset, partitionMaxBytes: max, currentLeaderEpoch: epoch }],
    })),
    forgottenTopicsData: limits.forget === undefined ? [] : [{ topic: "t", partitions: limits.forget }],
  };
}

export function get(client: KafkaClient, asked: readonly Asked[], limits: Limits = {}) {
  return shown(client.call(fetch, limits.version ?? 11, request(asked, limits)));
}

export interface Answer {
  readonly errorCode: number;
  readonly sessionId: number;
  readonly responses: readonly {
    readonly partitions: readonly {
      readonly partitionIndex: number;
      readonly errorCode: number;
      readonly records: Buffer | null;
    }[];
  }[];
}

/** What is asked of a partition's offsets, which takes some turns: the answer, and how many. */
export async function askOffset(house: KafkaHouse, client: KafkaClient, timestamp: number, name = "t") {
  client.ask(listOffsets, 7, { topics: [{ name, partitions: [{ partitionIndex: 0, timestamp }] }] });
  for (let turns = 0; turns < 500; turns++) {
    const [answer] = client.take();
    if (answer !== undefined) {
      type Found = { readonly errorCode: number; readonly offset: number; readonly timestamp: number };
      const { topics } = answer.response as { topics: { partitions: Found[] }[] };
      return { ...topics[0]!.partitions[0]!, turns };
    }
    for (let step = 0; step < 20; step++) await Promise.resolve();
    house.settle();
  }
  return assert.fail("it was answered");
}

/** Each partition with its error, or its batches: base offset and count. */
export function shown(answer: unknown) {
  const { errorCode: code, sessionId, responses } = answer as Answer;
  const partitions = responses.flatMap(({ partitions: each }) =>
    each.map(({ partitionIndex, errorCode: error, records }) => {
      if (error !== 0) return `${partitionIndex}: error ${error}`;
      return `${partitionIndex}: ${batchesOf(records ?? Buffer.alloc(0)).join(" ")}`.trim();
    }),
  );
  return { code, sessionId, partitions };
}

function batchesOf(records: Buffer): string[] {
  const view = new BatchView();
  const batches: string[] = [];
  for (let at = 0; at < records.length; at = view.end) {
    view.set(records, at);
    batches.push(`${view.baseOffset}+${view.count}`);
  }
  return batches;
}
