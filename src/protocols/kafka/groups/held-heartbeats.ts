/**
 * Heartbeats whose answer waits, so that a member hears of a rebalance when it begins, and not at its next heartbeat.
 *
 * A member learns only by the answer to a heartbeat that it has to join again. Kafka answers each at once: whoever has just
 * asked reads from its partitions, and the others wait for it, until it asks again three seconds later. Here the answer waits
 * while there is nothing to tell, for a little less than the member waits between two heartbeats, and goes as soon as
 *
 * - the group rebalances, or the member is out or replaced,
 * - the connection brings anything else: answers keep the order of their requests, and nothing may wait behind this one,
 * - its time is over.
 *
 * The session is renewed when a heartbeat comes, so to wait counts for nobody's absence. A member is asked to wait if
 *
 * - its client library is known to go on meanwhile: Java's sends heartbeats from a thread of their own, librdkafka's from its
 *   main loop. kafkajs awaits each between two messages; franz-go's and sarama's loops would notice late that they are to stop;
 * - it is a dynamic member of consumers, and not of Kafka Streams. The others may close without a LeaveGroup, and Java's
 *   client waits then for every answer that is due by that connection;
 * - no connection of it has ended while its answer waited: it may have given up on it.
 */
import type { Clock, TimerHandle } from "../../../base/clock.ts";
import type { Group, HeartbeatAnswer } from "./group.ts";
import type { Member } from "./member.ts";

/** Of the time between two heartbeats, how much an answer may wait: the next one has to find it gone. */
const heldShare = 7 / 8;
/** What it is taken for before there were two: Java's and librdkafka's 3 s of a session of 45 s. */
const intervalOfSession = 1 / 15;
/** Two that came closer have waited for us, or for the network. */
const gapOfSessionMin = 1 / 60;
const streamsAssignor = "stream";

/**
 * Whether clients of this software, as they say in ApiVersions, go on while a heartbeat is not answered: `librdkafka 2.8.0`,
 * `confluent-kafka-python 2.16.1-rdkafka-2.16.0`.
 */
export function mayHeartbeatsWait(software: string): boolean {
  return software.startsWith("apache-kafka-java ") || software.includes("rdkafka");
}

/** A heartbeat has come: how long its answer may wait, ms; 0: not at all. */
export function holdMs<W>(group: Group<W>, member: Member<W>, nowMs: number): number {
  const gapMs = nowMs - member.beatAtMs;
  member.beatAtMs = nowMs;
  if (gapMs > member.sessionTimeoutMs * gapOfSessionMin) member.beatIntervalMs = Math.min(member.beatIntervalMs, gapMs);
  if (group.state !== "Stable" || !group.isOfConsumers || group.protocolName === streamsAssignor) return 0;
  if (member.instanceId !== undefined || member.hasGivenUp) return 0;
  const { beatIntervalMs, sessionTimeoutMs } = member;
  const intervalMs = beatIntervalMs < Infinity ? beatIntervalMs : sessionTimeoutMs * intervalOfSession;
  return Math.min(intervalMs * heldShare, group.settings.heartbeatHoldMaxMs);
}

/** What is known of the request: a Call. */
export interface HeartbeatCall {
  readonly connection: { onClosed(run: () => void): () => void };
  respond(answer: HeartbeatAnswer): void;
  waitUntilNext(run: () => void): void;
}

/** One that waits. */
export class HeldHeartbeat {
  readonly #call: HeartbeatCall;
  readonly #clock: Clock;
  readonly #timer: TimerHandle;
  readonly #all: Set<HeldHeartbeat>;
  readonly #forgetClosing: () => void;
  /** The broker stops: whoever kept it knows of it no more. */
  readonly end: () => void;

  /** @param onOver the time is over, another request has come, or (`isAbandoned`) the connection has ended. */
  constructor(
    call: HeartbeatCall,
    clock: Clock,
    forMs: number,
    all: Set<HeldHeartbeat>,
    onOver: (isAbandoned: boolean) => void,
  ) {
    this.#call = call;
    this.#clock = clock;
    this.#all = all;
    this.#all.add(this);
    this.end = () => onOver(false);
    this.#timer = clock.setDelay(forMs, () => onOver(false));
    this.#forgetClosing = call.connection.onClosed(() => onOver(true));
    call.waitUntilNext(() => onOver(false));
  }

  respond(answer: HeartbeatAnswer): void {
    this.#clock.clearTimer(this.#timer);
    this.#all.delete(this);
    this.#forgetClosing();
    this.#call.respond(answer);
  }
}
