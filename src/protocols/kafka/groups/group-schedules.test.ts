/**
 * Groups under any schedule: clients that join, come back, sync, beat, leave, vanish and return, static and not, and others
 * that say what nobody told them, while time passes in jumps.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { errorCode } from "../codec/errors.ts";
import { tick } from "./deadlines.ts";
import { Group, type JoinAnswer, type SyncAnswer } from "./group.ts";
import { plainGroupSettings } from "./group-settings.ts";
import { holdMs } from "./held-heartbeats.ts";
import { joinGroup } from "./joining.ts";
import { heartbeat, leaveGroup, syncGroup } from "./membership.ts";

type Step =
  | { what: "join"; who: number; isLost: boolean; isChanged: boolean; version: number }
  | { what: "sync" | "beat" | "leave" | "forget"; who: number }
  | { what: "pass"; ms: number };

const who = fc.nat(5);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      what: fc.constant("join" as const),
      who,
      isLost: fc.boolean(),
      isChanged: fc.boolean(),
      version: fc.constantFrom(3, 5, 9),
    }),
  },
  { weight: 6, arbitrary: fc.record({ what: fc.constantFrom("sync", "beat", "leave", "forget"), who }) },
  {
    weight: 3,
    arbitrary: fc.record({ what: fc.constant("pass" as const), ms: fc.oneof(fc.constant(0), fc.nat(12_000)) }),
  },
);

/** Clients 0 and 1 are static. What they know of themselves is what they were told last. */
class World {
  readonly group: Group<number>;
  nowMs = 0;
  #requests = 0;
  #ids = 0;
  readonly #whoseRequest = new Map<number, number>();
  readonly known = new Map<number, { memberId: string; generation: number }>();
  /** Told that they are members of a generation, and not told otherwise since. */
  readonly members = new Set<string>();
  readonly leaderOf = new Map<number, string>();

  constructor(initialRebalanceDelayMs: number, initialRebalanceQuietMs: number, membersMax: number) {
    const delays = { initialRebalanceDelayMs, initialRebalanceQuietMs };
    this.group = new Group("g", { ...plainGroupSettings, ...delays, membersMax });
  }

  get waiting(): number {
    return this.#whoseRequest.size;
  }

