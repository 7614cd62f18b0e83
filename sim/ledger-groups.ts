/**
 * Groups that read the ledger's log and keep their places by offset, committed outside of transactions: the groups of the
 * Kafka protocol as they are, on the broker of the simulation. They commit and go back, delete positions and themselves,
 * and now and then so much time goes by that what nobody has renewed expires; crashes cut all of it short.
 *
 * The group of the ledger's transactions is one of them: its positions are kept in the same book, and go the same ways.
 *
 * Held against the broker: what it has is what was said last; it goes by itself only when its time has come, and then
 * surely; over a crash see ledger-positions.ts. Drawn from a source of its own, so that other seeds stay what they were.
 */
import type { CommittedPosition, Queue } from "../src/broker/api.ts";
import type { RunningCore } from "../src/broker/broker.ts";
import { LimitedLog } from "../src/observe/limited-log.ts";
import { silentLogger } from "../src/observe/log.ts";
import { errorCode } from "../src/protocols/kafka/codec/errors.ts";
import { plainGroupSettings } from "../src/protocols/kafka/groups/group-settings.ts";
import { Groups } from "../src/protocols/kafka/groups/groups.ts";
import { offsetMax, storedPosition } from "../src/protocols/kafka/groups/stored-position.ts";
import type { Chance } from "./chance.ts";
import { type Cut, ensure } from "./cut.ts";
import type { Books } from "./ledger-books.ts";
import { Positions, type Standing, textOf } from "./ledger-positions.ts";

const topicName = "log";
/** Of the ledger's transactions, which commit in the first partition. */
export const transactionGroup = "readers";
const plainGroups = ["a", "b", "gr\u00fc\u00dfe"];
const allGroups = [...plainGroups, transactionGroup];
const anybody = { memberId: "", instanceId: undefined, generation: -1 };
/** How often Groups looks for what has expired. */
const sweepMs = 600_000;
const retentionMs = 250_000;

export class LedgerGroups {
  readonly #chance: Chance;
  readonly #books: Books;
  readonly #say: ((line: string) => void) | undefined;
  readonly #isEnabled: boolean;
  readonly #positions = new Positions();
  #broker!: RunningCore;
  #log!: Queue;
  /** Of this life; undefined: there are none, or they have stopped. */
  #groups: Groups | undefined;
  #nextNumber = 1;
  /** Ticket that was open at the last look. */
  #openBefore = 0;
  /** Highest time that the broker may have seen. */
  #maxMs = 0;
  #begunMs = 0;
  /** What of the time nobody had waited for by then. */
  #jumpedMs = 0;
  /** Somebody has set the clock since, though it may be back where it would be. */
  #hasJumped = false;

  constructor(chance: Chance, books: Books, say: ((line: string) => void) | undefined) {
    this.#chance = chance;
    this.#books = books;
    this.#say = say;
    this.#isEnabled = chance.is(0.6);
  }

  /** The log is a new one. */
  forgetAll(): void {
    this.#positions.forgetAll();
  }

  /** What this log came back with. */
  recovered(log: Queue, cut: Cut): void {
    const found = (group: string, index: number): CommittedPosition | undefined =>
      log.partitions[index]?.committedOffset(group);
    this.#positions.recovered(found, cut, this.#books.durableTicket);
  }

