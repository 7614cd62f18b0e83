/**
 * The way of a message in: routing, then one copy into the block buffer, then a slot in the page of each queue.
 *
 * However many queues a message reaches, its bytes are written once: the journal's record names all durable targets,
 * and the queues that are not durable point to the same bytes. A message that no durable queue wants durably goes to the
 * side buffer instead and never to disk. Nothing here allocates per message; the arrays are reused.
 *
 * Where an exchange does more than route (it delays, keeps a history, remembers ids), it does so for whatever comes to it,
 * straight from a publisher or by way of another exchange, of an alternate, of a death. First all of the way is found
 * (`way.ts`), then all of it is done (`deliver`), in one atomic group. Keys whose routes are known are past all that: with
 * such an exchange on the way, nothing is known by the key alone.
 */
import { putU16, putU32 } from "../base/bytes.ts";
import type { Publication, PublishOutcome } from "./api.ts";
import type { ExchangeState } from "./catalog/exchange-state.ts";
import type { NamespaceState } from "./catalog/namespace-state.ts";
import type { QueueState } from "./catalog/queue-state.ts";
import { idsNowOf, isDuplicateIn } from "./catalog/remembered-ids.ts";
import { partitionFor } from "./catalog/topic-partitions.ts";
import type { Core } from "./core.ts";
import { untilMs } from "./dedup-window.ts";
import { record } from "./durability/records.ts";
import { entryBytesMax, writeEntry, writeText, writeU48 } from "./entry.ts";
import { shortened, textMax } from "./texts.ts";
import { clear, newWay, Ways, type Way } from "./way.ts";

const targetBytes = 10;
/** Targets of one record; a wider fan-out is written as several. */
const targetsMax = 60_000;
/** In the year 10889: what six octets hold. */
const deliverAtMsMax = 2 ** 48 - 1;

/** A queue that is full, and is told to dead-letter what it refuses. */
export interface Refusal {
  readonly queue: QueueState;
  readonly publication: Publication;
}

interface Scratch {
  readonly way: Way;
  readonly routed: QueueState[];
  readonly one: QueueState[];
  readonly chosen: QueueState[];
  readonly refusals: Refusal[];
  offsets: Float64Array;
}

export class Publisher {
  readonly #core: Core;
  readonly #ways: Ways;
  /** Scratch of each nesting level: a publish may drop a head, whose dead-lettering is a publish within it. */
  readonly #scratch: Scratch[] = [];
  #depth = 0;

  constructor(core: Core) {
    this.#core = core;
    this.#ways = new Ways(core);
  }

  publish(namespace: NamespaceState, p: Publication, outcome: PublishOutcome): void {
    const exchange = p.exchange as ExchangeState;
    outcome.refused = false;
    if (namespace.isDeleted) {
      outcome.routed = 0;
      outcome.ticket = 0;
      return;
    }
    exchange.counters.publishedIn++;
    const { routing } = exchange;
    let targets: readonly QueueState[] | undefined;
    if (routing === undefined) targets = this.#routeByName(namespace, p);
    else if (p.extraKeys === undefined) targets = namespace.router.routeByKey(routing, p.routingKey);
    if (targets === undefined) {
      const { way } = this.#level();
      this.#ways.walk(namespace, routing!, p, undefined, way);
      exchange.counters.routedOut += way.queues.length;
      this.deliver(namespace, way, p, outcome, false);
      return;
    }
    outcome.routed = targets.length;
    exchange.counters.routedOut += targets.length;
    if (targets.length === 0) outcome.ticket = 0;
    else this.#append(targets, p, outcome, undefined, undefined, false);
  }

