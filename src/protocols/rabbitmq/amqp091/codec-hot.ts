/**
 * Hand-written twins of the table-driven codec for the frames that go by with each message: publish, content headers,
 * settlements and confirms in; deliveries, content and confirms out.
 *
 * Reading gives positions and numbers in structs that are used again; no string, no object. Writing puts a delivery's
 * frames straight into the output's chunk from where the entry lies, so a payload byte is moved once. A property test
 * holds that each twin agrees with codec.ts in what it accepts, reads and writes.
 */

import { isUtf8 } from "node:buffer";
import { assert } from "../../../base/assert.ts";
import { copyBytes, getU16, getU32, getU64, putU16, putU32, putU64 } from "../../../base/bytes.ts";
import type { Output } from "../../../wire/output.ts";
import { writeFrameHeader } from "./codec.ts";
import { ackId, basicClassId, frameEnd, frameOverheadBytes, frameTypes, methods, nackId, rejectId } from "./frames.ts";

const deliverId = methods["basic.deliver"].id;
/** Class, weight and body size. */
const contentHeaderBytes = 12;
/** Up to here the header frame is written in one piece; longer heads may cross chunks. */
const pieceBytesMax = 2048;
const none = Buffer.alloc(0);

/** The arguments of basic.publish; the names are `buffer[start, end)` of the buffer that was parsed. */
export class PublishPositions {
  exchangeStart = 0;
  exchangeEnd = 0;
  routingKeyStart = 0;
  routingKeyEnd = 0;
  isMandatory = false;
  isImmediate = false;
}

/**
 * Reads the payload of a basic.publish, class and method included. False if it is malformed: also if the exchange's name is
 * no UTF-8, as no name is. The routing key may be any bytes.
 */
export function parsePublish(buffer: Buffer, start: number, end: number, into: PublishPositions): boolean {
  const exchangeStart = start + 7;
  if (exchangeStart >= end) return false;
  const exchangeEnd = exchangeStart + buffer[start + 6]!;
  if (exchangeEnd >= end) return false;
  const routingKeyEnd = exchangeEnd + 1 + buffer[exchangeEnd]!;
  if (routingKeyEnd !== end - 1) return false;
  if (!isText(buffer, exchangeStart, exchangeEnd)) return false;
  const bits = buffer[routingKeyEnd]!;
  into.exchangeStart = exchangeStart;
  into.exchangeEnd = exchangeEnd;
  into.routingKeyStart = exchangeEnd + 1;
  into.routingKeyEnd = routingKeyEnd;
  into.isMandatory = (bits & 1) !== 0;
  into.isImmediate = (bits & 2) !== 0;
  return true;
}

function isText(buffer: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (buffer[at]! > 0x7f) return isUtf8(buffer.subarray(start, end));
  return true;
}

/** A content header; the head is `buffer[headStart, headEnd)` of the buffer that was parsed. */
export class ContentHeader {
  classId = 0;
  weight = 0;
  /** Rounded past 2^53, which is past every limit. */
  bodyBytes = 0;
  headStart = 0;
  headEnd = 0;
}

/** Reads the payload of a header frame, but for the properties. False if it is malformed. */
export function parseContentHeader(buffer: Buffer, start: number, end: number, into: ContentHeader): boolean {
  if (end - start < contentHeaderBytes + 2) return false;
  into.classId = getU16(buffer, start);
  into.weight = getU16(buffer, start + 2);
  into.bodyBytes = getU64(buffer, start + 4);
  into.headStart = start + contentHeaderBytes;
  into.headEnd = end;
  return true;
}

/** What a basic.ack, basic.nack or basic.reject says. */
export class Settlement {
  /** Rounded past 2^53, where no tag is known anyway. */
  deliveryTag = 0;
  isMultiple = false;
  isAck = false;
  /** Of a nack or reject: back to the queue, and not dropped or dead-lettered. */
  isRequeue = false;
}

/** Reads the payload of the method with that id, one of ackId, nackId and rejectId. False if it is malformed. */
export function parseSettlement(buffer: Buffer, id: number, start: number, end: number, into: Settlement): boolean {
  if (end - start !== 13) return false;
  const bits = buffer[start + 12]!;
  into.deliveryTag = getU64(buffer, start + 4);
  into.isAck = id === ackId;
  into.isMultiple = id !== rejectId && (bits & 1) !== 0;
  into.isRequeue = id === nackId ? (bits & 2) !== 0 : id === rejectId && (bits & 1) !== 0;
  return true;
}

/** The first four octets of a method frame's payload, or -1 if there are fewer. */
export function methodIdAt(buffer: Buffer, start: number, end: number): number {
  return end - start < 4 ? -1 : getU32(buffer, start);
}

/** Writes a basic.ack, which confirms what was published. */
export function writeAck(output: Output, channel: number, deliveryTag: number, isMultiple: boolean): void {
  writeConfirm(output, channel, ackId, deliveryTag, isMultiple ? 1 : 0);
}

/** Writes a basic.nack, which says that what was published is lost. Its requeue bit is clear, as RabbitMQ's is. */
export function writeNack(output: Output, channel: number, deliveryTag: number, isMultiple: boolean): void {
  writeConfirm(output, channel, nackId, deliveryTag, isMultiple ? 1 : 0);
}

