/**
 * For tests: clients of Kafka's protocol against the real core, byte by byte, without sockets, disks or time of day. The clock
 * is virtual and everything deferred is run by `settle`, so a test never waits and never depends on speed.
 */

import assert from "node:assert/strict";
import { Authority, plainAuthSettings, type AuthSettings } from "../../auth/authority.ts";
import { VirtualClock } from "../../base/clock.ts";
import { seededRandom } from "../../base/random.ts";
import { openBroker, type BrokerOptions, type RunningCore } from "../../broker/broker.ts";
import { createMemoryLog } from "../../log/memory/memory-log.ts";
import { silentLogger, type LogFields } from "../../observe/log.ts";
import type { Connection, Peer, PeerAddress, Protocol } from "../../server/protocol.ts";
import { Input, Malformed } from "../../wire/input.ts";
import { ChunkPool, Output } from "../../wire/output.ts";
import { FrameReader } from "../../wire/frame-reader.ts";
import { SizedFraming, sizeBytes } from "./codec/framing.ts";
import { apiVersionsKey, putRequestHeader, skipTags } from "./codec/headers.ts";
import { BatchBuilder, plainTraits, type BatchTraits } from "./codec/batch-builder.ts";
import type { Command } from "./command.ts";
import { createKafka } from "./index.ts";
import { batchFormat, recordFormat } from "./mapping/format.ts";
import { plainKafkaSettings, type KafkaSettings } from "./settings.ts";
import type { KafkaServer } from "./server.ts";

const pool = new ChunkPool();

export const localAddress: PeerAddress = {
  remoteAddress: "127.0.0.1",
  remotePort: 40_000,
  localAddress: "127.0.0.1",
  localPort: 9092,
  isLoopback: true,
  isTls: false,
  certificateName: undefined,
};

export type RequestOf<C> = C extends Command<infer Request, infer _> ? NonNullable<Request> : never;
export type ResponseOf<C> = C extends Command<infer _, infer Response> ? Filled<Response> : never;
/** What is read has all fields. */
type Filled<T> = T extends Buffer
  ? Buffer
  : T extends readonly (infer E)[]
    ? readonly Filled<E>[]
    : T extends object
      ? { readonly [K in keyof T]-?: Filled<Exclude<T[K], undefined>> }
      : T;
/** What is sent may leave fields out. */
export type Sketch<T> = T extends Buffer
  ? Buffer
  : T extends readonly (infer E)[]
    ? readonly Sketch<E>[]
    : T extends object
      ? { readonly [K in keyof T]?: Sketch<T[K]> }
      : T;

/** A broker with this protocol, in memory. */
export class KafkaHouse {
  readonly clock: VirtualClock;
  readonly core: RunningCore;
  readonly server: KafkaServer;
  readonly protocol: Protocol;
  readonly authority: Authority;
  /** What connections had logged. */
  readonly logged: { readonly level: string; readonly message: string; readonly fields: LogFields }[] = [];

  private constructor(clock: VirtualClock, core: RunningCore, settings: KafkaSettings, auth: Partial<AuthSettings>) {
    this.clock = clock;
    this.core = core;
    this.authority = new Authority({
      store: core.definitions,
      clock,
      bytes: (count) => core.random.bytes(count),
      logger: silentLogger,
      settings: { ...plainAuthSettings, ...auth },
    });
    this.authority.createFirst();
    const note =
      (level: string) =>
      (message: string, fields: LogFields = {}): void =>
        void this.logged.push({ level, message, fields });
    const logger = { debug: note("debug"), info: note("info"), warn: note("warn"), error: note("error") };
    const parts = { broker: core, authority: this.authority, clock, random: core.random, logger };
    const { kafka, server } = createKafka({ ...parts, version: "0.0.0", settings, ports: () => [] });
    this.protocol = kafka;
    this.server = server;
    this.settle();
  }

  static async open(
    settings: Partial<KafkaSettings> = {},
    auth: Partial<AuthSettings> = {},
    coreSettings: NonNullable<BrokerOptions["settings"]> = {},
  ): Promise<KafkaHouse> {
    const clock = new VirtualClock();
    const core = await openBroker({
      log: createMemoryLog((run) => clock.defer(run)),
      settings: coreSettings,
      clock,
      random: seededRandom(7),
      logger: silentLogger,
      formats: [batchFormat, recordFormat],
      fatal: (error) => {
        throw error;
      },
    });
    return new KafkaHouse(clock, core, { ...plainKafkaSettings, ...settings }, auth);
  }

  /** Runs what is to be done until there is nothing. */
  settle(): void {
    this.clock.runDeferred();
  }

  client(address: Partial<PeerAddress> = {}): KafkaClient {
    return new KafkaClient(this, { ...localAddress, ...address });
  }
}

/** What a client has to do with. */
export interface ClientSide {
  readonly protocol: Protocol;
  /** Runs what is to be done at once. */
  settle(): void;
}

