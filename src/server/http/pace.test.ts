import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../../base/clock.ts";
import { Pace } from "./pace.ts";

/** Makes pieces of a ms each for a time, beside other work that takes a share of it; answers how many. */
function pieces(forMs: number, otherShare: number): number {
  const clock = new VirtualClock();
  let activeMs = 0;
  const pace = new Pace({ clock, activeMs: () => activeMs });
  const endMs = clock.now() + forMs;
  let count = 0;
  while (clock.now() < endMs) {
    const { waitMs } = pace;
    const passMs = waitMs > 0 ? waitMs : 1;
    if (waitMs === 0) {
      count++;
      pace.spent(1);
      activeMs++;
    }
    activeMs += passMs * otherShare;
    clock.advance(passMs);
  }
  return count;
}

test("beside much other work, what is saved up comes at once, and then a fortieth of the time", () => {
  const count = pieces(60_000, 0.9);
  assert.ok(count > 1600 && count < 1850, `${count} of 60000 ms`);
  assert.ok(pieces(260, 0.9) >= 240);
});

test("a process with little else to do slows nobody", () => {
  const count = pieces(60_000, 0.2);
  assert.ok(count > 59_000, `${count} of 60000 ms`);
});

test("a clock that is set back does not stop the answers", () => {
  const clock = new VirtualClock();
  let activeMs = 0;
  const pace = new Pace({ clock, activeMs: () => activeMs });
  pace.spent(10_000);
  clock.jumpTo(clock.now() - 3_600_000);
  activeMs += 1000;
  for (let round = 0; round < 100 && pace.waitMs > 0; round++) clock.advance(pace.waitMs);
  activeMs += 0;
  clock.advance(1000);
  assert.equal(pace.waitMs, 0, "nothing else is to be done any more");
});
