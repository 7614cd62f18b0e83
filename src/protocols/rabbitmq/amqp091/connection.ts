/**
 * One peer's life in AMQP 0-9-1, driven by bytes and ticks: handshake, channels, heartbeats, backpressure, the end.
 *
 * Answers are sent when they are true. A confirm waits for the commit of its block; the reply to a declaration waits
 * for the declaration's. Until then nothing more of the connection is parsed, so that order is kept without a queue of
 * answers; the commit is a fraction of a millisecond away. A method that reads counts or takes a message (declare, get,
 * purge, delete, and both closes) also waits first until what the connection itself has published is durable, since
 * that is when it is to be seen. While nothing is pending, nothing waits.
 *
 * When reading stops is said in server/intake.ts, when a silent peer is given up in liveness.ts. Deliveries stop when the peer's
 * socket is full.
 */

import type { Namespace, Queue } from "../../../broker/api.ts";
import type { Identity } from "../../../auth/identity.ts";
import { type FrameHandler, Intake, pauses } from "../../../server/intake.ts";
import type { Connection, Peer, PeerAddress } from "../../../server/protocol.ts";
import type { Output } from "../../../wire/output.ts";
import { Blocking } from "./blocking.ts";
import { Channel } from "./channel.ts";
import { ChannelTable } from "./channel-table.ts";
import { ClientCapabilities } from "./client-capabilities.ts";
import { methodIdAt, parseSettlement, Settlement } from "./codec-hot.ts";
import { FrameParser } from "./codec-parser.ts";
import { decodeMethod, fitShortString, MethodFault, writeHeartbeat, writeMethod } from "./codec.ts";
import { Fault } from "../model/errors.ts";
import type { FieldTable } from "../model/field-table.ts";
import type { RabbitServer } from "../model/server.ts";
import type { Vhost } from "../model/vhosts.ts";
import { logClosed, logOpened, logRefused, logSilent } from "./connection-log.ts";
import { checkChannels } from "./entry.ts";
import { misplacedFrame, notAFrame, undecodableMethod, unexpectedContent } from "./frame-faults.ts";
import {
  ackId,
  frameTypes,
  methods,
  nackId,
  publishId,
  rejectId,
  type Method,
  type MethodArguments,
  type MethodName,
} from "./frames.ts";
import { handleOnChannel, waitsForPublished } from "./handlers/table.ts";
import { greet, handleOnConnection } from "./handlers/connection.ts";
import { CommitWait } from "./commit-wait.ts";
import type { ConnectionState } from "./connection-state.ts";
import type { Hub } from "./hub.ts";
import { ShownConnection } from "./live-connection.ts";
import { Liveness } from "./liveness.ts";
import { SlowReader } from "./slow-reader.ts";

/** Deliveries stop above this many bytes that the peer has not taken, and go on when it has taken all. */
const deliveryBytesMax = 1_048_576;
/** A peer that sends and does not read is not read either above this, nor given another message that it asked for before. */
const outputBytesMax = 8_388_608;
const settlement = new Settlement();

export class AmqpConnection implements Connection, FrameHandler {
  readonly hub: Hub;
  readonly peer: Peer;
  readonly address: PeerAddress;
  readonly output: Output;
  readonly parser = new FrameParser();
  readonly capabilities = new ClientCapabilities();
  state: ConnectionState = "header";
  /** Agreed on; 0: no limit. */
  frameMaxBytes = 0;
  channelMax = 0;
  heartbeatMs = 0;
  /** What the client said of itself. */
  clientProperties: FieldTable = [];
  /** Of SASL, between start-ok and secure-ok. */
  mechanism = "";
  /** Who is logged in; set before any method of a channel is handled, as are the next two. */
  user!: Identity;
  vhost = "";
  namespace!: Namespace;
  virtualHost!: Vhost;
  /** Why it ends, as soon as that is known. */
  why: string | undefined;
  /** They go when it goes. */
  readonly exclusiveQueues = new Set<Queue>();
  /** Of bodies that are not complete, over all channels. */
  gatheredBytes = 0;
  /** Of messages that transactions hold back, over all channels. */
  heldBytes = 0;
  /** The highest ticket of what was published here. */
  publishedTicket = 0;
  readonly channels = new ChannelTable();
  receivedBytes = 0;
  receivedPackets = 0;
  /** Set when it was let into its virtual host. */
  shown: ShownConnection | undefined;
  #afterReply: (() => void)[] = [];
  #hasPublished = false;
  #isGone = false;
  /** No frame is handled until the peer has taken what it was sent. */
  #isHeldByOutput = false;
  /** The channel whose message is not complete, so that its head may have to be kept. */
  #midContent: Channel | undefined;
  readonly #intake: Intake;
  readonly #liveness: Liveness;
  readonly #blocking: Blocking;
  readonly commitWait: CommitWait;
  readonly #slowReader: SlowReader;

