import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { LimitedLog } from "./limited-log.ts";
import { silentLogger } from "./log.ts";
import type { LogFields } from "./log.ts";

test("a burst of warnings is fifty lines, a count of the rest, and no line is longer than a page", () => {
  const lines: { message: string; fields: LogFields }[] = [];
  const clock = new VirtualClock(0, (run) => run());
  const warn = (message: string, fields: LogFields = {}): void => void lines.push({ message, fields });
  const log = new LimitedLog({ ...silentLogger, warn }, clock);
  for (let i = 0; i < 4000; i++) log.warn("denied", { name: "n".repeat(12_000), i });
  assert.equal(lines.length, 50);
  assert.deepEqual(lines[49]!.fields, { name: `${"n".repeat(1000)}...`, i: 49 });
  clock.advance(1000);
  assert.equal(lines.length, 51);
  assert.deepEqual(lines[50]!.fields, { leftOut: { denied: 3950 } });
  log.warn("denied", { i: 4000 });
  assert.equal(lines.length, 52);
});

test("a clock that is set back makes no period longer", () => {
  const lines: string[] = [];
  const clock = new VirtualClock(10_000_000, (run) => run());
  const warn = (message: string): void => void lines.push(message);
  const log = new LimitedLog({ ...silentLogger, warn }, clock);
  for (let i = 0; i < 60; i++) log.warn("denied", {});
  clock.jumpTo(clock.now() - 3_600_000);
  clock.advance(1000);
  assert.equal(lines.length, 51);
  for (let i = 0; i < 60; i++) log.warn("denied", {});
  assert.equal(lines.length, 101);
});
