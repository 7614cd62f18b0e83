/**
 * One peer's life in Kafka's protocol, driven by bytes and ticks: requests in, answers out in their order, backpressure,
 * idleness, the end.
 *
 * Produce and Fetch are handled as they come: a producer's next batch goes into the block that is open while the one before
 * is at the disk. What is kept of them until their answer is small, and some may be open at once. Behind any other request
 * nothing is handled before it is answered, as Kafka does it with all: clients rely on the order, and answers that nobody
 * reads do not pile up. (A heartbeat may wait for its answer until the next request comes.) Reading stops also while more has
 * come in than is durable, and while the peer does not read what it is sent.
 *
 * A request that cannot be read, or that nobody may send now, ends the connection, as Kafka does it: there is no answer
 * that such a client would understand.
 */

import { type FrameHandler, Intake, pauses } from "../../server/intake.ts";
import type { Connection, Peer, PeerAddress } from "../../server/protocol.ts";
import { FrameReader } from "../../wire/frame-reader.ts";
import { Input, Malformed } from "../../wire/input.ts";
import type { CommitWaiter } from "../../server/commit-waiters.ts";
import { PendingCall, PendingCalls } from "./calls.ts";
import type { CallerConnection, Command } from "./command.ts";
import { SizedFraming, sizeBytes } from "./codec/framing.ts";
import { apiVersionsKey, RequestHeader } from "./codec/headers.ts";
import { elementsRead } from "./codec/schema.ts";
import { ConnectionLogin } from "./connection-login.ts";
import { logClosed, logOpened, logSlow } from "./connection-log.ts";
import type { RoomUser } from "./request-room.ts";
import type { KafkaServer } from "./server.ts";

/** Answers wait above this many bytes that the peer has not taken. */
const unsentBytesMax = 1_048_576;
/** Requests that are not answered. */
const openCallsMax = 64;
/** And elements of their arrays, mostly partitions, some hundred bytes each. */
const openElementsMax = 100_000;
/** So long one peer's requests are handled before others have their turn. */
const turnMsMax = 20;
/** Before somebody has logged in who has to. */
const loginRequestBytesMax = 524_288;
const loginMsMax = 30_000;
/** For a peer to take what was written to it before its connection was ended. */
const lastWordsMsMax = 30_000;

const header = new RequestHeader();

export class KafkaConnection implements Connection, CallerConnection, FrameHandler, CommitWaiter, RoomUser {
  readonly server: KafkaServer;
  readonly address: PeerAddress;
  readonly id: string;
  readonly login: ConnectionLogin;
  readonly openedAtMs: number;
  /** What the client said of itself last. */
  clientId: string | null = null;
  software = "";
  receivedBytes = 0;
  receivedPackets = 0;
  isClosed = false;
  readonly peer: Peer;
  readonly #framing: SizedFraming;
  readonly #frames: FrameReader;
  readonly #intake: Intake;
  readonly #calls = new PendingCalls();
  readonly #onClosed = new Set<() => void>();
  #heardMs: number;
  #hasHeard = false;
  #why: string | undefined;
  #isEnding = false;
  /** Of the clock that only goes forward. */
  #endedMs = Infinity;
  /** Nothing more is handled before it is answered. */
  #awaited: PendingCall | undefined;
  /** The only one that is not answered, and is to be before the next is handled. */
  #waiting: PendingCall | undefined;
  #turnStartedMs = 0;
  #isLeaving = false;
  #hasProduced = false;
  #isAwaitingCommit = false;
  #isWriting = false;
  /** By commands. */
  #holds = 0;
  /** It has asked for some, and the request for which it did is there. */
  #hasRoom = false;
  #isRoomUsed = false;

  constructor(server: KafkaServer, peer: Peer) {
    this.server = server;
    this.peer = peer;
    this.address = peer.address;
    this.login = new ConnectionLogin(server, peer.address, () => this.letIn());
    this.id = server.nextConnectionId();
    this.openedAtMs = server.clock.now();
    this.#heardMs = this.openedAtMs;
    const { requestBytesMax, requireSasl } = server.settings;
    this.#framing = new SizedFraming(requireSasl ? Math.min(requestBytesMax, loginRequestBytesMax) : requestBytesMax);
    this.#frames = new FrameReader(this.#framing);
    this.#intake = new Intake(peer, this.#frames, this);
  }

