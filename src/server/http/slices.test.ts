import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { VirtualClock } from "../../base/clock.ts";
import { Pace } from "./pace.ts";
import { gather, nextPiece, runInSlices, sorting } from "./slices.ts";

const never = (): boolean => false;

/** Work of so many steps of a millisecond. */
function* steps(clock: VirtualClock, count: number): Generator<undefined, string> {
  for (let step = 0; step < count; step++) {
    clock.advance(1);
    yield;
  }
  return "done";
}

test("long work is done in slices of three milliseconds, each in a turn of its own, and all of it is charged", async () => {
  let turns = 1;
  const clock = new VirtualClock(undefined, (run) => {
    turns++;
    setImmediate(run);
  });
  const pace = new Pace({ clock, activeMs: () => 0 });
  let spentMs = 0;
  pace.spent = (ms) => (spentMs += ms);
  assert.equal(await runInSlices(steps(clock, 30), { clock, pace }, never), "done");
  assert.equal(turns, 11, "the last only finds that nothing is left");
  assert.equal(spentMs, 30);
  assert.equal(await runInSlices(steps(clock, 2), { clock }, never), "done");
  assert.equal(turns, 11, "short work needs no other turn");
});

test("beside much other work the slices wait for the pace, and pieces of answers wait for what slices took", async () => {
  const clock = new VirtualClock(undefined, setImmediate);
  // Whatever the slices take, others take as much.
  const pace = new Pace({ clock, activeMs: () => 2 * clock.now() });
  clock.advance(200);
  let over = false;
  const ran = runInSlices(steps(clock, 400), { clock, pace }, () => over);
  for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
  assert.ok(pace.waitMs > 0, "what was saved up is spent");
  const piece = nextPiece(["piece"].values(), { clock, pace });
  over = true;
  clock.advance(60_000);
  assert.equal(await ran, undefined, "nobody wants it any more");
  assert.equal((await piece).value, "piece");
});

test("what fails in a slice fails the work, and its time is charged", async () => {
  const clock = new VirtualClock();
  const pace = new Pace({ clock, activeMs: () => 0 });
  let spentMs = 0;
  pace.spent = (ms) => (spentMs += ms);
  const failing = gather(
    (function* () {
      yield 1;
      clock.advance(2);
      throw new Error("broken");
    })(),
  );
  await assert.rejects(runInSlices(failing, { clock, pace }, never), /broken/);
  assert.equal(spentMs, 2);
});

test("sorting in slices is sorting, and keeps what is equal in its order", () => {
  const thing = fc.record({ key: fc.integer({ min: 0, max: 20 }), at: fc.integer() });
  const compare = (a: { readonly key: number }, b: { readonly key: number }): number => a.key - b.key;
  fc.assert(
    fc.property(fc.array(thing, { maxLength: 1500, size: "max" }), (things) => {
      const work = sorting([...things], compare);
      let step = work.next();
      while (step.done !== true) step = work.next();
      assert.deepEqual(step.value, things.toSorted(compare));
    }),
    { numRuns: 60 },
  );
});
