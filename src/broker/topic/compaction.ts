/**
 * Only the newest message of each key stays: a log as a table of last values.
 *
 * A pass walks over what came in since the last, keeps in a map where each key was seen last, and removes the message that
 * a newer one supersedes. Passes are a second apart, so that readers who follow the log see every value, and those who
 * catch up see the last of each key, perhaps with a few that the next pass would have taken. Messages without a key that stand
 * alone stay: whoever publishes them may not know that the log is compacted. Those in a batch go, as in Kafka: its producers give a
 * compacted log none, so they are from when it was none, and would stay for ever. A message that says that its key has no value
 * any more goes too, some time after a pass has seen it, be it of an earlier process (seen-times.ts): until then, who catches up
 * is told. Nothing counts before it is decided and old enough, and what was aborted goes at once.
 *
 * What is superseded is known by the offset of the message. An entry goes when all its messages have. A batch of which some
 * are left is made smaller (MessageFormat.retain), at the same offsets, when somebody reads it, in memory and for as long as
 * it is there, and when a checkpoint writes it; consumers that take messages one by one do not see what is gone anyway.
 * Rejected: making it smaller in the pass, which would compress what nobody reads once a second. Offsets of a batch that
 * have no message count as superseded, so it is as small as it can be when it says that it holds as many as are not.
 * The end of a transaction goes, as late as a tombstone, when nothing is left between its transaction's begin and it. The last
 * of a log goes when something lies behind it.
 *
 * All logs together have a share of each turn for their passes.
 *
 * What is superseded is written to the journal and to checkpoints like settlements are, so it does not come back; the
 * map is not: the first pass after a start reads the log once, a bounded piece a turn. The map costs memory for each key, not
 * for each message; with the tombstones that wait to go (passing.ts) it has a bound for all logs together. Keys beyond it are not
 * followed, so their older messages stay, and with them every tombstone of that log until the next start. Rejected: superseding at
 * the append, which would hide values from followers and cost a map look-up on the hot path.
 */
import { putU16, putU32 } from "../../base/bytes.ts";
import type { TimerHandle } from "../../base/clock.ts";
import type { Retention } from "../api.ts";
import type { Core } from "../core.ts";
import { record } from "../durability/records.ts";
import { batchHeadBytes, EntryCursor, writeU48 } from "../entry.ts";
import { RangeSet } from "../../base/range-set.ts";
import { SettledSet } from "../subscription/settled-set.ts";
import type { Partition } from "./partition.ts";
import { Passing } from "./passing.ts";
import { SeenTimes } from "./seen-times.ts";

const passEveryMs = 1000;
/** Messages that one turn looks at, and forgets, at most (but for those of one batch). */
const looksPerTurn = 4096;
/** How long a piece of a pass looks at batches, about: a small one may be a lot to open. */
const pieceMs = 5;
const deleteRetentionMsUsual = 86_400_000;
const rangesPerRecord = 4096;
/** What a key takes in the map, about, beside its octets. */
const keyBytes = 80;
/** Of what all keys may take, so much beside it for ends of transactions. */
const shareOfEnds = 1 / 8;

export class Compaction {
  /** Offsets of messages that a newer one of the same key has taken the place of. */
  superseded = new SettledSet();
  /** What passes have seen, and when: those of earlier processes too. */
  seen = new SeenTimes();
  readonly #core: Core;
  readonly #partition: Partition;
  readonly #retention: () => Retention;
  /** Offset of the newest message of each key, whose bytes are the octets of the string; of one in a batch, -1 - its offset. */
  readonly #newestByKey = new Map<string, number>();
  readonly #passing: Passing;
  /** They are due, and the last of the log. */
  #lastTombstone: string | undefined;
  #lastEnd: { readonly offset: number; readonly from: number } | undefined;
  /** Of a message of a batch without a key that is the last of the log; -1: it is none. */
  #lastKeyless = -1;
  /** Where open transactions began, by producer. */
  readonly #begins = new Map<number, number>();
  readonly #entry = new EntryCursor();
  readonly #other = new EntryCursor();
  /** The next to look at. */
  #at = 0;
  /** The entry there is too young before this time. */
  #notBeforeMs = 0;
  /** Of the batch that is looked at: the next offset, and what goes. */
  #expected = 0;
  /** What goes after this pass: places as in the map, and of batches, ranges without messages. */
  #removed: number[] = [];
  #gaps = new RangeSet();
  /** Offsets of batches that cannot be read: they stay as they are. */
  readonly #unreadable = new RangeSet();
  /** What the map was last swept for. */
  #sweptFirst = 0;
  /** Keys that are still to be looked at for that. */
  #unswept: MapIterator<[string, number]> | undefined;
  #timer: TimerHandle | undefined;
  #isRunning = false;
  /** Some keys had no room in the map: what they left behind is not known, and a tombstone must not go before it. */
  #isPartial = false;

