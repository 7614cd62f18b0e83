/**
 * Transactions told as stories, to a broker of ours or, by the same lines, to Kafka: each line is what somebody does; below it
 * stands, indented, what came of it. Who acts is a producer with a name, which takes the number and epoch that it is given.
 *
 *     a inits ID [v=5] [timeout=MS] [onward]         onward: says who it was
 *     a adds t/0 t/1 [v=3] [by=CONNECTION]
 *     a asks t/0                                     whether it is in the transaction
 *     a writes t/0 x y [v=11] [seq=N] [plain]
 *     a joins GROUP [v=4]
 *     a commits GROUP t/0=5 [v=4] [as=MEMBER at=GENERATION]
 *     a ends commit|abort [v=4] [by=CONNECTION]
 *     t/0 shows [all]                                values that a reader of what is committed, or of all, gets
 *     GROUP stands t/0                               as asked with requireStable
 *     topic t made|gone
 *     5000 ms pass
 *
 * `epoch=-1` says an epoch that is one less than its own, `producer=+1` another number. An epoch is shown by what it is to
 * those before it: `newer`, `same`, `older`, or `anew` under a number that was not seen before.
 */
import assert from "node:assert/strict";
import { addOffsetsToTxn } from "../commands/add-offsets-to-txn.ts";
import { addPartitionsToTxn } from "../commands/add-partitions-to-txn.ts";
import { createTopics } from "../commands/create-topics.ts";
import { deleteTopics } from "../commands/delete-topics.ts";
import { endTxn } from "../commands/end-txn.ts";
import { fetch } from "../commands/fetch.ts";
import { initProducerId } from "../commands/init-producer-id.ts";
import { offsetFetch } from "../commands/offset-fetch.ts";
import { produce } from "../commands/produce.ts";
import { txnOffsetCommit } from "../commands/txn-offset-commit.ts";
import { BatchBuilder, plainTraits } from "../codec/batch-builder.ts";
import { errorCode, errorName } from "../codec/errors.ts";
import { attributeBits, batchAt, BatchView } from "../codec/record-batch.ts";
import { RecordReader } from "../codec/records.ts";
import type { Command } from "../command.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into by hand here
type Any = any;

/** Where a story happens. */
export interface Stage {
  ask(connection: string, command: Command, version: number, body: unknown): Promise<Any>;
  pass(ms: number): Promise<void>;
  nowMs(): number;
  /** Kafka does some things a moment later than it says. */
  readonly isSlow: boolean;
}

interface Actor {
  transactionalId: string;
  producerId: number;
  producerEpoch: number;
  /** By partition. */
  sequences: Map<string, number>;
}

const retriesMax = 200;

export class TransactionStory {
  readonly #stage: Stage;
  readonly #actors = new Map<string, Actor>();
  readonly #newestEpochs = new Map<number, number>();

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** Tells the lines that are not indented, and holds all of it against what came. */
  async tell(text: string): Promise<void> {
    assert.equal(await this.told(text), trimmed(text).join("\n"));
  }

