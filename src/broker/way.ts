/**
 * The way of a message through the exchanges: the queues that it reaches, and what the exchanges on the way do with it.
 *
 * Some do more than route. One holds a message back until its time, one keeps it for queues to come, one stops what it has
 * seen. The router asks here at each of them, and it goes no further where it waits or has been seen: not to the alternate
 * either, since nothing has failed. Nothing is done yet. What is found is told, and the publisher does all of it together,
 * or none of it: whoever dead-letters at least once asks the targets for room in between.
 *
 * What a message says of delay, id and history is asked of its format, and only where an exchange or a queue wants to know
 * it: so it counts whoever published it, and costs the others nothing.
 */
import type { Publication } from "./api.ts";
import type { ExchangeState } from "./catalog/exchange-state.ts";
import type { NamespaceState } from "./catalog/namespace-state.ts";
import type { QueueState } from "./catalog/queue-state.ts";
import type { Core } from "./core.ts";
import type { Exchange as RoutingExchange } from "./router/exchange.ts";
import type { RouteInput } from "./router/route-input.ts";
import type { Headers } from "./router/values.ts";
import { shortened } from "./texts.ts";

/** What came of a message's way through the exchanges. *Reused.* */
export interface Way {
  /** That it reaches, each once. */
  readonly queues: QueueState[];
  /** It came to an exchange that does more than route: the rest of this counts. */
  hasActed: boolean;
  /** Where exchanges keep it for queues to come. */
  readonly histories: QueueState[];
  /** Exchanges at which it waits for its time. */
  readonly waitsAt: ExchangeState[];
  /** That time; 0: nobody has asked yet. */
  dueMs: number;
  /** Exchanges that are to remember its id. */
  readonly unseenBy: ExchangeState[];
  /** One has seen it, and stopped it. */
  isDuplicate: boolean;
}

const noKeys: readonly string[] = Object.freeze([]);

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

export class Ways {
  readonly #core: Core;
  readonly #input: PublicationInput;

  // The walk in progress.
  #namespace!: NamespaceState;
  #way!: Way;
  #passed: ExchangeState | undefined;
  /** One that has gone meanwhile, as before the commit of a transaction, leads nowhere. */
  readonly #passes = ({ name }: RoutingExchange<QueueState>): boolean => {
    const exchange = this.#namespace.exchangeByName.get(name);
    return exchange !== undefined && this.#comesTo(exchange);
  };

  constructor(core: Core) {
    this.#core = core;
    this.#input = new PublicationInput(core);
  }

  /** Finds the way from `start` on. `passed`: the exchange at which it has waited, which does that once. */
  walk(
    namespace: NamespaceState,
    start: RoutingExchange<QueueState>,
    p: Publication,
    passed: ExchangeState | undefined,
    way: Way,
  ): void {
    clear(way);
    this.#input.publication = p;
    this.#namespace = namespace;
    this.#passed = passed;
    this.#way = way;
    namespace.router.route(start, this.#input, way.queues, this.#passes);
  }

  /** What an exchange does with a message beside routing it. False: it goes no further from there. */
  #comesTo(exchange: ExchangeState): boolean {
    const way = this.#way;
    const { publication: p } = this.#input;
    way.hasActed = true;
    if (exchange !== this.#passed) {
      const { dedup } = exchange;
      const dedupId = dedup === undefined ? undefined : dedupIdOf(this.#core, p);
      if (dedupId !== undefined) {
        if (dedup!.has(dedupId, this.#core.now())) {
          way.isDuplicate = true;
          return false;
        }
        way.unseenBy.push(exchange);
      }
      if (exchange.settings.delays && this.#waits(way, p)) {
        way.waitsAt.push(exchange);
        return false;
      }
    }
    if (exchange.history !== undefined && !this.#skipsHistory(p)) way.histories.push(exchange.history);
    return true;
  }

  #waits(way: Way, p: Publication): boolean {
    const now = this.#core.now();
    if (way.dueMs === 0) {
      const format = this.#core.format(p.format);
      if (p.deliverAtMs > now) way.dueMs = p.deliverAtMs;
      else way.dueMs = now + (format.delayMs?.(p.head, p.headStart, p.headEnd) ?? 0);
    }
    return way.dueMs > now;
  }

  #skipsHistory(p: Publication): boolean {
    return this.#core.format(p.format).skipsHistory?.(p.head, p.headStart, p.headEnd) === true;
  }
}

/** The id by which duplicates of it are known. Read when somebody wants to know it, and then kept in the publication. */
export function dedupIdOf(core: Core, p: Publication): string | undefined {
  p.dedupId ??= core.format(p.format).dedupId?.(p.head, p.headStart, p.headEnd);
  if (p.dedupId !== undefined) p.dedupId = shortened(p.dedupId);
  return p.dedupId;
}

/** One that leads nowhere. */
export function newWay(): Way {
  return { queues: [], hasActed: false, histories: [], waitsAt: [], dueMs: 0, unseenBy: [], isDuplicate: false };
}

export function clear(way: Way): void {
  way.queues.length = 0;
  if (!way.hasActed) return;
  way.hasActed = false;
  way.histories.length = 0;
  way.waitsAt.length = 0;
  way.dueMs = 0;
  way.unseenBy.length = 0;
  way.isDuplicate = false;
}
