/**
 * Committed positions: the fourth mode of a subscription. A group that reads a log and keeps its place by offset is
 * nothing but a name with the offset of the entry that it reads next, and what its protocol wants to remember beside it.
 * Each commit is a record of its own, so that a position is as durable as the ticket that answers it.
 */
import { getU16, getU32, putU16, putU32 } from "../../base/bytes.ts";
import { assert } from "../../base/assert.ts";
import type { CommittedPosition } from "../api.ts";
import type { Core } from "../core.ts";
import { record } from "../durability/records.ts";
import { readU48, writeText, writeU48 } from "../entry.ts";

/** In UTF-16 units: 65,535 octets at most. */
const textMax = 21_845;
/** In place of an offset: the group is forgotten. */
const forgotten = 0xffff_ffff_ffff;
/** Of names that are remembered to be shared, UTF-16 units. */
const sharedMax = 4 << 20;

export class Positions {
  readonly byGroup = new Map<string, CommittedPosition>();

  commit(
    core: Core,
    queueId: number,
    isDurable: boolean,
    group: string,
    position: CommittedPosition | undefined,
  ): void {
    if (isDurable) writePosition(core, queueId, group, position);
    this.#set(group, position);
  }

  /** Applies a record that begins at `at`; answers the position behind it. */
  static restore(positionsOf: (queueId: number) => Positions | undefined, buffer: Buffer, at: number): number {
    const groupEnd = at + 19 + getU16(buffer, at + 17);
    const end = groupEnd + 2 + getU16(buffer, groupEnd);
    const offset = readU48(buffer, at + 5);
    const position = {
      offset,
      timeMs: readU48(buffer, at + 11),
      metadata: buffer.toString("utf8", groupEnd + 2, end),
    };
    const group = shared(buffer.toString("utf8", at + 19, groupEnd));
    const positions = positionsOf(getU32(buffer, at + 1));
    if (positions !== undefined) positions.#set(group, offset === forgotten ? undefined : position);
    return end;
  }

  toJson(): [string, number, number, string][] {
    return [...this.byGroup].map(([group, { offset, timeMs, metadata }]) => [group, offset, timeMs, metadata]);
  }

  fromJson(json: readonly [string, number, number, string][]): void {
    for (const [group, offset, timeMs, metadata] of json) this.#set(shared(group), { offset, timeMs, metadata });
  }

  #set(group: string, position: CommittedPosition | undefined): void {
    if (position === undefined) this.byGroup.delete(group);
    else this.byGroup.set(group, position);
  }
}

const sharedNames = new Map<string, string>();
let sharedUnits = 0;

/** A name that is read back, as one string for all partitions of which the group reads, and not one for each. */
function shared(name: string): string {
  const known = sharedNames.get(name);
  if (known !== undefined) return known;
  if (sharedUnits + name.length > sharedMax) {
    sharedNames.clear();
    sharedUnits = 0;
  }
  sharedNames.set(name, name);
  sharedUnits += name.length;
  return name;
}

function writePosition(core: Core, queueId: number, group: string, position: CommittedPosition | undefined): void {
  const { commit } = core;
  const metadata = position?.metadata ?? "";
  assert(group.length <= textMax && metadata.length <= textMax, "what goes with a position is short");
  commit.reserve(21 + (group.length + metadata.length) * 3);
  const { buffer, at } = commit;
  buffer[at] = record.position;
  putU32(buffer, at + 1, queueId);
  writeU48(buffer, at + 5, position?.offset ?? forgotten);
  writeU48(buffer, at + 11, position?.timeMs ?? 0);
  const groupEnd = writeText(buffer, at + 19, group);
  putU16(buffer, at + 17, groupEnd - at - 19);
  const end = writeText(buffer, groupEnd + 2, metadata);
  putU16(buffer, groupEnd, end - groupEnd - 2);
  commit.at = end;
}
