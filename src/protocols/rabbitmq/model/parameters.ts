/**
 * Runtime parameters: JSON values under a virtual host, a component and a name, which say what features are to do; and global
 * parameters, which have a name only. Policies, limits of virtual hosts and dynamic shovels are parameters.
 *
 * A component registers itself with a check and is told of changes, after they are made; setting a parameter of a component
 * that nobody registered is refused. Values are definitions of the core, so they are durable with the broker's ticket, and what
 * was stored by a component that is gone is kept. What is read often is the component's to keep in a better form.
 */

import type { Identity } from "../../../auth/identity.ts";
import type { Broker } from "../../../broker/api.ts";
import type { Events } from "./events.ts";

export interface Parameter {
  readonly vhost: string;
  readonly component: string;
  readonly name: string;
  readonly value: unknown;
}

export interface GlobalParameter {
  readonly name: string;
  readonly value: unknown;
}

/** What a component does about its parameters. */
export interface ParameterComponent {
  /** Answers all that is wrong, in RabbitMQ's words. `by`: who sets it; undefined: the broker, or who may do all. */
  validate(vhost: string, name: string, value: unknown, by: Identity | undefined): readonly string[];
  /** Called after a parameter got another value; undefined: it is gone. Not called for what is there at the start. */
  changed?(vhost: string, name: string, value: unknown): void;
}

const kind = "parameter";
const globalKind = "global-parameter";

export class Parameters {
  readonly #broker: Broker;
  readonly #events: Events;
  readonly #componentByName = new Map<string, ParameterComponent>();
  readonly #globalObservers: ((name: string, value: unknown) => void)[] = [];
  /** Component, then virtual host, then name. */
  readonly #values = new Map<string, Map<string, Map<string, unknown>>>();

  constructor(broker: Broker, events: Events) {
    this.#broker = broker;
    this.#events = events;
    for (const [key, value] of broker.definitions.entries(kind)) {
      const [component, vhost, name] = JSON.parse(key) as [string, string, string];
      this.#namesOf(component, vhost).set(name, value);
    }
    if (this.global("internal_cluster_id") === undefined) {
      broker.definitions.put(globalKind, "internal_cluster_id", `rabbitmq-cluster-id-${broker.id}`);
    }
  }

  register(component: string, behaviour: ParameterComponent): void {
    this.#componentByName.set(component, behaviour);
  }

  isKnown(component: string): boolean {
    return this.#componentByName.has(component);
  }

  /**
   * Sets a parameter for a user. Policies have their own way (`Policies.set`) and are refused here.
   * @returns why it is refused; undefined: it is set. The virtual host must exist.
   */
  set(vhost: string, component: string, name: string, value: unknown, by?: Identity): string | undefined {
    if (component === "policy") return "policies may not be set using this method";
    return this.setAny(vhost, component, name, value, by);
  }

  /** The same for whatever component. */
  setAny(vhost: string, component: string, name: string, value: unknown, by?: Identity): string | undefined {
    const faults = this.check(vhost, component, name, value, by);
    if (faults !== undefined) return faults;
    const names = this.#namesOf(component, vhost);
    if (names.has(name) && JSON.stringify(names.get(name)) === JSON.stringify(value)) return undefined;
    this.#broker.definitions.put(kind, keyOf(component, vhost, name), value);
    names.set(name, value);
    if (isAnnounced(component)) this.#events.emit("parameter.set", { vhost, component, name, value });
    this.#componentByName.get(component)?.changed?.(vhost, name, value);
    return undefined;
  }

  /** Why this could not be set; undefined: it could. */
  check(vhost: string, component: string, name: string, value: unknown, by?: Identity): string | undefined {
    const behaviour = this.#componentByName.get(component);
    const faults = behaviour?.validate(vhost, name, value, by) ?? [`component ${component} not found`];
    return faults.length === 0 ? undefined : `Validation failed\n\n${faults.map((fault) => `${fault}\n`).join("")}`;
  }

  /** @returns whether there was one. */
  clear(vhost: string, component: string, name: string): boolean {
    const names = this.#values.get(component)?.get(vhost);
    if (names?.delete(name) !== true) return false;
    this.#broker.definitions.remove(kind, keyOf(component, vhost, name));
    if (isAnnounced(component)) this.#events.emit("parameter.cleared", { vhost, component, name });
    this.#componentByName.get(component)?.changed?.(vhost, name, undefined);
    return true;
  }

  /** Clears all parameters of a virtual host, policies included: it goes. */
  clearVhost(vhost: string): void {
    for (const [component, byVhost] of this.#values) {
      for (const name of [...(byVhost.get(vhost)?.keys() ?? [])]) this.clear(vhost, component, name);
      byVhost.delete(vhost);
    }
  }

  find(vhost: string, component: string, name: string): Parameter | undefined {
    const names = this.#values.get(component)?.get(vhost);
    return names?.has(name) === true ? { vhost, component, name, value: names.get(name) } : undefined;
  }

  /** Of one component, in all virtual hosts or in one. */
  *of(component: string, vhost?: string): Iterable<Parameter> {
    for (const [inVhost, names] of this.#values.get(component) ?? []) {
      if (vhost !== undefined && inVhost !== vhost) continue;
      for (const [name, value] of names) yield { vhost: inVhost, component, name, value };
    }
  }

  /** All but policies, as RabbitMQ lists them: operator policies are among them. */
  *all(vhost?: string): Iterable<Parameter> {
    for (const component of this.#values.keys()) if (component !== "policy") yield* this.of(component, vhost);
  }

  // Global parameters

  observeGlobal(observer: (name: string, value: unknown) => void): void {
    this.#globalObservers.push(observer);
  }

  global(name: string): unknown {
    return this.#broker.definitions.get(globalKind, name);
  }

  *globals(): Iterable<GlobalParameter> {
    for (const [name, value] of this.#broker.definitions.entries(globalKind)) yield { name, value };
  }

  setGlobal(name: string, value: unknown): void {
    this.#broker.definitions.put(globalKind, name, value);
    this.#events.emit("parameter.set", { component: "global", name, value });
    for (const observer of this.#globalObservers) observer(name, value);
  }

  /** @returns whether there was one. */
  clearGlobal(name: string): boolean {
    if (this.global(name) === undefined) return false;
    this.#broker.definitions.remove(globalKind, name);
    this.#events.emit("parameter.cleared", { component: "global", name });
    for (const observer of this.#globalObservers) observer(name, undefined);
    return true;
  }

  #namesOf(component: string, vhost: string): Map<string, unknown> {
    let byVhost = this.#values.get(component);
    if (byVhost === undefined) this.#values.set(component, (byVhost = new Map()));
    let names = byVhost.get(vhost);
    if (names === undefined) byVhost.set(vhost, (names = new Map()));
    return names;
  }
}

/** Policies have events of their own. */
function isAnnounced(component: string): boolean {
  return component !== "policy";
}

/** Names may hold anything, so no character could part them. */
function keyOf(component: string, vhost: string, name: string): string {
  return JSON.stringify([component, vhost, name]);
}