function writeConfirm(output: Output, channel: number, id: number, deliveryTag: number, bits: number): void {
  const at = output.reserve(21);
  const buffer = output.buffer;
  writeFrameHeader(buffer, at, frameTypes.method, channel, 13);
  putU32(buffer, at + 7, id);
  putU64(buffer, at + 11, deliveryTag);
  buffer[at + 19] = bits;
  buffer[at + 20] = frameEnd;
}

/** Where the parts of a message lie, in a struct to be used again. The head may lie elsewhere, if it was rewritten. */
export class ContentParts {
  source: Buffer = none;
  exchangeStart = 0;
  exchangeEnd = 0;
  routingKeyStart = 0;
  routingKeyEnd = 0;
  bodyStart = 0;
  bodyEnd = 0;
  headSource: Buffer = none;
  headStart = 0;
  headEnd = 0;

  /** Lets go of the buffers. */
  clear(): void {
    this.source = none;
    this.headSource = none;
  }
}

/**
 * Writes a delivery: basic.deliver, the header, and the body in frames of at most `frameMaxBytes` (0 for no limit).
 * @param consumerTag its bytes, without a length
 */
export function writeDeliver(
  output: Output,
  channel: number,
  frameMaxBytes: number,
  consumerTag: Buffer,
  deliveryTag: number,
  isRedelivered: boolean,
  parts: ContentParts,
): void {
  const tagBytes = consumerTag.length;
  const exchangeBytes = parts.exchangeEnd - parts.exchangeStart;
  const routingKeyBytes = parts.routingKeyEnd - parts.routingKeyStart;
  assert(tagBytes < 256 && exchangeBytes < 256 && routingKeyBytes < 256, "short strings have at most 255 bytes");
  const size = 4 + 1 + tagBytes + 8 + 1 + 1 + exchangeBytes + 1 + routingKeyBytes;
  let at = output.reserve(size + frameOverheadBytes);
  const buffer = output.buffer;
  const source = parts.source;
  at = writeFrameHeader(buffer, at, frameTypes.method, channel, size);
  putU32(buffer, at, deliverId);
  buffer[at + 4] = tagBytes;
  copyBytes(consumerTag, 0, tagBytes, buffer, at + 5);
  at += 5 + tagBytes;
  putU64(buffer, at, deliveryTag);
  buffer[at + 8] = isRedelivered ? 1 : 0;
  buffer[at + 9] = exchangeBytes;
  copyBytes(source, parts.exchangeStart, parts.exchangeEnd, buffer, at + 10);
  at += 10 + exchangeBytes;
  buffer[at] = routingKeyBytes;
  copyBytes(source, parts.routingKeyStart, parts.routingKeyEnd, buffer, at + 1);
  buffer[at + 1 + routingKeyBytes] = frameEnd;
  writeContent(output, channel, frameMaxBytes, parts);
}

/** Writes the header frame and the body frames that follow a deliver, get-ok or return. */
export function writeContent(output: Output, channel: number, frameMaxBytes: number, parts: ContentParts): void {
  const bodyBytes = parts.bodyEnd - parts.bodyStart;
  writeContentHeader(output, channel, bodyBytes, parts.headSource, parts.headStart, parts.headEnd);
  const pieceMax = frameMaxBytes === 0 ? bodyBytes : frameMaxBytes - frameOverheadBytes;
  for (let from = parts.bodyStart; from < parts.bodyEnd;) {
    const piece = Math.min(parts.bodyEnd - from, pieceMax);
    if (piece <= pieceBytesMax) {
      const at = output.reserve(piece + frameOverheadBytes);
      const buffer = output.buffer;
      const bodyAt = writeFrameHeader(buffer, at, frameTypes.body, channel, piece);
      copyBytes(parts.source, from, from + piece, buffer, bodyAt);
      buffer[bodyAt + piece] = frameEnd;
    } else {
      const at = output.reserve(frameOverheadBytes - 1);
      writeFrameHeader(output.buffer, at, frameTypes.body, channel, piece);
      output.copy(parts.source, from, from + piece);
      output.u8(frameEnd);
    }
    from += piece;
  }
}

/** Writes a header frame with the head `source[start, end)`, which cannot be split: it passes frame-max if it must. */
export function writeContentHeader(
  output: Output,
  channel: number,
  bodyBytes: number,
  source: Buffer,
  start: number,
  end: number,
): void {
  const headBytes = end - start;
  const isPiece = headBytes <= pieceBytesMax;
  const at = output.reserve(frameOverheadBytes - 1 + contentHeaderBytes + (isPiece ? headBytes + 1 : 0));
  const buffer = output.buffer;
  const to = writeFrameHeader(buffer, at, frameTypes.header, channel, contentHeaderBytes + headBytes);
  putU16(buffer, to, basicClassId);
  putU16(buffer, to + 2, 0);
  putU64(buffer, to + 4, bodyBytes);
  if (isPiece) {
    copyBytes(source, start, end, buffer, to + contentHeaderBytes);
    buffer[to + contentHeaderBytes + headBytes] = frameEnd;
  } else {
    output.copy(source, start, end);
    output.u8(frameEnd);
  }
}
