// One AMQP connection of a load program, cheap enough that the broker is what is measured.
//
// The socket reads into one buffer for ever (`onread`), and frames are looked at in place: of a delivery only the tag,
// the redelivered bit and the body's position are read, of a confirm only the tag. A frame that is cut by the end of a
// chunk is kept in `carry` and completed by the next one; nothing else is copied. Acknowledgements are whole frames
// written once into a buffer and patched (channel, tag), and leave in one write for each chunk read.
//
// A message is handed over when its last frame is there; of a body in several frames its beginning is kept until then.
// Frames of one message come without another message's between them: this program reads one at a time.
//
// A socket may keep a buffer that it could not send at once, so a buffer is used again only when nothing is queued.
// Everything that is not a delivery or a confirm answers a request of this program, in order, so requests are a queue.
// A close by the broker is an error of the run: a load that goes on after one measures nothing.

import { connect, type Socket } from "node:net";
import { frameEnd, method, MethodFrame } from "./frames.ts";

const ackFrameBytes = 21;
const acksPerBufferMax = 4096;
const readBytesMax = 256 * 1024;
/** Of a body, kept until its last frame is there: what the load's stamp takes, and more. */
const beginningBytes = 16;

export interface Receiver {
  /** A whole message; the beginning of its body stands at `bodyAt`, and is valid only during the call. */
  deliver(channel: number, tag: number, redelivered: boolean, bytes: Buffer, bodyAt: number): void;
  /** A confirm by the broker; a refused one is reported as such. */
  confirm(channel: number, tag: number, multiple: boolean, refused: boolean): void;
  /** All that one read brought has been handed over. */
  pause(): void;
}

const silent: Receiver = { deliver() {}, confirm() {}, pause() {} };

interface Request {
  readonly answer: number;
  readonly resolve: (payload: Buffer) => void;
  readonly reject: (why: Error) => void;
}

export class Peer {
  receiver: Receiver = silent;
  /** The frame size limit that was agreed on, in bytes. */
  frameBytesMax = 131072;
  readonly #socket: Socket;
  readonly #requests: Request[] = [];
  readonly #frameStart = Buffer.alloc(7);
  #carry: Buffer;
  #carried = 0;
  #tag = 0;
  #redelivered = false;
  #bodyLeft = 0;
  #isBodyBegun = false;
  readonly #beginning = Buffer.alloc(beginningBytes);
  readonly #acksPerBuffer: number;
  #acks: Buffer;
  #ackCount = 0;
  #failure: Error | undefined;
  #ended = false;
  onFailure: (why: Error) => void = () => {};

  private constructor(socket: Socket, readBytes: number) {
    this.#socket = socket;
    this.#carry = Buffer.alloc(readBytes);
    this.#acksPerBuffer = Math.ceil((acksPerBufferMax * readBytes) / readBytesMax);
    this.#acks = emptyAcks(this.#acksPerBuffer);
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the broker closed the socket")));
  }

  /**
   * Connects and opens `channels` channels, numbered from 1. Errors: no connection, or refused by the broker.
   * @param readBytes what one read may bring: less where there are thousands of connections
   */
  static async open(uri: string, channels = 1, readBytes = readBytesMax): Promise<Peer> {
    const url = new URL(uri);
    let peer: Peer | undefined;
    const socket = connect({
      host: url.hostname,
      port: Number(url.port || 5672),
      noDelay: true,
      onread: {
        buffer: Buffer.alloc(readBytes),
        callback: (count, buffer) => {
          peer?.receive(buffer as Buffer, count);
          return true;
        },
      },
    });
    peer = new Peer(socket, readBytes);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    await peer.#shakeHands(url, channels);
    return peer;
  }

