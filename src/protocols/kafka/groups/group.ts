/**
 * A group of the classic protocol: who its members are, what state it is in, and what it waits for. Plain data and the
 * bookkeeping that keeps its counts true; what happens to it is in joining.ts, rebalance.ts, membership.ts and deadlines.ts.
 *
 * It is a state machine: `(group, request, now) -> outcomes`. The time is handed in with each call (milliseconds of a clock
 * that only goes forward), answers to those who wait are collected in `outcomes`, and `nextDeadlineMs` says when tick() wants
 * to be called. It knows no socket, no timer and no chance, so that a schedule of requests can be replayed.
 *
 * One that joins costs a few map operations, whatever the size of the group; what has to look at all members (the end of
 * a rebalance, the choice of a protocol, a deadline that has come) happens once a generation or once a session timeout.
 * Kafka keeps a timer for each member, and moves it with each heartbeat; here a heartbeat writes one number, and the one
 * deadline of the group is corrected when it comes.
 */
import { assert, must } from "../../../base/assert.ts";
import { errorCode } from "../codec/errors.ts";
import type { GroupSettings } from "./group-settings.ts";
import type { GroupProtocol, Member } from "./member.ts";

/** As Kafka shows them. A group that is deleted is gone at once, so none is ever seen `Dead`. */
export type GroupState = "Empty" | "PreparingRebalance" | "CompletingRebalance" | "Stable";

export interface JoinedMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly metadata: Buffer;
}

export interface JoinAnswer {
  readonly errorCode: number;
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leader: string;
  readonly skipAssignment: boolean;
  readonly memberId: string;
  /** For the leader only. */
  readonly members: readonly JoinedMember[];
}

export interface SyncAnswer {
  readonly errorCode: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignment: Buffer;
}

export interface HeartbeatAnswer {
  readonly errorCode: number;
}

/** What a step brought about: answers to be sent, and what an operator may want to know. */
export type Outcome<Waiter> =
  | { readonly kind: "join"; readonly waiter: Waiter; readonly answer: JoinAnswer }
  | { readonly kind: "sync"; readonly waiter: Waiter; readonly answer: SyncAnswer }
  | { readonly kind: "heartbeat"; readonly waiter: Waiter; readonly answer: HeartbeatAnswer }
  | { readonly kind: "note"; readonly what: string; readonly memberId?: string; readonly why: string };

const nobody: readonly JoinedMember[] = [];
const noAssignment = Buffer.alloc(0);
/** What a member costs, without what it says and its names; and an id that was given out. About. */
const memberBytes = 1024;
const pendingBytes = 512;
/** What a protocol that a member knows costs, without its name and metadata: objects and a buffer, and who else knows it. */
const protocolBytes = 300;

/** When the phase of joining ends at the latest; `initial`: it is the first, and is prolonged while new members come. */
interface JoinDeadline {
  atMs: number;
  isInitial: boolean;
  /** Of an initial one: how long this piece of the delay was, and what may still be added. */
  delayMs: number;
  remainingMs: number;
  /** Of an initial one: when it is over if nobody else has come; Infinity: not before. */
  quietAtMs: number;
}

export class Group<Waiter> {
  readonly id: string;
  readonly settings: GroupSettings;
  state: GroupState = "Empty";
  /** The rebalance that is being prepared began with an empty group. */
  isInitial = false;
  hasNewcomer = false;
  generation = 0;
  /** Of its members; undefined while nobody ever was one. */
  protocolType: string | undefined;
  protocolName: string | undefined;
  leaderId: string | undefined;
  /** Of a group of consumers, what they read; undefined: not known. */
  subscribedTopics: ReadonlySet<string> | undefined;
  readonly members = new Map<string, Member<Waiter>>();
  /** Static members' ids by their group.instance.id. */
  readonly memberIdByInstance = new Map<string, string>();
  /** Those who were given an id and have not come back with it: until when they may. */
  readonly pendingUntilMs = new Map<string, number>();
  /** Of this generation, those who have not asked for their assignment. */
  readonly pendingSync = new Set<string>();
  joinDeadline: JoinDeadline | undefined;
  syncDeadlineMs = Infinity;
  /** tick() has nothing to do before. */
  nextDeadlineMs = Infinity;
  /** In order. Whoever drives the group takes them. */
  outcomes: Outcome<Waiter>[] = [];
  #awaitingJoin = 0;
  #metadataBytes = 0;
  #protocolCount = 0;
  #assignmentBytes = 0;
  #nameBytes = 0;
  /** How many members know each protocol. */
  readonly #knownBy = new Map<string, number>();

  constructor(id: string, settings: GroupSettings) {
    this.id = id;
    this.settings = settings;
  }

  get awaitingJoinCount(): number {
    return this.#awaitingJoin;
  }

  /** Of what all members say of themselves. */
  get metadataBytes(): number {
    return this.#metadataBytes;
  }

  get assignmentBytes(): number {
    return this.#assignmentBytes;
  }

