/**
 * Passwords as they are kept: four bytes of salt, then the SHA-256 of salt and password, in base64. It is the form that
 * RabbitMQ calls rabbit_password_hashing_sha256, so that exported definitions can be carried over in both directions.
 *
 * Rejected: a slow hash (scrypt). It would be better against a stolen data directory, and could not be exported; logins
 * are slowed down where guesses arrive instead, see penalty.ts.
 */

import { createHash, timingSafeEqual } from "node:crypto";

const saltBytes = 4;

/** The form to keep of `password`. `salt`: four bytes of chance. */
export function hashPassword(password: string, salt: Buffer): string {
  return Buffer.concat([salt, digest(salt, password)]).toString("base64");
}

/** True when `password` is the one that `kept` was made of. Takes the same time for each wrong password. */
export function verifyPassword(kept: string, password: string): boolean {
  const bytes = Buffer.from(kept, "base64");
  if (bytes.length !== saltBytes + 32) return false;
  return timingSafeEqual(bytes.subarray(saltBytes), digest(bytes.subarray(0, saltBytes), password));
}

function digest(salt: Buffer, password: string): Buffer {
  return createHash("sha256").update(salt).update(password, "utf8").digest();
}
