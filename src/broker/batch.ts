/**
 * Batches, the producers that number them, and their transactions. A part of the door, `api.ts`.
 *
 * A log may take several messages of consecutive offsets as one entry, in the form in which their protocol made it, still
 * compressed: a batch. It *stands at its last offset*: whoever looks for the first entry at or behind an offset finds the
 * one that holds it. Readers of its own protocol get its bytes; for all others, and for consumers that settle message by
 * message, its format unpacks it. A queue whose messages go when they are settled takes no batches: its messages are stored
 * one by one.
 *
 * A producer numbers its messages, so that what it sends twice is there once; and it may hold back what it sent, over as many
 * partitions as it likes, until all of it counts or none. The messages lie in the log at once; who reads what is *stable*
 * stops at the first that is undecided, and passes over what was aborted.
 */
import type { Entry } from "./api.ts";

/** Who made a batch, and which of theirs it is. */
export interface Produced {
  /** -1: nobody who numbers. */
  producerId: number;
  /** Rises when somebody takes over; what comes from older ones is refused. */
  producerEpoch: number;
  /** Of the first message, from 0, round at 2^31; -1: not numbered. */
  sequence: number;
  /** Messages in it: the offsets that it takes. */
  count: number;
  /** Undecided until the transaction of its producer ends. */
  isTransactional: boolean;
  /** Each transaction of its producer has an epoch of its own: who is not known here begins at 0, or something is missing. */
  beginsAtZero?: boolean;
}

/** What appendBatch() takes. *Reused.* The bytes are copied during the call. */
export interface Batch extends Produced {
  /** Id of the MessageFormat whose form the body is in. */
  format: number;
  /** The greatest of its messages' times, ms since 1970: by it the entry ages, and is found. */
  timestampMs: number;
  body: Buffer;
  bodyStart: number;
  bodyEnd: number;
}

/** So far logs take batches. Above are offsets for single messages and for ends of transactions: an offset has 48 bits. */
export const batchEndMax = 2 ** 48 - 2 ** 32;

/** What checkProducer() says of a batch that is not the next one; 0 and above: it is there already, from this offset on. */
export const producerVerdict = {
  /** To be appended. */
  next: -1,
  /**
   * Something between it and the last one is missing, or it does not begin at 0 where it should, or it is before what is known:
   * whether it was ever appended nobody can say.
   */
  outOfOrder: -2,
  /** A newer epoch of this producer is known. */
  fenced: -3,
  /** Its producer has a transaction open here, and it is not a part of it. */
  notInTransaction: -4,
} as const;

/** A transaction that has messages in a partition and is not decided. */
export interface OpenTransaction {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly firstOffset: number;
  /** When its first message came, ms since 1970. */
  readonly sinceMs: number;
}

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Nothing of it lies above. */
  readonly lastOffset: number;
}

/** What is known of one producer in one partition. */
export interface ProducerView {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  readonly lastTimestampMs: number;
  /** Of its open transaction; -1: none. */
  readonly transactionFirstOffset: number;
}

/** The part of a Queue that is about reading by offset, whatever the mode. Of one partition. */
export interface PartitionReading {
  /** Entries below are durable and may be read (`next` may be ahead). */
  readonly visibleEnd: number;
  /** Of these, all below are decided: the first offset of the oldest open transaction, or visibleEnd. */
  readonly stableEnd: number;
  /**
   * Visits entries in memory from the one that holds `offset` (or the first behind it), in order, as long as they end below
   * `end` and `visit` answers true; an entry for which it answers false was not taken. Answers where to go on: at or above
   * `end`, nothing is left; else the entry there was not taken, or is not in memory, or others are to have a turn first:
   * load() it. Settled messages of a queue are passed over unless it keeps history, and a batch of a compacted log comes
   * without the messages that are superseded.
   */
  read(offset: number, end: number, visit: (entry: Entry) => boolean): number;
  /** Brings the entry at `offset` and its neighbours into memory, soon; `done` is told. Holes are passed over by read(). */
  load(offset: number, done: () => void): void;
  /** Told when visibleEnd or stableEnd has grown, and when the queue is deleted. Answers how to end that. */
  follow(advanced: () => void): () => void;
  /** First offset whose entry holds a message of this time or later; visibleEnd: there is none. */
  offsetAtTime(timeMs: number): Promise<number>;
  /** Of a log: entries that end below `offset` go, and reading begins there (also within a batch). Durable with the ticket. */
  trim(offset: number): void;

  /** Whether a batch may be appended: producerVerdict, or the offset at which it is. Always `next` for -1 as producer. */
  checkProducer(produced: Produced): number;
  /** Of a log. Answers the offset of the first message. checkProducer() said `next`. Durable with the broker's ticket. */
  appendBatch(batch: Batch): number;
  /**
   * Of a queue: `publish` appends `produced.count` messages to it (to this partition: Publication.partition is its index),
   * all or none become durable. Answers the first offset.
   * checkProducer() said `next`; where the queue's limits may refuse, hasRoom() said true. Those of a transaction have no
   * delay of their own. Until they are committed nobody is given them, and they count for nothing but limits that refuse;
   * aborted, they are gone without a word.
   */
  appendProduced(produced: Produced, publish: () => void): number;
  /** No limit would refuse so many messages with so many bytes of body. */
  hasRoom(count: number, bodyBytes: number): boolean;
  /**
   * The producer's open transaction here, if any, is decided; its messages become stable, or are passed over, when that is
   * durable. A log gets `marker` appended, whether or not something was open. Answers the marker's offset, or -1. Nothing
   * happens, and -1 is the answer, if a newer epoch of the producer is known; older ones are fenced from now on.
   */
  endTransaction(producerId: number, producerEpoch: number, isCommitted: boolean, marker: Batch | undefined): number;
  openTransactions(): Iterable<OpenTransaction>;
  /** Those that have messages in [start, end), sorted by firstOffset. */
  abortedTransactions(start: number, end: number): readonly AbortedTransaction[];
  producers(): Iterable<ProducerView>;
}
