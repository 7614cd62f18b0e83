import assert from "node:assert/strict";
import { test } from "node:test";
import { TurnShare } from "./turn-share.ts";

/** A clock whose turns are run one by one, and whose time is what work says it takes. */
function turns() {
  let deferred: (() => void)[] = [];
  const clock = {
    ms: 0,
    elapsedMs: (): number => clock.ms,
    defer: (run: () => void) => void deferred.push(run),
    turn(): boolean {
      const now = deferred;
      deferred = [];
      for (const run of now) run();
      return now.length > 0;
    },
  };
  return clock;
}

test("those who wait are run in their order, in each turn as many as its share is enough for, and one at least", () => {
  const clock = turns();
  const share = new TurnShare(clock, 10);
  const done: string[] = [];
  const worker = (name: string, ms: number, times: number) => {
    let left = times;
    const run = (): void => {
      done.push(name);
      clock.ms += ms;
      share.spent(ms);
      if (--left > 0) share.wait(run);
    };
    share.wait(run);
    share.wait(run);
  };
  worker("a", 4, 3);
  worker("b", 50, 2);
  worker("c", 4, 2);
  worker("d", 6, 1);
  const byTurn: string[] = [];
  for (let turn = 0; turn < 20; turn++) {
    clock.turn();
    if (done.length > 0) byTurn.push(done.splice(0).join(""));
  }
  // What b does takes more than a turn's share; those that had to wait come before those that had their turn.
  assert.deepEqual(byTurn, ["ab", "cda", "b", "ca"]);
  assert.equal(share.isUsedUp, false);
  assert.equal(clock.turn(), false, "nothing is left to do");
});

test("the share is used up until the next turn, whoever spent it", () => {
  const clock = turns();
  const share = new TurnShare(clock, 10);
  share.spent(10);
  assert.equal(share.isUsedUp, false);
  share.spent(1);
  assert.equal(share.isUsedUp, true);
  clock.turn();
  assert.equal(share.isUsedUp, false);
});

test("work is answered with what came of it, or what it threw, and what it took counts", async () => {
  const clock = turns();
  const share = new TurnShare(clock, 10);
  const answers = [1, 2, 3].map((value) =>
    share.take(() => {
      clock.ms += 8;
      if (value === 3) throw new Error("three");
      return value;
    }),
  );
  let hasFailed = false;
  const last = answers[2]!.catch((error: Error) => {
    hasFailed = true;
    return error.message;
  });
  clock.turn();
  assert.deepEqual(await Promise.all([answers[0], answers[1]]), [1, 2]);
  assert.equal(hasFailed, false, "it has to wait");
  clock.turn();
  assert.equal(await last, "three");
});
