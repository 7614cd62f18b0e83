/**
 * One peer's life in AMQP 0-9-1, driven by bytes and ticks: handshake, channels, heartbeats, backpressure, the end.
 *
 * Answers are sent when they are true. A confirm waits for the commit of its block; the reply to a declaration waits
 * for the declaration's. Until then nothing more of the connection is parsed, so that order is kept without a queue of
 * answers; the commit is a fraction of a millisecond away. A method that reads counts or takes a message (declare, get,
 * purge, delete, and both closes) also waits first until what the connection itself has published is durable, since
 * that is when it is to be seen. While nothing is pending, nothing waits.
 *
 * Reading stops for four reasons, each a bit of `#paused`: an answer is held, the broker has taken in more than it has
 * made durable, it blocks publishers for want of memory or disk, or the peer does not read what it is sent. Deliveries
 * stop when the peer's socket is full.
 */

import { assert } from "../../base/assert.ts";
import type { Namespace } from "../../broker/api.ts";
import type { User } from "../../auth/users.ts";
import type { Connection, Peer, PeerAddress } from "../../server/protocol.ts";
import type { Output } from "../../wire/output.ts";
import { Channel } from "./channel.ts";
import { methodIdAt, parseSettlement, Settlement } from "./codec-hot.ts";
import { FrameParser, protocolOf } from "./codec-parser.ts";
import {
  decodeMethod,
  fitShortString,
  MethodFault,
  writeHeartbeat,
  writeMethod,
  writeProtocolHeader,
} from "./codec.ts";
import { erlangBinary, Fault } from "./errors.ts";
import {
  ackId,
  basicClassId,
  frameOverheadBytes,
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
import { handleOnConnection } from "./handlers/connection.ts";
import type { CommitWaiter, Hub } from "./hub.ts";

export type ConnectionState =
  | "header"
  | "starting"
  | "securing"
  | "tuning"
  | "opening"
  | "running"
  /** The peer asked to close; the answer waits for what it published. */
  | "closing"
  /** We have said or answered close; everything but close and close-ok is dropped. */
  | "closed";

/** What a client says that it can do. */
export interface ClientCapabilities {
  consumerCancelNotify: boolean;
  connectionBlocked: boolean;
  authenticationFailureClose: boolean;
}

const held = 1;
const congested = 2;
const blocked = 4;
const outputFull = 8;

/** Deliveries stop above this many bytes that the peer has not taken, and go on when it has taken all. */
const deliveryBytesMax = 1_048_576;
/** A peer that sends and does not read is not read either above this. */
const outputBytesMax = 8_388_608;
const handshakeMsMax = 10_000;
const closingMsMax = 30_000;

const settlement = new Settlement();

export class AmqpConnection implements Connection, CommitWaiter {
  readonly hub: Hub;
  readonly peer: Peer;
  readonly output: Output;
  readonly parser = new FrameParser();
  readonly capabilities: ClientCapabilities = {
    consumerCancelNotify: false,
    connectionBlocked: false,
    authenticationFailureClose: false,
  };
  state: ConnectionState = "header";
  /** Agreed on; 0: no limit. */
  frameMaxBytes = 0;
  channelMax = 0;
  heartbeatMs = 0;
  /** Of SASL, between start-ok and secure-ok. */
  mechanism = "";
  vhost = "";
  /** The highest ticket of what was published here. */
  publishedTicket = 0;
  #user: User | undefined;
  #namespace: Namespace | undefined;
  readonly #channels = new Map<number, Channel>();
  #lastNumber = 0;
  #lastChannel: Channel | undefined;
  /** Channels whose publishes are to be confirmed. */
  #confirming: Channel[] = [];
  #isAwaitingCommit = false;
  #paused = 0;
  #holds = 0;
  #isReadingPaused = false;
  /** Chunks that came while reading was being stopped. */
  #unread: Buffer[] = [];
  #afterReply: (() => void)[] = [];
  #isParsing = false;
  #hasPublished = false;
  #isBlockedSent = false;
  #areDeliveriesPaused = false;
  #isGone = false;
  /** The channel whose message is not complete, so that its head may have to be kept. */
  #midContent: Channel | undefined;
  readonly #startedMs: number;
  #hasHeard = true;
  #heardMs: number;
  #hasSent = true;
  #sentMs: number;
  #closingSinceMs = 0;
  readonly #forgetPressure: () => void;

  constructor(hub: Hub, peer: Peer) {
    this.hub = hub;
    this.peer = peer;
    this.output = peer.output;
    this.#startedMs = hub.clock.now();
    this.#heardMs = this.#startedMs;
    this.#sentMs = this.#startedMs;
    this.#forgetPressure = hub.broker.onPressure(() => this.#pressureChanged());
  }

  get address(): PeerAddress {
    return this.peer.address;
  }

  /** Who is logged in. */
  get user(): User {
    assert(this.#user !== undefined, "asked for after the login only");
    return this.#user;
  }

  set user(user: User) {
    this.#user = user;
  }

  /** Of the virtual host. */
  get namespace(): Namespace {
    assert(this.#namespace !== undefined, "asked for after connection.open only");
    return this.#namespace;
  }

  set namespace(namespace: Namespace) {
    this.#namespace = namespace;
  }

  get channelCount(): number {
    return this.#channels.size;
  }

  // Bytes in

  receive(chunk: Buffer): void {
    this.#hasHeard = true;
    if (this.#paused !== 0 || this.#unread.length > 0 || this.#isParsing) {
      this.#unread.push(chunk);
      return;
    }
    this.parser.push(chunk);
    this.#parse(chunk);
  }

  #parse(chunk: Buffer | undefined): void {
    const { parser } = this;
    this.#isParsing = true;
    while ((this.#paused & held) === 0 && !this.#isGone && parser.next()) this.#frame(parser.buffer === chunk);
    this.#isParsing = false;
    if (parser.fault !== null) this.#frameFault();
    this.#midContent?.keepHead();
    this.#midContent = undefined;
    this.#afterParsing();
  }

  /** What is done once for all frames of a chunk. */
  #afterParsing(): void {
    if (this.#holds === 0) this.#runAfterReply();
    const { broker } = this.hub;
    if (this.#confirming.length > 0) this.#answerConfirms(broker.durableTicket);
    if (this.#hasPublished) {
      this.#hasPublished = false;
      if (broker.isCongested) this.#pause(congested);
      const { memory, disk } = broker.pressure;
      if (memory || disk) this.#block();
    }
    if (this.peer.unsentBytes > outputBytesMax) this.#pause(outputFull);
    if (this.#confirming.length > 0 || (this.#paused & congested) !== 0) this.#awaitCommit();
    if (this.output.bytes > 0) this.flush();
    this.#applyPause();
  }

  #pause(reason: number): void {
    this.#paused |= reason;
    if (!this.#isParsing) this.#applyPause();
  }

  #unpause(reason: number): void {
    if ((this.#paused & reason) === 0) return;
    this.#paused &= ~reason;
    // While frames are handled, the loop that handles them goes on by itself.
    if (this.#isParsing || this.#isGone) return;
    // First what was left of the chunk that was being parsed, then what came behind it.
    if (reason === held) this.#parse(undefined);
    while (this.#paused === 0 && this.#unread.length > 0 && !this.#isGone) {
      const chunk = this.#unread.shift()!;
      this.parser.push(chunk);
      this.#parse(chunk);
    }
    this.#applyPause();
  }

  #applyPause(): void {
    const isPaused = this.#paused !== 0;
    if (isPaused === this.#isReadingPaused || this.#isGone) return;
    this.#isReadingPaused = isPaused;
    if (isPaused) this.peer.pauseReading();
    else this.peer.resumeReading();
  }

  // Waiting

  /** Parses nothing more until `resumeParsing`. */
  holdParsing(): void {
    this.#holds++;
    this.#pause(held);
  }

  /** Each `holdParsing` has its own. */
  resumeParsing(): void {
    assert(this.#holds > 0, "parsing is held");
    if (--this.#holds === 0) this.#unpause(held);
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

  /** Sends a reply when all that was done until now is durable. */
  reply<N extends MethodName>(channel: number, name: N, args: MethodArguments<N>): void {
    this.whenDurable(this.hub.broker.ticket, () => {
      this.send(channel, name, args);
      this.#runAfterReply();
    });
  }

  /** Runs `run` behind the reply to the method that is being handled, or at once when there is none. */
  afterReply(run: () => void): void {
    if (!this.#isParsing && this.#holds === 0) run();
    else this.#afterReply.push(run);
  }

  #runAfterReply(): void {
    if (this.#afterReply.length === 0) return;
    const runs = this.#afterReply;
    this.#afterReply = [];
    for (const run of runs) run();
  }

  owesConfirms(channel: Channel): void {
    channel.isConfirming = true;
    this.#confirming.push(channel);
    if (!this.#isParsing) this.#awaitCommit();
  }

  #awaitCommit(): void {
    if (this.#isAwaitingCommit) return;
    this.#isAwaitingCommit = true;
    this.hub.awaitCommit(this);
  }

  committed(durableTicket: number): boolean {
    this.#isAwaitingCommit = false;
    if (this.#isGone) return false;
    this.#answerConfirms(durableTicket);
    if (this.output.bytes > 0) this.flush();
    if ((this.#paused & congested) !== 0 && !this.hub.broker.isCongested) this.#unpause(congested);
    // Parsing may have begun to wait anew.
    if (this.#isAwaitingCommit) return false;
    this.#isAwaitingCommit = this.#confirming.length > 0 || (this.#paused & congested) !== 0;
    return this.#isAwaitingCommit;
  }

  #answerConfirms(durableTicket: number): void {
    const confirming = this.#confirming;
    let open = 0;
    for (const channel of confirming) {
      channel.confirms?.answer(this.output, channel.number, durableTicket);
      if (channel.confirms?.isPending === true) confirming[open++] = channel;
      else channel.isConfirming = false;
    }
    confirming.length = open;
  }

  // Frames

  #frame(isStable: boolean): void {
    const { type, channel: number } = this.parser;
    const isOfChannel = this.state === "running" && number !== 0;
    if (!isOfChannel || type > frameTypes.body || type === 0) {
      this.#frameOutsideOfChannels(type, number);
      return;
    }
    let channel = number === this.#lastNumber ? this.#lastChannel : this.#channels.get(number);
    if (channel === undefined) {
      channel = this.#openChannel(number);
      if (channel === undefined) return;
    }
    this.#lastNumber = number;
    this.#lastChannel = channel;
    if (type === frameTypes.method) this.#methodFrame(channel);
    else this.#contentFrame(channel, type, isStable);
  }

  #methodFrame(channel: Channel): void {
    const { buffer, start, end } = this.parser;
    const id = methodIdAt(buffer, start, end);
    if (channel.expected !== "method") {
      this.#refuseContent(channel);
    } else if (channel.state === "running" && id === publishId) {
      if (!channel.beginPublish(buffer, start, end)) this.#refuseMethod(buffer, start, end);
    } else if (channel.state === "running" && (id === ackId || id === nackId || id === rejectId)) {
      if (!parseSettlement(buffer, id, start, end, settlement)) this.#refuseMethod(buffer, start, end);
      else this.#refuseIf(channel, channel.settle(settlement), id);
    } else {
      const method = decodeMethod(buffer, start, end);
      if (method instanceof MethodFault) this.#refuseMethod(buffer, start, end);
      else this.#dispatch(channel, method);
    }
  }

  #contentFrame(channel: Channel, type: number, isStable: boolean): void {
    const { buffer, start, end } = this.parser;
    // A refused message's content, or what follows it.
    if (channel.state === "closing") return;
    if (type === frameTypes.header && channel.expected === "header") {
      this.#midContent = channel;
      this.#refuseIf(channel, channel.takeHeader(buffer, start, end, isStable), publishId);
      this.#hasPublished = true;
    } else if (type === frameTypes.body && channel.expected === "body") {
      this.#refuseIf(channel, channel.takeBody(buffer, start, end), publishId);
    } else {
      this.#refuseContent(channel);
    }
    // Messages of two channels are interleaved: this one's head is not the one that is watched.
    if (this.#midContent !== channel && channel.expected === "body") channel.keepHead();
  }

  #dispatch(channel: Channel, method: Method): void {
    if (waitsForPublished(method.name) && this.publishedTicket > this.hub.broker.durableTicket) {
      this.whenDurable(this.publishedTicket, () => this.#dispatch(channel, method));
      return;
    }
    this.#refuseIf(channel, handleOnChannel(channel, method), methods[method.name].id);
  }

  #openChannel(number: number): Channel | undefined {
    if (this.channelMax !== 0 && this.#channels.size >= this.channelMax) {
      const text = `number of channels opened (${this.#channels.size}) has reached the negotiated channel_max (${this.channelMax})`;
      this.refuse(new Fault("notAllowed", text), 0, 0);
      return undefined;
    }
    const channel = new Channel(this, number);
    this.#channels.set(number, channel);
    if (this.#areDeliveriesPaused) channel.session.pause();
    return channel;
  }

  #frameOutsideOfChannels(type: number, number: number): void {
    const { buffer, start, end } = this.parser;
    if (this.state === "header") {
      this.#protocolHeader(buffer, start);
    } else if (this.state === "closing" || this.state === "closed") {
      if (type === frameTypes.method && number === 0) this.#connectionMethod(buffer, start, end, true);
    } else if (number === 0 && type === frameTypes.heartbeat && start === end) {
      return;
    } else if (number === 0 && type === frameTypes.method) {
      this.#connectionMethod(buffer, start, end, false);
    } else {
      const isUnknown = type === 0 || (type > frameTypes.body && (type !== frameTypes.heartbeat || start !== end));
      const kind = isUnknown ? "frameError" : "unexpectedFrame";
      const why = isUnknown ? ": unknown_frame" : "";
      this.refuse(new Fault(kind, `type ${type}, ${snippet(buffer, start, end)}${why}`), 0, 0);
    }
  }

  #protocolHeader(buffer: Buffer, start: number): void {
    const protocol = protocolOf(buffer, start);
    if (protocol !== "amqp-0-9-1" && protocol !== "amqp-0-9") {
      writeProtocolHeader(this.output);
      this.state = "closed";
      this.end();
      return;
    }
    this.state = "starting";
    const mechanisms = ["PLAIN", "AMQPLAIN", "ANONYMOUS"];
    if (this.address.certificateName !== undefined) mechanisms.push("EXTERNAL");
    this.send(0, "connection.start", {
      versionMajor: 0,
      versionMinor: 9,
      serverProperties: this.hub.serverProperties,
      mechanisms: mechanisms.join(" "),
      locales: "en_US",
    });
  }

  #connectionMethod(buffer: Buffer, start: number, end: number, isStopping: boolean): void {
    const method = decodeMethod(buffer, start, end);
    if (method instanceof MethodFault) {
      if (isStopping) return;
      this.#refuseUndecodable(method);
      return;
    }
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

  #refuseMethod(buffer: Buffer, start: number, end: number): void {
    const fault = decodeMethod(buffer, start, end);
    if (!(fault instanceof MethodFault)) return;
    this.#refuseUndecodable(fault);
  }

  #refuseUndecodable(fault: MethodFault): void {
    const { type, buffer, start, end } = this.parser;
    if (end - start < 4) {
      this.refuse(new Fault("frameError", `type ${type}, ${snippet(buffer, start, end)}: unknown_frame`), 0, 0);
      return;
    }
    const kind = fault.kind === "unknown-method" ? "commandInvalid" : "frameError";
    // A name that is not text: RabbitMQ does not say in which method.
    const isPlace = !fault.text.startsWith("Malformed");
    this.refuse(new Fault(kind, fault.text), isPlace ? fault.classId : 0, isPlace ? fault.methodId : 0);
  }

  /** A frame that is not the one that a message needs next, or content without a method. */
  #refuseContent(channel: Channel): void {
    const { expected } = channel;
    if (expected === "method") {
      const text = "expected method frame, got non method frame instead";
      this.refuse(new Fault("unexpectedFrame", text), 0, 0);
      return;
    }
    const what = expected === "header" ? `content header for class ${basicClassId}` : "content body";
    const got = expected === "header" ? "non content header frame" : "non content body frame";
    const fault = new Fault("unexpectedFrame", `expected ${what}, got ${got} instead`);
    this.#refuseIf(channel, fault, publishId);
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
    const limit = this.frameMaxBytes - frameOverheadBytes;
    const why = {
      "frame-too-large": `{frame_too_large,${fault.size},${limit}}`,
      "bad-end": `{invalid_frame_end_marker,${fault.endOctet}}`,
    }[fault.kind];
    const octets = snippet(fault.payload, 0, fault.payload.length);
    this.refuse(new Fault("frameError", `type ${fault.type}, ${octets}: ${why}`), 0, 0);
    // Where the next frame begins is not known: nothing more can be read.
    this.end();
  }

  /** The broker ends the connection. During the handshake only some faults are told, as RabbitMQ does. */
  refuse(fault: Fault, classId: number, methodId: number): void {
    if (this.state === "closed") return;
    const isTold = this.state === "running" || this.state === "closing" || this.state === "opening";
    this.hub.logger.warn("an AMQP connection is refused or ended for a fault", {
      peer: this.address.remoteAddress,
      port: this.address.remotePort,
      fault: fault.replyText,
    });
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
    this.#closingSinceMs = this.hub.clock.now();
    const replyText = fitShortString(fault.replyText);
    this.send(0, "connection.close", { replyCode: fault.code, replyText, classId, methodId });
  }

  leaseTimedOut(channel: Channel): void {
    const { consumerTimeoutMs } = this.hub.settings;
    const text =
      `delivery acknowledgement on channel ${channel.number} timed out. Timeout value used: ${consumerTimeoutMs} ms. ` +
      "This timeout value can be configured, see consumers doc guide to learn more";
    if (channel.state === "running") channel.refuse(new Fault("preconditionFailed", text), 0, 0);
  }

  // Bytes out

  /** Writes a method. */
  send<N extends MethodName>(channel: number, name: N, args: MethodArguments<N>): void {
    writeMethod(this.output, channel, name, args);
    this.flush();
  }

  flush(): void {
    this.#hasSent = true;
    this.peer.flush();
  }

  /** A delivery was written. */
  delivered(): void {
    this.flush();
    if (this.#areDeliveriesPaused || this.peer.unsentBytes <= deliveryBytesMax) return;
    this.#areDeliveriesPaused = true;
    for (const channel of this.#channels.values()) channel.session.pause();
  }

  drained(): void {
    if (this.#isGone) return;
    if (this.#areDeliveriesPaused) {
      this.#areDeliveriesPaused = false;
      for (const channel of this.#channels.values()) if (channel.state === "running") channel.session.resume();
    }
    this.#unpause(outputFull);
  }

  // Time and pressure

  tick(nowMs: number): void {
    if (this.#hasHeard || this.#paused !== 0) this.#heardMs = nowMs;
    this.#hasHeard = false;
    if (this.#hasSent) this.#sentMs = nowMs;
    this.#hasSent = false;
    const isHandshake = this.state !== "running" && this.state !== "closing" && this.state !== "closed";
    if (isHandshake && nowMs - this.#startedMs >= handshakeMsMax) this.peer.destroy();
    if (this.state === "closed" && this.#closingSinceMs > 0 && nowMs - this.#closingSinceMs > closingMsMax) this.end();
    if (this.heartbeatMs === 0 || this.state !== "running") return;
    if (nowMs - this.#sentMs >= this.heartbeatMs / 2 - 500) {
      writeHeartbeat(this.output);
      this.flush();
    }
    if (nowMs - this.#heardMs > this.heartbeatMs * 2) {
      this.hub.logger.warn("missed heartbeats from an AMQP client", { peer: this.address.remoteAddress });
      this.peer.destroy();
    }
  }

  /** Publishers are held back: those that publish are not read any more. */
  #block(): void {
    if (this.state !== "running") return;
    this.#pause(blocked);
    if (this.#isBlockedSent || !this.capabilities.connectionBlocked) return;
    this.#isBlockedSent = true;
    const { memory, disk } = this.hub.broker.pressure;
    const reasons = [...(memory ? ["memory"] : []), ...(disk ? ["disk"] : [])];
    this.send(0, "connection.blocked", { reason: `low on ${reasons.join(" & ")}` });
  }

  #pressureChanged(): void {
    const { memory, disk } = this.hub.broker.pressure;
    if (memory || disk || this.#isGone) return;
    if (this.#isBlockedSent) {
      this.#isBlockedSent = false;
      this.send(0, "connection.unblocked", {});
    }
    this.#unpause(blocked);
  }

  // Ending

  /** The channel is no more: its number may be opened again. */
  forget(channel: Channel): void {
    this.#channels.delete(channel.number);
    this.#lastChannel = undefined;
    this.#lastNumber = 0;
  }

  /** Gives back what the connection holds of the broker: deliveries, consumers, exclusive queues. */
  release(): void {
    for (const channel of this.#channels.values()) if (channel.state !== "closing") channel.release();
    this.#channels.clear();
    this.#lastChannel = undefined;
    this.#lastNumber = 0;
    this.#confirming.length = 0;
    for (const [queue, owner] of this.hub.ownerByQueue) {
      if (owner !== this) continue;
      this.hub.ownerByQueue.delete(queue);
      if (!queue.isDeleted) queue.namespace.deleteQueue(queue);
    }
  }

  /** Sends what is pending, then closes the socket. */
  end(): void {
    this.peer.end();
  }

  shutdown(): void {
    if (this.state === "running") {
      this.release();
      this.sendClose(new Fault("connectionForced", "broker forced connection closure with reason 'shutdown'"), 0, 0);
    } else if (this.state !== "closing" && this.state !== "closed") {
      this.peer.destroy();
    }
  }

  closed(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#forgetPressure();
    this.release();
    this.parser.close();
    this.#unread = [];
  }
}

/** A frame's payload as RabbitMQ's texts show it. */
function snippet(buffer: Buffer, start: number, end: number): string {
  if (end - start <= 16) return `all octets = ${erlangBinary(buffer.subarray(start, end))}`;
  return `first 16 octets = ${erlangBinary(buffer.subarray(start, start + 16))}`;
}
