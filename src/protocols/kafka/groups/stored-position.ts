/**
 * What goes with a committed offset in the core: one text for everything that Kafka wants to have back.
 *
 *     <leader epoch>[,<expires at, ms since 1970>];<the client's own>
 *
 * A text of another form was written by somebody else, and is shown as it is.
 */
import type { CommittedPosition } from "../../../broker/api.ts";

export interface StoredPosition {
  readonly offset: number;
  /** -1: not said. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  /** Infinity: with its group. Only clients before version 5 of OffsetCommit say when. */
  readonly expiresAtMs: number;
}

/** The greatest offset that can be kept. */
export const offsetMax = 0xffff_ffff_fffe;

export function packMetadata(leaderEpoch: number, metadata: string | null, expiresAtMs: number): string {
  const expiry = expiresAtMs === Infinity ? "" : `,${expiresAtMs}`;
  return `${leaderEpoch}${expiry};${metadata ?? ""}`;
}

export function storedPosition({ offset, metadata }: CommittedPosition): StoredPosition {
  const match = /^(-?\d{1,10})(?:,(\d{1,16}))?;/.exec(metadata);
  if (match === null) return { offset, leaderEpoch: -1, metadata, expiresAtMs: Infinity };
  return {
    offset,
    leaderEpoch: Number(match[1]),
    metadata: metadata.slice(match[0].length),
    expiresAtMs: match[2] === undefined ? Infinity : Number(match[2]),
  };
}