  /** The story as it came. */
  async told(text: string): Promise<string> {
    const told: string[] = [];
    for (const line of trimmed(text)) {
      if (line.startsWith(" ")) continue;
      told.push(line, ...(await this.#act(line)).map((came) => `  ${came}`));
    }
    return told.join("\n");
  }

  async #act(line: string): Promise<string[]> {
    const [who = "", what = "", ...rest] = line.split(" ");
    const options = new Map(rest.filter((word) => word.includes("=") && !word.includes("/")).map(pair));
    const words = rest.filter((word) => !word.includes("=") || word.includes("/"));
    if (what === "ms") {
      await this.#stage.pass(Number(who));
      return [];
    }
    if (who === "topic") return this.#topic(what, words[0]!);
    if (what === "shows") return this.#shows(who, words[0] === "all");
    if (what === "stands") return this.#stands(who, words[0]!);
    return this.#do(who, what, words, options);
  }

  async #do(who: string, what: string, words: string[], options: ReadonlyMap<string, string>): Promise<string[]> {
    let actor = this.#actors.get(who);
    if (actor === undefined) {
      actor = { transactionalId: "", producerId: -1, producerEpoch: -1, sequences: new Map() };
      this.#actors.set(who, actor);
    }
    const name = {
      producerId: actor.producerId + Number(options.get("producer") ?? 0),
      producerEpoch: actor.producerEpoch + Number(options.get("epoch") ?? 0),
    };
    const transactionalId = options.get("id") ?? actor.transactionalId;
    const connection = options.get("by") ?? who;
    const version = (otherwise: number): number => Number(options.get("v") ?? otherwise);
    const ask = (command: Command, v: number, body: unknown) => this.#stage.ask(connection, command, v, body);
    switch (what) {
      case "inits":
        return this.#inits(actor, words, options, name, ask);
      case "adds":
        return this.#adds({ transactionalId, ...name }, words, version(3), ask);
      case "asks": {
        const transactions = [{ transactionalId, ...name, verifyOnly: true, topics: topicsOf(words) }];
        const answer = await ask(addPartitionsToTxn, version(5), { transactions });
        return partitionCodes(answer.resultsByTransaction[0].topicResults);
      }
      case "writes":
        return this.#writes(actor, { transactionalId, ...name }, words, options, ask);
      case "joins": {
        const answer = await ask(addOffsetsToTxn, version(4), { transactionalId, ...name, groupId: words[0] });
        return [errorName(answer.errorCode)];
      }
      case "commits":
        return this.#commits({ transactionalId, ...name }, words, options, ask);
      default: {
        assert.equal(what, "ends");
        const body = { transactionalId, ...name, committed: words[0] === "commit" };
        const v = version(4);
        const answer = await this.#patiently(
          () => ask(endTxn, v, body),
          (each) => each.errorCode,
          connection === who,
        );
        return [errorName(answer.errorCode), ...(v >= 5 ? this.#isNow(actor, answer) : [])];
      }
    }
  }

  async #inits(actor: Actor, words: string[], options: ReadonlyMap<string, string>, name: object, ask: Asker) {
    actor.transactionalId = words[0]!;
    const was = words.includes("onward") ? name : { producerId: -1, producerEpoch: -1 };
    const timeoutMs = Number(options.get("timeout") ?? 60_000);
    const answer = await this.#patiently(
      () =>
        ask(initProducerId, Number(options.get("v") ?? 5), {
          transactionalId: words[0] === "nothing" ? "" : words[0],
          transactionTimeoutMs: timeoutMs,
          ...was,
        }),
      (each) => each.errorCode,
    );
    return [errorName(answer.errorCode), ...this.#isNow(actor, answer)];
  }

