/**
 * For tests: clients of this protocol against the real core, byte by byte, without sockets, disks or time of day. The
 * clock is virtual and everything deferred is run by `settle`, so a test never waits and never depends on speed.
 */

import { VirtualClock } from "../../../base/clock.ts";
import { seededRandom } from "../../../base/random.ts";
import { Authority, plainAuthSettings, type AuthSettings } from "../../../auth/authority.ts";
import { openBroker, type BrokerOptions, type RunningCore } from "../../../broker/broker.ts";
import { createMemoryLog } from "../../../log/memory/memory-log.ts";
import { silentLogger, type LogFields } from "../../../observe/log.ts";
import type { Connection, Peer, PeerAddress, Protocol } from "../../../server/protocol.ts";
import { ChunkPool, Output } from "../../../wire/output.ts";
import { parseContentHeader, ContentHeader, writeContentHeader } from "./codec-hot.ts";
import { FrameParser } from "./codec-parser.ts";
import { decodeMethod, MethodFault, writeFrameHeader, writeMethod } from "./codec.ts";
import { tableOf } from "../model/field-table.ts";
import { amqpFormat } from "../model/format.ts";
import { frameEnd, frameTypes, methods, type MethodArguments, type MethodName } from "./frames.ts";
import type { AmqpSettings } from "./hub.ts";
import { createAmqp } from "./index.ts";
import { RabbitServer } from "../model/server.ts";
import { decodeProperties, encodeProperties, type Properties } from "../model/properties.ts";

const pool = new ChunkPool();
export const protocolHeader = Buffer.from("AMQP\0\0\x09\x01", "latin1");

const local: PeerAddress = {
  remoteAddress: "127.0.0.1",
  remotePort: 40_000,
  localAddress: "127.0.0.1",
  localPort: 5672,
  isLoopback: true,
  isTls: false,
  certificateName: undefined,
};

const standard: AmqpSettings = {
  frameMaxBytes: 131_072,
  channelMax: 2047,
  heartbeatSeconds: 60,
  messageBytesMax: 1_000_000,
  consumerTimeoutMs: 0,
};

/** A method that came, with its message if it has one. */
export interface Received {
  readonly channel: number;
  readonly name: MethodName;
  readonly args: Readonly<Record<string, unknown>>;
  properties?: Properties;
  body?: string;
}

/** Who logs in, and where; the password is the name unless it is given. */
export interface LoginAs {
  readonly user: string;
  readonly password: string;
  readonly vhost: string;
}

/** A broker with this protocol, in memory. */
export class WireHouse {
  readonly clock: VirtualClock;
  readonly core: RunningCore;
  readonly server: RabbitServer;
  readonly protocol: Protocol;
  /** What connections had logged. */
  readonly logged: { readonly level: string; readonly message: string; readonly fields: LogFields }[] = [];

  private constructor(clock: VirtualClock, core: RunningCore, settings: AmqpSettings, auth: Partial<AuthSettings>) {
    this.clock = clock;
    this.core = core;
    const authority = new Authority({
      store: core.definitions,
      clock,
      bytes: (count) => core.random.bytes(count),
      logger: silentLogger,
      settings: { ...plainAuthSettings, ...auth },
    });
    authority.createFirst();
    const note =
      (level: string) =>
      (message: string, fields: LogFields = {}): void =>
        void this.logged.push({ level, message, fields });
    const logger = { debug: note("debug"), info: note("info"), warn: note("warn"), error: note("error") };
    this.server = new RabbitServer({ broker: core, authority, clock, logger, version: "0.0.0" });
    this.protocol = createAmqp(this.server, settings);
    this.settle();
  }

  static async open(
    settings: Partial<AmqpSettings> = {},
    auth: Partial<AuthSettings> = {},
    coreSettings: NonNullable<BrokerOptions["settings"]> = {},
  ): Promise<WireHouse> {
    const clock = new VirtualClock();
    const core = await openBroker({
      log: createMemoryLog((run) => clock.defer(run)),
      settings: coreSettings,
      clock,
      random: seededRandom(7),
      logger: silentLogger,
      formats: [amqpFormat],
      fatal: (error) => {
        throw error;
      },
    });
    return new WireHouse(clock, core, { ...standard, ...settings }, auth);
  }

  /** Runs what is to be done until there is nothing. */
  settle(): void {
    this.clock.runDeferred();
  }

  /** A client that has said nothing yet. */
  peer(address: Partial<PeerAddress> = {}): WireClient {
    return new WireClient(this, { ...local, ...address });
  }

  /** A client that is logged in and has opened channel 1. */
  client(login: Partial<LoginAs> = {}): WireClient {
    const client = this.peer();
    client.logIn(login);
    client.send(1, "channel.open", { outOfBand: "" });
    client.take();
    return client;
  }
}

export class WireClient implements Peer {
  readonly address: PeerAddress;
  readonly output = new Output(pool);
  readonly connection: Connection;
  isReadingPaused = false;
  isEnded = false;
  /** The network takes nothing while it is true. */
  isStuck = false;
  readonly #house: WireHouse;
  readonly #parser = new FrameParser();
  readonly #requests = new Output(pool);
  /** What was received while reading was paused. */
  readonly #waiting: Buffer[] = [];

