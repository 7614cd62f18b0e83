// One connection of a load program to whoever speaks Kafka's protocol: hand-made requests of old versions go out, answers come back in
// the order of the requests. Thousands of them fit into one thread, since a connection is a socket, a buffer and two counters.
//
// The socket reads behind what is left of an answer that is cut, so that nothing is copied but such a rest. An answer is valid only
// while it is handed over. A closed socket is an error of the run.

import { connect, type Socket } from "node:net";
import { WireReader, WireWriter } from "./plain-wire.ts";

/** Keys of the requests that a load makes, and the version of each: what Kafka 4 still serves of the oldest. */
export const api = {
  produce: [0, 3],
  fetch: [1, 4],
  /** The first with sessions. */
  sessionFetch: [1, 7],
  listOffsets: [2, 1],
  createTopics: [19, 2],
  deleteTopics: [20, 1],
  initProducerId: [22, 0],
  createPartitions: [37, 0],
} as const;

/** Of a request: after its length, key and version. */
const correlationAt = 8;

/** Begins a request; its number is written when it is sent. */
export function beginRequest([key, version]: readonly [number, number], writer = new WireWriter()): WireWriter {
  writer.at = 4;
  return writer.i16(key).i16(version).i32(0).text("bench");
}

export class KafkaPeer {
  /** Gets each answer, from behind its number on; it is valid only during the call. */
  receiver: (answer: WireReader) => void = () => {};
  onFailure: (why: Error) => void;
  readonly #socket: Socket;
  #buffer: Buffer;
  #filled = 0;
  #sent = 0;
  #answered = 0;
  #isClosed = false;

  private constructor(address: string, readBytes: number, onFailure: (why: Error) => void) {
    this.#buffer = Buffer.allocUnsafe(readBytes);
    this.onFailure = onFailure;
    const at = address.lastIndexOf(":");
    this.#socket = connect({
      host: address.slice(0, at),
      port: Number(address.slice(at + 1)),
      noDelay: true,
      onread: {
        buffer: () => this.#buffer.subarray(this.#filled),
        callback: (count) => {
          this.#receive(count);
          return true;
        },
      },
    });
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Error("the broker closed the socket")));
  }

  /**
   * Connects. Errors: no connection.
   * @param address host:port
   * @param readBytes what one read may bring; an answer may be longer
   */
  static open(address: string, readBytes = 65_536): Promise<KafkaPeer> {
    return new Promise((resolve, reject) => {
      const peer = new KafkaPeer(address, readBytes, reject);
      peer.#socket.once("connect", () => resolve(peer));
    });
  }

  /** Opens a connection for `run`. Errors: no connection; those of `run`. */
  static async with<Result>(address: string, run: (peer: KafkaPeer) => Promise<Result>): Promise<Result> {
    const peer = await KafkaPeer.open(address);
    try {
      return await run(peer);
    } finally {
      peer.close();
    }
  }

  /** The frame belongs to the socket until its answer is there. */
  send(frame: Buffer): void {
    frame.writeInt32BE(++this.#sent, correlationAt);
    this.#socket.write(frame);
  }

  /** Sends what others wait for too seldom to count, and resolves with a copy of its answer. */
  ask(what: readonly [number, number], write: (request: WireWriter) => void): Promise<WireReader> {
    if (this.#isClosed) return Promise.reject(new Error("the broker closed the socket"));
    const request = beginRequest(what);
    write(request);
    return new Promise((resolve, reject) => {
      this.onFailure = reject;
      this.receiver = (answer) => resolve(answer.copy());
      this.send(request.frame());
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.destroy();
  }

  #receive(count: number): void {
    this.#filled += count;
    const buffer = this.#buffer;
    let at = 0;
    while (!this.#isClosed && this.#filled - at >= 4) {
      const end = at + 4 + buffer.readInt32BE(at);
      if (end > this.#filled) break;
      this.#take(new WireReader(buffer.subarray(at + 4, end)));
      at = end;
    }
    if (at > 0) buffer.copyWithin(0, at, this.#filled);
    this.#filled -= at;
    const needed = this.#filled < 4 ? 0 : 4 + buffer.readInt32BE(0);
    if (needed <= buffer.length) return;
    this.#buffer = Buffer.allocUnsafe(2 * needed);
    buffer.copy(this.#buffer, 0, 0, this.#filled);
  }

  #take(answer: WireReader): void {
    if (answer.i32() !== ++this.#answered) return this.#fail(new Error("answers are out of order"));
    try {
      this.receiver(answer);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(why: Error): void {
    if (this.#isClosed) return;
    this.close();
    this.onFailure(why);
  }
}
