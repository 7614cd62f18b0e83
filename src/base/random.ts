/**
 * Chance as something that is handed in, for the same reason as the clock: with a seeded source, a run repeats.
 * The seeded generator is xoshiro128** (Blackman and Vigna, 2018), its state filled from the seed by splitmix32: small,
 * quick, and good enough for choosing; secrets come from the system's source only, but in a test's broker.
 */

import { randomBytes } from "node:crypto";

export interface Random {
  /** A number in [0, 1), with 32 bits of chance at least. */
  next(): number;
  /** `length` bytes of chance, in a buffer of their own. */
  bytes(length: number): Buffer;
}

/** The machine's source: bytes are fit for secrets, `next` is fit for choosing only. */
export function systemRandom(): Random {
  return { next: Math.random, bytes: randomBytes };
}

/** A source that gives the same sequence for the same seed, on every machine. */
export function seededRandom(seed: number): Random {
  let mix = seed | 0;
  const split = (): number => {
    mix = (mix + 0x9e3779b9) | 0;
    let z = mix ^ (mix >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return z ^ (z >>> 15);
  };
  let a = split();
  let b = split();
  let c = split();
  let d = split();

  const word = (): number => {
    const scrambled = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9);
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotateLeft(d, 11);
    return scrambled >>> 0;
  };

  return {
    next: () => word() / 0x1_0000_0000,
    bytes(length) {
      const filled = Buffer.allocUnsafe(length);
      for (let at = 0; at < length; at++) filled[at] = word() >>> 24;
      return filled;
    },
  };
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