  async #adds(by: object & { transactionalId: string }, words: string[], version: number, ask: Asker) {
    if (version >= 4) {
      const body = { transactions: [{ ...by, verifyOnly: false, topics: topicsOf(words) }] };
      const answer = await this.#patiently(
        () => ask(addPartitionsToTxn, version, body),
        (each) => firstCode(each.resultsByTransaction[0].topicResults),
      );
      return partitionCodes(answer.resultsByTransaction[0].topicResults);
    }
    const { transactionalId, producerId, producerEpoch } = by as Any;
    const body = {
      v3AndBelowTransactionalId: transactionalId,
      v3AndBelowProducerId: producerId,
      v3AndBelowProducerEpoch: producerEpoch,
      v3AndBelowTopics: topicsOf(words),
    };
    const answer = await this.#patiently(
      () => ask(addPartitionsToTxn, version, body),
      (each) => firstCode(each.resultsByTopicV3AndBelow),
    );
    return partitionCodes(answer.resultsByTopicV3AndBelow);
  }

  async #writes(actor: Actor, by: Any, words: string[], options: ReadonlyMap<string, string>, ask: Asker) {
    const [place = "", ...values] = words.filter((word) => word !== "plain");
    const sequence = Number(options.get("seq") ?? actor.sequences.get(place) ?? 0);
    const isTransactional = !words.includes("plain");
    const [topic, partition] = place.split("/");
    const records = transactionBatch(values, by, sequence, isTransactional, this.#stage.nowMs());
    const body = {
      transactionalId: isTransactional || options.has("id") ? by.transactionalId : null,
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: topic, partitionData: [{ index: Number(partition), records }] }],
    };
    const codeOf = (answer: Any): number => answer.responses[0].partitionResponses[0].errorCode;
    const answer = await this.#patiently(() => ask(produce, Number(options.get("v") ?? 11), body), codeOf);
    if (codeOf(answer) === errorCode.NONE) actor.sequences.set(place, sequence + values.length);
    return [errorName(codeOf(answer))];
  }

  async #commits(by: object, words: string[], options: ReadonlyMap<string, string>, ask: Asker) {
    const [groupId, ...places] = words;
    const topics = places.map((word) => {
      const [place = "", offset] = word.split("=");
      const [name, partition] = place.split("/");
      const position = { committedOffset: Number(offset), committedMetadata: options.get("saying") ?? "" };
      return { name, partitions: [{ partitionIndex: Number(partition), ...position }] };
    });
    const member = { memberId: options.get("as") ?? "", generationId: Number(options.get("at") ?? -1) };
    const answer = await this.#patiently(
      () => ask(txnOffsetCommit, Number(options.get("v") ?? 4), { ...by, groupId, ...member, topics }),
      (each) => each.topics[0].partitions[0].errorCode,
    );
    const codes: string[] = answer.topics.flatMap((topic: Any) =>
      topic.partitions.map((each: Any) => `${topic.name}/${each.partitionIndex} ${errorName(each.errorCode)}`),
    );
    return codes.toSorted();
  }

  async #topic(name: string, what: string): Promise<string[]> {
    if (what === "gone") {
      const answer = await this.#stage.ask("", deleteTopics, 5, { topicNames: [name], timeoutMs: 5000 });
      return [errorName(answer.responses[0].errorCode)];
    }
    const topics = [{ name, numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] }];
    const answer = await this.#stage.ask("", createTopics, 5, { topics, timeoutMs: 5000 });
    if (this.#stage.isSlow) await this.#stage.pass(500);
    return [errorName(answer.topics[0].errorCode)];
  }

  /** Values, `|` for a marker that a reader of all gets; behind it what is not stable yet. */
  async #shows(place: string, isAll: boolean): Promise<string[]> {
    if (this.#stage.isSlow) await this.#stage.pass(300);
    const [topic, partition] = place.split("/");
    const asked = { partition: Number(partition), fetchOffset: 0, partitionMaxBytes: 1_000_000 };
    const body = {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1_000_000,
      isolationLevel: isAll ? 0 : 1,
      topics: [{ topic, partitions: [asked] }],
    };
    const answer = await this.#stage.ask("", fetch, 11, body);
    const found = answer.responses[0].partitions[0];
    if (found.errorCode !== errorCode.NONE) return [errorName(found.errorCode)];
    const shown = valuesOf(found.records ?? Buffer.alloc(0), isAll ? [] : (found.abortedTransactions ?? []), isAll);
    const undecided = found.highWatermark - found.lastStableOffset;
    return [shown.join(" ") || "nothing", ...(undecided > 0 && !isAll ? [`${undecided} undecided`] : [])];
  }

  async #stands(groupId: string, place: string): Promise<string[]> {
    if (this.#stage.isSlow) await this.#stage.pass(300);
    const [name, partition] = place.split("/");
    const body = { groupId, requireStable: true, topics: [{ name, partitionIndexes: [Number(partition)] }] };
    const answer = await this.#stage.ask("", offsetFetch, 7, body);
    const { errorCode: code, committedOffset } = answer.topics[0].partitions[0];
    return [code === errorCode.NONE ? String(committedOffset) : errorName(code)];
  }

  /** What the actor is from now on, if it was told. */
  #isNow(actor: Actor, { errorCode: code, producerId, producerEpoch }: Any): string[] {
    if (code !== errorCode.NONE) return [];
    const newest = this.#newestEpochs.get(producerId);
    this.#newestEpochs.set(producerId, Math.max(newest ?? -1, producerEpoch));
    if (actor.producerId !== producerId || actor.producerEpoch !== producerEpoch) actor.sequences.clear();
    actor.producerId = producerId;
    actor.producerEpoch = producerEpoch;
    if (newest === undefined) return [producerEpoch === 0 ? "anew" : `anew with epoch ${producerEpoch}`];
    return [producerEpoch > newest ? "newer" : producerEpoch === newest ? "same" : "older"];
  }

  /** As a client does: who is told to try again does so. */
  async #patiently(ask: () => Promise<Any>, codeOf: (answer: Any) => number, isPatient = true): Promise<Any> {
    for (let tries = 0; ; tries++) {
      const answer = await ask();
      const code = codeOf(answer);
      const isToBeTried = retriable.has(code) && this.#stage.isSlow;
      if (!isPatient || !isToBeTried || tries >= retriesMax) return answer;
      await this.#stage.pass(20);
    }
  }
}

