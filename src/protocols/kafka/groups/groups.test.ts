import assert from "node:assert/strict";
import { test } from "node:test";
import { Bottle, plainLog } from "../../../broker/test-broker.suite.ts";
import type { Queue } from "../../../broker/api.ts";
import { VirtualClock, type Clock } from "../../../base/clock.ts";
import { seededRandom } from "../../../base/random.ts";
import { LimitedLog } from "../../../observe/limited-log.ts";
import { silentLogger } from "../../../observe/log.ts";
import { errorCode } from "../codec/errors.ts";
import type { JoinAnswer, SyncAnswer } from "./group.ts";
import { plainGroupSettings, type GroupSettings } from "./group-settings.ts";
import { Groups } from "./groups.ts";
import type { JoinRequest } from "./joining.ts";
import { storedPosition } from "./stored-position.ts";

const day = 86_400_000;
const anybody = { memberId: "", instanceId: undefined, generation: -1 };

/** The groups of a broker on a disk that is memory. */
function groupsOf(bottle: Bottle, settings: Partial<GroupSettings> = {}, clock: Clock = bottle.clock): Groups {
  const { broker } = bottle;
  return new Groups({
    broker,
    namespace: () => broker.namespace("/"),
    clock,
    random: seededRandom(1),
    log: new LimitedLog(silentLogger, clock),
    settings: { ...plainGroupSettings, initialRebalanceDelayMs: 0, ...settings },
  });
}

function newTopic(bottle: Bottle, name: string, partitionCount = 1): Queue {
  return bottle.broker.namespace("/")!.createQueue(name, plainLog, {}, partitionCount);
}

function commit(groups: Groups, group: string, topic: Queue, offset: number, at = 0, expiresAtMs = Infinity): void {
  assert.equal(groups.mayCommit(group, anybody, errorCode.GROUP_ID_NOT_FOUND), errorCode.NONE);
  const position = { offset, leaderEpoch: 0, metadata: `m${offset}` };
  assert.equal(groups.commit(group, topic, topic.partitions[at]!, position, expiresAtMs), errorCode.NONE);
}

function offsetOf(topic: Queue, group: string, at = 0): number | undefined {
  return topic.partitions[at]!.committedOffset(group)?.offset;
}

async function pass(bottle: Bottle, ms: number): Promise<void> {
  bottle.clock.advance(ms);
  await bottle.settle();
}

const names = (groups: Groups): string[] => [...groups.all()].map(({ group }) => group.id).toSorted();

const joining: Omit<JoinRequest, "newMemberId"> = {
  memberId: "",
  instanceId: undefined,
  clientId: "c",
  clientHost: "/127.0.0.1",
  protocolType: "consumer",
  protocols: [{ name: "range", metadata: Buffer.from([0, 0, 0, 0, 0, 1, 0, 1, 0x74, 255, 255, 255, 255]) }],
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  needsMemberId: false,
  maySkipAssignment: false,
  reason: "",
};

/** Joins and is assigned something; answers its id. */
async function member(
  bottle: Bottle,
  groups: Groups,
  group: string,
  request: Partial<typeof joining> = {},
): Promise<string> {
  let joined: JoinAnswer | undefined;
  groups.join(group, { ...joining, ...request }, { respond: (answer) => void (joined = answer as JoinAnswer) });
  await pass(bottle, 0);
  assert.ok(joined !== undefined);
  assert.equal(joined.errorCode, errorCode.NONE);
  let synced: SyncAnswer | undefined;
  const asked = { memberId: joined.memberId, instanceId: request.instanceId, generation: joined.generationId };
  const rest = { protocolType: undefined, protocolName: undefined, assignments: new Map() };
  groups.sync(group, { ...asked, ...rest }, { respond: (answer) => void (synced = answer as SyncAnswer) });
  assert.equal(synced?.errorCode, errorCode.NONE);
  return joined.memberId;
}

