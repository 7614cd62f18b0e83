/**
 * Offsets that nobody wants any more go, and groups without offsets and members. Looked after every ten minutes, some groups
 * a turn. Kafka's rules: in a group that is empty all offsets age since it became so; in one that never had members, and in a
 * stable one of consumers for topics that it does not read, each ages since its commit; else they stay.
 */
import type { Clock, TimerHandle } from "../../../base/clock.ts";
import type { CommittedPosition, Queue } from "../../../broker/api.ts";
import type { Groups, SeatedGroup } from "./groups.ts";
import { storedPosition } from "./stored-position.ts";

const periodMs = 600_000;
/** Partitions looked at in one turn: some milliseconds. */
const turnMax = 5000;

export class OffsetRetention {
  readonly #groups: Groups;
  /** By which commits are dated. */
  readonly #wall: Clock;
  readonly #clock: Clock;
  #timer: TimerHandle | undefined;
  #isStopped = false;

  constructor(groups: Groups, wall: Clock, clock: Clock) {
    this.#groups = groups;
    this.#wall = wall;
    this.#clock = clock;
  }

  /** There is something to look after. */
  wake(): void {
    if (this.#timer !== undefined || this.#isStopped) return;
    // By the clock that commits are dated by: where it is a virtual one, offsets age when it is moved on.
    this.#timer = this.#wall.setDelay(periodMs, () => this.#sweep([...this.#groups.all()], 0));
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== undefined) this.#wall.clearTimer(this.#timer);
  }

  #sweep(seats: readonly SeatedGroup[], from: number): void {
    if (this.#isStopped) return;
    let looked = 0;
    for (let at = from; at < seats.length; at++) {
      if (looked >= turnMax) return this.#clock.defer(() => this.#sweep(seats, at));
      const seat = seats[at]!;
      if (this.#groups.find(seat.group.id) === seat) looked += 1 + this.#expire(seat);
    }
    this.#timer = undefined;
    if (seats.length > 0) this.wake();
  }

  /** Answers how many partitions it has looked at. */
  #expire(seat: SeatedGroup): number {
    const { group } = seat;
    let looked = 0;
    let kept = 0;
    for (const topic of [...this.#groups.topics.of(group.id)]) {
      const keptBefore = kept;
      topic.partitions.forEach((partition, index) => {
        looked++;
        const position = partition.committedOffset(group.id);
        if (position === undefined) return;
        if (this.#isExpired(seat, topic, index, position)) partition.forgetOffset(group.id);
        else kept++;
      });
      if (kept === keptBefore) this.#groups.topics.drop(group.id, topic);
    }
    const isWanted = kept > 0 || group.pendingUntilMs.size > 0 || this.#groups.pending.hasAny(group.id);
    if (group.state === "Empty" && !isWanted) this.#groups.delete(group.id);
    return looked;
  }

  #isExpired(seat: SeatedGroup, topic: Queue, index: number, position: CommittedPosition): boolean {
    const { group } = seat;
    if (this.#groups.pending.has(group.id, topic.name, index)) return false;
    const { expiresAtMs } = storedPosition(position);
    const agesFromMs = ageOf(seat, topic, position);
    if (agesFromMs === undefined) return false;
    const nowMs = this.#wall.now();
    return expiresAtMs === Infinity
      ? nowMs - agesFromMs >= this.#groups.settings.offsetsRetentionMs
      : nowMs >= expiresAtMs;
  }
}

/** Since when it is of no use to anybody, ms since 1970; undefined: it is of use. */
function ageOf({ group, emptySinceMs }: SeatedGroup, topic: Queue, { timeMs }: CommittedPosition): number | undefined {
  if (group.protocolType === undefined) return timeMs;
  if (emptySinceMs !== undefined) return Math.max(emptySinceMs, timeMs);
  const isRead = group.state === "Stable" ? group.subscribedTopics?.has(topic.name) : true;
  return isRead === false ? timeMs : undefined;
}
