import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { errorCode } from "../codec/errors.ts";
import { end, endAndGoOn, expire, join, takeOver, type Step, type TransactionState } from "./transaction.ts";

const nowMs = 1_577_836_800_000;
const fresh: TransactionState = {
  producerId: 5,
  producerEpoch: 0,
  lastEpoch: -1,
  lastProducerId: -1,
  timeoutMs: 60_000,
  phase: "Empty",
  startedMs: -1,
  updatedMs: nowMs,
};
const newId = (): number => 6;

function done(step: Step | number): Step {
  assert.ok(typeof step !== "number", `refused: ${String(step)}`);
  return step;
}

test("when the epochs of a producer id have run out, an end gives a new id, and gives it again to who asks again", () => {
  const state: TransactionState = { ...fresh, producerEpoch: 32_766, phase: "Ongoing", startedMs: nowMs };
  const by = { producerId: 5, producerEpoch: 32_766 };
  const step = done(endAndGoOn(state, by, true, newId, nowMs));
  assert.deepEqual(step.ending, { producerId: 5, producerEpoch: 32_767, isCommitted: true });
  const { producerId, producerEpoch } = step.state;
  assert.deepEqual({ producerId, producerEpoch }, { producerId: 6, producerEpoch: 0 });
  const again = done(endAndGoOn(step.state, by, true, newId, nowMs));
  assert.equal(again.state, step.state);
  assert.equal(again.ending, undefined);
  assert.equal(endAndGoOn(step.state, by, false, newId, nowMs), errorCode.INVALID_TXN_STATE);
  assert.equal(
    endAndGoOn(step.state, { ...by, producerEpoch: 3 }, true, newId, nowMs),
    errorCode.INVALID_PRODUCER_ID_MAPPING,
  );
  const ongoing = done(join(step.state, { producerId, producerEpoch }, nowMs)).state;
  assert.equal(endAndGoOn(ongoing, by, true, newId, nowMs), errorCode.PRODUCER_FENCED);
});

test("who takes over when the epochs have run out gets a new id, and what was open is aborted under the old one", () => {
  const state: TransactionState = { ...fresh, producerEpoch: 32_766, phase: "Ongoing", startedMs: nowMs };
  const step = done(takeOver(state, undefined, 1000, newId, nowMs));
  assert.deepEqual(step.ending, { producerId: 5, producerEpoch: 32_767, isCommitted: false });
  assert.deepEqual([step.state.producerId, step.state.producerEpoch, step.state.phase], [6, 0, "Empty"]);
  const was = { producerId: 5, producerEpoch: 32_766 };
  assert.equal(takeOver(step.state, was, 1000, newId, nowMs), errorCode.PRODUCER_FENCED);
});

test("who goes on when the epochs have run out gets a new id, and the same one if it asks again", () => {
  const was = { producerId: 5, producerEpoch: 32_766 };
  const step = done(takeOver({ ...fresh, producerEpoch: 32_766 }, was, 1000, newId, nowMs));
  const again = done(takeOver(step.state, was, 1000, () => 7, nowMs));
  assert.deepEqual([again.state.producerId, again.state.producerEpoch], [6, 0]);
});

test("a time-out in the last epoch fences it, and the next epoch is under a new id", () => {
  const late = expire({ ...fresh, producerEpoch: 32_766, phase: "Ongoing", startedMs: nowMs }, newId, nowMs);
  assert.deepEqual(late.ending, { producerId: 5, producerEpoch: 32_767, isCommitted: false });
  const step = done(takeOver(late.state, undefined, 1000, () => 7, nowMs));
  assert.deepEqual([step.state.producerId, step.state.producerEpoch], [6, 1]);
});

test("who goes on after a time-out in its last epoch is given the new id, and never the epoch that fenced it", () => {
  const by = { producerId: 5, producerEpoch: 32_766 };
  const late = expire({ ...fresh, producerEpoch: 32_766, phase: "Ongoing", startedMs: nowMs }, newId, nowMs).state;
  const gotId = done(takeOver(late, by, 1000, () => 7, nowMs));
  const gotEnd = done(endAndGoOn(late, by, false, () => 7, nowMs));
  for (const { state, ending } of [gotId, gotEnd]) {
    assert.deepEqual([state.producerId, state.producerEpoch], [6, 0]);
    assert.equal(ending, undefined, "it was aborted before");
  }
  assert.equal(
    endAndGoOn(late, by, true, () => 7, nowMs),
    errorCode.INVALID_TXN_STATE,
  );
});

test("whatever is asked in whatever order: epochs never go back, nobody is in one that was another's, and only who has the present one commits", () => {
  const action = fc.record({
    what: fc.constantFrom("take", "onward", "join", "end", "endAndGoOn", "expire"),
    who: fc.nat(3),
    isCommitted: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), fc.constantFrom(0, 32_760), (actions, epoch) => {
      let ids = 5;
      const nextId = (): number => ++ids;
      let state: TransactionState = { ...fresh, producerEpoch: epoch };
      // What each of four clients believes to be.
      const names = [0, 1, 2, 3].map(() => ({ producerId: -1, producerEpoch: -1 }));
      for (const { what, who, isCommitted } of actions) {
        const before = state;
        const by = names[who]!;
        const isPresent = by.producerId === before.producerId && by.producerEpoch === before.producerEpoch;
        const step = act(what, before, by, isCommitted, nextId);
        if (typeof step === "number") continue;
        state = step.state;
        assert.ok(state.producerId > before.producerId || state.producerEpoch >= before.producerEpoch, "epochs rise");
        if (step.ending?.isCommitted === true) assert.ok(isPresent, "only who has the present epoch commits");
        if (step.ending !== undefined) {
          assert.equal(before.phase, "Ongoing");
          assert.equal(step.ending.producerId, before.producerId);
          assert.ok(step.ending.producerEpoch >= before.producerEpoch && step.ending.producerEpoch <= 32_767);
        }
        assert.ok(state.producerEpoch <= 32_766, "the last epoch is nobody's");
        if (what === "expire") continue;
        const now = { producerId: state.producerId, producerEpoch: state.producerEpoch };
        if (what !== "join" && what !== "end") {
          const others = names.filter((each, at) => at !== who && each.producerId === now.producerId);
          assert.ok(!others.some((each) => each.producerEpoch === now.producerEpoch), "an epoch is one client's");
          names[who] = now;
        }
      }
    }),
  );
});

function act(
  what: string,
  state: TransactionState,
  by: { producerId: number; producerEpoch: number },
  isCommitted: boolean,
  nextId: () => number,
): Step | number {
  switch (what) {
    case "take":
      return takeOver(state, undefined, 1000, nextId, nowMs);
    case "onward":
      return by.producerId < 0 ? errorCode.INVALID_REQUEST : takeOver(state, by, 1000, nextId, nowMs);
    case "join":
      return join(state, by, nowMs);
    case "end":
      return end(state, by, isCommitted, nowMs);
    case "endAndGoOn":
      return endAndGoOn(state, by, isCommitted, nextId, nowMs);
    default:
      return state.phase === "Ongoing" ? expire(state, nextId, nowMs) : errorCode.INVALID_TXN_STATE;
  }
}
