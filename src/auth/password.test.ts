import assert from "node:assert/strict";
import { test } from "node:test";
import { checkHash, hashPassword, verifyPassword, type HashingAlgorithm } from "./password.ts";
import { Refusal } from "./refusal.ts";
import { identityOf, logIn, openAuthority } from "./test-authority.suite.ts";

/** As /api/users of RabbitMQ 3.10.8 showed them, each for the password `pass: ünï`. */
const exported: readonly { hashingAlgorithm: HashingAlgorithm; passwordHash: string }[] = [
  {
    hashingAlgorithm: "rabbit_password_hashing_sha256",
    passwordHash: "BRGYZ4ML+qIcBXGL4pEYPjQejxXmupZpq5i2c+pE7M2JZSzA",
  },
  {
    hashingAlgorithm: "rabbit_password_hashing_sha512",
    passwordHash: "N06H8sFqq1zq/MhSuSiSMwk/iEN5krXqelHyVrCDtLeylXTwKBEOvgBgWZCcsBvBs2Z8GutQsn0DSTC/uqvtFfH6hLM=",
  },
  { hashingAlgorithm: "rabbit_password_hashing_md5", passwordHash: "VX3hSYARTUMGnp+vDDwXJ6Zx2Q0=" },
];

test("users that RabbitMQ exported log in with their passwords, by each of its algorithms", () => {
  for (const draft of exported) {
    const authority = openAuthority();
    assert.equal(authority.users.put("u", { ...draft, tags: [] }), undefined);
    assert.equal(identityOf(authority, "u", "pass: ünï").name, "u");
    assert.ok(logIn(authority, "u", "pass: uni") instanceof Refusal);
    assert.deepEqual(authority.users.find("u"), { name: "u", ...draft, tags: [], limits: {} });
    const salt = Buffer.from(draft.passwordHash, "base64").subarray(0, 4);
    assert.equal(hashPassword("pass: ünï", salt, draft.hashingAlgorithm), draft.passwordHash);
  }
});

test("a password is kept in RabbitMQ's form: base64 of salt and SHA-256", () => {
  // The example of RabbitMQ's own documentation on password hashing.
  const kept = hashPassword("test12", Buffer.from("908dc60a", "hex"));
  assert.equal(kept, "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR");
  assert.equal(verifyPassword(kept, "test12"), true);
  assert.equal(verifyPassword(kept, "test13"), false);
  assert.equal(verifyPassword("rubbish", "test12"), false);
  assert.equal(verifyPassword("", "test12"), false);
});

test("a hash from outside is base64 and has its algorithm's length, or says that no password is right", () => {
  assert.equal(checkHash("", "rabbit_password_hashing_md5"), undefined);
  for (const { passwordHash, hashingAlgorithm } of exported)
    assert.equal(checkHash(passwordHash, hashingAlgorithm), undefined);
  const [sha256, , md5] = exported;
  assert.match(checkHash(md5!.passwordHash, "rabbit_password_hashing_sha256")!, /20 bytes.*has 36/);
  assert.match(checkHash(`${sha256!.passwordHash}\n`, "rabbit_password_hashing_sha256")!, /not base64/);
  assert.match(checkHash("pässword", "rabbit_password_hashing_sha256")!, /not base64/);
});
