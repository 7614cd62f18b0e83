/**
 * From bytes as they arrive to frames, in place.
 *
 *     parser.push(chunk);
 *     while (parser.next()) use(parser.type, parser.channel, parser.buffer, parser.start, parser.end);
 *     if (parser.fault !== null) ...
 *
 * How bytes become frames without an allocation is wire/frame-reader.ts; here is what a frame of AMQP looks like:
 *
 *     frame = type octet, channel short, size long, size bytes, 206
 *
 * The first frame is a pretended one of type 0: the eight bytes of the protocol header, which `protocolOf` reads. A
 * frame whose size is over the limit is refused at its header, before anything is kept of it. What `next` handed out
 * holds until the next call of `next`.
 */

import { getU16, getU32 } from "../../../base/bytes.ts";
import { FrameReader, type Framing, notAFrame } from "../../../wire/frame-reader.ts";
import { frameEnd, frameMaxUntunedBytes, frameOverheadBytes, frameTypes } from "./frames.ts";

const frameHeaderBytes = 7;
const protocolHeaderBytes = 8;
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

class AmqpFraming implements Framing {
  isHeaderRead = false;
  frameMaxBytes = frameMaxUntunedBytes;
  fault: FrameFault | null = null;

  measure(buffer: Buffer, start: number, end: number): number {
    if (!this.isHeaderRead) return protocolHeaderBytes;
    if (end - start < frameHeaderBytes) return frameHeaderBytes;
    const size = getU32(buffer, start + 3);
    // RabbitMQ lets a frame pass the limit by the overhead, since clients get it wrong by as much.
    if (this.frameMaxBytes === 0 || size <= this.frameMaxBytes) return size + frameOverheadBytes;
    this.fault = faultOf("frame-too-large", buffer, start, 0, nothing);
    return notAFrame;
  }
}

function faultOf(kind: FrameFault["kind"], buffer: Buffer, at: number, endOctet: number, payload: Buffer): FrameFault {
  return { kind, type: buffer[at]!, channel: getU16(buffer, at + 1), size: getU32(buffer, at + 3), endOctet, payload };
}

export class FrameParser {
  /** The frame that `next` found: one of `frameTypes`, its channel, and its payload, `buffer[start, end)`. */
  type = 0;
  channel = 0;
  start = 0;
  end = 0;
  readonly #framing = new AmqpFraming();
  readonly #frames = new FrameReader(this.#framing);

  get buffer(): Buffer {
    return this.#frames.buffer;
  }

  /** What was wrong with the bytes; when it is set, nothing after them is read. */
  get fault(): FrameFault | null {
    return this.#framing.fault;
  }

  /** The largest frame to accept, overhead included; 0 for no limit but that of the protocol, 4 GB. */
  set frameMaxBytes(bytes: number) {
    this.#framing.frameMaxBytes = bytes;
  }

  /** Takes the bytes that came. `next` must have said false about those before. */
  push(chunk: Buffer): void {
    this.#frames.push(chunk);
  }

  /** Copies what was not read of the chunk: its memory is about to be used again. */
  keepChunk(): void {
    this.#frames.keepChunk();
  }

  /** Moves to the next frame. False: there is none yet, or never again because of `fault`. */
  next(): boolean {
    const frames = this.#frames;
    if (!frames.next()) return false;
    const { buffer, start, end } = frames;
    if (!this.#framing.isHeaderRead) return this.#handOutProtocolHeader(start, end);
    const endAt = end - 1;
    this.type = buffer[start]!;
    this.channel = getU16(buffer, start + 1);
    this.start = start + frameHeaderBytes;
    this.end = endAt;
    return buffer[endAt] === frameEnd || this.#refuseEnd(buffer, start, endAt);
  }

  /** Lets go of all memory. Nothing can be parsed afterwards. */
  close(): void {
    this.#frames.close();
  }

  /** Bytes kept of a frame that is not complete. */
  get keptBytes(): number {
    return this.#frames.keptBytes;
  }

  #handOutProtocolHeader(start: number, end: number): true {
    this.#framing.isHeaderRead = true;
    this.type = frameTypes.protocolHeader;
    this.channel = 0;
    this.start = start;
    this.end = end;
    return true;
  }

  #refuseEnd(buffer: Buffer, start: number, endAt: number): false {
    const payloadAt = start + frameHeaderBytes;
    const shown = Buffer.from(buffer.subarray(payloadAt, Math.min(endAt, payloadAt + shownBytesMax)));
    this.#framing.fault = faultOf("bad-end", buffer, start, buffer[endAt]!, shown);
    this.close();
    return false;
  }
}