  /**
   * Where a publication goes from an exchange, and what else is to be done with it; deliver() does it. `isDue`: it has
   * waited at this exchange for its time. The answer is *reused*.
   */
  find(namespace: NamespaceState, exchange: ExchangeState, p: Publication, isDue = false): Way {
    const { routing } = exchange;
    const { way } = this.#level();
    if (routing !== undefined) this.#ways.walk(namespace, routing, p, isDue ? exchange : undefined, way);
    else {
      clear(way);
      way.queues.push(...this.#routeByName(namespace, p));
    }
    return way;
  }

  /**
   * Does with a publication what find() has just found, all of it in one atomic group. `comesBack`: it was in a queue before.
   * `refusals`: as for append().
   */
  deliver(
    namespace: NamespaceState,
    way: Way,
    p: Publication,
    outcome: PublishOutcome,
    comesBack: boolean,
    refusals?: Refusal[],
  ): void {
    const { queues } = way;
    outcome.routed = queues.length;
    outcome.refused = false;
    outcome.ticket = 0;
    if (way.hasActed) this.#deliverMore(namespace, way, p, outcome, comesBack, refusals);
    else if (queues.length > 0) this.#append(queues, p, outcome, undefined, refusals, comesBack);
  }

  #deliverMore(
    namespace: NamespaceState,
    way: Way,
    p: Publication,
    outcome: PublishOutcome,
    comesBack: boolean,
    refusals: Refusal[] | undefined,
  ): void {
    const { queues, histories, waitsAt, isDuplicate, unseenBy } = way;
    const waits = waitsAt.length > 0;
    if (outcome.routed === 0 && (waits || isDuplicate)) outcome.routed = 1;
    // What an exchange keeps for queues to come has reached nobody yet.
    for (const history of histories) queues.push(history);
    if (!waits) {
      if (queues.length > 0) this.#append(queues, p, outcome, unseenBy, refusals, comesBack);
      else if (isDuplicate) outcome.ticket = this.#core.commit.ticket;
    } else if (queues.length === 0) this.#hold(namespace, way, p, outcome);
    else {
      this.#core.commit.atomically(() => {
        this.#append(queues, p, outcome, undefined, refusals, comesBack);
        this.#hold(namespace, way, p, outcome);
      });
    }
  }

  /** Appended where it waits: a message of its own beside what is in queues already, since it has its time and its head. */
  #hold(namespace: NamespaceState, { waitsAt, dueMs, unseenBy }: Way, p: Publication, outcome: PublishOutcome): void {
    const { routed: targets } = this.#level();
    targets.length = 0;
    for (const exchange of waitsAt) targets.push(namespace.waitingAt(exchange));
    const { deliverAtMs, head, headStart, headEnd } = p;
    if (dueMs !== deliverAtMs) {
      const served = this.#core.format(p.format).withDelayServed!(head, headStart, headEnd);
      p.deliverAtMs = dueMs;
      p.head = served;
      p.headStart = 0;
      p.headEnd = served.length;
    }
    this.#append(targets, p, outcome, unseenBy, undefined, false);
    p.deliverAtMs = deliverAtMs;
    p.head = head;
    p.headStart = headStart;
    p.headEnd = headEnd;
  }

  /** Appends to each target that does not refuse. `comesBack`: as for deliver(). */
  append(targets: readonly QueueState[], p: Publication, outcome: PublishOutcome, comesBack = false): void {
    outcome.routed = targets.length;
    this.#append(targets, p, outcome, undefined, undefined, comesBack);
  }

  /**
   * `refusals`: where those are noted that refuse and dead-letter; without it they have done so when this returns.
   */
  #append(
    targets: readonly QueueState[],
    p: Publication,
    outcome: PublishOutcome,
    unseenBy: readonly ExchangeState[] | undefined,
    refusals: Refusal[] | undefined,
    comesBack: boolean,
  ): void {
    // As on the disk, where there is no later time: or it would come at once after the next start.
    if (p.deliverAtMs > deliverAtMsMax) p.deliverAtMs = deliverAtMsMax;
    shortenTexts(p);
    this.#depth++;
    const own = this.#level().refusals;
    for (let i = 0; i < targets.length; i++) {
      if (targets[i]!.isPlain) continue;
      targets = this.#taking(targets, p, outcome, refusals ?? own, comesBack);
      break;
    }
    if (p.dedupId !== undefined) {
      // Remembered with the message or not at all: a message that was refused somewhere is to be sent again.
      this.#rememberAll(targets, p, unseenBy === undefined || outcome.refused ? [] : unseenBy, comesBack);
    }
    for (let from = 0; from < targets.length; from += targetsMax) {
      this.#write(targets, from, Math.min(targets.length, from + targetsMax), p);
    }
    if (own.length > 0) this.#deadLetterRefused(own);
    this.#depth--;
    // Not the open one: where everything was refused or seen before, there may be nothing open that would ever be written.
    outcome.ticket = this.#core.commit.ticket;
  }

  #routeByName(namespace: NamespaceState, p: Publication): readonly QueueState[] {
    const queue = namespace.queueByName.get(p.routingKey);
    if (p.extraKeys === undefined) {
      if (queue === undefined) return noQueues;
      const { one } = this.#level();
      one[0] = queue;
      return one;
    }
    const { routed } = this.#level();
    routed.length = 0;
    if (queue !== undefined) routed.push(queue);
    for (const key of p.extraKeys) {
      const other = namespace.queueByName.get(key);
      if (other !== undefined && !routed.includes(other)) routed.push(other);
    }
    return routed;
  }

  /** Of each target the partition that the message goes to, without those that refuse it. */
  #taking(
    targets: readonly QueueState[],
    p: Publication,
    outcome: PublishOutcome,
    refusals: Refusal[],
    comesBack: boolean,
  ): QueueState[] {
    const { chosen: taking } = this.#level();
    taking.length = 0;
    for (const target of targets) {
      const queue = target.partitions.length === 1 ? target : partitionFor(this.#core, target, p);
      if (isDuplicateIn(this.#core, queue, p, comesBack)) continue;
      if (!queue.refuses(p.bodyEnd - p.bodyStart)) taking.push(queue);
      else {
        outcome.refused = true;
        if (queue.settings.overflow !== "reject-publish-dead-letter") continue;
        queue.counters.died("maxlen");
        refusals.push({ queue, publication: p });
      }
    }
    return taking;
  }

  /**
   * Where it goes may refuse it in turn, and dead-letter it, and so on: those come on the same list, since a chain of any
   * length would not fit on the stack. What they are to take has its bytes where the first has them, so all end here.
   */
  #deadLetterRefused(refusals: Refusal[]): void {
    for (let i = 0; i < refusals.length; i++) {
      const { queue, publication } = refusals[i]!;
      this.#core.deadLetterRefused(queue, publication, refusals);
    }
    refusals.length = 0;
  }

  #rememberAll(
    targets: readonly QueueState[],
    p: Publication,
    unseenBy: readonly ExchangeState[],
    comesBack: boolean,
  ): void {
    const holding = targets.filter(({ heldIds }) => heldIds !== undefined);
    const seen = comesBack ? [] : targets.filter(({ dedup }) => dedup !== undefined);
    const count = holding.length + seen.length + unseenBy.length;
    if (count === 0) return;
    // Room for the message is made too: what guards it and what it is must not come to lie in different blocks.
    const idBytes = (13 + p.dedupId!.length * 3) * count;
    this.#core.commit.reserve(idBytes + 7 + Math.min(targets.length, targetsMax) * targetBytes + entryBytesMax(p));
    const isWritten = p.durable || reachesLog(targets, 0, targets.length);
    for (const queue of holding) {
      const { id, heldIds, partition } = queue;
      (idsNowOf(queue) ?? heldIds!).add(p.dedupId!, partition.next);
      // Where the message goes with the process, so does its id.
      if (isWritten && partition.isDurable) this.#writeId(id, p.dedupId!, partition.next);
    }
    const ownMs = this.#core.format(p.format).dedupMs?.(p.head, p.headStart, p.headEnd) ?? -1;
    const seenAt = ownMs < 0 ? this.#core.now() : untilMs(this.#core.now() + ownMs);
    for (const queue of seen) {
      (idsNowOf(queue) ?? queue.dedup!).add(p.dedupId!, seenAt);
      if (queue.isDurable) this.#writeId(queue.id, p.dedupId!, seenAt);
    }
    for (const { id, dedup, isDurable } of unseenBy) {
      dedup!.add(p.dedupId!, seenAt);
      if (isDurable) this.#writeId(id, p.dedupId!, seenAt);
    }
  }

  #writeId(owner: number, dedupId: string, at48: number): void {
    const { commit } = this.#core;
    const { buffer, at } = commit;
    buffer[at] = record.dedup;
    putU32(buffer, at + 1, owner);
    writeU48(buffer, at + 5, at48);
    const end = writeText(buffer, at + 13, dedupId);
    putU16(buffer, at + 11, end - at - 13);
    commit.at = end;
  }

  #write(targets: readonly QueueState[], from: number, to: number, p: Publication): void {
    let durable = 0;
    if (p.durable || reachesLog(targets, from, to)) {
      for (let i = from; i < to; i++) if (targets[i]!.partition.isDurable) durable++;
    }
    const now = this.#core.now();
    const { commit } = this.#core;
    const isShared = to - from > 1;
    let slot: number;
    let start: number;
    let end: number;
    if (durable > 0) {
      commit.reserve(7 + durable * targetBytes + entryBytesMax(p));
      const { buffer, at } = commit;
      buffer[at] = record.entry;
      putU16(buffer, at + 1, durable);
      start = at + 7 + durable * targetBytes;
      end = writeEntry(buffer, start, p, true, isShared, now);
      putU32(buffer, start - 4, end - start);
      commit.at = end;
      slot = commit.slot;
      this.#place(targets, from, to, slot, start, end, p, buffer, at + 3);
    } else {
      commit.reserveSide(entryBytesMax(p));
      start = commit.sideAt;
      end = writeEntry(commit.sideBuffer, start, p, false, isShared, now);
      commit.sideAt = end;
      slot = commit.sideSlot;
      this.#place(targets, from, to, slot, start, end, p, undefined, 0);
    }
  }

  #place(
    targets: readonly QueueState[],
    from: number,
    to: number,
    slot: number,
    start: number,
    end: number,
    p: Publication,
    recordBuffer: Buffer | undefined,
    recordAt: number,
  ): void {
    const { commit } = this.#core;
    const bodyLength = p.bodyEnd - p.bodyStart;
    const deliverAtMs = p.deliverAtMs > this.#core.now() ? p.deliverAtMs : 0;
    // All places are taken before anyone is told: being told may drop a head, and dead-letter it, which appends again.
    const { offsets } = this.#offsetsFor(to - from);
    for (let i = from; i < to; i++) {
      const { partition, id } = targets[i]!;
      commit.touch(partition);
      targets[i]!.counters.published++;
      const offset = partition.append(slot, start, end - start, bodyLength);
      offsets[i - from] = offset;
      if (!partition.isDurable) continue;
      if (recordBuffer === undefined) partition.fleeting.add(offset);
      else {
        putU32(recordBuffer, recordAt, id);
        writeU48(recordBuffer, recordAt + 4, offset);
        recordAt += targetBytes;
      }
    }
    for (let i = from; i < to; i++) {
      const { subscription, named } = targets[i]!;
      const offset = offsets[i - from]!;
      subscription?.appended(offset, p.priority, p.key, bodyLength, deliverAtMs, p.ttlMs);
      if (named === undefined) continue;
      for (const one of named.values()) one.appended(offset, p.priority, p.key, bodyLength, deliverAtMs, p.ttlMs);
    }
  }

  #level(): Scratch {
    let scratch = this.#scratch[this.#depth];
    if (scratch === undefined)
      this.#scratch[this.#depth] = scratch = {
        way: newWay(),
        routed: [],
        one: [],
        chosen: [],
        refusals: [],
        offsets: new Float64Array(16),
      };
    return scratch;
  }

  #offsetsFor(count: number): Scratch {
    const scratch = this.#level();
    if (scratch.offsets.length < count) scratch.offsets = new Float64Array(count * 2);
    return scratch;
  }
}

/** Whoever appends, and wherever the texts come from: a longer one would be read back as other records. */
function shortenTexts(p: Publication): void {
  if (p.dedupId !== undefined) p.dedupId = shortened(p.dedupId);
  if (p.key !== undefined) p.key = shortened(p.key);
  p.routingKey = shortened(p.routingKey);
  if (p.extraKeys?.some((key) => key.length > textMax) === true) p.extraKeys = p.extraKeys.map(shortened);
}

/** A log that outlives the process has no holes: what is appended to it is durable, whatever its producer asks for. */
function reachesLog(targets: readonly QueueState[], from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (targets[i]!.subscription === undefined) return true;
  return false;
}

const noQueues: readonly QueueState[] = Object.freeze([]);
