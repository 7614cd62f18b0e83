/**
 * All groups of the broker: who hands requests and time to each one's state machine, sends what comes of it, and knows what
 * outlives it.
 *
 * Who is a member is in memory only: after a restart members are unknown, and join again, as they do when a coordinator of
 * Kafka's has moved. What lasts are offsets (with the partitions, see broker/catalog/positions.ts) and, as a definition, what
 * kind of group it was and since when it is empty, from which its offsets age. That is written when a group fills and when
 * it empties, also by a restart, not when it rebalances.
 *
 * Each group has one timer at most, which is set for its next deadline, and left where it is when that moves away.
 */
import { must } from "../../../base/assert.ts";
import type { Clock, TimerHandle } from "../../../base/clock.ts";
import type { Random } from "../../../base/random.ts";
import type { Broker, Namespace, Queue } from "../../../broker/api.ts";
import type { LimitedLog } from "../../../observe/limited-log.ts";
import { errorCode } from "../codec/errors.ts";
import { tick } from "./deadlines.ts";
import {
  claimBytesOf,
  Group,
  joinRefusal,
  syncRefusal,
  type HeartbeatAnswer,
  type JoinAnswer,
  type SyncAnswer,
} from "./group.ts";
import type { GroupSettings } from "./group-settings.ts";
import { GroupTopics } from "./group-topics.ts";
import { HeldHeartbeat, holdMs, type HeartbeatCall } from "./held-heartbeats.ts";
import { joinGroup, type JoinRequest } from "./joining.ts";
import { checkCommit, heartbeat, leaveGroup, syncGroup, type Leaving, type SyncRequest } from "./membership.ts";
import { OffsetRetention } from "./offset-retention.ts";
import { PendingOffsets, type PendingOffset } from "./pending-offsets.ts";
import { offsetMax, packPosition, type PositionToStore } from "./stored-position.ts";
import { subscribedTopics } from "./subscribed-topics.ts";
import { uuidText } from "./uuid-text.ts";

/** One who waits for the answer to JoinGroup, SyncGroup or Heartbeat. */
export interface GroupWaiter {
  respond(answer: JoinAnswer | SyncAnswer | HeartbeatAnswer): void;
}

export interface GroupsOptions {
  readonly broker: Broker;
  /** Where the topics are. */
  readonly namespace: () => Namespace | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: LimitedLog;
  readonly settings: GroupSettings;
}

/** A group, and what is known of it beyond its members. */
export interface SeatedGroup {
  readonly group: Group<GroupWaiter>;
  /** Since when nobody is in it, ms since 1970; undefined: somebody is. */
  emptySinceMs: number | undefined;
  timer: TimerHandle | undefined;
  /** Of the clock that only goes forward. */
  timerAtMs: number;
}

/** As a definition. */
interface Remembered {
  readonly protocolType: string;
  /** Null: it had members when this was written. */
  readonly emptySinceMs: number | null;
}

export interface Committer {
  readonly memberId: string;
  readonly instanceId: string | undefined;
  /** -1: nobody in particular. */
  readonly generation: number;
}

const kind = "kafka-group";
const isAny = (): boolean => true;
/** UTF-16 units: as long as the core takes it with an offset. */
const groupIdMax = 21_845;
/** Of what the members of all groups say of themselves, and are assigned: it is in memory. Members try again later. */
const keptBytesMax = 256 << 20;
/** Of groups, whoever is in them, and of their names: beyond it there are no new ones. Some 200,000 are that. */
const seatsBytesMax = 256 << 20;
/** Of one, its name not counted: about. */
const seatBytes = 1024;
/** Of what a leader assigns. Kafka's bound is 1 MB, with what its members say. */
const assignedBytesMax = 64 << 20;
/** Of a timer: a clock takes no longer delays. */
const delayMsMax = 86_400_000;
/** Of what a member calls itself, in its id. */
const namePartMax = 255;

