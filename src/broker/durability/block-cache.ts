/**
 * The buffers that entries live in.
 *
 * A *block buffer* is written once, by the journal's builder or by a read from a segment, and is then shared by everyone
 * who points into it: pages of partitions (one reference per entry), the writer that still fills it, a write in flight.
 * When the last reference goes it returns to a pool, so a queue that keeps up cycles through the same few buffers and
 * the garbage collector sees nothing. Buffers are named by slot numbers, which fit into the pages' typed arrays.
 *
 * `bytes` is what everything together occupies: the number that the memory budget is held against.
 */
import { assert } from "../../base/assert.ts";

const pooledMax = 64;
/** Cut into buffers; its like can be had of so many bytes at once. */
const slabBytesMax = 1 << 30;

/** Memory from which blocks are written the cheapest way. It is dear to make, and kept. */
export interface LastingMemory {
  /** At most, in buffers of the usual size. None is resident before it is written to. */
  readonly bytesMax: number;
  /** Undefined: there is none. */
  allocate(bytes: number): Buffer | undefined;
}

export class BlockCache {
  /** Bytes of all buffers in use. */
  bytes = 0;
  /** Of these, of lasting memory. */
  lastingBytes = 0;
  /** onLow is called once when `bytes` goes below this. As onRoom, by who is in the midst of something. */
  lowBytes = 0;
  onLow: () => void = () => undefined;
  /** onRoom is called once when `bytes` goes down to this. */
  roomBytes = -1;
  onRoom: () => void = () => undefined;
  /** Bytes of entries that are kept and in no segment yet: those of a fan-out count for each queue. */
  tailBytes = 0;
  /** onRoom is called, once as well, when `tailBytes` goes down to this. */
  tailRoomBytes = -1;
  /** Size of a usual buffer. */
  readonly bufferBytes: number;
  readonly #buffers: (Buffer | undefined)[] = [];
  #references = new Int32Array(64);
  readonly #freeSlots: number[] = [];
  readonly #pool: Buffer[] = [];
  readonly #lasting: LastingMemory | undefined;
  readonly #slabs = new Set<ArrayBufferLike>();
  readonly #freeLasting: Buffer[] = [];
  /** Of buffers that are to be made yet. */
  #lastingLeft = 0;

  constructor(bufferBytes: number, lasting?: LastingMemory) {
    this.bufferBytes = bufferBytes;
    this.#lasting = lasting;
    if (lasting !== undefined) this.#lastingLeft = Math.floor(lasting.bytesMax / bufferBytes);
  }

  /** As acquire(), for what is to be written to the journal: of lasting memory while there is some. */
  acquireBlock(bytes: number): number {
    if (bytes > this.bufferBytes) return this.acquire(bytes);
    if (this.#freeLasting.length === 0) this.#makeLasting();
    const buffer = this.#freeLasting.pop();
    if (buffer === undefined) return this.acquire(bytes);
    this.lastingBytes += buffer.length;
    return this.adopt(buffer);
  }

  #makeLasting(): void {
    const { bufferBytes } = this;
    const count = Math.min(this.#lastingLeft, Math.floor(slabBytesMax / bufferBytes));
    if (count === 0) return;
    const slab = this.#lasting?.allocate(count * bufferBytes);
    this.#lastingLeft = slab === undefined ? 0 : this.#lastingLeft - count;
    if (slab === undefined) return;
    this.#slabs.add(slab.buffer);
    // Whoever needs few uses the same ones again, and the rest is never written to.
    for (let at = slab.length - bufferBytes; at >= 0; at -= bufferBytes)
      this.#freeLasting.push(slab.subarray(at, at + bufferBytes));
  }

  /** A buffer of at least `bytes`, held with one reference. Answers its slot. */
  acquire(bytes: number): number {
    return this.adopt(this.#take(bytes, 0));
  }

  /** A buffer of at least `bytes` for one who will fill it and hand it to adopt(), or not. */
  take(bytes: number): Buffer {
    return this.#take(bytes, this.bufferBytes / 2);
  }

  /** Memory that was in use before: the system's pages for a new buffer cost several times what filling it does. */
  #take(bytes: number, usualBytesMin: number): Buffer {
    const { bufferBytes } = this;
    if (bytes > bufferBytes || bytes < usualBytesMin) return Buffer.allocUnsafeSlow(bytes);
    return this.#pool.pop() ?? Buffer.allocUnsafeSlow(bufferBytes);
  }

  /** Takes a buffer that somebody else has filled, with one reference. */
  adopt(buffer: Buffer): number {
    const slot = this.#freeSlots.pop() ?? this.#buffers.length;
    this.#buffers[slot] = buffer;
    if (slot >= this.#references.length) {
      const wider = new Int32Array(this.#references.length * 2);
      wider.set(this.#references);
      this.#references = wider;
    }
    this.#references[slot] = 1;
    this.bytes += buffer.length;
    return slot;
  }

  /** Slots are below this. */
  get slotCount(): number {
    return this.#buffers.length;
  }

  buffer(slot: number): Buffer {
    return this.#buffers[slot]!;
  }

  retain(slot: number): void {
    this.#references[slot]!++;
  }

  release(slot: number): void {
    const left = --this.#references[slot]!;
    if (left > 0) return;
    assert(left === 0, "a block buffer is released as often as it is retained");
    const buffer = this.#buffers[slot]!;
    this.#buffers[slot] = undefined;
    this.#freeSlots.push(slot);
    if (this.#slabs.has(buffer.buffer)) {
      this.#freeLasting.push(buffer);
      this.lastingBytes -= buffer.length;
    } else if (buffer.length === this.bufferBytes && this.#pool.length < pooledMax) this.#pool.push(buffer);
    this.less(buffer.length);
  }

  /** So much has gone, or is in segments now. */
  tailLess(bytes: number): void {
    this.tailBytes -= bytes;
    if (this.tailBytes > this.tailRoomBytes) return;
    this.tailRoomBytes = -1;
    this.onRoom();
  }

  /** So much is not in use any more. */
  less(bytes: number): void {
    this.bytes -= bytes;
    if (this.bytes < this.lowBytes) {
      this.lowBytes = 0;
      this.onLow();
    }
    if (this.bytes > this.roomBytes) return;
    this.roomBytes = -1;
    this.onRoom();
  }
}
