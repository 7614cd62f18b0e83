/**
 * From bytes as they arrive to frames, in place.
 *
 *     parser.push(chunk);
 *     while (parser.next()) use(parser.type, parser.channel, parser.buffer, parser.start, parser.end);
 *     if (parser.fault !== null) ...
 *
 * It gives the same frames however the bytes are cut into chunks, and allocates nothing per frame. A frame that lies
 * wholly in the chunk is handed out there, untouched; one that crosses chunks is put together in a buffer of the
 * parser's own. When `next` says false nothing of the chunk is referred to any more: what is left of it was copied, so
 * that a hundred bytes never hold on to 64 KB, and the caller may use the chunk's memory again. What `next` handed out
 * holds until the next call of `next`.
 *
 * The first frame is a pretended one of type 0: the eight bytes of the protocol header, which `protocolOf` reads. A
 * frame whose size is over the limit is refused at its header, before anything is kept of it. Frames up to 16 KB are
 * put together in memory that the parser keeps; larger ones in memory that all parsers of the thread share and that is
 * held only while such a frame is incomplete, for otherwise each of ten thousand connections that once sent a large
 * body would keep 128 KB for ever.
 *
 * Rejected: handing out pieces of body frames (no copy for a large frame that crosses chunks, but then everybody behind
 * must know of pieces; the copy costs 3 % of what writing the same bytes to disk does), and callbacks (a closure, and
 * no way to stop in the middle).
 */

import { assert } from "../../../base/assert.ts";
import { copyBytes, getU16, getU32 } from "../../../base/bytes.ts";
import { frameEnd, frameMaxUntunedBytes, frameOverheadBytes, frameTypes } from "./frames.ts";

const frameHeaderBytes = 7;
const protocolHeaderBytes = 8;
const keptLeastBytes = 512;
const keptMostBytes = 16_384;
const sharedBytes = 131_072 + frameOverheadBytes;
const sharedFreeMax = 8;
/** More than what a text shows, so that it shows that there is more. */
const shownBytesMax = 17;

/** Why a parser stopped for good. */
export interface FrameFault {
  readonly kind: "frame-too-large" | "bad-end";
  readonly type: number;
  readonly channel: number;
  /** The payload's size as the frame's header gives it. */
  readonly size: number;
  /** The octet that stood where 206 must stand; 0 for the other kind. */
  readonly endOctet: number;
  /** The payload, for a bad end: a copy of its first 17 bytes at most. */
  readonly payload: Buffer;
}

/** What the first eight bytes of a connection say. */
export type ProtocolName =
  /** `AMQP` 0 0 9 1. */
  | "amqp-0-9-1"
  /** `AMQP` 1 1 0 9: treated as 0-9-1, as RabbitMQ does. */
  | "amqp-0-9"
  /** `AMQP` 3 1 0 0: AMQP 1.0, with its SASL layer. */
  | "amqp-1-0-sasl"
  /** `AMQP` n 1 0 0: AMQP 1.0 without it. */
  | "amqp-1-0"
  /** Begins with `AMQP`, and asks for a version that is none of these. */
  | "amqp-other"
  | "http"
  | "tls"
  | "unknown";

/** Reads the eight bytes at `at`. */
export function protocolOf(buffer: Buffer, at: number): ProtocolName {
  const first = getU32(buffer, at);
  const version = getU32(buffer, at + 4);
  if (first === 0x414d5150) {
    if (version === 0x0000_0901) return "amqp-0-9-1";
    if (version === 0x0101_0009) return "amqp-0-9";
    if (version === 0x0301_0000) return "amqp-1-0-sasl";
    return (version & 0xffffff) === 0x01_0000 ? "amqp-1-0" : "amqp-other";
  }
  if (first === 0x47455420) return "http";
  return first >>> 16 === 0x1603 && buffer[at + 5] === 1 ? "tls" : "unknown";
}

const nothing = Buffer.alloc(0);
const sharedFree: Buffer[] = [];