test("offsets are there after a restart, and the groups that have some", async () => {
  const bottle = await Bottle.open();
  let groups = groupsOf(bottle);
  const topic = newTopic(bottle, "t", 3);
  commit(groups, "g", topic, 5);
  commit(groups, "g", topic, 7, 2);
  commit(groups, "other", topic, 1);
  groups.stop();
  await bottle.restart();
  groups = groupsOf(bottle);
  assert.deepEqual(names(groups), ["g", "other"]);
  const again = bottle.queue("t");
  assert.deepEqual(
    [0, 1, 2].map((at) => offsetOf(again, "g", at)),
    [5, undefined, 7],
  );
  assert.deepEqual(
    [...groups.topics.of("g")].map(({ name }) => name),
    ["t"],
  );
  const position = storedPosition(again.committedOffset("g")!);
  assert.deepEqual(position, { offset: 5, leaderEpoch: 0, metadata: "m5", expiresAtMs: Infinity });
  groups.stop();
  await bottle.stop();
});

test("members are gone after a restart, what kind of group it was is not, and its offsets age from then", async () => {
  const bottle = await Bottle.open();
  let groups = groupsOf(bottle);
  const topic = newTopic(bottle, "t");
  const memberId = await member(bottle, groups, "g");
  const by = { memberId, instanceId: undefined, generation: 1 };
  assert.equal(groups.mayCommit("g", by, 0), errorCode.NONE);
  groups.commit("g", topic, topic, { offset: 3, leaderEpoch: -1, metadata: null });
  await bottle.settle();
  groups.stop();
  await bottle.restart();
  await pass(bottle, 6 * day);
  groups = groupsOf(bottle);
  const { group } = groups.find("g")!;
  assert.deepEqual([group.state, group.protocolType, group.members.size], ["Empty", "consumer", 0]);
  assert.equal(groups.heartbeat("g", memberId, undefined, 1), errorCode.UNKNOWN_MEMBER_ID);
  await pass(bottle, 6 * day);
  assert.equal(offsetOf(bottle.queue("t"), "g"), 3);
  await pass(bottle, 2 * day);
  assert.equal(offsetOf(bottle.queue("t"), "g"), undefined);
  assert.equal(groups.find("g"), undefined);
  assert.deepEqual([...bottle.broker.definitions.entries("kafka-group")], []);
  groups.stop();
  await bottle.stop();
});

test("offsets of members who never came back age on over further restarts", async () => {
  const bottle = await Bottle.open();
  let groups = groupsOf(bottle);
  const topic = newTopic(bottle, "t");
  const memberId = await member(bottle, groups, "g");
  assert.equal(groups.mayCommit("g", { memberId, instanceId: undefined, generation: 1 }, 0), errorCode.NONE);
  groups.commit("g", topic, topic, { offset: 3, leaderEpoch: -1, metadata: null });
  await bottle.settle();
  for (const crashes of [true, false, true]) {
    groups.stop();
    await bottle[crashes ? "crash" : "restart"]();
    groups = groupsOf(bottle);
    await bottle.settle();
    assert.equal(offsetOf(bottle.queue("t"), "g"), 3);
    await pass(bottle, 3 * day);
  }
  assert.equal(offsetOf(bottle.queue("t"), "g"), undefined);
  assert.deepEqual(names(groups), []);
  groups.stop();
  await bottle.stop();
});

test("offsets nobody is a member for go seven days after their commit, or when their client said", async () => {
  const bottle = await Bottle.open();
  const groups = groupsOf(bottle);
  const topic = newTopic(bottle, "t", 3);
  commit(groups, "g", topic, 1, 0);
  commit(groups, "g", topic, 2, 1, bottle.clock.now() + day);
  await pass(bottle, 4 * day);
  commit(groups, "g", topic, 3, 2);
  assert.deepEqual(
    [0, 1, 2].map((at) => offsetOf(topic, "g", at)),
    [1, undefined, 3],
  );
  await pass(bottle, 3 * day + 600_000);
  assert.deepEqual(
    [0, 1, 2].map((at) => offsetOf(topic, "g", at)),
    [undefined, undefined, 3],
  );
  await pass(bottle, 4 * day);
  assert.deepEqual(names(groups), []);
  groups.stop();
  await bottle.stop();
});

