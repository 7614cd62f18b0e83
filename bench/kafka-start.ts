// How long from the start of a broker's process until the first produced message is acknowledged. The client is a bare socket
// of this process, which runs already: it connects each 5 ms, and then asks to produce each 5 ms until the answer is no error.
// So no client's own start or back-off is in the figure. The topic is there from an earlier start.

import { connect } from "node:net";
import { BatchBuilder } from "../src/protocols/kafka/codec/batch-builder.ts";
import { freePorts } from "./brokers.ts";
import type { KafkaContestant } from "./kafka-brokers.ts";
import { KafkaPeer } from "./kafka-peer.ts";
import { createTopic } from "./kafka-topic.ts";
import { WireReader, WireWriter } from "./plain-wire.ts";

const topic = "started";
const retryMs = 5;
const msMax = 120_000;

/** A Produce request of version 3 with one record of 100 B, acks=all. */
function produceRequest(): Buffer {
  const builder = new BatchBuilder();
  const value = Buffer.alloc(100, 0x2e);
  builder.begin(0, 0);
  builder.record(0, 0);
  builder.noKey();
  builder.value(value, 0, value.length);
  builder.headers(0);
  builder.finish();
  const header = new WireWriter().i16(0).i16(3).i32(1).text("bench");
  header.text(null).i16(-1).i32(10_000).i32(1).text(topic).i32(1).i32(0);
  return Buffer.from(header.bytes(builder.buffer.subarray(0, builder.bytes)).frame());
}

/** The error code of the answer to it. */
function codeOf(frame: Buffer): number {
  const answer = new WireReader(frame);
  answer.skip(12);
  answer.text();
  answer.skip(8);
  return answer.i16();
}

/** Resolves when a message is acknowledged there, which may be long before anything listens. Errors: not in two minutes. */
export function firstAcknowledged(port: number, signal: AbortSignal): Promise<void> {
  const request = produceRequest();
  const startMs = performance.now();
  return new Promise((resolve, reject) => {
    const again = (attempt: () => void): void => {
      if (signal.aborted || performance.now() - startMs > msMax) reject(new Error("nothing was acknowledged"));
      else setTimeout(attempt, retryMs);
    };
    const attempt = (): void => {
      const socket = connect(port, "127.0.0.1");
      let received: Buffer = Buffer.alloc(0);
      socket.setNoDelay(true);
      socket.once("connect", () => socket.write(request));
      socket.on("error", () => socket.destroy());
      socket.once("close", () => again(attempt));
      socket.on("data", (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return;
        const code = codeOf(received);
        received = Buffer.alloc(0);
        if (code !== 0) return again(() => socket.write(request));
        socket.removeAllListeners("close");
        socket.destroy();
        resolve();
      });
    };
    attempt();
  });
}

/** Makes the topic, so that later starts find it. */
export async function prepareStart(contestant: KafkaContestant, dir: string): Promise<void> {
  const broker = await contestant.start(dir);
  await KafkaPeer.with(broker.uri, (peer) => createTopic(peer, topic, 1));
  await broker.stop();
}

/** In ms. Ends the broker again. */
export async function startToAcknowledged(contestant: KafkaContestant, dir: string): Promise<number> {
  const [port] = (await freePorts(1)) as [number];
  const abandoned = new AbortController();
  const startMs = performance.now();
  const acknowledged = firstAcknowledged(port, abandoned.signal).then(() => performance.now() - startMs);
  try {
    const broker = await contestant.start(dir, port);
    const ms = await acknowledged;
    await broker.stop();
    return ms;
  } catch (error) {
    abandoned.abort();
    await acknowledged.catch(() => {});
    throw error;
  }
}
