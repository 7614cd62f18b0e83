/** Journal records, applied in order to what the checkpoint left. */
import { getU16, getU32 } from "../../base/bytes.ts";
import type { Damage, JournalBlock } from "../../log/log.ts";
import { headersFromJson, type Definition } from "../catalog/definition.ts";
import type { ExchangeState } from "../catalog/exchange-state.ts";
import { Positions } from "../catalog/positions.ts";
import { addNamedSubscription, configureOne, removeNamedSubscription } from "../catalog/named-subscriptions.ts";
import type { Subscription } from "../subscription/subscription.ts";
import type { QueueState } from "../catalog/queue-state.ts";
import type { Core } from "../core.ts";
import { EntryCursor, readU48 } from "../entry.ts";
import { deathReasonOf } from "../subscription/subscription-journal.ts";
import {
  restoreAttempts,
  restoreDeath,
  restoreHorizon,
  restoreSettled,
} from "../subscription/subscription-snapshot.ts";
import { Producing } from "../topic/producing.ts";
import { blockBegins, blockContinued, blockContinues, record } from "./records.ts";
import { ReplayedIds } from "./replayed-ids.ts";

/**
 * Changes of definitions, as snapshots and journal records hold them. Each may be applied to a state that has it already:
 * a checkpoint may be taken between a change and its record.
 */
export function applyDefinition(core: Core, definition: Definition): void {
  switch (definition.op) {
    case "namespace":
      core.addNamespace(definition.name);
      return;
    case "namespace-deleted":
      core.removeNamespace(definition.name);
      return;
    case "queue":
      addQueue(core, definition);
      return;
    case "queue-deleted": {
      const queue = core.queueById.get(definition.id);
      if (queue !== undefined) queue.namespace.removeQueue(queue);
      return;
    }
    case "subscription": {
      const queue = core.queueById.get(definition.queue);
      core.lastId = Math.max(core.lastId, definition.id);
      if (queue === undefined || core.subscriptionById.has(definition.id)) return;
      addNamedSubscription(core, queue, definition.id, definition.name, definition.settings, definition.start);
      return;
    }
    case "subscription-settings": {
      const queue = core.queueById.get(definition.queue);
      if (queue !== undefined) configureOne(queue, definition.name, definition.settings);
      return;
    }
    case "subscription-deleted": {
      const queue = core.queueById.get(definition.queue);
      if (queue !== undefined) removeNamedSubscription(core, queue, definition.name);
      return;
    }
    case "settings":
      core.queueById.get(definition.id)?.configure(definition.settings);
      return;
    case "exchange":
      core.lastId = Math.max(core.lastId, definition.id);
      if (core.addNamespace(definition.ns).exchange(definition.name)?.id === definition.id) return;
      core
        .addNamespace(definition.ns)
        .addExchange(definition.id, definition.name, definition.settings, definition.declaration);
      return;
    case "exchange-settings": {
      const namespace = core.namespaceByName.get(definition.ns);
      if (namespace?.exchange(definition.name) !== undefined)
        namespace.configureExchange(definition.name, definition.settings);
      return;
    }
    case "exchange-deleted":
      core.namespaceByName.get(definition.ns)?.removeExchange(definition.name);
      return;
    case "bind":
    case "unbind":
      applyBinding(core, definition);
      return;
    case "put": {
      let values = core.definitions.get(definition.kind);
      if (values === undefined) core.definitions.set(definition.kind, (values = new Map()));
      values.set(definition.name, definition.value);
      return;
    }
    case "remove":
      core.definitions.get(definition.kind)?.delete(definition.name);
      return;
  }
}

function addQueue(core: Core, definition: Extract<Definition, { op: "queue" }>): void {
  const { ns, id, name, settings, declaration, hidden, topic, index } = definition;
  const namespace = core.addNamespace(ns);
  core.lastId = Math.max(core.lastId, id);
  if (core.queueById.has(id)) return;
  if (topic === undefined) namespace.addQueue(id, name, settings, declaration, hidden === true);
  else {
    const whole = core.queueById.get(topic);
    if (whole !== undefined) namespace.addPartition(id, whole, index!);
  }
}

