/**
 * What clients do, drawn from the seed: publish, consume, settle, declare, delete, and time that goes by.
 *
 * Each operation calls the broker's API as a protocol would and tells the model the same. An operation that makes no
 * sense just now (a settlement with nothing leased) does nothing.
 */
import type { Consumer, PublishOutcome, Publication, Receiver, Session, Settlement } from "../src/broker/api.ts";
import { emptyPublication } from "../src/broker/publication.ts";
import type { QueueState } from "../src/broker/catalog/queue-state.ts";
import type { RunningCore } from "../src/broker/broker.ts";
import type { Chance } from "./chance.ts";
import { bodyOf, simFormatId } from "./message.ts";
import type { Held, ModelQueue } from "./copies.ts";
import { ensure, type When } from "./cut.ts";
import type { Model } from "./model.ts";
import { deadSettings, fanSettings, outerSettings, settingsOf } from "./topology.ts";

export interface SimSession {
  readonly name: string;
  readonly session: Session;
  readonly held: Map<number, Held>;
  readonly consumers: { consumer: Consumer; queue: ModelQueue }[];
}

export interface Profile {
  readonly kinds: readonly string[];
  readonly bodyBytesMax: number;
  readonly largeBodies: number;
  readonly durableShare: number;
}

const keys = ["a", "b", "c"];

export class Workload {
  readonly model: Model;
  readonly chance: Chance;
  readonly profile: Profile;
  readonly say: ((line: string) => void) | undefined;
  broker!: RunningCore;
  sessions: SimSession[] = [];
  /** Get calls that are not answered yet. */
  getsOpen = 0;
  #nextNumber = 1;
  #nextDedup = 1;
  #nextSession = 1;
  readonly #outcome: PublishOutcome = { routed: 0, refused: false, ticket: 0 };

  constructor(model: Model, chance: Chance, profile: Profile, say: ((line: string) => void) | undefined) {
    this.model = model;
    this.chance = chance;
    this.profile = profile;
    this.say = say;
  }

  /** A broker has come up: whoever was connected is not. */
  begin(broker: RunningCore): void {
    this.broker = broker;
    this.sessions = [];
    this.getsOpen = 0;
    const { model } = this;
    broker.addCommitListener({ committed: (ticket) => (model.durableTicket = ticket) });
    const namespace = broker.namespace("/")!;
    if (namespace.exchange("fan") === undefined) namespace.createExchange("fan", fanSettings, undefined);
    if (namespace.exchange("outer") === undefined) namespace.createExchange("outer", outerSettings, undefined);
    namespace.bind("outer", { exchange: "fan" }, "", {});
    if (namespace.queue("dead") === undefined) this.#declare("dead");
    for (const name of this.profile.kinds) if (namespace.queue(name) === undefined) this.#declare(name);
    model.observe();
  }

