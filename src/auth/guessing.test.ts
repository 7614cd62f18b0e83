import assert from "node:assert/strict";
import { test } from "node:test";
import { LoginPenalty } from "./penalty.ts";
import { readPlain } from "./sasl.ts";

test("PLAIN has exactly two NULs", () => {
  assert.deepEqual(readPlain(Buffer.from("\0guest\0pass")), { user: "guest", password: "pass" });
  assert.deepEqual(readPlain(Buffer.from("\0guest\0")), { user: "guest", password: "" });
  for (const bad of ["", "guest", "\0guest", "\0a\0b\0c", "admin\0guest\0"])
    assert.equal(readPlain(Buffer.from(bad)), undefined);
});

test("failures from one address are answered later and later, and a success forgives", () => {
  const penalty = new LoginPenalty();
  const delays = Array.from({ length: 6 }, () => penalty.failed("192.0.2.1", 0));
  assert.deepEqual(delays, [600, 1200, 2400, 4800, 8000, 8000]);
  assert.equal(penalty.failed("192.0.2.2", 0), 600);
  penalty.succeeded("192.0.2.1");
  assert.equal(penalty.failed("192.0.2.1", 0), 600);
  assert.equal(penalty.failed("192.0.2.1", 3_600_001), 600);
});