function applyBinding(core: Core, binding: Extract<Definition, { op: "bind" | "unbind" }>): void {
  const namespace = core.addNamespace(binding.ns);
  const queue = binding.queue === undefined ? undefined : namespace.queueByName.get(binding.queue);
  const destination = queue === undefined ? { exchange: binding.exchange ?? "" } : { queue };
  if (namespace.exchange(binding.source) === undefined) return;
  if ("exchange" in destination && namespace.exchange(destination.exchange)?.routing === undefined) return;
  const args = headersFromJson(binding.args);
  if (binding.op === "bind") namespace.addBinding(binding.source, destination, binding.key, args);
  else namespace.removeBinding(binding.source, destination, binding.key, args);
}

/** Applies the records of journal blocks. */
export class Replay {
  blocks = 0;
  /** Blocks that were read and left out. */
  readonly damage: Damage[] = [];
  readonly #core: Core;
  readonly #cursor = new EntryCursor();
  readonly #slots = new Map<Buffer, number>();
  readonly #ids = new ReplayedIds();
  #group: JournalBlock[] = [];
  /** Since the last change of definitions. */
  #exchangeById: Map<number, ExchangeState> | undefined;

  constructor(core: Core) {
    this.#core = core;
  }

  block(block: JournalBlock): void {
    this.blocks++;
    const flags = block.buffer[block.start]!;
    this.#endGroupBefore(block.seq);
    // A crash cut it short: it did not happen, and nobody was told that it did.
    if ((flags & blockBegins) !== 0) this.#group.length = 0;
    // Its beginning may be what cannot be read: all of it, or nothing.
    if ((flags & blockContinues) !== 0 && this.#group.length === 0) return this.#leaveOut([block]);
    this.#group.push(block);
    if ((flags & blockContinued) !== 0) return;
    const group = this.#group;
    this.#group = [];
    for (const one of group) this.#apply(one);
    this.#ids.settle();
    // What is alive of those before keeps them by itself: a start needs no more memory than that, however long the journal is.
    if (this.#slots.size > 1) this.release(block.buffer);
  }

  /** There are no more blocks; the next would be `nextSeq`. */
  end(nextSeq: number): void {
    this.#endGroupBefore(nextSeq);
    this.release();
  }

  /** What lies between the group's last block and this one cannot be read. */
  #endGroupBefore(seq: number): void {
    const last = this.#group.at(-1);
    if (last !== undefined && last.seq !== seq - 1) this.#leaveOut(this.#group.splice(0));
  }

  #leaveOut(blocks: readonly JournalBlock[]): void {
    for (const { seq, file, position, start, end } of blocks) {
      const what = `block ${seq} is one with blocks that cannot be read, and is left out as they are`;
      this.damage.push({ file, position, length: end - start, what });
    }
  }

  /** Gives up the references that kept buffers while they were replayed, but for that of `kept`. */
  release(kept?: Buffer): void {
    for (const [buffer, slot] of this.#slots) {
      if (buffer === kept) continue;
      this.#slots.delete(buffer);
      this.#core.cache.release(slot);
    }
  }

