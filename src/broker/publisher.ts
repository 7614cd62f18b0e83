/**
 * The way of a message in: routing, then one copy into the block buffer, then a slot in the page of each queue.
 *
 * However many queues a message reaches, its bytes are written once: the journal's record names all durable targets,
 * and the queues that are not durable point to the same bytes. A message that no durable queue wants durably goes to the
 * side buffer instead and never to disk. Nothing here allocates per message; the arrays are reused.
 */
import { putU16, putU32 } from "../base/bytes.ts";
import type { Publication, PublishOutcome } from "./api.ts";
import type { ExchangeState } from "./catalog/exchange-state.ts";
import type { NamespaceState } from "./catalog/namespace-state.ts";
import type { QueueState } from "./catalog/queue-state.ts";
import { partitionFor } from "./catalog/topic-partitions.ts";
import type { Core } from "./core.ts";
import type { DedupWindow } from "./dedup-window.ts";
import { record } from "./durability/records.ts";
import { entryBytesMax, writeEntry, writeText, writeU48 } from "./entry.ts";
import type { RouteInput } from "./router/route-input.ts";
import type { Headers } from "./router/values.ts";

const targetBytes = 10;
/** Longest text that is kept with a message, in UTF-16 units: 65,535 octets at most, since 16 bits say how many. */
const textMax = 20_000;
/** Targets of one record; a wider fan-out is written as several. */
const targetsMax = 60_000;
/** In the year 10889: what six octets hold. */
const deliverAtMsMax = 2 ** 48 - 1;

/** A publication as the router sees it. */
class PublicationInput implements RouteInput {
  publication!: Publication;
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  get routingKey(): string {
    return this.publication.routingKey;
  }

  get moreKeys(): readonly string[] {
    return this.publication.extraKeys ?? noKeys;
  }

  headers(): Headers {
    const { format, head, headStart, headEnd } = this.publication;
    return this.#core.format(format).headers(head, headStart, headEnd);
  }

  property(name: string): string | undefined {
    const { format, head, headStart, headEnd } = this.publication;
    return this.#core.format(format).property(name, head, headStart, headEnd);
  }
}

/** A queue or an exchange, as far as it remembers ids. */
interface Remembering {
  readonly id: number;
  readonly dedup: DedupWindow | undefined;
  readonly isDurable: boolean;
}

/** A queue that is full, and is told to dead-letter what it refuses. */
export interface Refusal {
  readonly queue: QueueState;
  readonly publication: Publication;
}

interface Scratch {
  readonly routed: QueueState[];
  readonly one: QueueState[];
  readonly chosen: QueueState[];
  readonly refusals: Refusal[];
  offsets: Float64Array;
}

const noKeys: readonly string[] = Object.freeze([]);

export class Publisher {
  readonly #core: Core;
  readonly #input: PublicationInput;
  /** Scratch of each nesting level: a publish may drop a head, whose dead-lettering is a publish within it. */
  readonly #scratch: Scratch[] = [];
  #depth = 0;

  constructor(core: Core) {
    this.#core = core;
    this.#input = new PublicationInput(core);
  }

