/**
 * The network between Kafka's clients and the broker: bytes go through the protocol's own connections, and come late, or never.
 *
 * Each client is a script, an async function that asks and waits. Whatever it asks waits first for its turn, which the run
 * draws: so requests of all of them come between each other, and between any two things that the disk does, as the seed says.
 * A request may be left on its way over a connection that its client has given up, and come when nobody expects it any more;
 * an answer may be lost with its connection; and when the broker dies, so is all that was on its way.
 */
import { Authority, plainAuthSettings } from "../../src/auth/authority.ts";
import type { RunningCore } from "../../src/broker/broker.ts";
import { silentLogger } from "../../src/observe/log.ts";
import type { Command } from "../../src/protocols/kafka/command.ts";
import type { GroupSettings } from "../../src/protocols/kafka/groups/group-settings.ts";
import { produce } from "../../src/protocols/kafka/commands/produce.ts";
import { createKafka } from "../../src/protocols/kafka/index.ts";
import {
  KafkaClient,
  localAddress,
  type ClientSide,
  type RequestOf,
  type ResponseOf,
  type Sketch,
} from "../../src/protocols/kafka/kafka-house.suite.ts";
import type { KafkaServer } from "../../src/protocols/kafka/server.ts";
import { plainKafkaSettings } from "../../src/protocols/kafka/settings.ts";
import { transactionBatch } from "../../src/protocols/kafka/transactions/transaction-story.suite.ts";
import type { Chance } from "../chance.ts";
import { ensure } from "../cut.ts";

interface Late {
  readonly client: KafkaClient;
  readonly bytes: Buffer;
  readonly arrived: () => void;
  readonly what: string;
}

/** What one broker's life brings. */
interface House extends ClientSide {
  readonly server: KafkaServer;
  readonly broker: RunningCore;
  readonly clients: Set<KafkaClient>;
}

const nobody = { producerId: -1, producerEpoch: -1 };
const perilSteps = 12;

export class Network {
  readonly chance: Chance;
  readonly say: ((line: string) => void) | undefined;
  /** The scripts are to come to an end. */
  isOver = false;
  /** Nothing is late or lost. */
  isReliable = false;
  /** The broker stops. */
  isLeaving = false;
  lateCount = 0;
  /** Some of what is sent is large, so that what belongs together may not go into one block of the journal. */
  readonly isBulky: boolean;
  /** For so many steps the broker is likelier to die than otherwise. */
  perilSteps = 0;
  readonly #groups: GroupSettings;
  readonly #lossShare: number;
  #house: House | undefined;
  readonly #lines = new Set<Line>();
  #late: Late[] = [];
  #filler: KafkaClient | undefined;
  readonly #turns: (() => void)[] = [];
  #failure: Error | undefined;

  constructor(chance: Chance, isBulky: boolean, groups: GroupSettings, say: ((line: string) => void) | undefined) {
    this.chance = chance;
    this.say = say;
    this.#groups = groups;
    this.isBulky = isBulky;
    this.#lossShare = chance.pick([0, 0.04, 0.15]);
  }