  #apply(block: JournalBlock): void {
    const { buffer, end } = block;
    let at = block.start + 1;
    while (at < end) {
      const kind = buffer[at]!;
      if (kind === record.entry) at = this.#entry(buffer, at);
      else if (kind === record.settled) at = this.#settled(buffer, at);
      else if (kind === record.position) at = Positions.restore((id) => this.#queue(id)?.positions, buffer, at);
      else if (kind === record.horizon) {
        const subscription = this.#subscription(getU32(buffer, at + 1));
        if (subscription !== undefined) restoreHorizon(subscription, readU48(buffer, at + 5));
        at += 11;
      } else if (kind === record.returned) at = this.#returned(buffer, at);
      else if (kind === record.died) at = this.#died(buffer, at);
      else if (kind === record.trimmed) {
        const queue = this.#queue(getU32(buffer, at + 1));
        queue?.partition.trimTo(readU48(buffer, at + 5));
        at += 11;
      } else if (kind === record.define) {
        const length = getU32(buffer, at + 1);
        this.#exchangeById = undefined;
        applyDefinition(this.#core, JSON.parse(buffer.toString("utf8", at + 5, at + 5 + length)) as Definition);
        at += 5 + length;
      } else if (kind === record.dedup) at = this.#dedup(buffer, at);
      else if (kind === record.produced)
        at = Producing.restoreProduced((id) => this.#queue(id)?.producing(), buffer, at, this.#ids);
      else if (kind === record.ended) at = Producing.restoreEnded((id) => this.#queue(id)?.producing(), buffer, at);
      else
        throw new Error(
          `journal block ${block.seq} of ${block.file} has a record of unknown kind ${kind}: written by a newer version?`,
        );
    }
  }

  #queue(id: number): QueueState | undefined {
    return this.#core.queueById.get(id);
  }

  #subscription(id: number): Subscription | undefined {
    return this.#queue(id)?.subscription ?? this.#core.subscriptionById.get(id);
  }

  #entry(buffer: Buffer, at: number): number {
    const targets = getU16(buffer, at + 1);
    const start = at + 7 + targets * 10;
    const length = getU32(buffer, start - 4);
    const cursor = this.#cursor.set(buffer, start, start + length, 0);
    const bodyLength = cursor.bodyEnd - cursor.bodyStart;
    for (let i = 0; i < targets; i++) {
      const queue = this.#queue(getU32(buffer, at + 3 + i * 10));
      if (queue === undefined) continue;
      const offset = readU48(buffer, at + 7 + i * 10);
      const { partition, subscription } = queue;
      const base = offset - cursor.count + 1;
      if (base > partition.next) {
        for (const one of queue.named?.values() ?? []) one.settled.addRange(partition.next, base);
        subscription?.settled.addRange(partition.next, base);
      }
      partition.restore(offset, this.#slot(buffer), start, length, bodyLength, cursor.count);
      this.#ids.guards(queue.id, offset);
      if (subscription !== undefined) this.#count(subscription, cursor, offset, bodyLength);
      for (const one of queue.named?.values() ?? []) this.#count(one, cursor, offset, bodyLength);
    }
    this.#ids.met();
    return start + length;
  }

  #count(subscription: Subscription, cursor: EntryCursor, offset: number, bodyLength: number): void {
    subscription.readyBytes += bodyLength;
    if (cursor.ttlMs >= 0) subscription.mayExpire = true;
    if (
      cursor.deliverAtMs > cursor.timestampMs &&
      !this.#core.schedule.hasFired(subscription.id, cursor.deliverAtMs, offset)
    ) {
      this.#core.schedule.add(cursor.deliverAtMs, subscription.id, offset);
    }
  }

  #settled(buffer: Buffer, at: number): number {
    const id = getU32(buffer, at + 1);
    const subscription = this.#subscription(id);
    const ranges = getU16(buffer, at + 5);
    for (let i = 0; i < ranges; i++) {
      const range = at + 7 + i * 10;
      const start = readU48(buffer, range);
      const count = getU32(buffer, range + 6);
      if (subscription !== undefined) restoreSettled(subscription, start, count);
      else this.#queue(id)?.compaction?.restore(start, count);
    }
    return at + 7 + ranges * 10;
  }

  #returned(buffer: Buffer, at: number): number {
    const subscription = this.#subscription(getU32(buffer, at + 1));
    if (subscription !== undefined) {
      const offset = readU48(buffer, at + 5);
      restoreAttempts(subscription, offset, getU16(buffer, at + 11), getU16(buffer, at + 13), readU48(buffer, at + 15));
    }
    return at + 21;
  }

  #died(buffer: Buffer, at: number): number {
    const subscription = this.#subscription(getU32(buffer, at + 1));
    if (subscription !== undefined)
      restoreDeath(subscription, readU48(buffer, at + 5), deathReasonOf(buffer[at + 11]!));
    return at + 12;
  }

  #dedup(buffer: Buffer, at: number): number {
    const length = getU16(buffer, at + 11);
    const id = buffer.toString("utf8", at + 13, at + 13 + length);
    const owner = getU32(buffer, at + 1);
    const seenAt = readU48(buffer, at + 5);
    const queue = this.#queue(owner);
    if (queue !== undefined) this.#ids.note(queue, id, seenAt);
    else this.#exchange(owner)?.dedup?.add(id, seenAt);
    return at + 13 + length;
  }

  #exchange(id: number): ExchangeState | undefined {
    if (this.#exchangeById === undefined) {
      this.#exchangeById = new Map();
      for (const namespace of this.#core.namespaceByName.values())
        for (const exchange of namespace.exchangeByName.values()) this.#exchangeById.set(exchange.id, exchange);
    }
    return this.#exchangeById.get(id);
  }

  #slot(buffer: Buffer): number {
    let slot = this.#slots.get(buffer);
    if (slot === undefined) this.#slots.set(buffer, (slot = this.#core.cache.adopt(buffer)));
    return slot;
  }
}
