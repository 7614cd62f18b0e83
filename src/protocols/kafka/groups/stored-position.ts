/**
 * What goes with a committed offset in the core: one text for everything that Kafka wants to have back.
 *
 *     <leader epoch>[,<expires at, ms since 1970>][@<offset>];<the client's own>
 *
 * The offset is there for those below zero, which mean something to the client alone (-2 to some: from the beginning), and
 * stand at the beginning in the core. -1 is not among them: it means that there is none.
 *
 * Clients say in 64 bits how long it is to stay, so the time may have 19 digits.
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

export interface PositionToStore {
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string | null;
}

/** The greatest offset that can be kept. */
export const offsetMax = 0xffff_ffff_fffe;

/** A position as the core keeps it. `offset` is not -1. */
export function packPosition(
  { offset, leaderEpoch, metadata }: PositionToStore,
  expiresAtMs: number,
): Pick<CommittedPosition, "offset" | "metadata"> {
  const expiry = expiresAtMs === Infinity ? "" : `,${expiresAtMs}`;
  const place = offset < 0 ? `@${offset}` : "";
  return { offset: Math.max(0, offset), metadata: `${leaderEpoch}${expiry}${place};${metadata ?? ""}` };
}

export function storedPosition({ offset, metadata }: Pick<CommittedPosition, "offset" | "metadata">): StoredPosition {
  const match = /^(-?\d{1,10})(?:,(\d{1,19}))?(?:@(-\d{1,19}))?;/.exec(metadata);
  if (match === null) return { offset, leaderEpoch: -1, metadata, expiresAtMs: Infinity };
  return {
    offset: match[3] === undefined ? offset : Number(match[3]),
    leaderEpoch: Number(match[1]),
    metadata: metadata.slice(match[0].length),
    expiresAtMs: match[2] === undefined ? Infinity : Number(match[2]),
  };
}
