/**
 * Offsets that a transaction is to commit, and that count for nobody until it does. They are as durable as an answer says
 * they are: kept as definitions of the broker, one for each producer, until the transaction's end, which takes them away in
 * the same atomic group in which it commits them. So a crash in between leaves either.
 */
import type { Definitions } from "../../../broker/api.ts";

export interface PendingOffset {
  readonly topic: string;
  /** Of which it is, should another one have its name by the end. */
  readonly topicId?: string;
  readonly partition: number;
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string | null;
}

const kind = "kafka-pending-offsets";

type OffsetsByPlace = Map<string, PendingOffset>;
/** As they are kept: by group. */
type Kept = Record<string, readonly PendingOffset[]>;

const placeOf = (topic: string, partition: number): string => `${partition} ${topic}`;

export class PendingOffsets {
  readonly #definitions: Definitions;
  readonly #byProducer = new Map<number, Map<string, OffsetsByPlace>>();
  /** In how many transactions each place of a group is. */
  readonly #countByGroup = new Map<string, Map<string, number>>();

  constructor(definitions: Definitions) {
    this.#definitions = definitions;
    for (const [name, kept] of definitions.entries(kind)) {
      for (const [group, offsets] of Object.entries(kept as Kept)) this.#note(Number(name), group, offsets);
    }
  }

  /** Durable with the broker's ticket. What the same producer said of the same partition before is forgotten. */
  add(producerId: number, group: string, offsets: readonly PendingOffset[]): void {
    this.#note(producerId, group, offsets);
    this.#keep(producerId);
  }

  /** The topic is gone: what is made under its name later is another one. */
  dropTopic(topic: string): void {
    for (const [producerId, groups] of this.#byProducer) {
      let hasSome = false;
      for (const [group, byPlace] of groups) {
        for (const [place, offset] of byPlace) {
          if (offset.topic !== topic) continue;
          byPlace.delete(place);
          this.#uncount(group, place);
          hasSome = true;
        }
      }
      if (hasSome) this.#keep(producerId);
    }
  }

  /** The transaction of this producer ends: what it was to commit, by group, which is forgotten here. */
  take(producerId: number): ReadonlyMap<string, Iterable<PendingOffset>> {
    const groups = this.#byProducer.get(producerId);
    if (groups === undefined) return new Map();
    this.#byProducer.delete(producerId);
    this.#definitions.remove(kind, String(producerId));
    for (const [group, byPlace] of groups) for (const place of byPlace.keys()) this.#uncount(group, place);
    return new Map([...groups].map(([group, byPlace]) => [group, byPlace.values()]));
  }

  /** Whether a transaction is about to commit another offset of the group there. */
  has(group: string, topic: string, partition: number): boolean {
    return this.#countByGroup.get(group)?.has(placeOf(topic, partition)) === true;
  }

  hasAny(group: string): boolean {
    return this.#countByGroup.has(group);
  }

  #keep(producerId: number): void {
    const kept: Kept = {};
    for (const [group, byPlace] of this.#byProducer.get(producerId) ?? []) kept[group] = [...byPlace.values()];
    this.#definitions.put(kind, String(producerId), kept);
  }

  #note(producerId: number, group: string, offsets: readonly PendingOffset[]): void {
    const groups = entryOf(this.#byProducer, producerId, () => new Map<string, OffsetsByPlace>());
    const byPlace = entryOf(groups, group, () => new Map<string, PendingOffset>());
    for (const offset of offsets) {
      const place = placeOf(offset.topic, offset.partition);
      if (!byPlace.has(place)) {
        const counts = entryOf(this.#countByGroup, group, () => new Map<string, number>());
        counts.set(place, (counts.get(place) ?? 0) + 1);
      }
      byPlace.set(place, offset);
    }
  }

  #uncount(group: string, place: string): void {
    const counts = this.#countByGroup.get(group);
    const count = counts?.get(place) ?? 0;
    if (count > 1) counts?.set(place, count - 1);
    else counts?.delete(place);
    if (counts?.size === 0) this.#countByGroup.delete(group);
  }
}

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
