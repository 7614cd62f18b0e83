import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { producerVerdict } from "../batch.ts";
import { Producers } from "./producers.ts";

const sequences = 2 ** 31;
const { next, outOfOrder, fenced } = producerVerdict;

const of = (
  producerEpoch: number,
  sequence: number,
  count: number,
  producerId = 1,
): Parameters<Producers["check"]>[0] => ({
  producerId,
  producerEpoch,
  sequence,
  count,
  isTransactional: false,
});

/** Everything that was ever appended, and nothing clever. */
class Plain {
  batches: { epoch: number; sequence: number; count: number; offset: number }[] = [];
  epoch = -1;
  lastMs = 0;

  check(epoch: number, sequence: number, count: number, nowMs: number, expiryMs: number): number {
    if (this.epoch < 0 || nowMs - this.lastMs >= expiryMs) return next;
    if (epoch < this.epoch) return fenced;
    if (epoch > this.epoch) return sequence === 0 ? next : outOfOrder;
    const own = this.batches.filter((batch) => batch.epoch === epoch);
    const newest = own.at(-1);
    const expected = newest === undefined ? 0 : (newest.sequence + newest.count) % sequences;
    if (sequence === expected) return next;
    const same = own.findLast((batch) => batch.sequence === sequence && batch.count === count);
    if (same === undefined) return outOfOrder;
    return own.indexOf(same) >= own.length - 5 ? same.offset : outOfOrder;
  }
}

test("a producer's batches are next, known, or refused, as a plain list of them says", () => {
  const step = fc.record({
    kind: fc.constantFrom("next", "next", "next", "again", "gap", "epoch", "wait", "store"),
    back: fc.nat(9),
    count: fc.integer({ min: 1, max: 5 }),
  });
  const starts = fc.constantFrom(0, 7, sequences - 3, sequences - 20);
  fc.assert(
    fc.property(starts, fc.array(step, { maxLength: 60 }), (start, steps) => {
      const expiryMs = 1000;
      let producers = new Producers(expiryMs);
      const plain = new Plain();
      let nowMs = 5000;
      let offset = 0;
      let epoch = 0;
      let sequence = start;
      const take = (count: number): void => {
        const verdict = producers.check(of(epoch, sequence, count), nowMs, false);
        assert.equal(verdict, plain.check(epoch, sequence, count, nowMs, expiryMs));
        if (verdict !== next) return;
        if (nowMs - plain.lastMs >= expiryMs) {
          plain.batches = [];
          producers.expire(nowMs, () => false);
        }
        producers.append(1, epoch, sequence, count, offset, nowMs);
        plain.batches.push({ epoch, sequence, count, offset });
        Object.assign(plain, { epoch, lastMs: nowMs });
        sequence = (sequence + count) % sequences;
        offset += count + 1;
      };
      for (const { kind, back, count } of steps) {
        if (kind === "next") take(count);
        else if (kind === "again" && plain.batches.length > 0) {
          const again = plain.batches[Math.max(0, plain.batches.length - 1 - back)]!;
          const isSame = plain.check(again.epoch, again.sequence, again.count, nowMs, expiryMs);
          assert.equal(producers.check(of(again.epoch, again.sequence, again.count), nowMs, false), isSame);
        } else if (kind === "gap" && plain.epoch >= 0 && nowMs - plain.lastMs < expiryMs) {
          const skipped = (sequence + 1 + back) % sequences;
          assert.equal(producers.check(of(plain.epoch, skipped, count), nowMs, false), outOfOrder);
        } else if (kind === "epoch") {
          epoch++;
          sequence = 0;
          take(count);
        } else if (kind === "wait") nowMs += back * 150;
        else if (kind === "store") {
          const stored = producers.toTexts();
          const restored = new Producers(expiryMs);
          // It is what was there, whatever happens before it is read.
          producers.append(1, epoch + 1, 99, 3, 1, nowMs);
          producers.append(2, 0, 99, 3, 1, nowMs);
          producers = restored;
          producers.fromTexts(stored);
        }
      }
    }),
    { numRuns: 400 },
  );
});

test("a newer epoch begins at 0 and fences the older; who is unknown may begin anywhere", () => {
  const producers = new Producers(1000);
  assert.equal(producers.check(of(3, 17, 1), 0, false), next);
  assert.equal(producers.check({ ...of(3, 17, 1), beginsAtZero: true }, 0, false), outOfOrder);
  assert.equal(producers.check({ ...of(3, 0, 1), beginsAtZero: true }, 0, false), next);
  producers.append(1, 3, 17, 2, 100, 0);
  assert.equal(producers.check(of(3, 17, 2), 0, false), 100);
  assert.equal(producers.check(of(3, 17, 1), 0, false), outOfOrder);
  assert.equal(producers.check(of(3, 18, 2), 0, false), outOfOrder);
  assert.equal(producers.check(of(3, 15, 2), 0, false), outOfOrder, "nobody knows that it was ever here");
  assert.equal(producers.check(of(4, 19, 1), 0, false), outOfOrder);
  assert.equal(producers.check(of(4, 0, 1), 0, false), next);
  producers.ended(1, 4, 0);
  assert.equal(producers.check(of(3, 19, 1), 0, false), fenced);
  assert.equal(producers.check(of(4, 1, 1), 0, false), outOfOrder);
  assert.equal(producers.check(of(4, 0, 1), 0, false), next);
});

test("who is idle for too long is forgotten, unless it has a transaction open", () => {
  const producers = new Producers(1000);
  for (let id = 0; id < 1000; id++) producers.append(id, 0, 0, 1, id, id);
  assert.equal(producers.check(of(0, 5, 1, 0), 1000, true), outOfOrder);
  assert.equal(producers.check(of(0, 5, 1, 0), 1000, false), next);
  producers.expire(1499, (id) => id === 3);
  assert.equal(producers.size, 501);
  for (let id = 1000; id < 1500; id++) producers.append(id, 1, 5, 2, id, 2000);
  for (let id = 1000; id < 1500; id++) assert.equal(producers.check(of(1, 5, 2, id), 2000, false), id);
  assert.equal(producers.check(of(0, 0, 1, 700), 1500, false), 700);
});

test("a hundred thousand producers are stored as they were at one moment, whoever comes, goes and appends meanwhile", () => {
  const producers = new Producers(1000);
  const count = 100_000;
  for (let id = 0; id < count; id++) producers.append(id, id % 7, id, 2, id, 5);
  for (let id = 0; id < 700; id++) producers.ended(id * 3, (id * 3) % 7, 900);
  const image = producers.toTexts();
  producers.expire(1005, () => false);
  for (let id = 0; id < count; id++) producers.append(count + id, 1, 0, 1, 0, 1005);
  const restored = new Producers(1000);
  restored.fromTexts(JSON.parse(JSON.stringify([...image])) as string[]);
  assert.equal(restored.size, count);
  for (let id = 0; id < count; id++) {
    assert.equal(restored.check(of(id % 7, id, 2, id), 100, false), id);
    assert.equal(restored.lastMsOf(id), id % 3 === 0 && id < 2100 ? 900 : 5);
  }
});