  constructor(hub: Hub, peer: Peer) {
    this.hub = hub;
    this.peer = peer;
    this.address = peer.address;
    this.output = peer.output;
    this.#liveness = new Liveness(hub.clock.elapsedMs());
    this.#intake = new Intake(peer, this.parser, this);
    this.commitWait = new CommitWait(hub, this.#intake, this.output, () => this.flush());
    this.#blocking = new Blocking(this, this.#intake);
    this.#slowReader = new SlowReader(this);
  }

  get server(): RabbitServer {
    return this.hub.server;
  }

  // Bytes in

  receive(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    this.receivedPackets++;
    this.#liveness.heard();
    this.#intake.receive(chunk);
  }

  /** What is done once for all frames of a chunk. */
  afterChunk(): void {
    if (this.parser.fault !== null) this.#frameFault();
    this.#midContent?.keepHead();
    this.#midContent = undefined;
    const intake = this.#intake;
    if (!intake.isHeld) this.#runAfterReply();
    const { broker } = this.hub;
    this.commitWait.answer();
    if (this.#hasPublished) {
      this.#hasPublished = false;
      if (broker.isCongested) intake.pause(pauses.congested);
      if (this.state === "running") this.#blocking.apply(this.capabilities.connectionBlocked);
    }
    if (this.peer.unsentBytes > outputBytesMax) intake.pause(pauses.outputFull);
    this.commitWait.arm();
    if (this.output.bytes > 0) this.flush();
  }

  // Waiting

  /** Handles nothing more until `resumeParsing`. */
  holdParsing(): void {
    this.#intake.hold();
  }

  /** Each `holdParsing` has its own. */
  resumeParsing(): void {
    this.#intake.release();
  }

  /**
   * A message was written that the peer had asked for. Requests are short and messages are not: one chunk may ask for thousands,
   * so it is not enough that no further chunk is read.
   */
  answered(): void {
    this.flush();
    if (this.#isHeldByOutput || this.peer.unsentBytes <= outputBytesMax) return;
    this.#isHeldByOutput = true;
    this.holdParsing();
  }

  /** Runs `run` when the ticket is durable, and parses nothing in between. At once when it is durable. */
  whenDurable(ticket: number, run: () => void): void {
    if (ticket <= this.hub.broker.durableTicket) {
      run();
      return;
    }
    this.holdParsing();
    this.hub.broker.whenDurable(ticket, () => {
      if (this.#isGone) return;
      run();
      this.resumeParsing();
      if (this.output.bytes > 0) this.flush();
    });
  }

  /** Sends a reply when all that was done until now is durable; a channel that was closed meanwhile gets none. */
  reply<N extends MethodName>(channel: number, name: N, args: MethodArguments<N>): void {
    this.whenDurable(this.hub.broker.ticket, () => {
      if (this.channels.find(channel)?.state === "running") this.send(channel, name, args);
      this.#runAfterReply();
    });
  }

  /** Runs `run` behind the reply to the method that is being handled, or at once when there is none. */
  afterReply(run: () => void): void {
    if (!this.#intake.isHandling && !this.#intake.isHeld) run();
    else this.#afterReply.push(run);
  }

  #runAfterReply(): void {
    if (this.#afterReply.length === 0) return;
    const runs = this.#afterReply;
    this.#afterReply = [];
    for (const run of runs) run();
  }

  owesConfirms(channel: Channel): void {
    this.commitWait.owes(channel);
  }

  // Frames

  frame(isStable: boolean): void {
    const { type, channel: number } = this.parser;
    const isOfChannel = this.state === "running" && number !== 0;
    if (!isOfChannel || type > frameTypes.body || type === 0) {
      this.#frameOutsideOfChannels(type, number);
      return;
    }
    const channel = this.channels.find(number) ?? this.#openChannel(number);
    if (channel === undefined) return;
    channel.heard();
    if (type === frameTypes.method) this.#methodFrame(channel);
    else this.#contentFrame(channel, type, isStable);
  }

  #methodFrame(channel: Channel): void {
    const { buffer, start, end } = this.parser;
    const id = methodIdAt(buffer, start, end);
    if (channel.expected !== "method") {
      this.#refuseContent(channel);
    } else if (channel.state === "running" && id === publishId) {
      if (!channel.beginPublish(buffer, start, end)) this.#decode();
    } else if (channel.state === "running" && (id === ackId || id === nackId || id === rejectId)) {
      if (!parseSettlement(buffer, id, start, end, settlement)) this.#decode();
      else this.#refuseIf(channel, channel.settle(settlement), id);
    } else {
      const method = this.#decode();
      if (method !== undefined) this.#dispatch(channel, method);
    }
  }

  #contentFrame(channel: Channel, type: number, isStable: boolean): void {
    const { buffer, start, end } = this.parser;
    // A refused message's content, or what follows it.
    if (channel.state === "closing") return;
    if (type === frameTypes.header && channel.expected === "header") {
      // Messages of two channels are interleaved: the other one's head is watched no longer.
      if (this.#midContent !== channel) this.#midContent?.keepHead();
      this.#midContent = channel;
      this.#refuseIf(channel, channel.takeHeader(buffer, start, end, isStable), publishId);
      this.#hasPublished = true;
    } else if (type === frameTypes.body && channel.expected === "body") {
      this.#refuseIf(channel, channel.takeBody(buffer, start, end), publishId);
    } else {
      this.#refuseContent(channel);
    }
  }

  #dispatch(channel: Channel, method: Method): void {
    const handle = (): Fault | undefined => handleOnChannel(channel, method);
    const run = (): void => this.#refuseIf(channel, this.hub.events.actingFor(this, handle), methods[method.name].id);
    const ticket = waitsForPublished(method.name) ? this.publishedTicket : 0;
    if (ticket <= this.hub.broker.durableTicket) return run();
    // Who was ended meanwhile asks for nothing any more.
    this.whenDurable(ticket, () => {
      if (this.state === "running") run();
    });
  }

  #openChannel(number: number): Channel | undefined {
    const fault = checkChannels(this);
    if (fault !== undefined) {
      this.refuse(fault, 0, 0);
      return undefined;
    }
    const channel = new Channel(this, number);
    this.channels.add(channel);
    return channel;
  }

  #frameOutsideOfChannels(type: number, number: number): void {
    const { buffer, start, end } = this.parser;
    if (this.state === "header") {
      greet(this, buffer, start);
    } else if (this.state === "closing" || this.state === "closed") {
      if (type === frameTypes.method && number === 0) this.#connectionMethod(true);
    } else if (number === 0 && type === frameTypes.heartbeat && start === end) {
      return;
    } else if (number === 0 && type === frameTypes.method) {
      this.#connectionMethod(false);
    } else {
      this.refuse(misplacedFrame(type, buffer, start, end), 0, 0);
    }
  }