  /** Of that, of what they are assigned, and of what it costs to know them, and those who were given an id. */
  get keptBytes(): number {
    const known = this.members.size * memberBytes + this.pendingUntilMs.size * pendingBytes;
    const said = this.#metadataBytes + this.#protocolCount * protocolBytes;
    return said + this.#assignmentBytes + this.#nameBytes + known;
  }

  get hasAllJoined(): boolean {
    return this.members.size === this.#awaitingJoin && this.pendingUntilMs.size === 0;
  }

  /** Nobody joined it, ever: it is a name with offsets. */
  get isSimple(): boolean {
    return this.protocolType === undefined && this.state === "Empty" && this.pendingUntilMs.size === 0;
  }

  get isOfConsumers(): boolean {
    return this.protocolType === "consumer";
  }

  /** Who comes by this id, or as this static member; undefined: nobody who is in it. */
  claimant({ memberId, instanceId }: Pick<Member<Waiter>, "instanceId"> & { readonly memberId: string }) {
    const isStatic = memberId === "" && instanceId !== undefined;
    return this.members.get((isStatic ? this.memberIdByInstance.get(instanceId) : memberId) ?? "");
  }

  isLeader(memberId: string): boolean {
    return this.leaderId === memberId;
  }

  /** All members know at least one of these, and are of this type. */
  supports(protocolType: string, protocols: readonly GroupProtocol[]): boolean {
    if (this.state === "Empty") return protocolType !== "" && protocols.length > 0;
    if (this.protocolType !== protocolType) return false;
    return protocols.some(({ name }) => (this.#knownBy.get(name) ?? 0) === this.members.size);
  }

  add(member: Member<Waiter>, waiter: Waiter): void {
    if (member.instanceId !== undefined) {
      assert(!this.memberIdByInstance.has(member.instanceId), "a static member is replaced, not added twice");
      this.memberIdByInstance.set(member.instanceId, member.id);
    }
    if (this.members.size === 0) this.protocolType = member.protocolType;
    this.leaderId ??= member.id;
    this.members.set(member.id, member);
    this.#nameBytes += namesBytesOf(member);
    this.#count(member.protocols, 1);
    this.pendingUntilMs.delete(member.id);
    this.#await(member, waiter);
  }

  /** It says something new of itself, and waits for the next generation. */
  update(
    member: Member<Waiter>,
    claim: Pick<Member<Waiter>, "protocols" | "sessionTimeoutMs" | "rebalanceTimeoutMs">,
    waiter: Waiter,
  ): void {
    this.#count(member.protocols, -1);
    member.protocols = claim.protocols;
    this.#count(member.protocols, 1);
    member.sessionTimeoutMs = claim.sessionTimeoutMs;
    member.rebalanceTimeoutMs = claim.rebalanceTimeoutMs;
    // It asked once more, over another connection: nobody may be left waiting.
    this.refuseJoin(member, member.id, errorCode.REBALANCE_IN_PROGRESS);
    this.#await(member, waiter);
  }

  /** Undefined: nothing. */
  assign(member: Member<Waiter>, assignment: Buffer = noAssignment): void {
    this.#assignmentBytes += assignment.length - member.assignment.length;
    member.assignment = assignment;
  }

  /** Takes it out, and answers whatever it waited for. */
  remove(member: Member<Waiter>): void {
    this.refuseJoin(member, "", errorCode.UNKNOWN_MEMBER_ID);
    this.answerSync(member, errorCode.UNKNOWN_MEMBER_ID);
    this.answerHeartbeat(member, errorCode.UNKNOWN_MEMBER_ID);
    this.assign(member);
    this.members.delete(member.id);
    this.#nameBytes -= namesBytesOf(member);
    this.#count(member.protocols, -1);
    if (member.instanceId !== undefined) this.memberIdByInstance.delete(member.instanceId);
    this.pendingSync.delete(member.id);
    if (this.leaderId === member.id) this.leaderId = this.members.keys().next().value;
  }

  /** The same static member under a new id; whoever waits under the old one is told that it was replaced. */
  replace(old: Member<Waiter>, replacement: Member<Waiter>): void {
    this.refuseJoin(old, old.id, errorCode.FENCED_INSTANCE_ID);
    this.answerSync(old, errorCode.FENCED_INSTANCE_ID);
    this.answerHeartbeat(old, errorCode.FENCED_INSTANCE_ID);
    this.members.delete(old.id);
    this.#nameBytes += namesBytesOf(replacement) - namesBytesOf(old);
    this.#count(old.protocols, -1);
    if (this.pendingSync.delete(old.id)) this.pendingSync.add(replacement.id);
    this.members.set(replacement.id, replacement);
    this.#count(replacement.protocols, 1);
    this.memberIdByInstance.set(must(old.instanceId, "only static members are replaced"), replacement.id);
    if (this.leaderId === old.id) this.leaderId = replacement.id;
  }

  /** Of the protocols that all members know, the one that most of them prefer. There are members. */
  chooseProtocol(): string {
    const votes = new Map<string, number>();
    for (const { protocols } of this.members.values()) {
      const vote = protocols.find(({ name }) => this.#knownBy.get(name) === this.members.size);
      const { name } = must(vote, "whoever shares no protocol with the others is not let in");
      votes.set(name, (votes.get(name) ?? 0) + 1);
    }
    let chosen = "";
    for (const [name, count] of votes) if (count > (votes.get(chosen) ?? 0)) chosen = name;
    return chosen;
  }

  /** The longest that any of them asked for. */
  rebalanceTimeoutMs(): number {
    let longestMs = 0;
    for (const { rebalanceTimeoutMs } of this.members.values()) longestMs = Math.max(longestMs, rebalanceTimeoutMs);
    return longestMs;
  }

  /** A sign of life. */
  renew(member: Member<Waiter>, nowMs: number): void {
    member.expiresAtMs = nowMs + member.sessionTimeoutMs;
    this.wakeBy(member.expiresAtMs);
  }

  wakeBy(atMs: number): void {
    if (atMs < this.nextDeadlineMs) this.nextDeadlineMs = atMs;
  }

  /** What the leader gets: everybody, with what they say under the protocol that was chosen. */
  roster(): readonly JoinedMember[] {
    return [...this.members.values()].map((member) => ({
      memberId: member.id,
      groupInstanceId: member.instanceId ?? null,
      metadata: member.metadata(this.protocolName),
    }));
  }

  /** The generation as it stands, to one of its members. */
  joinAnswer(memberId: string, skipAssignment = false): JoinAnswer {
    return {
      errorCode: errorCode.NONE,
      generationId: this.generation,
      protocolType: this.protocolType ?? null,
      protocolName: this.protocolName ?? null,
      leader: this.leaderId ?? "",
      skipAssignment,
      memberId,
      members: this.isLeader(memberId) ? this.roster() : nobody,
    };
  }

  answerJoin(member: Member<Waiter>, answer: JoinAnswer): void {
    const waiter = member.joinWaiter;
    if (waiter === undefined) return;
    member.joinWaiter = undefined;
    this.#awaitingJoin--;
    this.outcomes.push({ kind: "join", waiter, answer });
  }

  refuseJoin(member: Member<Waiter>, memberId: string, code: number): void {
    if (member.joinWaiter !== undefined) this.answerJoin(member, joinRefusal(memberId, code));
  }

  answerSync(member: Member<Waiter>, code: number): boolean {
    const waiter = member.syncWaiter;
    if (waiter === undefined) return false;
    member.syncWaiter = undefined;
    this.outcomes.push({ kind: "sync", waiter, answer: this.syncAnswer(member, code) });
    return true;
  }

  /** If one waits. */
  answerHeartbeat(member: Member<Waiter>, code: number): void {
    const waiter = member.heartbeatWaiter;
    if (waiter === undefined) return;
    member.heartbeatWaiter = undefined;
    this.outcomes.push({ kind: "heartbeat", waiter, answer: { errorCode: code } });
  }

  syncAnswer(member: Member<Waiter>, code: number): SyncAnswer {
    if (code !== errorCode.NONE) return syncRefusal(code);
    return {
      errorCode: code,
      protocolType: this.protocolType ?? null,
      protocolName: this.protocolName ?? null,
      assignment: member.assignment,
    };
  }

  note(what: string, why: string, memberId?: string): void {
    this.outcomes.push({ kind: "note", what, why, ...(memberId === undefined ? {} : { memberId }) });
  }

  #await(member: Member<Waiter>, waiter: Waiter): void {
    assert(member.joinWaiter === undefined, "one waits once");
    member.joinWaiter = waiter;
    this.#awaitingJoin++;
  }

  #count(protocols: readonly GroupProtocol[], change: 1 | -1): void {
    this.#metadataBytes += change * metadataBytesOf(protocols);
    this.#protocolCount += change * protocols.length;
    for (const { name } of protocols) {
      const count = (this.#knownBy.get(name) ?? 0) + change;
      if (count === 0) this.#knownBy.delete(name);
      else this.#knownBy.set(name, count);
    }
  }
}

/** Of what a member says of itself. */
export function metadataBytesOf(protocols: readonly GroupProtocol[]): number {
  return protocols.reduce((sum, { name, metadata }) => sum + name.length + metadata.length, 0);
}

/** What it costs to know a member who says this, its names not counted. */
export function claimBytesOf(protocols: readonly GroupProtocol[]): number {
  return memberBytes + metadataBytesOf(protocols) + protocols.length * protocolBytes;
}

function namesBytesOf<W>({ id, instanceId, clientId }: Member<W>): number {
  return 2 * (id.length + (instanceId?.length ?? 0) + clientId.length);
}

export function joinRefusal(memberId: string, code: number): JoinAnswer {
  return {
    errorCode: code,
    generationId: -1,
    protocolType: null,
    protocolName: null,
    leader: "",
    skipAssignment: false,
    memberId,
    members: nobody,
  };
}

export function syncRefusal(code: number): SyncAnswer {
  return { errorCode: code, protocolType: null, protocolName: null, assignment: noAssignment };
}
