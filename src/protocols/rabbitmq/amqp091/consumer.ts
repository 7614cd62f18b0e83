/** A consumer of a channel: writes what the broker delivers as basic.deliver and content, from where the entry lies. */

import type { Consumer, Entry, Queue, Receiver } from "../../../broker/api.ts";
import type { Channel } from "./channel.ts";
import { ContentParts, writeDeliver } from "./codec-hot.ts";
import { partsOfEntry } from "./entry-parts.ts";
import { traceDelivery } from "../model/firehose.ts";
import { queueDeclaration } from "../model/declaration.ts";
import { longNumber, type FieldTable } from "../model/field-table.ts";
import { withHeader } from "../model/format.ts";
import type { LiveConsumer } from "../model/live.ts";
import { isSingleActive, isTopic } from "../model/work-queue.ts";

// Used for one delivery at a time by all consumers of the thread.
const parts = new ContentParts();

/** What a consumer was asked to be. */
export interface ConsumerRequest {
  readonly tag: string;
  readonly noAck: boolean;
  readonly exclusive: boolean;
  readonly prefetchCount: number;
  readonly arguments: FieldTable;
  /** It reads a log from an offset, and shows each entry's. */
  readonly readsLog: boolean;
  /** ms a delivery may stay unsettled; 0: no limit. */
  readonly leaseMs: number;
}

export class AmqpConsumer implements Receiver, LiveConsumer {
  readonly tag: string;
  readonly queue: Queue;
  readonly noAck: boolean;
  readonly exclusive: boolean;
  readonly prefetchCount: number;
  readonly arguments: FieldTable;
  /** Set as soon as the broker has accepted the consumer. */
  consumer: Consumer | undefined;
  readonly #channel: Channel;
  readonly #tagBytes: Buffer;
  readonly #countsFailures: boolean;
  readonly readsLog: boolean;
  readonly leaseMs: number;

  constructor(channel: Channel, queue: Queue, asked: ConsumerRequest) {
    this.#channel = channel;
    this.queue = queue;
    this.tag = asked.tag;
    this.noAck = asked.noAck;
    this.exclusive = asked.exclusive;
    this.prefetchCount = asked.prefetchCount;
    this.arguments = asked.arguments;
    this.#tagBytes = Buffer.from(asked.tag);
    this.#countsFailures = queueDeclaration(queue).type === "quorum" || isTopic(queue);
    this.readsLog = asked.readsLog;
    this.leaseMs = asked.leaseMs;
  }

  get isActive(): boolean {
    return this.consumer?.isActive ?? true;
  }

  get activityStatus(): LiveConsumer["activityStatus"] {
    if (this.readsLog || !isSingleActive(this.queue)) return "up";
    return this.isActive ? "single_active" : "waiting";
  }

  deliver(lease: number, entry: Entry, isRedelivered: boolean, returns: number, failures: number): void {
    const { connection } = this.#channel;
    if (connection.virtualHost.record.isTracing)
      traceDelivery(this.#channel.tracedWay, this.queue, entry, isRedelivered);
    partsOfEntry(entry, connection, parts);
    if (this.readsLog) addHeader("x-stream-offset", entry.offset);
    else if (this.#countsFailures && returns + failures > 0) addHeader("x-delivery-count", Math.max(returns, failures));
    const { output, frameMaxBytes } = connection;
    writeDeliver(output, this.#channel.number, frameMaxBytes, this.#tagBytes, lease, isRedelivered, parts);
    this.#channel.delivered(this.noAck, isRedelivered);
  }

  ended(reason: "queue-deleted" | "lease-timeout"): void {
    this.#channel.consumerEnded(this, reason);
  }
}

function addHeader(name: string, value: number): void {
  const head = withHeader(parts.headSource, parts.headStart, parts.headEnd, name, longNumber(value));
  parts.headSource = head;
  parts.headStart = 0;
  parts.headEnd = head.length;
}
