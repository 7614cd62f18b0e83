/** What a command over the API is made of. All of them stand in tables; `api-commands.ts` makes a command line of those. */

import type { Clock } from "../base/clock.ts";
import type { Api } from "./api-client.ts";

export type Flags = Readonly<Record<string, string | boolean | undefined>>;

export interface ApiCall {
  readonly api: Api;
  readonly clock: Clock;
  /** As the command's `takes` has them; those that were left out are undefined. */
  readonly args: readonly (string | undefined)[];
  readonly flags: Flags;
  /** Of --vhost; `/` unless given. */
  readonly vhost: string;
}

/** What a command has to say. */
export interface Shown {
  /** For --json. */
  readonly json: unknown;
  readonly text: string;
  /** It did what it was asked, and what it found is not as it should be. */
  readonly isFailure?: boolean;
}

export interface ApiCommand {
  /** `queues list`, or `status`. */
  readonly name: string;
  readonly about: string;
  /** As commander writes arguments: `<NAME>`, `[FILE]`. */
  readonly takes?: string;
  /** As commander writes flags, each with what it means. */
  readonly flags?: Readonly<Record<string, string>>;
  run(call: ApiCall): Promise<Shown>;
}

/** Of a command that has done something. */
export function done(text: string, json: unknown = { done: true }): Shown {
  return { json, text: `${text}\n` };
}

export const vhostFlag = { "--vhost <NAME>": "the virtual host; / if left out" } as const;
export const vhostFilter = { "--vhost <NAME>": "of this virtual host only" } as const;