interface Asked {
  readonly command: Command;
  readonly version: number;
}

export class KafkaClient implements Peer {
  readonly address: PeerAddress;
  readonly output = new Output(pool);
  readonly connection: Connection;
  isReadingPaused = false;
  isEnded = false;
  /** The network takes nothing while it is true. */
  isStuck = false;
  readonly #house: ClientSide;
  readonly #frames = new FrameReader(new SizedFraming(1 << 30));
  readonly #waiting: Buffer[] = [];
  readonly #asked = new Map<number, Asked>();
  readonly #answers: { readonly correlationId: number; readonly response: unknown }[] = [];
  #correlationId = 0;

  constructor(house: ClientSide, address: PeerAddress) {
    this.#house = house;
    this.address = address;
    this.connection = house.protocol.open(this);
  }

  // As the broker sees it

  get unsentBytes(): number {
    return this.output.bytes;
  }

  flush(): void {}

  pauseReading(): void {
    this.isReadingPaused = true;
  }

  resumeReading(): void {
    this.isReadingPaused = false;
    while (!this.isReadingPaused && this.#waiting.length > 0) this.connection.receive(this.#waiting.shift()!);
  }

  end(): void {
    this.isEnded = true;
  }

  destroy(): void {
    this.isEnded = true;
    this.connection.closed();
  }

  // As a client does

  /** Sends bytes as they are. */
  raw(bytes: Buffer): void {
    if (this.isEnded) return;
    if (this.isReadingPaused) this.#waiting.push(bytes);
    else this.connection.receive(Buffer.from(bytes));
    this.#house.settle();
  }

  /** The bytes of a request; what is left out has its default. */
  requestBytes<C extends Command>(command: C, version: number, body: Sketch<RequestOf<C>>): Buffer {
    const correlationId = ++this.#correlationId;
    this.#asked.set(correlationId, { command: command, version });
    const header = putRequestHeader(command.key, version, correlationId, "test", command.request.isFlexible(version));
    const encoded = command.request.encode(version, body as never);
    const size = Buffer.alloc(4);
    size.writeInt32BE(header.length + encoded.length);
    return Buffer.concat([size, header, encoded]);
  }

  /** Asks, and does not look for an answer. Answers the correlation id. */
  ask<C extends Command>(command: C, version: number, body: Sketch<RequestOf<C>>): number {
    this.raw(this.requestBytes(command, version, body));
    return this.#correlationId;
  }

  /** The answer, which must come before any time passes. */
  call<C extends Command>(command: C, version: number, body: Sketch<RequestOf<C>>): ResponseOf<C> {
    const correlationId = this.ask(command, version, body);
    const answers = this.take();
    assert.equal(answers.at(-1)?.correlationId, correlationId, `${command.name} v${version} was answered`);
    return answers.at(-1)!.response as ResponseOf<C>;
  }

  /** What has come since the last time. */
  take(): { readonly correlationId: number; readonly response: unknown }[] {
    this.#house.settle();
    while (this.output.bytes > 0) {
      for (const chunk of this.output.take()) this.#read(Buffer.from(chunk));
      if (!this.isEnded) this.connection.drained();
      this.#house.settle();
    }
    return this.#answers.splice(0);
  }

  #read(chunk: Buffer): void {
    const frames = this.#frames;
    frames.push(chunk);
    while (frames.next()) {
      const input = new Input(
        Buffer.from(frames.buffer.subarray(frames.start + sizeBytes, frames.end)),
        0,
        frames.end - frames.start - sizeBytes,
      );
      const correlationId = input.i32();
      const asked = this.#asked.get(correlationId);
      assert.ok(asked !== undefined, "the answer is to a request");
      this.#asked.delete(correlationId);
      const { command, version } = asked;
      if (command.key !== apiVersionsKey && command.response.isFlexible(version)) skipTags(input);
      const response = command.response.read(input, version);
      if (response instanceof Malformed) throw new Error(response.reason);
      assert.equal(input.at, input.end, "an answer is as long as it says");
      this.#answers.push({ correlationId, response });
    }
  }
}

/** When the virtual clock begins. */
const beginningMs = Date.UTC(2020, 0, 1);

/** A batch of these values, keyless unless one is `key=value`. */
export function batchOf(
  values: readonly string[],
  traits: Partial<BatchTraits> = {},
  timestampMs: number = beginningMs,
): Buffer {
  const builder = new BatchBuilder();
  builder.begin(0, timestampMs, { ...plainTraits, ...traits });
  for (const [index, text] of values.entries()) {
    const [key, value] = text.includes("=") ? text.split("=", 2) : [undefined, text];
    builder.record(index, timestampMs + index);
    if (key === undefined) builder.noKey();
    else builder.key(Buffer.from(key), 0, Buffer.byteLength(key));
    builder.value(Buffer.from(value), 0, Buffer.byteLength(value));
    builder.headers(0);
  }
  builder.finish();
  return Buffer.from(builder.buffer.subarray(0, builder.bytes));
}