  publish(namespace: NamespaceState, p: Publication, outcome: PublishOutcome): void {
    const exchange = p.exchange as ExchangeState;
    outcome.refused = false;
    if (namespace.isDeleted) {
      outcome.routed = 0;
      outcome.ticket = 0;
      return;
    }
    if (p.dedupId !== undefined) p.dedupId = shortened(p.dedupId);
    exchange.counters.publishedIn++;
    const window = p.dedupId === undefined ? undefined : exchange.dedup;
    if (window !== undefined && window.has(p.dedupId!, this.#core.now())) {
      outcome.routed = 1;
      outcome.ticket = this.#core.commit.ticket;
      return;
    }
    let targets: readonly QueueState[];
    if (exchange.settings.delays && p.deliverAtMs > this.#core.now()) {
      const { one } = this.#level();
      one[0] = namespace.delayed();
      targets = one;
      outcome.routed = 1;
    } else {
      targets = this.route(namespace, exchange, p);
      // What the exchange keeps for queues to come has reached nobody yet.
      const isKept = exchange.history !== undefined && targets.at(-1) === exchange.history;
      outcome.routed = isKept ? targets.length - 1 : targets.length;
      exchange.counters.routedOut += outcome.routed;
    }
    if (targets.length === 0) outcome.ticket = 0;
    else this.#append(targets, p, outcome, window, exchange.id, exchange.settings.durable, undefined);
  }

  /** The queues that a publication reaches. The answer is *reused*. */
  route(namespace: NamespaceState, exchange: ExchangeState, p: Publication): readonly QueueState[] {
    const { routing } = exchange;
    if (routing === undefined) return this.#routeByName(namespace, p);
    if (p.extraKeys === undefined && exchange.history === undefined) {
      const known = namespace.router.routeByKey(routing, p.routingKey);
      if (known !== undefined) return known;
    }
    const { routed } = this.#level();
    routed.length = 0;
    this.#input.publication = p;
    namespace.router.route(routing, this.#input, routed);
    if (exchange.history !== undefined && !p.skipsHistory) routed.push(exchange.history);
    return routed;
  }

  /**
   * Appends to each target that does not refuse. `refusals`: where those are noted that refuse and dead-letter; without it
   * they have done so when this returns.
   */
  append(targets: readonly QueueState[], p: Publication, outcome: PublishOutcome, refusals?: Refusal[]): void {
    outcome.routed = targets.length;
    this.#append(targets, p, outcome, undefined, 0, false, refusals);
  }

  #append(
    targets: readonly QueueState[],
    p: Publication,
    outcome: PublishOutcome,
    window: DedupWindow | undefined,
    exchangeId: number,
    isDurable: boolean,
    refusals: Refusal[] | undefined,
  ): void {
    // As on the disk, where there is no later time: or it would come at once after the next start.
    if (p.deliverAtMs > deliverAtMsMax) p.deliverAtMs = deliverAtMsMax;
    shortenTexts(p);
    this.#depth++;
    const own = this.#level().refusals;
    for (let i = 0; i < targets.length; i++) {
      if (targets[i]!.isPlain) continue;
      targets = this.#taking(targets, p, outcome, refusals ?? own);
      break;
    }
    if (p.dedupId !== undefined) {
      // Remembered with the message or not at all: a message that was refused somewhere is to be sent again.
      const owner = window === undefined || outcome.refused ? undefined : { id: exchangeId, dedup: window, isDurable };
      this.#rememberAll(targets, p, owner);
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
  #taking(targets: readonly QueueState[], p: Publication, outcome: PublishOutcome, refusals: Refusal[]): QueueState[] {
    const { chosen: taking } = this.#level();
    taking.length = 0;
    for (const target of targets) {
      const queue = target.partitions.length === 1 ? target : partitionFor(this.#core, target, p);
      if (p.dedupId !== undefined && queue.dedup?.has(p.dedupId, this.#core.now()) === true) continue;
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

  #rememberAll(targets: readonly QueueState[], p: Publication, exchange: Remembering | undefined): void {
    const windows: Remembering[] = targets.filter(({ dedup }) => dedup !== undefined);
    if (exchange !== undefined) windows.push(exchange);
    if (windows.length === 0) return;
    // Room for the message is made too: what guards it and what it is must not come to lie in different blocks.
    const idBytes = (13 + p.dedupId!.length * 3) * windows.length;
    this.#core.commit.reserve(idBytes + 7 + Math.min(targets.length, targetsMax) * targetBytes + entryBytesMax(p));
    for (const one of windows) this.#remember(one, p.dedupId!);
  }

  #remember({ id, dedup, isDurable }: Remembering, dedupId: string): void {
    const now = this.#core.now();
    dedup!.add(dedupId, now);
    if (!isDurable) return;
    const { commit } = this.#core;
    const { buffer, at } = commit;
    buffer[at] = record.dedup;
    putU32(buffer, at + 1, id);
    writeU48(buffer, at + 5, now);
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
      if (recordBuffer === undefined) partition.fleeting.add(offset, offset + 1);
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

/** For texts whose length has to go into 16 bits. Who sends two that differ in the middle alone has one. */
function shortened(text: string): string {
  if (text.length <= textMax) return text;
  // What is cut apart is to be the same text when it is read back.
  return `${text.slice(0, textMax / 4)}\u0000${text.length}\u0000${text.slice(-textMax / 4)}`.toWellFormed();
}

/** A log that outlives the process has no holes: what is appended to it is durable, whatever its producer asks for. */
function reachesLog(targets: readonly QueueState[], from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (targets[i]!.subscription === undefined) return true;
  return false;
}

const noQueues: readonly QueueState[] = Object.freeze([]);
