// Producers of the curves under Kafka's protocol: each a connection, idempotent, acks=all, all driven by one thread.
//
// A request is made once and is then patched: its partitions, the sequence number of each batch, the time in its first record, and
// the checksum. A producer has as many requests as it may have under way, and uses them in turn, since answers come in order. It may
// have five, and a request holds 16 KB of records, as Kafka's Java client has it (max.in.flight.requests.per.connection, batch.size);
// less where the window that all producers share leaves each of them less. With more partitions a request holds the same messages
// in more and smaller batches, to its partitions in turn: what is under way is held.
//
// Those that have a request to spare stand in line, and send as long as there is room: of all messages, times their readers, no more
// than the window may be under way, which is sent and not yet acknowledged and read by all. So readers that fall behind slow the
// producers down, and latency is that of a line of known length.
//
// Every answer is looked at: no error, as many partitions as were asked for, and offsets that rise by no less than what was
// sent (by just that, where nobody else produces).

import { BatchBuilder } from "../src/protocols/kafka/codec/batch-builder.ts";
import { batchAt, BatchView } from "../src/protocols/kafka/codec/record-batch.ts";
import { Histogram } from "./histogram.ts";
import { api, beginRequest, type KafkaPeer } from "./kafka-peer.ts";
import type { WireReader } from "./plain-wire.ts";

const requestsMax = 5;
const requestBytesMax = 16_384;
const produceTimeoutMs = 60_000;
/** What a record of `n` bytes has beside them: lengths, attributes, and what it is from the first one. About. */
const recordOverheadBytes = 8;

/** What a producer sends. */
export interface ProduceShape {
  readonly topic: string;
  readonly partitions: number;
  readonly bodyBytes: number;
  /** Each request's batches, to as many partitions. */
  readonly batches: number;
  readonly recordsEach: number;
  /** That a producer has under way at most. */
  readonly requests: number;
}

/**
 * The shape in which each of `producers` has its share of `windowMessages` under way, as far as five requests hold it.
 * @param bytesMax of the records in a request, of which there is one at least
 */
export function produceShape(
  work: { readonly topic: string; readonly partitions: number; readonly bodyBytes: number },
  producers: number,
  windowMessages: number,
  bytesMax = requestBytesMax,
): ProduceShape {
  const window = Math.max(1, Math.floor(windowMessages / producers));
  const fitting = Math.floor(bytesMax / (work.bodyBytes + recordOverheadBytes));
  const records = Math.max(1, Math.min(fitting, Math.floor(window / requestsMax)));
  const batches = Math.min(work.partitions, records);
  const recordsEach = Math.floor(records / batches);
  const requests = Math.max(1, Math.min(requestsMax, Math.floor(window / (batches * recordsEach))));
  return { ...work, batches, recordsEach, requests };
}

/** One batch as all producers send it, but for what is patched. */
export class BatchPattern {
  readonly bytes: Buffer;
  /** Where the first record's value is, which begins with the time of sending. */
  readonly valueAt: number;

  /** Errors: a value too short for the time. */
  constructor({ bodyBytes, recordsEach }: Pick<ProduceShape, "bodyBytes" | "recordsEach">, timestampMs: number) {
    if (bodyBytes < 8) throw new Error(`a body of ${bodyBytes} B does not hold the time of sending`);
    const builder = new BatchBuilder();
    // The first eight bytes are such that nothing before them looks like them.
    const value = Buffer.alloc(bodyBytes, 0x2e).fill(0xff, 0, 8);
    builder.begin(0, timestampMs);
    for (let record = 0; record < recordsEach; record++) {
      builder.record(record, timestampMs);
      builder.noKey();
      builder.value(value, 0, value.length);
      builder.headers(0);
    }
    builder.finish();
    this.bytes = Buffer.from(builder.buffer.subarray(0, builder.bytes));
    this.valueAt = this.bytes.indexOf(value.subarray(0, 8), batchAt.records);
  }
}

const view = new BatchView();

class Producer {
  underWay = 0;
  isInLine = false;
  readonly #peer: KafkaPeer;
  readonly #shape: ProduceShape;
  readonly #valueAt: number;
  readonly #frames: Buffer[] = [];
  /** In every frame. */
  readonly #batchPlaces: number[] = [];
  readonly #sentMs: Float64Array;
  readonly #sequences: Int32Array;
  /** The least offset that the next batch may get. */
  readonly #offsets: Float64Array;
  readonly #isAlone: boolean;
  #sent = 0;

  constructor(
    peer: KafkaPeer,
    shape: ProduceShape,
    pattern: BatchPattern,
    id: { readonly id: number; readonly epoch: number },
    startOffsets: Float64Array,
    isAlone: boolean,
  ) {
    this.#peer = peer;
    this.#shape = shape;
    this.#valueAt = pattern.valueAt;
    this.#sentMs = new Float64Array(shape.requests);
    this.#sequences = new Int32Array(shape.partitions);
    this.#offsets = Float64Array.from(startOffsets);
    this.#isAlone = isAlone;
    const own = Buffer.from(pattern.bytes);
    own.writeBigInt64BE(BigInt(id.id), batchAt.producerId);
    own.writeInt16BE(id.epoch, batchAt.producerEpoch);
    for (let request = 0; request < shape.requests; request++) this.#frames.push(this.#frame(own));
  }

