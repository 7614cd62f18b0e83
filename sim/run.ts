/**
 * One run from one seed: a broker lives several lives on one disk, and everything that it does in them is held against
 * the model. At the end all is taken out, and nothing may be left: not a message, not a count, not a buffer.
 */
import { Chance } from "./chance.ts";
import { copyAway } from "./copying.ts";
import { Cut, ensure, Violation } from "./cut.ts";
import { Ledger } from "./ledger.ts";
import { Shelf } from "./shelf.ts";
import { Table } from "./table.ts";
import { simFormat } from "./message.ts";
import { Model } from "./model.ts";
import { Tenants } from "./tenants.ts";
import { kindNames } from "./topology.ts";
import { Workload } from "./workload.ts";
import { World } from "./world.ts";

export interface RunReport {
  readonly steps: number;
  readonly deliveries: number;
  readonly recoveries: number;
}

/** Runs the seed; throws what goes wrong. */
export async function runSeed(seed: number, trace?: (line: string) => void): Promise<RunReport> {
  const run = new Run(seed, trace);
  return run.whole();
}

type Ending = "power" | "kill" | "stop" | "fault";

class Run {
  readonly #chance: Chance;
  readonly #world: World;
  readonly #model = new Model();
  readonly #workload: Workload;
  readonly #tenants: Tenants;
  readonly #ledger: Ledger;
  readonly #shelf: Shelf;
  readonly #table: Table;
  /** Of its own, as that of the tenants. */
  readonly #copyChance: Chance;
  readonly #copies: boolean;
  readonly #trace: ((line: string) => void) | undefined;
  readonly #fullDisks: boolean;
  readonly #jumps: boolean;
  readonly #faults: boolean;
  readonly #crashes: boolean;
  readonly #bursts: boolean;
  readonly #rots: boolean;
  readonly #lives: number;
  readonly #stepsPerLife: number;
  readonly #bufferBytes: number;

