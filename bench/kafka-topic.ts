// What a load of hand-made requests needs beside Produce and Fetch: a topic, where its partitions end, and ids for producers.

import { seconds } from "./load-options.ts";
import { api, type KafkaPeer } from "./kafka-peer.ts";
import type { WireReader } from "./plain-wire.ts";

/** Kafka's codes for what is otherwise in a moment: the brokers are still told of a topic. */
const untold: readonly number[] = [3, 5, 6];
/** Ids are being fetched, or a controller that was stopped with SIGSTOP is not back yet. */
const busy: readonly number[] = [7, 8, 13, 14, 15, 41];
const topicExists = 36;
const unknownTopic = 3;
const waitSecondsMax = 120;
const triesPerSecond = 50;
const timeoutMs = 60_000;
/** Kafka's controller refuses a request that makes more than 10,000 records of metadata, of which the topic is one. */
const partitionsAtOnce = 5000;

interface Asked<Result> {
  readonly code: number;
  readonly result: Result;
}

/** Asks as long as the answer is one of `passing`. Errors: another code, or still that after two minutes. */
async function untilDone<Result>(
  what: string,
  passing: readonly number[],
  ask: (tries: number) => Promise<Asked<Result>>,
): Promise<Result> {
  for (let tries = 1; ; tries++) {
    const { code, result } = await ask(tries);
    if (code === 0) return result;
    if (!passing.includes(code) || tries > waitSecondsMax * triesPerSecond) throw new Error(`${what}: error ${code}`);
    await seconds(1 / triesPerSecond);
  }
}

/** Makes a topic, and waits until each of its partitions answers. Errors: refused. */
export async function createTopic(control: KafkaPeer, topic: string, partitions: number): Promise<void> {
  await untilDone("the topic was not made", busy, async (tries) => {
    const answer = await control.ask(api.createTopics, (request) => {
      request.i32(1).text(topic).i32(Math.min(partitions, partitionsAtOnce)).i16(1).i32(0).i32(0).i32(timeoutMs).i8(0);
    });
    // Who was told to ask again may have been heard.
    return { code: codeBehindName(answer, tries > 1 ? topicExists : 0), result: undefined };
  });
  for (let have = partitionsAtOnce; have < partitions; have += partitionsAtOnce)
    await addPartitions(control, topic, Math.min(partitions, have + partitionsAtOnce));
  await endOffsets(control, topic, partitions);
}

/** Up to `count`. */
async function addPartitions(control: KafkaPeer, topic: string, count: number): Promise<void> {
  await untilDone("partitions were not added", [...busy, unknownTopic], async () => {
    const answer = await control.ask(api.createPartitions, (request) => {
      request.i32(1).text(topic).i32(count).i32(-1).i32(timeoutMs).i8(0);
    });
    return { code: codeBehindName(answer, 0), result: undefined };
  });
}

/** Errors: refused. */
export async function deleteTopic(control: KafkaPeer, topic: string): Promise<void> {
  await untilDone("the topic was not removed", busy, async (tries) => {
    const answer = await control.ask(api.deleteTopics, (request) => {
      request.i32(1).text(topic).i32(timeoutMs);
    });
    return { code: codeBehindName(answer, tries > 1 ? unknownTopic : 0), result: undefined };
  });
}

/** Of an answer about one topic; 0 also for `asGood`. */
function codeBehindName(answer: WireReader, asGood: number): number {
  answer.skip(8);
  answer.text();
  const code = answer.i16();
  return code === asGood ? 0 : code;
}

/** The next message's offset in each partition. */
export function endOffsets(control: KafkaPeer, topic: string, partitions: number): Promise<Float64Array> {
  return untilDone("where the topic ends", untold, async () => {
    const answer = await control.ask(api.listOffsets, (request) => {
      request.i32(-1).i32(1).text(topic).i32(partitions);
      for (let partition = 0; partition < partitions; partition++) request.i32(partition).i64(-1);
    });
    const result = new Float64Array(partitions).fill(Number.NaN);
    let worst = 0;
    answer.i32();
    answer.text();
    for (let left = answer.i32(); left > 0; left--) {
      const partition = answer.i32();
      const code = answer.i16();
      answer.skip(8);
      result[partition] = answer.i64();
      if (code !== 0 && (worst === 0 || !untold.includes(code))) worst = code;
    }
    if (worst === 0 && result.some((offset) => !(offset >= 0))) throw new Error("a partition was left out");
    return { code: worst, result };
  });
}

/** What a producer without transactions needs to be idempotent, as Kafka's clients are unless told otherwise. */
export function producerId(peer: KafkaPeer): Promise<{ readonly id: number; readonly epoch: number }> {
  return untilDone("a producer's id", busy, async () => {
    const answer = await peer.ask(api.initProducerId, (request) => {
      request.text(null).i32(timeoutMs);
    });
    answer.skip(4);
    const code = answer.i16();
    return { code, result: { id: answer.i64(), epoch: answer.i16() } };
  });
}
