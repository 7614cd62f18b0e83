// Keeps the brokers that are measured, starts each when it is first needed, and pauses those that are not measured, so that all are
// up in turn A B A B without taking processor time from each other.

import { join } from "node:path";
import type { BrokerKind, RunningBroker } from "./brokers.ts";
import type { LoadResult } from "./load-options.ts";
import { runLoad } from "./run-load.ts";

/** Declaring, measuring, draining and removing take well under this beside what the caller expects. */
const graceSeconds = 150;

export class House {
  readonly #dir: string;
  readonly #brokers = new Map<Pick<BrokerKind, "start">, RunningBroker>();
  #starts = 0;

  /** @param dir where the brokers' data goes, on the disk that the load program is told of as well */
  constructor(dir: string) {
    this.#dir = dir;
  }

  async #up(kind: Pick<BrokerKind, "start">): Promise<RunningBroker> {
    const old = this.#brokers.get(kind);
    if (old?.isAlive()) {
      old.resume();
      return old;
    }
    const broker = await kind.start(join(this.#dir, `broker-${this.#starts++}`));
    this.#brokers.set(kind, broker);
    return broker;
  }

  /** Runs a scenario of the load program against `kind`. Errors: as of `use`. */
  measure(
    kind: Pick<BrokerKind, "start">,
    scenario: string,
    args: readonly string[],
    expectedSeconds: number,
  ): Promise<LoadResult> {
    const msMax = Math.ceil((graceSeconds + 5 * expectedSeconds) * 1000);
    return this.use(kind, (broker) => runLoad(broker, scenario, ["--dir", this.#dir, ...args], msMax));
  }

  /** Runs a load against `kind`, which is paused afterwards. Errors: those of the start, and of the load; the broker is then ended. */
  async use<Result>(
    kind: Pick<BrokerKind, "start">,
    load: (broker: RunningBroker) => Promise<Result>,
  ): Promise<Result> {
    const broker = await this.#up(kind);
    try {
      return await load(broker);
    } catch (error) {
      // What a failed load leaves behind is not a fair start for the next one.
      await broker.kill();
      throw error;
    } finally {
      if (broker.isAlive()) broker.pause();
    }
  }

  /** Ends all of them; the next to be measured start anew, over nothing. */
  async close(): Promise<void> {
    for (const broker of this.#brokers.values()) if (broker.isAlive()) await broker.stop();
    this.#brokers.clear();
  }
}
