/**
 * Which message comes next: three orders behind one interface.
 *
 *   sequential   offset order. What was never handed out is one number, the cursor; what came back is a heap.
 *   priority     the highest level first, offset order within it: a ring of offsets and a heap for each level.
 *   keyed        offset order per key, one message of a key at a time: a key is locked from take to settle.
 *
 * Only the first needs nothing per waiting message; the others keep 8 bytes for each, and are built anew at recovery
 * by a walk through the partition (`needsScan`).
 */
import { NumberRing } from "../../base/number-ring.ts";
import { OffsetHeap } from "../../base/offset-heap.ts";
import type { QueueSettings } from "../api.ts";

export interface ReadySource {
  /** True: recovery must call appended() for each message that waits, since it cannot be told from numbers. */
  readonly needsScan: boolean;
  appended(offset: number, priority: number, key: string | undefined): void;
  /** The next offset below `limit`, or -1. */
  peek(limit: number): number;
  /** Takes away what peek() has just answered. */
  take(): void;
  /** What was taken is back in its place. */
  giveBack(offset: number): void;
  /** What was taken is gone for good. */
  settled(offset: number): void;
  /** True: take() will come to it by itself. */
  isAhead(offset: number): boolean;
  /** A message whose time has come: back if it was taken, in its place if it never was. */
  due(offset: number, priority: number, key: string | undefined): void;
  /** Recovery: a message that came back and waits for its time; due() will name it. */
  heldBack(offset: number, priority: number, key: string | undefined): void;
  /** Forgets everything below `next`: what waits there was removed. */
  skipTo(next: number): void;
  /** Visits the offsets at the head of each level: only these may expire. */
  heads(limit: number, visit: (offset: number) => void): void;
  /** Takes one that heads() has just visited. */
  takeHead(offset: number): void;
  /** From here on what was not taken waits to be. Whether something before it does is seen when peek() answers it. */
  readonly knownFrom: number;
  /** Offsets of [start, end), from `knownFrom` on, that were taken and are neither back nor gone, in order. */
  takenIn(start: number, end: number): number[];
}

export function createReady(settings: QueueSettings): ReadySource {
  if (settings.mode === "keyed") return new KeyedReady();
  if (settings.maxPriority > 0) return new PriorityReady(settings.maxPriority);
  return new SequentialReady();
}

export class SequentialReady implements ReadySource {
  readonly needsScan = false;
  cursor = 0;
  readonly #returned = new OffsetHeap();

  appended(): void {}

