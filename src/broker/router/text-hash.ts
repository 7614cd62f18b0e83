/**
 * A hash of text that never changes: what it answers decides which queue a key belongs to, on every machine and after
 * every restart and upgrade. It is FNV-1a over UTF-16 code units, with the finalizer of MurmurHash3 behind it, because
 * FNV alone leaves the high bits of short keys nearly equal. Not for keys that an attacker may choose to collide.
 */

/** A hash of 32 bits, unsigned. */
export function textHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return mix(hash);
}

/** Spreads 32 bits so that each bit of the input changes about half of the output. A bijection. */
export function mix(bits: number): number {
  let hash = bits;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
