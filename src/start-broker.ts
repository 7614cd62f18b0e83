/**
 * The library's entry, and the place where the parts are joined: settings, clock, chance, log, core, protocols, listeners.
 */

import { systemClock, VirtualClock, type Clock } from "./base/clock.ts";
import type { Settings } from "./config/options.ts";
import { settingsFor } from "./config/settings.ts";
import type { RunningBroker, StartOptions } from "./config/start-options.ts";
import { lineLogger } from "./observe/line-logger.ts";
import { silentLogger, type Logger } from "./observe/log.ts";

export type { RunningBroker, StartOptions } from "./config/start-options.ts";

/**
 * Starts a broker in this process, and gives it back when every listener accepts.
 * @throws ConfigurationError if an option is wrong; the system's error if a port or the data cannot be had.
 */
export async function startBroker(options: StartOptions = {}): Promise<RunningBroker> {
  const { values, warnings } = await settingsFor(options);
  const clock: Clock = options.clock === "virtual" ? new VirtualClock(Date.now(), setImmediate) : systemClock();
  const logger = loggerFor(options, values, clock);
  for (const warning of warnings) logger.warn(warning);
  throw new Error("not built yet");
}

function loggerFor({ logger = silentLogger }: StartOptions, settings: Settings, clock: Clock): Logger {
  if (logger !== "stderr") return logger;
  return lineLogger({
    level: settings["log.level"],
    format: settings["log.format"],
    clock,
    write: (line) => void process.stderr.write(line),
  });
}
