/**
 * Offsets that a transaction is to commit, and that count for nobody until it does. They are as durable as an answer says
 * they are: each is kept as a definition of the broker until the transaction's end, which takes them away in the same atomic
 * group in which it commits them. So a crash in between leaves either.
 *
 * Of all that is said of a place, which is a group's in a partition, the last counts, whenever transactions end: one that was
 * open meanwhile does not bring back what it had said before. So what is committed takes away what is pending there and was
 * said before it, and what deletes takes all. What transactions say has a number, for that is to be told also after a restart.
 * What is committed otherwise is newer than all that there is, and needs none.
 *
 * Rejected: a number with each committed offset, to compare with at the end. It says the same, in a form that lasts for ever.
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

/** One that was said: the higher its number, the later. */
interface SaidOffset extends PendingOffset {
  readonly order: number;
}

const kind = "kafka-pending-offsets";

type OffsetsByPlace = Map<string, SaidOffset>;
/** Under the number of a producer, by group: so it was kept when what a producer had said was one definition. */
type FormerlyKept = Record<string, readonly PendingOffset[]>;
/** Under its name, see nameOf(), which begins with a bracket. */
type Kept = Omit<SaidOffset, "topic" | "partition">;

/** Of all that is pending, with the names that it is kept under. Clients try again later. */
const bytesMax = 256 << 20;
/** Of one, its name not counted: about. */
const offsetBytes = 400;

const placeOf = (topic: string, partition: number): string => `${partition} ${topic}`;

export class PendingOffsets {
  readonly #definitions: Definitions;
  readonly #byProducer = new Map<number, Map<string, OffsetsByPlace>>();
  /** Producers that have said something of each place of a group. */
  readonly #saidByGroup = new Map<string, Map<string, Set<number>>>();
  /** How many there are in each topic: of queues that come and go there are none as a rule. */
  readonly #countByTopic = new Map<string, number>();
  #lastOrder = 0;
  /** About. */
  #bytes = 0;

  constructor(definitions: Definitions) {
    this.#definitions = definitions;
    const former: [string, FormerlyKept][] = [];
    for (const [name, kept] of definitions.entries(kind)) {
      if (name.startsWith("[")) this.#restore(name, kept as Kept);
      else former.push([name, kept as FormerlyKept]);
    }
    for (const [name, kept] of former) {
      for (const [group, offsets] of Object.entries(kept)) this.add(Number(name), group, offsets);
      definitions.remove(kind, name);
    }
  }

  /** Beyond a bound nothing is added. What is said of a place anew is counted beside what was said of it before. */
  hasRoomFor(producerId: number, group: string, offsets: readonly PendingOffset[]): boolean {
    let more = 0;
    for (const said of offsets) more += bytesOf(producerId, group, said);
    return this.#bytes + more <= bytesMax;
  }

