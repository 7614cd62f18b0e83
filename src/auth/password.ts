/**
 * Passwords as they are kept: four bytes of salt, then the digest of salt and password, in base64, and beside it the name of
 * the algorithm. These are RabbitMQ's forms and names, so that exported definitions can be carried over in both directions.
 * An empty hash stands for a user who cannot log in by password.
 *
 * Rejected: a slow hash (scrypt). It would be better against a stolen data directory, and could not be exported; logins
 * are slowed down where guesses arrive instead, see penalty.ts.
 */

import { createHash, timingSafeEqual } from "node:crypto";

const saltBytes = 4;

const algorithms = {
  rabbit_password_hashing_sha256: { digest: "sha256", bytes: 32 },
  rabbit_password_hashing_sha512: { digest: "sha512", bytes: 64 },
  rabbit_password_hashing_md5: { digest: "md5", bytes: 16 },
} as const;

export type HashingAlgorithm = keyof typeof algorithms;

export const defaultHashing: HashingAlgorithm = "rabbit_password_hashing_sha256";

export function isHashingAlgorithm(name: string): name is HashingAlgorithm {
  return Object.hasOwn(algorithms, name);
}

/** The form to keep of `password`. `salt`: four bytes of chance. */
export function hashPassword(password: string, salt: Buffer, algorithm: HashingAlgorithm = defaultHashing): string {
  return Buffer.concat([salt, digest(salt, password, algorithm)]).toString("base64");
}

/** True when `password` is the one that `kept` was made of. Takes the same time for each wrong password. */
export function verifyPassword(kept: string, password: string, algorithm: HashingAlgorithm = defaultHashing): boolean {
  const bytes = Buffer.from(kept, "base64");
  const isWhole = bytes.length === saltBytes + algorithms[algorithm].bytes;
  const salt = isWhole ? bytes.subarray(0, saltBytes) : Buffer.alloc(saltBytes);
  const given = digest(salt, password, algorithm);
  return timingSafeEqual(isWhole ? bytes.subarray(saltBytes) : Buffer.alloc(given.length), given) && isWhole;
}

/** What is wrong with a hash that comes from outside; undefined: nothing. */
export function checkHash(hash: string, algorithm: HashingAlgorithm): string | undefined {
  if (hash === "") return undefined;
  // Padding may be missing, as RabbitMQ's decoder takes it; anything else is not base64.
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(hash)) return "password_hash is not base64";
  const expectedBytes = saltBytes + algorithms[algorithm].bytes;
  const { length } = Buffer.from(hash, "base64");
  return length === expectedBytes
    ? undefined
    : `password_hash has ${length} bytes, ${algorithm} has ${expectedBytes} (${saltBytes} of them salt)`;
}

function digest(salt: Buffer, password: string, algorithm: HashingAlgorithm): Buffer {
  return createHash(algorithms[algorithm].digest).update(salt).update(password, "utf8").digest();
}
