/**
 * Clients of Kafka's protocol that ask without end and never read an answer: for records, for metadata, and to take records of
 * which most are refused at length. Their answers are many times what they ask, so a broker that went on reading them would
 * hold gigabytes. It stops reading instead: who does not read is not read either. Others are served as if they were not there,
 * and when they read at last, they get their answers in order.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { SizedFraming, sizeBytes } from "../../src/protocols/kafka/codec/framing.ts";
import { fetchRequest, fetchResponse } from "../../src/protocols/kafka/codec/messages/fetch.ts";
import { metadataRequest, metadataResponse } from "../../src/protocols/kafka/codec/messages/metadata.ts";
import { produceRequest, produceResponse } from "../../src/protocols/kafka/codec/messages/produce.ts";
import { putRequestHeader } from "../../src/protocols/kafka/codec/headers.ts";
import { buildBatch } from "../../src/protocols/kafka/codec/record-models.suite.ts";
import { FrameReader } from "../../src/wire/frame-reader.ts";
import { Arena, isEntrepot } from "./arena.ts";
import { batch, KafkaWitness, within } from "./kafka-witness.ts";
import { checkAnswer, type Answered } from "./kafka-verdict.ts";
import type { AnySchema } from "../conformance/kafka/schemas.ts";

const mebibyte = 1024 * 1024;
const growthMebibytesMax = 160;
/** Of each kind. */
const clientCount = 4;
/** What the network may hold on its way, at both ends, is less. */
const sentBytesMax = 64 * mebibyte;
/** Nothing went out for so long: it is not read any more. */
const stillMs = 2000;
const blockBytes = 65_536;
/** Of the correlation id behind the size. */
const idAt = sizeBytes + 4;
const answersRead = 20;
const partitionsRefused = 500;
/** So long that what is asked fills the network's buffers before it has become much work. */
const clientId = "deaf".repeat(500);

interface Kind {
  readonly name: string;
  readonly request: AnySchema;
  readonly response: AnySchema;
  readonly version: number;
  readonly value: unknown;
}

class DeafClient {
  readonly #socket: Socket;
  readonly #kind: Kind;
  /** One request with its size; only its correlation id is to be changed. */
  readonly #request: Buffer;
  #asked = 0;
  #sentBytes = 0;
  #isClosed = false;

  static async open(address: string, kind: Kind): Promise<DeafClient> {
    const [host, port] = address.split(":") as [string, string];
    const socket = connect(Number(port), host);
    socket.pause();
    await once(socket, "connect");
    return new DeafClient(socket, kind);
  }

