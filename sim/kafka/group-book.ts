/**
 * What a group's members know of it, told together: who was told to be a member of which generation, who was assigned what,
 * and which commits were answered how. Held against it, with nothing but what they were told:
 *
 * - all members of a generation are assigned by one list, which its leader had brought;
 * - nobody commits who is out: of a generation that others were told is over, replaced, gone by its own will, or silent for
 *   longer than its session;
 * - the group stands where the last commit left it that counts: one that was answered counts, and is followed by no older one,
 *   whatever the broker went through.
 *
 * Who is a member is forgotten when the broker goes, as it is by the broker itself; where the group stands is not.
 */
import { ensure } from "../cut.ts";

interface KnownMember {
  readonly instanceId: string | null;
  readonly sessionMs: number;
  /** When it was heard of last, or later. */
  heardMs: number;
  /** Requests of it that have no answer yet. Those keep it in. */
  asking: number;
  /** Why it is out. */
  out: string | undefined;
}

/** One place: a partition. */
interface Commit {
  readonly id: string;
  state: "asked" | "counts";
}

export interface MemberName {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly generation: number;
}

/** By the member's id, what it gets. */
export type Assignments = ReadonlyMap<string, string>;

export class GroupBook {
  readonly #members = new Map<string, KnownMember>();
  readonly #memberByInstance = new Map<string, string>();
  /** What leaders have brought, by generation; one of them is what holds. */
  readonly #brought = new Map<number, Assignments[]>();
  /** How many members each generation has, as its leader was told. */
  readonly #sizes = new Map<number, number>();
  #newest = -1;
  /** In the order in which they came, from the last one that is known to count. */
  readonly #commits = new Map<number, Commit[]>();
  readonly counts = { generations: 0, commits: 0, refused: 0, expired: 0 };

  /** The broker has gone, and knows no members any more. */
  lost(): void {
    this.#members.clear();
    this.#memberByInstance.clear();
    this.#brought.clear();
    this.#sizes.clear();
    this.#newest = -1;
  }

  // ---- members

  /** A request of it has arrived. */
  asks({ memberId }: MemberName, nowMs: number, waits = true): void {
    const member = this.#members.get(memberId);
    if (member === undefined) return;
    member.heardMs = nowMs;
    if (waits) member.asking++;
  }

  /** It was answered. Those that never are keep their member in: nobody knows what becomes of them. */
  answered({ memberId }: MemberName, nowMs: number): void {
    const member = this.#members.get(memberId);
    if (member === undefined) return;
    member.heardMs = nowMs;
    member.asking = Math.max(0, member.asking - 1);
  }

  joined({ memberId, instanceId, generation }: MemberName, sessionMs: number, nowMs: number): void {
    if (generation > this.#newest) this.counts.generations++;
    this.#newest = Math.max(this.#newest, generation);
    const known = this.#members.get(memberId);
    if (known === undefined) {
      this.#members.set(memberId, { instanceId, sessionMs, heardMs: nowMs, asking: 0, out: undefined });
    }
    if (instanceId === null) return;
    const former = this.#members.get(this.#memberByInstance.get(instanceId) ?? "");
    if (former !== undefined && former !== this.#members.get(memberId)) former.out ??= "replaced";
    this.#memberByInstance.set(instanceId, memberId);
  }

  /** Its leader was told so. One that takes the place of another is no further one. */
  hasMembers(generation: number, count: number): void {
    const known = this.#sizes.get(generation) ?? count;
    ensure(count === known, `generation ${generation} has ${count} members, and had ${known}`);
    this.#sizes.set(generation, count);
  }

  left({ memberId }: MemberName): void {
    const member = this.#members.get(memberId);
    if (member !== undefined) member.out ??= "left";
  }

  /** Time has gone by, and all that it brings about has happened. */
  passed(nowMs: number): void {
    for (const member of this.#members.values()) {
      // Each new generation prolongs the session of a static one, and it may be that nobody was told of that.
      if (member.out !== undefined || member.asking > 0 || member.instanceId !== null) continue;
      if (nowMs - member.heardMs < member.sessionMs) continue;
      member.out = "silent for too long";
      this.counts.expired++;
    }
  }

  brings(generation: number, assignments: Assignments): void {
    this.#brought.set(generation, [...(this.#brought.get(generation) ?? []), assignments]);
  }

  assigned({ memberId, generation }: MemberName, assignment: string): void {
    const brought = this.#brought.get(generation) ?? [];
    // One that has replaced another has what that one had, and no list has its name.
    const possible = brought.filter((list) => !list.has(memberId) || list.get(memberId) === assignment);
    ensure(possible.length > 0, `${memberId} is assigned '${assignment}' in ${generation}, which nobody has brought`);
    this.#brought.set(generation, possible);
  }

  /** Why nothing that it says now may count; undefined: it may. */
  whyOut({ memberId, generation }: MemberName): string | undefined {
    if (generation < this.#newest) return `generation ${generation} is over: ${this.#newest} was told`;
    return this.#members.get(memberId)?.out;
  }

  // ---- where it stands

  /** A commit has come to the broker. */
  commits(partition: number, id: string): Commit {
    const commit: Commit = { id, state: "asked" };
    this.#commitsOf(partition).push(commit);
    return commit;
  }

  /** @param whyOut why it may not count, when it came */
  accepted(partition: number, commit: Commit, whyOut: string | undefined): void {
    ensure(whyOut === undefined, `commit ${commit.id} is accepted: ${whyOut}`);
    commit.state = "counts";
    this.counts.commits++;
    const commits = this.#commitsOf(partition);
    // None when another one was seen there, which came later.
    commits.splice(0, Math.max(0, commits.indexOf(commit)));
  }

  refused(partition: number, commit: Commit): void {
    this.counts.refused++;
    const commits = this.#commitsOf(partition);
    const at = commits.indexOf(commit);
    if (at >= 0) commits.splice(at, 1);
  }

  /** What the group has there, while nothing is under way. Undefined: nothing. */
  stands(partition: number, id: string | undefined): void {
    const commits = this.#commitsOf(partition);
    const last = commits.findLastIndex(({ state }) => state === "counts");
    const possible = commits.slice(Math.max(0, last));
    if (id === undefined) {
      ensure(last < 0, `nothing is committed in ${partition}, where ${commits[last]?.id} was`);
      return;
    }
    const found = possible.find((commit) => commit.id === id);
    const due = possible.map((commit) => commit.id).join(" or ");
    ensure(found !== undefined, `commit ${id} stands in ${partition}, where ${due} should`);
    found.state = "counts";
    commits.splice(0, commits.indexOf(found));
  }

  #commitsOf(partition: number): Commit[] {
    let commits = this.#commits.get(partition);
    if (commits === undefined) this.#commits.set(partition, (commits = []));
    return commits;
  }
}