  /** Durable with the broker's ticket. What the same producer said of the same partition before is forgotten. */
  add(producerId: number, group: string, offsets: readonly PendingOffset[]): void {
    for (const offset of offsets) {
      const said = { ...offset, order: this.#lastOrder + 1 };
      this.#note(producerId, group, said);
      const { topic, partition, ...kept } = said;
      this.#definitions.put(kind, nameOf(producerId, group, topic, partition), kept satisfies Kept);
    }
  }

  /** The topic is gone: what is made under its name later is another one. */
  dropTopic(topic: string): void {
    if (!this.#countByTopic.has(topic)) return;
    for (const [producerId, groups] of this.#byProducer) {
      for (const [group, byPlace] of groups) {
        for (const said of byPlace.values()) if (said.topic === topic) this.#remove(producerId, group, said);
      }
    }
  }

  /** The group is deleted, and does not come back by what it was to commit. */
  dropGroup(group: string): void {
    for (const [place, producers] of this.#saidByGroup.get(group) ?? [])
      this.#dropOlder(group, place, producers, Infinity);
  }

  /** What was said of the place before that of this number never counts; without a number, all that was. */
  dropOlder(group: string, topic: string, partition: number, order = Infinity): void {
    const place = placeOf(topic, partition);
    const producers = this.#saidByGroup.get(group)?.get(place);
    if (producers !== undefined) this.#dropOlder(group, place, producers, order);
  }

  /** The transaction of this producer ends: what it was to commit, by group, which is forgotten here. */
  take(producerId: number): ReadonlyMap<string, Iterable<SaidOffset>> {
    const taken = new Map<string, SaidOffset[]>();
    for (const [group, byPlace] of this.#byProducer.get(producerId) ?? []) taken.set(group, [...byPlace.values()]);
    for (const [group, offsets] of taken) for (const said of offsets) this.#remove(producerId, group, said);
    return taken;
  }

  /** Whether a transaction is about to commit another offset of the group there. */
  has(group: string, topic: string, partition: number): boolean {
    return this.#saidByGroup.get(group)?.has(placeOf(topic, partition)) === true;
  }

  hasAny(group: string): boolean {
    return this.#saidByGroup.has(group);
  }

  /** Of which there are some. */
  groups(): Iterable<string> {
    return this.#saidByGroup.keys();
  }

  #restore(name: string, kept: Kept): void {
    const [producerId, group, topic, partition] = JSON.parse(name) as ReturnType<typeof partsOf>;
    this.#note(producerId, group, { ...kept, topic, partition });
  }

  #note(producerId: number, group: string, said: SaidOffset): void {
    const place = placeOf(said.topic, said.partition);
    const groups = entryOf(this.#byProducer, producerId, () => new Map<string, OffsetsByPlace>());
    const byPlace = entryOf(groups, group, () => new Map<string, SaidOffset>());
    const before = byPlace.get(place);
    if (before === undefined) this.#count(said.topic, 1);
    else this.#bytes -= bytesOf(producerId, group, before);
    this.#bytes += bytesOf(producerId, group, said);
    byPlace.set(place, said);
    const places = entryOf(this.#saidByGroup, group, () => new Map<string, Set<number>>());
    entryOf(places, place, () => new Set<number>()).add(producerId);
    this.#lastOrder = Math.max(this.#lastOrder, said.order);
  }

  #count(topic: string, change: 1 | -1): void {
    const count = (this.#countByTopic.get(topic) ?? 0) + change;
    if (count === 0) this.#countByTopic.delete(topic);
    else this.#countByTopic.set(topic, count);
  }

  #dropOlder(group: string, place: string, producers: ReadonlySet<number>, order: number): void {
    for (const producerId of producers) {
      const said = this.#byProducer.get(producerId)?.get(group)?.get(place);
      if (said !== undefined && said.order < order) this.#remove(producerId, group, said);
    }
  }

  #remove(producerId: number, group: string, said: SaidOffset): void {
    const { topic, partition } = said;
    this.#bytes -= bytesOf(producerId, group, said);
    this.#count(topic, -1);
    const place = placeOf(topic, partition);
    const groups = this.#byProducer.get(producerId);
    const byPlace = groups?.get(group);
    byPlace?.delete(place);
    if (byPlace?.size === 0) groups?.delete(group);
    if (groups?.size === 0) this.#byProducer.delete(producerId);
    const places = this.#saidByGroup.get(group);
    const producers = places?.get(place);
    producers?.delete(producerId);
    if (producers?.size === 0) places?.delete(place);
    if (places?.size === 0) this.#saidByGroup.delete(group);
    this.#definitions.remove(kind, nameOf(producerId, group, topic, partition));
  }
}

function bytesOf(producerId: number, group: string, { topic, partition, metadata }: PendingOffset): number {
  return offsetBytes + 2 * (nameOf(producerId, group, topic, partition).length + (metadata?.length ?? 0));
}

/** As a list in JSON: any name of a group may stand in it. */
function nameOf(...parts: Parameters<typeof partsOf>): string {
  return JSON.stringify(partsOf(...parts));
}

function partsOf(producerId: number, group: string, topic: string, partition: number) {
  return [producerId, group, topic, partition] as const;
}

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
