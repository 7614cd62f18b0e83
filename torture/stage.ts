/** A broker on a data directory of its own, with the ways to it, for as many rounds as its data are good for. */

import { mkdirSync, rmSync } from "node:fs";
import type { Chance } from "../sim/chance.ts";
import { Broker } from "./broker.ts";
import { Proxy } from "./proxy.ts";

export interface Notes {
  /** What the broker did wrong as a process. */
  readonly findings: string[];
  /** What it says of bytes that are not as they were written. */
  readonly damage: string[];
}

export class Stage {
  readonly directory: string;
  readonly broker: Broker;
  readonly proxies: { readonly amqp: Proxy; readonly kafka: Proxy };
  #notes: Notes = { findings: [], damage: [] };

  private constructor(directory: string, shim: string | undefined, chance: Chance) {
    this.directory = directory;
    mkdirSync(directory);
    this.broker = new Broker({
      directory,
      shim,
      kafkaAdvertised: () => `127.0.0.1:${this.proxies.kafka.port}`,
      onFinding: (what) => this.#notes.findings.push(what),
      onLine: (line) => this.#note(line),
    });
    const to = (protocol: "amqp" | "kafka") => () => ({ host: "127.0.0.1", port: this.broker.ports[protocol] });
    this.proxies = { amqp: new Proxy(to("amqp"), chance.fork()), kafka: new Proxy(to("kafka"), chance.fork()) };
  }

  static async open(directory: string, shim: string | undefined, chance: Chance): Promise<Stage> {
    const stage = new Stage(directory, shim, chance);
    await stage.proxies.amqp.listen();
    await stage.proxies.kafka.listen();
    await stage.broker.begin();
    return stage;
  }

  #note(line: string): void {
    if (/damaged/.test(line)) this.#notes.damage.push(line);
    if (/assert|internal error|uncaught|unhandled/i.test(line)) this.#notes.findings.push(`the broker says: ${line}`);
  }

  /** Since it was last asked. */
  takeNotes(): Notes {
    const notes = this.#notes;
    this.#notes = { findings: [], damage: [] };
    return notes;
  }

  /** Stops the broker in order; answers what went wrong with that. `isKept`: something was found here. */
  async close(isKept: boolean): Promise<readonly string[]> {
    const status = await this.broker.stop("SIGTERM");
    const { findings } = this.takeNotes();
    if (status !== 0) findings.push(`the broker ended with ${status} when it was stopped`);
    this.broker.control.close();
    await this.proxies.amqp.close();
    await this.proxies.kafka.close();
    if (!isKept && findings.length === 0) rmSync(this.directory, { recursive: true });
    return findings;
  }
}
