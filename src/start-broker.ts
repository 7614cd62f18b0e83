/** The library's entry. */

import { systemClock, VirtualClock } from "./base/clock.ts";
import { assemble, loggerFor, openData, openPorts, redriveIn, stopAssembled, type Assembled } from "./assembly.ts";
import { settingsFor } from "./config/settings.ts";
import type { RunningBroker, StartOptions } from "./config/start-options.ts";
import { durationMs, passTime } from "./testing/pass-time.ts";

export type { RunningBroker, StartOptions } from "./config/start-options.ts";

/**
 * Starts a broker in this process, and gives it back when every listener accepts.
 * @throws ConfigurationError if an option is wrong; the system's error if a port or the data cannot be had.
 */
export async function startBroker(options: StartOptions = {}): Promise<RunningBroker> {
  const effective = await settingsFor(options);
  const { values } = effective;
  const virtual =
    options.clock === "virtual" ? new VirtualClock(systemClock().now(), (run) => systemClock().defer(run)) : undefined;
  const clock = virtual ?? systemClock();
  const logger = loggerFor(options, values, clock);
  const { onFailure } = options;
  const assembled = await assemble(effective, { clock, logger, onFailure, openData: () => openData(values, clock) });
  return running(assembled, virtual);
}

function running(assembled: Assembled, virtual: VirtualClock | undefined): RunningBroker {
  const { core } = assembled;
  let stopping: Promise<void> | undefined;
  let passing: Promise<void> = Promise.resolve();
  return {
    ...openPorts(assembled.ports),
    advance: async (duration) => {
      if (virtual === undefined) throw new Error("advance: this broker was not started with a virtual clock");
      const ms = durationMs("advance", duration);
      // One behind the other, whoever asks.
      const passed = passing.then(() => passTime(virtual, core, ms));
      passing = passed.catch(() => undefined);
      await passed;
    },
    redrive: (name, countMax = Infinity) => redriveIn(core, "/", name, countMax),
    reloadTls: () => assembled.ports.reloadTls(),
    stop: () => (stopping ??= stopAssembled(assembled)),
  };
}
