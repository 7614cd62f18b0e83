/** Keys that tokens may be signed with: from PEM files and JSON Web Key Sets, by the id under which tokens name them. */

import { createPublicKey, createSecretKey, type KeyObject } from "node:crypto";

export interface SigningKey {
  readonly key: KeyObject;
  /** The only algorithm that it is for; undefined: any that fits its type. */
  readonly algorithm: string | undefined;
}

/** All that tokens may be signed with, unless the settings say less. */
export const allAlgorithms: readonly string[] = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
  ...["HS256", "HS384", "HS512"],
];

/** By id; keys of a set that have none are under "". */
export type SigningKeys = ReadonlyMap<string, SigningKey>;

/** @throws Error when the text holds no public key or certificate in PEM. */
export function readPemKey(text: string): SigningKey {
  return { key: createPublicKey(text), algorithm: undefined };
}

/**
 * Reads a key set. Keys that are not for signatures, or of an unknown kind, are passed over, as RFC 7517 asks for.
 * @param mayBeSymmetric whether shared secrets count: from a file of ours, never from a place that everybody can read.
 * @throws Error when it is none, or holds no key that can be used.
 */
export function readKeySet(text: string, mayBeSymmetric: boolean): SigningKeys {
  const set = JSON.parse(text) as { keys?: unknown } | null;
  if (set === null || typeof set !== "object" || !Array.isArray(set.keys)) throw new Error("it is no JSON Web Key Set");
  const keys = new Map<string, SigningKey>();
  for (const jwk of set.keys as (Record<string, unknown> | null)[]) {
    const key = jwk !== null && typeof jwk === "object" ? readKey(jwk, mayBeSymmetric) : undefined;
    if (key !== undefined) keys.set(typeof jwk!["kid"] === "string" ? jwk!["kid"] : "", key);
  }
  if (keys.size === 0) throw new Error("it holds no key that can be used to check signatures");
  return keys;
}

function readKey(jwk: Record<string, unknown>, mayBeSymmetric: boolean): SigningKey | undefined {
  if (jwk["use"] !== undefined && jwk["use"] !== "sig") return undefined;
  const algorithm = typeof jwk["alg"] === "string" ? jwk["alg"] : undefined;
  try {
    if (jwk["kty"] !== "oct") return { key: createPublicKey({ key: jwk, format: "jwk" }), algorithm };
  } catch {
    return undefined;
  }
  if (!mayBeSymmetric || typeof jwk["k"] !== "string" || jwk["k"] === "") return undefined;
  return { key: createSecretKey(jwk["k"], "base64url"), algorithm };
}
