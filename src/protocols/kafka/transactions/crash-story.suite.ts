/**
 * Two producers that have one transactional id between them, and one that has its own, over a broker that loses its power at
 * any moment, and a network that brings some requests late, over connections that were given up. Held against what must be:
 * who reads what is committed sees each transaction whole, once, or not at all; if its end was answered, as it was answered;
 * and the group's offset is that of the last one that counts.
 *
 * Each behaves as a client: after something that it cannot know it aborts, and takes a new epoch; an end that was not
 * answered it asks for again; who is fenced begins as a new process.
 */
import assert from "node:assert/strict";
import type { Random } from "../../../base/random.ts";
import { addOffsetsToTxn } from "../commands/add-offsets-to-txn.ts";
import { addPartitionsToTxn } from "../commands/add-partitions-to-txn.ts";
import { createTopics } from "../commands/create-topics.ts";
import { endTxn } from "../commands/end-txn.ts";
import { fetch } from "../commands/fetch.ts";
import { initProducerId } from "../commands/init-producer-id.ts";
import { offsetFetch } from "../commands/offset-fetch.ts";
import { produce } from "../commands/produce.ts";
import { txnOffsetCommit } from "../commands/txn-offset-commit.ts";
import { errorCode } from "../codec/errors.ts";
import { batchAt, BatchView } from "../codec/record-batch.ts";
import type { Command } from "../command.ts";
import type { KafkaClient } from "../kafka-house.suite.ts";
import { blockBytes, type CrashHouse } from "./crash-house.suite.ts";
import { transactionBatch, valuesOf } from "./transaction-story.suite.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into by hand here
type Any = any;

const topic = "t";
const filler = "f";
const fillerBytes = 2000;
/** As large as it may be, so that what ends a transaction may take more than one block. */
const metadata = "m".repeat(4096);
const partitionCount = 3;
const readsMax = 20;

type Fate = "open" | "committed" | "aborted" | "unknown";

interface Instance {
  readonly id: number;
  readonly by: Actor;
  readonly values: string[];
  /** Where each of them is. */
  readonly places: (readonly [partition: number, offset: number])[];
  readonly partitions: Set<number>;
  /** Something of it may not be there: it is never committed. */
  isSpoilt: boolean;
  hasOffset: boolean;
  /** So long that it is aborted. */
  hasTakenLong: boolean;
  fate: Fate;
  /** A successor is in, so it is decided, whatever it is. */
  isOver: boolean;
}

interface Actor {
  readonly name: string;
  readonly transactionalId: string;
  /** Takes a new epoch with each end. */
  readonly isNew: boolean;
  client: KafkaClient;
  producerId: number;
  producerEpoch: number;
  state: "new" | "idle" | "busy" | "ending" | "stale";
  /** Of the end that was asked for. */
  isCommitting: boolean;
  instance: Instance | undefined;
  readonly sequences: Map<number, number>;
}

interface Late {
  readonly client: KafkaClient;
  readonly bytes: Buffer;
}

export class CrashStory {
  readonly #random: Random;
  readonly #house: CrashHouse;
  readonly #actors: Actor[] = [];
  readonly #instances: Instance[] = [];
  #late: Late[] = [];
  /** For what a failure is told with. */
  readonly trace: string[] = [];
  readonly counts = { crashes: 0, committed: 0, aborted: 0, fenced: 0, late: 0, challenged: 0 };

  constructor(house: CrashHouse, random: Random) {
    this.#house = house;
    this.#random = random;
  }

  async run(steps: number): Promise<void> {
    const plain = { replicationFactor: 1, assignments: [], configs: [] };
    const topics = [
      { ...plain, name: topic, numPartitions: partitionCount },
      { ...plain, name: filler, numPartitions: 1 },
    ];
    await this.#house.ask(this.#house.client(), createTopics, 5, { topics, timeoutMs: 1000 });
    this.#actors.push(this.#actor("a", "T"), this.#actor("b", "T"), this.#actor("c", "U"));
    for (let step = 0; step < steps; step++) {
      await this.#step();
      if (this.#chance(0.15)) await this.#check();
    }
    await this.#check();
    for (const actor of this.#actors) {
      actor.state = "new";
      await this.#init(actor, false);
    }
    await this.#check();
  }

  #actor(name: string, transactionalId: string): Actor {
    return {
      name,
      transactionalId,
      isNew: this.#chance(0.5),
      client: this.#house.client(),
      producerId: -1,
      producerEpoch: -1,
      state: "new",
      isCommitting: false,
      instance: undefined,
      sequences: new Map(),
    };
  }

