/**
 * One channel: what it consumes, what it publishes, and what it owes for it. Deliveries are numbered and settled by a
 * session of the broker, whose lease numbers are the delivery tags.
 *
 * A channel is `starting` until channel.open, and `closing` from the broker's channel.close until the client's close-ok;
 * what comes meanwhile is read and dropped, as the specification asks. One that has ended with its connection is `closing`, too.
 */

import { textOfBytes } from "../../../base/byte-text.ts";
import type { Session } from "../../../broker/api.ts";
import type { LogFields } from "../../../observe/log.ts";
import { writeContent, writeDeliver, type ContentParts, type Settlement } from "./codec-hot.ts";
import { fitShortString, writeMethod } from "./codec.ts";
import { logChannelRefused } from "./connection-log.ts";
import { Confirms } from "./confirms.ts";
import type { AmqpConnection } from "./connection.ts";
import type { AmqpConsumer } from "./consumer.ts";
import { Fault, notFound, resource } from "../model/errors.ts";
import type { TracedWay } from "../model/firehose.ts";
import { ChannelCounters, type LiveChannel, type LiveConsumer } from "../model/live.ts";
import { replyCodes } from "../model/reply-codes.ts";
import { Publishing, type Expected } from "./publishing.ts";
import type { ReplyTarget } from "./reply-to.ts";
import type { Transaction } from "./transaction.ts";

/** Replies to a peer are dropped above this many bytes that it has not taken. */
const replyBytesMax = 16_777_216;

export class Channel implements ReplyTarget, LiveChannel {
  readonly connection: AmqpConnection;
  readonly number: number;
  readonly session: Session;
  state: "starting" | "running" | "closing" = "starting";
  /** The frame that has to come next. */
  expected: Expected = "method";
  /** Prefetch of consumers to come; 0: no limit. */
  prefetchCount = 0;
  /** Prefetch over all consumers; 0: no limit. */
  globalPrefetchCount = 0;
  /** The queue that was declared last, which an empty name stands for. */
  lastQueue = "";
  confirms: Confirms | undefined;
  /** Set in tx mode. */
  transaction: Transaction | undefined;
  readonly consumerByTag = new Map<string, AmqpConsumer>();
  /** Where replies to this channel are sent; undefined when it takes none. */
  replyAddress: string | undefined;
  replyConsumerTag = "";
  /** In the connection's list of channels that owe confirms. */
  isOwed = false;
  readonly counters = new ChannelCounters();
  /** Something came or went since the last tick. */
  #isBusy = true;
  idleSinceMs: number;
  #publishing: Publishing | undefined;
  #replyTag: Buffer | undefined;

  constructor(connection: AmqpConnection, number: number) {
    this.connection = connection;
    this.number = number;
    const session = connection.hub.broker.createSession();
    this.session = connection.server.trial?.session(session, connection.shown!) ?? session;
    this.idleSinceMs = connection.hub.clock.now();
  }

  opened(): void {
    const { hub, shown } = this.connection;
    this.state = "running";
    hub.server.live.channelOpened(shown!, this);
    hub.events.channelCreated(this);
  }

  // Publishing

  /** Takes a basic.publish frame. False: it is malformed. */
  beginPublish(buffer: Buffer, start: number, end: number): boolean {
    this.#publishing ??= new Publishing(this);
    if (!this.#publishing.begin(buffer, start, end)) return false;
    this.expected = "header";
    return true;
  }

  takeHeader(buffer: Buffer, start: number, end: number, isStable: boolean): Fault | undefined {
    return this.#expect(this.#publishing!.header(buffer, start, end, isStable));
  }

  takeBody(buffer: Buffer, start: number, end: number): Fault | undefined {
    return this.#expect(this.#publishing!.body(buffer, start, end));
  }

  #expect(next: Expected | Fault): Fault | undefined {
    if (typeof next !== "string") {
      this.expected = "method";
      return next;
    }
    this.expected = next;
    return undefined;
  }

  /** The chunk is about to be let go of. */
  keepHead(): void {
    this.#publishing?.keepHead();
  }

