// What a plain Node process can do that only moves the bytes: it takes Kafka's Produce requests from a socket, writes their
// batches with O_DSYNC into one preallocated file (all that wait in one write), answers, and serves Fetch from that file.
// No checks, no recovery, any topic is there, one member to each group. So its figures are the ceiling of any broker in Node under the
// same client, and show where the client is the limit.
//
//     node bench/plain-log.ts --file FILE [--mb 2048]        prints `ready HOST:PORT`
//
// The file is a ring: what is overwritten can no longer be fetched.

import { closeSync, constants, fsyncSync, openSync, readSync, statSync, writev, writeSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { parseArgs } from "node:util";
import { WireReader, WireWriter } from "./plain-wire.ts";

const { values } = parseArgs({ options: { file: { type: "string" }, mb: { type: "string", default: "2048" } } });
const path = values.file!;
const ringBytes = Number(values.mb) * 2 ** 20;
preallocate();
const file = openSync(path, constants.O_RDWR | constants.O_DSYNC);

/** The batches of a partition, by number. Places count on around the ring. */
class Partition {
  readonly firstOffsets: number[] = [];
  readonly places: number[] = [];
  readonly sizes: number[] = [];
  /** What is written but not yet on disk counts for `nextOffset` only. */
  endOffset = 0;
  nextOffset = 0;
  onDisk = 0;
  readonly followers = new Set<Session>();
}

interface Pending {
  readonly partition: Partition;
  readonly batch: Buffer;
  readonly baseOffset: number;
  readonly records: number;
  readonly answered: () => void;
}

const topics = new Map<string, Partition[]>();
/** Of topics that have more partitions than one. */
const partitionCounts = new Map<string, number>();
let place = 0;
let waiting: Pending[] = [];
let isWriting = false;
const sleepers = new Set<() => void>();
let port = 0;

function partitionOf(name: string, index: number): Partition {
  const partitions = topics.get(name) ?? [];
  topics.set(name, partitions);
  return (partitions[index] ??= new Partition());
}

/** Reads an array of topics with an array of something in each, and writes the same shape. */
function eachPartition(request: WireReader, answer: WireWriter, each: (name: string) => void): void {
  for (let topicsLeft = answer.count(request.i32()); topicsLeft > 0; topicsLeft--) {
    const name = request.text();
    answer.text(name);
    for (let left = answer.count(request.i32()); left > 0; left--) each(name);
  }
}

function produce(request: WireReader, answer: WireWriter, send: () => void): void {
  request.text();
  request.skip(6);
  let undone = 1;
  const answered = (): void => {
    if (--undone === 0) send();
  };
  eachPartition(request, answer, (name) => {
    const index = request.i32();
    const partition = partitionOf(name, index);
    const batch = request.bytes();
    const records = batch.readInt32BE(57);
    batch.writeBigInt64BE(BigInt(partition.nextOffset));
    answer.i32(index).i16(0).i64(partition.nextOffset).i64(-1);
    waiting.push({ partition, batch, baseOffset: partition.nextOffset, records, answered });
    partition.nextOffset += records;
    undone++;
  });
  answer.i32(0);
  answered();
  if (!isWriting) writeWaiting();
}

/** Of a Produce request whose transactional id comes next. */
function acksOf(request: WireReader): number {
  const start = request.at;
  request.text();
  const acks = request.i16();
  request.at = start;
  return acks;
}

/** All that waits goes out in one write; what comes meanwhile, in the next. */
function writeWaiting(): void {
  const group = waiting;
  if (group.length === 0) return;
  waiting = [];
  isWriting = true;
  const bytes = group.reduce((sum, { batch }) => sum + batch.length, 0);
  if (place % ringBytes > ringBytes - bytes) place += ringBytes - (place % ringBytes);
  let at = place;
  for (const { partition, batch, baseOffset } of group) {
    partition.firstOffsets.push(baseOffset);
    partition.places.push(at);
    partition.sizes.push(batch.length);
    at += batch.length;
  }
  const start = place % ringBytes;
  place = at;
  const blocks = group.map(({ batch }) => batch);
  writev(file, blocks, start, (error) => {
    if (error !== null) throw error;
    isWriting = false;
    writeWaiting();
    for (const { partition, baseOffset, records, answered } of group) {
      partition.endOffset = baseOffset + records;
      partition.onDisk++;
      for (const follower of partition.followers) follower.ready.add(partition);
      answered();
    }
    for (const wake of sleepers) wake();
  });
}

/** The number of the batch that holds `offset`, or -1: there is none on disk, or no longer. */
function batchWith(partition: Partition, offset: number): number {
  if (offset >= partition.endOffset) return -1;
  let low = 0;
  let high = partition.onDisk - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (partition.firstOffsets[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Answers a partition from `offset` on. Returns the bytes of its batches; 1 where the answer is that they are gone. */
function readInto(
  answer: WireWriter,
  partition: Partition,
  index: number,
  offset: number,
  bytesMax: number,
  hasLogStart: boolean,
): number {
  const first = batchWith(partition, offset);
  const isGone = first >= 0 && partition.places[first]! < place - ringBytes;
  const bytes = first < 0 || isGone ? 0 : runFrom(partition, first, bytesMax);
  const code = isGone || offset > partition.endOffset ? 1 : 0;
  answer.i32(index).i16(code).i64(partition.endOffset).i64(partition.endOffset);
  if (hasLogStart) answer.i64(0);
  answer.i32(0).i32(bytes);
  if (bytes > 0)
    answer.read(bytes, (into, at) => readSync(file, into, at, bytes, partition.places[first]! % ringBytes));
  return bytes + code;
}

function fetch(request: WireReader, answer: WireWriter, send: () => void): void {
  request.skip(4);
  const msMax = request.i32();
  request.skip(4);
  let left = request.i32();
  request.skip(1);
  const start = request.at;
  const answerStart = answer.at;
  const fill = (): boolean => {
    let found = 0;
    request.at = start;
    answer.at = answerStart;
    answer.i32(0);
    eachPartition(request, answer, (name) => {
      const index = request.i32();
      const offset = request.i64();
      const bytes = readInto(answer, partitionOf(name, index), index, offset, Math.min(left, request.i32()), false);
      found += bytes;
      left -= bytes;
    });
    return found > 0;
  };
  sendWhen(fill, msMax, send);
}

/** Sends when `fill` has found something, or after `msMax` what it has made of nothing. */
function sendWhen(fill: () => boolean, msMax: number, send: () => void): void {
  if (fill() || msMax === 0) return send();
  const finish = (): void => {
    clearTimeout(timer);
    sleepers.delete(wake);
    send();
  };
  const wake = (): void => {
    if (fill()) finish();
  };
  const timer = setTimeout(finish, msMax);
  sleepers.add(wake);
}

/** What a connection fetches of one topic by Fetch 7: it tells what has changed, and is answered what is new. */
class Session {
  /** They have more than was asked for last. */
  readonly ready = new Set<Partition>();
  readonly #wanted = new Map<
    Partition,
    { readonly index: number; readonly offset: number; readonly bytesMax: number }
  >();
  #name = "";

  fetch(request: WireReader, answer: WireWriter, send: () => void): void {
    request.skip(4);
    const msMax = request.i32();
    request.skip(4 + 4 + 1 + 4);
    if (request.i32() === 0) this.end();
    this.#change(request);
    const start = answer.at;
    const fill = (): boolean => {
      answer.at = start;
      return this.#fill(answer);
    };
    sendWhen(fill, msMax, send);
  }

  #change(request: WireReader): void {
    for (let topics = request.i32(); topics > 0; topics--) {
      this.#name = request.text();
      for (let left = request.i32(); left > 0; left--) {
        const index = request.i32();
        const offset = request.i64();
        request.skip(8);
        const partition = partitionOf(this.#name, index);
        this.#wanted.set(partition, { index, offset, bytesMax: request.i32() });
        partition.followers.add(this);
        if (partition.endOffset > offset) this.ready.add(partition);
      }
    }
  }

  /** Who asks for what is told its new offset before it is given more. */
  #fill(answer: WireWriter): boolean {
    const { size } = this.ready;
    answer.i32(0).i16(0).i32(1);
    if (size === 0) answer.i32(0);
    else answer.i32(1).text(this.#name).i32(size);
    for (const partition of this.ready) {
      const { index, offset, bytesMax } = this.#wanted.get(partition)!;
      readInto(answer, partition, index, offset, bytesMax, true);
    }
    this.ready.clear();
    return size > 0;
  }

  end(): void {
    for (const partition of this.#wanted.keys()) partition.followers.delete(this);
    this.#wanted.clear();
    this.ready.clear();
  }
}

/** Bytes of the batches from `first` on that lie together: at least one batch. */
function runFrom(partition: Partition, first: number, bytesMax: number): number {
  let bytes = partition.sizes[first]!;
  for (let next = first + 1; next < partition.onDisk && bytes + partition.sizes[next]! <= bytesMax; next++) {
    if (partition.places[next]! !== partition.places[next - 1]! + partition.sizes[next - 1]!) break;
    if (partition.places[next]! % ringBytes === 0) break;
    bytes += partition.sizes[next]!;
  }
  return bytes;
}

/** Of requests that begin with one topic's name and number of partitions. */
function growTopic(request: WireReader, answer: WireWriter): void {
  answer.i32(0).i32(1);
  request.skip(4);
  const name = request.text();
  partitionCounts.set(name, request.i32());
  answer.text(name).i16(0).text(null);
}

/** The rest that Kafka's clients ask for before they produce or consume. Each in the one version that is told of. */
const others: Record<number, { version: number; answer: (request: WireReader, answer: WireWriter) => void }> = {
  2: {
    version: 1, // ListOffsets
    answer(request, answer) {
      request.skip(4);
      eachPartition(request, answer, (name) => {
        const index = request.i32();
        const isEarliest = request.i64() === -2;
        answer
          .i32(index)
          .i16(0)
          .i64(-1)
          .i64(isEarliest ? 0 : partitionOf(name, index).endOffset);
      });
    },
  },
  3: {
    version: 4, // Metadata
    answer(request, answer) {
      answer.i32(0).i32(1).i32(1).text("127.0.0.1").i32(port).text(null).text("plain-log").i32(1);
      for (let left = answer.count(Math.max(0, request.i32())); left > 0; left--) {
        const name = request.text();
        const count = partitionCounts.get(name) ?? 1;
        answer.i16(0).text(name).i8(0).i32(count);
        for (let index = 0; index < count; index++) answer.i16(0).i32(index).i32(1).i32(1).i32(1).i32(1).i32(1);
      }
    },
  },
  8: {
    version: 2, // OffsetCommit
    answer(request, answer) {
      request.text();
      request.skip(4);
      request.text();
      request.skip(8);
      eachPartition(request, answer, () => {
        answer.i32(request.i32()).i16(0);
        request.skip(8);
        request.text();
      });
    },
  },
  9: {
    version: 1, // OffsetFetch
    answer(request, answer) {
      request.text();
      eachPartition(request, answer, () => void answer.i32(request.i32()).i64(-1).text("").i16(0));
    },
  },
  10: { version: 0, answer: (_, answer) => void answer.i16(0).i32(1).text("127.0.0.1").i32(port) }, // FindCoordinator
  11: {
    version: 2, // JoinGroup
    answer(request, answer) {
      request.text();
      request.skip(8);
      const member = request.text() || "member";
      request.text();
      request.i32();
      const protocol = request.text();
      answer.i32(0).i16(0).i32(1).text(protocol).text(member).text(member).i32(1).text(member).bytes(request.bytes());
    },
  },
  12: { version: 0, answer: (_, answer) => void answer.i16(0) }, // Heartbeat
  13: { version: 0, answer: (_, answer) => void answer.i16(0) }, // LeaveGroup
  14: {
    version: 0, // SyncGroup
    answer(request, answer) {
      request.text();
      request.skip(4);
      request.text();
      request.i32();
      request.text();
      answer.i16(0).bytes(request.bytes());
    },
  },
  19: {
    version: 2, // CreateTopics
    answer: growTopic,
  },
  37: {
    version: 0, // CreatePartitions
    answer: growTopic,
  },
  20: {
    version: 1, // DeleteTopics
    answer(request, answer) {
      answer.i32(0).i32(1);
      request.skip(4);
      const name = request.text();
      topics.delete(name);
      partitionCounts.delete(name);
      answer.text(name).i16(0);
    },
  },
  22: { version: 0, answer: (_, answer) => void answer.i32(0).i16(0).i64(1).i16(0) }, // InitProducerId
};

/** Fetch 7 is not told of: with it Kafka's clients would ask for sessions, which the rows of bench/kafka-work.ts need not. */
function apiVersions(version: number, answer: WireWriter): void {
  const told: [number, number][] = [
    [0, 3],
    [1, 4],
    [18, 0],
  ];
  for (const [key, other] of Object.entries(others)) told.push([Number(key), other.version]);
  // UNSUPPORTED_VERSION makes the client ask again as it is told here.
  answer.i16(version === 0 ? 0 : 35).i32(told.length);
  for (const [key, only] of told) answer.i16(key).i16(only).i16(only);
}

const wideBytesMin = 64 << 10;
const wideBytes = 2 << 20;
/** For frames that come in many chunks: the system's pages for new memory cost more than filling them does. */
const wideBuffers: Buffer[] = [];

/** Cuts what comes into frames, and copies only what does not lie within one chunk, each byte once. */
class Frames {
  readonly #head = Buffer.alloc(4);
  /** The head, or the frame that it announces. */
  #part: Buffer = this.#head;
  #filled = 0;
  #wide: Buffer | undefined;

  /** `take` is given a frame, and the buffer to give back to `wideBuffers` when it is done with. */
  receive(chunk: Buffer, take: (frame: Buffer, wide: Buffer | undefined) => void): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#part === this.#head && this.#filled === 0 && chunk.length - at >= 4) {
        const end = at + 4 + chunk.readInt32BE(at);
        if (end <= chunk.length) {
          take(chunk.subarray(at + 4, end), undefined);
          at = end;
          continue;
        }
      }
      const copied = chunk.copy(this.#part, this.#filled, at);
      at += copied;
      this.#filled += copied;
      if (this.#filled === this.#part.length) this.#partIsFull(take);
    }
  }

  #partIsFull(take: (frame: Buffer, wide: Buffer | undefined) => void): void {
    const part = this.#part;
    this.#filled = 0;
    if (part === this.#head) {
      const bytes = part.readInt32BE(0);
      const isWide = bytes >= wideBytesMin && bytes <= wideBytes;
      this.#wide = isWide ? (wideBuffers.pop() ?? Buffer.allocUnsafeSlow(wideBytes)) : undefined;
      this.#part = this.#wide?.subarray(0, bytes) ?? Buffer.allocUnsafe(bytes);
      return;
    }
    this.#part = this.#head;
    take(part, this.#wide);
  }
}

/** Answers in the order of the requests, as Kafka does. */
class Connection {
  readonly #socket: Socket;
  readonly #queue: { answer: WireWriter; isDone: boolean }[] = [];
  readonly #frames = new Frames();
  #session: Session | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#session?.end());
  }

  #receive(chunk: Buffer): void {
    this.#frames.receive(chunk, (frame, wide) => this.#handle(new WireReader(frame), wide));
  }

  #handle(request: WireReader, wide: Buffer | undefined): void {
    const api = request.i16();
    const version = request.i16();
    const slot = { answer: new WireWriter().i32(request.i32()), isDone: false };
    request.text();
    if (api !== 0 || acksOf(request) !== 0) this.#queue.push(slot);
    const send = (): void => {
      slot.isDone = true;
      if (wide !== undefined) wideBuffers.push(wide);
      while (this.#queue[0]?.isDone === true) this.#socket.write(this.#queue.shift()!.answer.frame());
    };
    if (api === 0) return produce(request, slot.answer, send);
    if (api === 1 && version === 7) return (this.#session ??= new Session()).fetch(request, slot.answer, send);
    if (api === 1) return fetch(request, slot.answer, send);
    if (api === 18) apiVersions(version, slot.answer);
    else others[api]!.answer(request, slot.answer);
    send();
  }
}

function preallocate(): void {
  try {
    if (statSync(path).size === ringBytes) return;
  } catch {
    // It is not there yet.
  }
  const zeros = Buffer.alloc(1 << 20);
  const fd = openSync(path, "w", 0o600);
  for (let at = 0; at < ringBytes; at += zeros.length) writeSync(fd, zeros);
  fsyncSync(fd);
  closeSync(fd);
}

const server = createServer((socket) => new Connection(socket));
server.listen(0, "127.0.0.1", () => {
  port = (server.address() as { port: number }).port;
  process.stdout.write(`ready 127.0.0.1:${port}\n`);
});
process.once("SIGTERM", () => process.exit(0));