  async #step(): Promise<void> {
    const what = this.#random.next();
    if (what < 0.02) return this.#crash(0);
    if (what < 0.03) return this.#passLong();
    if (what < 0.12) return this.#bringLate();
    const actor = this.#actors[this.#below(this.#actors.length)]!;
    switch (actor.state) {
      case "new":
        // A second process of the same id comes now and then only, or nobody would get anywhere.
        return actor.name === "a" && this.#chance(0.85) ? undefined : this.#init(actor, false);
      case "stale":
        return this.#init(actor, true);
      case "ending":
        return this.#end(actor, actor.isCommitting);
      case "idle":
        if (this.#chance(0.02)) actor.state = "new";
        else this.#begin(actor);
        return;
      case "busy":
        return this.#goOn(actor);
    }
  }

  async #passLong(): Promise<void> {
    for (const { instance } of this.#actors) if (instance !== undefined) instance.hasTakenLong = true;
    await this.#house.pass(61_000);
  }

  #begin(actor: Actor): void {
    const instance: Instance = {
      id: this.#instances.length + 1,
      by: actor,
      values: [],
      places: [],
      partitions: new Set(),
      isSpoilt: false,
      hasOffset: false,
      hasTakenLong: false,
      fate: "open",
      isOver: false,
    };
    this.#instances.push(instance);
    actor.instance = instance;
    actor.state = "busy";
  }

  async #goOn(actor: Actor): Promise<void> {
    const instance = actor.instance!;
    if (instance.isSpoilt) return this.#end(actor, false);
    const what = this.#random.next();
    if (what < 0.55) return this.#write(actor, instance);
    if (what < 0.65) return this.#offset(actor, instance);
    return this.#end(actor, this.#chance(0.7));
  }

  async #init(actor: Actor, isOnward: boolean): Promise<void> {
    const { transactionalId, producerId, producerEpoch } = actor;
    const was = isOnward ? { producerId, producerEpoch } : { producerId: -1, producerEpoch: -1 };
    const answer = await this.#ask(actor, initProducerId, 5, { transactionalId, transactionTimeoutMs: 60_000, ...was });
    if (answer === undefined) return;
    if (answer.errorCode !== errorCode.NONE) return this.#fenced(actor, answer.errorCode);
    for (const each of this.#instances) {
      if (each.by.transactionalId !== transactionalId) continue;
      each.isOver = true;
      if (each.fate === "open") each.fate = "aborted";
    }
    actor.producerId = answer.producerId;
    actor.producerEpoch = answer.producerEpoch;
    actor.sequences.clear();
    actor.instance = undefined;
    actor.state = "idle";
  }

  async #write(actor: Actor, instance: Instance): Promise<void> {
    const { transactionalId, producerId, producerEpoch } = actor;
    const partition = this.#below(partitionCount);
    if (!actor.isNew && !instance.partitions.has(partition)) {
      const answer = await this.#ask(actor, addPartitionsToTxn, 3, {
        v3AndBelowTransactionalId: transactionalId,
        v3AndBelowProducerId: producerId,
        v3AndBelowProducerEpoch: producerEpoch,
        v3AndBelowTopics: [{ name: topic, partitions: [partition] }],
      });
      if (answer === undefined) return;
      const code = answer.resultsByTopicV3AndBelow[0].resultsByPartition[0].partitionErrorCode;
      if (code !== errorCode.NONE) return this.#fenced(actor, code);
      instance.partitions.add(partition);
    }
    const count = 1 + this.#below(3);
    const values = Array.from({ length: count }, (_, at) => `${instance.id}.${instance.values.length + at}`);
    const sequence = actor.sequences.get(partition) ?? 0;
    // Some are larger than a block: what ends with them takes several.
    const sent = values.map((value) => (this.#chance(0.02) ? value + " ".repeat(70_000) : value));
    const records = transactionBatch(sent, actor, sequence, true, this.#house.clock.now());
    const body = {
      transactionalId,
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
    };
    const answer = await this.#ask(actor, produce, actor.isNew ? 12 : 11, body);
    if (answer === undefined) return;
    const { errorCode: code, baseOffset } = answer.responses[0].partitionResponses[0];
    if (code !== errorCode.NONE) return this.#fenced(actor, code);
    actor.sequences.set(partition, sequence + count);
    instance.values.push(...values);
    instance.places.push(...values.map((_, at) => [partition, baseOffset + at] as const));
  }

  async #offset(actor: Actor, instance: Instance): Promise<void> {
    const { transactionalId, producerId, producerEpoch } = actor;
    const groupId = `g-${transactionalId}`;
    const by = { transactionalId, producerId, producerEpoch, groupId };
    if (!actor.isNew) {
      const answer = await this.#ask(actor, addOffsetsToTxn, 4, by);
      if (answer === undefined) return;
      if (answer.errorCode !== errorCode.NONE) return this.#fenced(actor, answer.errorCode);
    }
    const position = { committedOffset: instance.id, committedMetadata: metadata };
    const partitions = Array.from({ length: partitionCount }, (_, at) => ({ partitionIndex: at, ...position }));
    const answer = await this.#ask(actor, txnOffsetCommit, actor.isNew ? 5 : 4, {
      ...by,
      generationId: -1,
      memberId: "",
      topics: [{ name: topic, partitions }],
    });
    if (answer === undefined) return;
    const code = answer.topics[0].partitions[0].errorCode;
    if (code !== errorCode.NONE) return this.#fenced(actor, code);
    instance.hasOffset = true;
  }

  async #end(actor: Actor, committed: boolean): Promise<void> {
    const instance = actor.instance!;
    const { transactionalId, producerId, producerEpoch } = actor;
    actor.state = "ending";
    actor.isCommitting = committed;
    if (committed && instance.fate === "open") instance.fate = "unknown";
    const body = { transactionalId, producerId, producerEpoch, committed };
    const takesTwo = this.#chance(0.3);
    if (takesTwo) this.#fillBlock();
    let answer = await this.#ask(actor, endTxn, actor.isNew ? 5 : 4, body, takesTwo ? 0.2 : 0.03);
    if (answer?.errorCode === errorCode.CONCURRENT_TRANSACTIONS) {
      await this.#house.pass(20);
      answer = await this.#ask(actor, endTxn, actor.isNew ? 5 : 4, body);
    }
    if (answer === undefined) return;
    if (answer.errorCode === errorCode.INVALID_TXN_STATE && !actor.isNew && instance.values.length === 0) {
      // Nothing had begun: older clients do not ask then.
      instance.fate = "aborted";
    } else if (answer.errorCode !== errorCode.NONE) {
      // It was aborted, by a successor or by time. Or, with a crash between, committed: what is seen says.
      const isLost = answer.errorCode === errorCode.INVALID_TXN_STATE && instance.values.length > 0;
      assert.ok(!isLost || instance.hasTakenLong, "a transaction is not forgotten");
      return this.#fenced(actor, answer.errorCode);
    } else {
      instance.fate = committed ? "committed" : "aborted";
      this.counts[instance.fate]++;
    }
    instance.isOver = true;
    actor.instance = undefined;
    actor.state = instance.isSpoilt && !actor.isNew ? "stale" : "idle";
    if (actor.isNew && answer.errorCode === errorCode.NONE) {
      actor.producerId = answer.producerId;
      actor.producerEpoch = answer.producerEpoch;
      actor.sequences.clear();
    }
  }

  /** In the same turn something else fills a block of the journal more or less: what follows may take two. */
  #fillBlock(): void {
    const client = this.#house.client();
    for (let bytes = this.#below(blockBytes); bytes > 0; bytes -= fillerBytes) {
      const values = ["x".repeat(fillerBytes)];
      const records = transactionBatch(
        values,
        { producerId: -1, producerEpoch: -1 },
        -1,
        false,
        this.#house.clock.now(),
      );
      const topicData = [{ name: filler, partitionData: [{ index: 0, records }] }];
      client.ask(produce, 9, { transactionalId: null, acks: 1, timeoutMs: 1000, topicData });
    }
  }

  /** It cannot go on. */
  #fenced(actor: Actor, code: number): void {
    this.trace.push(`  ${actor.name} is refused: ${code}`);
    this.counts.fenced++;
    actor.instance = undefined;
    actor.state = "new";
  }

  /** Undefined: no answer came, since the power went, or since it is on its way over a connection that was given up. */
  async #ask(actor: Actor, command: Command, version: number, body: Any, crashes = 0.03): Promise<Any> {
    this.trace.push(
      `${actor.name} ${command.name} v${version} epoch ${actor.producerEpoch} ${actor.instance?.id ?? ""}`,
    );
    const what = this.#random.next();
    if (what < 0.04) {
      this.trace.push("  late");
      const bytes = actor.client.requestBytes(command, version, body as never);
      this.#late.push({ client: actor.client, bytes });
      this.#lost(actor);
      actor.client = this.#house.client();
      return undefined;
    }
    if (what < 0.04 + crashes) {
      const answer = await this.#house.ask(actor.client, command, version, body, this.#below(12));
      if (answer !== undefined) return answer;
      await this.#crash(0);
      return undefined;
    }
    const answer = await this.#house.ask(actor.client, command, version, body);
    assert.ok(answer !== undefined, "an answer comes");
    return answer;
  }

  /** What it asked is not answered. */
  #lost(actor: Actor): void {
    if (actor.state === "busy") actor.instance!.isSpoilt = true;
  }

  async #crash(turns: number): Promise<void> {
    this.trace.push("the power goes");
    this.counts.crashes++;
    for (let turn = 0; turn < turns; turn++) await this.#house.turn();
    await this.#house.crash();
    this.#late = [];
    for (const actor of this.#actors) {
      this.#lost(actor);
      actor.client = this.#house.client();
      // Some processes do not live through it either.
      if (this.#chance(0.3)) {
        actor.instance = undefined;
        actor.state = "new";
      }
    }
  }

  async #bringLate(): Promise<void> {
    if (this.#late.length === 0) return;
    const [late] = this.#late.splice(this.#below(this.#late.length), 1);
    this.trace.push("a late request comes");
    this.counts.late++;
    late!.client.raw(late!.bytes);
    await this.#house.quiet();
    for (const { response } of late!.client.take()) {
      if ((response as Any).errorCode === errorCode.CONCURRENT_TRANSACTIONS) this.counts.challenged++;
    }
  }

  async #check(): Promise<void> {
    await this.#house.quiet();
    const client = this.#house.client();
    const seen = new Map<number, string[]>();
    const stableEnds: number[] = [];
    for (let partition = 0; partition < partitionCount; partition++) {
      const { values, stableEnd } = await this.#read(client, partition);
      stableEnds.push(stableEnd);
      for (const value of values) {
        const id = Number.parseInt(value, 10);
        seen.set(id, [...(seen.get(id) ?? []), value.trimEnd()]);
      }
    }
    for (const instance of this.#instances) this.#hold(instance, seen.get(instance.id) ?? [], stableEnds);
    for (const id of ["T", "U"]) await this.#holdOffset(client, id);
  }

  /** Another's that is undecided keeps readers from what is behind it, in its partition. */
  #hold(instance: Instance, seen: readonly string[], stableEnds: readonly number[]): void {
    const { id, values, places, fate } = instance;
    const shown = values.filter((_, at) => places[at]![1] < stableEnds[places[at]![0]]!);
    if (fate === "unknown") {
      if (seen.length > 0) instance.fate = "committed";
      else if (shown.length > 0 && instance.isOver) instance.fate = "aborted";
      else return;
    }
    const due = instance.fate === "committed" ? shown : [];
    assert.deepEqual(seen.toSorted(), due.toSorted(), `transaction ${id} is ${fate}`);
  }

  /** That of the last transaction that counts: which of those at its end count is not known of all. */
  async #holdOffset(client: KafkaClient, transactionalId: string): Promise<void> {
    const body = { groupId: `g-${transactionalId}`, topics: [{ name: topic, partitionIndexes: [0] }] };
    const answer: Any = await this.#house.ask(client, offsetFetch, 5, body);
    const { committedOffset } = answer.topics[0].partitions[0];
    const possible = new Set<number>([-1]);
    for (const { id, by, hasOffset, fate } of this.#instances) {
      if (by.transactionalId !== transactionalId || !hasOffset) continue;
      if (fate === "committed") possible.clear();
      if (fate === "committed" || fate === "unknown") possible.add(id);
    }
    assert.ok(possible.has(committedOffset), `the offset of ${transactionalId} is ${committedOffset}`);
  }

  async #read(client: KafkaClient, partition: number): Promise<{ values: string[]; stableEnd: number }> {
    const values: string[] = [];
    let fetchOffset = 0;
    for (let tries = 0; ;) {
      const answer: Any = await this.#house.ask(client, fetch, 11, {
        maxWaitMs: 0,
        minBytes: 0,
        maxBytes: 100_000_000,
        isolationLevel: 1,
        topics: [{ topic, partitions: [{ partition, fetchOffset, partitionMaxBytes: 100_000_000 }] }],
      });
      const found = answer.responses[0].partitions[0];
      assert.equal(found.errorCode, errorCode.NONE);
      const records: Buffer = found.records ?? Buffer.alloc(0);
      values.push(...valuesOf(records, found.abortedTransactions ?? [], false));
      fetchOffset = Math.max(fetchOffset, endOf(records));
      if (fetchOffset >= found.lastStableOffset) return { values, stableEnd: found.lastStableOffset };
      // What has to come from the disk comes in its own time.
      tries = records.length === 0 ? tries + 1 : 0;
      if (tries > 0) await this.#house.quiet();
      assert.ok(tries < readsMax, "a reader gets what is stable");
    }
  }

  #chance(of: number): boolean {
    return this.#random.next() < of;
  }

  #below(limit: number): number {
    return Math.floor(this.#random.next() * limit);
  }
}

/** Behind the last offset of these batches. */
function endOf(records: Buffer): number {
  const view = new BatchView();
  let end = -1;
  for (let at = 0; at + batchAt.records <= records.length; at = view.end) end = view.set(records, at).lastOffset + 1;
  return end;
}
