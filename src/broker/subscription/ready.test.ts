import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KeyedReady, PriorityReady, type ReadySource, SequentialReady } from "./ready.ts";

/** What a queue may do to its order; `pick` chooses among what is held. */
const steps = fc.array(
  fc.record({
    kind: fc.constantFrom("append", "append", "take", "take", "giveBack", "settle", "late", "due"),
    pick: fc.nat(),
    priority: fc.nat(3),
    key: fc.constantFrom("a", "b", "c", undefined),
  }),
  { maxLength: 80, size: "max" },
);

interface Known {
  readonly offset: number;
  readonly priority: number;
  readonly key: string | undefined;
}

/** Runs the steps on both, and asks after each what comes next. */
function compare(
  create: () => ReadySource,
  isAfter: (a: Known, b: Known) => boolean,
  isLocked: (one: Known, held: Known[]) => boolean,
): void {
  fc.assert(
    fc.property(steps, (list) => {
      const order = create();
      const ready: Known[] = [];
      const held: Known[] = [];
      const late: Known[] = [];
      let next = 0;
      const first = (): Known | undefined =>
        ready
          .filter((one) => !isLocked(one, held))
          .reduce<Known | undefined>((best, one) => (best === undefined || isAfter(best, one) ? one : best), undefined);
      for (const { kind, pick, priority, key } of list) {
        const isSequential = order instanceof SequentialReady;
        if (kind === "append" || (kind === "late" && isSequential)) {
          const one = { offset: next++, priority, key };
          if (!isSequential) order.appended(one.offset, priority, key);
          ready.push(one);
        } else if (kind === "late") late.push({ offset: next++, priority, key });
        else if (kind === "due" && late.length > 0) {
          const [one] = late.splice(pick % late.length, 1) as [Known];
          order.due(one.offset, one.priority, one.key);
          ready.push(one);
        } else if (kind === "take" && first() !== undefined) {
          const one = first()!;
          assert.equal(order.peek(next), one.offset);
          order.take();
          ready.splice(ready.indexOf(one), 1);
          held.push(one);
        } else if ((kind === "giveBack" || kind === "settle") && held.length > 0) {
          const [one] = held.splice(pick % held.length, 1) as [Known];
          if (kind === "settle") order.settled(one.offset);
          else {
            order.giveBack(one.offset);
            ready.push(one);
          }
        }
        assert.equal(order.peek(next), first()?.offset ?? -1);
      }
    }),
    { numRuns: 300 },
  );
}

test("sequential: the least offset that is ready is next", () => {
  compare(
    () => new SequentialReady(),
    (a, b) => a.offset > b.offset,
    () => false,
  );
});

test("priority: the highest level is next, and the least offset of it, also of what was late or came back", () => {
  const level = ({ priority }: Known): number => Math.min(priority, 2);
  compare(
    () => new PriorityReady(2),
    (a, b) => level(a) < level(b) || (level(a) === level(b) && a.offset > b.offset),
    () => false,
  );
});

test("keyed: the least offset whose key nobody holds is next", () => {
  const isLocked = ({ key }: Known, held: Known[]): boolean => key !== undefined && held.some((one) => one.key === key);
  compare(
    () => new KeyedReady(),
    (a, b) => a.offset > b.offset,
    isLocked,
  );
});

test("priority: what is late and at or above the limit is not next, and hides nothing below it", () => {
  const order = new PriorityReady(2);
  order.appended(3, 1);
  order.appended(6, 1);
  order.due(4, 1);
  for (const expected of [3, 4]) {
    assert.equal(order.peek(expected), -1);
    assert.equal(order.peek(5), expected);
    order.take();
  }
  order.due(7, 0);
  assert.deepEqual([order.peek(6), order.peek(7)], [-1, 6]);
  order.take();
  assert.deepEqual([order.peek(7), order.peek(8)], [-1, 7]);
});
