/**
 * Memory for requests that come in pieces, used again: a producer's are a megabyte each, and to be given such a piece anew by
 * the system costs as much as to copy it. Pieces are powers of two; what is larger than the largest is not kept.
 */

const leastBytes = 65_536;
const mostBytes = 1_048_576;
const keptMax = 16;

export class FramePool {
  readonly #freeByBytes = new Map<number, Buffer[]>();

  /** A buffer of `bytes` or more, its content undefined. */
  lend(bytes: number): Buffer {
    let size = leastBytes;
    while (size < bytes) size *= 2;
    return this.#freeByBytes.get(size)?.pop() ?? Buffer.allocUnsafeSlow(size);
  }

  giveBack(buffer: Buffer): void {
    const size = buffer.length;
    if (size > mostBytes) return;
    const free = this.#freeByBytes.get(size);
    if (free === undefined) this.#freeByBytes.set(size, [buffer]);
    else if (free.length < keptMax) free.push(buffer);
  }
}
