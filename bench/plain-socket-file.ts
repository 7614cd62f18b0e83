// The ceiling: a plain Node process that only moves bytes. What publishers send it, it writes to a file with O_DSYNC, all that has
// come since the last write in one call; then it sends the same bytes to the consumer, as often as there are copies, and tells the
// publisher how many of its bytes are on disk. It reads no frame, knows no queue, and keeps nothing in mind: no broker written for
// Node can move the same bytes faster by more than its ways of reading and writing are better than these.
//
//     node bench/plain-socket-file.ts --dir DIR [--same-thread]        prints `ready HOST:PORT`
//
// A connection begins with a line of JSON (Hello). The file is as long from the start as it will ever be, and is written round and
// round, as a journal that recycles its files is. Another thread writes while bytes are gathered for the next write; or, with
// --same-thread, this one, which then does nothing else but needs not be woken. Which is faster depends on the disk and the load.

import { closeSync, constants, fsyncSync, openSync, rmSync, write, writeSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { parseArgs } from "node:util";

/** What a connection is for. */
export interface Hello {
  readonly lane: number;
  readonly role: "publish" | "consume";
  readonly copies: number;
  /** Where there are copies, they begin and end with a message of so many bytes. */
  readonly messageBytes: number;
  /** The bytes are on disk before anybody is told of them; else they stay in memory. */
  readonly durable: boolean;
}

interface Lane {
  publisher?: Socket;
  consumer?: Socket;
  copies: number;
  durableBytes: number;
}

interface Extent {
  readonly lane: Lane;
  readonly from: number;
  readonly to: number;
}

const fileBytes = 256 << 20;
const groupBytes = 16 << 20;
const blockBytes = 4096;

/** Bytes that will be written together. */
class Group {
  readonly bytes = Buffer.allocUnsafeSlow(groupBytes);
  extents: Extent[] = [];
  end = 0;
}

class Mover {
  readonly #fd: number;
  #filling = new Group();
  #spare: Group | undefined = new Group();
  #isWriting = false;
  #isAsked = false;
  #at = 0;

  readonly #isSameThread: boolean;

  constructor(path: string, isSameThread: boolean) {
    this.#isSameThread = isSameThread;
    const fd = openSync(path, "w");
    const chunk = Buffer.alloc(1 << 20);
    for (let at = 0; at < fileBytes; at += chunk.length) writeSync(fd, chunk);
    fsyncSync(fd);
    closeSync(fd);
    this.#fd = openSync(path, constants.O_RDWR | constants.O_DSYNC);
  }

  /** Errors: more than a group's bytes wait, which the windows of the load do not allow. */
  gather(lane: Lane, chunk: Buffer): void {
    const group = this.#filling;
    chunk.copy(group.bytes, group.end);
    const to = group.end + chunk.length;
    if (to > groupBytes - blockBytes) throw new Error("more is under way than a group takes");
    group.extents.push({ lane, from: group.end, to });
    group.end = to;
    this.#ask();
  }

  /** Writes at the end of this turn of the event loop, when all that has arrived was gathered. */
  #ask(): void {
    if (this.#isAsked || this.#isWriting) return;
    this.#isAsked = true;
    setImmediate(() => {
      this.#isAsked = false;
      this.#write();
    });
  }

  #write(): void {
    const group = this.#filling;
    if (group.end === 0) return;
    this.#filling = this.#spare ?? new Group();
    this.#spare = undefined;
    const length = Math.ceil(group.end / blockBytes) * blockBytes;
    if (this.#at + length > fileBytes) this.#at = 0;
    const at = this.#at;
    this.#at += length;
    if (this.#isSameThread) {
      writeSync(this.#fd, group.bytes, 0, length, at);
      this.#hand(group);
      return;
    }
    this.#isWriting = true;
    write(this.#fd, group.bytes, 0, length, at, (error) => {
      if (error) throw error;
      this.#isWriting = false;
      // What came meanwhile goes to the disk while this is sent.
      this.#write();
      this.#hand(group);
    });
  }

  /** Sends what is on disk to those who wait for it. */
  #hand(group: Group): void {
    let isFree = true;
    for (const { lane, from, to } of group.extents) isFree = send(lane, group.bytes.subarray(from, to)) && isFree;
    // A socket that could not take all of it still holds the bytes.
    if (!isFree) return;
    group.extents = [];
    group.end = 0;
    this.#spare = group;
  }
}

/** True: the consumer's socket took all of it at once. */
function send(lane: Lane, bytes: Buffer): boolean {
  const { consumer, publisher } = lane;
  if (!consumer || !publisher) return true;
  if (lane.copies > 1) consumer.cork();
  for (let copy = 0; copy < lane.copies; copy++) consumer.write(bytes);
  if (lane.copies > 1) consumer.uncork();
  lane.durableBytes += bytes.length;
  const answer = Buffer.allocUnsafe(8);
  answer.writeDoubleBE(lane.durableBytes);
  publisher.write(answer);
  return consumer.writableLength === 0;
}

function serve(socket: Socket, lanes: Map<number, Lane>, mover: Mover): void {
  let take: ((chunk: Buffer) => void) | undefined;
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    if (take) take(chunk);
    else take = begin(socket, JSON.parse(chunk.toString()) as Hello, lanes, mover);
  });
}

/** Answers what takes the connection's further bytes. */
function begin(socket: Socket, hello: Hello, lanes: Map<number, Lane>, mover: Mover): (chunk: Buffer) => void {
  const lane = lanes.get(hello.lane) ?? { copies: hello.copies, durableBytes: 0 };
  lanes.set(hello.lane, lane);
  lane[hello.role === "publish" ? "publisher" : "consumer"] = socket;
  socket.on("close", () => lanes.delete(hello.lane));
  socket.write("ready\n");
  // A consumer sends acknowledgements, of which nothing is remembered.
  if (hello.role === "consume") return () => {};
  const move = hello.durable
    ? (chunk: Buffer): void => mover.gather(lane, chunk)
    : (chunk: Buffer): void => void send(lane, chunk);
  return hello.copies > 1 ? whole(hello.messageBytes, move) : move;
}

/** Passes on whole messages only. */
function whole(messageBytes: number, move: (chunk: Buffer) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const end = bytes.length - (bytes.length % messageBytes);
    rest = Buffer.from(bytes.subarray(end));
    if (end > 0) move(bytes.subarray(0, end));
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { dir: { type: "string", default: "." }, "same-thread": { type: "boolean", default: false } },
  });
  const path = join(values.dir, `plain-socket-file-${process.pid}.tmp`);
  const mover = new Mover(path, values["same-thread"]);
  const lanes = new Map<number, Lane>();
  const server = createServer((socket) => serve(socket, lanes, mover));
  server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
    process.stdout.write(`ready 127.0.0.1:${(server.address() as { port: number }).port}\n`);
  });
  process.once("SIGTERM", () => {
    rmSync(path);
    process.exit(0);
  });
}
