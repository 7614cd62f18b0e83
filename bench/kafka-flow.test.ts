import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { BatchView } from "../src/protocols/kafka/codec/record-batch.ts";
import { startBroker } from "../src/start-broker.ts";
import { drain } from "./flow.ts";
import { Histogram } from "./histogram.ts";
import { openKafkaFlow } from "./kafka-flow.ts";
import { KafkaPeer } from "./kafka-peer.ts";
import { BatchPattern, Producers, produceShape } from "./kafka-producers.ts";
import { Readers } from "./kafka-readers.ts";
import { type WireReader, WireWriter } from "./plain-wire.ts";

const work = { topic: "t", partitions: 1, bodyBytes: 100 };

test("a producer has five requests of 16 KB under way, fewer messages where many share, and the same over many partitions", () => {
  const shown = (partitions: number, producers: number, windowMessages: number, bodyBytes = 100): number[] => {
    const shape = produceShape({ topic: "t", partitions, bodyBytes }, producers, windowMessages);
    return [shape.requests, shape.batches, shape.recordsEach];
  };
  assert.deepEqual(shown(1, 1, 10_000), [5, 1, 151]);
  assert.deepEqual(shown(1, 100, 10_000), [5, 1, 20]);
  assert.deepEqual(shown(1, 1000, 10_000), [5, 1, 2]);
  assert.deepEqual(shown(1, 10_000, 10_000), [1, 1, 1]);
  assert.deepEqual(shown(10, 1, 10_000), [5, 10, 15]);
  assert.deepEqual(shown(10_000, 1, 10_000), [5, 151, 1]);
  assert.deepEqual(shown(1, 1, 10), [5, 1, 2]);
  assert.deepEqual(shown(1, 1, 16, 1_000_000), [5, 1, 1]);
});

test("a pattern's value is where it says, for every length, and its batch is whole", () => {
  const view = new BatchView();
  for (const bodyBytes of [8, 10, 23, 46, 100, 8191, 100_000]) {
    const { bytes, valueAt } = new BatchPattern({ bodyBytes, recordsEach: 2 }, 1e12);
    assert.equal(bytes.readBigUInt64BE(valueAt), 0xffff_ffff_ffff_ffffn, String(bodyBytes));
    assert.equal(bytes.indexOf(".", valueAt), bodyBytes > 8 ? valueAt + 8 : -1);
    view.set(bytes, 0);
    assert.deepEqual([view.bytes, view.count, view.crc], [bytes.length, 2, view.computedCrc()]);
  }
  assert.throws(() => new BatchPattern({ bodyBytes: 7, recordsEach: 1 }, 0), /7 B does not hold/);
});

function failed(why: Error): void {
  throw why;
}

/** A short run: what the lane counts when all has come to rest. */
async function flowed(
  uri: string,
  more: { width?: number; copies?: number; partitions?: number; held?: number },
  messages: number,
): Promise<number[]> {
  const options = { uri, bodyBytes: 100, width: 1, copies: 1, partitions: 1, held: 0, ...more };
  const latencies = { delivery: new Histogram(), confirm: new Histogram() };
  const { lane, remove } = await openKafkaFlow(options, "flow", latencies, failed);
  const { publisher, consumer } = lane;
  await new Promise<void>((resolve) => {
    (publisher as Producers).onDone = resolve;
    publisher.allow(messages);
  });
  await drain([lane], options.copies);
  await remove();
  assert.ok(latencies.delivery.count > 0 && latencies.confirm.count > 0);
  assert.ok(publisher.published >= messages);
  return [publisher.confirmed - publisher.published, consumer.received - publisher.published * options.copies];
}

test("Entrepot answers all that the load asks: producers, readers, partitions, and a topic that holds some before", async () => {
  const broker = await startBroker({ memory: true, listen: { kafka: 0 } });
  try {
    const uri = broker.addresses["kafka"]!;
    assert.deepEqual(await flowed(uri, {}, 5000), [0, 0]);
    assert.deepEqual(await flowed(uri, { width: 60 }, 5000), [0, 0]);
    assert.deepEqual(await flowed(uri, { copies: 20 }, 500), [0, 0]);
    assert.deepEqual(await flowed(uri, { partitions: 300 }, 5000), [0, 0]);
    assert.deepEqual(await flowed(uri, { held: 20_000 }, 5000), [0, 0]);
  } finally {
    await broker.stop();
  }
});

