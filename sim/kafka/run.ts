/**
 * One run of Kafka's world from one seed: groups, their members and transactions, by the protocol's own code on the disk and
 * the clock of the simulation. A broker lives several lives; after each, and now and then, all is read as clients read it,
 * and held against what they were told. What the core keeps is not looked at: that is done by the other world (../run.ts).
 *
 * At the end everybody goes in the midst of what they do, and time alone has to decide what is open.
 */
import { offsetFetch } from "../../src/protocols/kafka/commands/offset-fetch.ts";
import { createTopics } from "../../src/protocols/kafka/commands/create-topics.ts";
import { errorCode } from "../../src/protocols/kafka/codec/errors.ts";
import { plainGroupSettings } from "../../src/protocols/kafka/groups/group-settings.ts";
import { batchFormat, recordFormat } from "../../src/protocols/kafka/mapping/format.ts";
import { Chance } from "../chance.ts";
import { ensure } from "../cut.ts";
import { turnOfPromises, World } from "../world.ts";
import { Consumer } from "./consumer.ts";
import { GroupBook } from "./group-book.ts";
import { Member } from "./member.ts";
import { Network, type Line } from "./network.ts";
import { Producer } from "./producer.ts";
import { readFrom } from "./reading.ts";
import { Source } from "./source.ts";
import { type Reading, TransactionBook } from "./transaction-book.ts";
import { Transformer } from "./transformer.ts";

const inCount = 2;
const outCount = 3;
/** Longer than any time-out of theirs. */
const longMs = 62_000;

/** What happened, by name. */
export type KafkaReport = Readonly<Record<string, number>>;

/** Runs the seed; throws what goes wrong. */
export async function runKafkaSeed(seed: number, trace?: (line: string) => void): Promise<KafkaReport> {
  return new KafkaRun(seed, trace).whole();
}

class KafkaRun {
  readonly #chance: Chance;
  readonly #trace: ((line: string) => void) | undefined;
  readonly #world: World;
  readonly #network: Network;
  readonly #auditor: Line;
  readonly #readers = new GroupBook();
  readonly #transformers = new GroupBook();
  readonly #transactions = new TransactionBook();
  readonly #sources: Source[] = [];
  readonly #scripts: Promise<void>[] = [];
  readonly #faults: boolean;
  readonly #stepsPerLife: number;
  #lives = 0;
  /** Of this life. */
  #upMs = 0;

  constructor(seed: number, trace: ((line: string) => void) | undefined) {
    const chance = new Chance(seed);
    this.#chance = chance;
    this.#trace = trace;
    this.#faults = chance.is(0.25);
    this.#stepsPerLife = chance.pick([200, 600, 1200]);
    const isBulky = chance.is(0.4);
    const settings = {
      core: {
        checkpointBytes: chance.pick([16_384, 65_536]),
        cacheBytes: chance.pick([0, 40_000]),
        bufferBytes: isBulky ? 16_384 : 65_536,
        diskFreeBytesMin: 0,
      },
      journalFileBytes: 131_072,
      formats: [batchFormat, recordFormat],
    };
    this.#world = new World(chance.fork(), settings, trace);
    const groups = { ...plainGroupSettings, initialRebalanceDelayMs: chance.pick([0, 1000]) };
    this.#network = new Network(chance.fork(), isBulky, groups, trace);
    this.#auditor = this.#network.line("auditor");
  }

  async whole(): Promise<KafkaReport> {
    const lives = this.#chance.between(2, 6);
    await this.#start();
    await this.#makeTopics();
    this.#populate();
    for (let life = 1; ; life++) {
      await this.#live();
      if (life === lives) break;
      await this.#end();
      await this.#start();
      await this.#check();
    }
    await this.#close();
    return {
      steps: this.#world.steps,
      lives: this.#lives,
      late: this.#network.lateCount,
      ...this.#transactions.counts,
      ...sum(this.#readers.counts, this.#transformers.counts),
    };
  }

  // ---- who is there

  async #makeTopics(): Promise<void> {
    const one = { replicationFactor: 1, assignments: [], configs: [] };
    const topics = [
      { ...one, name: "in", numPartitions: inCount },
      { ...one, name: "out", numPartitions: outCount },
      { ...one, name: "filler", numPartitions: 1 },
    ];
    this.#network.isReliable = true;
    const answer = await this.#quietly(() => this.#auditor.askNow(createTopics, 5, { topics, timeoutMs: 1000 }));
    ensure(answer?.topics.every((topic) => topic.errorCode === errorCode.NONE) === true, "topics are made");
    this.#network.isReliable = false;
  }

