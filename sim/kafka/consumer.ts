/**
 * A consumer that commits where it is, as the protocol has it for whoever is no transaction: with its member's id and
 * generation. It falls silent, leaves, dies and comes again; what it sent before may come late; and a process that does not
 * know that it is out goes on committing.
 */
import { errorCode } from "../../src/protocols/kafka/codec/errors.ts";
import { offsetCommit } from "../../src/protocols/kafka/commands/offset-commit.ts";
import type { MemberName } from "./group-book.ts";
import type { Member } from "./member.ts";
import type { Line, Network } from "./network.ts";

export class Consumer {
  readonly #network: Network;
  readonly #name: string;
  readonly #member: Member;
  readonly #line: Line;
  /** What is committed is known again by that. */
  #commits = 0;

  constructor(network: Network, name: string, member: Member) {
    this.#network = network;
    this.#name = name;
    this.#member = member;
    this.#line = network.line(name);
  }

  async play(): Promise<void> {
    const network = this.#network;
    const member = this.#member;
    while (!network.isOver) {
      if (!member.isIn) {
        await member.join();
        continue;
      }
      await network.chance.weighted<() => Promise<void>>([
        [4, () => member.beat()],
        [8, () => this.#commit(this.#line, member.name, true)],
        [0.3, () => this.#leave()],
        [0.5, () => this.#die()],
        [0.5, () => this.#sleep()],
      ])();
    }
  }

  async #sleep(): Promise<void> {
    for (let turns = this.#network.chance.between(5, 50); turns > 0; turns--) await this.#network.turn();
  }

  async #leave(): Promise<void> {
    const { name } = this.#member;
    await this.#member.leave();
    if (this.#network.chance.is(0.5)) await this.#haunt(name);
  }

  /** A new process begins, and the old one may not have gone. */
  async #die(): Promise<void> {
    const { name } = this.#member;
    this.#member.forget();
    if (!this.#network.chance.is(0.5)) return;
    await this.#member.join();
    await this.#haunt(name);
  }

  async #haunt(name: MemberName): Promise<void> {
    const line = this.#network.line(`${this.#name}'s ghost`);
    for (let times = this.#network.chance.between(1, 4); times > 0; times--) await this.#commit(line, name, false);
  }

  async #commit(line: Line, name: MemberName, isLiving: boolean): Promise<void> {
    const { chance } = this.#network;
    const { groupId, book, assigned } = this.#member;
    if (assigned.length === 0) return this.#network.turn();
    const partition = chance.pick(assigned);
    const id = `${this.#name}.${++this.#commits}`;
    const position = { partitionIndex: partition, committedOffset: this.#commits, committedMetadata: id };
    const { memberId, generation, instanceId } = name;
    let whyOut: string | undefined;
    let commit: ReturnType<typeof book.commits> | undefined;
    const answer = await line.ask(
      offsetCommit,
      chance.pick([7, 8, 9]),
      {
        groupId,
        memberId,
        generationIdOrMemberEpoch: generation,
        groupInstanceId: instanceId,
        topics: [{ name: "in", partitions: [position] }],
      },
      () => {
        whyOut = book.whyOut(name);
        book.asks(name, this.#network.nowMs, false);
        commit = book.commits(partition, id);
      },
    );
    if (answer === undefined) return;
    const code = answer.topics[0]!.partitions[0]!.errorCode;
    if (code === errorCode.NONE) book.accepted(partition, commit!, whyOut);
    else book.refused(partition, commit!);
    if (!isLiving) return;
    const known = code === errorCode.GROUP_ID_NOT_FOUND ? errorCode.UNKNOWN_MEMBER_ID : code;
    if (this.#member.memberId === memberId && this.#member.generation === generation) this.#member.told(known);
  }
}
