/**
 * A log of batches beside everything else, in a namespace of its own: batches of any width, single messages between them,
 * trimmed by hand, and read by offset from anywhere while the rest goes on.
 *
 * What was put there is known: where each entry begins and ends, and its octets. Held against the broker: each entry is
 * there whole or not at all, offsets follow each other without a gap, what was durable is there after a crash with what lay
 * before it, and who reads from any offset begins with the entry that holds it. Drawn from a source of its own, so that
 * other seeds stay what they were.
 */
import type { Entry, Queue, QueueSettings } from "../src/broker/api.ts";
import type { RunningCore } from "../src/broker/broker.ts";
import { plainQueueSettings as plain } from "../src/broker/catalog/plain-queue.ts";
import { emptyPublication } from "../src/broker/publication.ts";
import type { Chance } from "./chance.ts";
import { ensure } from "./cut.ts";
import { batchBodyOf, bodyOf, simFormatId } from "./message.ts";
import { SideLog } from "./side-log.ts";

export const shelfName = "shelf";
const settings: QueueSettings = { ...plain, mode: "offset", retention: { ...plain.retention, untilSettled: false } };

interface Put {
  readonly base: number;
  readonly count: number;
  readonly body: Buffer;
  readonly isBatch: boolean;
  ticket: number;
}

export class Shelf {
  readonly #chance: Chance;
  readonly #log: SideLog;
  #isEnabled: boolean;
  #number = 1;
  /** In order of offset. */
  #puts: Put[] = [];
  #trims: { first: number; ticket: number }[] = [];

  constructor(chance: Chance, isPossible: boolean, say: ((line: string) => void) | undefined) {
    this.#chance = chance;
    this.#log = new SideLog(shelfName, settings, say);
    this.#isEnabled = isPossible && chance.is(0.4);
  }