  #populate(): void {
    const network = this.#network;
    const play = (script: Promise<void>): void => void this.#scripts.push(network.play(script));
    for (let partition = 0; partition < inCount; partition++) {
      const source = new Source(network, partition);
      this.#sources.push(source);
      play(source.play());
    }
    for (const name of ["consumer 1", "consumer 2", "consumer 3"]) {
      play(new Consumer(network, name, new Member(network, this.#readers, "readers", name, inCount)).play());
    }
    const transactional = [
      ["transformer 1", "T", true],
      ["transformer 2", "T", true],
      ["transformer 3", "U", true],
      ["writer", "V", false],
    ] as const;
    for (const [name, id, isMember] of transactional) {
      const producer = new Producer(network, this.#transactions, id, name);
      const member = isMember ? new Member(network, this.#transformers, "transformers", name, inCount) : undefined;
      play(new Transformer(network, name, producer, member, outCount).play());
    }
  }

  // ---- a life

  async #start(): Promise<void> {
    const { disk } = this.#world;
    disk.faults = { write: 0, sync: 0, read: 0 };
    for (let attempt = 0; ; attempt++) {
      const dies = attempt < 3 && this.#chance.is(0.15) ? this.#chance.between(0, 60) : Infinity;
      let step = 0;
      this.#trace?.(`start, attempt ${attempt}, dies at step ${dies}`);
      const broker = await this.#world.boot(() => step++ >= dies);
      if (broker !== undefined) {
        this.#lives++;
        this.#upMs = this.#world.clock.now();
        return this.#network.begin(broker);
      }
      this.#world.crash(this.#chance.pick(["power", "kill"]));
    }
  }

  async #live(): Promise<void> {
    const { disk } = this.#world;
    if (this.#faults && this.#chance.is(0.5)) disk.faults = { write: 0.002, sync: 0.005, read: 0.005 };
    const network = this.#network;
    for (let step = 0; step < this.#stepsPerLife && this.#world.fatal === undefined; step++) {
      if (network.perilSteps-- > 0 && this.#chance.is(0.06)) return;
      await this.#step();
      network.poll();
      await turnOfPromises();
    }
  }

  async #step(): Promise<void> {
    const world = this.#world;
    const network = this.#network;
    await this.#chance.weighted<() => unknown>([
      [90, () => network.goOn()],
      [20, () => world.completeOne()],
      [12, () => world.endTurn()],
      [8, () => world.quiet(() => network.poll())],
      [6, () => this.#pass(this.#chance.pick([1, 20, 100, 700]))],
      [0.15, () => this.#pass(this.#chance.pick([8000, 35_000, longMs]))],
      [4, () => network.deliverLate()],
      [0.7, () => network.breakOne()],
      [0.3, () => void world.broker!.checkpoint()],
      [0.5, () => this.#check()],
    ])();
  }

  async #pass(ms: number): Promise<void> {
    await this.#world.endTurn();
    await this.#world.advance(ms);
    this.#network.tick();
    this.#network.poll();
    for (const book of [this.#readers, this.#transformers]) book.passed(this.#world.clock.now());
  }

  async #end(): Promise<void> {
    const world = this.#world;
    const isOver = world.fatal !== undefined;
    const ending = isOver ? this.#chance.pick(["power", "kill"] as const) : this.#ending();
    this.#trace?.(`the end: ${ending}`);
    if (ending === "stop") await this.#stop();
    this.#network.lost();
    for (const book of [this.#readers, this.#transformers]) book.lost();
    world.crash(ending === "stop" ? this.#chance.pick(["power", "kill"]) : ending);
    await turnOfPromises();
  }

  #ending(): "power" | "kill" | "stop" {
    return this.#chance.weighted([
      [5, "power"],
      [1, "kill"],
      [2, "stop"],
    ]);
  }

  async #stop(): Promise<void> {
    const world = this.#world;
    this.#network.leave();
    const stop = { isOver: false };
    void world
      .broker!.stop()
      .finally(() => (stop.isOver = true))
      .catch(() => undefined);
    const dies = this.#chance.is(0.3) ? this.#chance.between(0, 30) : Infinity;
    for (let step = 0; !stop.isOver && world.fatal === undefined && step < dies; step++) {
      ensure(step < 20_000, "a stop comes to an end");
      await world.endTurn();
      if (world.fatal === undefined && !(await world.completeOne()) && !stop.isOver) await world.advance(100);
    }
  }

  // ---- what is there

  /** Nobody has a turn until it is done. Undefined: the broker has given up meanwhile. */
  async #quietly<T>(ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const world = this.#world;
    const asked: { isOver: boolean; answer?: T | undefined; error?: Error } = { isOver: false };
    ask().then(
      (answer) => Object.assign(asked, { isOver: true, answer }),
      (error: Error) => Object.assign(asked, { isOver: true, error }),
    );
    for (let rounds = 0; !asked.isOver; rounds++) {
      ensure(rounds < 1000, "an answer comes");
      await world.quiet(() => this.#network.poll());
      if (world.fatal !== undefined) return undefined;
    }
    if (asked.error !== undefined) throw asked.error;
    return asked.answer;
  }

  /** All that clients see. */
  async #check(isWhole = false): Promise<void> {
    const { isReliable } = this.#network;
    this.#network.isReliable = true;
    this.#trace?.("check");
    const nowMs = this.#world.clock.now();
    await this.#quietly(() => Promise.resolve(true));
    const readings: Reading[] = [];
    for (let partition = 0; partition < outCount; partition++) readings.push(await this.#read("out", partition));
    for (let partition = 0; partition < inCount; partition++) {
      const reading = await this.#read("in", partition);
      if (this.#world.fatal !== undefined) break;
      this.#sources[partition]!.check(reading);
    }
    if (this.#world.fatal === undefined) {
      for (const { stableEnd, end } of readings) {
        ensure(!isWhole || stableEnd === end, `all is over, and ${stableEnd} is stable of ${end}`);
      }
      this.#transactions.check(readings, nowMs, this.#upMs);
      for (let partition = 0; partition < inCount; partition++) await this.#checkPlaces(partition, isWhole);
    }
    this.#network.isReliable = isReliable;
  }

  async #checkPlaces(partition: number, isWhole: boolean): Promise<void> {
    const read = await this.#placeOf("readers", partition);
    if (read !== undefined) this.#readers.stands(partition, read.offset < 0 ? undefined : read.metadata);
    const transformed = await this.#placeOf("transformers", partition);
    ensure(!isWhole || transformed !== undefined, `all is over, and the place in ${partition} is not stable`);
    if (transformed !== undefined) {
      this.#transactions.checkPlace(partition, Math.max(0, transformed.offset), isWhole);
    }
  }

  /** Undefined: the broker gives up, or a transaction is about to move it. */
  async #placeOf(groupId: string, partition: number): Promise<{ offset: number; metadata: string } | undefined> {
    const topics = [{ name: "in", partitionIndexes: [partition] }];
    const asked = { groupId, requireStable: true, topics };
    const answer = await this.#quietly(() => this.#auditor.askNow(offsetFetch, 7, asked));
    const found = answer?.topics[0]?.partitions[0];
    if (found?.errorCode !== errorCode.NONE) return undefined;
    return { offset: found.committedOffset, metadata: found.metadata ?? "" };
  }

  async #read(topic: string, partition: number): Promise<Reading> {
    const values: string[] = [];
    for (let next = 0, tries = 0; ; tries++) {
      ensure(tries < 1000, `a reader of ${topic}/${partition} gets what is stable`);
      const found = await this.#quietly(() => readFrom(this.#auditor, topic, partition, next, "askNow"));
      if (this.#world.fatal !== undefined) return { values, stableEnd: 0, end: 0 };
      if (found === undefined) continue;
      values.push(...found.values);
      ({ next } = found);
      if (next >= found.stableEnd) return { values, stableEnd: found.stableEnd, end: found.end };
    }
  }

  // ---- the end

  async #close(): Promise<void> {
    const world = this.#world;
    const network = this.#network;
    world.disk.faults = { write: 0, sync: 0, read: 0 };
    // What was drawn to fail does so now, if it has not.
    await world.quiet(() => network.poll());
    if (world.fatal !== undefined) {
      await this.#end();
      await this.#start();
    }
    this.#trace?.("everybody goes");
    network.isReliable = true;
    network.isOver = true;
    const scripts = { areOver: false };
    void Promise.all(this.#scripts).then(() => (scripts.areOver = true));
    for (let rounds = 0; !scripts.areOver; rounds++) {
      ensure(rounds < 400, "the scripts come to an end");
      while (network.goOn());
      await world.quiet(() => network.poll());
      // Whoever waits for others to join waits for time to go by.
      await this.#pass(500);
    }
    await this.#check();
    await this.#pass(longMs);
    await world.quiet(() => network.poll());
    for (const id of ["T", "U", "V"]) this.#transactions.takenOver(id);
    await this.#check(true);
  }
}

function sum(...counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const each of counts) for (const [what, n] of Object.entries(each)) total[what] = (total[what] ?? 0) + n;
  return total;
}
