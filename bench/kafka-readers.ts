// Readers of the curves under Kafka's protocol: each a connection that fetches all of a topic from its end on, all driven by one
// thread. Of what comes only the batches' headers are looked at, and the time of sending in each first record.
//
// Of one partition a reader asks without a session, in Fetch's oldest version. Of many it has one (KIP-227), as Kafka's clients do:
// to name ten thousand partitions in each request would measure the naming.
//
// Every answer is looked at: no error, each batch as long as all are, offsets without a gap, and of one batch in 64 the checksum.

import { BatchView } from "../src/protocols/kafka/codec/record-batch.ts";
import { Histogram } from "./histogram.ts";
import { api, beginRequest, type KafkaPeer } from "./kafka-peer.ts";
import type { BatchPattern, ProduceShape } from "./kafka-producers.ts";
import { type WireReader, WireWriter } from "./plain-wire.ts";

/** As Kafka's clients have it: fetch.max.wait.ms, fetch.max.bytes, max.partition.fetch.bytes. */
const waitMsMax = 500;
const answerBytesMax = 52_428_800;
const partitionBytesMax = 1_048_576;
/** One batch in so many has its checksum computed. */
const checkEvery = 64;

const view = new BatchView();

/** What a reader counts and asks. */
interface Reading {
  readonly shape: ProduceShape;
  readonly pattern: BatchPattern;
  readonly latency: Histogram;
  readonly onRead: (records: number) => void;
}

class Reader {
  readonly #peer: KafkaPeer;
  readonly #reading: Reading;
  readonly #offsets: Float64Array;
  readonly #request = new WireWriter();
  /** Partitions that the next request tells of. */
  #changed: number[];
  #sessionId = 0;
  #epoch = 0;
  #batches = 0;

  constructor(peer: KafkaPeer, reading: Reading, startOffsets: Float64Array) {
    this.#peer = peer;
    this.#reading = reading;
    this.#offsets = Float64Array.from(startOffsets);
    this.#changed = Array.from(startOffsets, (_, partition) => partition);
  }

  get #hasSession(): boolean {
    return this.#offsets.length > 1;
  }

  ask(): void {
    const hasSession = this.#hasSession;
    const request = beginRequest(hasSession ? api.sessionFetch : api.fetch, this.#request);
    request.i32(-1).i32(waitMsMax).i32(1).i32(answerBytesMax).i8(0);
    if (hasSession) request.i32(this.#sessionId).i32(this.#epoch);
    const { length } = this.#changed;
    if (length === 0) request.i32(0);
    else request.i32(1).text(this.#reading.shape.topic).i32(length);
    for (const partition of this.#changed) {
      request.i32(partition).i64(this.#offsets[partition]!);
      if (hasSession) request.i64(-1);
      request.i32(partitionBytesMax);
    }
    if (hasSession) request.i32(0);
    this.#changed.length = 0;
    this.#peer.send(request.frame());
  }

  /** Errors: the answer is an error, or not what was to come next. */
  take(answer: WireReader): void {
    const hasSession = this.#hasSession;
    const nowMs = performance.now();
    answer.skip(4);
    if (hasSession) this.#takeSession(answer);
    for (let topics = answer.i32(); topics > 0; topics--) {
      answer.text();
      for (let left = answer.i32(); left > 0; left--) {
        const partition = answer.i32();
        const code = answer.i16();
        if (code !== 0) throw new Error(`partition ${partition} is not read: error ${code}`);
        answer.skip(hasSession ? 24 : 16);
        answer.skip(16 * Math.max(0, answer.i32()));
        const end = answer.i32() + answer.at;
        const records = this.#takeBatches(partition, answer.buffer, answer.at, end, nowMs);
        answer.at = Math.max(answer.at, end);
        if (records > 0 || !hasSession) this.#changed.push(partition);
        if (records > 0) this.#reading.onRead(records);
      }
    }
    this.ask();
  }

  #takeSession(answer: WireReader): void {
    const code = answer.i16();
    const id = answer.i32();
    if (code !== 0) throw new Error(`the fetch session ended: error ${code}`);
    if (id === 0) throw new Error("the broker gave no fetch session");
    this.#sessionId = id;
    this.#epoch++;
  }

  /** How many records. What is cut at the end comes again, whole. */
  #takeBatches(partition: number, buffer: Buffer, start: number, end: number, nowMs: number): number {
    const { shape, pattern, latency } = this.#reading;
    let next = this.#offsets[partition]!;
    let at = start;
    while (end - at >= pattern.bytes.length) {
      view.set(buffer, at);
      if (view.bytes !== pattern.bytes.length || view.count !== shape.recordsEach)
        throw new Error(`partition ${partition} has a batch of ${view.bytes} B that nobody sent`);
      if (view.baseOffset !== next || view.lastOffset !== next + shape.recordsEach - 1)
        throw new Error(`partition ${partition} has offset ${view.baseOffset}, where ${next} is next`);
      if (this.#batches++ % checkEvery === 0 && view.crc !== view.computedCrc())
        throw new Error(`partition ${partition} has a wrong checksum at offset ${next}`);
      latency.record((nowMs - buffer.readDoubleBE(at + pattern.valueAt)) * 1000);
      next += shape.recordsEach;
      at = view.end;
    }
    if (at === start && end > start) throw new Error(`partition ${partition} has less than a batch`);
    const records = next - this.#offsets[partition]!;
    this.#offsets[partition] = next;
    return records;
  }
}

/** All of a run's readers, as bench/flow.ts counts them. */
export class Readers {
  /** Messages, of all readers together. */
  received = 0;
  /** Who gets anything but the next offset ends the run. */
  readonly redelivered = 0;
  readonly disordered = 0;
  readonly latency: Histogram;
  onProgress: () => void = () => {};
  readonly #reading: Reading;
  readonly #onFailure: (why: Error) => void;
  #count = 0;

  constructor(shape: ProduceShape, pattern: BatchPattern, onFailure: (why: Error) => void, latency = new Histogram()) {
    this.latency = latency;
    this.#onFailure = onFailure;
    const onRead = (records: number): void => {
      this.received += records;
    };
    this.#reading = { shape, pattern, latency, onRead };
  }

  get readers(): number {
    return this.#count;
  }

  /** Begins to read at `startOffsets`. */
  add(peer: KafkaPeer, startOffsets: Float64Array): void {
    this.#count++;
    const reader = new Reader(peer, this.#reading, startOffsets);
    peer.onFailure = this.#onFailure;
    peer.receiver = (answer) => {
      reader.take(answer);
      this.onProgress();
    };
    reader.ask();
  }

  /** A reader tells nobody what it has read. */
  settleRest(): void {}
}