test("offsets that their client wants to last for ever are read back as they were, and last", async () => {
  const bottle = await Bottle.open();
  const groups = groupsOf(bottle);
  const topic = newTopic(bottle, "t");
  const forEver = bottle.clock.now() + Number(2n ** 63n - 1n);
  commit(groups, "g", topic, 5, 0, forEver);
  const position = storedPosition(topic.committedOffset("g")!);
  assert.deepEqual(position, { offset: 5, leaderEpoch: 0, metadata: "m5", expiresAtMs: forEver });
  await pass(bottle, 30 * day);
  assert.equal(offsetOf(topic, "g"), 5);
  groups.stop();
  await bottle.stop();
});

test("while consumers read, offsets of their topics stay, those of others age", async () => {
  const bottle = await Bottle.open();
  const groups = groupsOf(bottle);
  const [read, unread] = [newTopic(bottle, "t"), newTopic(bottle, "u")];
  commit(groups, "g", read, 1);
  commit(groups, "g", unread, 1);
  const memberId = await member(bottle, groups, "g", { sessionTimeoutMs: 1_800_000 });
  for (let at = 0; at < 8 * 96; at++) {
    await pass(bottle, 900_000);
    assert.equal(groups.heartbeat("g", memberId, undefined, 1), errorCode.NONE);
  }
  assert.deepEqual([offsetOf(read, "g"), offsetOf(unread, "g")], [1, undefined]);
  groups.stop();
  await bottle.stop();
});

test("a group with members is not deleted; one without goes with its offsets, also from the disk", async () => {
  const bottle = await Bottle.open();
  let groups = groupsOf(bottle);
  const topic = newTopic(bottle, "t", 2);
  commit(groups, "g", topic, 1, 1);
  const memberId = await member(bottle, groups, "g");
  assert.equal(groups.delete("g"), errorCode.NON_EMPTY_GROUP);
  assert.deepEqual(groups.leave("g", [{ memberId, instanceId: undefined, reason: "" }]), [errorCode.NONE]);
  assert.equal(groups.delete("g"), errorCode.NONE);
  assert.equal(groups.delete("g"), errorCode.GROUP_ID_NOT_FOUND);
  await bottle.settle();
  groups.stop();
  await bottle.restart();
  groups = groupsOf(bottle);
  assert.deepEqual(names(groups), []);
  assert.equal(offsetOf(bottle.queue("t"), "g", 1), undefined);
  groups.stop();
  await bottle.stop();
});

test("offsets of a deleted topic are gone, also when it is made anew", async () => {
  const bottle = await Bottle.open();
  const groups = groupsOf(bottle);
  const namespace = bottle.broker.namespace("/")!;
  const topic = newTopic(bottle, "t");
  commit(groups, "g", topic, 1);
  groups.pending.add(5, "g", [{ topic: "t", partition: 0, offset: 9, leaderEpoch: 0, metadata: null }]);
  namespace.deleteQueue(topic);
  assert.deepEqual([...groups.topics.of("g")], []);
  const again = newTopic(bottle, "t");
  groups.endTransaction(5, true);
  assert.equal(offsetOf(again, "g"), undefined);
  assert.deepEqual([...groups.topics.of("g")], []);
  groups.stop();
  await bottle.stop();
});

test("a group whose members never were is made by a commit without a generation, not by one with", async () => {
  const bottle = await Bottle.open();
  const groups = groupsOf(bottle);
  const by = { memberId: "m", instanceId: undefined, generation: 1 };
  assert.equal(groups.mayCommit("g", by, errorCode.ILLEGAL_GENERATION), errorCode.ILLEGAL_GENERATION);
  assert.equal(groups.find("g"), undefined);
  assert.equal(groups.mayCommit("g", anybody, errorCode.ILLEGAL_GENERATION), errorCode.NONE);
  assert.equal(groups.find("g")?.group.isSimple, true);
  groups.forgetUnused("g");
  assert.equal(groups.find("g"), undefined);
  groups.stop();
  await bottle.stop();
});

