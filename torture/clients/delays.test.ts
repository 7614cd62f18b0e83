import assert from "node:assert/strict";
import { test } from "node:test";
import { Chance } from "../../sim/chance.ts";
import { checkHistory } from "../check/check.ts";
import type { Event, Telling } from "../history.ts";
import { Delays, delayMsMax } from "./delays.ts";
import type { Site } from "./site.ts";

/** A round in which time passes when it is told to. */
class Scene {
  readonly delays = new Delays("delays");
  readonly upsets = { clockSets: 0, stops: 0 };
  readonly #events: Event[] = [];
  #nowMs = 0;
  #names = 0;

  #site(): Site {
    const tell = (event: Telling): void => void this.#events.push({ at: this.#nowMs, ...event });
    const nameFor = (kind: string): string => `${kind}${++this.#names}`;
    return { history: { tell, now: () => this.#nowMs }, upsets: this.upsets, nameFor } as unknown as Site;
  }

  /** Answers how long it has to wait. */
  send(seq: number): number {
    const site = this.#site();
    const { delayMs, txn } = this.delays.begin(site, new Chance(seq), { writer: "w", seq });
    site.history.tell({ kind: "send", place: "q", writer: "w", seq, txn });
    site.history.tell({ kind: "ended", txn, outcome: "ok" });
    return delayMs;
  }

  come(seq: number): void {
    const site = this.#site();
    this.delays.came(site, { writer: "w", seq });
    site.history.tell({ kind: "got", reader: "c", place: "q", view: "queue", writer: "w", seq, isIntact: true });
    site.history.tell({ kind: "settle", reader: "c", place: "q", writer: "w", seq, how: "accept" });
  }

  pass(ms: number): void {
    this.#nowMs += ms;
  }

  close(): void {
    this.delays.close(this.#site());
  }

  found(): string[] {
    return checkHistory([...this.#events, { at: this.#nowMs, kind: "emptied", place: "q", view: "queue" }]).map(
      ({ kind }) => kind,
    );
  }
}

test("what comes when its time has come is well, also when it comes again", () => {
  const scene = new Scene();
  scene.pass(scene.send(0));
  scene.come(0);
  scene.pass(1);
  scene.come(0);
  scene.close();
  assert.deepEqual(scene.found(), []);
});

test("what comes before its time is found", () => {
  const scene = new Scene();
  scene.send(0);
  scene.pass(50);
  scene.come(0);
  assert.deepEqual(scene.found(), ["aborted"]);
  scene.pass(1);
  scene.close();
  assert.deepEqual(scene.found(), ["uncommitted"]);
});

test("what does not come is lost", () => {
  const scene = new Scene();
  scene.send(0);
  scene.pass(delayMsMax);
  scene.close();
  assert.deepEqual(scene.found(), ["lost"]);
});

test("where nobody knows what time it is for the broker, it may come at any time", () => {
  const set = new Scene();
  set.send(0);
  set.upsets.clockSets++;
  set.come(0);
  assert.ok(set.delays.isUpset(set.upsets.clockSets));
  set.send(1);
  set.pass(1);
  set.come(1);
  assert.deepEqual(set.found(), []);
  const stopped = new Scene();
  stopped.send(0);
  stopped.upsets.stops++;
  stopped.come(0);
  assert.deepEqual(stopped.found(), []);
  stopped.send(1);
  stopped.pass(1);
  stopped.come(1);
  assert.deepEqual(stopped.found(), ["aborted"]);
  assert.ok(!stopped.delays.isUpset(stopped.upsets.clockSets));
});