  constructor(house: WireHouse, address: PeerAddress) {
    this.#house = house;
    this.address = address;
    this.#parser.push(protocolHeader);
    this.#parser.next();
    this.#parser.next();
    this.#parser.frameMaxBytes = 0;
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
    while (!this.isReadingPaused && this.#waiting.length > 0) this.#arrive(this.#waiting.shift()!);
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
    else this.#arrive(bytes);
    this.#house.settle();
  }

  /** As from a socket: the chunk's memory is used again as soon as it was received. */
  #arrive(bytes: Buffer): void {
    const chunk = Buffer.from(bytes);
    this.connection.receive(chunk);
    chunk.fill(0xff);
  }

  send<N extends MethodName>(channel: number, name: N, args: MethodArguments<N>): void {
    writeMethod(this.#requests, channel, name, args);
    this.#push();
  }

  /** Publishes to the default exchange, unless `exchange` says otherwise. */
  publish(routingKey: string, body: string, properties: Properties = {}, exchange = "", mandatory = false): void {
    this.raw(publishFrames(routingKey, body, properties, exchange, mandatory));
  }

  declare(queue: string, args: Parameters<typeof tableOf>[0] = {}, durable = true): void {
    const flags = { passive: false, durable, exclusive: false, autoDelete: false, noWait: false };
    this.send(1, "queue.declare", { ticket: 0, queue, ...flags, arguments: tableOf(args) });
  }

  consume(queue: string, args: Parameters<typeof tableOf>[0] = {}, noAck = false): void {
    const flags = { noLocal: false, noAck, exclusive: false, noWait: false };
    this.send(1, "basic.consume", { ticket: 0, queue, consumerTag: "c", ...flags, arguments: tableOf(args) });
  }

  get(queue: string, noAck = true): Received | undefined {
    this.send(1, "basic.get", { ticket: 0, queue, noAck });
    return this.take().at(-1);
  }

  logIn({ user = "guest", password = user, vhost = "/" }: Partial<LoginAs> = {}): void {
    this.raw(protocolHeader);
    const capabilities = {
      type: "F",
      value: tableOf({ consumer_cancel_notify: true, "connection.blocked": true, authentication_failure_close: true }),
    } as const;
    this.send(0, "connection.start-ok", {
      clientProperties: tableOf({ capabilities }),
      mechanism: "PLAIN",
      response: `\0${user}\0${password}`,
      locale: "en_US",
    });
    this.send(0, "connection.tune-ok", { channelMax: 2047, frameMax: 131_072, heartbeat: 60 });
    this.send(0, "connection.open", { virtualHost: vhost, capabilities: "", insist: false });
  }

  /** What has come since the last time. */
  take(): Received[] {
    this.#house.settle();
    const received: Received[] = [];
    while (this.output.bytes > 0) received.push(...this.takeOnce());
    return received;
  }

  /** What has been written until now, and not what is written because of it. */
  takeOnce(): Received[] {
    const received: Received[] = [];
    for (const chunk of this.output.take()) this.#read(Buffer.from(chunk), received);
    this.connection.drained();
    this.#house.settle();
    return received;
  }

  /** Their names, and for messages the bodies. */
  names(): string[] {
    return this.take().map(({ name, body }) => (body === undefined ? name : `${name} ${body}`));
  }

  #read(chunk: Buffer, into: Received[]): void {
    const parser = this.#parser;
    parser.push(chunk);
    while (parser.next()) {
      const { type, channel, buffer, start, end } = parser;
      if (type === frameTypes.method) {
        const method = decodeMethod(buffer, start, end);
        if (method instanceof MethodFault) throw new Error(`the broker sent an odd method: ${method.text}`);
        into.push({ channel, ...method, ...(methods[method.name].hasContent ? { body: "" } : {}) });
      } else if (type === frameTypes.header) {
        const header = new ContentHeader();
        parseContentHeader(buffer, start, end, header);
        into.at(-1)!.properties = decodeProperties(buffer, header.headStart, header.headEnd) as Properties;
      } else if (type === frameTypes.body) {
        into.at(-1)!.body += buffer.toString("utf8", start, end);
      }
    }
    if (parser.fault !== null) throw new Error(`the broker sent an odd frame: ${parser.fault.kind}`);
  }

  #push(): void {
    const bytes = Buffer.concat(this.#requests.take());
    this.raw(bytes);
  }
}

export function methodFrame<N extends MethodName>(channel: number, name: N, args: MethodArguments<N>): Buffer {
  const output = new Output(pool);
  writeMethod(output, channel, name, args);
  return Buffer.concat(output.take());
}

/** The same frames on another channel. */
export function onChannel(channel: number, frames: Buffer): Buffer {
  const moved = Buffer.from(frames);
  for (let at = 0; at < moved.length; at += moved.readUInt32BE(at + 3) + 8) moved.writeUInt16BE(channel, at + 1);
  return moved;
}

/** The frames of a publish on channel 1. */
export function publishFrames(
  routingKey: string,
  body: string,
  properties: Properties = {},
  exchange = "",
  mandatory = false,
): Buffer {
  const output = new Output(pool);
  writeMethod(output, 1, "basic.publish", { ticket: 0, exchange, routingKey, mandatory, immediate: false });
  const head = encodeProperties(properties);
  const bytes = Buffer.from(body);
  writeContentHeader(output, 1, bytes.length, head, 0, head.length);
  if (bytes.length > 0) {
    const frame = Buffer.alloc(bytes.length + 8);
    bytes.copy(frame, writeFrameHeader(frame, 0, frameTypes.body, 1, bytes.length));
    frame[frame.length - 1] = frameEnd;
    output.copy(frame, 0, frame.length);
  }
  return Buffer.concat(output.take());
}
