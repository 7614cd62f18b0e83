import type { Entry, Settlement } from "../api.ts";
import type { ConsumerState } from "./consumer-state.ts";

/** Where the messages of a session's leases go back to: a subscription, or the reader of a log. */
export interface LeaseOwner {
  /** What is read there stays there: it cannot be given back. */
  readonly isLog?: true;
  /** The lease on `offset` has ended. `consumer` is undefined for what was taken with get(). */
  settle(offset: number, settlement: Settlement, consumer: ConsumerState | undefined): void;
}

/** Takes what get() found: the lease and its message, or none. */
export type GetDone = (
  lease: number,
  entry: Entry | undefined,
  isRedelivered: boolean,
  returns: number,
  failures: number,
) => void;
