/**
 * The library's entry for test suites, `entrepot/testing`: a broker in the process of the tests, in memory, at ports that are
 * free, by a clock that stands still; with what a test wants beyond a broker. The broker itself is the one that is shipped,
 * its protocols, its journal and its recovery included: only the disk is memory, one that forgets at a crash what was not
 * synced, as a real one does.
 */

import { systemClock, VirtualClock, type Clock } from "./base/clock.ts";
import { seededRandom, type Random } from "./base/random.ts";
import {
  assemble,
  loggerFor,
  openPorts,
  redriveIn,
  stopAssembled,
  type Assembled,
  type OpenedLog,
} from "./assembly.ts";
import type { RunningCore } from "./broker/broker.ts";
import type { PortBeside } from "./broker-ports.ts";
import { ConfigurationError } from "./config/configuration-error.ts";
import type { OptionKey, Settings } from "./config/options.ts";
import { settingsFor, type EffectiveSettings } from "./config/settings.ts";
import { openDiskLog } from "./log/disk-log.ts";
import { ForgetfulDisk } from "./log/memory/forgetful-disk.ts";
import type { Logger } from "./observe/log.ts";
import type { OwnNamespace } from "./protocols/registry.ts";
import type { OpenPort } from "./server/protocol.ts";
import { assertPublished, type ExpectedMessage } from "./testing/assert-published.ts";
import { BrokerTrial } from "./testing/broker-trial.ts";
import { durationMs, passTime, plainRestMsMax } from "./testing/pass-time.ts";
import { plainPublishedBounds, type NextOptions, type PublishedMessage } from "./testing/published.ts";
import type { Faults } from "./testing/faults.ts";
import type { TestBroker, TestBrokerOptions, TestNamespace } from "./testing/test-options.ts";

export type { ExpectedMessage } from "./testing/assert-published.ts";
export type { Fault, FaultFilter, Faults, DelayOptions, RefuseOptions } from "./testing/faults.ts";
export type { NextOptions, PublishedBounds, PublishedMessage } from "./testing/published.ts";
export type { TestBroker, TestBrokerOptions, TestNamespace } from "./testing/test-options.ts";

/** A small journal: each start makes one, and memory holds it two times. */
const testSettings = { "journal.fileBytes": "1MiB", "journal.checkpointBytes": "16MiB" };
/** Nobody waits for members of other tests. */
const quickGroups = { "kafka.groupInitialRebalanceDelayMs": 0 };
/** In this process. */
let startedCount = 0;

/**
 * Starts a broker for tests, and gives it back when every listener accepts.
 * @throws ConfigurationError if an option is wrong.
 */
export async function startBroker(options: TestBrokerOptions = {}): Promise<TestBroker> {
  const { listen = { amqp: 0, kafka: 0 }, clock = "virtual", set, logger, publishedMax, restMsMax } = options;
  const { seed = ++startedCount } = options;
  const effective = await settingsFor({
    memory: true,
    listen,
    logger,
    set: { ...testSettings, ...quickGroups, ...set },
  });
  const virtual =
    clock === "virtual" ? new VirtualClock(startMs(options), (run) => systemClock().defer(run)) : undefined;
  if (virtual === undefined && options.now !== undefined)
    throw new ConfigurationError(['now: by the clock "system" it is whatever it is']);
  const broker = new InProcessBroker(
    effective,
    virtual,
    loggerFor({ logger }, effective.values, virtual ?? systemClock()),
    { ...plainPublishedBounds, ...publishedMax },
    restMsMax ?? plainRestMsMax,
    seededRandom(seed),
  );
  await broker.start();
  return broker;
}

function startMs({ now }: TestBrokerOptions): number {
  if (now === undefined) return systemClock().now();
  const ms = now.getTime();
  if (!(ms >= 0)) throw new ConfigurationError([`now: ${String(now)} is no time since 1970`]);
  return ms;
}

/** A port and what answers there; both are made again after a crash. */
interface OpenNamespace {
  own: OwnNamespace | undefined;
  /** From its first wish on: two who ask at once have one. */
  port: Promise<PortBeside> | undefined;
  portNumber: number;
  /** Nobody was there to delete it: the next life of the broker does. */
  isDoomed: boolean;
  deleting: Promise<void> | undefined;
}

