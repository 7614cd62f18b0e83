/** A well-behaved producer beside others: it must notice nothing of them. */

import assert from "node:assert/strict";
import { metadataRequest, metadataResponse } from "../../src/protocols/kafka/codec/messages/metadata.ts";
import { produceRequest, produceResponse } from "../../src/protocols/kafka/codec/messages/produce.ts";
import { createTopicsRequest, createTopicsResponse } from "../../src/protocols/kafka/codec/messages/topics.ts";
import { buildBatch, type RecordModel } from "../../src/protocols/kafka/codec/record-models.suite.ts";
import { WireClient } from "../conformance/kafka/wire-client.ts";

const patienceMs = 20_000;

function record(offset: number): RecordModel {
  return { offset, timestampMs: Date.now(), key: Buffer.from("k"), value: Buffer.alloc(50), headers: [] };
}

/** Of three records. */
export const batch = buildBatch([record(0), record(1), record(2)]);

export class KafkaWitness {
  readonly client: WireClient;
  /** Where it writes. */
  readonly topic: string;
  produced = 0;
  /** The longest that it waited for an answer. */
  longestMs = 0;

  private constructor(client: WireClient, topic: string) {
    this.client = client;
    this.topic = topic;
  }

  /** Of a new topic, unless it is another witness's, who has produced so many records. */
  static async open(address: string, topic = "witness", produced?: number): Promise<KafkaWitness> {
    const witness = new KafkaWitness(await WireClient.open(address), topic);
    if (produced === undefined) await witness.create(topic);
    else witness.produced = produced;
    return witness;
  }

  /** The id of a new topic. */
  async create(name: string): Promise<string> {
    const topics = [{ name, numPartitions: 2, replicationFactor: 1 }];
    const created = await this.client.ask(createTopicsRequest, createTopicsResponse, 5, { topics, timeoutMs: 5000 });
    assert.equal(created?.topics[0]?.errorCode, 0);
    const found = await this.client.ask(metadataRequest, metadataResponse, 12, { topics: [{ name }] });
    return found!.topics[0]!.topicId;
  }

  async produce(after: string): Promise<void> {
    const began = performance.now();
    const topicData = [{ name: this.topic, partitionData: [{ index: 0, records: batch }] }];
    const asked = this.client.ask(produceRequest, produceResponse, 9, { acks: -1, timeoutMs: 5000, topicData });
    const answer = await within(asked, patienceMs);
    assert.ok(answer !== undefined && answer !== "late", `the witness was left alone after ${after}`);
    const { errorCode, baseOffset } = answer.responses[0]!.partitionResponses[0]!;
    assert.deepEqual([errorCode, baseOffset], [0, this.produced], `after ${after}`);
    this.produced += 3;
    this.longestMs = Math.max(this.longestMs, performance.now() - began);
  }
}

export async function within<T>(promise: Promise<T>, limitMs: number): Promise<T | "late"> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => (timer = setTimeout(() => resolve("late"), limitMs)));
  const first = await Promise.race([promise, late]);
  clearTimeout(timer);
  return first;
}
