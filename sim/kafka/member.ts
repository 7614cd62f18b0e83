/** A member of a group, as a client library has it: it joins, assigns if it is the leader, beats its heart, and leaves. */
import { errorCode } from "../../src/protocols/kafka/codec/errors.ts";
import { heartbeat } from "../../src/protocols/kafka/commands/heartbeat.ts";
import { joinGroup } from "../../src/protocols/kafka/commands/join-group.ts";
import { leaveGroup } from "../../src/protocols/kafka/commands/leave-group.ts";
import { syncGroup } from "../../src/protocols/kafka/commands/sync-group.ts";
import { ensure } from "../cut.ts";
import type { Assignments, GroupBook, MemberName } from "./group-book.ts";
import type { Line, Network } from "./network.ts";

const protocolType = "consumer";
const protocolName = "range";
/** Of what a consumer says of itself: that it reads topic `in`. */
const readsIn = Buffer.from([0, 0, 0, 0, 0, 1, 0, 2, 0x69, 0x6e, 255, 255, 255, 255]);

export class Member implements MemberName {
  readonly groupId: string;
  readonly book: GroupBook;
  readonly instanceId: string | null;
  memberId = "";
  generation = -1;
  /** Partitions. */
  assigned: readonly number[] = [];
  /** It was told that it is a member, and nothing else since. */
  isIn = false;
  readonly #network: Network;
  readonly #line: Line;
  readonly #partitionCount: number;
  readonly #version: number;
  readonly #sessionMs: number;
  readonly #rebalanceMs: number;

  constructor(network: Network, book: GroupBook, groupId: string, name: string, partitionCount: number) {
    const { chance } = network;
    this.#network = network;
    this.#line = network.line(`${name}'s member`);
    this.#partitionCount = partitionCount;
    this.groupId = groupId;
    this.book = book;
    this.#version = chance.pick([3, 5, 9]);
    this.instanceId = this.#version >= 5 && chance.is(0.3) ? name : null;
    this.#sessionMs = chance.pick([6000, 10_000, 30_000]);
    this.#rebalanceMs = chance.pick([3000, 10_000]);
  }

  /** What it is now, whatever becomes of it. */
  get name(): MemberName {
    const { memberId, instanceId, generation } = this;
    return { memberId, instanceId, generation };
  }

  /** Answers whether it is a member then. */
  async join(): Promise<boolean> {
    const { groupId, book, instanceId: groupInstanceId } = this;
    const was = this.name;
    const answer = await this.#line.ask(
      joinGroup,
      this.#version,
      {
        groupId,
        sessionTimeoutMs: this.#sessionMs,
        rebalanceTimeoutMs: this.#rebalanceMs,
        memberId: was.memberId,
        groupInstanceId,
        protocolType,
        protocols: [{ name: protocolName, metadata: readsIn }],
      },
      () => book.asks(was, this.#nowMs),
    );
    if (answer === undefined) return false;
    book.answered(was, this.#nowMs);
    const { errorCode: code, memberId, generationId, leader } = answer;
    if (code === errorCode.MEMBER_ID_REQUIRED) this.memberId = memberId;
    if (code !== errorCode.NONE) return this.told(code);
    this.memberId = memberId;
    this.generation = generationId;
    book.joined(this.name, this.#sessionMs, this.#nowMs);
    const others = answer.members.map((each) => each.memberId);
    if (leader === memberId && !answer.skipAssignment) book.hasMembers(generationId, others.length);
    ensure(leader !== memberId || others.includes(memberId), `the leader ${memberId} is none of its members`);
    return this.#sync(leader === memberId && !answer.skipAssignment ? this.#assign(others) : new Map());
  }

  /** Whoever begins differs, so that partitions go from hand to hand. */
  #assign(members: readonly string[]): Assignments {
    const first = this.#network.chance.between(0, members.length);
    return new Map(
      members.map((memberId, at) => {
        const partitions = [];
        for (let p = (at + first) % members.length; p < this.#partitionCount; p += members.length) partitions.push(p);
        return [memberId, partitions.join(",")];
      }),
    );
  }

  async #sync(assignments: Assignments): Promise<boolean> {
    const { groupId, book, instanceId: groupInstanceId, name } = this;
    const { memberId, generation: generationId } = name;
    const answer = await this.#line.ask(
      syncGroup,
      this.#version >= 9 ? 5 : 3,
      {
        groupId,
        generationId,
        memberId,
        groupInstanceId,
        protocolType,
        protocolName,
        assignments: [...assignments].map(([id, text]) => ({ memberId: id, assignment: Buffer.from(text) })),
      },
      () => {
        book.asks(name, this.#nowMs);
        if (assignments.size > 0) book.brings(generationId, assignments);
      },
    );
    if (answer === undefined) return false;
    book.answered(name, this.#nowMs);
    if (answer.errorCode !== errorCode.NONE) return this.told(answer.errorCode);
    const text = answer.assignment.toString();
    book.assigned(name, text);
    this.assigned = text === "" ? [] : text.split(",").map(Number);
    this.isIn = true;
    return true;
  }

  async beat(): Promise<void> {
    const { groupId, book, instanceId: groupInstanceId, name } = this;
    const { memberId, generation: generationId } = name;
    const asked = { groupId, generationId, memberId, groupInstanceId };
    let whyOut: string | undefined;
    const answer = await this.#line.ask(heartbeat, 4, asked, () => {
      whyOut = book.whyOut(name);
      book.asks(name, this.#nowMs);
    });
    if (answer === undefined) return;
    book.answered(name, this.#nowMs);
    ensure(answer.errorCode !== errorCode.NONE || whyOut === undefined, `${memberId} is believed to live: ${whyOut}`);
    this.told(answer.errorCode);
  }

  async leave(): Promise<void> {
    const { groupId, book, instanceId: groupInstanceId, name } = this;
    const members = [{ memberId: name.memberId, groupInstanceId }];
    this.forget();
    const answer = await this.#line.ask(leaveGroup, 4, { groupId, members }, () => book.asks(name, this.#nowMs));
    if (answer === undefined) return;
    book.answered(name, this.#nowMs);
    if (answer.members[0]!.errorCode === errorCode.NONE) book.left(name);
  }

  /** It is a new process. */
  forget(): void {
    this.isIn = false;
    this.memberId = "";
    this.generation = -1;
  }

  /** Answers false, unless it goes on. */
  told(code: number): boolean {
    if (code === errorCode.NONE) return true;
    this.isIn = false;
    if (code === errorCode.UNKNOWN_MEMBER_ID || code === errorCode.FENCED_INSTANCE_ID) this.forget();
    const isKnown = refusals.has(code);
    ensure(isKnown, `a member of ${this.groupId} is told ${code}`);
    return false;
  }

  get #nowMs(): number {
    return this.#network.nowMs;
  }
}

const refusals = new Set<number>([
  errorCode.MEMBER_ID_REQUIRED,
  errorCode.UNKNOWN_MEMBER_ID,
  errorCode.FENCED_INSTANCE_ID,
  errorCode.ILLEGAL_GENERATION,
  errorCode.REBALANCE_IN_PROGRESS,
]);
