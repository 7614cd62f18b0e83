import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Settlement } from "../api.ts";
import type { Core } from "../core.ts";
import { Bottle } from "../test-broker.suite.ts";
import type { LeaseOwner } from "./lease-owner.ts";
import { SessionState } from "./session.ts";

class Owner implements LeaseOwner {
  readonly settled: [number, Settlement][] = [];

  settle(offset: number, settlement: Settlement): void {
    this.settled.push([offset, settlement]);
  }
}

test("leases are settled as a list of them would be, however far apart the outstanding ones are", async () => {
  const bottle = await Bottle.open();
  const core: Core = bottle.broker.core;
  const step = fc.oneof(
    fc.record({ kind: fc.constant("grant" as const), count: fc.nat(3000) }),
    fc.record({ kind: fc.constant("noAck" as const), count: fc.nat(3000) }),
    fc.record({ kind: fc.constant("one" as const), count: fc.nat() }),
    fc.record({ kind: fc.constant("all but one" as const), count: fc.nat() }),
    fc.record({ kind: fc.constant("multiple" as const), count: fc.nat() }),
    fc.record({ kind: fc.constant("release" as const), count: fc.nat() }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
      const session = new SessionState(core);
      const owner = new Owner();
      let held: number[] = [];
      for (const { kind, count } of steps) {
        owner.settled.length = 0;
        if (kind === "grant")
          for (let i = 0; i < count; i++) held.push(session.grant(owner, 1e6 + session.lastLease + 1, undefined));
        else if (kind === "noAck") for (let i = 0; i < count; i++) session.grant(undefined, 0, undefined);
        else if (held.length > 0) {
          const lease = held[count % held.length]!;
          const isKept = (one: number): boolean => one < lease || one % 3 === 0;
          const gone = held.filter((one) => {
            if (kind === "one") return one === lease;
            if (kind === "release") return !isKept(one);
            return kind === "multiple" ? one <= lease : one !== lease;
          });
          assert.equal(session.countUpTo(lease), held.indexOf(lease) + 1);
          if (kind === "release") session.releaseAll(isKept);
          else if (kind === "multiple") assert.equal(session.settle(lease, true, "accept"), gone.length);
          else for (const one of gone) assert.equal(session.settle(one, false, "accept"), 1);
          const lost = new Set(gone);
          held = held.filter((one) => !lost.has(one));
          assert.deepEqual(
            owner.settled,
            gone.map((one) => [1e6 + one, kind === "release" ? "fail" : "accept"]),
          );
          for (const one of gone.slice(0, 5)) assert.equal(session.settle(one, false, "accept"), 0);
        }
        assert.equal(session.leasedCount, held.length);
        for (const one of held.slice(0, 5)) assert.ok(session.holds(one));
        const offsets: number[] = [];
        session.leasedOf(owner, offsets);
        assert.deepEqual(
          offsets,
          held.map((one) => 1e6 + one),
        );
      }
      session.close();
    }),
    { numRuns: 60 },
  );
});

test("one lease that is held for ever does not make a session grow while millions pass it", async () => {
  const bottle = await Bottle.open();
  const session = new SessionState(bottle.broker.core);
  const owner = new Owner();
  session.grant(owner, 0, undefined);
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 1; i < 2_000_000; i++) {
    const lease = session.grant(i % 2 === 0 ? owner : undefined, i, undefined);
    if (i % 2 === 0) session.settle(lease, false, "accept");
    if (owner.settled.length > 1000) owner.settled.length = 0;
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 2_000_000);
  assert.equal(session.settle(1, false, "accept"), 1);
  assert.equal(session.leasedCount, 0);
});