  constructor(seed: number, trace: ((line: string) => void) | undefined) {
    const chance = new Chance(seed);
    this.#chance = chance;
    this.#trace = trace;
    this.#fullDisks = chance.is(0.25);
    this.#jumps = chance.is(0.2);
    this.#faults = chance.is(0.2);
    this.#crashes = chance.is(0.85);
    this.#bursts = chance.is(0.03);
    this.#rots = chance.is(0.08);
    this.#lives = chance.between(2, 6);
    this.#stepsPerLife = chance.pick([40, 120, 300]);
    this.#bufferBytes = chance.pick([16_384, 32_768, 65_536]);
    const bodyBytesMax = chance.pick([20, 200, 1000]);
    const kinds = chance.is(0.1) ? kindNames : kindNames.filter(() => chance.is(0.3));
    this.#world = new World(
      chance.fork(),
      {
        core: {
          checkpointBytes: chance.pick([16_384, 65_536, 200_000]),
          cacheBytes: chance.pick([0, 40_000, 200_000]),
          bufferBytes: this.#bufferBytes,
          diskFreeBytesMin: 0,
        },
        journalFileBytes: chance.pick([32_768, 131_072]),
        formats: [simFormat],
      },
      trace,
    );
    this.#workload = new Workload(
      this.#model,
      chance.fork(),
      {
        kinds: kinds.length === 0 ? ["plain"] : kinds,
        bodyBytesMax,
        largeBodies: chance.is(0.2) ? 0.1 : 0,
        durableShare: chance.pick([0.5, 0.9, 1]),
      },
      trace,
    );
    this.#tenants = new Tenants(new Chance(seed ^ 0x7e4a5a), this.#model, this.#workload);
    this.#copyChance = new Chance(seed ^ 0xc0b1f);
    this.#copies = this.#copyChance.is(0.3);
    const ofGroups = new Chance(seed ^ 0x96103);
    this.#ledger = new Ledger(new Chance(seed ^ 0x1ed6e5), ofGroups, !this.#copies && !this.#rots, trace);
    this.#shelf = new Shelf(new Chance(seed ^ 0x5e1f00), !this.#copies && !this.#rots, trace);
    this.#table = new Table(new Chance(seed ^ 0x7ab1e0), !this.#copies && !this.#rots, trace);
    this.#model.say = trace;
    this.#model.clockMs = () => this.#world.clock.now();
    this.#model.maxMs = this.#world.clock.now();
  }

  async whole(): Promise<RunReport> {
    let isClean = false;
    for (let life = 0; life < this.#lives; life++) {
      await this.#start(isClean, life > 0);
      await this.#live();
      isClean = await this.#end();
    }
    await this.#start(isClean, true);
    await this.#drain();
    if (!this.#model.mayLose) await this.#restartEmpty();
    return { steps: this.#world.steps, deliveries: this.#model.deliveries, recoveries: this.#model.recoveries };
  }

  async #start(wasClean: boolean, isRestart: boolean): Promise<void> {
    let isClean = wasClean;
    if (this.#rots && isRestart && this.#chance.is(0.4) && (await this.#world.rot())) {
      this.#model.reports = () => this.#world.reports.length;
    }
    for (let attempt = 0; ; attempt++) {
      this.#world.disk.faults = { write: 0, sync: 0, read: this.#faults && attempt === 0 ? 0.01 : 0 };
      this.#world.disk.inner.bytesMax = Number.MAX_SAFE_INTEGER;
      const dies = this.#crashes && attempt < 3 && this.#chance.is(0.1) ? this.#chance.between(0, 60) : Infinity;
      let step = 0;
      this.#trace?.(`start, attempt ${attempt}, dies at step ${dies}`);
      const broker = await this.#world.boot(() => step++ >= dies);
      if (broker !== undefined) {
        this.#model.broker = broker;
        const cut = isRestart ? this.#model.recovered(broker, isClean) : new Cut(0, false);
        this.#workload.begin(broker);
        this.#tenants.recovered();
        this.#ledger.begin(broker, cut);
        this.#shelf.begin(broker);
        this.#table.begin(broker);
        return;
      }
      isClean = false;
      this.#trace?.("the start fails");
      this.#world.crash(this.#chance.pick(["power", "kill"]));
    }
  }

  async #live(): Promise<void> {
    const { disk } = this.#world;
    if (this.#faults && this.#chance.is(0.5)) disk.faults = { write: 0.002, sync: 0.005, read: 0.005 };
    for (let step = 0; step < this.#stepsPerLife; step++) {
      await this.#step();
      this.#tenants.step();
      const passingMs = this.#ledger.step();
      if (passingMs > 0 && this.#world.fatal === undefined) await this.#pass(passingMs);
      this.#shelf.step();
      this.#table.step();
      this.#model.observe();
      if (this.#world.fatal !== undefined) return;
    }
  }

  async #step(): Promise<void> {
    const workload = this.#workload;
    const world = this.#world;
    const act = this.#chance.weighted<() => unknown>([
      [30, () => workload.publish()],
      [3, () => workload.atomic()],
      [16, () => workload.settle()],
      [3, () => workload.get()],
      [4, () => workload.consume()],
      [1, () => workload.closeSession()],
      [2, () => workload.adjust()],
      [0.5, () => workload.purge()],
      [0.4, () => workload.redeclare()],
      [1, () => workload.rebind()],
      [0.3, () => workload.configure()],
      [0.3, () => workload.redrive()],
      [this.#bursts ? 0.5 : 0, () => workload.burst()],
      [30, () => world.completeOne()],
      [20, () => world.endTurn()],
      [4, () => world.quiet(() => this.#model.observe())],
      [5, () => world.advance(this.#chance.pick([1, 20, 300, 2000]))],
      [this.#jumps ? 0.5 : 0, () => this.#jump()],
      [0.3, () => this.#checkpoint()],
      [this.#fullDisks ? 0.7 : 0, () => this.#fill()],
      [this.#fullDisks ? 1 : 0, () => this.#free()],
    ]);
    await act();
  }

  async #pass(ms: number): Promise<void> {
    this.#trace?.(`${ms} ms go by`);
    await this.#world.advance(ms);
    this.#ledger.look();
  }

  async #jump(): Promise<void> {
    const ms = this.#chance.pick([-5000, -200, 5000, 3_600_000, -3_600_000]);
    this.#trace?.(`the clock jumps by ${ms}`);
    if (ms < 0) this.#model.hasJumpedBack = true;
    await this.#world.jump(ms);
  }

  #checkpoint(): void {
    this.#trace?.("checkpoint");
    void this.#world.broker!.checkpoint();
  }

  #fill(): void {
    const { inner } = this.#world.disk;
    inner.bytesMax = inner.bytesUsed() + this.#chance.between(0, 30_000);
    this.#trace?.(`the disk has room for ${inner.bytesMax}`);
  }

  #free(): void {
    this.#world.disk.inner.bytesMax = Number.MAX_SAFE_INTEGER;
    this.#trace?.("the disk has room again");
  }

  /** Answers whether it was a clean end. */
  async #end(): Promise<boolean> {
    if (this.#copies && this.#world.fatal === undefined && this.#copyChance.is(0.5)) {
      this.#trace?.("the end: a copy is made");
      if (await copyAway(this.#world, this.#model, this.#copyChance)) return false;
    }
    const ending: Ending =
      this.#world.fatal !== undefined
        ? "fault"
        : this.#crashes
          ? this.#chance.weighted<Ending>([
              [5, "power"],
              [1, "kill"],
              [2, "stop"],
            ])
          : "stop";
    this.#trace?.(`the end: ${ending}`);
    if (ending !== "stop") {
      this.#world.crash(ending === "fault" ? this.#chance.pick(["power", "kill"]) : ending);
      return false;
    }
    return this.#stop();
  }

  /** Timers have points in time: after a jump back they wait until the clock is where it was. */
  #setClockRight(): void {
    const { clock } = this.#world;
    if (clock.now() < this.#model.maxMs) clock.jumpTo(this.#model.maxMs);
  }

  async #stop(): Promise<boolean> {
    const world = this.#world;
    this.#free();
    this.#setClockRight();
    for (const session of this.#workload.sessions.splice(0)) this.#workload.close(session);
    this.#ledger.leave();
    const broker = world.broker!;
    const stop: { isDone: boolean; error: Error | undefined } = { isDone: false, error: undefined };
    void broker.stop().then(
      () => (stop.isDone = true),
      (error: Error) => (stop.error = error),
    );
    const dies = this.#crashes && this.#chance.is(0.3) ? this.#chance.between(0, 30) : Infinity;
    for (let step = 0; !stop.isDone && stop.error === undefined && step < dies; step++) {
      ensure(step < 20_000, "a stop comes to an end");
      await world.endTurn();
      if (world.fatal !== undefined || stop.error !== undefined) break;
      this.#model.observe();
      if (!(await world.completeOne()) && !stop.isDone) await world.advance(100);
      if (world.fatal !== undefined) break;
      if (!stop.isDone) this.#model.observe();
    }
    if (stop.error !== undefined && (stop.error as NodeJS.ErrnoException).code !== "EIO") throw stop.error;
    this.#trace?.(stop.isDone ? "stopped" : "the stop is cut short");
    if (stop.isDone) {
      ensure(broker.durableTicket >= broker.ticket, "a stop leaves nothing undone");
    }
    world.crash(this.#chance.pick(["power", "kill"]));
    return stop.isDone;
  }

  /** Takes everything out, in order, and looks at what is left. */
  async #drain(): Promise<void> {
    const world = this.#world;
    const model = this.#model;
    const workload = this.#workload;
    this.#trace?.("drain");
    world.disk.faults = { write: 0, sync: 0, read: 0 };
    this.#free();
    await world.quiet(() => model.observe());
    const session = workload.openSession();
    for (const queue of model.queues.values()) {
      if (queue.deleted === undefined && !queue.isHidden) workload.consumeFrom(session, queue, 0, false, true);
    }
    let settlings = 0;
    let fewest = Infinity;
    let fewestSince = 0;
    for (let round = 0; ; round++) {
      await world.quiet(() => model.observe());
      if (session.held.size > 0) {
        session.session.settle(0, true, "accept");
        const when = model.now();
        for (const held of session.held.values()) model.settle(held, "accept", when);
        session.held.clear();
        // No time went by: what is to come later is not late.
        ensure(++settlings < 100_000, "what is settled comes again and again");
        round--;
        continue;
      }
      const waiting = [...model.queues.values()].flatMap((queue) =>
        queue.deleted !== undefined || queue.isLog
          ? []
          : [...queue.copies.values()].filter((copy) => copy.settled === undefined),
      );
      // Damage may hit the list of what is to be delivered when, too.
      if (waiting.length === 0 || (round > 300 && this.#model.mayLose)) break;
      // What dies into a short queue comes there a few at a time.
      if (waiting.length < fewest) {
        fewest = waiting.length;
        fewestSince = round;
      }
      ensure(
        round - fewestSince < 3000,
        `${waiting.length} messages are never delivered, ${waiting[0]!.text} is the first`,
      );
      if (round === 100 && model.maxMs > world.clock.now()) world.clock.jumpTo(model.maxMs);
      await world.advance(100);
      model.observe();
    }
    await this.#ledger.close(() => world.quiet(() => model.observe()));
    await this.#shelf.close(() => world.quiet(() => model.observe()));
    await this.#table.close(
      () => world.quiet(() => model.observe()),
      (ms) => world.advance(ms),
    );
    if (model.mayLose) return;
    for (const queue of model.queues.values()) {
      if (queue.deleted !== undefined) continue;
      const { readyCount, leasedCount } = queue.state;
      if (!queue.isLog)
        ensure(
          readyCount === 0 && leasedCount === 0,
          `${queue.name} is empty and counts ${readyCount} and ${leasedCount}`,
        );
    }
    workload.close(session);
    workload.sessions.length = 0;
    await world.quiet(() => model.observe());
    await this.#checkMemory();
  }

  async #checkMemory(): Promise<void> {
    const { core } = this.#world.broker!;
    const namespace = this.#world.broker!.namespace("/")!;
    for (const queue of this.#model.queues.values()) {
      if (queue.deleted === undefined && queue.readsHistory) {
        namespace.deleteQueue(queue.state);
        queue.deleted = this.#model.now();
        for (const binding of this.#model.bindings) if (binding.queue === queue) binding.unbound ??= queue.deleted;
      }
    }
    // Due times of messages that went another way are kept until they have passed.
    await this.#world.jump(this.#model.maxMs - this.#world.clock.now());
    await this.#world.advance(10_000);
    await this.#world.quiet(() => this.#model.observe());
    for (let round = 0; round < 4; round++) {
      void this.#world.broker!.checkpoint();
      await this.#world.quiet(() => this.#model.observe());
    }
    let pages = 0;
    for (const { partition } of core.queueById.values()) pages += partition.pages.size;
    const rest = core.cache.bytes - pages * 2048;
    // The open block's buffer and the one beside the journal.
    const fair = 2 * this.#bufferBytes + 600_000 * (core.cache.bytes > 600_000 ? 1 : 0);
    ensure(rest <= fair, `${rest} bytes of memory are held for nothing`);
    ensure(pages <= core.queueById.size, `${pages} pages are kept for ${core.queueById.size} empty queues`);
    const names = await this.#world.disk.list();
    const segments = names.filter((name) => name.startsWith("segment"));
    ensure(
      segments.length <= 2,
      `${segments.length} segments are kept for nothing: ${segments.join()} ${JSON.stringify([...core.segments])}`,
    );
    if (this.#model.durableTicket < this.#world.broker!.ticket) throw new Violation("something never becomes durable");
  }

  /** Once more, and nothing may come back. */
  async #restartEmpty(): Promise<void> {
    const isClean = this.#chance.is(0.5) ? await this.#stop() : (this.#world.crash("power"), false);
    await this.#start(isClean, true);
    for (const queue of this.#model.queues.values()) {
      if (queue.isLog) continue;
      ensure(queue.state.readyCount === 0, `${queue.name} was empty and has ${queue.state.readyCount} messages`);
    }
  }
}
