/** Does to the broker what the plan says, when it says so. */

import { setTimeout as wait } from "node:timers/promises";
import { Chance } from "../sim/chance.ts";
import type { Broker } from "./broker.ts";
import { flipInSegment } from "./flip.ts";
import type { History } from "./history.ts";
import { showFault, type FaultKind, type PlannedFault } from "./plan.ts";
import type { Proxy } from "./proxy.ts";

const mebibyte = 1024 * 1024;
const clockBackMs = -40 * 60_000;
const clockAheadMs = 3 * 3600_000;
const lookMs = 100;

export interface Scene {
  readonly broker: Broker;
  readonly proxies: readonly Proxy[];
  readonly history: History;
  readonly counts: Map<string, number>;
}

export class FaultRunner {
  readonly #scene: Scene;
  /** Process ends and dead disks come one after the other; everything else happens beside them. */
  #ending: Promise<void> = Promise.resolve();
  #isEnding = false;
  readonly #lasting = new Set<Promise<void>>();
  /** Bits of stored messages were turned, or reads failed: what is lost by that is excused if it is reported. */
  hasRotted = false;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  async run(faults: readonly PlannedFault[], loadMs: number): Promise<void> {
    const began = performance.now();
    for (const fault of faults) {
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
    await Promise.all(this.#lasting);
    await this.#ending;
    for (const proxy of this.#scene.proxies) proxy.clear();
    this.#scene.broker.control.heal();
    this.#scene.broker.control.set("clockOffsetMs", 0);
    await this.#scene.broker.look();
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    this.#ending = this.#ending.then(async () => {
      this.#isEnding = true;
      await action().finally(() => (this.#isEnding = false));
    });
    return this.#ending;
  }

  #begin(fault: PlannedFault): void {
    const { counts, history } = this.#scene;
    counts.set(fault.kind, (counts.get(fault.kind) ?? 0) + 1);
    history.tell({ kind: "fault", what: showFault(fault) });
    const lasting = this.#act(fault).finally(() => this.#lasting.delete(lasting));
    this.#lasting.add(lasting);
  }

  #act(fault: PlannedFault): Promise<void> {
    const { broker } = this.#scene;
    const { control } = broker;
    const { kind, forMs, amount, seed } = fault;
    const act: Record<FaultKind, () => Promise<void>> = {
      kill: () => this.#inTurn(() => broker.end("SIGKILL", forMs / 4)),
      term: () => this.#inTurn(() => broker.end("SIGTERM", forMs / 4)),
      power: () =>
        this.#inTurn(async () => {
          control.set("seed", seed);
          await broker.end("power", forMs / 4, 1 + Math.floor(amount * amount * 300));
        }),
      "power-at-start": () =>
        this.#inTurn(async () => {
          control.set("seed", seed);
          await broker.cutWhileStarting(1 + Math.floor(amount * 40));
        }),
      stop: () =>
        this.#inTurn(async () => {
          broker.signal("SIGSTOP");
          await wait(forMs);
          broker.signal("SIGCONT");
        }),
      "write-error": () =>
        this.#inTurn(async () => {
          control.set("eioWriteAfter", 2 + Math.floor(amount * 20));
          await broker.end("disk", forMs / 4);
        }),
      "read-error": () =>
        this.#inTurn(async () => {
          broker.mayFail = true;
          control.set("eioReadPer64k", 1 + Math.floor(amount * 20_000));
          await wait(forMs);
          control.set("eioReadPer64k", 0);
          // An error that it was given is perhaps not yet its end.
          await wait(lookMs);
          await broker.look();
          broker.mayFail = false;
        }),
      full: () => this.#during(forMs, "roomBytes", Math.floor(amount * mebibyte), -1),
      slow: () => this.#during(forMs, "slowWriteUs", 200 + Math.floor(amount * amount * 50_000), 0),
      clock: async () => {
        control.set("clockOffsetMs", Math.floor(clockBackMs + amount * (clockAheadMs - clockBackMs)));
      },
      flip: async () => {
        const chance = new Chance(seed);
        if (flipInSegment(broker.dataDir, chance, this.#scene.history)) this.hasRotted = true;
      },
      cut: async () => void this.#proxy(seed).cut(amount),
      "half-close": async () => void this.#proxy(seed).halfClose(amount),
      freeze: () => this.#weather(seed, forMs, { isFrozen: true }),
      delay: () => this.#weather(seed, forMs, { delayMs: Math.floor(amount * 300) }),
      throttle: () => this.#weather(seed, forMs, { bytesPerSecond: 5000 + Math.floor(amount * 200_000) }),
      split: () => this.#weather(seed, forMs, { isSplit: true }),
    };
    return act[kind]();
  }

  async #during(forMs: number, field: "roomBytes" | "slowWriteUs", value: number, healed: number): Promise<void> {
    this.#scene.broker.control.set(field, value);
    await wait(forMs);
    this.#scene.broker.control.set(field, healed);
  }

  async #weather(seed: number, forMs: number, weather: Partial<Proxy["weather"]>): Promise<void> {
    const proxy = this.#proxy(seed);
    Object.assign(proxy.weather, weather);
    await wait(forMs);
    proxy.clear();
  }

  #proxy(seed: number): Proxy {
    return this.#scene.proxies[seed % this.#scene.proxies.length]!;
  }
}