  private constructor(socket: Socket, kind: Kind) {
    this.#socket = socket;
    this.#kind = kind;
    socket.on("error", () => socket.destroy());
    socket.on("close", () => (this.#isClosed = true));
    const { request, version, value } = kind;
    const header = putRequestHeader(request.key, version, 0, clientId, request.isFlexible(version));
    const bytes = Buffer.concat([Buffer.alloc(sizeBytes), header, request.encode(version, value)]);
    bytes.writeInt32BE(bytes.length - sizeBytes);
    this.#request = bytes;
  }

  /** Asks until the broker takes no more of it, or hangs up. */
  async askUntilStopped(): Promise<void> {
    while (!this.#isClosed) {
      const block = this.#block();
      this.#sentBytes += block.length;
      assert.ok(this.#sentBytes < sentBytesMax, `${this.#kind.name}: all that was asked was read, and no answer`);
      const gone = new Promise<void>((resolve) => void this.#socket.write(block, () => resolve()));
      if ((await within(gone, stillMs)) === "late") return;
    }
  }

  #block(): Buffer {
    const { length } = this.#request;
    const count = Math.ceil(blockBytes / length);
    const block = Buffer.alloc(count * length);
    for (let at = 0; at < block.length; at += length) {
      this.#request.copy(block, at);
      block.writeInt32BE(++this.#asked, at + idAt);
    }
    return block;
  }

  /** Takes its first answers, which must come in order. */
  async read(): Promise<void> {
    assert.equal(this.#isClosed, false, `${this.#kind.name}: the connection was closed`);
    const { response, version } = this.#kind;
    const reader = new FrameReader(new SizedFraming(32 * mebibyte));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let count = 0;
    this.#socket.on("data", (chunk: Buffer) => {
      reader.push(chunk);
      while (count < answersRead && reader.next()) {
        const frame = reader.buffer.subarray(reader.start + sizeBytes, reader.end);
        const due: Answered = { kind: "answer", correlationId: ++count, response, version };
        try {
          checkAnswer(frame, due);
        } catch (error) {
          reject(error);
        }
      }
      if (count < answersRead) return;
      this.#socket.destroy();
      resolve();
    });
    this.#socket.resume();
    const came = await within(promise, 20_000);
    assert.notEqual(came, "late", `${this.#kind.name}: ${count} answers came`);
  }

  drop(): void {
    this.#socket.destroy();
  }
}

function kindsOf(topic: string): Kind[] {
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: mebibyte }];
  const limits = { maxWaitMs: 500, minBytes: 1, maxBytes: mebibyte };
  const refused = Array.from({ length: partitionsRefused }, (_, at) => ({ index: 1000 + at, records: null }));
  const partitionData = [{ index: 1, records: batch }, ...refused];
  const kinds: (Omit<Kind, "request" | "response"> & { request: unknown; response: unknown })[] = [
    {
      name: "fetch",
      request: fetchRequest,
      response: fetchResponse,
      version: 11,
      value: { ...limits, topics: [{ topic, partitions }] },
    },
    { name: "metadata", request: metadataRequest, response: metadataResponse, version: 8, value: { topics: null } },
    {
      name: "produce",
      request: produceRequest,
      response: produceResponse,
      version: 9,
      value: { acks: -1, timeoutMs: 5000, topicData: [{ name: topic, partitionData }] },
    },
  ];
  return kinds as Kind[];
}

test(
  "clients that ask without end and read nothing hold up nobody, and cost no memory",
  { timeout: 120_000 },
  async (t) => {
    if (!isEntrepot) return t.skip("it is our broker's Kafka that is asked");
    const arena = await Arena.open(t);
    const witness = await KafkaWitness.open(arena.kafka);
    t.after(() => witness.client.close());
    await witness.create("large");
    const value = Buffer.alloc(500_000, "large");
    const records = buildBatch([{ offset: 0, timestampMs: Date.now(), key: null, value, headers: [] }]);
    const topicData = [{ name: "large", partitionData: [{ index: 0, records }] }];
    for (let count = 0; count < 20; count++)
      await witness.client.ask(produceRequest, produceResponse, 9, { acks: -1, timeoutMs: 5000, topicData });
    // So that there is something to say of topics.
    for (let count = 0; count < 100; count++) await witness.create(`topic-${count}`);

    const deaf: DeafClient[] = [];
    t.after(() => {
      for (const each of deaf) each.drop();
    });
    await arena.disturb({ growthMebibytesMax }, async () => {
      for (const kind of kindsOf("large"))
        for (let count = 0; count < clientCount; count++) deaf.push(await DeafClient.open(arena.kafka, kind));
      const state = { areStopped: false };
      const stopped = Promise.all(deaf.map((each) => each.askUntilStopped())).finally(() => (state.areStopped = true));
      stopped.catch(() => undefined);
      while (!state.areStopped) {
        await witness.produce("what they asked");
        arena.checkMemory(growthMebibytesMax);
      }
      await stopped;
      await witness.produce("they were stopped");
      assert.ok(witness.longestMs < 3000, `the witness once waited ${Math.round(witness.longestMs)} ms`);
      t.diagnostic(`the witness waited ${Math.round(witness.longestMs)} ms at most, ${witness.produced / 3} times`);
      await Promise.all(deaf.map((each) => each.read()));
      await witness.produce("they had read");
    });
  },
);