  /** A message went to the broker and is durable with `ticket`. */
  published(ticket: number, isRefused: boolean): void {
    if (ticket > this.connection.publishedTicket) this.connection.publishedTicket = ticket;
    this.counters.publish++;
    if (this.confirms === undefined) return;
    this.confirms.published(ticket, isRefused);
    if (!this.isOwed) this.connection.owesConfirms(this);
  }

  /** Writes what was not routed back to its publisher. */
  returnMessage(parts: ContentParts): void {
    const { code, text } = replyCodes.noRoute;
    const { output, frameMaxBytes } = this.connection;
    const names = parts.source;
    writeMethod(output, this.number, "basic.return", {
      replyCode: code,
      replyText: text,
      exchange: names.toString("utf8", parts.exchangeStart, parts.exchangeEnd),
      routingKey: textOfBytes(names, parts.routingKeyStart, parts.routingKeyEnd),
    });
    writeContent(output, this.number, frameMaxBytes, parts);
    this.counters.returnUnroutable++;
    this.connection.flush();
  }

  enableConfirms(): void {
    this.confirms ??= new Confirms();
  }

  // Settling

  /** What basic.ack, nack and reject do. */
  settle(asked: Settlement): Fault | undefined {
    const { deliveryTag: tag, isMultiple } = asked;
    const settlement = asked.isAck ? "accept" : asked.isRequeue ? "fail" : "reject";
    if (!asked.isAck && this.#readsOnlyLogs() && !this.session.holdsOfQueue(tag, isMultiple))
      return this.#refuseForLogs();
    let isKnown: boolean;
    let settled = 0;
    if (this.transaction !== undefined) {
      isKnown = this.transaction.settle(tag, isMultiple, settlement);
    } else {
      // An unknown tag is refused even with multiple, and then nothing is settled.
      const isForMany = isMultiple && (tag === 0 || this.session.holds(tag));
      if (isForMany || (!isMultiple && tag !== 0)) settled = this.session.settle(tag, isMultiple, settlement);
      isKnown = settled > 0 || (isMultiple && tag === 0);
    }
    if (asked.isAck) this.counters.ack += settled;
    return isKnown ? undefined : new Fault("preconditionFailed", `unknown delivery tag ${tag}`);
  }

  /** What a log's reader takes cannot be given back. A channel with other consumers is not told apart. */
  #readsOnlyLogs(): boolean {
    for (const consumer of this.consumerByTag.values()) if (!consumer.readsLog) return false;
    return this.consumerByTag.size > 0;
  }

