import assert from "node:assert/strict";
import { test } from "node:test";
import { hashPassword, verifyPassword } from "./password.ts";
import { LoginPenalty } from "./penalty.ts";
import { readPlain } from "./sasl.ts";
import { Users, type UserStore } from "./users.ts";

function memoryStore(): UserStore {
  const values = new Map<string, unknown>();
  return {
    get: (_kind, name) => values.get(name),
    entries: () => values.entries(),
    put: (_kind, name, value) => void values.set(name, value),
    remove: (_kind, name) => void values.delete(name),
  };
}

test("a password is kept in RabbitMQ's form: base64 of salt and SHA-256", () => {
  // The example of RabbitMQ's own documentation on password hashing.
  const kept = hashPassword("test12", Buffer.from("908dc60a", "hex"));
  assert.equal(kept, "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR");
  assert.equal(verifyPassword(kept, "test12"), true);
  assert.equal(verifyPassword(kept, "test13"), false);
  assert.equal(verifyPassword("rubbish", "test12"), false);
});

test("the first start creates guest, who counts from this machine only", () => {
  const users = new Users(memoryStore(), (count) => Buffer.alloc(count, 7));
  users.createFirst();
  const guest = users.login("guest", "guest");
  assert.deepEqual(guest, { name: "guest", tags: ["administrator"] });
  assert.equal(users.login("guest", "wrong"), undefined);
  assert.equal(users.login("nobody", ""), undefined);
  assert.equal(users.mayConnectFrom(guest, false), false);
  assert.equal(users.mayConnectFrom(guest, true), true);
});

test("PLAIN has exactly two NULs", () => {
  assert.deepEqual(readPlain(Buffer.from("\0guest\0pass")), { user: "guest", password: "pass" });
  assert.deepEqual(readPlain(Buffer.from("\0guest\0")), { user: "guest", password: "" });
  for (const bad of ["", "guest", "\0guest", "\0a\0b\0c", "admin\0guest\0"])
    assert.equal(readPlain(Buffer.from(bad)), undefined);
});

test("failures from one address are answered later and later, and a success forgives", () => {
  const penalty = new LoginPenalty();
  const delays = Array.from({ length: 7 }, () => penalty.failed("192.0.2.1", 0));
  assert.deepEqual(delays, [600, 1200, 2400, 4800, 9600, 19_200, 32_000]);
  assert.equal(penalty.failed("192.0.2.2", 0), 600);
  penalty.succeeded("192.0.2.1");
  assert.equal(penalty.failed("192.0.2.1", 0), 600);
  assert.equal(penalty.failed("192.0.2.1", 3_600_001), 600);
});