test("offsets of a transaction count when it is committed, never when it is aborted, and wait through a restart", async () => {
  const bottle = await Bottle.open();
  let groups = groupsOf(bottle);
  const topic = newTopic(bottle, "t", 2);
  commit(groups, "g", topic, 1);
  const pending = { topic: "t", partition: 0, offset: 9, leaderEpoch: 0, metadata: "" };
  groups.pending.add(41, "g", [pending]);
  groups.pending.add(42, "g", [pending, { ...pending, partition: 1, offset: 5 }]);
  assert.equal(offsetOf(topic, "g"), 1);
  await bottle.settle();
  groups.stop();
  await bottle.restart();
  groups = groupsOf(bottle);
  const again = bottle.queue("t");
  assert.deepEqual(
    [0, 1].map((at) => groups.pending.has("g", "t", at)),
    [true, true],
  );
  groups.endTransaction(42, false);
  assert.deepEqual(
    [0, 1].map((at) => groups.pending.has("g", "t", at)),
    [true, false],
  );
  assert.equal(offsetOf(again, "g"), 1);
  groups.endTransaction(41, true);
  assert.equal(groups.pending.hasAny("g"), false);
  assert.deepEqual(
    [0, 1].map((at) => offsetOf(again, "g", at)),
    [9, undefined],
  );
  assert.deepEqual([...bottle.broker.definitions.entries("kafka-pending-offsets")], []);
  groups.stop();
  await bottle.stop();
});

test("of what is said of a place the last counts, whenever transactions end, also after a restart", async () => {
  const bottle = await Bottle.open();
  let groups = groupsOf(bottle);
  const topic = newTopic(bottle, "t", 4);
  const say = (producerId: number, offset: number, partitions: readonly number[]): void => {
    const rest = { topic: "t", offset, leaderEpoch: 0, metadata: null };
    const said = partitions.map((partition) => ({ ...rest, partition }));
    groups.pending.add(producerId, "g", said);
  };
  say(41, 5, [0, 1, 2, 3]);
  commit(groups, "g", topic, 9, 0);
  say(42, 7, [1, 2]);
  say(41, 8, [2]);
  await bottle.settle();
  groups.stop();
  await bottle.restart();
  groups = groupsOf(bottle);
  say(43, 6, [3]);
  assert.equal(groups.pending.has("g", "t", 0), false);
  for (const producerId of [42, 43, 41]) groups.endTransaction(producerId, true);
  const again = bottle.queue("t");
  assert.deepEqual(
    [0, 1, 2, 3].map((at) => offsetOf(again, "g", at)),
    [9, 7, 8, 6],
  );
  assert.deepEqual([...bottle.broker.definitions.entries("kafka-pending-offsets")], []);
  groups.stop();
  await bottle.stop();
});

test("a group that is deleted does not come back with a transaction that was open, also after a restart", async () => {
  const bottle = await Bottle.open();
  let groups = groupsOf(bottle);
  newTopic(bottle, "t");
  const pending = { topic: "t", partition: 0, offset: 9, leaderEpoch: 0, metadata: null };
  assert.equal(groups.mayCommit("g", anybody, 0), errorCode.NONE);
  groups.pending.add(41, "g", [pending]);
  await bottle.settle();
  groups.stop();
  await bottle.restart();
  groups = groupsOf(bottle);
  assert.equal(groups.delete("g"), errorCode.NONE);
  groups.endTransaction(41, true);
  assert.deepEqual(names(groups), []);
  assert.equal(offsetOf(bottle.queue("t"), "g"), undefined);
  assert.deepEqual([...bottle.broker.definitions.entries("kafka-pending-offsets")], []);
  groups.stop();
  await bottle.stop();
});