type Asker = (command: Command, version: number, body: unknown) => Promise<Any>;

const retriable = new Set<number>([
  errorCode.CONCURRENT_TRANSACTIONS,
  errorCode.NOT_COORDINATOR,
  errorCode.COORDINATOR_NOT_AVAILABLE,
  errorCode.COORDINATOR_LOAD_IN_PROGRESS,
  errorCode.NOT_ENOUGH_REPLICAS,
]);

function trimmed(text: string): string[] {
  const lines = text
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line !== "");
  const margin = Math.min(...lines.map((line) => line.search(/\S/)));
  return lines.map((line) => line.slice(margin));
}

function pair(word: string): [string, string] {
  const at = word.indexOf("=");
  return [word.slice(0, at), word.slice(at + 1)];
}

function topicsOf(places: readonly string[]) {
  const indexes = new Map<string, number[]>();
  for (const place of places) {
    const [topic = "", partition] = place.split("/");
    indexes.set(topic, [...(indexes.get(topic) ?? []), Number(partition)]);
  }
  return [...indexes].map(([name, partitions]) => ({ name, partitions }));
}

function firstCode(topics: Any): number {
  return topics[0].resultsByPartition[0].partitionErrorCode;
}

function partitionCodes(topics: Any): string[] {
  const codes = topics.flatMap((topic: Any) =>
    topic.resultsByPartition.map(
      (each: Any) => `${topic.name}/${each.partitionIndex} ${errorName(each.partitionErrorCode)}`,
    ),
  );
  return codes.toSorted();
}

export function transactionBatch(
  values: readonly string[],
  { producerId, producerEpoch }: { readonly producerId: number; readonly producerEpoch: number },
  baseSequence: number,
  isTransactional: boolean,
  timeMs: number,
): Buffer {
  const builder = new BatchBuilder();
  const attributes = isTransactional ? attributeBits.transactional : 0;
  builder.begin(0, timeMs, { ...plainTraits, attributes, producerId, producerEpoch, baseSequence });
  for (const [index, value] of values.entries()) {
    builder.record(index, timeMs);
    builder.noKey();
    builder.value(Buffer.from(value));
    builder.headers(0);
  }
  builder.finish();
  return builder.copy();
}

/** As a consumer sees them, by the list of aborted transactions. */
export function valuesOf(records: Buffer, aborted: readonly Any[], showsMarkers: boolean): string[] {
  const values: string[] = [];
  const view = new BatchView();
  const reader = new RecordReader();
  const left = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  const skipped = new Set<number>();
  for (let at = 0; at + batchAt.records <= records.length; at = view.end) {
    view.set(records, at);
    if (view.end > records.length) break;
    while (left.length > 0 && left[0].firstOffset <= view.lastOffset) skipped.add(left.shift().producerId);
    reader.open(view, records, at + batchAt.records, view.end);
    while (reader.next()) {
      if (view.isControl) {
        const isCommit = records.readUInt16BE(reader.keyStart + 2) === 1;
        if (!isCommit) skipped.delete(view.producerId);
        if (showsMarkers) values.push(isCommit ? "|commit" : "|abort");
      } else if (!(view.isTransactional && skipped.has(view.producerId))) {
        values.push(records.toString("utf8", reader.valueStart, reader.valueEnd));
      }
    }
  }
  return values;
}
