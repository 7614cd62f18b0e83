/**
 * From bytes as they arrive to frames, in place, for every protocol whose frames say in their first bytes how long they are.
 *
 *     reader.push(chunk);
 *     while (reader.next()) use(reader.buffer, reader.start, reader.end);
 *
 * What a frame looks like is told by a `Framing`, one small function; the mechanism is here. It gives the same frames however
 * the bytes are cut, and allocates nothing for one that lies in its chunk: that is handed out there, untouched. One that
 * crosses chunks is put together in memory of the reader's. When `next` says false nothing of the chunk is referred to any
 * more: what was left of it is copied, so that a hundred bytes never hold on to 64 KB, and the caller may use the chunk's
 * memory again. What `next` handed out holds until it is called again.
 *
 * What a peer promises costs nothing: room is made for four times what has come, never more, and growing it copies each byte
 * half a time on average. Up to 16 KB it stays with the reader. Larger pieces up to 2 MB, which is where batches and bodies
 * are, come from a pool that all readers of the thread share: a fresh megabyte costs more in page faults (0.2 ms) than
 * copying it does, and each of ten thousand connections that once sent a large frame would keep it for ever.
 *
 * Rejected: a list of chunks that is joined at the end (the chunks are the socket's, so it would copy twice), room for all of
 * a frame at its header (a thousand connections that say 100 MB and stop), handing out pieces of large frames (no copy, but
 * then everybody behind must know of pieces; the copy is 3 % of what writing the same bytes to disk costs), and callbacks for
 * frames (a closure, and no way to stop in the middle).
 */

import { assert } from "../base/assert.ts";
import { copyBytes } from "../base/bytes.ts";

export interface Framing {
  /**
   * How many bytes the frame has that begins at `start`; what is there of it ends at `end`, one byte at least. As long as that
   * cannot be told: how many must be there before it can, which is more than there are. `notAFrame`: these bytes are none, and
   * nothing behind them is read. It may be asked about the same frame more than once, each time with more of it.
   */
  measure(buffer: Buffer, start: number, end: number): number;
}

export const notAFrame = -1;

const keptLeastBytes = 512;
const keptMostBytes = 16_384;
const pooledMostBytes = 2_097_152;
const poolBytesMax = 16_777_216;
const growth = 4;
/** Payloads are often a power of two, and their frames a little more. */
const overheadBytes = 64;

const nothing = Buffer.alloc(0);

/** Free memory by its size, which is a power of two and the overhead. */
const freeBySize = new Map<number, Buffer[]>();
let freeBytes = 0;

export class FrameReader {
  /** What `next` found: `buffer[start, end)`, all of the frame. */
  buffer: Buffer = nothing;
  start = 0;
  end = 0;

  readonly #framing: Framing;
  #isOver = false;
  #chunk: Buffer = nothing;
  #at = 0;
  /** The beginning of a frame that is not complete; `#keptBytes` of it are there. */
  #kept: Buffer = nothing;
  #keptBytes = 0;
  /** Whether the frame that was handed out last lies in `#kept`. */
  #isKeptOut = false;

  constructor(framing: Framing) {
    this.#framing = framing;
  }

  /** Takes the bytes that came. `next` must have said false about those before. */
  push(chunk: Buffer): void {
    assert(this.#at === this.#chunk.length, "the chunk before was read to its end");
    if (this.#isOver) return;
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** Copies what was not read of the chunk: its memory is about to be used again. */
  keepChunk(): void {
    if (this.#at === this.#chunk.length) return;
    this.#chunk = Buffer.from(this.#chunk.subarray(this.#at));
    this.#at = 0;
  }

  /** Moves to the next frame. False: there is none yet, or never again. */
  next(): boolean {
    if (this.#keptBytes > 0) {
      if (!this.#isKeptOut) return this.#nextAcrossChunks();
      this.#dropKept();
    }
    const chunk = this.#chunk;
    const at = this.#at;
    const left = chunk.length - at;
    if (left === 0) return this.#forgetChunk();
    const bytes = this.#framing.measure(chunk, at, chunk.length);
    if (bytes > left) {
      this.#keep(left, bytes);
      return this.#forgetChunk();
    }
    if (bytes === notAFrame) return this.#refuse();
    // Most frames lie in the chunk of the one before, and noting a number is cheaper than noting an object.
    if (this.buffer !== chunk) this.buffer = chunk;
    this.start = at;
    this.end = this.#at = at + bytes;
    return true;
  }

  /** Lets go of all memory. Nothing can be read afterwards. */
  close(): void {
    this.#isOver = true;
    this.#forgetChunk();
    this.#dropKept();
    giveBack(this.#kept);
    this.#kept = nothing;
  }

  /** Bytes that came of a frame that is not complete. */
  get keptBytes(): number {
    return this.#isKeptOut ? 0 : this.#keptBytes;
  }

  #nextAcrossChunks(): boolean {
    let bytes = this.#framing.measure(this.#kept, 0, this.#keptBytes);
    while (bytes > this.#keptBytes) {
      const left = this.#chunk.length - this.#at;
      if (left === 0) return this.#forgetChunk();
      this.#keep(Math.min(bytes - this.#keptBytes, left), bytes);
      bytes = this.#framing.measure(this.#kept, 0, this.#keptBytes);
    }
    if (bytes === notAFrame) return this.#refuse();
    assert(bytes === this.#keptBytes, "a frame is not shorter than was said before");
    this.#isKeptOut = true;
    this.buffer = this.#kept;
    this.start = 0;
    this.end = bytes;
    return true;
  }

  #refuse(): false {
    this.close();
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

  #forgetChunk(): false {
    this.#chunk = nothing;
    this.#at = 0;
    this.buffer = nothing;
    return false;
  }

  #dropKept(): void {
    this.#isKeptOut = false;
    this.#keptBytes = 0;
    if (this.#kept.length <= keptMostBytes + overheadBytes) return;
    giveBack(this.#kept);
    this.#kept = nothing;
  }
}

/** At least so many bytes. */
function lend(bytes: number): Buffer {
  if (bytes > pooledMostBytes + overheadBytes) return Buffer.allocUnsafeSlow(bytes);
  let payloadBytes = keptLeastBytes;
  while (payloadBytes + overheadBytes < bytes) payloadBytes *= 2;
  const size = payloadBytes + overheadBytes;
  const found = freeBySize.get(size)?.pop();
  if (found === undefined) return Buffer.allocUnsafeSlow(size);
  freeBytes -= size;
  return found;
}

function giveBack(buffer: Buffer): void {
  const { length } = buffer;
  const isPooled = length > keptMostBytes + overheadBytes && length <= pooledMostBytes + overheadBytes;
  if (!isPooled || freeBytes + length > poolBytesMax) return;
  const free = freeBySize.get(length);
  if (free === undefined) freeBySize.set(length, [buffer]);
  else free.push(buffer);
  freeBytes += length;
}
