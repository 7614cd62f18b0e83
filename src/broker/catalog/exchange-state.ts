import type { Exchange, ExchangeSettings } from "../api.ts";
import { DedupWindow } from "../dedup-window.ts";
import type { Exchange as RoutingExchange } from "../router/exchange.ts";
import type { QueueState } from "./queue-state.ts";

/** An exchange of the catalog: its settings, and its place in the routing graph (the default exchange has none). */
export class ExchangeState implements Exchange {
  readonly id: number;
  readonly name: string;
  settings: ExchangeSettings;
  readonly counters = { publishedIn: 0, routedOut: 0 };
  readonly declaration: unknown;
  readonly routing: RoutingExchange<QueueState> | undefined;
  readonly dedup: DedupWindow | undefined;
  /** The last messages, for queues that are bound later. */
  history: QueueState | undefined;
  /** Where messages wait here for their time; undefined: none has, since the start. */
  waiting: QueueState | undefined;
  hadBinding = false;

  get isDurable(): boolean {
    return this.settings.durable;
  }

  constructor(
    id: number,
    name: string,
    settings: ExchangeSettings,
    declaration: unknown,
    routing: RoutingExchange<QueueState> | undefined,
  ) {
    this.id = id;
    this.name = name;
    this.settings = settings;
    this.declaration = declaration;
    this.routing = routing;
    this.dedup = settings.dedup === undefined ? undefined : new DedupWindow(settings.dedup);
  }
}