test("what a transaction says is kept place by place, of any group, and as it was kept formerly it is read", async () => {
  const bottle = await Bottle.open();
  let groups = groupsOf(bottle);
  newTopic(bottle, "t", 2);
  const { definitions } = bottle.broker;
  const pending = { topic: "t", partition: 0, offset: 9, leaderEpoch: 0, metadata: null };
  const entries = (): [string, unknown][] => [...definitions.entries("kafka-pending-offsets")];
  groups.pending.add(41, "__proto__", [pending]);
  const [first] = entries();
  groups.pending.add(41, "g", [pending]);
  assert.equal(entries().length, 2);
  assert.equal(entries()[0]![1], first![1], "it is not written again");
  definitions.put("kafka-pending-offsets", "42", { g: [{ ...pending, partition: 1 }], h: [pending] });
  await bottle.settle();
  groups.stop();
  await bottle.restart();
  groups = groupsOf(bottle);
  for (const producerId of [41, 42]) groups.endTransaction(producerId, true);
  const topic = bottle.queue("t");
  assert.deepEqual(
    [offsetOf(topic, "__proto__"), offsetOf(topic, "g"), offsetOf(topic, "g", 1), offsetOf(topic, "h")],
    [9, 9, 9, 9],
  );
  assert.deepEqual([...bottle.broker.definitions.entries("kafka-pending-offsets")], []);
  groups.stop();
  await bottle.stop();
});

test("members that beat while the broker stood still are alive when it goes on", async () => {
  const bottle = await Bottle.open();
  const deferred: (() => void)[] = [];
  const clock = new VirtualClock(0, (run) => void deferred.push(run));
  const groups = groupsOf(bottle, {}, clock);
  let memberId = "";
  const joined = { respond: (answer: JoinAnswer | SyncAnswer) => void (memberId = (answer as JoinAnswer).memberId) };
  const go = (): void => deferred.splice(0).forEach((run) => run());
  groups.join("g", joining, joined);
  clock.advance(0);
  go();
  clock.advance(10_000);
  assert.equal(groups.heartbeat("g", memberId, undefined, 1), errorCode.NONE);
  go();
  assert.equal(groups.heartbeat("g", memberId, undefined, 1), errorCode.NONE);
  clock.advance(10_000);
  go();
  assert.equal(groups.heartbeat("g", memberId, undefined, 1), errorCode.UNKNOWN_MEMBER_ID);
  groups.stop();
  await bottle.stop();
});

test("what members subscribe to is looked for in a megabyte, and not known where there is more", async () => {
  const bottle = await Bottle.open();
  const groups = groupsOf(bottle);
  const name = "t".repeat(1000);
  const reads = (count: number): Buffer => {
    const head = Buffer.from([0, 0, 0, 0, 0, 0]);
    head.writeInt32BE(count, 2);
    const topic = Buffer.concat([Buffer.from([name.length >> 8, name.length & 0xff]), Buffer.from(name)]);
    return Buffer.concat([head, ...Array.from({ length: count }, () => topic), Buffer.from([255, 255, 255, 255])]);
  };
  for (const [group, count] of [
    ["much", 1000],
    ["more", 1100],
  ] as const) {
    await member(bottle, groups, group, { protocols: [{ name: "range", metadata: reads(count) }] });
  }
  assert.deepEqual(groups.find("much")!.group.subscribedTopics, new Set([name]));
  assert.equal(groups.find("more")!.group.subscribedTopics, undefined);
  groups.stop();
  await bottle.stop();
});

test("what members say of themselves is bounded", async () => {
  const bottle = await Bottle.open();
  const groups = groupsOf(bottle);
  const codes: number[] = [];
  const waiter = { respond: (answer: JoinAnswer | SyncAnswer) => void codes.push(answer.errorCode) };
  const protocols = [{ name: "range", metadata: Buffer.alloc(30 << 20) }];
  for (let count = 0; count < 3; count++) groups.join("g", { ...joining, protocols }, waiter);
  assert.deepEqual(codes, [errorCode.GROUP_MAX_SIZE_REACHED]);
  await pass(bottle, 0);
  assert.deepEqual(codes.slice(1), [errorCode.NONE, errorCode.NONE]);
  groups.stop();
  await bottle.stop();
});