  #refuseForLogs(): Fault {
    const [consumer] = this.consumerByTag.values();
    const what = resource("queue", consumer!.queue.name, this.connection.vhost);
    return new Fault("notImplemented", `basic.nack and basic.reject not supported by stream queues ${what}`);
  }

  // As it is shown

  /** Of what comes and goes through it, to the firehose. */
  get tracedWay(): TracedWay {
    const { connection } = this;
    return { caller: connection, connection: connection.shown!.name, channel: this.number };
  }

  get isConfirming(): boolean {
    return this.confirms !== undefined;
  }

  get isTransactional(): boolean {
    return this.transaction !== undefined;
  }

  get unacknowledgedCount(): number {
    return this.session.leasedCount;
  }

  get unconfirmedCount(): number {
    return this.confirms?.openCount ?? 0;
  }

  get uncommittedCount(): number {
    return this.transaction?.publishCount ?? 0;
  }

  get uncommittedAckCount(): number {
    return this.transaction?.settledCount ?? 0;
  }

  get consumerCount(): number {
    return this.consumerByTag.size;
  }

  consumers(): Iterable<LiveConsumer> {
    return this.consumerByTag.values();
  }

  /** A frame came for it. */
  heard(): void {
    this.#isBusy = true;
  }

  tick(nowMs: number): void {
    if (this.#isBusy) this.idleSinceMs = nowMs;
    this.#isBusy = false;
  }

  // Consuming

  /** A delivery was written. */
  delivered(noAck: boolean, isRedelivered: boolean): void {
    const { counters } = this;
    if (noAck) counters.deliverNoAck++;
    else counters.deliver++;
    if (isRedelivered) counters.redeliver++;
    this.#isBusy = true;
    this.connection.delivered();
  }

  /** A basic.get was answered. */
  got(isFound: boolean, noAck: boolean, isRedelivered: boolean): void {
    const { counters } = this;
    if (!isFound) counters.getEmpty++;
    else if (noAck) counters.getNoAck++;
    else counters.get++;
    if (isFound && isRedelivered) counters.redeliver++;
  }

  consumerEnded(consumer: AmqpConsumer, reason: "queue-deleted" | "lease-timeout"): void {
    const { connection } = this;
    if (reason === "lease-timeout") {
      this.leaseTimedOut(consumer.leaseMs, { queue: consumer.queue.name, consumer: consumer.tag });
      return;
    }
    this.consumerByTag.delete(consumer.tag);
    connection.hub.events.consumerDeleted(this, consumer);
    if (!connection.capabilities.consumerCancelNotify || this.state !== "running") return;
    // Behind the reply, if it is this connection that deletes the queue.
    connection.afterReply(() => {
      if (this.state !== "running") return;
      connection.send(this.number, "basic.cancel", { consumerTag: consumer.tag, noWait: true });
    });
  }

  /**
   * A delivery has stayed unsettled for longer than `leaseMs`.
   * @param of for the log: whose it was.
   */
  leaseTimedOut(leaseMs: number, of: LogFields): void {
    const text =
      `delivery acknowledgement on channel ${this.number} timed out. Timeout value used: ${leaseMs} ms. ` +
      "This timeout value can be configured, see consumers doc guide to learn more";
    if (this.state === "running") this.refuse(new Fault("preconditionFailed", text), 0, 0, of);
  }

  takeReplies(consumerTag: string): void {
    const { hub } = this.connection;
    this.replyAddress = hub.replyTargets.add(hub.server.uniqueName("g"), this);
    this.replyConsumerTag = consumerTag;
    this.#replyTag = Buffer.from(consumerTag);
  }

  takeNoReplies(): void {
    if (this.replyAddress !== undefined) this.connection.hub.replyTargets.remove(this.replyAddress);
    this.replyAddress = undefined;
    this.#replyTag = undefined;
  }

  deliverReply(parts: ContentParts): void {
    if (this.#replyTag === undefined || this.state !== "running") return;
    const { output, frameMaxBytes, peer } = this.connection;
    // Replies come at most once: who does not read them holds back nobody who answers, and fills no memory.
    if (peer.unsentBytes > replyBytesMax) return;
    // Its tag is that of the next delivery, and is not used up: nothing can be settled by it.
    const tag = this.session.lastLease + 1;
    writeDeliver(output, this.number, frameMaxBytes, this.#replyTag, tag, false, parts);
    this.connection.delivered();
  }

  // Names

  /** The queue that a name means; an empty one means the last one declared. */
  queueName(name: string): string | Fault {
    if (name !== "") return name;
    return this.lastQueue === "" ? new Fault("notFound", "no previously declared queue") : this.lastQueue;
  }

  noQueue(name: string): Fault {
    return notFound("queue", name, this.connection.vhost);
  }

  // Ending

  /** The broker ends the channel; the client's close-ok is still to come. */
  refuse(fault: Fault, classId: number, methodId: number, logged: LogFields = {}): void {
    logChannelRefused(this.connection, this.number, fault, logged);
    // Before the end takes the others.
    this.connection.commitWait.answer();
    this.release();
    const closing = { replyCode: fault.code, replyText: fitShortString(fault.replyText), classId, methodId };
    this.connection.send(this.number, "channel.close", closing);
  }

  /** Gives back what it holds of the broker. From now on it is closing: what still waited for something finds that. */
  release(): void {
    const { shown, hub } = this.connection;
    const { events } = hub;
    const consumers = [...this.consumerByTag.values()];
    const wasRunning = this.state === "running";
    this.state = "closing";
    this.takeNoReplies();
    this.transaction?.rollback();
    this.transaction = undefined;
    this.confirms = undefined;
    this.consumerByTag.clear();
    this.#publishing?.abandon();
    this.#publishing = undefined;
    this.expected = "method";
    this.session.close();
    for (const consumer of consumers) events.consumerDeleted(this, consumer);
    if (!wasRunning) return;
    hub.server.live.channelClosed(shown!, this);
    events.channelClosed(this);
  }
}
