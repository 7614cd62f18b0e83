/**
 * What whoever starts a broker says and gets: the command line, a test suite, a program that embeds one. Both types are
 * part of the library's public face, `startBroker(options): Promise<RunningBroker>`.
 */

import type { Logger } from "../observe/log.ts";

export interface StartOptions {
  /** Directory of the data; `data.directory` if absent. */
  readonly data?: string | undefined;
  /** Keep nothing on disk. Not together with `data`. */
  readonly memory?: boolean | undefined;
  /**
   * Protocol to port on 127.0.0.1, or to "HOST:PORT". Port 0 picks a free one. If given, only these listen; if absent,
   * every protocol listens on its standard port.
   */
  readonly listen?: Readonly<Record<string, number | string>> | undefined;
  /** Path of a YAML file of options. */
  readonly config?: string | undefined;
  /** Options by their dotted keys; they win over everything else but `data`, `memory` and `listen`. */
  readonly set?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** Where to look for ENTREPOT_* variables. Nowhere, unless given: an embedded broker has no hidden settings. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** `virtual`: time stands still until `advance` is called. */
  readonly clock?: "system" | "virtual" | undefined;
  /** Silent, unless given. `stderr` logs there as `log.level` and `log.format` say. */
  readonly logger?: Logger | "stderr" | undefined;
  /**
   * Called once if the broker cannot go on (a sync failed, an invariant broke). It has stopped accepting and confirming;
   * the process should end. Unless given, the error is thrown and ends it.
   */
  readonly onFailure?: ((error: Error) => void) | undefined;
}

export interface RunningBroker {
  /** Protocol to the port on which it listens. */
  readonly ports: Readonly<Record<string, number>>;
  /** Protocol to "HOST:PORT". */
  readonly addresses: Readonly<Record<string, string>>;
  /**
   * Moves a virtual clock on by a duration (`15m`, `1h30m`, or milliseconds) and waits for what comes of it. The network's
   * time stays the machine's: heartbeats, waiting fetches, sessions of groups' members, be their connections gone or not.
   * (`entrepot/testing` lets the gone ones go.)
   */
  advance(duration: string | number): Promise<void>;
  /**
   * Moves ready messages of a dead-letter queue back to the queue in which each died first; those whose queue is gone, or
   * refuses them, stay. Answers how many were moved, `countMax` at most. Throws if there is no such queue.
   */
  redrive(queue: string, countMax?: number): Promise<number>;
  /**
   * Reads the files of TLS now; they are looked at every few seconds anyway. Answers whether they could be used; if not,
   * the log says why, and what was in force stays. If nothing listens with TLS, the log says that there is nothing to read.
   */
  reloadTls(): Promise<boolean>;
  /** Stops gracefully, within `shutdown.deadlineMs`. A second call waits for the first. */
  stop(): Promise<void>;
}