test("what members of all groups say, and what a leader assigns, is bounded", async () => {
  const bottle = await Bottle.open();
  const groups = groupsOf(bottle);
  let answer: JoinAnswer | SyncAnswer | undefined;
  const waiter = { respond: (told: JoinAnswer | SyncAnswer) => void (answer = told) };
  const protocols = [{ name: "range", metadata: Buffer.alloc(60 << 20) }];
  const members: string[] = [];
  for (const name of ["a", "b", "c", "d"]) members.push(await member(bottle, groups, name, { protocols }));
  groups.join("e", { ...joining, protocols }, waiter);
  assert.equal(answer?.errorCode, errorCode.COORDINATOR_NOT_AVAILABLE);
  groups.leave("a", [{ memberId: members[0]!, instanceId: undefined, reason: "" }]);
  const memberId = await member(bottle, groups, "e", { protocols });
  const asked = { memberId, instanceId: undefined, generation: 1, protocolType: undefined, protocolName: undefined };
  groups.sync("e", { ...asked, assignments: new Map([["x", Buffer.alloc(65 << 20)]]) }, waiter);
  assert.equal(answer?.errorCode, errorCode.UNKNOWN_SERVER_ERROR);
  groups.stop();
  await bottle.stop();
});

test("a session of weeks ends when it does, though no timer is set for more than a day", async () => {
  const bottle = await Bottle.open();
  const { clock: bottled } = bottle;
  const delays: number[] = [];
  const clock: Clock = {
    now: () => bottled.now(),
    elapsedMs: () => bottled.elapsedMs(),
    setTimer: (atMs, run) => bottled.setTimer(atMs, run),
    setDelay(delayMs, run) {
      delays.push(delayMs);
      return bottled.setDelay(delayMs, run);
    },
    clearTimer: (timer) => bottled.clearTimer(timer),
    defer: (run) => bottled.defer(run),
  };
  const groups = groupsOf(bottle, { sessionTimeoutMaxMs: 20 * day }, clock);
  const memberId = await member(bottle, groups, "g", { sessionTimeoutMs: 20 * day });
  // It beats once a day for ten days, and no more.
  for (let passed = 1; passed <= 29; passed++) {
    await pass(bottle, day);
    if (passed <= 10) assert.equal(groups.heartbeat("g", memberId, undefined, 1), errorCode.NONE);
  }
  assert.equal(groups.find("g")!.group.members.size, 1);
  await pass(bottle, day);
  assert.equal(groups.find("g")?.group.members.size ?? 0, 0);
  assert.ok(delays.every((delayMs) => delayMs <= day));
  groups.stop();
  await bottle.stop();
});

test("session timeouts have bounds, which are looked at before the group is", async () => {
  const bottle = await Bottle.open();
  const groups = groupsOf(bottle);
  const codeOf = (group: string, request: Partial<JoinRequest>): number | undefined => {
    let answer: JoinAnswer | undefined;
    groups.join(group, { ...joining, ...request }, { respond: (one) => void (answer = one as JoinAnswer) });
    return answer?.errorCode;
  };
  await member(bottle, groups, "g");
  for (const memberId of ["", "unknown"]) {
    for (const group of ["g", "none"]) {
      for (const sessionTimeoutMs of [5999, 1_800_001])
        assert.equal(codeOf(group, { memberId, sessionTimeoutMs }), errorCode.INVALID_SESSION_TIMEOUT);
    }
  }
  assert.equal(codeOf("", { sessionTimeoutMs: 1 }), errorCode.INVALID_GROUP_ID);
  assert.equal(codeOf("none", { memberId: "unknown" }), errorCode.UNKNOWN_MEMBER_ID);
  assert.deepEqual(names(groups), ["g"]);
  groups.stop();
  await bottle.stop();
});

test("the wall clock may be set without a session ending", async () => {
  const bottle = await Bottle.open();
  const groups = groupsOf(bottle);
  const memberId = await member(bottle, groups, "g");
  bottle.clock.jumpTo(bottle.clock.now() + 3_600_000);
  await pass(bottle, 9000);
  assert.equal(groups.heartbeat("g", memberId, undefined, 1), errorCode.NONE);
  await pass(bottle, 10_000);
  assert.equal(groups.heartbeat("g", memberId, undefined, 1), errorCode.UNKNOWN_MEMBER_ID);
  groups.stop();
  await bottle.stop();
});