  take(step: Step): void {
    if (step.what === "pass") this.pass(step.ms);
    else this.#act(step);
    this.#settle();
  }

  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    let ticks = 0;
    while (this.group.nextDeadlineMs <= endMs) {
      ticks = this.group.nextDeadlineMs > this.nowMs ? 1 : ticks + 1;
      // A rebalance without members to wait for is due the moment it is begun.
      assert.ok(ticks <= 2, "what was due is done");
      this.nowMs = Math.max(this.nowMs, this.group.nextDeadlineMs);
      tick(this.group, this.nowMs);
      this.#settle();
    }
    this.nowMs = endMs;
  }

  #act(step: Exclude<Step, { what: "pass" }>): void {
    const { group, nowMs } = this;
    const { memberId, generation } = this.known.get(step.who) ?? { memberId: "", generation: -1 };
    const instanceId = step.who < 2 ? `i${step.who}` : undefined;
    if (step.what === "join") {
      if (step.isLost) this.known.delete(step.who);
      const request = ++this.#requests;
      this.#whoseRequest.set(request, step.who);
      const names = step.isChanged ? ["range"] : ["sticky", "range"];
      joinGroup(
        group,
        {
          memberId: step.isLost ? "" : memberId,
          newMemberId: `m${++this.#ids}`,
          instanceId,
          clientId: "c",
          clientHost: "/127.0.0.1",
          protocolType: "consumer",
          protocols: names.map((name) => ({ name, metadata: Buffer.from(name) })),
          sessionTimeoutMs: 6000 + step.who * 1000,
          rebalanceTimeoutMs: 5000 + step.who * 5000,
          needsMemberId: step.version >= 4,
          maySkipAssignment: step.version >= 9,
          reason: "",
        },
        request,
        nowMs,
      );
    } else if (step.what === "sync") {
      const request = ++this.#requests;
      this.#whoseRequest.set(request, step.who);
      const assignments = new Map([...group.members.keys()].map((id) => [id, Buffer.from(id)]));
      const asked = { protocolType: undefined, protocolName: undefined, assignments };
      syncGroup(group, { memberId, instanceId, generation, ...asked }, request, nowMs);
    } else if (step.what === "beat") this.#beat(step.who, memberId, instanceId, generation);
    else if (step.what === "leave") leaveGroup(group, [{ memberId, instanceId, reason: "" }], nowMs);
    else this.known.delete(step.who);
  }

  #beat(client: number, memberId: string, instanceId: string | undefined, generation: number): void {
    const { group, nowMs } = this;
    const code = heartbeat(group, memberId, instanceId, generation, nowMs);
    const member = group.members.get(memberId);
    if (code !== errorCode.NONE || member === undefined) return;
    if (holdMs(group, member, nowMs) === 0) return;
    const request = ++this.#requests;
    this.#whoseRequest.set(request, client);
    member.heartbeatWaiter = request;
  }

  #settle(): void {
    for (const outcome of this.group.outcomes.splice(0)) {
      if (outcome.kind === "note") {
        if (outcome.memberId !== undefined && outcome.what !== "a group is stable")
          this.members.delete(outcome.memberId);
        continue;
      }
      const client = this.#whoseRequest.get(outcome.waiter);
      assert.ok(client !== undefined, "each request is answered once");
      this.#whoseRequest.delete(outcome.waiter);
      if (outcome.kind === "join") this.#joined(client, outcome.answer);
      else if (outcome.kind === "sync") this.#synced(outcome.answer);
    }
    this.#check();
  }

  #joined(client: number, answer: JoinAnswer): void {
    if (answer.errorCode === errorCode.MEMBER_ID_REQUIRED) {
      this.known.set(client, { memberId: answer.memberId, generation: -1 });
    }
    if (answer.errorCode !== errorCode.NONE) return;
    const { memberId, generationId, leader } = answer;
    assert.equal(generationId, this.group.generation, "who joins does so in the newest generation");
    assert.ok(this.group.members.has(memberId));
    this.known.set(client, { memberId, generation: generationId });
    this.members.add(memberId);
    if (leader !== memberId) return assert.equal(answer.members.length, 0);
    // A static leader may have been replaced: then the former is no member any more.
    const former = this.leaderOf.get(generationId);
    assert.ok(former === undefined || former === memberId || !this.group.members.has(former), "one leader at most");
    this.leaderOf.set(generationId, memberId);
    assert.deepEqual(new Set(answer.members.map((member) => member.memberId)), new Set(this.group.members.keys()));
  }

  #synced(answer: SyncAnswer): void {
    if (answer.errorCode === errorCode.NONE) assert.equal(this.group.state, "Stable");
  }

  #check(): void {
    const { group } = this;
    const all = [...group.members.values()];
    assert.equal(group.awaitingJoinCount, all.filter(({ joinWaiter }) => joinWaiter !== undefined).length);
    assert.ok(group.awaitingJoinCount <= group.settings.membersMax);
    for (const id of this.members) assert.ok(group.members.has(id), "nobody is lost without a word");
    for (const { expiresAtMs } of all) assert.ok(group.nextDeadlineMs <= expiresAtMs);
    if (all.length > 0) assert.ok(group.members.has(group.leaderId!));
    if (group.state !== "Stable") assert.ok(all.every(({ heartbeatWaiter }) => heartbeatWaiter === undefined));
    if (group.state === "Empty") assert.equal(all.length, 0);
    else if (group.state === "PreparingRebalance") {
      assert.ok(group.nextDeadlineMs <= Math.min(group.joinDeadline!.atMs, group.joinDeadline!.quietAtMs));
      assert.ok(all.every(({ syncWaiter }) => syncWaiter === undefined));
    } else {
      assert.equal(group.joinDeadline, undefined);
      assert.ok(all.every(({ joinWaiter }) => joinWaiter === undefined));
      assert.ok(all.every(({ protocols }) => protocols.some(({ name }) => name === group.protocolName)));
      if (group.state === "CompletingRebalance") assert.ok(group.nextDeadlineMs <= group.syncDeadlineMs);
      else assert.ok(all.every(({ syncWaiter }) => syncWaiter === undefined));
    }
  }
}

test("any schedule: one leader a generation, everybody answered in bounded time, nobody lost without a word", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60, size: "max" }),
      fc.constantFrom(0, 3000),
      fc.constantFrom(0, 1000),
      fc.constantFrom(3, Infinity),
      (steps, delayMs, quietMs, membersMax) => {
        const world = new World(delayMs, quietMs, membersMax);
        for (const each of steps) world.take(each);
        // The longest that anybody asked for: a rebalance of 30 s, twice, for members that do not come.
        world.pass(61_000);
        assert.equal(world.waiting, 0, "nobody waits for ever");
        world.pass(61_000);
        assert.equal(world.group.state, "Empty");
        assert.equal(world.group.nextDeadlineMs, Infinity);
        assert.equal(world.group.keptBytes, 0);
      },
    ),
    { numRuns: 600 },
  );
});
