import assert from "node:assert/strict";
import { test } from "node:test";
import { Ledger } from "./ledger.ts";

/** A ledger with three confirmed messages in one queue. */
function threeConfirmed(): Ledger {
  const ledger = new Ledger();
  for (const sequence of [1, 2, 3]) {
    ledger.sent(["q"], "p", sequence);
    ledger.confirmed(["q"], "p", sequence);
  }
  return ledger;
}

function deliver(ledger: Ledger, sequence: number, isRedelivered = false, consumer?: string): void {
  ledger.delivered("q", { publisher: "p", sequence, isRedelivered, isIntact: true }, consumer);
}

function take(ledger: Ledger, sequence: number, isRedelivered = false): void {
  deliver(ledger, sequence, isRedelivered);
  ledger.acknowledged("q", "p", sequence);
}

test("a run in which everything is right has no faults", () => {
  const ledger = threeConfirmed();
  ledger.sent(["q"], "p", 4);
  take(ledger, 1);
  ledger.settled("q", "p", 1);
  take(ledger, 2);
  deliver(ledger, 3);
  ledger.crashed();
  take(ledger, 2, true);
  take(ledger, 3, true);
  take(ledger, 4);
  ledger.close();
  assert.deepEqual(ledger.faults, []);
});

test("an acknowledgement and an unconfirmed message may be lost in a crash, or not", () => {
  const ledger = threeConfirmed();
  ledger.sent(["q"], "p", 4);
  for (const sequence of [1, 2, 3]) take(ledger, sequence);
  ledger.crashed();
  ledger.close();
  assert.deepEqual(ledger.faults, []);
});

const faults: Record<string, [(ledger: Ledger) => void, RegExp]> = {
  "a confirmed message that is lost": [(ledger) => take(ledger, 1), /p:2 of q was confirmed and is lost/],
  "a confirmed message that a crash loses after it was seen": [
    (ledger) => {
      for (const sequence of [1, 2]) take(ledger, sequence);
      deliver(ledger, 3);
      ledger.crashed();
    },
    /p:3 of q was confirmed and is lost \(after 1 crashes\)/,
  ],
  "a second time without the flag": [
    (ledger) => {
      deliver(ledger, 1);
      ledger.crashed();
      deliver(ledger, 1);
    },
    /p:1 of q came a second time without the redelivered flag/,
  ],
  "twice at once": [
    (ledger) => {
      deliver(ledger, 1);
      deliver(ledger, 1, true);
    },
    /p:1 of q was delivered while a consumer holds it/,
  ],
  "a settled message that comes back": [
    (ledger) => {
      take(ledger, 1);
      ledger.settled("q", "p", 1);
      ledger.crashed();
      deliver(ledger, 1, true);
    },
    /p:1 of q came back after its acknowledgement was on disk/,
  ],
  "an acknowledged message that comes back without a crash": [
    (ledger) => {
      take(ledger, 1);
      deliver(ledger, 1, true);
    },
    /p:1 of q came back after it was acknowledged, without a crash/,
  ],
  "a publisher's order": [
    (ledger) => {
      deliver(ledger, 2, false, "c");
      deliver(ledger, 1, false, "c");
    },
    /p:1 of q came out of order after p:2 to c/,
  ],
  "what was never sent": [(ledger) => deliver(ledger, 9), /p:9 of q arrived and was never sent/],
  "a damaged message": [
    (ledger) => ledger.delivered("q", { publisher: "p", sequence: 1, isRedelivered: false, isIntact: false }),
    /p:1 of q is not as it was sent/,
  ],
};

for (const [name, [happen, expected]] of Object.entries(faults)) {
  test(`it notices ${name}`, () => {
    const ledger = threeConfirmed();
    happen(ledger);
    ledger.close();
    assert.match(ledger.faults.join("\n"), expected);
  });
}
