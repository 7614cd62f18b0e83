// The load against bench/plain-socket-file.ts: the bytes that AMQP's publishes would have, the same window, acknowledgements as
// long as AMQP's, and the same measuring. A publish and a consume connection make a lane.

import { connect, type Socket } from "node:net";
import { Consumer } from "./consumer.ts";
import { type FlowShape, type Latencies, measureFlow, type OpenLane } from "./flow.ts";
import { publishFrames } from "./frames.ts";
import { Histogram } from "./histogram.ts";
import type { LoadOptions, LoadResult } from "./load-options.ts";
import type { Hello } from "./plain-socket-file.ts";
import { Publisher } from "./publisher.ts";

const ackBytes = 21;
const frameBytesMax = 131_072;
const openingMax = 50;

/** `width` (1) lanes of messages of `bodyBytes` (100), each sent to the consumer `copies` (1) times. */
export async function plainBytes(options: LoadOptions): Promise<LoadResult> {
  const width = options.width ?? 1;
  const window = options.window ?? 1000;
  const { copies, isTransient } = options;
  const bodyBytes = options.bodyBytes ?? 100;
  const shape: FlowShape = { lanes: [], persistent: !isTransient, bodyBytes, window, prefetch: window, copies };
  const latencies: Latencies = { delivery: new Histogram(), confirm: new Histogram() };
  const lanes: OpenLane[] = [];
  while (lanes.length < width) {
    const few = Array.from({ length: Math.min(openingMax, width - lanes.length) }, (_, index) =>
      openPlainLane(lanes.length + index, shape, options, latencies),
    );
    lanes.push(...(await Promise.all(few)));
  }
  const result = await measureFlow(lanes, shape, options, latencies);
  // A process that reads no message cannot keep their order in copies, nor is that asked of it.
  return { ...result, disordered: 0 };
}

async function openPlainLane(
  lane: number,
  { bodyBytes, window, copies, persistent }: FlowShape,
  { uri }: LoadOptions,
  latencies: Latencies,
): Promise<OpenLane> {
  const routingKeys = ["bench-plain"];
  const common = { channel: 1, exchange: "", persistent, bodyBytes };
  const message = publishFrames({ ...common, routingKey: "bench-plain", delayed: false, frameBytesMax });
  const hello = { lane, copies, messageBytes: message.bytes.length, durable: persistent };
  const consuming = await open(uri, { ...hello, role: "consume" });
  const publishing = await open(uri, { ...hello, role: "publish" });
  const publisher = new Publisher(
    { frameBytesMax, write: (bytes) => void publishing.write(bytes) },
    { ...common, routingKeys, window, limit: 0 },
    latencies.confirm,
  );
  let acks = 0;
  const peer = {
    ack: () => void acks++,
    flushAcks: () => {
      if (acks > 0) consuming.write(Buffer.alloc(acks * ackBytes));
      acks = 0;
    },
  };
  const consumer = new Consumer(peer, { channels: 1, ackEvery: 1, latency: latencies.delivery });
  readMessages(consuming, message.bytes.length, message.bodyAt, consumer);
  readCounts(publishing, message.bytes.length, publisher);
  const close = (): Promise<void> => {
    publishing.destroy();
    consuming.destroy();
    return Promise.resolve();
  };
  return { publisher, consumer, peers: [{ close }] };
}

function open(uri: string, hello: Hello): Promise<Socket> {
  const { hostname, port } = new URL(uri);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("connect", () => socket.write(`${JSON.stringify(hello)}\n`));
    socket.once("data", () => resolve(socket));
  });
}

/** Hands each message to `consumer`; of one that is cut only its beginning is kept, as far as the stamp. */
function readMessages(socket: Socket, messageBytes: number, bodyAt: number, consumer: Consumer): void {
  const beginning = Buffer.alloc(bodyAt + 16);
  let have = 0;
  let count = 0;
  socket.on("data", (chunk: Buffer) => {
    let at = 0;
    while (at < chunk.length) {
      const end = at + messageBytes - have;
      if (have === 0 && end <= chunk.length) consumer.deliver(1, ++count, false, chunk, at + bodyAt);
      else {
        if (have < beginning.length) chunk.copy(beginning, have, at, Math.min(end, chunk.length));
        if (end <= chunk.length) consumer.deliver(1, ++count, false, beginning, bodyAt);
      }
      have = end <= chunk.length ? 0 : have + chunk.length - at;
      at = Math.min(end, chunk.length);
    }
    consumer.pause();
  });
}

/** Reads how many bytes are on disk, and confirms the messages that are whole in them. */
function readCounts(socket: Socket, messageBytes: number, publisher: Publisher): void {
  let rest = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const whole = bytes.length - (bytes.length % 8);
    rest = Buffer.from(bytes.subarray(whole));
    if (whole === 0) return;
    const messages = Math.floor(bytes.readDoubleBE(whole - 8) / messageBytes);
    if (messages > publisher.confirmed) publisher.confirm(messages, true, false);
    publisher.pump();
  });
}
