/** JoinGroup: a member comes, comes back with the id that it was given, or joins again. */
import { errorCode } from "../codec/errors.ts";
import { joinRefusal, metadataBytesOf, type Group, type JoinAnswer } from "./group.ts";
import { newMemberTimeoutMs } from "./group-settings.ts";
import { Member, type MemberClaim } from "./member.ts";
import { completeIfAllJoined, newcomerCame, prepareRebalance, rebalanceOrComplete } from "./rebalance.ts";

export interface JoinRequest extends MemberClaim {
  /** Empty: it has none yet. */
  readonly memberId: string;
  /** The id that it gets, if it has none. */
  readonly newMemberId: string;
  /** A dynamic member is first told its id, and joins by coming back with it: from version 4 on. */
  readonly needsMemberId: boolean;
  /** A leader may be told that nothing is to be assigned: from version 9 on. */
  readonly maySkipAssignment: boolean;
  readonly reason: string;
}

/** Ids that were given out and not come back with, of one group: each costs memory until its session is over. */
const pendingMax = 10_000;

/** Of all that a group's members say of themselves, which its leader gets at once. Kafka's bound is 1 MB. */
const metadataBytesMax = 64 << 20;

/** Its session may be as long as it says. The answer comes among the outcomes, now or later. */
export function joinGroup<W>(group: Group<W>, request: JoinRequest, waiter: W, nowMs: number): void {
  const { memberId } = request;
  const refuse = (code: number, named = memberId): void => answer(group, waiter, joinRefusal(named, code));
  if (!hasRoom(group, request)) {
    group.pendingUntilMs.delete(memberId);
    const excess = group.members.get(memberId);
    if (excess !== undefined) {
      group.remove(excess);
      group.note("a member of a group is out", "the group is full", memberId);
    }
    refuse(errorCode.GROUP_MAX_SIZE_REACHED, "");
    return excess === undefined
      ? completeIfAllJoined(group, nowMs)
      : rebalanceOrComplete(group, "the group is full", nowMs);
  }
  if (!group.supports(request.protocolType, request.protocols)) return refuse(errorCode.INCONSISTENT_GROUP_PROTOCOL);
  if (memberId === "") joinNew(group, request, waiter, nowMs);
  else joinKnown(group, request, waiter, nowMs);
}

function hasRoom<W>(group: Group<W>, request: JoinRequest): boolean {
  const { membersMax } = group.settings;
  const member = group.claimant(request);
  // What it says takes the place of what it said before.
  const bytes = metadataBytesOf(request.protocols) - metadataBytesOf(member?.protocols ?? []);
  if (bytes > 0 && group.metadataBytes + bytes > metadataBytesMax) return false;
  if (group.state === "Empty") return true;
  // While all have to join again, the last to do so are those who find no room.
  if (group.state === "PreparingRebalance") {
    return member?.joinWaiter !== undefined || group.awaitingJoinCount < membersMax;
  }
  return member !== undefined || group.members.size < membersMax;
}

function joinNew<W>(group: Group<W>, request: JoinRequest, waiter: W, nowMs: number): void {
  const { instanceId, newMemberId } = request;
  if (instanceId !== undefined) {
    const known = group.memberIdByInstance.get(instanceId);
    const old = known === undefined ? undefined : group.members.get(known);
    if (old === undefined) addMember(group, newMemberId, request, waiter, nowMs);
    else replaceStatic(group, old, request, waiter, nowMs);
  } else if (!request.needsMemberId) {
    addMember(group, newMemberId, request, waiter, nowMs);
  } else if (group.pendingUntilMs.size >= pendingMax) {
    answer(group, waiter, joinRefusal("", errorCode.GROUP_MAX_SIZE_REACHED));
  } else {
    const untilMs = nowMs + request.sessionTimeoutMs;
    group.pendingUntilMs.set(newMemberId, untilMs);
    group.wakeBy(untilMs);
    answer(group, waiter, joinRefusal(newMemberId, errorCode.MEMBER_ID_REQUIRED));
  }
}

function joinKnown<W>(group: Group<W>, request: JoinRequest, waiter: W, nowMs: number): void {
  const { memberId, instanceId } = request;
  if (instanceId === undefined && group.pendingUntilMs.has(memberId)) {
    return addMember(group, memberId, request, waiter, nowMs);
  }
  const code = checkMember(group, memberId, instanceId);
  const member = group.members.get(memberId);
  if (member === undefined || code !== errorCode.NONE) return answer(group, waiter, joinRefusal(memberId, code));
  const isSame = member.matches(request.protocols);
  // With nothing new to say it may have missed the answer; a leader that joins again wants a rebalance.
  const isSettled = group.state === "CompletingRebalance" || (group.state === "Stable" && !group.isLeader(memberId));
  if (isSame && isSettled) return answer(group, waiter, group.joinAnswer(memberId));
  group.update(member, request, waiter);
  const why = group.isLeader(memberId) ? "its leader joined again" : "a member joined again";
  rebalanceOrComplete(group, `${why}: ${request.reason}`, nowMs);
}

function addMember<W>(group: Group<W>, memberId: string, request: JoinRequest, waiter: W, nowMs: number): void {
  const member = new Member<W>(memberId, request);
  member.isNew = true;
  if (group.state === "PreparingRebalance" && group.isInitial) group.hasNewcomer = true;
  group.add(member, waiter);
  newcomerCame(group, nowMs);
  member.expiresAtMs = nowMs + newMemberTimeoutMs;
  group.wakeBy(member.expiresAtMs);
  rebalanceOrComplete(group, `a new member: ${request.reason}`, nowMs);
}

/**
 * A static member that was started anew takes the place of what it was before. In a stable group nothing else happens, as
 * long as the choice of the protocol stays: its assignment is what it was.
 */
function replaceStatic<W>(group: Group<W>, old: Member<W>, request: JoinRequest, waiter: W, nowMs: number): void {
  const formerLeader = group.leaderId ?? "";
  const { newMemberId } = request;
  const member = new Member<W>(newMemberId, old);
  member.assignment = old.assignment;
  group.replace(old, member);
  group.note("a static member was replaced", request.reason, old.id);
  group.renew(member, nowMs);
  group.update(member, request, waiter);
  if (group.state === "Stable" && group.chooseProtocol() === group.protocolName) {
    const isLeader = group.isLeader(newMemberId);
    const current = group.joinAnswer(newMemberId, isLeader);
    // One that cannot be told to skip the assignment is told of a leader that is gone, and so that it is not the leader.
    group.answerJoin(
      member,
      request.maySkipAssignment ? current : { ...current, leader: formerLeader, members: [], skipAssignment: false },
    );
  } else if (group.state === "PreparingRebalance") {
    completeIfAllJoined(group, nowMs);
  } else {
    // Also while the leader assigns: it knows the member by its former id.
    prepareRebalance(group, `a static member was replaced: ${request.reason}`, nowMs);
  }
}

/** Whether this is a member, and not a static one that has been replaced. */
export function checkMember<W>(group: Group<W>, memberId: string, instanceId: string | undefined): number {
  if (instanceId !== undefined) {
    const known = group.memberIdByInstance.get(instanceId);
    if (known === undefined) return errorCode.UNKNOWN_MEMBER_ID;
    if (known !== memberId) return errorCode.FENCED_INSTANCE_ID;
  }
  return group.members.has(memberId) ? errorCode.NONE : errorCode.UNKNOWN_MEMBER_ID;
}

function answer<W>(group: Group<W>, waiter: W, joined: JoinAnswer): void {
  group.outcomes.push({ kind: "join", waiter, answer: joined });
}
