/**
 * The transactional ids that are known, with what is in the transaction of each, kept as definitions of the broker.
 *
 * A definition is written when a step changes the id's state, and when partitions or groups are added by name. A partition
 * that joins a transaction by what is produced to it is written with the first of them only, which begins the transaction:
 * the others are found again by their open transactions, which lie in the same journal. So a transaction over a thousand
 * partitions does not write its list a thousand times. A group is a definition of its own, since a client may name as many
 * as it likes: it is written when it joins, and removed in the atomic group that ends the transaction.
 *
 * What all of this takes of memory has a bound. Beyond it nothing is added, and who is there goes on with what it has.
 */
import type { Broker, Queue } from "../../../broker/api.ts";
import type { Topic, Topics } from "../topics/topics.ts";
import type { TransactionState } from "./transaction.ts";

/** An older connection by which somebody asked, and was told to ask again; ms of the clock that only goes forward. */
export interface Challenge {
  readonly connection: number;
  readonly atMs: number;
}

export interface Seat {
  readonly transactionalId: string;
  state: TransactionState;
  /** In the transaction that is going on, and of which topic each is. */
  readonly partitions: Map<Queue, Topic>;
  /** Groups that offsets may be committed of in it. */
  readonly groups: Set<string>;
  /** The latest connection by which something was added to the transaction by name; 0: none of this process. */
  latestConnection: number;
  /** Of who asked for the end. */
  endChallenge: Challenge | undefined;
  /** The latest connection by which offsets were committed that do not say of which transaction they are; 0: none. */
  offsetsConnection: number;
  /** They came by the connection by which groups and partitions are added. */
  isOneConnection: boolean;
  /** Of who committed some. */
  offsetsChallenge: Challenge | undefined;
}

interface Kept extends TransactionState {
  /** By the topic's id. */
  readonly partitions: Readonly<Record<string, readonly number[]>>;
  /** So they were kept when they were no definitions of their own. */
  readonly groups?: readonly string[];
}

const kind = "kafka-transaction";
/** Under the transactional id and the group's, as a list in JSON. */
const groupKind = "kafka-transaction-group";
/** Of ids, of their names, and of what is in their transactions. Some 200,000 ids are that. Clients try again later. */
const bytesMax = 256 << 20;
/** Of one, names not counted: about. */
const seatBytes = 1024;
const partitionBytes = 100;
const groupBytes = 300;

export class Seats {
  readonly #broker: Broker;
  readonly #byId = new Map<string, Seat>();
  /** About. */
  #bytes = 0;

  constructor(broker: Broker, topics: Topics) {
    this.#broker = broker;
    for (const [transactionalId, value] of broker.definitions.entries(kind)) {
      const { partitions, groups = [], ...state } = value as Kept;
      const seat = this.#seat(transactionalId, state);
      for (const group of groups) this.#keepGroup(seat, group);
      for (const [topicId, indexes] of Object.entries(partitions)) {
        const topic = topics.findById(topicId);
        for (const index of indexes) {
          const queue = topic?.partitions[index];
          if (topic !== undefined && queue !== undefined) this.put(seat, queue, topic);
        }
      }
    }
    for (const [name] of [...broker.definitions.entries(groupKind)]) {
      const [transactionalId, group] = JSON.parse(name) as [string, string];
      const seat = this.#byId.get(transactionalId);
      if (seat?.state.phase === "Ongoing") this.#join(seat, group);
      // The power went between the two.
      else broker.definitions.remove(groupKind, name);
    }
  }

  get(transactionalId: string): Seat | undefined {
    return this.#byId.get(transactionalId);
  }

  all(): Iterable<Seat> {
    return this.#byId.values();
  }

  /** Not kept before keep(). Undefined: there is no room. */
  add(transactionalId: string, state: TransactionState): Seat | undefined {
    return this.#hasRoomFor(seatBytesOf(transactionalId)) ? this.#seat(transactionalId, state) : undefined;
  }

