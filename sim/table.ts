/**
 * A compacted log of batches beside everything else, in a namespace of its own: keys are written over and over, some with
 * tombstones, while checkpoints write batches anew without what was superseded, and crashes cut them short.
 *
 * Held against the broker: no message is ever another than the one that was put at its offset, and who reads all of it finds
 * the newest message of each key; a tombstone only for as long as it is to be heard. Drawn from a source of its own, so that
 * other seeds stay what they were.
 */
import type { Entry, Queue, QueueSettings } from "../src/broker/api.ts";
import type { RunningCore } from "../src/broker/broker.ts";
import { plainQueueSettings as plain } from "../src/broker/catalog/plain-queue.ts";
import type { Chance } from "./chance.ts";
import { ensure } from "./cut.ts";
import { type KeyedMessage, keyedBody, keyedMessagesIn } from "./message.ts";
import { SideLog } from "./side-log.ts";

export const tableName = "table";
const retention = { ...plain.retention, untilSettled: false, compact: true, deleteRetentionMs: 1500 };
const settings: QueueSettings = { ...plain, mode: "offset", retention };

interface Put {
  readonly key: string;
  readonly text: string;
  readonly isTombstone: boolean;
  ticket: number;
}

export class Table {
  readonly #chance: Chance;
  readonly #log: SideLog;
  #isEnabled: boolean;
  /** By offset. */
  #puts: Put[] = [];

  constructor(chance: Chance, isPossible: boolean, say: ((line: string) => void) | undefined) {
    this.#chance = chance;
    this.#log = new SideLog(tableName, settings, say);
    this.#isEnabled = isPossible && chance.is(0.35);
  }

  /** A broker has come up. */
  begin(broker: RunningCore): void {
    if (!this.#isEnabled) return;
    const made = (): void => {
      this.#puts = [];
    };
    this.#log.begin(broker, () => this.#recovered(), made);
  }

  step(): void {
    const chance = this.#chance;
    if (!this.#isEnabled || !chance.is(0.3) || !this.#log.isSure) return;
    if (chance.is(0.85)) this.#put();
    else this.#readAll();
  }

  /** All is read once more, when a pass has been over it, and taken away. */
  async close(quiet: () => Promise<void>, advance: (ms: number) => Promise<void>): Promise<void> {
    if (!this.#isEnabled) return;
    await quiet();
    await advance(3000);
    await this.#log.close(quiet, () => this.#readAll());
    const keys = new Set(this.#puts.map(({ key }) => key)).size;
    ensure(this.#queue.readyCount <= keys, `the table counts ${this.#queue.readyCount} messages for ${keys} keys`);
    this.#isEnabled = false;
    await this.#log.remove(quiet);
  }

  get #queue(): Queue {
    return this.#log.queue;
  }

  #recovered(): void {
    const { nextOffset } = this.#queue;
    this.#log.say(`${nextOffset} came back of ${this.#puts.length}`);
    for (const put of this.#puts.splice(nextOffset)) {
      ensure(put.ticket > this.#log.durableTicket, `a message of the table's key ${put.key} is gone, and was durable`);
    }
    ensure(nextOffset === this.#puts.length, `the table ends at ${nextOffset} and not at ${this.#puts.length}`);
    for (const put of this.#puts) put.ticket = 0;
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
      this.#puts.push({ key, text, isTombstone, ticket: this.#log.ticket });
    }
    this.#log.append(keyedBody(messages), count, base);
    for (const put of this.#puts.slice(base)) put.ticket = this.#log.ticket;
  }

  #readAll(): void {
    const life = this.#log.life;
    const queue = this.#queue;
    const end = queue.visibleEnd;
    const seen = new Set<number>();
    let at = 0;
    const go = (): void => {
      if (life !== this.#log.life || queue.isDeleted) return;
      at = queue.read(at, end, (entry) => {
        this.#check(entry, seen);
        return true;
      });
      if (at < end) return queue.load(at, go);
      this.#checkNewest(end, seen);
      this.#log.readsEnded++;
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
      ensure(put.ticket <= this.#log.durableTicket, `what is at ${offset} of the table was read before it was durable`);
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