  /** A broker has come up. */
  begin(broker: RunningCore): void {
    const { clock, random } = broker;
    const authority = new Authority({
      store: broker.definitions,
      clock,
      bytes: (count) => random.bytes(count),
      logger: silentLogger,
      settings: plainAuthSettings,
    });
    authority.createFirst();
    const settings = { ...plainKafkaSettings, idleMs: 0, autoCreateTopics: false, groups: this.#groups };
    const parts = { broker, authority, clock, random, logger: silentLogger, version: "0.0.0" };
    const { kafka, server } = createKafka({ ...parts, settings, ports: () => [] });
    this.#house = { protocol: kafka, settle: () => undefined, server, broker, clients: new Set() };
  }

  /** It stops: connections are told, and go. */
  leave(): void {
    const { server, clients } = this.#house!;
    this.isLeaving = true;
    for (const { connection } of clients) connection.shutdown();
    this.poll();
    for (const { connection } of clients) connection.closed();
    server.stop();
    this.lost();
  }

  /** It is gone, and all that was on its way. */
  lost(): void {
    this.#house = undefined;
    this.#filler = undefined;
    this.isLeaving = false;
    this.perilSteps = 0;
    this.#late = [];
    for (const line of this.#lines) line.lost();
  }

  get nowMs(): number {
    return this.#house?.broker.clock.now() ?? 0;
  }

  get isUp(): boolean {
    return this.#house !== undefined;
  }

  line(name: string): Line {
    const line = new Line(this, name);
    this.#lines.add(line);
    return line;
  }

  connect(): KafkaClient {
    const client = new KafkaClient(this.#house!, localAddress);
    this.#house!.clients.add(client);
    return client;
  }

  /** A client lives from here on. What it finds wrong fails the run. */
  play(script: Promise<void>): Promise<void> {
    return script.catch((error: Error) => {
      this.#failure ??= error;
    });
  }

  /** Waits until the run lets it go on. */
  turn(): Promise<void> {
    return new Promise((resolve) => this.#turns.push(resolve));
  }

  /** What comes next in this turn may go into two blocks, and the power may go between them. */
  fillBlock(): void {
    if (!this.isBulky || this.#house === undefined || this.isReliable) return;
    const records = transactionBatch(["x".repeat(this.chance.between(0, 15_000))], nobody, -1, false, this.nowMs);
    const topicData = [{ name: "filler", partitionData: [{ index: 0, records }] }];
    const client = (this.#filler ??= this.connect());
    client.take();
    client.ask(produce, 9, { transactionalId: null, acks: 1, timeoutMs: 1000, topicData });
    this.perilSteps = perilSteps;
  }

  /** One of those who wait goes on. False: nobody waits. */
  goOn(): boolean {
    const [resolve] = this.#turns.splice(this.chance.between(0, this.#turns.length), 1);
    resolve?.();
    return resolve !== undefined;
  }

  /** Answers reach those who asked. What they do about it comes in promises of theirs. */
  poll(): void {
    if (this.#failure !== undefined) throw this.#failure;
    for (const line of this.#lines) line.poll();
  }

  tick(): void {
    const nowMs = this.nowMs;
    for (const { connection, isEnded } of this.#house?.clients ?? []) if (!isEnded) connection.tick(nowMs);
  }

  isToBeLate(): boolean {
    return !this.isReliable && this.chance.is(this.#lossShare);
  }

  later(late: Late): void {
    this.#late.push(late);
  }

  /** What was on its way for long comes, over a connection that nobody listens to any more. */
  deliverLate(): void {
    if (this.#late.length === 0 || this.isReliable) return;
    const [late] = this.#late.splice(this.chance.between(0, this.#late.length), 1);
    this.say?.(`late: ${late!.what}`);
    this.lateCount++;
    late!.arrived();
    late!.client.raw(late!.bytes);
  }

  /** It hears that nobody is there any more. */
  hangUp(client: KafkaClient): void {
    this.#house!.clients.delete(client);
    client.destroy();
  }

  /** Somebody who waits for an answer gives its connection up. */
  breakOne(): void {
    if (this.isReliable) return;
    const waiting = [...this.#lines].filter(({ isWaiting }) => isWaiting);
    if (waiting.length > 0) this.chance.pick(waiting).break(this.chance.is(0.5));
  }
}

/** One client's way to the broker: over one connection after the other, one request at a time. */
export class Line {
  readonly name: string;
  readonly #network: Network;
  #client: KafkaClient | undefined;
  #answered: ((answer: unknown) => void) | undefined;

  constructor(network: Network, name: string) {
    this.#network = network;
    this.name = name;
  }

  get isWaiting(): boolean {
    return this.#answered !== undefined;
  }

  /**
   * Asks when its turn has come. Undefined: there is no answer, and whether it was done nobody knows.
   * @param arrived the broker has it now, perhaps long after its client has given up
   * @param before its turn has come
   */
  async ask<C extends Command>(
    command: C,
    version: number,
    body: Sketch<RequestOf<C>>,
    arrived: () => void = () => undefined,
    before: () => void = () => undefined,
  ): Promise<ResponseOf<C> | undefined> {
    await this.#network.turn();
    before();
    return this.askNow(command, version, body, arrived);
  }

  /** As ask(), without waiting for a turn. */
  async askNow<C extends Command>(
    command: C,
    version: number,
    body: Sketch<RequestOf<C>>,
    arrived: () => void = () => undefined,
  ): Promise<ResponseOf<C> | undefined> {
    const network = this.#network;
    ensure(this.#answered === undefined, "one request at a time");
    if (!network.isUp) return undefined;
    const what = `${this.name} ${command.name} v${version}`;
    const client = (this.#client ??= network.connect());
    const bytes = client.requestBytes(command, version, body);
    if (network.isToBeLate()) {
      network.say?.(`${what} is on its way`);
      network.later({ client, bytes, arrived, what });
      this.#client = undefined;
      return undefined;
    }
    network.say?.(`${what} at ${network.nowMs}`);
    const answer = new Promise<unknown>((resolve) => (this.#answered = resolve));
    arrived();
    client.raw(bytes);
    return answer as Promise<ResponseOf<C> | undefined>;
  }

  poll(): void {
    const client = this.#client;
    if (client === undefined || this.#answered === undefined) return;
    const [answer] = client.take();
    if (answer !== undefined) {
      this.#network.say?.(`${this.name} is told ${textOf(answer.response)}`);
      this.#resolve(answer.response);
    } else if (client.isEnded) {
      ensure(this.#network.isLeaving, `the broker has ended the connection of ${this.name}`);
      this.lost();
    }
  }

  /** Its client does not wait any more. The broker hears of that, or does not. */
  break(isHeard: boolean): void {
    this.#network.say?.(`${this.name} gives its connection up`);
    if (isHeard) this.#network.hangUp(this.#client!);
    this.lost();
  }

  lost(): void {
    this.#client = undefined;
    this.#resolve(undefined);
  }

  #resolve(answer: unknown): void {
    const answered = this.#answered;
    this.#answered = undefined;
    answered?.(answer);
  }
}

/** Bytes are left out. */
function textOf(response: unknown): string {
  return JSON.stringify(response, (_, value: unknown) => (isBytes(value) ? undefined : value)).slice(0, 300);
}

/** A buffer, as JSON has it by then. */
function isBytes(value: unknown): boolean {
  return typeof value === "object" && value !== null && "type" in value && value.type === "Buffer";
}