test("the plain process answers the same load", async () => {
  const dir = mkdtempSync(join(tmpdir(), "entrepot-plain-"));
  const program = join(import.meta.dirname, "plain-log.ts");
  const child: ChildProcess = spawn(process.execPath, [program, "--file", join(dir, "ring"), "--mb", "16"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [line] = (await once(child.stdout!, "data")) as [Buffer];
    const uri = line.toString().trim().slice("ready ".length);
    assert.deepEqual(await flowed(uri, { width: 20 }, 2000), [0, 0]);
    assert.deepEqual(await flowed(uri, { copies: 10 }, 200), [0, 0]);
    assert.deepEqual(await flowed(uri, { partitions: 300 }, 5000), [0, 0]);
  } finally {
    const isGone = once(child, "exit");
    child.kill("SIGKILL");
    await isGone;
    rmSync(dir, { recursive: true });
  }
});

type Answering = (answer: WireWriter, request: Buffer) => void;

/** A server that answers each request with what `answering` makes. */
async function listen(answering: Answering): Promise<{ server: Server; uri: string }> {
  const server = createServer((socket: Socket) => {
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      for (let at = 0; at < chunk.length; at += 4 + chunk.readInt32BE(at)) {
        const answer = new WireWriter().i32(chunk.readInt32BE(at + 8));
        answering(answer, chunk);
        socket.write(answer.frame());
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, uri: `127.0.0.1:${(server.address() as { port: number }).port}` };
}

const shape = produceShape(work, 1, 100);
const pattern = new BatchPattern(shape, 0);

/** Why a producer, or a reader, gives up on a server. */
async function complaint(who: "producer" | "reader", answering: Answering): Promise<string> {
  const { server, uri } = await listen(answering);
  const peer = await KafkaPeer.open(uri);
  const why = await new Promise<Error>((resolve) => {
    const producers = new Producers(shape, 100, resolve);
    if (who === "reader") new Readers(shape, pattern, resolve).add(peer, new Float64Array(1));
    else producers.add(peer, pattern, { id: 1, epoch: 0 }, new Float64Array(1), true);
    producers.allow(1);
  });
  peer.close();
  server.close();
  return why.message;
}

test("an answer that refuses, loses, repeats or spoils anything ends the run", async () => {
  const produced =
    (code: number, offset: number): Answering =>
    (answer) =>
      answer.i32(1).text("t").i32(1).i32(0).i16(code).i64(offset).i64(-1).i32(0);
  assert.match(await complaint("producer", produced(7, -1)), /refused a batch: error 7/);
  assert.match(await complaint("producer", produced(0, 3)), /gave offset 3, where 0 is next/);

  const fetched =
    (code: number, offset: number, spoil?: (batch: Buffer) => Buffer): Answering =>
    (answer) => {
      const batch = Buffer.from(pattern.bytes);
      batch.writeBigInt64BE(BigInt(offset));
      answer.i32(0).i32(1).text("t").i32(1).i32(0).i16(code).i64(0).i64(0).i32(-1);
      answer.bytes(spoil?.(batch) ?? batch);
    };
  assert.match(await complaint("reader", fetched(1, 0)), /is not read: error 1/);
  assert.match(await complaint("reader", fetched(0, 40)), /has offset 40, where 0 is next/);
  // The same again: the first was right.
  assert.match(await complaint("reader", fetched(0, 0)), /has offset 0, where 20 is next/);
  const flipped = (batch: Buffer): Buffer => batch.fill(1, batch.length - 3, batch.length - 2);
  assert.match(await complaint("reader", fetched(0, 0, flipped)), /wrong checksum at offset 0/);
  const cut = (batch: Buffer): Buffer => batch.subarray(0, 50);
  assert.match(await complaint("reader", fetched(0, 0, cut)), /less than a batch/);
  assert.match(await complaint("reader", (answer) => answer.i32(0)), /out of range|out of bounds|Attempt to access/);
});

test("answers are put together however they are cut, and a closed socket is an error", async () => {
  const server = createServer((socket: Socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", (chunk: Buffer) => {
      const long = Buffer.alloc(3000, 7);
      const answer = new WireWriter().i32(chunk.readInt32BE(8)).bytes(long).frame();
      let at = 0;
      const drip = (): void => {
        const next = Math.min(at + 271, answer.length);
        socket.write(answer.subarray(at, next), () => {
          at = next;
          if (at < answer.length) setImmediate(drip);
          else socket.once("data", () => socket.destroy());
        });
      };
      drip();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const peer = await KafkaPeer.open(`127.0.0.1:${(server.address() as { port: number }).port}`, 64);
  const answer: WireReader = await peer.ask([3, 1], () => {});
  assert.deepEqual(answer.bytes(), Buffer.alloc(3000, 7));
  await assert.rejects(
    peer.ask([3, 1], () => {}),
    /closed the socket/,
  );
  await assert.rejects(
    peer.ask([3, 1], () => {}),
    /closed the socket/,
  );
  server.close();
});
