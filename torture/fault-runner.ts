/** Does to the broker what the plan says, when it says so, and counts what comes of it. */

import { existsSync, readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { Chance } from "../sim/chance.ts";
import type { Broker } from "./broker.ts";
import { flipInSegment } from "./flip.ts";
import type { History } from "./history.ts";
import { showFault, type FaultKind, type PlannedFault } from "./plan.ts";
import type { Proxy } from "./proxy.ts";
import type { Counter } from "./control-page.ts";
import type { Tally } from "./tally.ts";

const mebibyte = 1024 * 1024;
const clockBackMs = -40 * 60_000;
const clockAheadMs = 3 * 3600_000;
const lookMs = 100;
/** Between looks for something that a fault could hit. */
const againMs = 500;

export interface Scene {
  readonly broker: Broker;
  readonly proxies: readonly Proxy[];
  readonly history: History;
  readonly tally: Tally;
}

export class FaultRunner {
  readonly #scene: Scene;
  /** Process ends and dead disks come one after the other; everything else happens beside them. */
  #ending: Promise<unknown> = Promise.resolve();
  #isEnding = false;
  #isOver = false;
  readonly #lasting = new Set<Promise<void>>();
  /** Bits of stored messages were turned: what is lost by that is excused if it is reported. */
  hasRotted = false;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  async run(faults: readonly PlannedFault[], loadMs: number): Promise<void> {
    const began = performance.now();
    for (const fault of faults) {
      if (fault.atMs > loadMs) break;
      await this.#waitUntil(began + fault.atMs);
      this.#begin(fault);
    }
    await this.#waitUntil(began + loadMs);
    await this.heal();
  }

  async #waitUntil(at: number): Promise<void> {
    while (performance.now() < at) {
      await wait(Math.min(lookMs, at - performance.now()));
      if (!this.#isEnding) await this.#inTurn(() => this.#scene.broker.look());
    }
  }

  /** Everything is well again, and the broker is there. */
  async heal(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#lasting);
    await this.#ending;
    for (const proxy of this.#scene.proxies) proxy.clear();
    this.#scene.broker.control.heal();
    this.#scene.broker.control.set("clockOffsetMs", 0);
    await this.#scene.broker.look();
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#ending.then(() => {
      this.#isEnding = true;
      return action().finally(() => (this.#isEnding = false));
    });
    this.#ending = turn;
    return turn;
  }

  #begin(fault: PlannedFault): void {
    const { tally, history } = this.#scene;
    tally.begin(fault.kind);
    history.tell({ kind: "fault", what: showFault(fault) });
    const lasting = this.#act(fault)
      .then((count) => tally.add(fault.kind, count))
      .finally(() => this.#lasting.delete(lasting));
    this.#lasting.add(lasting);
  }

  /** Answers how much came of it, as tally.ts counts that. */
  #act(fault: PlannedFault): Promise<number> {
    const { broker } = this.#scene;
    const { control } = broker;
    const { forMs, amount, seed } = fault;
    const taken = ["revertedSectors", "revertedNames"] as const;
    const act: Record<FaultKind, () => Promise<number>> = {
      kill: () => this.#inTurn(() => broker.end("SIGKILL", forMs / 4).then(() => 1)),
      term: () => this.#inTurn(() => broker.end("SIGTERM", forMs / 4).then(() => 1)),
      power: () =>
        this.#countedInTurn(taken, () => {
          control.set("seed", seed);
          return broker.end("power", forMs / 4, 1 + Math.floor(amount * amount * 300));
        }),
      "power-at-start": () =>
        this.#countedInTurn(taken, () => {
          control.set("seed", seed);
          return broker.cutWhileStarting(1 + Math.floor(amount * 40));
        }),
      stop: () => this.#inTurn(() => this.#stop(forMs)),
      "write-error": () =>
        this.#countedInTurn(["failedWrites"], () => {
          control.set("eioWriteAfter", 2 + Math.floor(amount * 20));
          return broker.end("disk", forMs / 4);
        }),
      "read-error": () => this.#countedInTurn(["failedReads"], () => this.#failReads(forMs, amount)),
      full: () =>
        this.#counted(["refused", "roomAnswers"], () =>
          this.#during(forMs, "roomBytes", Math.floor(amount * mebibyte), -1),
        ),
      slow: () =>
        this.#counted(["slowed"], () =>
          this.#during(forMs, "slowWriteUs", 200 + Math.floor(amount * amount * 50_000), 0),
        ),
      clock: () =>
        this.#counted(["clockReadings"], async () => {
          control.set("clockOffsetMs", Math.floor(clockBackMs + amount * (clockAheadMs - clockBackMs)));
          // It stays so; for somebody to have looked.
          await wait(againMs);
        }),
      flip: () => this.#flip(seed),
      cut: async () => this.#proxy(seed).cut(amount),
      "half-close": async () => this.#proxy(seed).halfClose(amount),
      freeze: () => this.#weather(seed, forMs, { isFrozen: true }),
      delay: () => this.#weather(seed, forMs, { delayMs: Math.floor(amount * 300) }),
      throttle: () => this.#weather(seed, forMs, { bytesPerSecond: 5000 + Math.floor(amount * 200_000) }),
      split: () => this.#weather(seed, forMs, { isSplit: true }),
    };
    return act[fault.kind]();
  }

  async #stop(forMs: number): Promise<number> {
    const { broker } = this.#scene;
    broker.signal("SIGSTOP");
    await wait(forMs);
    const count = isHeldUp(broker.pid) ? 1 : 0;
    broker.signal("SIGCONT");
    return count;
  }

  async #failReads(forMs: number, amount: number): Promise<void> {
    const { broker } = this.#scene;
    broker.mayFail = true;
    broker.control.set("eioReadPer64k", 1 + Math.floor(amount * 20_000));
    await wait(forMs);
    broker.control.set("eioReadPer64k", 0);
    // An error that it was given is perhaps not yet its end.
    await wait(lookMs);
    await broker.look();
    broker.mayFail = false;
  }

  /** As soon as there is a segment. */
  async #flip(seed: number): Promise<number> {
    const { broker, history } = this.#scene;
    const chance = new Chance(seed);
    while (!flipInSegment(broker.dataDir, chance, history)) {
      if (this.#isOver) return 0;
      await wait(againMs);
    }
    this.hasRotted = true;
    return 1;
  }

  #countedInTurn(counters: readonly Counter[], action: () => Promise<void>): Promise<number> {
    return this.#inTurn(() => this.#counted(counters, action));
  }

  /** By how much these have grown meanwhile. */
  async #counted(counters: readonly Counter[], action: () => Promise<void>): Promise<number> {
    const before = this.#sumOf(counters);
    await action();
    return this.#sumOf(counters) - before;
  }

  #sumOf(counters: readonly Counter[]): number {
    const { control } = this.#scene.broker;
    return counters.reduce((sum, counter) => sum + control.get(counter), 0);
  }

  async #during(forMs: number, field: "roomBytes" | "slowWriteUs", value: number, healed: number): Promise<void> {
    this.#scene.broker.control.set(field, value);
    await wait(forMs);
    this.#scene.broker.control.set(field, healed);
  }

  /** Answers how many connections had to go through it. */
  async #weather(seed: number, forMs: number, weather: Partial<Proxy["weather"]>): Promise<number> {
    const proxy = this.#proxy(seed);
    Object.assign(proxy.weather, weather);
    const before = proxy.connections;
    await wait(forMs);
    proxy.clear();
    return Math.max(before, proxy.connections);
  }

  #proxy(seed: number): Proxy {
    return this.#scene.proxies[seed % this.#scene.proxies.length]!;
  }
}

/** Whether a signal has stopped it, where the system tells. */
function isHeldUp(pid: number | undefined): boolean {
  const path = `/proc/${pid}/stat`;
  if (process.platform !== "linux") return pid !== undefined;
  if (!existsSync(path)) return false;
  const stat = readFileSync(path, "utf8");
  // Behind the command's name, which is in brackets and may hold anything.
  return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
}
