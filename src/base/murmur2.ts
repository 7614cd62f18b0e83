/**
 * Austin Appleby's MurmurHash2, 32 bits, little endian, with the seed that the clients of partitioned logs agree on: who
 * picks a partition by its hash puts a key where they would.
 */
const seed = 0x9747_b28c;
const factor = 0x5bd1_e995;

/** Of bytes [start, end); a signed integer of 32 bits. */
export function murmur2(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  let hash = seed ^ length;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    word = Math.imul(word, factor);
    word ^= word >>> 24;
    hash = Math.imul(hash, factor) ^ Math.imul(word, factor);
  }
  if (at + 2 < end) hash ^= bytes[at + 2]! << 16;
  if (at + 1 < end) hash ^= bytes[at + 1]! << 8;
  if (at < end) hash = Math.imul(hash ^ bytes[at]!, factor);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, factor);
  return hash ^ (hash >>> 15);
}

const scratch = Buffer.alloc(1 << 16);

/** Which of `count` partitions a key belongs to. */
export function partitionOfKey(key: string, count: number): number {
  const end = scratch.write(key, "utf8");
  return (murmur2(scratch, 0, end) & 0x7fff_ffff) % count;
}

/** The same for bytes. */
export function partitionOfBytes(key: Uint8Array, count: number): number {
  return (murmur2(key, 0, key.length) & 0x7fff_ffff) % count;
}