  /** A broker has come up, and the log is there. */
  begin(broker: RunningCore, namespaceName: string): void {
    const { clock } = broker;
    this.#broker = broker;
    this.#log = broker.namespace(namespaceName)!.queue(topicName)!;
    this.#openBefore = this.#ticket;
    this.#begunMs = clock.now();
    this.#jumpedMs = clock.now() - clock.elapsedMs();
    this.#hasJumped = false;
    this.#groups = undefined;
    if (!this.#isEnabled) return;
    this.#groups = new Groups({
      broker,
      namespace: () => broker.namespace(namespaceName),
      clock,
      random: this.#chance,
      log: new LimitedLog(silentLogger, clock),
      settings: { ...plainGroupSettings, offsetsRetentionMs: retentionMs },
    });
    this.look();
  }

  /** Nothing of theirs goes on: their broker stops. */
  stop(): void {
    this.#groups?.stop();
    this.#groups = undefined;
  }

  /** Answers how much time is to go by, in ms; 0: none. */
  step(): number {
    const groups = this.#groups;
    if (groups === undefined) return 0;
    const chance = this.#chance;
    if (!chance.is(0.2)) return 0;
    chance.weighted<() => void>([
      [12, () => this.#commit(groups, chance.pick(plainGroups))],
      [2, () => this.#deleteOffset(groups, chance.pick(allGroups))],
      [0.7, () => this.#deleteGroup(groups, chance.pick(allGroups))],
    ])();
    return chance.is(0.08) ? chance.pick([100_000, 200_000, sweepMs]) : 0;
  }

  /** The end of a transaction commits its number. Part of what ends it. */
  commitInTransaction(offset: number): void {
    const groups = this.#groups;
    if (groups === undefined) return this.#log.commitOffset(transactionGroup, offset, "");
    this.#admit(groups, transactionGroup, true);
    const position = { offset, leaderEpoch: -1, metadata: null };
    const code = groups.commit(transactionGroup, this.#log, this.#log, position);
    ensure(code === errorCode.NONE, `the commit of a transaction's position is refused: ${code}`);
  }

  /** It did so between this ticket and now. */
  committedInTransaction(low: number): void {
    this.#noteFound(transactionGroup, 0, low);
  }

  /** What the ledger's transactions had committed was deleted, or has expired. */
  get isTransactionGroupForgotten(): boolean {
    return this.#positions.of(transactionGroup, 0) === "forgotten";
  }

  /** What the broker has is what was said last, but for what has expired since the last look. */
  look(): void {
    const { partitions } = this.#log;
    const { clock } = this.#broker;
    this.#maxMs = Math.max(this.#maxMs, clock.now());
    this.#hasJumped ||= clock.now() - clock.elapsedMs() !== this.#jumpedMs;
    for (const [index, partition] of partitions.entries()) {
      for (const [group, position] of partition.committedOffsets()) this.#checkFound(group, index, position);
    }
    for (const { group, partition, said } of this.#positions.places()) {
      const { standing } = said.at(-1)!;
      if (typeof standing !== "object" || partitions[partition]!.committedOffset(group) !== undefined) continue;
      ensure(
        this.#groups !== undefined && isDue(standing, this.#maxMs),
        `the position of ${group} in ${partition} went before its time: ${textOf(standing)}`,
      );
      this.#say?.(`ledger: the position of ${group} in ${partition} has expired: ${textOf(standing)}`);
      this.#positions.say(group, partition, "forgotten", { low: this.#openBefore, high: this.#ticket });
    }
    this.#openBefore = this.#ticket;
  }

  get #ticket(): number {
    return this.#broker.core.commit.openTicket;
  }

  #checkFound(group: string, index: number, position: CommittedPosition): void {
    const standing = this.#positions.of(group, index);
    ensure(
      textOf(standing) === textOf(position),
      `${group} stands in ${index} at ${textOf(position)}, and what was said last is ${textOf(standing)}`,
    );
    const { clock } = this.#broker;
    if (this.#groups === undefined || this.#hasJumped || clock.now() - this.#begunMs < sweepMs) return;
    ensure(
      !isDue(position, clock.now() - sweepMs),
      `the position of ${group} in ${index} has outlived its time: ${textOf(position)}`,
    );
  }

  // ---- what clients do

  #commit(groups: Groups, group: string): void {
    const chance = this.#chance;
    const books = this.#books;
    // A new partition is known when it is there for good.
    if (books.grownTicket > books.durableTicket) return;
    const { partitions } = this.#log;
    const index = chance.between(0, partitions.length);
    const offset = chance.weighted([
      [20, chance.between(0, 1000)],
      [1, offsetMax],
      [1, -2],
      // There is none any more.
      [1, -1],
    ]);
    const metadata = `${this.#nextNumber++}${"\u00f6".repeat(chance.between(0, 60))}`;
    const expiresAtMs = chance.is(0.3)
      ? this.#broker.clock.now() + chance.pick([1000, 400_000, 1_000_000_000])
      : Infinity;
    const had = this.#positions.of(group, index);
    this.#admit(groups, group, false);
    const low = this.#ticket;
    const position = { offset, leaderEpoch: chance.between(-1, 3), metadata };
    const code = groups.commit(group, this.#log, partitions[index]!, position, expiresAtMs);
    ensure(code === errorCode.NONE, `the commit of ${group} in ${index} is refused: ${code}`);
    if (offset === -1) {
      if (typeof had === "object") this.#noteForgotten(group, index, low);
      return;
    }
    const kept = this.#noteFound(group, index, low);
    const stored = storedPosition(kept);
    const isSame = stored.offset === offset && stored.metadata === metadata && stored.expiresAtMs === expiresAtMs;
    ensure(isSame, `${group} has committed ${offset} '${metadata}', and ${textOf(kept)} is kept`);
  }

  #admit(groups: Groups, group: string, isTransactional: boolean): void {
    const code = groups.mayCommit(group, anybody, errorCode.GROUP_ID_NOT_FOUND, isTransactional);
    ensure(code === errorCode.NONE, `${group} may not commit: ${code}`);
  }

  /** As OffsetDelete does it. */
  #deleteOffset(groups: Groups, group: string): void {
    if (groups.find(group) === undefined) return;
    const { partitions } = this.#log;
    const index = this.#chance.between(0, partitions.length);
    const low = this.#ticket;
    groups.pending.dropOlder(group, topicName, index);
    const wasThere = partitions[index]!.forgetOffset(group);
    ensure(
      wasThere === (typeof this.#positions.of(group, index) === "object"),
      `a position of ${group} in ${index} was there to be deleted: ${wasThere}`,
    );
    if (wasThere) this.#noteForgotten(group, index, low);
  }

  /** As DeleteGroups does it: one partition after the other. */
  #deleteGroup(groups: Groups, group: string): void {
    const own = [...this.#positions.places()].filter(
      ({ group: name, said }) => name === group && typeof said.at(-1)!.standing === "object",
    );
    const wasThere = groups.find(group) !== undefined;
    ensure(wasThere || own.length === 0, `the group ${group} is unknown, and has positions`);
    const low = this.#ticket;
    const code = groups.delete(group);
    ensure(
      code === (wasThere ? errorCode.NONE : errorCode.GROUP_ID_NOT_FOUND),
      `the group ${group} is to be deleted: ${code}`,
    );
    for (const { partition } of own) this.#noteForgotten(group, partition, low);
  }

  #noteFound(group: string, index: number, low: number): CommittedPosition {
    const kept = this.#log.partitions[index]!.committedOffset(group);
    ensure(kept !== undefined, `${group} has committed in ${index}, and nothing is kept`);
    this.#note(group, index, kept, low);
    return kept;
  }

  #noteForgotten(group: string, index: number, low: number): void {
    const kept = this.#log.partitions[index]!.committedOffset(group);
    ensure(kept === undefined, `a position of ${group} in ${index} was deleted, and is kept`);
    this.#note(group, index, "forgotten", low);
  }

  #note(group: string, index: number, standing: Standing, low: number): void {
    const when = { low, high: this.#ticket };
    this.#positions.say(group, index, standing, when);
    this.#say?.(`ledger: ${group} stands in ${index} at ${textOf(standing)}: ticket ${when.low} to ${when.high}`);
  }
}

/** By the rules for a group that never had members: by its commit, or by when it was told to go. */
function isDue(position: CommittedPosition, nowMs: number): boolean {
  const { expiresAtMs } = storedPosition(position);
  return expiresAtMs === Infinity ? nowMs - position.timeMs >= retentionMs : nowMs >= expiresAtMs;
}
