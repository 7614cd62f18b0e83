/**
 * A producer with a transactional id, as a client library has it, of before KIP-890 or since: after what it cannot know it
 * aborts and takes a new epoch, an end that was not answered it asks for again, and who is fenced begins anew.
 */
import { errorCode } from "../../src/protocols/kafka/codec/errors.ts";
import { addOffsetsToTxn } from "../../src/protocols/kafka/commands/add-offsets-to-txn.ts";
import { addPartitionsToTxn } from "../../src/protocols/kafka/commands/add-partitions-to-txn.ts";
import { endTxn } from "../../src/protocols/kafka/commands/end-txn.ts";
import { initProducerId } from "../../src/protocols/kafka/commands/init-producer-id.ts";
import { produce } from "../../src/protocols/kafka/commands/produce.ts";
import { txnOffsetCommit } from "../../src/protocols/kafka/commands/txn-offset-commit.ts";
import { transactionBatch } from "../../src/protocols/kafka/transactions/transaction-story.suite.ts";
import { ensure } from "../cut.ts";
import type { Member } from "./member.ts";
import type { Line, Network } from "./network.ts";
import type { Transaction, TransactionBook } from "./transaction-book.ts";

const nobody = { producerId: -1, producerEpoch: -1 };

export class Producer {
  readonly transactionalId: string;
  readonly #network: Network;
  readonly #book: TransactionBook;
  readonly #line: Line;
  /** Each transaction has an epoch of its own. */
  readonly #isNew: boolean;
  readonly #timeoutMs: number;
  #name = nobody;
  #state: "new" | "stale" | "ready" = "new";
  readonly #sequences = new Map<number, number>();
  #partitions = new Set<number>();
  /** Something was asked and not answered: what there is of it nobody knows, so it is not to count. */
  #isSpoilt = false;
  #hasBegun = false;
  transaction: Transaction | undefined;

  constructor(network: Network, book: TransactionBook, transactionalId: string, name: string) {
    this.#network = network;
    this.#book = book;
    this.#line = network.line(name);
    this.transactionalId = transactionalId;
    this.#isNew = network.chance.is(0.5);
    this.#timeoutMs = network.chance.pick([3000, 10_000, 60_000]);
  }

  get isReady(): boolean {
    return this.#state === "ready";
  }

  get isSpoilt(): boolean {
    return this.#isSpoilt;
  }

