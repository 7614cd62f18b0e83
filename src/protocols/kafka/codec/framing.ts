/**
 * Requests and answers as they lie in the stream; what cuts them is wire/frame-reader.ts.
 *
 *     frame = int32 size, size bytes
 */

import { getU32 } from "../../../base/bytes.ts";
import { type Framing, notAFrame } from "../../../wire/frame-reader.ts";

/** What is said in a frame begins behind its size. */
export const sizeBytes = 4;

export class SizedFraming implements Framing {
  /** May be changed between frames: who has not logged in has no right to large ones. */
  payloadBytesMax: number;
  /** A size that is negative or over the limit. */
  fault: string | null = null;
  /** What was answered last: of a frame that is not complete, how long it is. */
  bytes = 0;

  constructor(payloadBytesMax: number) {
    this.payloadBytesMax = payloadBytesMax;
  }

  measure(buffer: Buffer, start: number, end: number): number {
    if (end - start < sizeBytes) return (this.bytes = sizeBytes);
    const size = getU32(buffer, start);
    if (size <= this.payloadBytesMax) return (this.bytes = sizeBytes + size);
    // Kafka's size has a sign.
    this.fault = `a frame of ${size | 0} bytes, of ${this.payloadBytesMax} at most`;
    return notAFrame;
  }
}