  constructor(core: Core, partition: Partition, retention: () => Retention) {
    this.#core = core;
    this.#partition = partition;
    this.#retention = retention;
    const roomOfKeys = {
      take: (bytes: number): boolean => this.#takeRoom(bytes),
      giveBack: (bytes: number): void => void (core.compactionBytes -= bytes),
    };
    const roomOfEnds = {
      take: (bytes: number): boolean => this.#takeRoomOfEnds(bytes),
      giveBack: (bytes: number): void => void (core.compactionEndBytes -= bytes),
    };
    this.#passing = new Passing(roomOfKeys, roomOfEnds);
    partition.runs.keptIn = (start, end): number => this.liveIn(start, end);
    partition.goneEnd = (offset): number => this.superseded.endFrom(offset);
    partition.isGone = (offset, count): boolean => this.superseded.hasAll(offset - count + 1, offset + 1);
    partition.retained = (entry): Buffer | undefined => this.#retained(entry);
    partition.shrink = (entry): boolean => this.#shrink(entry);
  }

  /** The log grew, or has just been opened. */
  wake(): void {
    if (this.#isRunning || !this.#retention().compact) return;
    const { clock } = this.#core;
    const nowMs = clock.now();
    let atMs = Infinity;
    if (this.#at < this.#partition.stableEnd) atMs = Math.max(nowMs + passEveryMs, this.#notBeforeMs);
    atMs = Math.min(atMs, Math.max(nowMs + passEveryMs, this.#passing.seenMs + this.#passingAfterMs));
    if (atMs === Infinity || (this.#timer !== undefined && this.#timer.atMs <= atMs)) return;
    this.stop();
    this.#timer = clock.setTimer(atMs, () => {
      this.#timer = undefined;
      this.#isRunning = true;
      this.#core.compacting.wait(this.#pass);
    });
  }

  /** Retention says something else than it did: what waits may be due. */
  configured(): void {
    this.stop();
    this.#notBeforeMs = 0;
    this.wake();
  }

  stop(): void {
    if (this.#timer !== undefined) this.#core.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  /** The log is deleted. */
  destroy(): void {
    this.stop();
    for (const key of this.#newestByKey.keys()) this.#forgetKey(key);
    this.#passing.forgetAll();
  }

  /** Recovery: what the journal says. */
  restore(start: number, count: number): void {
    const partition = this.#partition;
    const end = start + count;
    this.superseded.addRange(start, end);
    for (let at = partition.firstInMemory(start, end); at < end; at = partition.firstInMemory(at, end)) {
      if (!partition.look(at, this.#entry)) return;
      const { baseOffset, offset: last } = this.#entry;
      if (this.superseded.hasAll(baseOffset, last + 1)) partition.forget(last);
      at = last + 1;
    }
  }

  /** Messages that are kept from `first` on. */
  countKept(): number {
    const { first, next } = this.#partition;
    return next - first - this.superseded.countIn(first, next);
  }

  /** Messages that are kept in entries that end in [start, end), or some more. */
  liveIn(start: number, end: number): number {
    const from = Math.max(0, start - this.#partition.maxSpan + 1);
    return end - from - this.superseded.countIn(from, end);
  }

  readonly #pass = (): void => {
    const { clock, compacting } = this.#core;
    if (this.#partition.isDeleted) return;
    const fromMs = clock.elapsedMs();
    const end = this.#partition.stableEnd;
    const { missing, isTooYoung } = this.#look(end, fromMs + pieceMs);
    this.seen.note(this.#at, this.#core.now(), this.#passingAfterMs);
    this.#removePassed();
    this.#supersede();
    compacting.spent(clock.elapsedMs() - fromMs);
    if (missing >= 0) this.#load(missing);
    else if (this.#at < end && !isTooYoung) compacting.wait(this.#pass);
    else this.#sweep();
  };

  /** Goes on towards `end`: to what is not in memory, or is too young, or as far as one piece goes. */
  #look(end: number, untilMs: number): { missing: number; isTooYoung: boolean } {
    const partition = this.#partition;
    const { clock } = this.#core;
    const lagMs = this.#retention().compactLagMs ?? 0;
    const youngMs = this.#core.now() - lagMs;
    this.#at = Math.max(this.#at, partition.first);
    for (let looks = 0; this.#at < end && looks < looksPerTurn; looks++) {
      if (this.superseded.has(this.#at)) this.#at = this.superseded.endFrom(this.#at);
      else if (partition.look(this.#at, this.#entry)) {
        const { timestampMs, offset, count, isBatch } = this.#entry;
        if (lagMs > 0 && timestampMs > youngMs) {
          this.#notBeforeMs = this.#core.now() + timestampMs - youngMs;
          return { missing: -1, isTooYoung: true };
        }
        this.#note();
        this.#at = offset + 1;
        looks += count - 1;
        if (isBatch && clock.elapsedMs() > untilMs) break;
      } else return { missing: this.#at, isTooYoung: false };
    }
    return { missing: -1, isTooYoung: false };
  }

  /** The entry at #entry counts. */
  #note(): void {
    const entry = this.#entry;
    const { offset, baseOffset, isBatch } = entry;
    const format = this.#core.format(entry.format);
    if (!isBatch && format.keys === undefined) {
      const key = entry.keyOctets();
      if (key !== undefined) this.#noteKey(offset, offset, key, false);
      return;
    }
    const producerId = isBatch ? (format.transactionOf?.(entry) ?? -1) : -1;
    if (isBatch && format.isControl?.(entry) === true) return this.#noteEnd(producerId, offset);
    if (producerId >= 0 && !this.#begins.has(producerId)) this.#begins.set(producerId, baseOffset);
    this.#expected = baseOffset;
    const isAborted = this.#partition.transactions?.isAborted(baseOffset) === true;
    if (!isAborted && format.keys?.(entry, this.#noteMessage) !== true) {
      this.#unreadable.add(baseOffset, offset + 1);
      return;
    }
    this.#noteGap(offset + 1);
  }

  readonly #noteMessage = (
    offset: number,
    buffer: Uint8Array,
    keyStart: number,
    keyEnd: number,
    isTombstone: boolean,
  ): void => {
    if (offset < this.#expected || offset > this.#entry.offset) return;
    // It goes with the gap up to the next that has one.
    if (keyStart < 0 && this.#entry.isBatch && !this.#staysAsLast(offset)) return;
    this.#noteGap(offset);
    this.#expected = offset + 1;
    if (keyStart < 0 || this.superseded.has(offset)) return;
    const key = Buffer.from(buffer.buffer, buffer.byteOffset + keyStart, keyEnd - keyStart).toString("latin1");
    this.#noteKey(offset, this.#entry.isBatch ? -1 - offset : offset, key, isTombstone);
  };

  #staysAsLast(keyless: number): boolean {
    const isLast = keyless + 1 >= this.#partition.stableEnd;
    if (isLast) this.#lastKeyless = keyless;
    return isLast;
  }

  /** Up to here the batch has no more messages. */
  #noteGap(end: number): void {
    this.#gaps.add(this.#expected, end);
    this.#expected = end;
  }

  #noteKey(offset: number, place: number, key: string, isTombstone: boolean): void {
    const older = this.#newestByKey.get(key);
    if (older === undefined && !this.#hasRoom(key)) return;
    if (older !== undefined && offsetOf(older) !== offset) this.#removed.push(older);
    this.#newestByKey.set(key, place);
    if (key === this.#lastTombstone) this.#lastTombstone = undefined;
    if (isTombstone) this.#passing.addTombstone(key, this.#seenMs(offset));
    else this.#passing.removeTombstone(key);
  }

  #hasRoom(key: string): boolean {
    const isThere = this.#takeRoom(keyBytes + key.length);
    if (!isThere) this.#isPartial = true;
    return isThere;
  }

  #takeRoom(bytes: number): boolean {
    const core = this.#core;
    if (core.compactionBytes + bytes <= core.settings.compactionBytesMax) {
      core.compactionBytes += bytes;
      return true;
    }
    this.#warn("a compacted log has more keys than there is room for: older messages of some of them stay");
    return false;
  }

  #takeRoomOfEnds(bytes: number): boolean {
    const core = this.#core;
    if (core.compactionEndBytes + bytes <= core.settings.compactionBytesMax * shareOfEnds) {
      core.compactionEndBytes += bytes;
      return true;
    }
    this.#warn("a compacted log has more ends of transactions than there is room for: some of them stay");
    return false;
  }

  #warn(what: string): void {
    const queue = this.#core.queueById.get(this.#partition.id);
    this.#core.limitedLog.warn(what, {
      queue: queue?.topic.name,
      partition: this.#partition.index,
      namespace: queue?.namespace.name,
    });
  }

  #forgetKey(key: string): void {
    this.#newestByKey.delete(key);
    this.#passing.removeTombstone(key);
    if (key === this.#lastTombstone) this.#lastTombstone = undefined;
    this.#core.compactionBytes -= keyBytes + key.length;
  }

  /** The end of a producer's transaction. */
  #noteEnd(producerId: number, offset: number): void {
    if (producerId < 0) return;
    this.#passing.addEnd(offset, this.#begins.get(producerId) ?? offset, this.#seenMs(offset));
    this.#begins.delete(producerId);
  }

  /** How long what passes stays when it has been seen. */
  get #passingAfterMs(): number {
    return this.#retention().deleteRetentionMs ?? deleteRetentionMsUsual;
  }

  /** When what is looked at now was seen first. */
  #seenMs(offset: number): number {
    return this.seen.of(offset, this.#core.now());
  }

  /**
   * Tombstones that were heard long enough, and ends of transactions of which nothing else is left. What is the last of the log
   * stays until something lies behind it: Kafka's clients come to the end of a log by what they are given there, and by nothing else.
   */
  #removePassed(): void {
    const nowMs = this.#core.now();
    const { first, stableEnd } = this.#partition;
    const [lastTombstone, lastEnd] = [this.#lastTombstone, this.#lastEnd];
    this.#lastTombstone = undefined;
    this.#lastEnd = undefined;
    const take = (key: string): void => {
      const place = this.#newestByKey.get(key)!;
      if (offsetOf(place) + 1 >= stableEnd) {
        this.#lastTombstone = key;
        return;
      }
      this.#forgetKey(key);
      this.#removed.push(place);
    };
    if (this.#lastKeyless >= 0 && this.#lastKeyless + 1 < stableEnd) {
      this.#removed.push(-1 - this.#lastKeyless);
      this.#lastKeyless = -1;
    }
    const putOff: number[] = [];
    const takeEnd = (offset: number, from: number): void => {
      if (offset < first || this.superseded.has(offset)) return;
      if (!this.superseded.hasAll(Math.max(from, first), offset)) putOff.push(offset, from);
      else if (offset + 1 >= stableEnd) this.#lastEnd = { offset, from };
      else this.#removed.push(-1 - offset);
    };
    // Some keys' older messages are not known, and would be back.
    if (this.#isPartial) this.#passing.forgetTombstones();
    else if (lastTombstone !== undefined) take(lastTombstone);
    if (lastEnd !== undefined) takeEnd(lastEnd.offset, lastEnd.from);
    const byMs = nowMs - this.#passingAfterMs;
    this.#passing.takeTombstones(byMs, looksPerTurn, take);
    this.#passing.takeEnds(byMs, looksPerTurn, takeEnd);
    for (let at = 0; at < putOff.length; at += 2) this.#passing.addEnd(putOff[at]!, putOff[at + 1]!, nowMs);
  }

  #load(offset: number): void {
    this.#core.evict();
    this.#partition.load(offset, false, (coveredEnd) => {
      // What is covered and not there does not exist.
      this.#at = this.#partition.firstInMemory(offset, Math.min(coveredEnd, this.#partition.visibleEnd));
      this.#core.compacting.wait(this.#pass);
    });
  }

  #supersede(): void {
    const partition = this.#partition;
    const [removed, gaps] = [this.#removed, this.#gaps];
    const ranges = new RangeSet();
    this.#removed = [];
    this.#gaps = new RangeSet();
    // What was so already is not written again.
    for (const [i, start] of gaps.starts.entries()) {
      const end = gaps.ends[i]!;
      if (this.superseded.addRange(start, end) > 0) ranges.add(start, end);
    }
    for (const place of removed) {
      const offset = offsetOf(place);
      if (offset < partition.first || !this.superseded.add(offset)) continue;
      ranges.add(offset, offset + 1);
      if (place >= 0) partition.remove(offset);
    }
    for (const [i, start] of ranges.starts.entries()) this.#removeEmpty(start, ranges.ends[i]!);
    if (partition.isDurable) this.#record(ranges);
  }

  /** The batches that hold the offsets, neighbours that went together too, if they are in memory and nothing is left of them. */
  #removeEmpty(start: number, end: number): void {
    const partition = this.#partition;
    for (let at = start; at < end;) {
      at = partition.firstInMemory(at, end);
      if (at === end || !partition.look(at, this.#other)) return;
      const { baseOffset, offset: last } = this.#other;
      if (this.superseded.hasAll(baseOffset, last + 1)) partition.remove(last);
      at = last + 1;
    }
  }

  #record({ starts, ends }: RangeSet): void {
    const { commit } = this.#core;
    for (let from = 0; from < starts.length; from += rangesPerRecord) {
      const count = Math.min(rangesPerRecord, starts.length - from);
      commit.reserve(7 + count * 10);
      const { buffer } = commit;
      let { at } = commit;
      buffer[at] = record.settled;
      putU32(buffer, at + 1, this.#partition.id);
      putU16(buffer, at + 5, count);
      at += 7;
      for (let i = from; i < from + count; i++) {
        writeU48(buffer, at, starts[i]!);
        putU32(buffer, at + 6, ends[i]! - starts[i]!);
        at += 10;
      }
      commit.at = at;
    }
  }

  /** The whole entry without the messages that were superseded; undefined: as it is. */
  #retained(entry: EntryCursor): Buffer | undefined {
    const { isBatch, baseOffset, offset: last, count, buffer, bodyStart } = entry;
    if (!isBatch) return undefined;
    const kept = count - this.superseded.countIn(baseOffset, last + 1);
    if (kept === count || this.#unreadable.has(last)) return undefined;
    const format = this.#core.format(entry.format);
    if (format.isControl?.(entry) === true || (format.messages?.(entry) ?? count) <= kept) return undefined;
    const body = format.retain?.(entry, (offset) => !this.superseded.has(offset));
    if (body === undefined) return undefined;
    return Buffer.concat([buffer.subarray(bodyStart - batchHeadBytes, bodyStart), body]);
  }

  /** The batch, which is in memory, gives way to what is left of it. False: it is as it should be, and the cursor on it. */
  #shrink(entry: EntryCursor): boolean {
    const retained = this.#retained(entry);
    if (retained === undefined) return false;
    const { commit } = this.#core;
    commit.reserveSide(retained.length);
    const { sideSlot, sideAt } = commit;
    retained.copy(commit.sideBuffer, sideAt);
    commit.sideAt += retained.length;
    this.#partition.replace(entry.offset, sideSlot, sideAt, retained.length, retained.length - batchHeadBytes);
    return true;
  }

  /** The end of a pass: keys whose newest message retention has taken are forgotten, some in each turn. */
  readonly #sweep = (): void => {
    const { first, isDeleted } = this.#partition;
    const { clock, compacting } = this.#core;
    if (isDeleted) return;
    if (this.#unswept === undefined && first !== this.#sweptFirst) {
      this.#sweptFirst = first;
      this.superseded.addRange(this.superseded.floor, first);
      // All that is left of the batch that was cut may have gone before.
      this.#removeEmpty(first, first + 1);
      this.#unreadable.removeBelow(first);
      this.#unswept = this.#newestByKey.entries();
    }
    const fromMs = clock.elapsedMs();
    for (let looks = 0; this.#unswept !== undefined && looks < looksPerTurn; looks++) {
      const { done, value } = this.#unswept.next();
      if (done === true) this.#unswept = undefined;
      else if (offsetOf(value[1]) < this.#sweptFirst) this.#forgetKey(value[0]);
    }
    compacting.spent(clock.elapsedMs() - fromMs);
    if (this.#unswept !== undefined) return compacting.wait(this.#sweep);
    this.#isRunning = false;
    this.wake();
  };
}

/** Of a place in the map. */
function offsetOf(place: number): number {
  return place < 0 ? -1 - place : place;
}