test("groups have a bound together: beyond it there are no new ones, and those that are there go on", async () => {
  const bottle = await Bottle.open();
  const groups = groupsOf(bottle);
  const topic = newTopic(bottle, "t");
  const nameOf = (index: number): string => String(index).padEnd(21_845, "x");
  commit(groups, "g", topic, 1);
  let count = 0;
  const anyError = errorCode.GROUP_ID_NOT_FOUND;
  while (groups.mayCommit(nameOf(count), anybody, anyError) === errorCode.NONE && count < 10_000) count++;
  // 256 MB of names of 44 KB.
  assert.ok(count > 5500 && count < 6500, String(count));
  assert.equal(groups.mayCommit("another", anybody, anyError), errorCode.NONE, "a small one may still find room");
  assert.equal(groups.mayCommit(nameOf(count), anybody, anyError), errorCode.COORDINATOR_NOT_AVAILABLE);
  let answer: JoinAnswer | undefined;
  groups.join(nameOf(count), joining, { respond: (one) => void (answer = one as JoinAnswer) });
  assert.equal(answer?.errorCode, errorCode.COORDINATOR_NOT_AVAILABLE);
  commit(groups, "g", topic, 2);
  await member(bottle, groups, "g");
  groups.forgetUnused(nameOf(0));
  assert.equal(groups.mayCommit(nameOf(count), anybody, anyError), errorCode.NONE);
  groups.stop();
});

test("what members cost is bounded, though they say nothing", async () => {
  const bottle = await Bottle.open();
  const groups = groupsOf(bottle);
  const known = await member(bottle, groups, "known");
  const codes = new Map<number, number>();
  const clientId = "c".repeat(30_000);
  for (let index = 0; index < 6000; index++) {
    groups.join(
      `g${index}`,
      { ...joining, clientId, protocols: [{ name: "r", metadata: Buffer.alloc(0) }] },
      {
        respond: ({ errorCode: code }) => void codes.set(code, (codes.get(code) ?? 0) + 1),
      },
    );
  }
  // 256 MB of 61 KB.
  const refused = codes.get(errorCode.COORDINATOR_NOT_AVAILABLE) ?? 0;
  assert.ok(refused > 1000 && refused < 2500, String(refused));
  assert.equal(await member(bottle, groups, "known", { memberId: known }), known, "who is there goes on");
  groups.stop();
});

test("what is kept of members is what there is of them: nothing when all groups are deleted", async () => {
  const bottle = await Bottle.open();
  const groups = groupsOf(bottle);
  const unheard = { respond: (): void => undefined };
  for (let id = 0; id < 3; id++) groups.join("pending", { ...joining, needsMemberId: true }, unheard);
  const memberId = await member(bottle, groups, "g");
  assert.ok(groups.keptBytes > 0);
  groups.leave("g", [{ memberId, instanceId: undefined, reason: "" }]);
  for (const group of ["g", "pending"]) assert.equal(groups.delete(group), errorCode.NONE);
  assert.equal(groups.keptBytes, 0);
  groups.stop();
});

test("protocols that members know cost memory, though they say nothing by them", async () => {
  const bottle = await Bottle.open();
  const groups = groupsOf(bottle);
  const refused: number[] = [];
  const nothing = Buffer.alloc(0);
  const protocols = Array.from({ length: 100_000 }, (_, at) => ({ name: at.toString(36), metadata: nothing }));
  for (let at = 0; at < 12; at++) {
    groups.join(`g${at}`, { ...joining, protocols }, { respond: ({ errorCode: code }) => void refused.push(code) });
  }
  // 256 MB of 30 MB.
  assert.deepEqual(
    refused,
    Array.from({ length: 4 }, () => errorCode.COORDINATOR_NOT_AVAILABLE),
  );
  groups.stop();
});
