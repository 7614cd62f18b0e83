/** A consumer of a channel: writes what the broker delivers as basic.deliver and content, from where the entry lies. */

import type { Consumer, Entry, Queue, Receiver } from "../../../broker/api.ts";
import type { Channel } from "./channel.ts";
import { ContentParts, writeDeliver } from "./codec-hot.ts";
import { queueDeclaration } from "../model/declaration.ts";
import { longNumber } from "../model/field-table.ts";
import { withHeader } from "../model/format.ts";

// Used for one delivery at a time by all consumers of the thread.
const parts = new ContentParts();

export class AmqpConsumer implements Receiver {
  readonly tag: string;
  readonly queue: Queue;
  /** Set as soon as the broker has accepted the consumer. */
  consumer: Consumer | undefined;
  readonly #channel: Channel;
  readonly #tagBytes: Buffer;
  readonly #countsFailures: boolean;
  /** It reads a log from an offset, and shows each entry's. */
  readonly readsLog: boolean;
  /** ms a delivery may stay unsettled; 0: no limit. */
  readonly leaseMs: number;

  constructor(channel: Channel, queue: Queue, tag: string, readsLog: boolean, leaseMs: number) {
    this.#channel = channel;
    this.queue = queue;
    this.tag = tag;
    this.#tagBytes = Buffer.from(tag);
    this.#countsFailures = queueDeclaration(queue).type === "quorum";
    this.readsLog = readsLog;
    this.leaseMs = leaseMs;
  }

  deliver(lease: number, entry: Entry, isRedelivered: boolean, returns: number, failures: number): void {
    const { connection } = this.#channel;
    partsOfEntry(entry, parts);
    if (this.readsLog) addHeader("x-stream-offset", entry.offset);
    else if (this.#countsFailures && returns + failures > 0) addHeader("x-delivery-count", Math.max(returns, failures));
    const { output, frameMaxBytes } = connection;
    writeDeliver(output, this.#channel.number, frameMaxBytes, this.#tagBytes, lease, isRedelivered, parts);
    connection.delivered();
  }

  ended(reason: "queue-deleted" | "lease-timeout"): void {
    this.#channel.consumerEnded(this, reason);
  }
}

/** Points `parts` at a stored message. */
export function partsOfEntry(entry: Entry, into: ContentParts): void {
  into.source = entry.buffer;
  into.exchangeStart = entry.exchangeStart;
  into.exchangeEnd = entry.exchangeEnd;
  into.routingKeyStart = entry.routingKeyStart;
  into.routingKeyEnd = entry.routingKeyEnd;
  into.bodyStart = entry.bodyStart;
  into.bodyEnd = entry.bodyEnd;
  into.headSource = entry.buffer;
  into.headStart = entry.headStart;
  into.headEnd = entry.headEnd;
}

function addHeader(name: string, value: number): void {
  const head = withHeader(parts.headSource, parts.headStart, parts.headEnd, name, longNumber(value));
  parts.headSource = head;
  parts.headStart = 0;
  parts.headEnd = head.length;
}