  /** A broker has come up. */
  begin(broker: RunningCore): void {
    if (!this.#isEnabled) return;
    const made = (): void => {
      this.#puts = [];
      this.#trims = [];
    };
    this.#log.begin(broker, () => this.#recovered(), made);
  }

  step(): void {
    const chance = this.#chance;
    if (!this.#isEnabled || !chance.is(0.3) || !this.#log.isSure) return;
    chance.weighted<() => void>([
      [8, () => this.#put(true)],
      [2, () => this.#put(false)],
      [0.5, () => this.#trim()],
      [3, () => this.#readOn(chance.between(0, this.#queue.nextOffset + 1))],
    ])();
  }

  /** All is read once more, and taken away. */
  async close(quiet: () => Promise<void>): Promise<void> {
    if (!this.#isEnabled) return;
    await quiet();
    await this.#log.close(quiet, () => this.#readOn(0));
    this.#isEnabled = false;
    await this.#log.remove(quiet);
  }

  get #queue(): Queue {
    return this.#log.queue;
  }

  get #next(): number {
    const last = this.#puts.at(-1);
    return last === undefined ? 0 : last.base + last.count;
  }

  #recovered(): void {
    const { firstOffset, nextOffset, visibleEnd } = this.#queue;
    const kept = this.#puts.filter(({ base, count }) => base + count <= nextOffset);
    this.#log.say(`${firstOffset} to ${nextOffset} came back of ${this.#next}`);
    for (const put of this.#puts.slice(kept.length)) {
      ensure(put.ticket > this.#log.durableTicket, `what was put at ${put.base} of the shelf is gone, and was durable`);
    }
    this.#puts = kept;
    ensure(
      nextOffset === this.#next && visibleEnd === nextOffset,
      `the shelf ends at ${nextOffset} and not at ${this.#next}`,
    );
    const surely = this.#trims.findLast(({ ticket }) => ticket <= this.#log.durableTicket)?.first ?? 0;
    const isTrim = firstOffset === surely || this.#trims.some(({ first }) => first === firstOffset);
    ensure(firstOffset >= surely && isTrim, `the shelf begins at ${firstOffset}, and was trimmed to ${surely}`);
    this.#trims = [{ first: firstOffset, ticket: 0 }];
    for (const put of kept) put.ticket = 0;
  }

  #put(isBatch: boolean): void {
    const chance = this.#chance;
    const base = this.#next;
    const count = isBatch
      ? chance.weighted([
          [8, chance.between(1, 200)],
          [1, chance.between(200, 20_000)],
          [2, 1],
        ])
      : 1;
    const length = chance.between(8, chance.is(0.1) ? 8000 : 400);
    const number = this.#number++;
    const body = isBatch ? batchBodyOf(number, count, length) : bodyOf(number, length);
    const queue = this.#queue;
    if (isBatch) {
      this.#log.append(body, count, base);
    } else {
      const namespace = this.#log.broker.namespace(shelfName)!;
      const p = emptyPublication(namespace.exchange("")!);
      Object.assign(p, { format: simFormatId, durable: true, routingKey: "log", body, bodyEnd: body.length });
      namespace.publish(p, { routed: 0, refused: false, ticket: 0 });
    }
    this.#puts.push({ base, count, body, isBatch, ticket: this.#log.ticket });
    ensure(queue.nextOffset === base + count, "offsets follow each other");
  }

  #trim(): void {
    const queue = this.#queue;
    const first = this.#chance.between(queue.firstOffset, queue.visibleEnd + 1);
    this.#log.say(`trimmed to ${first}`);
    queue.trim(first);
    this.#trims.push({ first: queue.firstOffset, ticket: this.#log.ticket });
  }

  /** Reads from here to what is the end now, as its bytes come from the disk. */
  #readOn(from: number): void {
    const life = this.#log.life;
    const queue = this.#queue;
    const end = queue.visibleEnd;
    let at = from;
    let expected = -1;
    const visit = (entry: Entry): boolean => {
      // One that takes it in pieces.
      if (this.#chance.is(0.1)) return false;
      this.#check(entry, Math.max(at, queue.firstOffset), expected);
      expected = entry.offset + 1;
      at = expected;
      return true;
    };
    const go = (): void => {
      if (life !== this.#log.life || queue.isDeleted) return;
      for (;;) {
        const next = queue.read(at, end, visit);
        if (next >= end) break;
        // What was not taken comes again; what was not there has to be brought.
        at = next;
        if (this.#chance.is(0.5)) return queue.load(at, go);
      }
      ensure(
        expected < 0 || Math.max(expected, queue.firstOffset) >= end,
        `a reader of the shelf ended at ${expected}, before ${end}`,
      );
      this.#log.readsEnded++;
    };
    go();
  }

  #check(entry: Entry, wanted: number, expected: number): void {
    const { buffer, bodyStart, bodyEnd, baseOffset, offset, count, isBatch } = entry;
    const { firstOffset } = this.#queue;
    ensure(offset >= wanted, `a reader of the shelf asked for ${wanted} and got ${offset}`);
    const isNext = expected < 0 ? baseOffset <= wanted : baseOffset === expected || baseOffset <= firstOffset;
    ensure(
      isNext,
      `a reader of the shelf missed what is before ${baseOffset}: it was at ${Math.max(expected, wanted)}`,
    );
    const put = this.#puts[this.#indexOf(baseOffset)];
    ensure(
      put?.base === baseOffset && put.count === count && put.isBatch === isBatch,
      `nobody put ${baseOffset} there`,
    );
    ensure(
      put.body.compare(buffer, bodyStart, bodyEnd) === 0,
      `the octets at ${baseOffset} of the shelf are not its own`,
    );
    ensure(
      put.ticket <= this.#log.durableTicket,
      `what is at ${baseOffset} of the shelf was read before it was durable`,
    );
  }

  #indexOf(base: number): number {
    let low = 0;
    let high = this.#puts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#puts[middle]!.base < base) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
