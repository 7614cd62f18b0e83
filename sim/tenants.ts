/**
 * Namespaces that come and go beside the one that everything else happens in. Each has a queue from its first moment on,
 * made in one atomic step with it, by whose id the model tells one life of a name from the next; the model's cut then
 * says whether a namespace may be there after a crash, and what was in it.
 *
 * Drawn from a source of its own, so that the seeds that have no tenants are what they were before there were any.
 */
import type { QueueState } from "../src/broker/catalog/queue-state.ts";
import type { RunningCore } from "../src/broker/broker.ts";
import { plainQueueSettings } from "../src/broker/catalog/plain-queue.ts";
import { emptyPublication } from "../src/broker/publication.ts";
import type { Chance } from "./chance.ts";
import type { ModelQueue } from "./copies.ts";
import { ensure } from "./cut.ts";
import { asideNames } from "./ledger.ts";
import { bodyOf, simFormatId } from "./message.ts";
import type { Model } from "./model.ts";
import type { Workload } from "./workload.ts";

const names = ["tenant", "t\u00ebnant/2", ""];
/** No number of theirs is one of the workload's. */
const firstNumber = 1_000_000_000;

export class Tenants {
  readonly #chance: Chance;
  readonly #model: Model;
  readonly #workload: Workload;
  readonly #isEnabled: boolean;
  #nextNumber = firstNumber;
  #nextQueue = 1;

  constructor(chance: Chance, model: Model, workload: Workload) {
    this.#chance = chance;
    this.#model = model;
    this.#workload = workload;
    this.#isEnabled = chance.is(0.4);
  }

  step(): void {
    const chance = this.#chance;
    if (!this.#isEnabled || !chance.is(0.12)) return;
    const name = chance.pick(names);
    if (this.#broker.namespace(name) === undefined) return this.#create(name);
    chance.weighted<() => void>([
      [5, () => this.#publish(name)],
      [2, () => this.#consume(name)],
      [1, () => this.#addQueue(name)],
      [1, () => this.#delete(name)],
      [
        1,
        () => {
          this.#delete(name);
          this.#create(name);
        },
      ],
    ])();
  }

  /** After a start: a namespace is there with the queue that was made with it, or it is not there. */
  recovered(): void {
    for (const namespace of this.#broker.namespaces()) {
      if (namespace.name === "/" || asideNames.includes(namespace.name)) continue;
      const first = [...namespace.queues()].find((queue) => queue.name.endsWith("#first"));
      ensure(first !== undefined, `the namespace '${namespace.name}' is there without what was made with it`);
    }
  }

  get #broker(): RunningCore {
    return this.#workload.broker;
  }

  #say(line: string): void {
    this.#workload.say?.(line);
  }

  #queuesOf(name: string): ModelQueue[] {
    return [...this.#model.queues.values()].filter(
      (queue) => queue.deleted === undefined && queue.state.namespace.name === name,
    );
  }

  #create(name: string): void {
    this.#model.observe();
    this.#say(`create namespace '${name}'`);
    this.#broker.atomically(() => {
      this.#broker.createNamespace(name);
      this.#declare(name, "#first");
    });
  }

  #addQueue(name: string): void {
    this.#model.observe();
    this.#declare(name, "");
  }

  #declare(name: string, suffix: string): void {
    const settings = { ...plainQueueSettings, durable: suffix !== "" || this.#chance.is(0.8) };
    const queueName = `of '${name}' ${this.#nextQueue++}${suffix}`;
    this.#model.adopt(this.#broker.namespace(name)!.createQueue(queueName, settings, undefined) as QueueState);
  }

  #delete(name: string): void {
    const model = this.#model;
    model.observe();
    const queues = this.#queuesOf(name);
    this.#say(`delete namespace '${name}'`);
    this.#broker.deleteNamespace(name);
    for (const queue of queues) {
      queue.deleted = model.now();
      for (const copy of queue.copies.values()) copy.held = undefined;
      ensure(queue.state.isDeleted, `${queue.name} has outlived its namespace`);
    }
  }

  #publish(name: string): void {
    const chance = this.#chance;
    const namespace = this.#broker.namespace(name)!;
    const queue = chance.pick(this.#queuesOf(name));
    const outcome = { routed: 0, refused: false, ticket: 0 };
    for (let count = chance.between(1, 5); count > 0; count--) {
      const body = bodyOf(this.#nextNumber++, 8);
      const p = emptyPublication(namespace.exchange("")!);
      Object.assign(p, { format: simFormatId, durable: chance.is(0.8), routingKey: queue.name, body });
      p.bodyEnd = body.length;
      namespace.publish(p, outcome);
      ensure(outcome.routed === 1, `a message for ${queue.name} was routed to ${outcome.routed} queues`);
    }
    this.#say(`publish to ${queue.name}: ticket ${outcome.ticket}`);
  }

  #consume(name: string): void {
    const { sessions } = this.#workload;
    const holder = sessions.length > 0 ? this.#chance.pick(sessions) : this.#workload.openSession();
    this.#workload.consumeFrom(
      holder,
      this.#chance.pick(this.#queuesOf(name)),
      this.#chance.pick([0, 2]),
      false,
      false,
    );
  }
}
