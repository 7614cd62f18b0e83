/** What members do in a generation: ask for their assignment, show that they live, commit, leave. */
import { errorCode } from "../codec/errors.ts";
import { syncRefusal, type Group } from "./group.ts";
import { checkMember } from "./joining.ts";
import { completeIfAllJoined, rebalanceOrComplete } from "./rebalance.ts";

export interface SyncRequest {
  readonly memberId: string;
  readonly instanceId: string | undefined;
  readonly generation: number;
  /** Undefined: not said, as before version 5. */
  readonly protocolType: string | undefined;
  readonly protocolName: string | undefined;
  /** Of the leader: what each member gets. Copied if it counts. */
  readonly assignments: ReadonlyMap<string, Buffer>;
}

/** The answer comes among the outcomes: when the leader has assigned, or when that failed. */
export function syncGroup<W>(group: Group<W>, request: SyncRequest, waiter: W, nowMs: number): void {
  const code = checkSync(group, request);
  const member = group.members.get(request.memberId);
  if (code !== errorCode.NONE || member === undefined) {
    group.outcomes.push({ kind: "sync", waiter, answer: syncRefusal(code) });
    return;
  }
  group.pendingSync.delete(member.id);
  if (group.pendingSync.size === 0) group.syncDeadlineMs = Infinity;
  if (group.state === "Stable") {
    group.outcomes.push({ kind: "sync", waiter, answer: group.syncAnswer(member, errorCode.NONE) });
    return;
  }
  // It asked once more, over another connection: nobody may be left waiting.
  group.answerSync(member, errorCode.REBALANCE_IN_PROGRESS);
  member.syncWaiter = waiter;
  if (!group.isLeader(member.id)) return;
  group.state = "Stable";
  for (const each of group.members.values()) {
    const assignment = request.assignments.get(each.id);
    group.assign(each, assignment === undefined ? undefined : Buffer.from(assignment));
    if (group.answerSync(each, errorCode.NONE)) group.renew(each, nowMs);
  }
  group.note("a group is stable", "its leader has assigned", member.id);
}

function checkSync<W>(group: Group<W>, request: SyncRequest): number {
  const code = checkMember(group, request.memberId, request.instanceId);
  if (code !== errorCode.NONE) return code;
  if (request.generation !== group.generation) return errorCode.ILLEGAL_GENERATION;
  const { protocolType, protocolName } = request;
  const isOther =
    (protocolType !== undefined && group.protocolType !== undefined && protocolType !== group.protocolType) ||
    (protocolName !== undefined && group.protocolName !== undefined && protocolName !== group.protocolName);
  if (isOther) return errorCode.INCONSISTENT_GROUP_PROTOCOL;
  return group.state === "PreparingRebalance" ? errorCode.REBALANCE_IN_PROGRESS : errorCode.NONE;
}

export function heartbeat<W>(
  group: Group<W>,
  memberId: string,
  instanceId: string | undefined,
  generation: number,
  nowMs: number,
): number {
  const code = checkMember(group, memberId, instanceId);
  const member = group.members.get(memberId);
  if (code !== errorCode.NONE || member === undefined) return code;
  if (generation !== group.generation) return errorCode.ILLEGAL_GENERATION;
  group.renew(member, nowMs);
  // One that still waits came by another connection, which the member has given up.
  group.answerHeartbeat(member, errorCode.NONE);
  return group.state === "PreparingRebalance" ? errorCode.REBALANCE_IN_PROGRESS : errorCode.NONE;
}

/**
 * Whether offsets may be committed: by a member of this generation, or by anybody while the group is empty. A commit is a
 * sign of life.
 */
export function checkCommit<W>(
  group: Group<W>,
  by: { readonly memberId: string; readonly instanceId: string | undefined; readonly generation: number },
  isTransactional: boolean,
  nowMs: number,
): number {
  const { memberId, instanceId, generation } = by;
  if (generation < 0 && group.state === "Empty") return errorCode.NONE;
  if (generation >= 0 || memberId !== "" || instanceId !== undefined) {
    const code = checkMember(group, memberId, instanceId);
    if (code !== errorCode.NONE) return code;
    if (generation !== group.generation) return errorCode.ILLEGAL_GENERATION;
  } else if (!isTransactional) {
    // Nobody's commit would be lost behind the members'.
    return errorCode.UNKNOWN_MEMBER_ID;
  }
  if (isTransactional) return errorCode.NONE;
  // It knows the new generation, but not what it is assigned: it cannot mean what it commits.
  if (group.state === "CompletingRebalance") return errorCode.REBALANCE_IN_PROGRESS;
  const member = group.members.get(memberId);
  if (member !== undefined) group.renew(member, nowMs);
  return errorCode.NONE;
}

export interface Leaving {
  /** Empty: whoever has the instance id. */
  readonly memberId: string;
  readonly instanceId: string | undefined;
  readonly reason: string;
}

/** Answers an error code for each. */
export function leaveGroup<W>(group: Group<W>, leaving: readonly Leaving[], nowMs: number): number[] {
  const codes = leaving.map((one) => leave(group, one));
  if (!codes.includes(errorCode.NONE)) return codes;
  if (group.state === "PreparingRebalance") completeIfAllJoined(group, nowMs);
  else if (group.state !== "Empty") rebalanceOrComplete(group, "members left", nowMs);
  return codes;
}

function leave<W>(group: Group<W>, { memberId, instanceId, reason }: Leaving): number {
  if (memberId !== "" && group.pendingUntilMs.delete(memberId)) return errorCode.NONE;
  const known = instanceId === undefined ? undefined : group.memberIdByInstance.get(instanceId);
  const leaver = memberId === "" ? known : memberId;
  if (leaver === undefined) return errorCode.UNKNOWN_MEMBER_ID;
  const code = checkMember(group, leaver, instanceId);
  const member = group.members.get(leaver);
  if (code !== errorCode.NONE || member === undefined) return code;
  group.remove(member);
  group.note("a member has left a group", reason, leaver);
  return errorCode.NONE;
}