  #declare(name: string): void {
    const { chance, model, broker } = this;
    const settings = name === "dead" ? deadSettings(chance) : settingsOf(name, chance);
    const queue = model.adopt(broker.namespace("/")!.createQueue(name, settings, { by: name }) as QueueState);
    this.say?.(`declare ${name} as ${queue.id} ${JSON.stringify(settings)}`);
    if (chance.is(0.5)) this.#bind(queue);
  }

  get #queues(): ModelQueue[] {
    return [...this.model.queues.values()].filter(
      (queue) => queue.deleted === undefined && !queue.isHidden && queue.state.namespace.name === "/",
    );
  }

  // ---- operations

  publish(): void {
    const { broker, model } = this;
    const p = this.#publication();
    const namespace = broker.namespace("/")!;
    const targets = this.#targetsOf(p);
    const wasFull = targets.map((queue) => isFull(queue, p.bodyEnd));
    const counts = targets.map((queue) => queue.state.nextOffset);
    const dedupKey = `${targets[0]?.id}:${p.dedupId}`;
    const seen = p.dedupId === undefined ? undefined : model.dedupIds.get(dedupKey);
    const holding = targets.find(({ settings }) => p.dedupId !== undefined && settings.dedup === "until-settled");
    const isKnown = holding === undefined ? seen?.isSure === true : model.heldIds.has(holding, p.dedupId!);
    namespace.publish(p, this.#outcome);
    const { ticket, refused, routed } = this.#outcome;
    this.say?.(
      `publish ${this.#nextNumber - 1} to '${p.exchange.name}' ${p.routingKey} ${p.bodyEnd} octets ${p.durable ? "durable" : ""} ttl ${p.ttlMs} at ${p.deliverAtMs} dedup ${p.dedupId}: ticket ${ticket}`,
    );
    ensure(routed === targets.length, `a message was routed to ${routed} queues, not ${targets.length}`);
    ensure(refused === wasFull.includes(true), `refused: ${refused}, but full: ${wasFull.join()}`);
    for (const [i, queue] of targets.entries()) {
      const isRefused = wasFull[i]! || (isKnown && queue.settings.dedup !== undefined);
      const grew = queue.state.nextOffset > counts[i]!;
      if (isRefused && !queue.name.startsWith("dead")) ensure(!grew, `${queue.name} took what it should have refused`);
      if (!isRefused && seen?.isSure !== false)
        ensure(grew, `${queue.name} did not take message ${this.#nextNumber - 1}`);
    }
    if (holding !== undefined) {
      if (!isKnown) model.heldIds.add(holding, p.dedupId!, counts[0]!, this.#nextNumber - 1);
    } else if (p.dedupId !== undefined && !isKnown && !targets.some((queue) => isFullNow(wasFull, targets, queue))) {
      model.dedupIds.set(dedupKey, { when: { low: ticket, high: ticket }, isSure: true });
    }
  }

  #publication(): Publication {
    const { chance, profile, broker } = this;
    const namespace = broker.namespace("/")!;
    const isFan = chance.is(0.3);
    const p = emptyPublication(namespace.exchange(isFan ? chance.pick(["fan", "fan", "outer"]) : "")!);
    p.format = simFormatId;
    p.durable = chance.is(profile.durableShare);
    p.priority = chance.is(0.5) ? chance.between(0, 5) : 0;
    p.ttlMs = chance.is(0.1) ? chance.pick([0, 100, 2000]) : -1;
    p.key = chance.is(0.6) ? chance.pick(keys) : undefined;
    const queue = chance.pick(this.#queues);
    p.routingKey = isFan ? "" : queue.name;
    if (chance.is(0.1)) p.deliverAtMs = this.model.maxMs + chance.between(-100, 4000);
    if (!isFan && queue.settings.dedup !== undefined && chance.is(0.8)) {
      p.dedupId = `id-${this.#nextDedup > 1 && chance.is(0.4) ? chance.between(1, this.#nextDedup) : this.#nextDedup++}`;
    }
    const isLarge = chance.is(profile.largeBodies);
    const body = bodyOf(
      this.#nextNumber++,
      chance.between(8, isLarge ? profile.bodyBytesMax * 20 : profile.bodyBytesMax),
    );
    p.body = body;
    p.bodyEnd = body.length;
    return p;
  }

  #targetsOf(p: Publication): ModelQueue[] {
    const { model } = this;
    if (p.exchange.name === "") return [model.queueByName(p.routingKey)!];
    if (p.deliverAtMs > this.broker.core.now()) {
      const delayed = model.queueByName("\u0000delayed:fan");
      if (delayed !== undefined) return [delayed];
      // It is made with its first message.
      const namespace = this.broker.core.namespaceByName.get("/")!;
      const made = namespace.waitingAt(namespace.exchange("fan")!);
      return [model.adopt(made)];
    }
    return model.bindings
      .filter(({ queue, unbound }) => unbound === undefined && queue.deleted === undefined)
      .map(({ queue }) => queue);
  }

  /** Several publishes and settlements that become durable together. */
  atomic(): void {
    const { chance, model } = this;
    model.observe();
    this.say?.("atomic group:");
    const ticket = this.broker.atomically(() => {
      const count = chance.between(2, 8);
      for (let i = 0; i < count; i++) {
        if (chance.is(0.6)) this.publish();
        else this.settle();
      }
    });
    this.say?.(`end of the atomic group: ticket ${ticket}`);
    if (ticket >= this.broker.core.commit.openTicket) model.observe({ low: ticket, high: ticket });
  }

  settle(): void {
    const { chance } = this;
    const holders = this.sessions.filter(({ held }) => held.size > 0);
    if (holders.length === 0) return;
    const holder = chance.pick(holders);
    const leases = [...holder.held.keys()];
    const lease = chance.is(0.5) ? leases[0]! : chance.pick(leases);
    const settlement = chance.weighted<Settlement>([
      [6, "accept"],
      [1.5, "release"],
      [1.5, "fail"],
      [1, "reject"],
    ]);
    this.#settle(holder, lease, chance.is(0.15), settlement);
  }

  #settle(holder: SimSession, lease: number, multiple: boolean, settlement: Settlement): void {
    const affected = [...holder.held.values()].filter((one) =>
      multiple ? lease === 0 || one.lease <= lease : one.lease === lease,
    );
    const count = holder.session.settle(lease, multiple, settlement);
    this.say?.(
      `${holder.name} settles ${lease}${multiple ? " and below" : ""}: ${settlement} ${affected.map(({ copy }) => copy?.text).join(", ")}`,
    );
    ensure(count === affected.length, `${count} leases were settled, not ${affected.length}`);
    const when = this.#when();
    for (const one of affected) {
      holder.held.delete(one.lease);
      this.model.settle(one, settlement, when);
    }
  }

  #when(): When {
    return this.model.now();
  }

  get(): void {
    const { chance } = this;
    const queues = this.#queues.filter((queue) => !queue.isLog);
    const queue = chance.pick(queues);
    const holder = this.#session();
    const noAck = chance.is(0.2);
    this.getsOpen++;
    this.say?.(`${holder.name} gets from ${queue.name}${noAck ? " without acknowledgement" : ""}`);
    holder.session.get(queue.state, noAck, (lease, entry, isRedelivered, returns, failures) => {
      this.getsOpen--;
      this.say?.(`${holder.name} got ${entry === undefined ? "nothing" : entry.offset} from ${queue.name} as ${lease}`);
      if (entry === undefined) return;
      const given = { isRedelivered, returns, failures, noAck, isGet: true };
      const held = this.model.delivered(queue, entry, { lease, copy: undefined }, given);
      if (!noAck) holder.held.set(lease, held);
    });
  }

  consume(): void {
    const { chance } = this;
    const queue = chance.pick(this.#queues);
    const holder = this.#session();
    const credit = chance.pick([0, 1, 2, 5, 20]);
    const noAck = chance.is(0.15);
    this.consumeFrom(holder, queue, credit, noAck, false);
  }

  consumeFrom(holder: SimSession, queue: ModelQueue, creditLimit: number, noAck: boolean, accepts: boolean): void {
    const { chance } = this;
    const isReader = queue.isLog || (queue.readsHistory && !accepts && chance.is(0.3));
    const startAt = isReader
      ? accepts || chance.is(0.6)
        ? "first"
        : chance.pick(["next", "last"] as const)
      : undefined;
    const receiver = isReader ? this.#reader(holder, queue, noAck) : this.#receiver(holder, queue, noAck);
    const consumer = holder.session.consume(
      queue.state,
      {
        noAck,
        exclusive: !accepts && chance.is(0.05),
        priority: chance.between(0, 2),
        creditLimit,
        leaseMs: 0,
        ...(startAt === undefined ? {} : { startAt }),
      },
      receiver,
    );
    this.say?.(
      `${holder.name} consumes ${queue.name} credit ${creditLimit}${noAck ? " without acknowledgement" : ""} ${startAt ?? ""}`,
    );
    if (!("refused" in consumer)) holder.consumers.push({ consumer, queue });
  }

  #receiver(holder: SimSession, queue: ModelQueue, noAck: boolean): Receiver {
    return {
      deliver: (lease, entry, isRedelivered, returns, failures) => {
        this.say?.(
          `  ${holder.name} is given ${queue.name}/${entry.offset} as ${lease}${isRedelivered ? ", redelivered" : ""}`,
        );
        const given = { isRedelivered, returns, failures, noAck, isGet: false };
        const held = this.model.delivered(queue, entry, { lease, copy: undefined }, given);
        if (!noAck) holder.held.set(lease, held);
      },
      ended: (reason) => this.say?.(`  ${holder.name} has lost ${queue.name}: ${reason}`),
    };
  }

  #reader(holder: SimSession, queue: ModelQueue, noAck: boolean): Receiver {
    let last = -1;
    return {
      deliver: (lease, entry) => {
        this.say?.(`  ${holder.name} reads ${queue.name}/${entry.offset} as ${lease}`);
        this.model.read(queue, entry, last);
        last = entry.offset;
        if (!noAck) holder.held.set(lease, { lease, copy: undefined });
      },
      ended: (reason) => this.say?.(`  ${holder.name} has lost ${queue.name}: ${reason}`),
    };
  }

  #session(): SimSession {
    const { chance } = this;
    if (this.sessions.length === 0 || (this.sessions.length < 4 && chance.is(0.2))) return this.openSession();
    return chance.pick(this.sessions);
  }

  openSession(): SimSession {
    const opened = {
      name: `session-${this.#nextSession++}`,
      session: this.broker.createSession(),
      held: new Map(),
      consumers: [],
    };
    this.sessions.push(opened);
    return opened;
  }

  closeSession(): void {
    if (this.sessions.length === 0) return;
    const [closing] = this.sessions.splice(this.chance.between(0, this.sessions.length), 1);
    this.close(closing!);
  }

  close(closing: SimSession): void {
    this.say?.(`close ${closing.name}`);
    closing.session.close();
    const when = this.#when();
    for (const held of closing.held.values()) this.model.settle(held, "fail", when);
    closing.held.clear();
  }

  /** Prefetch, pauses, cancellation. */
  adjust(): void {
    const { chance } = this;
    if (this.sessions.length === 0) return;
    const holder = chance.pick(this.sessions);
    const consumers = holder.consumers.filter(({ queue }) => queue.deleted === undefined);
    const what = chance.between(0, 5);
    this.say?.(`adjust ${holder.name} ${what}`);
    if (what === 0) holder.session.setCreditLimit(chance.pick([0, 1, 3, 10]));
    else if (what === 1) holder.session.pause();
    else if (what === 2) holder.session.resume();
    else if (consumers.length === 0) return;
    else if (what === 3) chance.pick(consumers).consumer.setCreditLimit(chance.pick([0, 1, 4]));
    else {
      const [cancelled] = holder.consumers.splice(holder.consumers.indexOf(chance.pick(consumers)), 1);
      cancelled!.consumer.cancel();
    }
  }

  /** Many at once: past the steps and slices that few messages never reach. */
  burst(): void {
    const { chance, broker, model } = this;
    const queue = chance.pick(this.#queues.filter(({ settings }) => settings.overflow === "drop-head"));
    const namespace = broker.namespace("/")!;
    const p = emptyPublication(namespace.exchange("")!);
    const count = chance.between(1000, 6000);
    model.observe();
    this.say?.(`publish ${count} messages to ${queue.name}`);
    for (let i = 0; i < count; i++) {
      const body = bodyOf(this.#nextNumber++, 8);
      const isDurable = chance.is(0.95);
      Object.assign(p, { format: simFormatId, durable: isDurable, routingKey: queue.name, body, bodyEnd: body.length });
      p.key = chance.pick(keys);
      namespace.publish(p, this.#outcome);
    }
  }

  /** Other limits for a queue that is there. */
  configure(): void {
    const { chance, model } = this;
    const queue = chance.pick(this.#queues.filter(({ isLog }) => !isLog));
    if (queue.reconfigured !== undefined) return;
    model.observe();
    const changes = chance.pick([
      { ttlMs: chance.pick([-1, 100, 3000]) },
      { maxLength: chance.pick([-1, 3, 10]) },
      { deliveryLimit: chance.pick([-1, 1, 5]) },
    ]);
    const old = queue.settings;
    queue.settings = { ...old, ...changes };
    queue.wasLimited ||= queue.settings.maxLength >= 0;
    queue.state.configure(queue.settings);
    queue.reconfigured = { old, when: this.#when() };
    this.say?.(`configure ${queue.name}: ${JSON.stringify(changes)}`);
  }

  /** The dead return to where they came from. */
  redrive(): void {
    const { model, broker } = this;
    const dead = model.queueByName("dead");
    if (dead === undefined || model.redrives > 0) return;
    model.observe();
    model.redriveBegins(dead);
    this.say?.("redrive");
    void broker.redrive(dead.state, this.chance.between(1, 20)).then((moved) => {
      this.say?.(`  redrive has moved ${moved}`);
      if (model.broker === broker) model.redriveEnded = true;
    });
  }

  purge(): void {
    const queues = this.#queues.filter((queue) => !queue.isLog);
    const queue = this.chance.pick(queues);
    this.model.observe();
    const count = queue.state.purge();
    this.say?.(`purge ${queue.name}: ${count}`);
    this.model.purged(queue, this.#when());
  }

  redeclare(): void {
    const queue = this.chance.pick(this.#queues);
    this.model.observe();
    this.say?.(`delete ${queue.name}#${queue.id}`);
    this.broker.namespace("/")!.deleteQueue(queue.state);
    queue.deleted = this.#when();
    for (const binding of this.model.bindings) if (binding.queue === queue) binding.unbound ??= queue.deleted;
    for (const copy of queue.copies.values()) copy.held = undefined;
    this.#declare(queue.name);
  }

  rebind(): void {
    const { chance, model } = this;
    const queue = chance.pick(this.#queues);
    const bound = model.bindings.find((binding) => binding.queue === queue && binding.unbound === undefined);
    if (bound === undefined) return this.#bind(queue);
    const answer = this.broker.namespace("/")!.unbind("fan", { queue: queue.state }, "", {});
    ensure(answer === "unbound", "a binding that is there can be undone");
    this.say?.(`unbind ${queue.name}`);
    bound.unbound = this.#when();
  }

  #bind(queue: ModelQueue): void {
    const { model } = this;
    // A binding that is being undone and made anew has two fates at a crash; one at a time is enough to check.
    if (model.bindings.some((binding) => binding.queue === queue)) return;
    const answer = this.broker.namespace("/")!.bind("fan", { queue: queue.state }, "", {});
    ensure(answer === "bound", "a binding that is not there can be made");
    this.say?.(`bind ${queue.name}`);
    model.bindings.push({ queue, bound: this.#when(), unbound: undefined });
  }
}

/** It would refuse one more. */
function isFull(queue: ModelQueue, bodyLength: number): boolean {
  const { maxLength, maxLengthBytes, overflow } = queue.settings;
  if (overflow === "drop-head") return false;
  const { readyCount, readyBytes, subscription } = queue.state;
  const { keptCount = 0, keptBytes = 0 } = subscription?.deaths ?? {};
  return (
    (maxLength >= 0 && readyCount + keptCount + 1 > maxLength) ||
    (maxLengthBytes >= 0 && readyBytes + keptBytes + bodyLength > maxLengthBytes)
  );
}

function isFullNow(wasFull: readonly boolean[], targets: readonly ModelQueue[], queue: ModelQueue): boolean {
  return wasFull[targets.indexOf(queue)]!;
}