export class Groups {
  readonly settings: GroupSettings;
  readonly topics: GroupTopics;
  readonly pending: PendingOffsets;
  readonly #options: GroupsOptions;
  readonly #seats = new Map<string, SeatedGroup>();
  readonly #retention: OffsetRetention;
  readonly #held = new Set<HeldHeartbeat>();
  #keptBytes = 0;
  #seatsBytes = 0;
  #isStopped = false;

  constructor(options: GroupsOptions) {
    this.#options = options;
    this.settings = options.settings;
    this.topics = new GroupTopics(options.namespace, (name) => this.pending.dropTopic(name));
    this.pending = new PendingOffsets(options.broker.definitions);
    this.#retention = new OffsetRetention(this, options.broker.clock, options.clock);
    this.#restore();
  }

  /** What the members of all groups say of themselves, are assigned, and cost. About. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Undefined: there is none. */
  find(groupId: string): SeatedGroup | undefined {
    const seat = this.#seats.get(groupId);
    // It may have offsets in a namespace that was not there before.
    return seat === undefined && this.topics.has(groupId) ? this.#seat(groupId) : seat;
  }

  /** Whether a group may be called so. */
  isName(groupId: string): boolean {
    return groupId.length <= groupIdMax;
  }

  all(): Iterable<SeatedGroup> {
    for (const groupId of this.topics.groups()) if (!this.#seats.has(groupId)) this.#seat(groupId);
    return this.#seats.values();
  }

  join(groupId: string, request: Omit<JoinRequest, "newMemberId">, waiter: GroupWaiter): void {
    if (groupId === "" || !this.isName(groupId)) {
      return waiter.respond(joinRefusal(request.memberId, errorCode.INVALID_GROUP_ID));
    }
    const { sessionTimeoutMinMs, sessionTimeoutMaxMs } = this.settings;
    if (request.sessionTimeoutMs < sessionTimeoutMinMs || request.sessionTimeoutMs > sessionTimeoutMaxMs) {
      return waiter.respond(joinRefusal(request.memberId, errorCode.INVALID_SESSION_TIMEOUT));
    }
    const known = this.find(groupId);
    if (known === undefined && request.memberId !== "") {
      return waiter.respond(joinRefusal(request.memberId, errorCode.UNKNOWN_MEMBER_ID));
    }
    const moreBytes = memberBytesOf(request) - memberBytesOf(known?.group.claimant(request));
    if (this.#isOver(moreBytes) || (known === undefined && !this.#hasRoomFor(groupId))) {
      return waiter.respond(joinRefusal(request.memberId, errorCode.COORDINATOR_NOT_AVAILABLE));
    }
    const seat = known ?? this.#seat(groupId);
    const newMemberId = request.memberId === "" ? this.#newMemberId(request) : "";
    this.#drive(seat, (nowMs) => joinGroup(seat.group, { ...request, newMemberId }, waiter, nowMs));
    if (known === undefined) this.forgetUnused(groupId);
  }

  /** Who was refused leaves no trace: a group that has nothing is none. */
  forgetUnused(groupId: string): void {
    const isSimple = this.#seats.get(groupId)?.group.isSimple === true;
    if (isSimple && !this.topics.has(groupId) && !this.pending.hasAny(groupId)) this.#unseat(groupId);
  }

  sync(groupId: string, request: SyncRequest, waiter: GroupWaiter): void {
    if (groupId === "") return waiter.respond(syncRefusal(errorCode.INVALID_GROUP_ID));
    const seat = this.find(groupId);
    if (seat === undefined) return waiter.respond(syncRefusal(errorCode.UNKNOWN_MEMBER_ID));
    let bytes = 0;
    for (const assignment of request.assignments.values()) bytes += assignment.length;
    if (bytes > assignedBytesMax) return waiter.respond(syncRefusal(errorCode.UNKNOWN_SERVER_ERROR));
    if (this.#isOver(bytes - seat.group.assignmentBytes)) {
      return waiter.respond(syncRefusal(errorCode.COORDINATOR_NOT_AVAILABLE));
    }
    this.#drive(seat, (nowMs) => syncGroup(seat.group, request, waiter, nowMs));
  }

  /** Answers an error code; undefined: `call`, of one that goes on meanwhile, is answered when there is something to tell. */
  heartbeat(
    groupId: string,
    memberId: string,
    instanceId: string | undefined,
    generation: number,
    call?: HeartbeatCall,
  ): number | undefined {
    if (groupId === "") return errorCode.INVALID_GROUP_ID;
    const seat = this.find(groupId);
    if (seat === undefined) return errorCode.UNKNOWN_MEMBER_ID;
    const code = this.#drive(seat, (nowMs) => heartbeat(seat.group, memberId, instanceId, generation, nowMs));
    if (code !== errorCode.NONE || call === undefined || this.#isStopped) return code;
    const { clock } = this.#options;
    const member = must(seat.group.members.get(memberId), "whose heartbeat counts is a member");
    const forMs = Math.floor(holdMs(seat.group, member, clock.elapsedMs()));
    if (forMs <= 0) return code;
    const held = new HeldHeartbeat(call, clock, forMs, this.#held, (isAbandoned) => {
      if (isAbandoned) member.hasGivenUp = true;
      if (member.heartbeatWaiter === held) this.#drive(seat, () => seat.group.answerHeartbeat(member, errorCode.NONE));
    });
    member.heartbeatWaiter = held;
    return undefined;
  }

  /** Answers an error code for each. */
  leave(groupId: string, leaving: readonly Leaving[]): readonly number[] {
    const seat = this.find(groupId);
    if (seat === undefined) return leaving.map(() => errorCode.UNKNOWN_MEMBER_ID);
    return this.#drive(seat, (nowMs) => leaveGroup(seat.group, leaving, nowMs));
  }

  /**
   * Whether `by` may commit offsets of the group, which is made for somebody without a generation: forgetUnused() if nothing
   * comes of it. A transaction may be of anybody while it says no generation. Answers an error code.
   */
  mayCommit(groupId: string, by: Committer, unknownGroup: number, isTransactional = false): number {
    if (!this.isName(groupId)) return errorCode.INVALID_GROUP_ID;
    const known = this.find(groupId);
    if (known === undefined && by.generation >= 0) return unknownGroup;
    if (known === undefined && !this.#hasRoomFor(groupId)) return errorCode.COORDINATOR_NOT_AVAILABLE;
    const seat = known ?? this.#seat(groupId);
    return this.#drive(seat, (nowMs) => checkCommit(seat.group, by, isTransactional, nowMs));
  }

  /** Whether it can be kept. Answers an error code. */
  checkPosition({ offset, metadata }: { readonly offset: number; readonly metadata: string | null }): number {
    if (metadata !== null && metadata.length > this.settings.offsetMetadataMax) {
      return errorCode.OFFSET_METADATA_TOO_LARGE;
    }
    return offset > offsetMax ? errorCode.INVALID_COMMIT_OFFSET_SIZE : errorCode.NONE;
  }

  /**
   * Answers an error code; without error, the offset is durable with the broker's ticket. It is not asked whether the
   * partition is there and who may do this.
   */
  commit(groupId: string, topic: Queue, partition: Queue, position: PositionToStore, expiresAtMs = Infinity): number {
    const refused = this.checkPosition(position);
    if (refused === errorCode.NONE) this.#commit(groupId, topic, partition, position, expiresAtMs, Infinity);
    return refused;
  }

  /** `order`: of what a transaction said; infinite: this is said now. */
  #commit(
    groupId: string,
    topic: Queue,
    partition: Queue,
    position: PositionToStore,
    expiresAtMs: number,
    order: number,
  ): void {
    if (this.pending.has(groupId, topic.name, partition.index)) {
      this.#options.broker.atomically(() => {
        this.pending.dropOlder(groupId, topic.name, partition.index, order);
        this.#keep(groupId, topic, partition, position, expiresAtMs);
      });
    } else this.#keep(groupId, topic, partition, position, expiresAtMs);
  }

  #keep(groupId: string, topic: Queue, partition: Queue, position: PositionToStore, expiresAtMs: number): void {
    // Its meaning, to whoever reads it back: there is none.
    if (position.offset === -1) {
      partition.forgetOffset(groupId);
      return;
    }
    const { offset, metadata } = packPosition(position, expiresAtMs);
    partition.commitOffset(groupId, offset, metadata);
    this.topics.note(groupId, topic);
  }

  /**
   * The offsets that the transaction of this producer was to commit count, or never will; where something was said since, that
   * counts. Part of what ends it. `isOf`: the topic is still that of which the offset is.
   */
  endTransaction(producerId: number, isCommitted: boolean, isOf: (offset: PendingOffset) => boolean = isAny): void {
    for (const [groupId, offsets] of this.pending.take(producerId)) {
      if (!isCommitted) continue;
      for (const offset of offsets) {
        const topic = this.topics.topic(offset.topic);
        const partition = topic === undefined ? undefined : topic.partitions[offset.partition];
        if (topic !== undefined && partition !== undefined && isOf(offset))
          this.#commit(groupId, topic, partition, offset, Infinity, offset.order);
      }
      this.find(groupId);
    }
  }

  /** Nobody is in it. Its offsets go too. Durable with the broker's ticket. */
  delete(groupId: string): number {
    const seat = this.find(groupId);
    if (seat === undefined) return errorCode.GROUP_ID_NOT_FOUND;
    if (seat.group.state !== "Empty") return errorCode.NON_EMPTY_GROUP;
    this.pending.dropGroup(groupId);
    for (const topic of [...this.topics.of(groupId)]) {
      for (const partition of topic.partitions) partition.forgetOffset(groupId);
      this.topics.drop(groupId, topic);
    }
    if (seat.timer !== undefined) this.#options.clock.clearTimer(seat.timer);
    this.#unseat(groupId);
    const { definitions } = this.#options.broker;
    if (definitions.get(kind, groupId) !== undefined) definitions.remove(kind, groupId);
    return errorCode.NONE;
  }

  /** No timer of it runs any more. */
  stop(): void {
    this.#isStopped = true;
    this.#retention.stop();
    for (const held of [...this.#held]) held.end();
    for (const { timer } of this.#seats.values()) if (timer !== undefined) this.#options.clock.clearTimer(timer);
  }

  #newMemberId({ instanceId, clientId }: Omit<JoinRequest, "newMemberId">): string {
    const name = (instanceId ?? clientId).slice(0, namePartMax);
    return `${name}-${uuidText(this.#options.random.bytes(16))}`;
  }

  #restore(): void {
    const { broker } = this.#options;
    for (const [groupId, value] of broker.definitions.entries(kind)) {
      const { protocolType, emptySinceMs } = value as Remembered;
      const seat = this.#seat(groupId);
      seat.group.protocolType = protocolType;
      seat.group.subscribedTopics = subscribedTopics(seat.group);
      if (emptySinceMs !== null) seat.emptySinceMs = emptySinceMs;
      // Its members are gone since this broker went. Kept, or its offsets would begin to age anew with each start.
      else this.#keepKind(seat);
    }
    for (const groupId of this.topics.groups()) if (!this.#seats.has(groupId)) this.#seat(groupId);
    for (const groupId of this.pending.groups()) if (!this.#seats.has(groupId)) this.#seat(groupId);
  }

  #seat(groupId: string): SeatedGroup {
    const group = new Group<GroupWaiter>(groupId, this.settings);
    const emptySinceMs = this.#options.broker.clock.now();
    const seat: SeatedGroup = { group, emptySinceMs, timer: undefined, timerAtMs: Infinity };
    this.#seats.set(groupId, seat);
    this.#seatsBytes += seatBytesOf(groupId);
    this.#retention.wake();
    return seat;
  }

  #unseat(groupId: string): void {
    const seat = this.#seats.get(groupId);
    if (seat === undefined) return;
    this.#seats.delete(groupId);
    this.#seatsBytes -= seatBytesOf(groupId);
    // Ids may have been given out that nobody has come back with.
    this.#keptBytes -= seat.group.keptBytes;
  }

  /** Who asks for no more than it has goes on, however full it is. */
  #isOver(moreBytes: number): boolean {
    return moreBytes > 0 && this.#keptBytes + moreBytes > keptBytesMax;
  }

  /** One that has no offsets and was not heard of. */
  #hasRoomFor(groupId: string): boolean {
    return this.#seatsBytes + seatBytesOf(groupId) <= seatsBytesMax;
  }

  #drive<T>(seat: SeatedGroup, step: (nowMs: number) => T): T {
    const { group } = seat;
    const bytesBefore = group.keptBytes;
    const answer = step(this.#options.clock.elapsedMs());
    this.#keptBytes += group.keptBytes - bytesBefore;
    this.#remember(seat);
    this.#arm(seat);
    const { outcomes } = group;
    if (outcomes.length === 0) return answer;
    group.outcomes = [];
    for (const outcome of outcomes) {
      if (outcome.kind !== "note") {
        outcome.waiter.respond(outcome.answer);
        continue;
      }
      const { what, why, memberId } = outcome;
      const { id, state, generation } = group;
      this.#options.log.info(what, {
        group: id,
        ...(memberId === undefined ? {} : { member: memberId }),
        why,
        state,
        generation,
      });
    }
    return answer;
  }

  #remember(seat: SeatedGroup): void {
    const { group } = seat;
    const isEmpty = group.state === "Empty";
    if (isEmpty === (seat.emptySinceMs !== undefined)) return;
    seat.emptySinceMs = isEmpty ? this.#options.broker.clock.now() : undefined;
    this.#keepKind(seat);
  }

  /** Durable with the broker's ticket. */
  #keepKind({ group, emptySinceMs }: SeatedGroup): void {
    const remembered: Remembered = { protocolType: group.protocolType ?? "", emptySinceMs: emptySinceMs ?? null };
    this.#options.broker.definitions.put(kind, group.id, remembered);
  }

  #tick(seat: SeatedGroup): void {
    if (!this.#isStopped && this.#seats.get(seat.group.id) === seat)
      this.#drive(seat, (nowMs) => tick(seat.group, nowMs));
  }

  #arm(seat: SeatedGroup): void {
    const { clock } = this.#options;
    const { nextDeadlineMs } = seat.group;
    if (nextDeadlineMs >= seat.timerAtMs || this.#isStopped) return;
    if (seat.timer !== undefined) clock.clearTimer(seat.timer);
    const nowMs = clock.elapsedMs();
    seat.timerAtMs = Math.min(nextDeadlineMs, nowMs + delayMsMax);
    seat.timer = clock.setDelay(Math.max(0, Math.ceil(seat.timerAtMs - nowMs)), () => {
      seat.timer = undefined;
      seat.timerAtMs = Infinity;
      // If it was us who stood still, the signs of life that have come meanwhile are read first.
      clock.defer(() => this.#tick(seat));
    });
  }
}

/** Its names not counted; undefined: nobody. */
function memberBytesOf(member: Pick<JoinRequest, "protocols"> | undefined): number {
  return member === undefined ? 0 : claimBytesOf(member.protocols);
}

function seatBytesOf(groupId: string): number {
  return seatBytes + 2 * groupId.length;
}
