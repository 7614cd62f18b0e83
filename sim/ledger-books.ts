/** What clients with sequences and transactions know of what they sent. */
import type { Produced } from "../src/broker/api.ts";
import type { Chance } from "./chance.ts";
import { ensure, type When } from "./cut.ts";

export interface Place {
  readonly topic: "log" | "queue";
  readonly partition: number;
}

export interface Sent extends Produced, Place {
  readonly text: string;
  /** Of its first message; the others have those that follow. */
  readonly number: number;
  readonly transaction: Transaction | undefined;
  offset: number;
  ticket: number;
}

export interface Transaction {
  readonly id: number;
  readonly producer: SimProducer;
  readonly text: string;
  readonly sent: Sent[];
  readonly places: Place[];
  begunTicket: number;
  /** When it ended, at the earliest. */
  endLow: number;
  /** With which its end is durable; Infinity: it is open. */
  endTicket: number;
  isCommitted: boolean;
}

export interface SimProducer {
  readonly id: number;
  readonly isTransactional: boolean;
  epoch: number;
  transaction: Transaction | undefined;
  /** Of the next batch in each place. */
  readonly sequences: Map<string, number>;
  /** Where its epoch is known, which began with the end of a transaction there. */
  fenced: readonly Place[];
}

/** No number of theirs is one of the workload's, or of a tenant's. */
const firstNumber = 2_000_000_000;
/** Batches that can be told from new ones. */
const batchesKept = 5;

export class Books {
  /** Highest ticket that anybody was told of. */
  durableTicket = 0;
  /** With which there is a partition that was not there before. */
  grownTicket = 0;
  readonly producers: SimProducer[];
  readonly sent: Sent[] = [];
  readonly #chance: Chance;
  readonly #byNumber = new Map<number, Sent>();
  readonly #transactions: Transaction[] = [];
  /** In the order in which they were committed. */
  #committed: Transaction[] = [];
  #nextNumber = firstNumber;
  #nextTransaction = 1;

  constructor(chance: Chance) {
    this.#chance = chance;
    this.producers = [1, 2, 3, 4].map((id) => ({
      id: id === 4 ? 2 ** 40 : id,
      isTransactional: id > 1,
      epoch: 0,
      transaction: undefined,
      sequences: new Map<string, number>(),
      fenced: [],
    }));
  }

  /** The place where all of it was is gone. */
  forgetAll(): void {
    this.sent.length = 0;
    this.#transactions.length = 0;
    this.#committed.length = 0;
    this.#byNumber.clear();
    for (const producer of this.producers) {
      producer.sequences.clear();
      producer.fenced = [];
      producer.transaction = undefined;
    }
  }

  newBatch(producer: SimProducer, topic: "log" | "queue", partition: number): Sent {
    const count = this.#chance.between(1, 4);
    const key = `${topic}/${partition}`;
    const sequence = producer.sequences.get(key) ?? 0;
    producer.sequences.set(key, sequence + count);
    const { id, epoch, transaction, isTransactional } = producer;
    const number = this.#nextNumber;
    this.#nextNumber += count;
    const text = `batch ${number}+${count} of producer ${id} epoch ${epoch} for ${key}`;
    const by = { producerId: id, producerEpoch: epoch, sequence, count, isTransactional };
    const sent: Sent = { ...by, text, number, topic, partition, transaction, offset: -1, ticket: 0 };
    this.sent.push(sent);
    for (let i = 0; i < count; i++) this.#byNumber.set(number + i, sent);
    if (transaction !== undefined) {
      transaction.sent.push(sent);
      if (!transaction.places.some((place) => place.topic === topic && place.partition === partition)) {
        transaction.places.push({ topic, partition });
      }
    }
    return sent;
  }

  sentOf(number: number): Sent {
    const sent = this.#byNumber.get(number);
    ensure(sent !== undefined, `message ${number} is not what anybody sent`);
    return sent;
  }

  /** Those of its epoch that are known by their sequence. */
  lastOf({ id, epoch }: SimProducer): Sent[] {
    const own = this.sent.filter(({ producerId, producerEpoch }) => producerId === id && producerEpoch === epoch);
    return [...Map.groupBy(own, ({ topic, partition }) => `${topic}/${partition}`).values()].flatMap((list) =>
      list.slice(-batchesKept),
    );
  }

  begin(producer: SimProducer): Transaction {
    const id = this.#nextTransaction++;
    const transaction: Transaction = {
      id,
      producer,
      text: `transaction ${id} of producer ${producer.id}`,
      sent: [],
      places: [],
      begunTicket: Infinity,
      endLow: 0,
      endTicket: Infinity,
      isCommitted: false,
    };
    producer.transaction = transaction;
    this.#transactions.push(transaction);
    return transaction;
  }

  end(transaction: Transaction, isCommitted: boolean, { low, high }: When, epochs: number): void {
    const { producer } = transaction;
    transaction.isCommitted = isCommitted;
    transaction.endLow = low;
    transaction.endTicket = high;
    if (isCommitted) this.#committed.push(transaction);
    producer.transaction = undefined;
    producer.epoch += epochs;
    if (epochs === 0) return;
    producer.sequences.clear();
    producer.fenced = transaction.places;
  }

  /** It may be seen: it was confirmed, and if it is of a transaction, so was that. */
  isVisible({ ticket, transaction }: Sent): boolean {
    if (ticket > this.durableTicket) return false;
    return transaction === undefined || (transaction.isCommitted && transaction.endTicket <= this.durableTicket);
  }

  // ---- after a crash

  /** What producers outside of transactions got no answer for. All else that is there is there for good from now on. */
  takeUnsure(): Sent[] {
    const unsure: Sent[] = [];
    for (const sent of this.sent) {
      if (sent.transaction === undefined && sent.ticket > this.durableTicket) unsure.push(sent);
      sent.ticket = 0;
    }
    this.grownTicket = 0;
    return unsure;
  }

  /** Transactions that were not over for good, the oldest first. */
  undecided(producer: SimProducer): Transaction[] {
    return this.#transactions.filter((one) => one.producer === producer && one.endTicket > 0);
  }

  /** It ended for good. */
  over(transaction: Transaction): void {
    transaction.endTicket = 0;
  }

  /** Its end did not happen. */
  reopen(transaction: Transaction): void {
    transaction.endTicket = Infinity;
    transaction.isCommitted = false;
    transaction.producer.transaction = transaction;
    this.#committed = this.#committed.filter((one) => one !== transaction);
  }

  /** Nor did its beginning, so nothing was sent. */
  forget(transaction: Transaction): void {
    transaction.endTicket = 0;
    transaction.producer.transaction = undefined;
    ensure(transaction.sent.length === 0, `the beginning of ${transaction.text} is lost`);
  }

  /** undefined: none. */
  get lastCommitted(): number | undefined {
    return this.#committed.at(-1)?.id;
  }

  checkPartition(topic: string, partition: number, found: readonly number[]): void {
    const expected = this.sent
      .filter((sent) => sent.topic === topic && sent.partition === partition && this.isVisible(sent))
      .flatMap(({ number, count }) => Array.from({ length: count }, (_, i) => number + i));
    const seen = new Set(found);
    ensure(seen.size === found.length, `a message is twice in ${topic}/${partition}`);
    for (const number of expected) ensure(seen.has(number), `${this.sentOf(number).text} is lost`);
    ensure(seen.size === expected.length, `${topic}/${partition} shows what was aborted`);
  }
}
