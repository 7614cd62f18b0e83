/**
 * All shovels of a broker. Static ones stand in its configuration; dynamic ones are runtime parameters of the component
 * "shovel", so they are durable, and begin, change and end with their parameter. None runs before `start`, which is when the
 * broker's ports are open, and none after `stop`.
 */

import type { Identity } from "../../../auth/identity.ts";
import type { RabbitServer } from "../model/server.ts";
import { clusterName } from "../model/cluster.ts";
import { isObject, type JsonObject } from "../model/parameter-checks.ts";
import { planShovel, shovelFaults, type MayEnter } from "./definition.ts";
import type { Ends } from "./ends.ts";
import { Shovel, type ShovelIdentity } from "./shovel.ts";
import { shownStatus, type ShovelStatus } from "./status.ts";

const component = "shovel";

export interface ShovelsOptions {
  readonly server: RabbitServer;
  readonly ends: Ends;
  /** By their names, as checked by `staticShovelFaults`. */
  readonly staticDefinitions: Readonly<Record<string, JsonObject>>;
}

/** What is wrong with the shovels of a configuration; nothing: they can run. */
export function staticShovelFaults(definitions: unknown): readonly string[] {
  if (!isObject(definitions)) return ["shovels is no map from names to definitions"];
  return Object.entries(definitions).flatMap(([name, definition]) =>
    shovelFaults(name, definition, () => undefined).map((fault) => `shovel ${name}: ${fault}`),
  );
}

export class Shovels {
  readonly #server: RabbitServer;
  readonly #options: ShovelsOptions;
  readonly #shovelByKey = new Map<string, Shovel>();
  /** Those that still wait for what is on its way: one that takes their place begins behind them. */
  readonly #endingByKey = new Map<string, Promise<void>>();
  #isRunning = false;

  constructor(options: ShovelsOptions) {
    const { server } = options;
    this.#options = options;
    this.#server = server;
    server.parameters.register(component, {
      validate: (_vhost, name, value, by) => shovelFaults(name, value, this.#mayEnter(by)),
      changed: (vhost, name, value) => this.#changed(vhost, name, value),
    });
  }

  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (const [name, definition] of Object.entries(this.#options.staticDefinitions)) {
      this.#begin({ name, vhost: undefined }, definition);
    }
    for (const { vhost, name, value } of this.#server.parameters.of(component)) {
      this.#begin({ name, vhost }, value as JsonObject);
    }
  }

  /** Ends them all, in good order where the other side still answers; not later than after `withinMs`. */
  async stop(withinMs = Infinity): Promise<void> {
    this.#isRunning = false;
    const shovels = [...this.#shovelByKey.values()];
    this.#shovelByKey.clear();
    await Promise.all([...this.#endingByKey.values(), ...shovels.map((shovel) => shovel.stop(withinMs))]);
  }

  /** As the management lists them. */
  status(): readonly ShovelStatus[] {
    return [...this.#shovelByKey.values()].map((shovel) => shownStatus(shovel, this.#server.nodeName));
  }

  /** Begins a dynamic one anew. False: there is none. */
  restart(vhost: string, name: string): boolean {
    const found = this.#server.parameters.find(vhost, component, name);
    if (found === undefined || !this.#isRunning) return false;
    this.#begin({ name, vhost }, found.value as JsonObject);
    return true;
  }

  /** Deletes a dynamic one with its parameter. `protected`: its definition says that it is internal. */
  delete(vhost: string, name: string): "deleted" | "absent" | "protected" {
    const found = this.#server.parameters.find(vhost, component, name);
    if (found === undefined) return "absent";
    if ((found.value as JsonObject)["internal"] === true) return "protected";
    this.#server.parameters.clear(vhost, component, name);
    return "deleted";
  }

  #mayEnter(by: Identity | undefined): MayEnter {
    return (vhost) => {
      if (by === undefined) return undefined;
      const may = this.#server.vhosts.find(vhost) !== undefined && by.mayEnter(vhost);
      return may ? undefined : `user "${by.name}" may not connect to vhost "${vhost}"`;
    };
  }

  #changed(vhost: string, name: string, value: unknown): void {
    if (!this.#isRunning) return;
    if (value !== undefined) this.#begin({ name, vhost }, value as JsonObject);
    else this.#end(keyOf({ name, vhost }));
  }

  #begin(identity: ShovelIdentity, definition: JsonObject): void {
    const key = keyOf(identity);
    this.#end(key);
    const server = this.#server;
    const shovel = new Shovel({
      identity,
      plan: planShovel(definition),
      ends: this.#options.ends,
      logger: server.logger,
      clusterName: () => clusterName(server.parameters, server.nodeName),
      changed: (changed) => this.#announce(changed),
      finished: () => this.#finished(shovel),
    });
    this.#shovelByKey.set(key, shovel);
    const before = this.#endingByKey.get(key);
    if (before === undefined) shovel.start();
    else void before.then(() => shovel.start());
  }

  #end(key: string): void {
    const shovel = this.#shovelByKey.get(key);
    if (shovel === undefined) return;
    this.#shovelByKey.delete(key);
    const { name, vhost } = shovel.identity;
    this.#server.events.emit("shovel.worker.removed", { name, vhost });
    const ending = Promise.all([this.#endingByKey.get(key), shovel.stop()]).then(() => {
      if (this.#endingByKey.get(key) === ending) this.#endingByKey.delete(key);
    });
    this.#endingByKey.set(key, ending);
  }

  #announce(shovel: Shovel): void {
    const { name, vhost } = shovel.identity;
    const { state, reason, src_uri, dest_uri, src_queue, dest_queue } = shownStatus(shovel, this.#server.nodeName);
    const fields = { name, vhost, status: state, reason, src_uri, dest_uri, src_queue, dest_queue };
    this.#server.events.emit("shovel.worker.status", fields);
  }

  #finished(shovel: Shovel): void {
    const { name, vhost } = shovel.identity;
    // Its parameter may have been set anew while it ended.
    if (this.#shovelByKey.get(keyOf(shovel.identity)) !== shovel) return;
    if (vhost !== undefined) this.#server.parameters.clear(vhost, component, name);
  }
}

function keyOf({ name, vhost }: ShovelIdentity): string {
  return JSON.stringify([vhost ?? null, name]);
}
