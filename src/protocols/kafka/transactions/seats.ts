/**
 * The transactional ids that are known, with what is in the transaction of each, kept as definitions of the broker.
 *
 * A definition is written when a step changes the id's state, and when partitions or groups are added by name. A partition
 * that joins a transaction by what is produced to it is written with the first of them only, which begins the transaction:
 * the others are found again by their open transactions, which lie in the same journal. So a transaction over a thousand
 * partitions does not write its list a thousand times.
 */
import type { Broker, Queue } from "../../../broker/api.ts";
import type { Topic, Topics } from "../topics/topics.ts";
import type { TransactionState } from "./transaction.ts";

export interface Seat {
  readonly transactionalId: string;
  state: TransactionState;
  /** In the transaction that is going on, and of which topic each is. */
  readonly partitions: Map<Queue, Topic>;
  /** Groups that offsets may be committed of in it. */
  readonly groups: Set<string>;
  /** The latest connection by which something was added to the transaction by name; 0: none of this process. */
  latestConnection: number;
  /** An older one, by which somebody asked for the end, and was told to ask again; 0: none. */
  challengedConnection: number;
}

interface Kept extends TransactionState {
  /** By the topic's id. */
  readonly partitions: Readonly<Record<string, readonly number[]>>;
  readonly groups: readonly string[];
}

const kind = "kafka-transaction";

export class Seats {
  readonly #broker: Broker;
  readonly #byId = new Map<string, Seat>();

  constructor(broker: Broker, topics: Topics) {
    this.#broker = broker;
    for (const [transactionalId, value] of broker.definitions.entries(kind)) {
      const { partitions, groups, ...state } = value as Kept;
      const seat = newSeat(transactionalId, state);
      for (const group of groups) seat.groups.add(group);
      for (const [topicId, indexes] of Object.entries(partitions)) {
        const topic = topics.findById(topicId);
        for (const index of indexes) {
          const queue = topic?.partitions[index];
          if (topic !== undefined && queue !== undefined) seat.partitions.set(queue, topic);
        }
      }
      this.#byId.set(transactionalId, seat);
    }
  }

  get(transactionalId: string): Seat | undefined {
    return this.#byId.get(transactionalId);
  }

  all(): Iterable<Seat> {
    return this.#byId.values();
  }

  /** Not kept before keep(). */
  add(transactionalId: string, state: TransactionState): Seat {
    const seat = newSeat(transactionalId, state);
    this.#byId.set(transactionalId, seat);
    return seat;
  }

  /** Durable with the broker's ticket. */
  keep({ transactionalId, state, partitions, groups }: Seat): void {
    const indexesByTopic: Record<string, number[]> = {};
    for (const [queue, topic] of partitions) (indexesByTopic[topic.id] ??= []).push(queue.index);
    const kept: Kept = { ...state, partitions: indexesByTopic, groups: [...groups] };
    this.#broker.definitions.put(kind, transactionalId, kept);
  }

  /** Durable with the broker's ticket. */
  remove({ transactionalId }: Seat): void {
    this.#byId.delete(transactionalId);
    this.#broker.definitions.remove(kind, transactionalId);
  }
}

function newSeat(transactionalId: string, state: TransactionState): Seat {
  return {
    transactionalId,
    state,
    partitions: new Map(),
    groups: new Set(),
    latestConnection: 0,
    challengedConnection: 0,
  };
}
