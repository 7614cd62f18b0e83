import assert from "node:assert/strict";
import { test } from "node:test";
import type { CommittedPosition } from "../src/broker/api.ts";
import { Cut, Violation } from "./cut.ts";
import { Positions, type Standing } from "./ledger-positions.ts";

const at = (offset: number): CommittedPosition => ({ offset, timeMs: 1000, metadata: `m${offset}` });
const none = undefined;

function holds(run: () => void): boolean {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof Violation);
    return false;
  }
  return true;
}

/** What was said with the tickets 1, 2 and so on, of which some were durable: whether this may be found after the end. */
function mayFind(
  found: CommittedPosition | undefined,
  said: readonly Standing[],
  durableTicket: number,
  isClean = false,
): boolean {
  const positions = new Positions();
  for (const [i, standing] of said.entries()) positions.say("g", 0, standing, { low: i + 1, high: i + 1 });
  return holds(() => positions.recovered(() => found, new Cut(durableTicket, isClean), durableTicket));
}

test("a position that was acknowledged is not behind after a crash, and one that was not may be either", () => {
  const said = [at(1), at(2)];
  const all = [none, at(1), at(2), at(3)];
  const possible = (durableTicket: number, isClean = false): boolean[] =>
    all.map((found) => mayFind(found, said, durableTicket, isClean));
  assert.deepEqual(possible(0), [true, true, true, false]);
  assert.deepEqual(possible(1), [false, true, true, false]);
  assert.deepEqual(possible(2), [false, false, true, false]);
  assert.deepEqual(possible(2, true), [false, false, true, false]);
});

test("a position that is surely gone does not come back, and one that was committed anew is another", () => {
  const gone: Standing[] = [at(1), "forgotten"];
  assert.deepEqual([mayFind(none, gone, 2), mayFind(at(1), gone, 2)], [true, false]);
  assert.deepEqual([mayFind(none, gone, 1), mayFind(at(1), gone, 1)], [true, true]);
  const twice: Standing[] = [...gone, at(2), "forgotten"];
  assert.deepEqual([mayFind(none, twice, 2), mayFind(at(1), twice, 2), mayFind(at(2), twice, 2)], [true, false, true]);
  assert.deepEqual([mayFind(none, twice, 3), mayFind(at(1), twice, 3), mayFind(at(2), twice, 3)], [true, false, true]);
});

test("all positions that are found lie before one cut, and what is found is where the next crash begins", () => {
  type Found = CommittedPosition | undefined;
  const mayBoth = (foundInFirst: Found, foundInSecond: Found): boolean => {
    const positions = new Positions();
    positions.say("g", 0, at(1), { low: 1, high: 1 });
    positions.say("g", 1, at(2), { low: 2, high: 2 });
    const found = (_group: string, partition: number) => (partition === 0 ? foundInFirst : foundInSecond);
    return holds(() => {
      positions.recovered(found, new Cut(0, false), 0);
      positions.recovered(found, new Cut(0, false), 0);
      assert.deepEqual(positions.of("g", 0), foundInFirst);
    });
  };
  assert.deepEqual([mayBoth(none, none), mayBoth(at(1), none), mayBoth(at(1), at(2))], [true, true, true]);
  assert.equal(mayBoth(none, at(2)), false);
  const positions = new Positions();
  positions.say("g", 0, at(1), { low: 1, high: 1 });
  positions.recovered(() => at(1), new Cut(0, false), 0);
  assert.equal(
    holds(() => positions.recovered(() => none, new Cut(0, false), 0)),
    false,
  );
});
