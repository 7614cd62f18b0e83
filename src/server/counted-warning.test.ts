import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { silentLogger, type LogFields } from "../observe/log.ts";
import { CountedWarning } from "./counted-warning.ts";

test("the first is said at once, the others once a second with their number, and silence costs no timer", () => {
  const clock = new VirtualClock();
  const said: LogFields[] = [];
  const warning = new CountedWarning(clock, { ...silentLogger, warn: (_, fields) => said.push(fields!) }, "refused");
  for (let i = 1; i <= 1000; i++) warning.warn({ i });
  assert.deepEqual(said, [{ i: 1, count: 1 }]);
  clock.advance(1000);
  assert.deepEqual(said.slice(1), [{ i: 1000, count: 999 }]);
  clock.advance(1000);
  assert.equal(clock.nextTimerMs(), undefined);
  warning.warn({ i: "again" });
  warning.warn({ i: "last" });
  warning.close();
  assert.deepEqual(said.slice(2), [
    { i: "again", count: 1 },
    { i: "last", count: 1 },
  ]);
  assert.equal(clock.nextTimerMs(), undefined);
});
