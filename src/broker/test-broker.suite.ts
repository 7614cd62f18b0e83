/**
 * A broker in a bottle, for the tests of this folder: the real core over the real log, on a disk that is memory, with a
 * clock that moves when told to. `crash()` leaves what the disk had synced, `restart()` stops in good order first.
 * Nothing here sleeps: `settle()` runs what is deferred until nothing is left to run.
 */
import { plainQueueSettings } from "./catalog/plain-queue.ts";
import { putU32 } from "../base/bytes.ts";
import { VirtualClock } from "../base/clock.ts";
import { seededRandom } from "../base/random.ts";
import { openDiskLog } from "../log/disk-log.ts";
import { MemoryDisk } from "../log/memory/memory-disk.ts";
import { createMemoryLog } from "../log/memory/memory-log.ts";
import type { Logger } from "../observe/log.ts";
import type {
  ConsumeOptions,
  Consumer,
  Death,
  Entry,
  Exchange,
  ExchangeSettings,
  MessageFormat,
  Namespace,
  Publication,
  PublishOutcome,
  Queue,
  QueueSettings,
  Receiver,
  Retention,
  Session,
  UnpackedMessage,
} from "./api.ts";
import { openBroker, type RunningCore } from "./broker.ts";
import type { CoreSettings } from "./core.ts";
import { emptyPublication } from "./publication.ts";
import type { HeaderValue, Headers } from "./router/values.ts";

export const untilSettled: Retention = { untilSettled: true, maxAgeMs: 0, maxBytes: 0, maxCount: 0, compact: false };
export const forever: Retention = { ...untilSettled, untilSettled: false };

export const plainQueue: QueueSettings = plainQueueSettings;

export const plainLog: QueueSettings = { ...plainQueue, mode: "offset", retention: forever };

export const plainExchange: ExchangeSettings = {
  kind: "direct",
  durable: true,
  autoDelete: false,
  alternate: undefined,
  hashHeader: undefined,
  hashProperty: undefined,
  delays: false,
  historyLength: 0,
  dedup: undefined,
};

/**
 * The head of a message of the tests' own protocol: JSON. By the headers `delay`, `id`, `id-ms` and `unkept` it says what
 * exchanges ask for.
 */
interface TestHead {
  readonly headers?: Record<string, HeaderValue>;
  readonly deaths?: readonly Death[];
}

const readHead = (buffer: Buffer, start: number, end: number): TestHead =>
  start === end ? {} : (JSON.parse(buffer.toString("utf8", start, end)) as TestHead);

export const testFormat: MessageFormat = {
  id: 7,
  name: "test",
  headers: (buffer, start, end): Headers => readHead(buffer, start, end).headers ?? {},
  property: () => undefined,
  extraKeys: () => [],
  deaths: (buffer, start, end) => readHead(buffer, start, end).deaths ?? [],
  withDeath(buffer, start, end, death): Buffer {
    const head = readHead(buffer, start, end);
    return Buffer.from(JSON.stringify({ ...head, deaths: [death, ...(head.deaths ?? [])] }));
  },
  delayMs: (buffer, start, end) => Math.max(0, Number(readHead(buffer, start, end).headers?.["delay"] ?? 0)),
  withDelayServed(buffer, start, end): Buffer {
    const head = readHead(buffer, start, end);
    return Buffer.from(JSON.stringify({ ...head, headers: { ...head.headers, delay: 0 } }));
  },
  dedupId: (buffer, start, end) => readHead(buffer, start, end).headers?.["id"] as string | undefined,
  dedupMs: (buffer, start, end) => Number(readHead(buffer, start, end).headers?.["id-ms"] ?? -1),
  skipsHistory: (buffer, start, end) => readHead(buffer, start, end).headers?.["unkept"] === true,
  stamp: (buffer, bodyStart, _bodyEnd, baseOffset) => putU32(buffer, bodyStart, baseOffset),
  unpack(batch, into): boolean {
    const messages = messagesIn(batch);
    if (messages === undefined) return false;
    return messages.every(({ delta, key, body, value, timeMs }) => {
      const bytes = Buffer.from(value === null ? "" : body);
      const message: UnpackedMessage = {
        ...emptyPublication({ name: "" } as Exchange),
        format: testFormat.id,
        key,
        body: bytes,
        bodyEnd: bytes.length,
      };
      return into.add(batch.baseOffset + delta, timeMs ?? batch.timestampMs, message);
    });
  },
  isControl: ({ buffer, bodyStart, bodyEnd }) => buffer.toString("utf8", bodyStart + 4, bodyEnd).startsWith("control"),
  transactionOf(batch): number {
    const text = batch.buffer.toString("utf8", batch.bodyStart + 4, batch.bodyEnd);
    if (text.startsWith("control ")) return Number(text.slice(8));
    return messagesIn(batch)?.[0]?.transaction ?? -1;
  },
  keys(entry, visit): boolean {
    if (!entry.isBatch) {
      const key = entry.key();
      const bytes = Buffer.from(key ?? "");
      visit(entry.offset, bytes, key === undefined ? -1 : 0, bytes.length, false);
      return true;
    }
    const messages = messagesIn(entry);
    for (const { delta, key, value } of messages ?? []) {
      const bytes = Buffer.from(key ?? "");
      visit(entry.baseOffset + delta, bytes, key === undefined ? -1 : 0, bytes.length, value === null);
    }
    return messages !== undefined;
  },
  messages: (batch) => messagesIn(batch)?.length ?? 0,
  retain(batch, isKept): Buffer | undefined {
    const kept = messagesIn(batch)!.filter(({ delta }) => isKept(batch.baseOffset + delta));
    return kept.length === 0 ? undefined : batchBody(kept, batch.baseOffset);
  },
};