  /** It has its id, or has it no more: what it was it forgets. */
  async init(): Promise<void> {
    const { transactionalId } = this;
    const was = this.#state === "stale" ? this.#name : nobody;
    const asked = { transactionalId, transactionTimeoutMs: this.#timeoutMs, ...was };
    const answer = await this.#line.ask(initProducerId, 5, asked);
    if (answer === undefined) return;
    if (answer.errorCode !== errorCode.NONE) return this.#fenced(answer.errorCode);
    this.#book.takenOver(transactionalId);
    this.#goesOnAs(answer);
  }

  begin(): Transaction {
    this.#isSpoilt = false;
    this.#hasBegun = false;
    this.#partitions.clear();
    this.transaction = this.#book.begin(this.transactionalId, this.#timeoutMs, this.#network.nowMs);
    return this.transaction;
  }

  /** Answers whether it is there. */
  async write(partition: number, values: readonly string[]): Promise<boolean> {
    if (!this.#isNew && !this.#partitions.has(partition) && !(await this.#addPartition(partition))) return false;
    const { transactionalId } = this;
    const sequence = this.#sequences.get(partition) ?? 0;
    const { chance, isBulky, nowMs } = this.#network;
    const sent = values.map((value) => (isBulky && chance.is(0.05) ? value.padEnd(chance.between(1000, 9000)) : value));
    const records = transactionBatch(sent, this.#name, sequence, true, nowMs);
    const topicData = [{ name: "out", partitionData: [{ index: partition, records }] }];
    this.#hasBegun = true;
    const asked = { transactionalId, acks: -1, timeoutMs: 1000, topicData };
    const answer = await this.#patiently(() => this.#line.ask(produce, this.#isNew ? 12 : 11, asked));
    const { errorCode: code, baseOffset } = answer?.responses[0]!.partitionResponses[0] ?? noWrite;
    if (!this.#counts(code)) return false;
    this.#sequences.set(partition, sequence + values.length);
    for (const [at, value] of values.entries()) {
      this.transaction!.written.push({ value, partition, offset: baseOffset + at });
    }
    return true;
  }

  async #addPartition(partition: number): Promise<boolean> {
    const { producerId, producerEpoch } = this.#name;
    const asked = {
      v3AndBelowTransactionalId: this.transactionalId,
      v3AndBelowProducerId: producerId,
      v3AndBelowProducerEpoch: producerEpoch,
      v3AndBelowTopics: [{ name: "out", partitions: [partition] }],
    };
    const answer = await this.#patiently(() => this.#line.ask(addPartitionsToTxn, 3, asked));
    const isAdded = this.#counts(answer?.resultsByTopicV3AndBelow[0]!.resultsByPartition[0]!.partitionErrorCode);
    if (isAdded) {
      this.#partitions.add(partition);
      this.#hasBegun = true;
    }
    return isAdded;
  }

  /** The group's place goes with the transaction. Answers whether it is noted. */
  async offset(member: Member, partition: number, offset: number): Promise<boolean> {
    const { transactionalId } = this;
    const by = { transactionalId, ...this.#name, groupId: member.groupId };
    if (!this.#isNew) {
      const answer = await this.#line.ask(addOffsetsToTxn, 4, by);
      if (!this.#counts(answer?.errorCode)) return false;
    }
    this.#hasBegun = true;
    const { name, book } = member;
    const { memberId, generation: generationId, instanceId: groupInstanceId } = name;
    const place = { partitionIndex: partition, committedOffset: offset };
    const committedMetadata = this.#network.isBulky ? "m".repeat(4000) : "";
    const topics = [{ name: "in", partitions: [{ ...place, committedMetadata }] }];
    const asked = { ...by, memberId, generationId, groupInstanceId, topics };
    const ask = async () => {
      let whyOut: string | undefined;
      const arrived = (): void => void (whyOut = book.whyOut(name));
      const answer = await this.#line.ask(txnOffsetCommit, this.#isNew ? 5 : 4, asked, arrived);
      return answer === undefined ? undefined : { code: answer.topics[0]!.partitions[0]!.errorCode, whyOut };
    };
    for (;;) {
      const { code, whyOut } = (await this.#patiently(ask)) ?? noAnswer;
      // It came by a connection that is none of the newest.
      if (code === errorCode.COORDINATOR_LOAD_IN_PROGRESS) continue;
      ensure(code !== errorCode.NONE || whyOut === undefined, `offsets of ${memberId} are taken: ${whyOut}`);
      if (code === undefined || !ofMembers.has(code)) return this.#counts(code);
      book.counts.refused++;
      member.told(code);
      this.#isSpoilt = true;
      return false;
    }
  }

  /** Until it is answered, or somebody else has the id. */
  async end(isCommitted: boolean): Promise<void> {
    const transaction = this.transaction!;
    const { transactionalId } = this;
    const asked = { transactionalId, ...this.#name, committed: isCommitted };
    ensure(!isCommitted || !this.#isSpoilt, "who does not know what is there commits nothing");
    if (!this.#hasBegun && !this.#isSpoilt) return this.#ended(false);
    if (isCommitted) transaction.fate = "unknown";
    while (!this.#network.isOver) {
      const willFill = this.#network.chance.is(0.5);
      const answer = await this.#line.ask(endTxn, this.#isNew ? 5 : 4, asked, undefined, () => {
        if (willFill) this.#network.fillBlock();
      });
      if (answer === undefined || answer.errorCode === errorCode.CONCURRENT_TRANSACTIONS) continue;
      const { errorCode: code } = answer;
      // Nothing of it has come.
      const isNothing = code === errorCode.INVALID_TXN_STATE && !this.#isNew && this.#isSpoilt;
      if (code !== errorCode.NONE && !isNothing) {
        const isTooLate = this.#network.nowMs - transaction.begunMs >= transaction.timeoutMs;
        ensure(code !== errorCode.INVALID_TXN_STATE || isTooLate, `transaction ${transaction.id} is forgotten`);
        if (isTooLate) this.#book.counts.expired++;
        return this.#fenced(code);
      }
      this.#book.ended(transaction, isCommitted);
      if (this.#isNew) this.#goesOnAs(answer);
      return this.#ended(this.#isSpoilt && !this.#isNew);
    }
  }

  /** A new process takes its place. */
  forget(): void {
    this.#state = "new";
    this.transaction = undefined;
  }

  #ended(isStale: boolean): void {
    this.transaction = undefined;
    if (isStale) this.#state = "stale";
  }

  #goesOnAs({ producerId, producerEpoch }: typeof nobody): void {
    this.#name = { producerId, producerEpoch };
    this.#book.named(this.#name);
    this.#sequences.clear();
    this.#state = "ready";
  }

  /** What is not answered is asked again, now and then to no avail. */
  async #patiently<T>(ask: () => Promise<T | undefined>): Promise<T | undefined> {
    for (;;) {
      const answer = await ask();
      if (answer !== undefined || this.#network.isOver || this.#network.chance.is(0.3)) return answer;
    }
  }

  /** Whether what it asked in the transaction is done. Undefined: nobody knows. */
  #counts(code: number | undefined): boolean {
    if (code === errorCode.NONE) {
      this.transaction!.knownMs = Math.min(this.transaction!.knownMs, this.#network.nowMs);
      return true;
    }
    this.#isSpoilt = true;
    if (code !== undefined && code !== errorCode.KAFKA_STORAGE_ERROR) this.#fenced(code);
    return false;
  }

  #fenced(code: number): void {
    ensure(fencings.has(code), `a producer of ${this.transactionalId} is told ${code}`);
    this.#network.say?.(`${this.transactionalId} is fenced: ${code}`);
    this.#book.counts.fenced++;
    this.forget();
  }
}

const noAnswer = { code: undefined, whyOut: undefined };
const noWrite = { errorCode: undefined, baseOffset: -1 };

const fencings = new Set<number>([
  errorCode.PRODUCER_FENCED,
  errorCode.INVALID_PRODUCER_EPOCH,
  errorCode.INVALID_PRODUCER_ID_MAPPING,
  errorCode.INVALID_TXN_STATE,
  errorCode.TRANSACTION_ABORTABLE,
  errorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
]);

const ofMembers = new Set<number>([
  errorCode.UNKNOWN_MEMBER_ID,
  errorCode.ILLEGAL_GENERATION,
  errorCode.FENCED_INSTANCE_ID,
]);