export class FrameParser {
  /** The frame that `next` found: one of `frameTypes`, its channel, and its payload, `buffer[start, end)`. */
  type = 0;
  channel = 0;
  buffer: Buffer = nothing;
  start = 0;
  end = 0;
  /** What was wrong with the bytes; when it is set, nothing after them is read. */
  fault: FrameFault | null = null;

  #frameMaxBytes = frameMaxUntunedBytes;
  #isHeaderRead = false;
  #chunk: Buffer = nothing;
  #at = 0;
  /** The beginning of a frame that is not complete; `#keptBytes` of it are there. */
  #kept: Buffer = nothing;
  #keptBytes = 0;
  /** Whether the frame that was handed out last lies in `#kept`. */
  #isKeptOut = false;

  /** The largest frame to accept, overhead included; 0 for no limit but that of the protocol, 4 GB. */
  set frameMaxBytes(bytes: number) {
    this.#frameMaxBytes = bytes;
  }

  /** Takes the bytes that came. `next` must have said false about those before. */
  push(chunk: Buffer): void {
    assert(this.#at === this.#chunk.length, "the chunk before was read to its end");
    if (this.fault !== null) return;
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** Copies what was not read of the chunk: its memory is about to be used again. */
  keepChunk(): void {
    if (this.#at === this.#chunk.length) return;
    this.#chunk = Buffer.from(this.#chunk.subarray(this.#at));
    this.#at = 0;
  }

  /** Moves to the next frame. False: there is none yet, or never again because of `fault`. */
  next(): boolean {
    if (this.#isKeptOut) this.#dropKept();
    if (this.fault !== null) return false;
    if (this.#keptBytes > 0) return this.#nextAcrossChunks();
    if (!this.#isHeaderRead) return this.#nextProtocolHeader();

    const chunk = this.#chunk;
    const at = this.#at;
    const left = chunk.length - at;
    if (left < frameHeaderBytes) return this.#keepRest();
    const size = getU32(chunk, at + 3);
    if (!this.#isAcceptable(chunk, at, size)) return false;
    if (left < size + frameOverheadBytes) return this.#keepRest();
    this.#at = at + size + frameOverheadBytes;
    return this.#handOut(chunk, at, size);
  }

  /** Lets go of all memory. Nothing can be parsed afterwards. */
  close(): void {
    this.#chunk = nothing;
    this.#at = 0;
    this.buffer = nothing;
    this.#dropKept();
  }

  /** Bytes kept of a frame that is not complete. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  #handOut(buffer: Buffer, at: number, size: number): boolean {
    const end = at + frameHeaderBytes + size;
    this.type = buffer[at]!;
    this.channel = getU16(buffer, at + 1);
    this.buffer = buffer;
    this.start = at + frameHeaderBytes;
    this.end = end;
    if (buffer[end] !== frameEnd) return this.#fail("bad-end", buffer, at, buffer[end]!);
    return true;
  }

  #isAcceptable(buffer: Buffer, at: number, size: number): boolean {
    // RabbitMQ lets a frame pass the limit by the overhead, since clients get it wrong by as much.
    if (this.#frameMaxBytes !== 0 && size > this.#frameMaxBytes) return this.#fail("frame-too-large", buffer, at, 0);
    return true;
  }

  #fail(kind: FrameFault["kind"], buffer: Buffer, at: number, endOctet: number): false {
    const size = getU32(buffer, at + 3);
    const shownFrom = at + frameHeaderBytes;
    const shown = kind === "bad-end" ? buffer.subarray(shownFrom, shownFrom + Math.min(size, shownBytesMax)) : nothing;
    this.fault = {
      kind,
      type: buffer[at]!,
      channel: getU16(buffer, at + 1),
      size,
      endOctet,
      payload: Buffer.from(shown),
    };
    this.close();
    return false;
  }

  #nextProtocolHeader(): boolean {
    if (this.#chunk.length - this.#at < protocolHeaderBytes) return this.#keepRest();
    this.#at += protocolHeaderBytes;
    return this.#handOutProtocolHeader(this.#chunk, this.#at - protocolHeaderBytes);
  }

  #handOutProtocolHeader(buffer: Buffer, at: number): boolean {
    this.#isHeaderRead = true;
    this.type = frameTypes.protocolHeader;
    this.channel = 0;
    this.buffer = buffer;
    this.start = at;
    this.end = at + protocolHeaderBytes;
    return true;
  }

  /** Completes what was kept from the chunk, as far as it goes. */
  #nextAcrossChunks(): boolean {
    if (!this.#isHeaderRead) {
      if (!this.#keepUntil(protocolHeaderBytes)) return false;
      this.#isKeptOut = true;
      return this.#handOutProtocolHeader(this.#kept, 0);
    }
    if (!this.#keepUntil(frameHeaderBytes)) return false;
    const size = getU32(this.#kept, 3);
    if (!this.#isAcceptable(this.#kept, 0, size)) return false;
    if (!this.#keepUntil(size + frameOverheadBytes)) return false;
    this.#isKeptOut = true;
    return this.#handOut(this.#kept, 0, size);
  }

  #keepRest(): boolean {
    const left = this.#chunk.length - this.#at;
    if (left > 0) {
      let bytes = left;
      // The frame's size is known: make room for all of it at once.
      if (this.#isHeaderRead && left >= frameHeaderBytes) {
        bytes = getU32(this.#chunk, this.#at + 3) + frameOverheadBytes;
      }
      this.#makeRoom(bytes, left);
      this.#keep(left);
    }
    this.#forgetChunk();
    return false;
  }

  /** Keeps from the chunk until `bytes` are kept. False if the chunk ends before that. */
  #keepUntil(bytes: number): boolean {
    const missing = bytes - this.#keptBytes;
    if (missing <= 0) return true;
    const left = this.#chunk.length - this.#at;
    const found = Math.min(missing, left);
    this.#makeRoom(bytes, this.#keptBytes + found);
    this.#keep(found);
    if (left >= missing) return true;
    this.#forgetChunk();
    return false;
  }

  #keep(bytes: number): void {
    copyBytes(this.#chunk, this.#at, this.#at + bytes, this.#kept, this.#keptBytes);
    this.#keptBytes += bytes;
    this.#at += bytes;
  }

  #forgetChunk(): void {
    this.#chunk = nothing;
    this.#at = 0;
    this.buffer = nothing;
  }

  /** Makes room for all of a frame, unless it is very large: then for what is there, doubling. */
  #makeRoom(frameBytes: number, neededBytes: number): void {
    const before = this.#kept;
    const bytes = frameBytes <= sharedBytes ? frameBytes : Math.max(neededBytes, sharedBytes);
    if (before.length >= bytes) return;
    if (bytes <= keptMostBytes) this.#kept = newKept(bytes);
    else
      this.#kept = bytes <= sharedBytes ? borrowShared() : Buffer.allocUnsafeSlow(Math.max(bytes, 2 * before.length));
    before.copy(this.#kept, 0, 0, this.#keptBytes);
    returnShared(before);
  }

  #dropKept(): void {
    this.#isKeptOut = false;
    this.#keptBytes = 0;
    if (this.#kept.length > keptMostBytes) {
      returnShared(this.#kept);
      this.#kept = nothing;
    }
  }
}

function newKept(bytes: number): Buffer {
  let length = keptLeastBytes;
  while (length < bytes) length *= 2;
  return Buffer.allocUnsafeSlow(length);
}

function borrowShared(): Buffer {
  return sharedFree.pop() ?? Buffer.allocUnsafeSlow(sharedBytes);
}

function returnShared(buffer: Buffer): void {
  if (buffer.length === sharedBytes && sharedFree.length < sharedFreeMax) sharedFree.push(buffer);
}
