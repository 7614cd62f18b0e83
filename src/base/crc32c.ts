/**
 * CRC-32C (Castagnoli, reflected), which guards what clients store, and Kafka's record batches. Node's zlib has only the
 * other CRC-32.
 *
 * Each stored byte goes through it, so it must not count beside the copy that the byte costs anyway. GB/s on one core of
 * a shared 2-core machine (call of 100 B, 1 KB, 16 KB):
 *
 *     tables of 8, here                    0.8    0.9    1.1         (16 tables: no quicker)
 *     WebAssembly, 128-bit lookups         0.5    3.0    5.0         copying in included; crc32c-wasm.ts
 *     the same without relaxed SIMD        0.5    1.7    2.7
 *     @node-rs/crc32, native               0.4    2.5    5.5         the call and its view cost 200 ns
 *
 * So short ranges go through tables, and all others through WebAssembly, which is made when it is first needed (5 ms). A
 * native package would add a dependency with a build for each platform, and gain nothing that can be measured here.
 *
 * What has been summed need not be summed again because it is now a part of something longer: the sums of two ranges give
 * that of both by arithmetic alone (joinCrc32c()). A sum is a polynomial modulo another; behind it n octets more mean times x^8n,
 * which is a product of at most 32 powers out of a table. It costs as much as summing 2 KB.
 */

import { makeWideCrc, type WideCrc } from "./crc32c-wasm.ts";

/** Where both cost the same. */
const tableBytesMax = 192;
const polynomial = 0x82f63b78;
const one = 0x8000_0000;
const table = makeTables();
const powers = makePowers();

/** Undefined until it is needed; null where there is no WebAssembly, or an old one. */
let wide: WideCrc | null | undefined;

/** The checksum of buffer[start, end), an unsigned 32-bit number. `seed` is the checksum of what came before. */
export function crc32c(buffer: Buffer, start: number, end: number, seed = 0): number {
  if (end - start <= tableBytesMax) return ~byTable(~seed, buffer, start, end) >>> 0;
  if (wide === undefined) wide = makeWideCrc(table);
  if (wide === null) return ~byTable(~seed, buffer, start, end) >>> 0;
  let crc = ~seed;
  let at = start;
  for (; end - at >= tableBytesMax; at += wide.bytesMax)
    crc = wide.advance(crc, buffer, at, Math.min(end, at + wide.bytesMax));
  return ~byTable(crc, buffer, Math.min(at, end), end) >>> 0;
}

/** The checksum of two ranges one behind the other, by their checksums and the length of the second. */
export function joinCrc32c(first: number, second: number, secondBytes: number): number {
  let power = one;
  for (let bytes = secondBytes, k = 0; bytes > 0; bytes = Math.floor(bytes / 2), k++) {
    if (bytes % 2 === 1) power = times(powers[k]!, power);
  }
  return (times(power, first) ^ second) >>> 0;
}

/** As crc32c, by tables alone: what the quicker way is tested against. */
export function crc32cByTable(buffer: Buffer, start: number, end: number): number {
  return ~byTable(-1, buffer, start, end) >>> 0;
}

function byTable(from: number, buffer: Buffer, start: number, end: number): number {
  let crc = from;
  let at = start;
  for (const last = end - 8; at <= last; at += 8) {
    crc ^= buffer[at]! | (buffer[at + 1]! << 8) | (buffer[at + 2]! << 16) | (buffer[at + 3]! << 24);
    crc =
      table[0x700 | (crc & 0xff)]! ^
      table[0x600 | ((crc >>> 8) & 0xff)]! ^
      table[0x500 | ((crc >>> 16) & 0xff)]! ^
      table[0x400 | (crc >>> 24)]! ^
      table[0x300 | buffer[at + 4]!]! ^
      table[0x200 | buffer[at + 5]!]! ^
      table[0x100 | buffer[at + 6]!]! ^
      table[buffer[at + 7]!]!;
  }
  for (; at < end; at++) crc = table[(crc ^ buffer[at]!) & 0xff]! ^ (crc >>> 8);
  return crc;
}

/**
 * Of two polynomials, modulo that of the checksum; the highest bit is the coefficient of x^0. Masks, not branches: nobody can
 * foretell the bits of a checksum.
 */
function times(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  let left = a;
  for (let bit = 0; bit < 32; bit++) {
    product ^= shifted & (left >> 31);
    shifted = (shifted >>> 1) ^ (polynomial & -(shifted & 1));
    left <<= 1;
  }
  return product;
}

/** x^8, x^16, x^32 and so on: 2^k octets. */
function makePowers(): Int32Array {
  const made = new Int32Array(53);
  made[0] = one >>> 8;
  for (let k = 1; k < made.length; k++) made[k] = times(made[k - 1]!, made[k - 1]!);
  return made;
}

/** Table n, of 256 entries: a byte and n bytes of zero behind it. */
function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    tables[byte] = crc;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256]!;
    tables[at] = (before >>> 8) ^ tables[before & 0xff]!;
  }
  return tables;
}
