/**
 * Where bytes for a socket are gathered: a writer over chunks that come from a pool and go back to it.
 *
 * It promises that writing costs no allocation per message, that `reserve(n)` gives n contiguous bytes, and that an
 * output with nothing pending holds no memory: ten thousand idle connections cost nothing here.
 *
 *     reserve/u8/copy ...  ->  take(): chunks for one writev  ->  the socket has written them  ->  release(chunks)
 *
 * There are two sizes of chunk. Large ones (64 KB) carry load. The first chunk after a take is a small one (4 KB) when
 * the take before it was small as well: two hundred connections that each send one confirm a turn then touch 200 pages
 * and not 13 MB, and the pool, last in, first out, hands out what is still in the processor's cache. A reservation
 * larger than a chunk gets a buffer of its own, which is not pooled.
 *
 * Rejected: one buffer that doubles (copies all that is pending, keeps its largest size for ever), keeping the rest of
 * a chunk after a take (needs a count of references per chunk, to save what the small size saves), and Buffer.concat.
 */

import { copyBytes, putU16, putU32, putU64 } from "../base/bytes.ts";

const smallBytes = 4096;
const largeBytes = 65_536;
const freeSmallMax = 1024;
const freeLargeMax = 256;

const nothing = Buffer.alloc(0);

/** Chunks that nobody uses now, shared by all outputs of a thread. */
export class ChunkPool {
  readonly #small: Buffer[] = [];
  readonly #large: Buffer[] = [];

  /** A chunk with room for `bytes`, its content undefined: small if asked for and sufficient. */
  lend(bytes: number, preferSmall: boolean): Buffer {
    if (preferSmall && bytes <= smallBytes) return this.#small.pop() ?? Buffer.allocUnsafeSlow(smallBytes);
    if (bytes <= largeBytes) return this.#large.pop() ?? Buffer.allocUnsafeSlow(largeBytes);
    return Buffer.allocUnsafeSlow(bytes);
  }

  /** Takes back a chunk by any view of it. Whoever gives it back must not touch it again. */
  giveBack(view: Buffer): void {
    const memory = view.buffer;
    if (memory.byteLength === smallBytes) {
      if (this.#small.length < freeSmallMax) this.#small.push(Buffer.from(memory));
    } else if (memory.byteLength === largeBytes) {
      if (this.#large.length < freeLargeMax) this.#large.push(Buffer.from(memory));
    }
  }

  /** Bytes that lie ready in the pool. */
  get freeBytes(): number {
    return this.#small.length * smallBytes + this.#large.length * largeBytes;
  }
}

export class Output {
  /** The chunk that is being written. Read it after `reserve`, which may change it. */
  buffer: Buffer = nothing;
  /** The first free byte in `buffer`. */
  position = 0;
  #limit = 0;
  #closed: Buffer[] = [];
  #closedBytes = 0;
  #takenBytes = 0;
  #takenBytesEver = 0;
  #takes = 0;
  readonly #pool: ChunkPool;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  /** How much was written and not yet taken. */
  get bytes(): number {
    return this.#closedBytes + this.position;
  }

  /** How much was ever written, and how often it was taken. */
  get bytesEver(): number {
    return this.#takenBytesEver + this.bytes;
  }

  get takes(): number {
    return this.#takes;
  }

  /** Makes room for `bytes` in one piece and counts them as written: the caller fills them in `buffer`, at the result. */
  reserve(bytes: number): number {
    const at = this.position;
    const end = at + bytes;
    if (end > this.#limit) return this.#reserveInNextChunk(bytes);
    this.position = end;
    return at;
  }

  u8(value: number): void {
    const at = this.reserve(1);
    this.buffer[at] = value;
  }

  u16(value: number): void {
    const at = this.reserve(2);
    putU16(this.buffer, at, value);
  }

  u32(value: number): void {
    const at = this.reserve(4);
    putU32(this.buffer, at, value);
  }

  /** @param value a whole number from 0 to 2^53 - 1. */
  u64(value: number): void {
    const at = this.reserve(8);
    putU64(this.buffer, at, value);
  }

  /** Writes `source[start, end)`, over as many chunks as it needs. */
  copy(source: Buffer, start: number, end: number): void {
    for (let from = start; from < end;) {
      if (this.position === this.#limit) this.#openChunk(Math.min(end - from, largeBytes));
      const bytes = Math.min(end - from, this.#limit - this.position);
      copyBytes(source, from, from + bytes, this.buffer, this.position);
      this.position += bytes;
      from += bytes;
    }
  }

  /** Hands over all that was written, in order. To be given to `release` once the socket is done with it. */
  take(): Buffer[] {
    this.#takenBytes = this.bytes;
    this.#takenBytesEver += this.#takenBytes;
    this.#takes++;
    this.#closeChunk();
    const taken = this.#closed;
    this.#closed = [];
    this.#closedBytes = 0;
    return taken;
  }

  /** Returns what `take` gave to the pool and empties the array, so that a second release has no effect. */
  release(taken: Buffer[]): void {
    for (const chunk of taken) this.#pool.giveBack(chunk);
    taken.length = 0;
  }

  /** Drops what is pending, when its socket has gone. */
  discard(): void {
    this.release(this.take());
  }

  #reserveInNextChunk(bytes: number): number {
    this.#openChunk(bytes);
    this.position = bytes;
    return 0;
  }

  #openChunk(bytes: number): void {
    this.#closeChunk();
    const preferSmall = this.#closedBytes === 0 && this.#takenBytes <= smallBytes;
    this.buffer = this.#pool.lend(bytes, preferSmall);
    this.#limit = this.buffer.length;
  }

  #closeChunk(): void {
    if (this.position > 0) {
      this.#closed.push(this.buffer.subarray(0, this.position));
      this.#closedBytes += this.position;
    }
    this.buffer = nothing;
    this.position = 0;
    this.#limit = 0;
  }
}
