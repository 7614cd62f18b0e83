import type { RunningBroker, StartOptions } from "../config/start-options.ts";

/** What a command touches of the process around it; `main.ts` hands in the real one, tests hand in theirs. */
export interface Surroundings {
  /** What follows the program's name. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Columns to which help is wrapped. */
  readonly columns: number;
  writeOut(text: string): void;
  writeError(text: string): void;
  /** Calls back at each SIGTERM and SIGINT from now on. */
  onStopSignal(run: () => void): void;
  /** Calls back at each SIGHUP from now on, which else ends the process. */
  onReloadSignal(run: () => void): void;
  /** Loads the broker, which is the larger part of the program, and starts one. */
  startBroker(options: StartOptions): Promise<RunningBroker>;
}

/** Exit status of a command. 2 is for what the caller can put right on the command line or in the configuration. */
export const exitStatus = { done: 0, failed: 1, misused: 2, brokerFailed: 70 } as const;
