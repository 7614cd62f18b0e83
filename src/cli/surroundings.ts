import type { Clock } from "../base/clock.ts";
import type { RunningBroker, StartOptions } from "../config/start-options.ts";

/** What a command touches of the process around it; `main.ts` hands in the real one, tests hand in theirs. */
export interface Surroundings {
  /** What follows the program's name. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Columns to which help is wrapped. */
  readonly columns: number;
  readonly clock: Clock;
  writeOut(text: string): void;
  writeError(text: string): void;
  /** Calls back at each SIGTERM and SIGINT from now on, and when the terminal is closed at which the program was started. */
  onStopSignal(run: () => void): void;
  /** Calls back at each other SIGHUP from now on. */
  onReloadSignal(run: () => void): void;
  /** Loads the broker, which is the larger part of the program, and starts one. */
  startBroker(options: StartOptions): Promise<RunningBroker>;
  /** Verifies a data directory that no broker uses. Rejects with the system's error if it cannot be read. */
  checkData(directory: string): Promise<CheckedData>;
}

/**
 * Exit status of a command. 2 is for what the caller can put right on the command line or in the configuration, 69 for a
 * broker that does not answer.
 */
export const exitStatus = { done: 0, failed: 1, misused: 2, unreachable: 69, brokerFailed: 70 } as const;

/** What a check of a data directory finds. */
export interface CheckedData {
  readonly isSound: boolean;
  /** A `kind` of "other": no broker has written it. */
  readonly files: readonly { readonly name: string; readonly kind: string; readonly bytes: number }[];
  readonly bytes: number;
  /** Of the journal. */
  readonly blocks: number;
  readonly segments: number;
  readonly entries: number;
  readonly damage: readonly { readonly file: string; readonly position: number; readonly what: string }[];
  /** What a start would find; undefined if it would fail. */
  readonly contents:
    | {
        readonly namespaces: readonly {
          readonly name: string;
          readonly queues: readonly {
            readonly name: string;
            readonly messages: number;
            readonly scheduled: number;
            readonly bytes: number;
          }[];
        }[];
      }
    | undefined;
  /** Why it would fail. */
  readonly failure: string | undefined;
}
