/**
 * From bytes as they arrive to frames, in place.
 *
 *     frame = int32 size, size bytes
 *
 *     reader.push(chunk);
 *     while (reader.next()) use(reader.buffer, reader.start, reader.end);
 *     if (reader.fault !== null) ...
 *
 * It gives the same frames however the bytes are cut, and allocates nothing for one that lies in its chunk: that is handed
 * out there, untouched. One that crosses chunks is put together in memory of the reader's. When `next` says false nothing of
 * the chunk is referred to any more; what it handed out holds until it is called again.
 *
 * What a peer promises costs nothing: room is made for four times what has come, never more, and growing it copies each byte
 * half a time on average. Up to 16 KB it stays with the reader. Larger pieces up to 2 MB, which is where producers' requests
 * are, come from a pool that all readers of the thread share: a fresh megabyte costs more in page faults (0.2 ms) than
 * copying it does.
 *
 * Rejected: a list of chunks that is joined at the end (the chunks are the socket's, so it would copy twice), and room for
 * all of a frame at its header (a thousand connections that say 100 MB and stop).
 */

import { assert } from "../../../base/assert.ts";
import { copyBytes, getU32 } from "../../../base/bytes.ts";

const sizeBytes = 4;
const keptLeastBytes = 512;
const keptMostBytes = 16_384;
const pooledMostBytes = 2_097_152;
const poolBytesMax = 16_777_216;
const growth = 4;

const nothing = Buffer.alloc(0);

/** Free memory by the power of two that is its size. */
const freeBySize = new Map<number, Buffer[]>();
let freeBytes = 0;

export class FrameReader {
  /** What `next` found: `buffer[start, end)`, without the size before it. */
  buffer: Buffer = nothing;
  start = 0;
  end = 0;
  /** A size that is negative or over the limit; nothing behind it is read. */
  fault: string | null = null;

  /** May be changed between frames: who has not logged in has no right to large ones. */
  frameBytesMax: number;
  #chunk: Buffer = nothing;
  #at = 0;
  /** The beginning of a frame that is not complete, its size included; `#keptBytes` of it are there. */
  #kept: Buffer = nothing;
  #keptBytes = 0;
  /** Whether the frame that was handed out last lies in `#kept`. */
  #isKeptOut = false;

  constructor(frameBytesMax: number) {
    this.frameBytesMax = frameBytesMax;
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

    const chunk = this.#chunk;
    const left = chunk.length - this.#at;
    if (left < sizeBytes) return this.#keepRest(left);
    const size = getU32(chunk, this.#at);
    if (!this.#isAcceptable(size)) return false;
    if (left < sizeBytes + size) return this.#keepRest(left);
    return this.#handOut(chunk, (this.#at += sizeBytes), (this.#at += size));
  }

  /** Lets go of all memory. Nothing can be read afterwards. */
  close(): void {
    this.#forgetChunk();
    this.#dropKept();
    giveBack(this.#kept);
    this.#kept = nothing;
  }

  /** Bytes that came of a frame that is not complete. */
  get keptBytes(): number {
    return this.#isKeptOut ? 0 : this.#keptBytes;
  }

  #handOut(buffer: Buffer, start: number, end: number): true {
    this.buffer = buffer;
    this.start = start;
    this.end = end;
    return true;
  }

  #isAcceptable(size: number): boolean {
    if (size <= this.frameBytesMax) return true;
    // Kafka's size has a sign.
    this.fault = `a frame of ${size | 0} bytes, of ${this.frameBytesMax} at most`;
    this.close();
    return false;
  }

  #nextAcrossChunks(): boolean {
    if (!this.#keepUntil(sizeBytes)) return false;
    const size = getU32(this.#kept, 0);
    if (!this.#isAcceptable(size)) return false;
    if (!this.#keepUntil(sizeBytes + size)) return false;
    this.#isKeptOut = true;
    return this.#handOut(this.#kept, sizeBytes, sizeBytes + size);
  }

  #keepRest(left: number): false {
    if (left > 0) this.#keep(left, left < sizeBytes ? left : sizeBytes + getU32(this.#chunk, this.#at));
    this.#forgetChunk();
    return false;
  }

  /** Keeps from the chunk until `bytes` are kept. False if the chunk ends before that. */
  #keepUntil(bytes: number): boolean {
    const missing = bytes - this.#keptBytes;
    if (missing <= 0) return true;
    const left = this.#chunk.length - this.#at;
    this.#keep(Math.min(missing, left), bytes);
    if (left >= missing) return true;
    this.#forgetChunk();
    return false;
  }

  /** @param wantedBytes of the frame, as far as it is known. */
  #keep(bytes: number, wantedBytes: number): void {
    const needed = this.#keptBytes + bytes;
    if (needed > this.#kept.length) {
      const grown = lend(Math.min(wantedBytes, needed * growth));
      this.#kept.copy(grown, 0, 0, this.#keptBytes);
      giveBack(this.#kept);
      this.#kept = grown;
    }
    copyBytes(this.#chunk, this.#at, this.#at + bytes, this.#kept, this.#keptBytes);
    this.#keptBytes = needed;
    this.#at += bytes;
  }

  #forgetChunk(): void {
    this.#chunk = nothing;
    this.#at = 0;
    this.buffer = nothing;
  }

  #dropKept(): void {
    this.#isKeptOut = false;
    this.#keptBytes = 0;
    if (this.#kept.length <= keptMostBytes) return;
    giveBack(this.#kept);
    this.#kept = nothing;
  }
}

/** At least so many bytes. */
function lend(bytes: number): Buffer {
  if (bytes > pooledMostBytes) return Buffer.allocUnsafeSlow(bytes);
  let size = keptLeastBytes;
  while (size < bytes) size *= 2;
  const found = freeBySize.get(size)?.pop();
  if (found === undefined) return Buffer.allocUnsafeSlow(size);
  freeBytes -= size;
  return found;
}

function giveBack(buffer: Buffer): void {
  const { length } = buffer;
  if (length <= keptMostBytes || length > pooledMostBytes || freeBytes + length > poolBytesMax) return;
  const free = freeBySize.get(length);
  if (free === undefined) freeBySize.set(length, [buffer]);
  else free.push(buffer);
  freeBytes += length;
}