  /** All or none, answering false: there is no room. Not kept before keep(). */
  addPartitions(seat: Seat, partitions: ReadonlyMap<Queue, Topic>): boolean {
    let more = 0;
    for (const queue of partitions.keys()) if (!seat.partitions.has(queue)) more++;
    if (more > 0 && !this.#hasRoomFor(more * partitionBytes)) return false;
    for (const [queue, topic] of partitions) this.put(seat, queue, topic);
    return true;
  }

  /** Whatever room there is: one that is in it already. Not kept before keep(). */
  put(seat: Seat, queue: Queue, topic: Topic): void {
    if (!seat.partitions.has(queue)) this.#bytes += partitionBytes;
    seat.partitions.set(queue, topic);
  }

  /** Durable with the broker's ticket. False: there is no room. */
  addGroup(seat: Seat, group: string): boolean {
    if (seat.groups.has(group)) return true;
    if (!this.#hasRoomFor(groupBytesOf(seat, group))) return false;
    this.#keepGroup(seat, group);
    return true;
  }

  /** Its transaction is at its end. Not kept before keep(), and in one atomic group with that. */
  empty(seat: Seat): void {
    const { partitions, groups } = seat;
    this.#bytes -= partitions.size * partitionBytes;
    for (const group of groups) {
      this.#bytes -= groupBytesOf(seat, group);
      this.#broker.definitions.remove(groupKind, groupName(seat, group));
    }
    partitions.clear();
    groups.clear();
  }

  /** Durable with the broker's ticket. */
  keep({ transactionalId, state, partitions }: Seat): void {
    const indexesByTopic: Record<string, number[]> = {};
    for (const [queue, topic] of partitions) (indexesByTopic[topic.id] ??= []).push(queue.index);
    const kept: Kept = { ...state, partitions: indexesByTopic };
    this.#broker.definitions.put(kind, transactionalId, kept);
  }

  /** No transaction of it is going on. Durable with the broker's ticket. */
  remove({ transactionalId }: Seat): void {
    this.#byId.delete(transactionalId);
    this.#bytes -= seatBytesOf(transactionalId);
    this.#broker.definitions.remove(kind, transactionalId);
  }

  #seat(transactionalId: string, state: TransactionState): Seat {
    const seat = newSeat(transactionalId, state);
    this.#byId.set(transactionalId, seat);
    this.#bytes += seatBytesOf(transactionalId);
    return seat;
  }

  #keepGroup(seat: Seat, group: string): void {
    this.#join(seat, group);
    this.#broker.definitions.put(groupKind, groupName(seat, group), {});
  }

  #join(seat: Seat, group: string): void {
    if (!seat.groups.has(group)) this.#bytes += groupBytesOf(seat, group);
    seat.groups.add(group);
  }

  #hasRoomFor(moreBytes: number): boolean {
    return this.#bytes + moreBytes <= bytesMax;
  }
}

function seatBytesOf(transactionalId: string): number {
  return seatBytes + 2 * transactionalId.length;
}

/** As a definition. */
function groupName({ transactionalId }: Seat, group: string): string {
  return JSON.stringify([transactionalId, group]);
}

function groupBytesOf(seat: Seat, group: string): number {
  return groupBytes + 2 * (group.length + groupName(seat, group).length);
}

/** Whoever commits offsets next is believed. */
export function forgetOffsetsConnections(seat: Seat): void {
  seat.offsetsConnection = 0;
  seat.isOneConnection = false;
  seat.offsetsChallenge = undefined;
}

function newSeat(transactionalId: string, state: TransactionState): Seat {
  return {
    transactionalId,
    state,
    partitions: new Map(),
    groups: new Set(),
    latestConnection: 0,
    endChallenge: undefined,
    offsetsConnection: 0,
    isOneConnection: false,
    offsetsChallenge: undefined,
  };
}