/** Its batches guard themselves: the base offset, the CRC-32C of what follows, and a text. */
export const guardedFormat: MessageFormat = {
  ...testFormat,
  id: 8,
  name: "test-guarded",
  ownCrc: { at: 4, from: 8 },
};

/** A message of the tests' batches; the value null makes it a tombstone. */
export interface BatchMessage {
  readonly delta: number;
  readonly key?: string;
  readonly body: string;
  readonly value?: null;
  readonly timeMs?: number;
  /** Of the first: the producer in whose transaction they are. */
  readonly transaction?: number;
}

/** The tests' batches: where it is, 4 octets, then JSON of its messages. */
export function batchBody(messages: readonly BatchMessage[], baseOffset = 0): Buffer {
  const body = Buffer.concat([Buffer.alloc(4), Buffer.from(JSON.stringify(messages))]);
  putU32(body, 0, baseOffset);
  return body;
}

/** Undefined: it is damaged. */
function messagesIn({ buffer, bodyStart, bodyEnd }: Entry): BatchMessage[] | undefined {
  try {
    return JSON.parse(buffer.toString("utf8", bodyStart + 4, bodyEnd)) as BatchMessage[];
  } catch {
    return undefined;
  }
}

export interface Message {
  readonly durable?: boolean;
  readonly priority?: number;
  readonly ttlMs?: number;
  /** From now. */
  readonly delayMs?: number;
  readonly key?: string;
  readonly dedupId?: string;
  readonly headers?: Record<string, HeaderValue>;
  readonly exchange?: string;
  readonly body?: Buffer;
}

/** What a consumer was handed. */
export interface Delivery {
  readonly lease: number;
  readonly body: string;
  readonly partition: number;
  readonly offset: number;
  readonly isRedelivered: boolean;
  readonly returns: number;
  readonly failures: number;
  readonly priority: number;
  readonly key: string | undefined;
  readonly exchange: string;
  readonly routingKey: string;
  readonly timeMs: number;
  readonly deaths: readonly Death[];
}

/** A consumer that writes down what it gets. */
export class Taker implements Receiver {
  readonly deliveries: Delivery[] = [];
  readonly endings: string[] = [];
  readonly activities: boolean[] = [];
  session!: Session;
  consumer!: Consumer;
  /** Settled the moment it comes. */
  acceptsAll = false;
  readonly #bottle: Bottle;

  constructor(bottle: Bottle) {
    this.#bottle = bottle;
  }

