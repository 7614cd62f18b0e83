/**
 * A group told as a story: each line is what somebody does, or the time that passes; below it stands, indented, what came of
 * it. Who acts is a client with a name; a member's id is the name and a number.
 *
 *     a joins [as=ID] [instance=I] [knows=range,sticky] [says=TEXT] [session=MS] [rebalance=MS] [type=T] [v=N]
 *     a syncs as=ID [at=GENERATION] [instance=I] [gives=ID:TEXT,ID:TEXT] [type=T] [name=N]
 *     a beats as=ID [at=GENERATION] [instance=I] [waits]
 *     a leaves [as=ID] [instance=I]
 *     a commits [as=ID] [at=GENERATION] [tx]
 *     5000 ms pass
 */
import assert from "node:assert/strict";
import { errorCode, errorName } from "../codec/errors.ts";
import { tick } from "./deadlines.ts";
import { Group, type JoinAnswer, type SyncAnswer } from "./group.ts";
import { plainGroupSettings, type GroupSettings } from "./group-settings.ts";
import { holdMs } from "./held-heartbeats.ts";
import { joinGroup } from "./joining.ts";
import { checkCommit, heartbeat, leaveGroup, syncGroup } from "./membership.ts";

export class GroupStory {
  readonly group: Group<string>;
  nowMs = 0;
  readonly #ids = new Map<string, number>();

  constructor(settings: Partial<GroupSettings> = {}) {
    this.group = new Group("g", { ...plainGroupSettings, initialRebalanceQuietMs: 0, ...settings });
  }

  /** Tells the lines that are not indented, and holds all of it against what came. */
  static tell(text: string, settings: Partial<GroupSettings> = {}): void {
    const story = new GroupStory(settings);
    const lines = text
      .split("\n")
      .map((line) => line.trimEnd())
      .filter((line) => line !== "");
    const margin = Math.min(...lines.map((line) => line.search(/\S/)));
    const told: string[] = [];
    for (const line of lines.map((each) => each.slice(margin))) {
      if (line.startsWith(" ")) continue;
      told.push(line, ...story.act(line).map((came) => `  ${came}`));
    }
    assert.equal(told.join("\n"), lines.map((line) => line.slice(margin)).join("\n"));
  }

  act(line: string): string[] {
    const { group } = this;
    const [who = "", what = "", ...rest] = line.split(" ");
    const options = new Map(rest.map((word) => word.split("=", 2) as [string, string]));
    const before = group.state;
    const said: string[] = [];
    if (what === "ms") this.#pass(Number(who), said);
    else this.#do(who, what, options, said);
    this.#collect(said);
    if (group.state !== before || group.nextDeadlineMs <= this.nowMs) said.push(`${group.state} ${group.generation}`);
    return said;
  }

  #do(who: string, what: string, options: ReadonlyMap<string, string>, said: string[]): void {
    const { group, nowMs } = this;
    const memberId = options.get("as") ?? "";
    const instanceId = options.get("instance");
    const generation = Number(options.get("at") ?? (memberId === "" ? -1 : group.generation));
    if (what === "joins") this.#join(who, memberId, options);
    else if (what === "syncs") {
      const given = (options.get("gives") ?? "").split(",").filter((each) => each !== "");
      const pairs = given.map((each) => each.split(":") as [string, string]);
      const assignments = new Map(pairs.map(([id, text]) => [id, Buffer.from(text)]));
      const asked = { protocolType: options.get("type"), protocolName: options.get("name"), assignments };
      syncGroup(group, { memberId, instanceId, generation, ...asked }, who, nowMs);
    } else if (what === "beats") {
      const code = heartbeat(group, memberId, instanceId, generation, nowMs);
      const member = group.members.get(memberId);
      const forMs = options.has("waits") && member !== undefined ? holdMs(group, member, nowMs) : 0;
      if (code !== errorCode.NONE || forMs === 0) said.push(`${who}: ${errorName(code)}`);
      else {
        said.push(`for ${Math.floor(forMs)} ms`);
        member!.heartbeatWaiter = who;
      }
    } else if (what === "leaves") {
      const [code] = leaveGroup(group, [{ memberId, instanceId, reason: "" }], nowMs);
      said.push(`${who}: ${errorName(code!)}`);
    } else if (what === "commits") {
      const code = checkCommit(group, { memberId, instanceId, generation }, options.has("tx"), nowMs);
      said.push(`${who}: ${errorName(code)}`);
    } else assert.fail(`nobody can do that: ${what}`);
  }

  #join(who: string, memberId: string, options: ReadonlyMap<string, string>): void {
    const number = (this.#ids.get(who) ?? 0) + 1;
    if (memberId === "") this.#ids.set(who, number);
    const version = Number(options.get("v") ?? 3);
    const names = (options.get("knows") ?? "range").split(",").filter((name) => name !== "");
    joinGroup(
      this.group,
      {
        memberId,
        newMemberId: `${who}-${number}`,
        instanceId: options.get("instance"),
        clientId: who,
        clientHost: "/127.0.0.1",
        protocolType: options.get("type") ?? "consumer",
        protocols: names.map((name) => ({ name, metadata: Buffer.from(options.get("says") ?? "") })),
        sessionTimeoutMs: Number(options.get("session") ?? 10_000),
        rebalanceTimeoutMs: Number(options.get("rebalance") ?? 60_000),
        needsMemberId: version >= 4,
        maySkipAssignment: version >= 9,
        reason: "",
      },
      who,
      this.nowMs,
    );
  }

  #pass(forMs: number, said: string[]): void {
    const endMs = this.nowMs + forMs;
    while (this.group.nextDeadlineMs <= endMs) {
      const fromMs = this.nowMs;
      this.nowMs = Math.max(fromMs, this.group.nextDeadlineMs);
      tick(this.group, this.nowMs);
      const began = said.length;
      this.#collect(said);
      if (said.length > began) said.splice(began, 0, `at ${this.nowMs} ms`);
    }
    this.nowMs = endMs;
  }

  #collect(said: string[]): void {
    for (const outcome of this.group.outcomes.splice(0)) {
      if (outcome.kind === "join") said.push(`${outcome.waiter}: ${joinText(outcome.answer)}`);
      else if (outcome.kind === "sync") said.push(`${outcome.waiter}: ${syncText(outcome.answer)}`);
      else if (outcome.kind === "heartbeat") said.push(`${outcome.waiter}: ${errorName(outcome.answer.errorCode)}`);
      else if (outcome.what === "a member of a group is out") said.push(`${outcome.memberId} is out: ${outcome.why}`);
    }
  }
}

function joinText(answer: JoinAnswer): string {
  const { generationId, leader, memberId, members, protocolName, skipAssignment } = answer;
  if (answer.errorCode !== errorCode.NONE) return `${errorName(answer.errorCode)} ${memberId}`.trimEnd();
  const list = members.length === 0 ? "" : `, members ${members.map((member) => member.memberId).join(" ")}`;
  const skip = skipAssignment ? ", nothing to assign" : "";
  return `${memberId} joined ${generationId}, ${protocolName}, leader ${leader}${list}${skip}`;
}

function syncText(answer: SyncAnswer): string {
  if (answer.errorCode !== errorCode.NONE) return errorName(answer.errorCode);
  return `is assigned ${answer.assignment.length === 0 ? "nothing" : answer.assignment.toString()}`;
}