  /** Requests that wait for their answer. */
  get openCallCount(): number {
    return this.#calls.count;
  }

  // Requests

  receive(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    this.receivedPackets++;
    this.#hasHeard = true;
    this.#turnStartedMs = this.server.clock.elapsedMs();
    this.#intake.receive(chunk);
  }

  /** A request lies in the reader. */
  frame(): void {
    if (this.#isEnding) return;
    this.#isRoomUsed = this.#hasRoom;
    const { buffer, end } = this.#frames;
    const start = this.#frames.start + sizeBytes;
    const { takeToken } = this.login;
    if (takeToken !== undefined) {
      takeToken(buffer.subarray(start, end));
      return;
    }
    const input = new Input(buffer, start, end);
    if (!header.readFixed(input)) {
      this.end("a request is too short");
      return;
    }
    const command = this.server.command(header.apiKey);
    if (command === undefined) {
      this.end(`request of an unknown API ${header.apiKey}`);
      return;
    }
    const version = this.#versionOf(command);
    if (version < 0) {
      this.end(`${command.name} v${header.apiVersion} is not supported`);
      return;
    }
    if (!header.readRest(input, command.request.isFlexible(header.apiVersion))) {
      this.end(`the header of ${command.name} v${header.apiVersion} is malformed: ${input.fault}`);
      return;
    }
    // Behind its header, a version of ApiVersions that is not known is answered without being read.
    this.#handle(command, version, version === header.apiVersion, input);
  }

  /** In which it is answered; -1: not at all. */
  #versionOf(command: Command): number {
    const { apiVersion } = header;
    if (apiVersion >= command.minVersion && apiVersion <= command.maxVersion) return apiVersion;
    return command.key === apiVersionsKey ? 0 : -1;
  }

  #handle(command: Command, version: number, isKnown: boolean, input: Input): void {
    const { clientId, correlationId } = header;
    const identity = this.login.isUnderWay || this.login.isOver ? undefined : this.login.identity;
    const who = identity ?? (command.isOpen === true ? this.server.nobody : this.#enter(command));
    if (who === undefined) return;
    if (clientId !== this.clientId) this.clientId = clientId;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.beforeNext?.();
    const call = new PendingCall(this, command, version, correlationId, clientId, who);
    this.server.counters.requests[command.key]!++;
    this.server.counters.requestBytes[command.key]! += input.end - input.at;
    this.#calls.add(call);
    if (command.isProducing === true) this.#hasProduced = true;
    const fault = isKnown ? this.#dispatch(command, version, input, call) : this.#refuseVersion(command, call);
    if (fault !== undefined) this.end(fault.reason);
    else if (call.beforeNext !== undefined) this.#waitForNext(call);
    else if (command.isPipelined !== true) this.#answerFirst(call);
    else if (this.#isFull && this.#awaited === undefined) this.#hold(call);
    if (call.startedMs - this.#turnStartedMs > turnMsMax) this.#letOthers();
  }

  /** A small request may be a lot of work, and there may be hundreds in a chunk. */
  #letOthers(): void {
    const { clock } = this.server;
    this.#turnStartedMs = Infinity;
    this.#intake.hold();
    clock.defer(() => {
      this.#turnStartedMs = clock.elapsedMs();
      this.#intake.release();
    });
  }

  get #isFull(): boolean {
    return this.#calls.count >= openCallsMax || this.#calls.elements >= openElementsMax;
  }

  /** Nothing behind this request is handled before it is answered. */
  #answerFirst(call: PendingCall): void {
    this.#write();
    if (!call.isWritten && !this.#isEnding) this.#hold(call);
  }

