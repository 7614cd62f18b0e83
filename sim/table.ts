/**
 * A compacted log of batches beside everything else, in a namespace of its own: keys are written over and over, some with
 * tombstones, while checkpoints write batches anew without what was superseded, and crashes cut them short.
 *
 * Held against the broker: no message is ever another than the one that was put at its offset, and who reads all of it finds
 * the newest message of each key; a tombstone only for as long as it is to be heard. Drawn from a source of its own, so that
 * other seeds stay what they were.
 */
import type { Batch, Entry, Queue } from "../src/broker/api.ts";
import type { RunningCore } from "../src/broker/broker.ts";
import { plainQueueSettings as plain } from "../src/broker/catalog/plain-queue.ts";
import type { Chance } from "./chance.ts";
import { ensure } from "./cut.ts";
import { type KeyedMessage, keyedBody, keyedMessagesIn, simFormatId } from "./message.ts";

export const tableName = "table";

interface Put {
  readonly key: string;
  readonly text: string;
  readonly isTombstone: boolean;
  ticket: number;
}

export class Table {
  readonly #chance: Chance;
  readonly #say: ((line: string) => void) | undefined;
  #isEnabled: boolean;
  #broker!: RunningCore;
  #madeTicket = 0;
  #isMade = false;
  #durableTicket = 0;
  /** By offset. */
  #puts: Put[] = [];
  #life = 0;
  #readsEnded = 0;

  constructor(chance: Chance, isPossible: boolean, say: ((line: string) => void) | undefined) {
    this.#chance = chance;
    this.#say = say;
    this.#isEnabled = isPossible && chance.is(0.35);
  }

  /** A broker has come up. */
  begin(broker: RunningCore): void {
    this.#broker = broker;
    this.#life++;
    if (!this.#isEnabled) return;
    const isThere = broker.namespace(tableName) !== undefined;
    ensure(isThere || !this.#isMade || this.#madeTicket > this.#durableTicket, "the table is gone");
    if (isThere) this.#recovered();
    else this.#make();
    this.#durableTicket = broker.durableTicket;
    broker.addCommitListener({ committed: (ticket) => (this.#durableTicket = ticket) });
  }

  step(): void {
    const chance = this.#chance;
    if (!this.#isEnabled || !chance.is(0.3) || this.#madeTicket > this.#durableTicket) return;
    if (chance.is(0.85)) this.#put();
    else this.#readAll();
  }

  /** All is read once more, when a pass has been over it, and taken away. */
  async close(quiet: () => Promise<void>, advance: (ms: number) => Promise<void>): Promise<void> {
    if (!this.#isEnabled) return;
    await quiet();
    await advance(3000);
    const ended = this.#readsEnded;
    this.#readAll();
    await quiet();
    ensure(this.#readsEnded > ended, "a read of the table comes to an end");
    const keys = new Set(this.#puts.map(({ key }) => key)).size;
    ensure(this.#queue.readyCount <= keys, `the table counts ${this.#queue.readyCount} messages for ${keys} keys`);
    this.#isEnabled = false;
    this.#broker.deleteNamespace(tableName);
    await quiet();
  }

  get #queue(): Queue {
    return this.#broker.namespace(tableName)!.queue("log")!;
  }

  get #ticket(): number {
    return this.#broker.core.commit.openTicket;
  }

  #make(): void {
    this.#puts = [];
    const retention = { ...plain.retention, untilSettled: false, compact: true, deleteRetentionMs: 1500 };
    this.#broker.atomically(() => {
      this.#broker.createNamespace(tableName).createQueue("log", { ...plain, mode: "offset", retention }, undefined);
    });
    this.#isMade = true;
    this.#madeTicket = this.#ticket;
    this.#say?.("table: made");
  }

  #recovered(): void {
    const { nextOffset } = this.#queue;
    this.#say?.(`table: ${nextOffset} came back of ${this.#puts.length}`);
    for (const put of this.#puts.splice(nextOffset)) {
      ensure(put.ticket > this.#durableTicket, `a message of the table's key ${put.key} is gone, and was durable`);
    }
    ensure(nextOffset === this.#puts.length, `the table ends at ${nextOffset} and not at ${this.#puts.length}`);
    for (const put of this.#puts) put.ticket = 0;
    this.#madeTicket = 0;
  }

  #put(): void {
    const chance = this.#chance;
    const base = this.#puts.length;
    const count = chance.between(1, 12);
    const messages: KeyedMessage[] = [];
    for (let delta = 0; delta < count; delta++) {
      const key = `k${chance.between(0, 25)}`;
      const isTombstone = chance.is(0.1);
      const text = isTombstone ? "" : `${base + delta}${".".repeat(chance.between(0, 60))}`;
      messages.push({ delta, key, text: isTombstone ? null : text });
      this.#puts.push({ key, text, isTombstone, ticket: this.#ticket });
    }
    const body = keyedBody(messages);
    const nobody = { producerId: -1, producerEpoch: -1, sequence: -1, isTransactional: false };
    const timestampMs = this.#broker.clock.now();
    const batch: Batch = {
      ...nobody,
      count,
      format: simFormatId,
      timestampMs,
      body,
      bodyStart: 0,
      bodyEnd: body.length,
    };
    const at = this.#queue.appendBatch(batch);
    ensure(at === base, `a batch came to lie at ${at} of the table, and not at ${base}`);
    for (const put of this.#puts.slice(base)) put.ticket = this.#ticket;
  }

  #readAll(): void {
    const life = this.#life;
    const queue = this.#queue;
    const end = queue.visibleEnd;
    const seen = new Set<number>();
    let at = 0;
    const go = (): void => {
      if (life !== this.#life || queue.isDeleted) return;
      at = queue.read(at, end, (entry) => {
        this.#check(entry, seen);
        return true;
      });
      if (at < end) return queue.load(at, go);
      this.#checkNewest(end, seen);
      this.#readsEnded++;
    };
    go();
  }

  #check(entry: Entry, seen: Set<number>): void {
    const messages = keyedMessagesIn(entry);
    ensure(messages !== undefined, `the octets at ${entry.baseOffset} of the table are nobody's`);
    for (const { delta, key, text } of messages) {
      const offset = entry.baseOffset + delta;
      ensure(offset <= entry.offset && !seen.has(offset), `offset ${offset} of the table is there twice`);
      seen.add(offset);
      const put = this.#puts[offset];
      ensure(put?.key === key && put.text === (text ?? ""), `another message was put at ${offset} of the table`);
      ensure(put.ticket <= this.#durableTicket, `what is at ${offset} of the table was read before it was durable`);
    }
  }

  #checkNewest(end: number, seen: ReadonlySet<number>): void {
    const newest = new Map(this.#puts.map(({ key }, offset) => [key, offset]));
    for (const [key, offset] of newest) {
      if (offset >= end || this.#puts[offset]!.isTombstone) continue;
      ensure(seen.has(offset), `the newest message of the table's key ${key}, at ${offset}, is not there`);
    }
  }
}