  deliver(lease: number, entry: Entry, isRedelivered: boolean, returns: number, failures: number): void {
    this.deliveries.push(deliveryOf(this.#bottle, lease, entry, isRedelivered, returns, failures));
    if (this.acceptsAll) this.#bottle.later(() => this.session.settle(lease, false, "accept"));
  }

  ended(reason: string): void {
    this.endings.push(reason);
  }

  activity(isActive: boolean): void {
    this.activities.push(isActive);
  }

  get bodies(): string[] {
    return this.deliveries.map(({ body }) => body);
  }

  /** Takes what has come since the last call. */
  take(): Delivery[] {
    return this.deliveries.splice(0);
  }

  accept(delivery: { readonly lease: number }): void {
    this.session.settle(delivery.lease, false, "accept");
  }
}

function deliveryOf(
  bottle: Bottle,
  lease: number,
  entry: Entry,
  isRedelivered: boolean,
  returns: number,
  failures: number,
): Delivery {
  return {
    lease,
    body: entry.buffer.toString("utf8", entry.bodyStart, entry.bodyEnd),
    partition: entry.partition,
    offset: entry.offset,
    isRedelivered,
    returns,
    failures,
    priority: entry.priority,
    key: entry.key(),
    exchange: entry.exchange(),
    routingKey: entry.routingKey(),
    timeMs: bottle.clock.now(),
    deaths: readHead(entry.buffer, entry.headStart, entry.headEnd).deaths ?? [],
  };
}

/** What is asked of some of the disk's files waits here, in its order, while `isHolding`. */
export interface HeldFiles {
  isHolding: boolean;
  readonly waiting: (() => void)[];
}

/** For reads and writes of the files that are opened from now on and whose names begin with `prefix`. */
export function holdFiles({ disk }: Bottle, prefix: string): HeldFiles {
  const held: HeldFiles = { isHolding: false, waiting: [] };
  const open = disk.open.bind(disk);
  disk.open = async (name, mode) => {
    const file = await open(name, mode);
    if (!name.startsWith(prefix)) return file;
    const { read, write } = { read: file.read.bind(file), write: file.write.bind(file) };
    file.read = (...args): void => (held.isHolding ? void held.waiting.push(() => read(...args)) : read(...args));
    file.write = (...args): void => (held.isHolding ? void held.waiting.push(() => write(...args)) : write(...args));
    return file;
  };
  return held;
}

export interface BottleOptions {
  /** Without a disk: nothing outlives the process. */
  readonly isVolatile?: boolean;
  readonly settings?: Partial<CoreSettings>;
  readonly namespaces?: readonly string[];
}

export class Bottle {
  disk = new MemoryDisk();
  clock: VirtualClock;
  broker!: RunningCore;
  readonly logged: string[] = [];
  fatal: Error | undefined;
  readonly outcome: PublishOutcome = { routed: 0, refused: false, ticket: 0 };
  readonly #options: BottleOptions;
  #turns: { list: (() => void)[] } = { list: [] };
  #seed = 1;

  private constructor(options: BottleOptions) {
    this.#options = options;
    this.clock = this.#newClock(1_577_836_800_000);
  }

  static async open(options: BottleOptions = {}): Promise<Bottle> {
    const bottle = new Bottle(options);
    await bottle.#start();
    return bottle;
  }

  get ns(): Namespace {
    return this.broker.namespace("/")!;
  }

  queue(name: string): Queue {
    const queue = this.ns.queue(name);
    if (queue === undefined) throw new Error(`no queue ${name}`);
    return queue;
  }

  declare(name: string, settings: Partial<QueueSettings> = {}): Queue {
    return this.ns.createQueue(name, { ...plainQueue, ...settings }, {});
  }

  declareLog(name: string, retention: Partial<Retention> = {}): Queue {
    return this.ns.createQueue(name, { ...plainLog, retention: { ...forever, ...retention } }, {});
  }

  /** Publishes `body` with `to` as its routing key, to the default exchange if none is named. Answers the ticket. */
  publish(to: string, body: string, message: Message = {}): number {
    const exchange = this.ns.exchange(message.exchange ?? "");
    if (exchange === undefined) throw new Error("no such exchange");
    const bytes = message.body ?? Buffer.from(body);
    const head =
      message.headers === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify({ headers: message.headers }));
    const publication: Publication = {
      ...emptyPublication(exchange),
      format: testFormat.id,
      durable: message.durable ?? true,
      priority: message.priority ?? 0,
      ttlMs: message.ttlMs ?? -1,
      deliverAtMs: message.delayMs === undefined ? 0 : this.broker.now() + message.delayMs,
      key: message.key,
      dedupId: message.dedupId,
      routingKey: to,
      head,
      headEnd: head.length,
      body: bytes,
      bodyEnd: bytes.length,
    };
    this.ns.publish(publication, this.outcome);
    return this.outcome.ticket;
  }

  publishAll(to: string, bodies: readonly string[], message: Message = {}): void {
    for (const body of bodies) this.publish(to, body, message);
  }

  /** Consumes; without a limit of credit unless `options` has one. */
  consume(queue: string | Queue, options: Partial<ConsumeOptions> = {}, session = this.broker.createSession()): Taker {
    const taker = new Taker(this);
    taker.session = session;
    const consumer = session.consume(
      typeof queue === "string" ? this.queue(queue) : queue,
      { noAck: false, exclusive: false, priority: 0, creditLimit: 0, leaseMs: 0, ...options },
      taker,
    );
    if ("refused" in consumer) throw new Error(`refused: ${consumer.refused}`);
    taker.consumer = consumer;
    return taker;
  }

  /** Takes one message, or undefined. */
  async get(queue: string, noAck = true, session = this.broker.createSession()): Promise<Delivery | undefined> {
    let got: Delivery | undefined;
    session.get(this.queue(queue), noAck, (lease, entry, isRedelivered, returns, failures) => {
      if (entry !== undefined) got = deliveryOf(this, lease, entry, isRedelivered, returns, failures);
    });
    await this.settle();
    return got;
  }

  /** Consumes everything that is ready, settles it, and answers the bodies. */
  async drain(queue: string): Promise<string[]> {
    return (await this.drainDeliveries(queue)).map(({ body }) => body);
  }

  async drainDeliveries(queue: string): Promise<Delivery[]> {
    const session = this.broker.createSession();
    const taker = this.consume(queue, { noAck: true }, session);
    await this.settle();
    session.close();
    await this.settle();
    return taker.deliveries;
  }

  later(run: () => void): void {
    this.#turns.list.push(run);
  }

  /** Runs whatever is to run until all is quiet. Time stands still. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      const deferred = this.#turns.list;
      if (deferred.length > 0) {
        this.#turns.list = [];
        for (const run of deferred) run();
        quiet = -1;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Lets time pass, timer by timer. */
  async advance(ms: number): Promise<void> {
    const endMs = this.clock.now() + ms;
    await this.settle();
    for (let next = this.clock.nextTimerMs(); next !== undefined && next <= endMs; next = this.clock.nextTimerMs()) {
      this.clock.advance(Math.max(0, next - this.clock.now()));
      await this.settle();
    }
    this.clock.advance(endMs - this.clock.now());
    await this.settle();
  }

  /** The power goes, now. What the disk had synced is found again. */
  async crash(): Promise<void> {
    this.disk = this.disk.crash(seededRandom(this.#seed++), queueMicrotask);
    await this.#start();
  }

  /** Another bottle, started from the disk as a crash would leave it now. */
  async fork(): Promise<Bottle> {
    const twin = new Bottle(this.#options);
    twin.disk = this.disk.crash(seededRandom(this.#seed++), queueMicrotask);
    twin.clock.jumpTo(this.clock.now());
    await twin.#start();
    return twin;
  }

  /** One turn of the event loop, at most. */
  async step(): Promise<void> {
    this.#turns.list.shift()?.();
    await Promise.resolve();
  }

  /** Stops in good order and starts again. */
  async restart(): Promise<void> {
    await this.stop();
    await this.#start();
  }

  async stop(): Promise<void> {
    await this.#until(this.broker.stop());
  }

  async checkpoint(): Promise<void> {
    await this.#until(this.broker.checkpoint());
  }

  redrive(queue: string, countMax: number): Promise<number> {
    return this.#until(this.broker.redrive(this.queue(queue), countMax));
  }

  /** Drops all that may be dropped from memory: what is read next comes from disk. */
  async evict(): Promise<void> {
    await this.checkpoint();
    const { core } = this.broker;
    for (const { partition } of core.queueById.values()) {
      for (const page of [...partition.pages.values()]) partition.evictPage(page.base);
    }
  }

  async #until<T>(promise: Promise<T>): Promise<T> {
    const state = { isOver: false };
    const over = (): void => void (state.isOver = true);
    promise.then(over, over);
    for (let rounds = 0; !state.isOver; rounds++) {
      if (rounds > 100_000) throw this.fatal ?? new Error("what was begun does not end");
      await this.settle();
    }
    return promise;
  }

  #newClock(nowMs: number): VirtualClock {
    // A list for each start: what the dead broker defers is never run.
    const turns: { list: (() => void)[] } = { list: [] };
    this.#turns = turns;
    return new VirtualClock(nowMs, (run) => void turns.list.push(run));
  }

  async #start(): Promise<void> {
    this.clock = this.#newClock(this.clock.now());
    const { clock } = this;
    const logger: Logger = {
      debug: () => undefined,
      info: () => undefined,
      warn: (message) => void this.logged.push(message),
      error: (message, fields) => void this.logged.push(`${message} ${String(fields?.["what"] ?? "")}`.trim()),
    };
    const small = { fileBytesMax: 1 << 20, aheadBytes: 1 << 16, stepBytes: 1 << 16 };
    const log =
      this.#options.isVolatile === true
        ? createMemoryLog((run) => clock.defer(run))
        : await openDiskLog(this.disk, seededRandom(this.#seed), small);
    const opened = openBroker({
      log,
      clock,
      random: seededRandom(this.#seed),
      logger,
      formats: [testFormat, guardedFormat],
      fatal: (error) => void (this.fatal = error),
      ...(this.#options.namespaces === undefined ? {} : { namespaces: this.#options.namespaces }),
      ...(this.#options.settings === undefined ? {} : { settings: this.#options.settings }),
    });
    this.broker = await this.#until(opened);
    await this.settle();
  }
}
