/** What an import is going to do: the steps, what will be there after them, and what there is to tell. */

import { bindingSource, type BindingSource } from "./binding.ts";
import { queueDeclaration, type QueueType } from "./declaration.ts";
import { exchangeSettings, firstExchanges } from "./declare-exchange.ts";
import type { Defined } from "./definitions-export.ts";
import { eventExchange } from "./events.ts";
import { ImportFault, shownText, type Row } from "./definitions-reader.ts";
import type { Vhost } from "./vhosts.ts";

/** Something that was taken in, or passed over, and changes nothing. */
export interface WithoutEffect {
  readonly category: string;
  readonly name?: string;
  readonly vhost?: string;
  readonly reason: string;
}

export interface ImportReport {
  /** How many of each category were set, or made. What was there already and stays is not counted. */
  readonly applied: Readonly<Record<string, number>>;
  readonly withoutEffect: readonly WithoutEffect[];
}

export class Plan {
  readonly server: Defined;
  /** Of all that will be there. */
  readonly vhostNames: Set<string>;
  readonly #newExchanges = new Map<string, BindingSource>();
  readonly #newQueues = new Map<string, QueueType>();
  readonly #steps: (() => void)[] = [];
  readonly #applied: Record<string, number> = {};
  readonly #withoutEffect: WithoutEffect[] = [];
  /** Of the broker that exported the definitions, if they say. */
  readonly version: string | undefined;

  constructor(server: Defined, version: string | undefined) {
    this.server = server;
    this.version = version;
    this.vhostNames = new Set([...server.vhosts.all()].map(({ name }) => name));
  }

  add(category: string, step: () => void): void {
    this.#applied[category] = (this.#applied[category] ?? 0) + 1;
    this.#steps.push(step);
  }

  withoutEffect(category: string, name: string | undefined, vhost: string | undefined, reason: string): void {
    this.#withoutEffect.push({
      category,
      ...(name !== undefined && { name }),
      ...(vhost !== undefined && { vhost }),
      reason,
    });
  }

  run(): void {
    for (const step of this.#steps) step();
  }

  report(): ImportReport {
    return { applied: this.#applied, withoutEffect: this.#withoutEffect };
  }

  /** Where a row belongs; `into`: all of them belong there, whatever they say. */
  vhostOf(row: Row, into: string | undefined): string {
    if (into !== undefined) return into;
    const vhost = row.get("vhost");
    if (vhost === undefined) {
      throw new ImportFault("Virtual host does not exist and is not specified in definitions file.");
    }
    if (typeof vhost !== "string" || !this.vhostNames.has(vhost)) {
      throw new ImportFault(`Please create virtual host "${shownText(vhost)}" prior to importing definitions.`);
    }
    return vhost;
  }

  /** For a step, by when it is there. */
  vhost(name: string): Vhost {
    return this.server.vhosts.find(name)!;
  }

  /** An exchange that is there, or will be: what can be bound to it. */
  source(vhost: string, name: string): BindingSource | undefined {
    const there = this.server.vhosts.find(vhost)?.namespace.exchange(name);
    return there === undefined ? (this.#newExchanges.get(keyOf(vhost, name)) ?? first(name)) : bindingSource(there);
  }

  addExchange(vhost: string, name: string, source: BindingSource): void {
    this.#newExchanges.set(keyOf(vhost, name), source);
  }

  /** What can be bound under that name; undefined: there is none, and will be none. */
  destination(vhost: string, kind: "queue" | "exchange", name: string): QueueType | "exchange" | undefined {
    if (kind === "exchange") return this.source(vhost, name) && "exchange";
    const there = this.server.vhosts.find(vhost)?.namespace.queue(name);
    return there === undefined ? this.#newQueues.get(keyOf(vhost, name)) : queueDeclaration(there).type;
  }

  hasQueue(vhost: string, name: string): boolean {
    return this.destination(vhost, "queue", name) !== undefined;
  }

  addQueue(vhost: string, name: string, type: QueueType): void {
    this.#newQueues.set(keyOf(vhost, name), type);
  }
}

/** Of an exchange that a virtual host has from its beginning. */
function first(name: string): BindingSource | undefined {
  // That of the events is in the default virtual host only, which is there.
  const found = firstExchanges.find((exchange) => exchange.name === name && name !== eventExchange);
  return found && { kind: exchangeSettings({ ...found, durable: true, autoDelete: false }, []).kind, type: found.type };
}

function keyOf(vhost: string, name: string): string {
  return JSON.stringify([vhost, name]);
}