  /** As it may, if no other is open: nothing is to pile up behind those. */
  #waitForNext(call: PendingCall): void {
    this.#write();
    if (this.#calls.first === call) {
      this.#waiting = call;
    } else {
      call.beforeNext?.();
      this.#answerFirst(call);
    }
  }

  #hold(call: PendingCall): void {
    this.#awaited = call;
    this.#intake.hold();
  }

  #dispatch(command: Command, version: number, input: Input, call: PendingCall): Malformed | undefined {
    if (command.handleBytes !== undefined) return command.handleBytes(input, call);
    const request = command.request.read(input, version);
    if (request instanceof Malformed) return request;
    this.#calls.weigh(call, elementsRead());
    command.handle(request as never, call);
    return undefined;
  }

  #refuseVersion(command: Command, call: PendingCall): undefined {
    command.handle(undefined as never, call);
  }

  /** Who asks for more than the open commands, without a login. Nobody: the connection is ended. */
  #enter(command: Command) {
    if (this.login.isUnderWay) {
      this.end(`${command.name} came in the middle of a login`);
      return undefined;
    }
    const who = this.login.withoutSasl();
    if (typeof who === "string") {
      this.end(`${command.name} is not allowed: ${who}`);
      return undefined;
    }
    return who;
  }

  /** Somebody has logged in, or come in without a login. */
  letIn(): void {
    this.#framing.payloadBytesMax = this.server.settings.requestBytesMax;
    if (this.server.live.has(this)) return;
    logOpened(this);
    this.server.live.add(this);
  }

  afterChunk(): void {
    const { fault } = this.#framing;
    if (fault !== null) this.end(`not a request of Kafka's protocol: ${fault}`);
    else this.#makeRoom();
    if (this.#hasProduced) {
      this.#hasProduced = false;
      if (this.server.broker.isCongested) this.#intake.pause(pauses.congested);
    }
    this.#write();
    this.#goOn();
    this.#armCommit();
  }

  hold(): void {
    this.#holds++;
    this.#intake.hold();
  }

  release(): void {
    this.#holds--;
    this.#intake.release();
  }

  /** For the rest of a request that has begun to come in. Until the one before is done, that one has its place. */
  #makeRoom(): void {
    if (this.#holds > 0) return;
    const bytes = this.#frames.keptBytes > 0 ? this.#framing.bytes : 0;
    if (bytes === 0 && !this.#hasRoom) return;
    const { room, clock } = this.server;
    const nowMs = clock.elapsedMs();
    if (this.#isRoomUsed) room.giveBack(this, nowMs);
    this.#isRoomUsed = false;
    this.#hasRoom = bytes > 0;
    if (!this.#isEnding && !room.take(this, bytes, nowMs)) this.#intake.pause(pauses.crowded);
  }

  #isTooSlow(): boolean {
    const { room, clock } = this.server;
    if (!this.#intake.isPausedFor(pauses.congested) && this.#holds === 0)
      return room.isTooSlow(this, this.#frames.keptBytes, clock.elapsedMs());
    room.excuse(this, clock.elapsedMs());
    return false;
  }

  roomMade(): void {
    this.#intake.resume(pauses.crowded);
  }

  // Answers

  /** A call has got its answer. */
  answered(): void {
    // What is answered at once goes with the other answers of its chunk.
    if (this.isClosed || this.#intake.isHandling) return;
    const { first } = this.#calls;
    if (first === undefined || !first.isAnswered) return;
    this.#write();
    this.#armCommit();
    // Not at once: whoever has answered is in the middle of something, such as a group's step, and what comes behind may
    // answer somebody else's request in its turn, and so on, without an end.
    if (this.#mayGoOn) this.server.clock.defer(() => this.#goOn());
  }

  /** Writes what is due and finds room. */
  #write(): void {
    // An answer's turn may come while another is being written, or while its own request is being handled.
    if (this.#isWriting || this.#isEnding) return;
    this.#isWriting = true;
    const { durableTicket } = this.server.broker;
    const { output } = this.peer;
    let hasWritten = false;
    for (let call = this.#calls.first; call !== undefined; call = this.#calls.first) {
      if (!call.isAnswered || call.ticket > durableTicket) break;
      if (this.peer.unsentBytes > unsentBytesMax) {
        this.#intake.pause(pauses.outputFull);
        break;
      }
      this.#calls.removeFirst();
      call.isWritten = true;
      if (!call.isSilent) {
        this.#writeAnswer(call, output);
        hasWritten = true;
      }
    }
    this.#isWriting = false;
    if (hasWritten) this.peer.flush();
    if (this.#isLeaving && this.#calls.first?.isAnswered !== true) this.#leave("the broker stops");
  }

  get #mayGoOn(): boolean {
    return this.#awaited?.isWritten === true;
  }

  /** Handles what came behind the request whose answer was awaited, if it is written. */
  #goOn(): void {
    if (!this.#mayGoOn) return;
    this.#awaited = undefined;
    this.#intake.release();
  }

  #writeAnswer(call: PendingCall, output: Peer["output"]): void {
    const { counters, clock } = this.server;
    const { key } = call.command;
    const before = output.bytes;
    call.write(output);
    counters.responseBytes[key]! += output.bytes - before;
    const tookMs = clock.elapsedMs() - call.startedMs;
    counters.elapsedMs[key]! += tookMs;
    if (tookMs > this.server.slowMs(call.command)) logSlow(this, call, tookMs);
  }

  sendToken(bytes: Buffer): void {
    this.peer.output.u32(bytes.length);
    this.peer.output.copy(bytes, 0, bytes.length);
    this.peer.flush();
  }

  drained(): void {
    if (this.isClosed) return;
    this.#hasHeard = true;
    this.#intake.resume(pauses.outputFull);
    this.#write();
    this.#goOn();
    this.#armCommit();
  }

  // Commits

  #armCommit(): void {
    if (this.#isAwaitingCommit || this.isClosed || !this.#needsCommit) return;
    this.#isAwaitingCommit = true;
    this.server.commits.add(this);
  }

  get #needsCommit(): boolean {
    if (this.#intake.isPausedFor(pauses.congested)) return true;
    const { first } = this.#calls;
    return first !== undefined && first.isAnswered && first.ticket > this.server.broker.durableTicket;
  }

  committed(): boolean {
    this.#isAwaitingCommit = false;
    if (this.isClosed) return false;
    this.#write();
    this.#goOn();
    if (!this.server.broker.isCongested) this.#intake.resume(pauses.congested);
    // What was let go on may have asked for another commit itself.
    if (this.#isAwaitingCommit) return false;
    this.#isAwaitingCommit = this.#needsCommit;
    return this.#isAwaitingCommit;
  }

  // The end

  tick(nowMs: number): void {
    if (this.#isEnding) {
      if (this.server.clock.elapsedMs() - this.#endedMs >= lastWordsMsMax) this.peer.destroy();
      return;
    }
    // Who takes nothing of what it is sent is as good as gone, whatever it has asked for.
    const isDeaf = this.#intake.isPausedFor(pauses.outputFull);
    const isWaiting = !isDeaf && (this.#calls.count > 0 || this.#intake.isStopped);
    if (this.#hasHeard || isWaiting) this.#heardMs = nowMs;
    this.#hasHeard = false;
    const isSlow = this.#hasRoom && this.#isTooSlow();
    if (this.#intake.isPausedFor(pauses.congested) && !this.server.broker.isCongested)
      this.#intake.resume(pauses.congested);
    const { idleMs, requireSasl } = this.server.settings;
    if (isSlow) this.end("a large request of it comes too slowly, and others wait to send theirs");
    else if (idleMs > 0 && nowMs - this.#heardMs >= idleMs)
      this.end(isDeaf ? "it does not take what it is sent" : "it was idle for too long");
    else if (requireSasl && this.login.identity === undefined && nowMs - this.openedAtMs >= loginMsMax)
      this.end("the login took too long");
  }

  end(why: string): void {
    if (this.#isEnding) return;
    this.#write();
    this.#leave(why);
  }

  /** What is written is all that is. */
  #leave(why: string): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#why = why;
    const { room, clock } = this.server;
    this.#endedMs = clock.elapsedMs();
    this.#intake.close();
    // Not when it has closed: a peer that takes nothing may put that off. Later, since others are handled then.
    if (this.#hasRoom) clock.defer(() => room.leave(this, clock.elapsedMs()));
    this.peer.end();
  }

  /** What is done is told before the connection ends; what waits for something is not. */
  shutdown(): void {
    this.#isLeaving = true;
    this.#intake.hold();
    this.#write();
    this.#armCommit();
  }

  onClosed(run: () => void): () => void {
    this.#onClosed.add(run);
    return () => void this.#onClosed.delete(run);
  }

  closed(): void {
    this.isClosed = true;
    this.#intake.close();
    this.server.room.leave(this, this.server.clock.elapsedMs());
    this.server.live.remove(this);
    logClosed(this, this.#why);
    for (const run of this.#onClosed) run();
    this.#onClosed.clear();
  }
}
