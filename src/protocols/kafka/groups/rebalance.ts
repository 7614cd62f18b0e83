/**
 * From one generation to the next. A rebalance is *prepared*: all members have to join again, and whoever asks for anything
 * else is told so; it is *completed* when all have joined, or when the longest rebalance timeout is over and those who have
 * not are out (static members excepted: they go by their session alone). Then the generation rises, the leader gets the list
 * of members, and all wait for the assignment that it makes of it.
 *
 * The first rebalance of an empty group waits in any case, and as long as new members keep coming, so that a fleet that is
 * started at once makes one generation and not a hundred. Kafka waits in steps of three seconds; here a second in which nobody
 * has come ends it, so that a hundred members that come within a second have their assignment after two, and not after six.
 */
import { errorCode } from "../codec/errors.ts";
import type { Group } from "./group.ts";
import { subscribedTopics } from "./subscribed-topics.ts";

/** Where all who are left are static and away, they are looked for no more often, whatever their timeout. */
const absentMsMin = 1000;

/** Ends what goes on, and has all members join again. The group is not already preparing. */
export function prepareRebalance<W>(group: Group<W>, why: string, nowMs: number): void {
  if (group.state === "CompletingRebalance") {
    for (const member of group.members.values()) {
      group.assign(member);
      if (group.answerSync(member, errorCode.REBALANCE_IN_PROGRESS)) group.renew(member, nowMs);
    }
  }
  group.pendingSync.clear();
  group.syncDeadlineMs = Infinity;
  group.isInitial = group.state === "Empty";
  group.hasNewcomer = false;
  group.state = "PreparingRebalance";
  for (const member of group.members.values()) group.answerHeartbeat(member, errorCode.REBALANCE_IN_PROGRESS);
  group.note("a group is to rebalance", why);
  if (group.isInitial) {
    const { initialRebalanceDelayMs: delayMs } = group.settings;
    const remainingMs = Math.max(group.rebalanceTimeoutMs() - delayMs, 0);
    group.joinDeadline = { atMs: nowMs + delayMs, isInitial: true, delayMs, remainingMs, quietAtMs: Infinity };
    group.wakeBy(group.joinDeadline.atMs);
    newcomerCame(group, nowMs);
  } else if (group.hasAllJoined) {
    completeJoining(group, nowMs);
  } else {
    waitForJoins(group, nowMs);
  }
}

/** The first rebalance of a group waits for more of them. */
export function newcomerCame<W>(group: Group<W>, nowMs: number): void {
  const { initialRebalanceQuietMs } = group.settings;
  if (group.joinDeadline?.isInitial !== true || initialRebalanceQuietMs === 0) return;
  group.joinDeadline.quietAtMs = nowMs + initialRebalanceQuietMs;
  group.wakeBy(group.joinDeadline.quietAtMs);
}

/** After somebody joined or left. */
export function rebalanceOrComplete<W>(group: Group<W>, why: string, nowMs: number): void {
  if (group.state === "PreparingRebalance") completeIfAllJoined(group, nowMs);
  else prepareRebalance(group, why, nowMs);
}

/** An initial rebalance takes its time, whoever is there. */
export function completeIfAllJoined<W>(group: Group<W>, nowMs: number): void {
  if (group.state === "PreparingRebalance" && !group.isInitial && group.hasAllJoined) completeJoining(group, nowMs);
}

/** Ends the time for joining, or prolongs it, if it is due. */
export function checkJoinDeadline<W>(group: Group<W>, nowMs: number): void {
  const deadline = group.joinDeadline;
  if (deadline === undefined) return;
  if (deadline.quietAtMs <= nowMs) {
    // One that was given its id comes back with it at once, if it is alive; and is a newcomer then.
    if (group.pendingUntilMs.size === 0) return completeJoining(group, nowMs);
    deadline.quietAtMs = Infinity;
  }
  if (deadline.atMs > nowMs) return;
  const delayMs = Math.min(group.settings.initialRebalanceDelayMs, deadline.remainingMs);
  if (!deadline.isInitial || !group.hasNewcomer || delayMs === 0) return completeJoining(group, nowMs);
  group.hasNewcomer = false;
  const remainingMs = Math.max(deadline.remainingMs - deadline.delayMs, 0);
  group.joinDeadline = { ...deadline, atMs: nowMs + delayMs, delayMs, remainingMs };
}

/** Those who have joined are the next generation; without any, the group is empty. */
function completeJoining<W>(group: Group<W>, nowMs: number): void {
  group.joinDeadline = undefined;
  for (const member of group.members.values()) {
    if (member.joinWaiter !== undefined || member.instanceId !== undefined) continue;
    group.remove(member);
    group.note("a member of a group is out", "it did not join again in time", member.id);
  }
  if (!electJoinedLeader(group) && group.members.size > 0) {
    // Static members alone, and none of them is there: their sessions will end, or one comes back.
    waitForJoins(group, nowMs, absentMsMin);
    return;
  }
  group.generation = group.generation === 0x7fff_ffff ? 1 : group.generation + 1;
  group.pendingSync.clear();
  group.isInitial = false;
  if (group.members.size === 0) {
    group.state = "Empty";
    group.protocolName = undefined;
    group.subscribedTopics = subscribedTopics(group);
    group.note("a group is empty", "nobody joined again");
    return;
  }
  group.protocolName = group.chooseProtocol();
  group.subscribedTopics = subscribedTopics(group);
  group.state = "CompletingRebalance";
  for (const member of group.members.values()) {
    group.answerJoin(member, group.joinAnswer(member.id));
    group.renew(member, nowMs);
    member.isNew = false;
    member.beatAtMs = -Infinity;
    member.beatIntervalMs = Infinity;
    group.pendingSync.add(member.id);
  }
  group.syncDeadlineMs = nowMs + group.rebalanceTimeoutMs();
  group.wakeBy(group.syncDeadlineMs);
  group.note("a group has a new generation", `${group.members.size} members joined`);
}

/** Those of the new generation who did not ask for their assignment are out. */
export function syncDeadlineCame<W>(group: Group<W>, nowMs: number): void {
  group.syncDeadlineMs = Infinity;
  if (group.pendingSync.size === 0) return;
  for (const memberId of group.pendingSync) {
    const member = group.members.get(memberId);
    if (member === undefined) continue;
    group.remove(member);
    group.note("a member of a group is out", "it did not ask for its assignment in time", memberId);
  }
  prepareRebalance(group, "members did not ask for their assignment in time", nowMs);
}

/** `msMin`: of a member's own timeout, which may be nothing. */
function waitForJoins<W>(group: Group<W>, nowMs: number, msMin = 0): void {
  const atMs = nowMs + Math.max(msMin, group.rebalanceTimeoutMs());
  group.joinDeadline = { atMs, isInitial: false, delayMs: 0, remainingMs: 0, quietAtMs: Infinity };
  group.wakeBy(atMs);
}

/** The leader stays, if it has joined; false: nobody has. */
function electJoinedLeader<W>(group: Group<W>): boolean {
  const leader = group.leaderId === undefined ? undefined : group.members.get(group.leaderId);
  if (leader === undefined) return false;
  if (leader.joinWaiter !== undefined) return true;
  for (const member of group.members.values()) {
    if (member.joinWaiter === undefined) continue;
    group.leaderId = member.id;
    return true;
  }
  return false;
}
