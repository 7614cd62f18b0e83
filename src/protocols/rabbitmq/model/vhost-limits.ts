/** Limits of virtual hosts: a component of the parameters, with one parameter, `limits`, in each virtual host that has any. */

import type { Events } from "./events.ts";
import type { Vhosts } from "./vhosts.ts";
import { checkFields, isObject, isWholeNumber, type FieldRule, type JsonObject } from "./parameter-checks.ts";
import type { Parameters } from "./parameters.ts";

const component = "vhost-limits";
const parameterName = "limits";
const rules: readonly FieldRule[] = [
  { name: "max-connections", check: isWholeNumber },
  { name: "max-queues", check: isWholeNumber },
];

export class VhostLimits {
  readonly #parameters: Parameters;
  readonly #vhosts: Vhosts;

  constructor(parameters: Parameters, vhosts: Vhosts, events: Events) {
    this.#parameters = parameters;
    this.#vhosts = vhosts;
    parameters.register(component, {
      validate: (_vhost, name, value) => checkFields(name, rules, value),
      changed(vhost, name, value): void {
        if (value === undefined) events.emit("vhost.limits.cleared", { name, vhost });
        else events.emit("vhost.limits.set", { name, vhost, ...(value as JsonObject) });
      },
    });
  }

  /** Connections at most at a time; -1: no limit. */
  connectionsMax(vhost: string): number {
    return this.#limit(vhost, "max-connections");
  }

  /** Queues at most; -1: no limit. */
  queuesMax(vhost: string): number {
    return this.#limit(vhost, "max-queues");
  }

  /** Whether `count` more queues would be too many. */
  wouldExceedQueues(vhost: string, count: number): boolean {
    const most = this.queuesMax(vhost);
    return most >= 0 && this.queueCount(vhost) + count > most;
  }

  queueCount(vhost: string): number {
    let count = 0;
    for (const _ of this.#vhosts.find(vhost)?.namespace.queues() ?? []) count++;
    return count;
  }

  /** By name, as they were set; undefined: none was. */
  of(vhost: string): Readonly<Record<string, number>> | undefined {
    const value = this.#parameters.find(vhost, component, parameterName)?.value;
    return isObject(value) ? (value as Readonly<Record<string, number>>) : undefined;
  }

  *all(): Iterable<{ readonly vhost: string; readonly value: Readonly<Record<string, number>> }> {
    for (const { name } of this.#vhosts.all()) {
      const value = this.of(name);
      if (value !== undefined) yield { vhost: name, value };
    }
  }

  /** Sets one, and leaves the others. @returns why it is refused. */
  set(vhost: string, name: string, value: unknown): string | undefined {
    return this.#parameters.setAny(vhost, component, parameterName, { ...this.of(vhost), [name]: value });
  }

  clear(vhost: string, name: string): void {
    const limits = this.of(vhost);
    if (limits === undefined) return;
    const left = Object.fromEntries(Object.entries(limits).filter(([other]) => other !== name));
    if (Object.keys(left).length === 0) this.#parameters.clear(vhost, component, parameterName);
    else this.#parameters.setAny(vhost, component, parameterName, left);
  }

  #limit(vhost: string, name: string): number {
    return Math.max(-1, this.of(vhost)?.[name] ?? -1);
  }
}
