import { test } from "node:test";
import * as check from "node:assert/strict";
import fc from "fast-check";
import { parseDuration, systemClock, VirtualClock } from "./clock.ts";

test("a virtual clock runs timers at their own time, in the order of time, then of setting", () => {
  fc.assert(
    fc.property(fc.array(fc.record({ inMs: fc.nat(50), isCleared: fc.boolean() })), fc.nat(60), (timers, advanceMs) => {
      const clock = new VirtualClock();
      const startMs = clock.now();
      const ran: [number, number][] = [];
      timers.forEach(({ inMs, isCleared }, index) => {
        const timer = clock.setTimer(startMs + inMs, () => ran.push([clock.now() - startMs, index]));
        if (isCleared) clock.clearTimer(timer);
      });
      const expected = timers
        .map(({ inMs, isCleared }, index) => ({ inMs, isCleared, index }))
        .filter(({ inMs, isCleared }) => !isCleared && inMs <= advanceMs)
        .sort((a, b) => a.inMs - b.inMs || a.index - b.index)
        .map(({ inMs, index }): [number, number] => [inMs, index]);
      clock.advance(advanceMs);
      check.deepEqual(ran, expected);
      check.equal(clock.now(), startMs + advanceMs);
    }),
  );
});

test("a timer that sets another within the same advance sees it run", () => {
  const clock = new VirtualClock(0);
  const ran: number[] = [];
  const again = (): void => {
    ran.push(clock.now());
    clock.setTimer(clock.now() + 10, again);
  };
  clock.setTimer(10, again);
  clock.advance(35);
  check.deepEqual(ran, [10, 20, 30]);
  check.equal(clock.nextTimerMs(), 40);
});

test("deferred calls run before time moves on, and behind each timer", () => {
  const clock = new VirtualClock(0);
  const ran: string[] = [];
  clock.setTimer(1, () => {
    ran.push("timer 1");
    clock.defer(() => ran.push("deferred by timer 1"));
  });
  clock.setTimer(1, () => ran.push("timer 2"));
  clock.defer(() => ran.push("deferred"));
  clock.advance(1);
  check.deepEqual(ran, ["deferred", "timer 1", "deferred by timer 1", "timer 2"]);
});

test("a clock that is set back keeps its timers for their time", () => {
  const clock = new VirtualClock(1000);
  let isRun = false;
  clock.setTimer(1010, () => (isRun = true));
  clock.jumpTo(0);
  clock.advance(1009);
  check.equal(isRun, false);
  clock.advance(1);
  check.equal(isRun, true);
});

test("the system's timers are never early, also when due in the past, and can be cleared", async () => {
  const clock = systemClock();
  const cleared = clock.setTimer(clock.now() + 1, () => check.fail("was cleared"));
  clock.clearTimer(cleared);
  clock.clearTimer(cleared);
  for (const inMs of [-5, 0, 1, 7]) {
    const atMs = clock.now() + inMs;
    await new Promise<void>((resolve) => void clock.setTimer(atMs, resolve));
    check.ok(clock.now() >= atMs);
  }
  await new Promise<void>((resolve) => clock.defer(resolve));
});

test("durations are read with their units, and nothing else is", () => {
  const read: Record<string, number> = {
    "15m": 900_000,
    "1h30m": 5_400_000,
    "250ms": 250,
    "1.5s": 1500,
    "7d": 604_800_000,
    "1w": 604_800_000,
    "42": 42,
    "0": 0,
  };
  for (const [text, ms] of Object.entries(read)) check.equal(parseDuration(text), ms, text);
  for (const text of ["", "m", "15 m", "-1s", "1y", "1.s", "1s2", "NaN", "9".repeat(20), "9".repeat(20) + "w"]) {
    check.equal(parseDuration(text), undefined, text);
  }
});

test("a delay lasts as long as it was meant to, whatever the clock is set to meanwhile", async () => {
  const clock = new VirtualClock(10_000_000);
  const ran: string[] = [];
  clock.setDelay(500, () => ran.push("delay"));
  clock.setTimer(clock.now() + 400, () => ran.push("timer"));
  const from = clock.elapsedMs();
  clock.jumpTo(clock.now() - 3_600_000);
  clock.advance(499);
  check.deepEqual([...ran], []);
  clock.advance(1);
  check.deepEqual([...ran], ["delay"]);
  check.equal(clock.elapsedMs() - from, 500);
  clock.jumpTo(20_000_000);
  clock.advance(0);
  check.deepEqual([...ran], ["delay", "timer"]);
  await new Promise<void>((resolve) => void systemClock().setDelay(1, resolve));
  const cleared = systemClock().setDelay(1, () => ran.push("never"));
  systemClock().clearTimer(cleared);
});

test("cleared timers leave nothing behind, and the others keep their order", () => {
  const clock = new VirtualClock();
  const ran: number[] = [];
  const timers = Array.from({ length: 1000 }, (_, index) =>
    clock.setTimer(clock.now() + 10 * (index % 7), () => void ran.push(index)),
  );
  const wanted: number[] = [];
  for (const [index, timer] of timers.entries()) {
    if (index % 10 === 0) wanted.push(index);
    else clock.clearTimer(timer);
  }
  for (const timer of timers.slice(1, 10)) clock.clearTimer(timer);
  clock.advance(100);
  check.deepEqual(
    ran,
    wanted.toSorted((a, b) => (a % 7) - (b % 7) || a - b),
  );
  check.equal(clock.nextTimerMs(), undefined);
});

test("a timer fires though the machine's clock was set back, when it has waited for as long as it was to", async () => {
  const { now } = Date;
  const clock = systemClock();
  const soon = new Promise<void>((resolve) => void clock.setTimer(now() + 40, resolve));
  const setAt = clock.elapsedMs();
  Date.now = () => now() - 7_200_000;
  try {
    await soon;
  } finally {
    Date.now = now;
  }
  check.ok(clock.elapsedMs() - setAt >= 30);
});