class InProcessBroker implements TestBroker {
  readonly #trial: BrokerTrial;
  readonly #virtual: VirtualClock | undefined;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #restMsMax: number;
  /** One for all its lives: names that were given are not given again. */
  readonly #random: Random;
  #effective: EffectiveSettings;
  #diskSteps = 0;
  readonly #disk = new ForgetfulDisk((run) => {
    this.#diskSteps++;
    systemClock().defer(run);
  });
  #running: Assembled | undefined;
  /** The end of the one that is running. */
  #ending = Promise.withResolvers<void>();
  #passing: Promise<void> = Promise.resolve();
  #ports: ReturnType<typeof openPorts> = { ports: {}, addresses: {} };
  /** All of them, also those that share a name. */
  #listening: readonly OpenPort[] = [];
  /** What is left of a crash: its ports are free after it. */
  #dying: Promise<void> = Promise.resolve();
  #recovering: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  readonly #namespaces = new Map<string, OpenNamespace>();
  #namespaceCount = 0;

  constructor(
    effective: EffectiveSettings,
    virtual: VirtualClock | undefined,
    logger: Logger,
    bounds: ConstructorParameters<typeof BrokerTrial>[1],
    restMsMax: number,
    random: Random,
  ) {
    this.#random = random;
    this.#effective = effective;
    this.#virtual = virtual;
    this.#clock = virtual ?? systemClock();
    this.#logger = logger;
    this.#restMsMax = restMsMax;
    const live = () => this.#running?.protocols.rabbit.live.all() ?? [];
    this.#trial = new BrokerTrial(effective.values["kafka.namespace"], bounds, systemClock(), live);
  }

  get ports(): Readonly<Record<string, number>> {
    return this.#ports.ports;
  }

  get addresses(): Readonly<Record<string, string>> {
    return this.#ports.addresses;
  }

  get url(): string {
    return this.#urlOf("/");
  }

  get kafka(): string {
    return this.#addressOf("kafka");
  }

  get faults(): Faults {
    return this.#trial.faults;
  }

  async start(): Promise<void> {
    this.#ending = Promise.withResolvers();
    this.#running = await assemble(this.#effective, {
      clock: this.#clock,
      logger: this.#logger,
      openData: () => this.#openData(),
      onFailure: undefined,
      trial: this.#trial,
      random: this.#random,
    });
    this.#ports = openPorts(this.#running.ports);
    this.#listening = this.#running.ports.open();
  }

  async advance(duration: string | number): Promise<void> {
    const running = this.#assertRunning("advance");
    const ms = durationMs("advance", duration);
    if (this.#virtual === undefined) throw new Error("advance: this broker was started with the machine's clock");
    // One behind the other, whoever asks.
    const passing = this.#passing.then(() => this.#pass(running, this.#virtual!, ms));
    this.#passing = passing.catch(() => undefined);
    await passing;
  }

  async #pass({ core, protocols }: Assembled, virtual: VirtualClock, ms: number): Promise<void> {
    const watched = {
      news: () => this.#trial.sockets.events + this.#diskSteps,
      isOver: () => this.#running?.core !== core,
      restMsMax: this.#restMsMax,
    };
    const pass = async (): Promise<void> => {
      // What clients have sent is read before it is judged who is silent.
      await passTime(virtual, core, 0, watched);
      for (const kafka of [protocols.kafkaServer, ...this.#kafkaServers()]) this.#trial.membersAge(kafka, ms);
      await passTime(virtual, core, ms, watched);
    };
    await this.#unlessItEnds("advance", core, pass());
  }

  /** Of what waits for a dead broker nothing comes. */
  async #unlessItEnds(what: string, core: RunningCore, run: Promise<void>): Promise<void> {
    await Promise.race([run, this.#ending.promise]);
    if (this.#running?.core !== core) throw new Error(`${what}: the broker has crashed or was stopped meanwhile`);
  }

  namespace(wanted?: string): Promise<TestNamespace> {
    return this.#onceRecovered(() => this.#makeNamespace(wanted));
  }

  async #makeNamespace(wanted: string | undefined): Promise<TestNamespace> {
    // What one of its name leaves behind is forgotten by the name.
    const deleting = wanted === undefined ? undefined : this.#namespaces.get(wanted)?.deleting;
    if (deleting !== undefined) await deleting;
    const { core, protocols } = this.#assertRunning("namespace");
    const { vhosts } = protocols.rabbit;
    const name = wanted ?? this.#freeName((taken) => vhosts.find(taken) !== undefined || this.#namespaces.has(taken));
    if (vhosts.find(name) !== undefined) throw new Error(`namespace: there is a namespace ${name}`);
    const own = protocols.openNamespace(name, this.#user);
    const open: OpenNamespace = { own, port: undefined, portNumber: 0, isDoomed: false, deleting: undefined };
    this.#namespaces.set(name, open);
    try {
      await this.#unlessItEnds("namespace", core, durable(core));
    } catch (error) {
      // It may be there after all.
      open.isDoomed = true;
      throw error;
    }
    const deleteOnce = (): Promise<void> =>
      (open.deleting ??= this.#onceRecovered(() => this.#deleteNamespace(name, open)));
    return {
      name,
      url: this.#urlOf(name),
      kafka: () => this.#onceRecovered(() => this.#openKafka(open)),
      published: (to) => this.published(to, { namespace: name }),
      nextPublished: (to, options) => this.nextPublished(to, { ...options, namespace: name }),
      assertPublished: (to, expected) => this.assertPublished(to, expected, { namespace: name }),
      redrive: (queue, countMax = Infinity) => redriveIn(this.#assertRunning("redrive").core, name, queue, countMax),
      delete: deleteOnce,
      [Symbol.asyncDispose]: deleteOnce,
    };
  }

  /** Who recovers does the same to each namespace. */
  #onceRecovered<T>(run: () => Promise<T>): Promise<T> {
    return this.#recovering === undefined ? run() : this.#recovering.catch(() => undefined).then(run);
  }

  #freeName(isTaken: (name: string) => boolean): string {
    for (;;) {
      const name = `test-${++this.#namespaceCount}`;
      if (!isTaken(name)) return name;
    }
  }

  published(name: string, { namespace = "/" }: { readonly namespace?: string } = {}): readonly PublishedMessage[] {
    return this.#trial.published.of(namespace, name);
  }

  nextPublished(
    name: string,
    { namespace = "/", ...options }: NextOptions & { readonly namespace?: string } = {},
  ): Promise<readonly PublishedMessage[]> {
    return this.#trial.published.next(namespace, name, options);
  }

  assertPublished(
    name: string,
    expected: readonly ExpectedMessage[],
    options: { readonly namespace?: string } = {},
  ): void {
    assertPublished(this.published(name, options), expected);
  }

  forgetPublished(): void {
    this.#trial.published.forget();
  }

  redrive(queue: string, countMax = Infinity): Promise<number> {
    return redriveIn(this.#assertRunning("redrive").core, "/", queue, countMax);
  }

  async crash(): Promise<void> {
    const running = this.#assertRunning("crash");
    this.#running = undefined;
    this.#ending.resolve();
    // From here on nothing of it is written any more, whatever its parts do while they are taken down.
    running.core.abandon();
    this.#disk.crash();
    this.#trial.sockets.cutAll();
    for (const { own } of this.#namespaces.values()) own?.stop();
    this.#dying = takeDown(running);
    await this.#dying;
  }

  recover(): Promise<void> {
    return (this.#recovering ??= this.#recover().finally(() => (this.#recovering = undefined)));
  }

  async #recover(): Promise<void> {
    if (this.#stopping !== undefined) throw new Error("recover: the broker was stopped");
    if (this.#running !== undefined) throw new Error("recover: the broker has not crashed");
    await this.#dying;
    this.#effective = { ...this.#effective, values: this.#atTakenAddresses(this.#effective.values) };
    await this.start();
    for (const [name, open] of this.#namespaces) {
      open.own = this.#running!.protocols.openNamespace(name, this.#user);
      const hadPort = open.port !== undefined;
      open.port = undefined;
      if (open.isDoomed) await this.#deleteNamespace(name, open);
      else if (hadPort) await this.#openKafka(open);
    }
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    // Who asked for it hears of what it was.
    await this.#recovering?.catch(() => undefined);
    await this.#dying;
    const running = this.#running;
    this.#running = undefined;
    this.#ending.resolve();
    if (running !== undefined) {
      // A clock that stands still would hold them for ever.
      this.#trial.sockets.letAllGo();
      for (const { own } of this.#namespaces.values()) own?.stop();
      await stopAssembled(running);
    }
    this.faults.assertFired();
  }

  async #openData(): Promise<OpenedLog> {
    const fileBytesMax = this.#effective.values["journal.fileBytes"];
    const log = await openDiskLog(this.#disk, this.#random, { fileBytesMax });
    return { log, release: async () => undefined };
  }

  /** The settings, with the addresses at which it listened. */
  #atTakenAddresses(values: Settings): Settings {
    const taken: Record<string, { host: string; port: number }> = {};
    const nodes: number[] = [];
    for (const { name, host, port } of this.#listening) {
      const key = `listen.${name}` as OptionKey;
      // The further ports of Kafka's protocol come behind the one that has its name, if there is one.
      if (values[key] === null || taken[key] !== undefined) nodes.push(port);
      else taken[key] = { host, port };
    }
    const atNodes = values["kafka.nodes"].map((node, index) => ({ ...node, port: nodes[index] ?? node.port }));
    return { ...values, ...taken, "kafka.nodes": atNodes };
  }

  async #openKafka(open: OpenNamespace): Promise<string> {
    const running = this.#assertRunning("kafka");
    const { own } = open;
    if (own === undefined) throw new Error("kafka: the namespace was deleted");
    if (open.port === undefined) {
      const opening = this.#openPort(running, open, own);
      opening.catch(() => {
        if (open.port === opening) open.port = undefined;
      });
      open.port = opening;
    }
    const { port } = await open.port;
    return `127.0.0.1:${port}`;
  }

  /** One whose namespace or broker has gone when it is there is closed at once: nobody else knows of it. */
  async #openPort(running: Assembled, open: OpenNamespace, own: OwnNamespace): Promise<PortBeside> {
    const address = { host: "127.0.0.1", port: open.portNumber };
    const port = await running.ports.openBeside("kafka", address, own.kafka);
    if (this.#running !== running || open.own !== own) {
      await port.close();
      throw new Error("kafka: the namespace was deleted meanwhile, or the broker has crashed or was stopped");
    }
    open.portNumber = port.port;
    return port;
  }

  async #deleteNamespace(name: string, open: OpenNamespace): Promise<void> {
    open.isDoomed = true;
    if (this.#running === undefined) return;
    const { core, protocols } = this.#running;
    const { own, port } = open;
    open.own = undefined;
    // Its connections go with it; who is told of what goes on in it is told before.
    protocols.rabbit.vhosts.delete(name);
    await port?.then(
      (opened) => opened.close(),
      () => undefined,
    );
    own?.stop();
    this.#trial.forgetNamespace(name);
    await Promise.race([durable(core), this.#ending.promise]);
    // It may be there again after a crash; and somebody may have made one of its name meanwhile.
    if (this.#running?.core === core && this.#namespaces.get(name) === open) this.#namespaces.delete(name);
  }

  #kafkaServers() {
    return [...this.#namespaces.values()].flatMap(({ own }) => (own === undefined ? [] : [own.kafkaServer]));
  }

  #assertRunning(what: string): Assembled {
    if (this.#running !== undefined && this.#stopping === undefined) return this.#running;
    throw new Error(
      `${what}: the broker ${this.#stopping === undefined ? "has crashed: call recover()" : "was stopped"}`,
    );
  }

  get #user(): string {
    return this.#effective.values["auth.defaultUser"];
  }

  #urlOf(namespace: string): string {
    const { values } = this.#effective;
    const user = encodeURIComponent(values["auth.defaultUser"]);
    const password = encodeURIComponent(values["auth.defaultPassword"] ?? "");
    return `amqp://${user}:${password}@${this.#addressOf("amqp")}/${encodeURIComponent(namespace)}`;
  }

  #addressOf(protocol: string): string {
    const address = this.addresses[protocol];
    if (address !== undefined) return address;
    throw new ConfigurationError([`this broker does not listen for ${protocol}: name it in the option listen`]);
  }
}

function durable(core: RunningCore): Promise<void> {
  return new Promise((resolve) => core.whenDurable(core.ticket, resolve));
}

/** The remains of a broker that has crashed. */
async function takeDown({ core, ports, stopOwnWork }: Assembled): Promise<void> {
  await stopOwnWork(0);
  await ports.drain(0);
  await ports.close();
  core.core.clock.stop();
  core.core.schedule.stop();
}