  #connectionMethod(isStopping: boolean): void {
    const method = this.#decode();
    if (method === undefined) return;
    if (isStopping && method.name !== "connection.close" && method.name !== "connection.close-ok") return;
    const fault = handleOnConnection(this, method);
    const { classId, methodId } = methods[method.name];
    if (fault !== undefined) this.refuse(fault, classId, methodId);
  }

  // Refusing

  #refuseIf(channel: Channel, fault: Fault | undefined, id: number): void {
    if (fault === undefined) return;
    if (fault.kind === "internalError" && fault.explanation === "") this.refuse(fault, 0, 0);
    else if (fault.closesConnection) this.refuse(fault, id >>> 16, id & 0xffff);
    else channel.refuse(fault, id >>> 16, id & 0xffff);
  }

  /** The method that the parser stands at; undefined when there is none and the connection was refused for it. */
  #decode(): Method | undefined {
    const { buffer, start, end } = this.parser;
    const method = decodeMethod(buffer, start, end);
    if (!(method instanceof MethodFault)) return method;
    // In a name that is not text, RabbitMQ does not say in which method.
    const isPlace = !method.text.startsWith("Malformed");
    const fault = undecodableMethod(method, buffer, start, end);
    this.refuse(fault, isPlace ? method.classId : 0, isPlace ? method.methodId : 0);
    return undefined;
  }

  #refuseContent(channel: Channel): void {
    const { expected } = channel;
    this.#refuseIf(channel, unexpectedContent(expected), expected === "method" ? 0 : publishId);
  }

  #frameFault(): void {
    const fault = this.parser.fault;
    if (fault === null || this.state === "closed") {
      this.end();
      return;
    }
    if (this.state === "header") {
      this.peer.destroy();
      return;
    }
    this.refuse(notAFrame(fault, this.frameMaxBytes), 0, 0);
    // Where the next frame begins is not known: nothing more can be read.
    this.end();
  }

  /** The broker ends the connection. During the handshake only some faults are told, as RabbitMQ does. */
  refuse(fault: Fault, classId: number, methodId: number): void {
    if (this.state === "closed") return;
    const isTold = this.state === "running" || this.state === "closing" || this.state === "opening";
    logRefused(this, fault);
    this.commitWait.answer();
    this.release();
    if (!isTold) {
      this.state = "closed";
      this.end();
      return;
    }
    this.sendClose(fault, classId, methodId);
  }

  /** Says close and waits for the peer's close-ok. */
  sendClose(fault: Fault, classId: number, methodId: number): void {
    this.state = "closed";
    this.why ??= fault.replyText;
    this.#liveness.closing(this.hub.clock.elapsedMs());
    const replyText = fitShortString(fault.replyText);
    this.send(0, "connection.close", { replyCode: fault.code, replyText, classId, methodId });
    this.#intake.finish();
  }

  // Bytes out

  /** Writes a method. */
  send<N extends MethodName>(channel: number, name: N, args: MethodArguments<N>): void {
    writeMethod(this.output, channel, name, args);
    this.flush();
  }

  flush(): void {
    this.#liveness.sent();
    this.peer.flush();
  }

  /** A delivery was written. */
  delivered(): void {
    this.flush();
    if (this.channels.arePaused || this.peer.unsentBytes <= deliveryBytesMax) return;
    this.channels.pause();
    this.#slowReader.filled();
  }

  drained(): void {
    if (this.#isGone) return;
    this.#slowReader.emptied();
    this.channels.resume();
    this.#intake.resume(pauses.outputFull);
    if (!this.#isHeldByOutput) return;
    this.#isHeldByOutput = false;
    this.resumeParsing();
  }

  // Time and pressure

  tick(nowMs: number): void {
    this.channels.tick(nowMs);
    const elapsedMs = this.hub.clock.elapsedMs();
    this.#slowReader.tick(elapsedMs);
    const verdict = this.#liveness.tick(elapsedMs, this.#phase, this.heartbeatMs, this.#intake.isStopped);
    switch (verdict) {
      case "fine":
        return;
      case "send-heartbeat":
        writeHeartbeat(this.output);
        this.flush();
        return;
      case "close-too-long":
        // What it was sent it does not take: more patience would keep it for ever.
        this.peer.destroy();
        return;
      default:
        this.why ??= verdict === "dead" ? "no heartbeat came in time" : "the handshake took too long";
        logSilent(this, this.why);
        this.peer.destroy();
    }
  }

  get #phase(): "handshake" | "running" | "closing" {
    if (this.state === "running") return "running";
    return this.state === "closing" || this.state === "closed" ? "closing" : "handshake";
  }

  /** How a running connection fares. */
  get flow(): "running" | "flow" | "blocking" | "blocked" {
    return this.#blocking.state ?? (this.#intake.isPausedFor(pauses.congested) ? "flow" : "running");
  }

  // Ending

  /** The channel is no more: its number may be opened again. */
  forget(channel: Channel): void {
    this.channels.remove(channel);
  }

  /** Gives back what the connection holds of the broker: deliveries, consumers, exclusive queues. */
  release(): void {
    this.channels.release();
    this.commitWait.clear();
    for (const queue of this.exclusiveQueues) queue.namespace.deleteQueue(queue);
  }

  /** Sends what is pending, then closes the socket; a peer that takes too long to read it is cut off. */
  end(): void {
    this.#liveness.closing(this.hub.clock.elapsedMs());
    this.peer.end();
  }

  /** Let into a virtual host: from now on it is listed. */
  opened(vhost: Vhost): void {
    this.vhost = vhost.name;
    this.virtualHost = vhost;
    this.state = "running";
    this.shown = new ShownConnection(this);
    this.namespace = this.server.trial?.namespace(vhost.namespace, this.shown) ?? vhost.namespace;
    this.hub.server.live.add(this.shown);
    this.hub.events.connectionCreated(this);
    logOpened(this);
  }

  /** Ends it for a reason that is not the client's. */
  force(reason: string): void {
    if (this.state !== "running") return;
    this.release();
    this.sendClose(new Fault("connectionForced", reason), 0, 0);
  }

  shutdown(): void {
    if (this.state === "running") {
      this.force("broker forced connection closure with reason 'shutdown'");
    } else if (this.state !== "closing" && this.state !== "closed") {
      this.peer.destroy();
    }
  }

  closed(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#blocking.end();
    this.commitWait.end();
    this.release();
    if (this.shown !== undefined) this.hub.server.live.remove(this.shown);
    logClosed(this, this.why);
    this.hub.events.connectionClosed(this);
    this.#intake.close();
  }
}