  #frame(batch: Buffer): Buffer {
    const { topic, batches } = this.#shape;
    const request = beginRequest(api.produce);
    request.text(null).i16(-1).i32(produceTimeoutMs).i32(1).text(topic).i32(batches);
    this.#batchPlaces.length = 0;
    for (let index = 0; index < batches; index++) {
      request.i32(0).bytes(batch);
      this.#batchPlaces.push(request.at - batch.length);
    }
    return Buffer.from(request.frame());
  }

  #firstPartition(request: number): number {
    return (request * this.#shape.batches) % this.#shape.partitions;
  }

  send(): void {
    const { batches, recordsEach, partitions, requests } = this.#shape;
    const slot = this.#sent % requests;
    const frame = this.#frames[slot]!;
    const first = this.#firstPartition(this.#sent++);
    const nowMs = performance.now();
    this.#sentMs[slot] = nowMs;
    this.underWay++;
    for (let index = 0; index < batches; index++) {
      const at = this.#batchPlaces[index]!;
      const partition = (first + index) % partitions;
      frame.writeInt32BE(partition, at - 8);
      frame.writeInt32BE(this.#sequences[partition]!, at + batchAt.baseSequence);
      frame.writeDoubleBE(nowMs, at + this.#valueAt);
      view.set(frame, at).writeCrc();
      this.#sequences[partition]! += recordsEach;
    }
    this.#peer.send(frame);
  }

  /** When what this answers was sent. Errors: the answer is not that all of it has been taken. */
  answered(answer: WireReader): number {
    const { batches, requests } = this.#shape;
    const request = this.#sent - this.underWay--;
    const first = this.#firstPartition(request);
    if (answer.i32() !== 1) throw new Error("a Produce answer is not of one topic");
    answer.text();
    const count = answer.i32();
    if (count !== batches) throw new Error(`${batches} batches were sent, and ${count} answered`);
    for (let index = 0; index < count; index++) this.#check(answer, first);
    return this.#sentMs[request % requests]!;
  }

  #check(answer: WireReader, first: number): void {
    const { partitions, batches, recordsEach } = this.#shape;
    const partition = answer.i32();
    const code = answer.i16();
    const offset = answer.i64();
    answer.skip(8);
    if (code !== 0) throw new Error(`partition ${partition} refused a batch: error ${code}`);
    if ((partition - first + partitions) % partitions >= batches) throw new Error(`nothing went to ${partition}`);
    const least = this.#offsets[partition]!;
    if (offset < least || (this.#isAlone && offset > least))
      throw new Error(`partition ${partition} gave offset ${offset}, where ${least} is next`);
    this.#offsets[partition] = offset + recordsEach;
  }
}

/** Who reads what is produced, as far as it bears on how much may be sent. */
export interface Audience {
  /** Deliveries for each message. */
  readonly readers: number;
  /** Of all of them. */
  readonly received: number;
}

/** All of a run's producers, as bench/flow.ts drives them. */
export class Producers {
  /** Messages. */
  published = 0;
  confirmed = 0;
  /** A refusal ends the run. */
  readonly refused = 0;
  readonly latency: Histogram;
  /** Who fetches, if anyone. */
  audience: Audience = { readers: 0, received: 0 };
  onDone: () => void = () => {};
  readonly #shape: ProduceShape;
  readonly #perRequest: number;
  readonly #windowMessages: number;
  /** Those with a request to spare; a ring. */
  readonly #line: Producer[] = [];
  #lineAt = 0;
  #limit = 0;
  #isStopped = false;
  readonly #onFailure: (why: Error) => void;

  /** @param windowMessages that are under way at most, times those who read each */
  constructor(shape: ProduceShape, windowMessages: number, onFailure: (why: Error) => void, latency = new Histogram()) {
    this.#shape = shape;
    this.#perRequest = shape.batches * shape.recordsEach;
    this.#windowMessages = windowMessages;
    this.#onFailure = onFailure;
    this.latency = latency;
  }

  /** @param startOffsets the next offset of each partition; @param isAlone nobody else produces to them */
  add(
    peer: KafkaPeer,
    pattern: BatchPattern,
    id: { readonly id: number; readonly epoch: number },
    startOffsets: Float64Array,
    isAlone: boolean,
  ): void {
    const producer = new Producer(peer, this.#shape, pattern, id, startOffsets, isAlone);
    peer.onFailure = this.#onFailure;
    peer.receiver = (answer) => {
      this.latency.record((performance.now() - producer.answered(answer)) * 1000);
      this.confirmed += this.#perRequest;
      this.#standInLine(producer);
      this.pump();
      if (this.isDone) this.onDone();
    };
    this.#standInLine(producer);
  }

  #standInLine(producer: Producer): void {
    if (producer.isInLine) return;
    producer.isInLine = true;
    this.#line.push(producer);
  }

  /** Whether another request may go. */
  get #hasRoom(): boolean {
    if (this.published + this.#perRequest > this.#limit) return false;
    const { readers, received } = this.audience;
    const unread = this.published * readers - received;
    return unread <= 0 || unread + this.#perRequest * readers <= this.#windowMessages;
  }

  /** Sends what there is room for. */
  pump(): void {
    const line = this.#line;
    while (this.#lineAt < line.length && this.#hasRoom) {
      const producer = line[this.#lineAt++]!;
      producer.send();
      this.published += this.#perRequest;
      producer.isInLine = false;
      if (producer.underWay < this.#shape.requests) this.#standInLine(producer);
    }
    // What was sent goes when it is most of the line.
    if (this.#lineAt > 1024 && this.#lineAt * 2 > line.length) {
      line.splice(0, this.#lineAt);
      this.#lineAt = 0;
    }
  }

  /** At least `count` messages more, in whole requests, unless it was stopped. */
  allow(count: number): void {
    if (this.#isStopped) return;
    this.#limit = this.published + Math.ceil(count / this.#perRequest) * this.#perRequest;
    this.pump();
  }

  /** No more than those already published, for good. */
  stop(): void {
    this.#isStopped = true;
    this.#limit = this.published;
  }

  get isDone(): boolean {
    return this.confirmed >= this.#limit;
  }
}
