/** The passing of time: sessions that end, ids that nobody came back with, phases that are over. */
import type { Group } from "./group.ts";
import type { Member } from "./member.ts";
import { checkJoinDeadline, completeIfAllJoined, rebalanceOrComplete, syncDeadlineCame } from "./rebalance.ts";

/** Does what is due by `nowMs`. Costs nothing before `group.nextDeadlineMs`; afterwards that is set anew. */
export function tick<W>(group: Group<W>, nowMs: number): void {
  if (nowMs < group.nextDeadlineMs) return;
  const late = [...group.members.values()].filter(({ expiresAtMs }) => expiresAtMs <= nowMs);
  for (const member of late) expireMember(group, member, nowMs);
  expirePending(group, nowMs);
  checkJoinDeadline(group, nowMs);
  if (group.syncDeadlineMs <= nowMs) syncDeadlineCame(group, nowMs);
  group.nextDeadlineMs = nextDeadlineMs(group);
}

function expireMember<W>(group: Group<W>, member: Member<W>, nowMs: number): void {
  // What another's end brought about may have renewed it, or put it out.
  if (member.expiresAtMs > nowMs || group.members.get(member.id) !== member) return;
  if (!member.isNew && (member.joinWaiter !== undefined || member.syncWaiter !== undefined)) {
    // Who waits for us cannot send heartbeats. It is renewed when it is answered.
    member.expiresAtMs = Infinity;
    return;
  }
  group.remove(member);
  group.note("a member of a group is out", "its session has timed out", member.id);
  rebalanceOrComplete(group, "a session timed out", nowMs);
}

function expirePending<W>(group: Group<W>, nowMs: number): void {
  let hasExpired = false;
  for (const [memberId, untilMs] of group.pendingUntilMs) {
    if (untilMs > nowMs) continue;
    group.pendingUntilMs.delete(memberId);
    hasExpired = true;
  }
  if (!hasExpired) return;
  // The quiet of a first rebalance was over, but for those who were to come back.
  const { joinDeadline } = group;
  const isQuiet = group.pendingUntilMs.size === 0 && group.settings.initialRebalanceQuietMs > 0;
  if (joinDeadline?.isInitial === true && isQuiet && joinDeadline.quietAtMs === Infinity)
    joinDeadline.quietAtMs = nowMs;
  completeIfAllJoined(group, nowMs);
}

function nextDeadlineMs<W>(group: Group<W>): number {
  let atMs = group.syncDeadlineMs;
  if (group.joinDeadline !== undefined) atMs = Math.min(atMs, group.joinDeadline.atMs, group.joinDeadline.quietAtMs);
  for (const { expiresAtMs } of group.members.values()) atMs = Math.min(atMs, expiresAtMs);
  for (const untilMs of group.pendingUntilMs.values()) atMs = Math.min(atMs, untilMs);
  return atMs;
}