  async #shakeHands(url: URL, channels: number): Promise<void> {
    const name = decodeURIComponent(url.username || "guest");
    const password = decodeURIComponent(url.password || "guest");
    const vhost = url.pathname.length > 1 ? decodeURIComponent(url.pathname.slice(1)) : "/";
    await this.request(Buffer.from("AMQP\0\0\x09\x01", "latin1"), method.connectionStart);
    const startOk = new MethodFrame(0, method.connectionStartOk)
      .table({ product: "entrepot bench" })
      .shortString("PLAIN")
      .longString(`\0${name}\0${password}`)
      .shortString("en_US");
    const tune = await this.request(startOk.bytes(), method.connectionTune);
    this.frameBytesMax = tune.readUInt32BE(6) || 131072;
    const tuneOk = new MethodFrame(0, method.connectionTuneOk).u16(tune.readUInt16BE(4)).u32(this.frameBytesMax).u16(0);
    this.write(tuneOk.bytes());
    const open = new MethodFrame(0, method.connectionOpen).shortString(vhost).shortString("").u8(0);
    await this.request(open.bytes(), method.connectionOpenOk);
    for (let channel = 1; channel <= channels; channel++) {
      await this.request(new MethodFrame(channel, method.channelOpen).shortString("").bytes(), method.channelOpenOk);
    }
  }

  /** Sends a request and waits for its answer, whose payload (from the class id on) is returned. */
  request(frame: Buffer | MethodFrame, answer: number): Promise<Buffer> {
    if (this.#failure) return Promise.reject(this.#failure);
    this.write(frame instanceof MethodFrame ? frame.bytes() : frame);
    return new Promise((resolve, reject) => this.#requests.push({ answer, resolve, reject }));
  }

  /** Bytes that wait for the socket. */
  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** Queues an acknowledgement; it leaves with `flushAcks`. */
  ack(channel: number, tag: number, multiple: boolean): void {
    if (this.#ackCount === this.#acksPerBuffer) this.flushAcks();
    const acks = this.#acks;
    const at = this.#ackCount++ * ackFrameBytes;
    const high = Math.floor(tag / 0x1_0000_0000);
    acks[at + 1] = channel >>> 8;
    acks[at + 2] = channel;
    acks[at + 13] = high >>> 8;
    acks[at + 14] = high;
    acks[at + 15] = tag >>> 24;
    acks[at + 16] = tag >>> 16;
    acks[at + 17] = tag >>> 8;
    acks[at + 18] = tag;
    acks[at + 19] = multiple ? 1 : 0;
  }

  flushAcks(): void {
    if (this.#ackCount === 0) return;
    this.#socket.write(this.#acks.subarray(0, this.#ackCount * ackFrameBytes));
    this.#ackCount = 0;
    if (this.#socket.writableLength > 0) this.#acks = emptyAcks(this.#acksPerBuffer);
  }

  /** What is written between the two leaves in one system call. */
  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  /** Stops in the protocol's way: the broker has then read everything that was sent before. */
  async close(): Promise<void> {
    if (this.#failure) return;
    const close = new MethodFrame(0, method.connectionClose).u16(200).shortString("bye").u32(0);
    await this.request(close, method.connectionCloseOk);
    this.#ended = true;
    this.#socket.destroy();
  }

  destroy(): void {
    this.#ended = true;
    this.#socket.destroy();
  }

  /** Bytes from the socket: the first `count` of `chunk`. */
  receive(chunk: Buffer, count: number): void {
    let at = this.#carried > 0 ? this.#completeCarried(chunk, count) : 0;
    while (count - at >= 7) {
      const total = u32(chunk, at + 3) + 8;
      if (count - at < total) break;
      this.#frame(chunk, at, total);
      at += total;
    }
    if (at < count) this.#keep(chunk, at, count);
    this.receiver.pause();
  }

  #keep(chunk: Buffer, from: number, to: number): void {
    const needed = this.#carried + to - from;
    if (needed > this.#carry.length) {
      const larger = Buffer.alloc(needed * 2);
      this.#carry.copy(larger, 0, 0, this.#carried);
      this.#carry = larger;
    }
    chunk.copy(this.#carry, this.#carried, from, to);
    this.#carried = needed;
  }

  /** Adds to the carried start of a frame what is missing; returns where the next frame begins in `chunk`. */
  #completeCarried(chunk: Buffer, count: number): number {
    let at = 0;
    if (this.#carried < 7) {
      at = Math.min(7 - this.#carried, count);
      this.#keep(chunk, 0, at);
      if (this.#carried < 7) return at;
    }
    this.#carry.copy(this.#frameStart, 0, 0, 7);
    const total = u32(this.#frameStart, 3) + 8;
    const end = Math.min(at + total - this.#carried, count);
    this.#keep(chunk, at, end);
    if (this.#carried < total) return end;
    this.#carried = 0;
    this.#frame(this.#carry, 0, total);
    return end;
  }

  #frame(bytes: Buffer, at: number, total: number): void {
    if (bytes[at + total - 1] !== frameEnd) throw new Error("a frame does not end with 0xCE");
    const type = bytes[at];
    if (type === 3) this.#body(bytes, at, total);
    else if (type === 1) this.#method(bytes, at, total);
    else if (type === 2) {
      // Bodies of 4 GB and more are not for this program.
      this.#bodyLeft = u32(bytes, at + 15);
      this.#isBodyBegun = false;
    }
  }

  #body(bytes: Buffer, at: number, total: number): void {
    const channel = (bytes[at + 1]! << 8) | bytes[at + 2]!;
    this.#bodyLeft -= total - 8;
    if (this.#bodyLeft > 0) {
      if (!this.#isBodyBegun) bytes.copy(this.#beginning, 0, at + 7, at + 7 + beginningBytes);
      this.#isBodyBegun = true;
    } else if (this.#isBodyBegun) this.receiver.deliver(channel, this.#tag, this.#redelivered, this.#beginning, 0);
    else this.receiver.deliver(channel, this.#tag, this.#redelivered, bytes, at + 7);
  }

  #method(bytes: Buffer, at: number, total: number): void {
    const id = u32(bytes, at + 7);
    if (id === method.basicDeliver) {
      const tagAt = at + 12 + bytes[at + 11]!;
      this.#tag = u32(bytes, tagAt) * 0x1_0000_0000 + u32(bytes, tagAt + 4);
      this.#redelivered = (bytes[tagAt + 8]! & 1) === 1;
    } else if (id === method.basicAck || id === method.basicNack) {
      const channel = (bytes[at + 1]! << 8) | bytes[at + 2]!;
      const tag = u32(bytes, at + 11) * 0x1_0000_0000 + u32(bytes, at + 15);
      this.receiver.confirm(channel, tag, (bytes[at + 19]! & 1) === 1, id === method.basicNack);
    } else this.#answer(id, Buffer.from(bytes.subarray(at + 7, at + total - 1)));
  }

  #answer(id: number, payload: Buffer): void {
    const request = this.#requests[0];
    if (request?.answer === id) {
      this.#requests.shift();
      request.resolve(payload);
    } else if (id === method.connectionClose || id === method.channelClose) {
      const length = payload[6] ?? 0;
      this.#fail(new Error(`closed by the broker: ${payload.toString("utf8", 7, 7 + length)}`));
    } else this.#fail(new Error(`unexpected method 0x${id.toString(16)}`));
  }

  #fail(why: Error): void {
    if (this.#ended || this.#failure) return;
    this.#failure = why;
    for (const request of this.#requests) request.reject(why);
    this.#requests.length = 0;
    this.onFailure(why);
  }
}

function u32(bytes: Buffer, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function emptyAcks(count: number): Buffer {
  const frame = new MethodFrame(0, method.basicAck).u64(0).u8(0).bytes();
  return Buffer.alloc(count * ackFrameBytes, frame);
}