  peek(limit: number): number {
    if (this.#returned.size > 0) return this.#returned.peekKey();
    return this.cursor < limit ? this.cursor : -1;
  }

  take(): void {
    if (this.#returned.size > 0) this.#returned.pop();
    else this.cursor++;
  }

  giveBack(offset: number): void {
    this.#returned.push(offset, 0);
  }

  settled(): void {}

  isAhead(offset: number): boolean {
    return offset >= this.cursor;
  }

  due(offset: number): void {
    this.#returned.push(offset, 0);
  }

  heldBack(): void {}

  skipTo(next: number): void {
    this.cursor = Math.max(this.cursor, next);
    this.#returned.clear();
  }

  heads(limit: number, visit: (offset: number) => void): void {
    const offset = this.peek(limit);
    if (offset >= 0) visit(offset);
  }

  takeHead(): void {
    this.take();
  }

  get knownFrom(): number {
    return this.cursor;
  }

  takenIn(): number[] {
    return [];
  }
}

/** Messages of one priority: those never taken, and those that came back or were late, which lie anywhere among them. */
class Level {
  readonly fresh = new NumberRing();
  readonly returned = new OffsetHeap();

  peek(limit: number): number {
    const fresh = this.fresh.peek();
    const returned = this.returned.peekKey();
    const offset = fresh >= 0 && fresh < returned ? fresh : returned;
    return offset < limit ? offset : -1;
  }

  take(): number {
    const offset = this.fresh.peek();
    return offset < 0 || this.returned.peekKey() < offset ? this.returned.pop() : this.fresh.shift();
  }
}

export class PriorityReady implements ReadySource {
  readonly needsScan = true;
  readonly knownFrom = 0;
  /** Levels that had a message, by priority; and their priorities, the highest first. Most queues use few of them. */
  readonly #levels = new Map<number, Level>();
  readonly #priorities: number[] = [];
  readonly #priorityMax: number;
  /** Priorities of what was taken, for the way back. */
  readonly #taken = new Map<number, number>();
  #peeked = 0;

  constructor(priorityMax: number) {
    this.#priorityMax = priorityMax;
  }

  appended(offset: number, priority: number): void {
    this.#level(Math.min(priority, this.#priorityMax)).fresh.push(offset);
  }

  peek(limit: number): number {
    for (let i = 0; i < this.#priorities.length; i++) {
      const priority = this.#priorities[i]!;
      const offset = this.#levels.get(priority)!.peek(limit);
      if (offset < 0) continue;
      this.#peeked = priority;
      return offset;
    }
    return -1;
  }

  take(): void {
    this.#taken.set(this.#level(this.#peeked).take(), this.#peeked);
  }

  giveBack(offset: number): void {
    this.due(offset, 0);
  }

  settled(offset: number): void {
    this.#taken.delete(offset);
  }

  isAhead(): boolean {
    return false;
  }

  due(offset: number, priority: number): void {
    const level = this.#taken.get(offset) ?? Math.min(priority, this.#priorityMax);
    this.#taken.delete(offset);
    this.#level(level).returned.push(offset, 0);
  }

  heldBack(offset: number, priority: number): void {
    this.#taken.set(offset, Math.min(priority, this.#priorityMax));
  }

  skipTo(): void {
    this.#levels.clear();
    this.#priorities.length = 0;
  }

  heads(limit: number, visit: (offset: number) => void): void {
    for (const priority of [...this.#priorities]) {
      const offset = this.#level(priority).peek(limit);
      if (offset >= 0) visit(offset);
    }
  }

  takeHead(offset: number): void {
    this.#peeked = this.#priorities.find((priority) => this.#level(priority).peek(Infinity) === offset) ?? 0;
    this.take();
  }

  takenIn(start: number, end: number): number[] {
    return within(this.#taken.keys(), start, end);
  }

  #level(priority: number): Level {
    let level = this.#levels.get(priority);
    if (level !== undefined) return level;
    level = new Level();
    this.#levels.set(priority, level);
    const at = this.#priorities.findIndex((other) => other < priority);
    this.#priorities.splice(at < 0 ? this.#priorities.length : at, 0, priority);
    return level;
  }
}

interface KeyGroup {
  readonly key: string;
  readonly offsets: OffsetHeap;
  isLocked: boolean;
}

export class KeyedReady implements ReadySource {
  readonly needsScan = true;
  readonly knownFrom = 0;
  readonly #groups = new Map<string, KeyGroup>();
  /** Groups that are not locked, by their first offset. Stale numbers are passed over. */
  readonly #heads = new OffsetHeap();
  readonly #groupOfHead = new Map<number, KeyGroup>();
  readonly #taken = new Map<number, KeyGroup>();

  /** Messages without a key are each a group of their own. */
  appended(offset: number, _priority: number, key: string | undefined): void {
    const group = this.#group(offset, key);
    group.offsets.push(offset, 0);
    this.#offer(group);
  }

  peek(limit: number): number {
    for (;;) {
      const offset = this.#heads.peekKey();
      if (offset === Infinity || offset >= limit) return -1;
      const group = this.#groupOfHead.get(offset);
      if (group !== undefined && !group.isLocked && group.offsets.peekKey() === offset) return offset;
      this.#heads.pop();
      this.#groupOfHead.delete(offset);
    }
  }

  take(): void {
    const offset = this.#heads.pop();
    const group = this.#groupOfHead.get(offset)!;
    this.#groupOfHead.delete(offset);
    group.offsets.pop();
    group.isLocked = true;
    this.#taken.set(offset, group);
  }

  giveBack(offset: number): void {
    const group = this.#taken.get(offset);
    if (group === undefined) return;
    this.#taken.delete(offset);
    group.offsets.push(offset, 0);
    group.isLocked = false;
    this.#offer(group);
  }

  settled(offset: number): void {
    const group = this.#taken.get(offset);
    if (group === undefined) return;
    this.#taken.delete(offset);
    group.isLocked = false;
    if (group.offsets.size === 0) this.#groups.delete(group.key);
    else this.#offer(group);
  }

  isAhead(): boolean {
    return false;
  }

  due(offset: number, priority: number, key: string | undefined): void {
    if (this.#taken.has(offset)) this.giveBack(offset);
    else this.appended(offset, priority, key);
  }

  /** Its key stays locked, or what comes after it would overtake it. */
  heldBack(offset: number, _priority: number, key: string | undefined): void {
    const group = this.#group(offset, key);
    group.isLocked = true;
    this.#taken.set(offset, group);
  }

  skipTo(): void {
    this.#heads.clear();
    this.#groupOfHead.clear();
    const locked = [...this.#taken.values()];
    this.#groups.clear();
    for (const group of locked) {
      group.offsets.clear();
      this.#groups.set(group.key, group);
    }
  }

  heads(limit: number, visit: (offset: number) => void): void {
    const offset = this.peek(limit);
    if (offset >= 0) visit(offset);
  }

  takeHead(): void {
    this.take();
  }

  takenIn(start: number, end: number): number[] {
    return within(this.#taken.keys(), start, end);
  }

  #group(offset: number, key: string | undefined): KeyGroup {
    const name = key ?? `\u0000${offset}`;
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = { key: name, offsets: new OffsetHeap(), isLocked: false };
      this.#groups.set(name, group);
    }
    return group;
  }

  #offer(group: KeyGroup): void {
    if (group.isLocked) return;
    const offset = group.offsets.peekKey();
    if (this.#groupOfHead.get(offset) === group) return;
    this.#groupOfHead.set(offset, group);
    this.#heads.push(offset, 0);
  }
}

function within(offsets: Iterable<number>, start: number, end: number): number[] {
  const found: number[] = [];
  for (const offset of offsets) if (offset >= start && offset < end) found.push(offset);
  return found.sort((a, b) => a - b);
}
