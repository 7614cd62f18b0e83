import type { RunningBroker, StartOptions } from "./config/start-options.ts";

export type { RunningBroker, StartOptions } from "./config/start-options.ts";

/** Starts a broker in this process, and gives it back when every listener accepts. */
export async function startBroker(_options: StartOptions = {}): Promise<RunningBroker> {
  throw new Error("not built yet");
}
