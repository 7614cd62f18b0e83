/**
 * Reads, writes and commits where it is, in one transaction: what is read counts once, whoever has died meanwhile. Without a
 * group it only writes.
 */
import { errorCode } from "../../src/protocols/kafka/codec/errors.ts";
import { offsetFetch } from "../../src/protocols/kafka/commands/offset-fetch.ts";
import type { Member } from "./member.ts";
import type { Line, Network } from "./network.ts";
import type { Producer } from "./producer.ts";
import { readFrom } from "./reading.ts";

export class Transformer {
  readonly #network: Network;
  readonly #producer: Producer;
  readonly #member: Member | undefined;
  readonly #line: Line;
  readonly #partitionCount: number;
  /** Where it is, by partition, as far as it knows. */
  readonly #places = new Map<number, number>();

  constructor(network: Network, name: string, producer: Producer, member: Member | undefined, partitionCount: number) {
    this.#network = network;
    this.#producer = producer;
    this.#member = member;
    this.#line = network.line(`${name}'s reader`);
    this.#partitionCount = partitionCount;
  }

  async play(): Promise<void> {
    const { chance } = this.#network;
    const producer = this.#producer;
    const member = this.#member;
    while (!this.#network.isOver) {
      if (!producer.isReady) {
        // Those who share an id do not take it from each other all the time.
        for (let turns = chance.pick([0, 0, 10, 60]); turns > 0; turns--) await this.#network.turn();
        await producer.init();
      } else if (member?.isIn === false) {
        this.#places.clear();
        await member.join();
      } else {
        await chance.weighted<() => Promise<unknown>>([
          [member === undefined ? 0 : 8, () => member!.beat()],
          [member === undefined ? 0 : 0.5, () => member!.leave()],
          [1, () => this.#die()],
          [45, () => this.#transact()],
        ])();
      }
    }
  }

  /** Another process takes its place. */
  #die(): Promise<void> {
    this.#producer.forget();
    this.#places.clear();
    if (this.#network.chance.is(0.5)) this.#member?.forget();
    return Promise.resolve();
  }

  async #transact(): Promise<void> {
    const { chance } = this.#network;
    const producer = this.#producer;
    const member = this.#member;
    if (member !== undefined && member.assigned.length === 0) return this.#network.turn();
    const partition = member === undefined ? -1 : chance.pick(member.assigned);
    const place = member === undefined ? 0 : await this.#placeOf(partition);
    if (place === undefined) return;
    let to = 0;
    if (member !== undefined) {
      const found = await readFrom(this.#line, "in", partition, place, "ask");
      if (found === undefined || found.next <= place) return;
      to = chance.between(place, Math.min(place + 3, found.next)) + 1;
    }
    // The last of what it asked may have come to nothing.
    if (!producer.isReady || this.#network.isOver) return;
    const transaction = producer.begin();
    if (member !== undefined) transaction.inputs = [{ partition, from: place, to }];
    if (member === undefined || chance.is(0.5)) await this.#write(transaction.id);
    if (this.#isGoingOn && member !== undefined && (await producer.offset(member, partition, to))) {
      this.#places.set(partition, to);
    }
    if (this.#isGoingOn && (member !== undefined || chance.is(0.5))) await this.#write(transaction.id);
    if (producer.transaction === undefined) return this.#places.clear();
    // Its process dies in the midst of it, or stands still.
    if (chance.is(0.04)) return this.#die();
    if (chance.is(0.05)) for (let turns = 60; turns > 0; turns--) await this.#network.turn();
    const isCommitting = !producer.isSpoilt && chance.is(0.75);
    await producer.end(isCommitting);
    if (!isCommitting || !producer.isReady) this.#places.clear();
  }

  get #isGoingOn(): boolean {
    return this.#producer.transaction !== undefined && !this.#producer.isSpoilt;
  }

  async #write(id: number): Promise<void> {
    const { chance } = this.#network;
    const { written } = this.#producer.transaction!;
    for (let batches = chance.between(1, 4); batches > 0 && this.#isGoingOn; batches--) {
      const values = Array.from({ length: chance.between(1, 4) }, (_, at) => `${id}.${written.length + at}`);
      await this.#producer.write(chance.between(0, this.#partitionCount), values);
    }
  }

  /** Not while a transaction is about to move it. */
  async #placeOf(partition: number): Promise<number | undefined> {
    const known = this.#places.get(partition);
    if (known !== undefined) return known;
    const { groupId } = this.#member!;
    const asked = { groupId, requireStable: true, topics: [{ name: "in", partitionIndexes: [partition] }] };
    const answer = await this.#line.ask(offsetFetch, 7, asked);
    const found = answer?.topics[0]?.partitions[0];
    if (found === undefined || found.errorCode !== errorCode.NONE) return undefined;
    const place = Math.max(0, found.committedOffset);
    this.#places.set(partition, place);
    return place;
  }
}
