/**
 * What clients have published, by whatever protocol, in the order in which the broker took it: as all protocols see it. Noted
 * when it is durable, so that what a crash loses was never here; of a transaction, when it is committed. What the broker
 * publishes itself (the dead, what was delayed) is not here, nor are replies that go past the queues.
 *
 * It is bounded: past that the oldest go, and whoever asks for a list that would begin with a hole is told instead.
 */

import type { Clock } from "../base/clock.ts";
import type { CanonicalMessage } from "../broker/api.ts";
import type { Party } from "./party.ts";

/** A message that a client has published. */
export interface PublishedMessage {
  /** By which it came. */
  readonly protocol: "amqp" | "kafka";
  /** What its client calls itself; empty: nothing. */
  readonly client: string;
  readonly namespace: string;
  /** Empty: it was published to a queue or a topic by its name. */
  readonly exchange: string;
  readonly routingKey: string;
  /** Queues and topics that it went to. */
  readonly reached: readonly string[];
  readonly key: Buffer | undefined;
  /** By name; of several of one name, the first. */
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
  /** The body, as UTF-8. */
  readonly text: string;
  /** Of its producer, or else when it was published; ms since 1970. */
  readonly timestampMs: number;
  readonly messageId: string | undefined;
  readonly correlationId: string | undefined;
  readonly contentType: string | undefined;
  readonly replyTo: string | undefined;
  readonly type: string | undefined;
  readonly priority: number | undefined;
  readonly expirationMs: number | undefined;
  readonly isPersistent: boolean;
  /** Kafka's null value. */
  readonly isTombstone: boolean;
}

export interface NextOptions {
  /** 1, if not given. */
  readonly count?: number | undefined;
  /** On the machine's clock; 5,000, if not given. */
  readonly timeoutMs?: number | undefined;
}

/** Most that is remembered. */
export interface PublishedBounds {
  readonly messagesMax: number;
  readonly bytesMax: number;
}

export const plainPublishedBounds: PublishedBounds = { messagesMax: 100_000, bytesMax: 64 << 20 };

const keptShare = 7 / 8;

interface Waiting {
  readonly isOf: (message: PublishedMessage) => boolean;
  readonly come: () => void;
}

export class PublishedList {
  readonly #bounds: PublishedBounds;
  /** Of the machine: for how long somebody waits. */
  readonly #clock: Clock;
  #messages: PublishedMessage[] = [];
  /** Of them all, how many went before the first that is remembered. */
  #forgotten = 0;
  #bytes = 0;
  /** By namespace and name: how many of all messages nextPublished has looked at. */
  readonly #handedOut = new Map<string, number>();
  readonly #waiting = new Set<Waiting>();

  constructor(bounds: PublishedBounds, clock: Clock) {
    this.#bounds = bounds;
    this.#clock = clock;
  }

  add(message: PublishedMessage): void {
    this.#messages.push(message);
    this.#bytes += message.body.length;
    const { messagesMax, bytesMax } = this.#bounds;
    if (this.#messages.length > messagesMax || this.#bytes > bytesMax) this.#forgetOldest();
    for (const one of this.#waiting) if (one.isOf(message)) one.come();
  }

  /** To an exchange, a queue or a topic of this name. */
  of(namespace: string, name: string): PublishedMessage[] {
    this.#checkWhole(0, name);
    return this.#messages.filter((message) => isTo(message, namespace, name));
  }

  async next(
    namespace: string,
    name: string,
    { count = 1, timeoutMs = 5000 }: NextOptions = {},
  ): Promise<PublishedMessage[]> {
    const place = `${namespace}\n${name}`;
    const isOf = (message: PublishedMessage): boolean => isTo(message, namespace, name);
    const untilMs = this.#clock.elapsedMs() + timeoutMs;
    for (;;) {
      const from = this.#handedOut.get(place) ?? 0;
      this.#checkWhole(from, name);
      const found: PublishedMessage[] = [];
      let at = from - this.#forgotten;
      for (; at < this.#messages.length && found.length < count; at++) {
        const message = this.#messages[at]!;
        if (isOf(message)) found.push(message);
      }
      if (found.length === count) {
        this.#handedOut.set(place, this.#forgotten + at);
        return found;
      }
      if (!(await this.#comes(isOf, untilMs))) {
        throw new Error(`${count} messages to ${name} were awaited for ${timeoutMs} ms, and ${found.length} came`);
      }
    }
  }

  forget(): void {
    this.#forgotten = 0;
    this.#messages = [];
    this.#bytes = 0;
    this.#handedOut.clear();
  }

  forgetNamespace(namespace: string): void {
    // Places in the list move: whoever has looked at some of it goes on behind the same messages.
    const isKept = (message: PublishedMessage): boolean => message.namespace !== namespace;
    for (const [place, handedOut] of this.#handedOut) {
      const seen = this.#messages.slice(0, Math.max(0, handedOut - this.#forgotten));
      if (place.startsWith(`${namespace}\n`)) this.#handedOut.delete(place);
      else this.#handedOut.set(place, handedOut - seen.length + seen.filter(isKept).length);
    }
    this.#messages = this.#messages.filter(isKept);
    this.#bytes = this.#messages.reduce((sum, { body }) => sum + body.length, 0);
  }

  /** An eighth at once: one by one, each would move all the others. */
  #forgetOldest(): void {
    const { messagesMax, bytesMax } = this.#bounds;
    let over = 0;
    const isOver = (): boolean =>
      this.#messages.length - over > messagesMax * keptShare || this.#bytes > bytesMax * keptShare;
    for (; over < this.#messages.length && isOver(); over++) this.#bytes -= this.#messages[over]!.body.length;
    this.#messages.splice(0, over);
    this.#forgotten += over;
  }

  #comes(isOf: Waiting["isOf"], untilMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiting: Waiting = { isOf, come: () => resolve(true) };
    this.#waiting.add(waiting);
    const timer = this.#clock.setDelay(Math.max(0, untilMs - this.#clock.elapsedMs()), () => resolve(false));
    return promise.finally(() => {
      this.#waiting.delete(waiting);
      this.#clock.clearTimer(timer);
    });
  }

  #checkWhole(from: number, name: string): void {
    if (from >= this.#forgotten) return;
    const { messagesMax, bytesMax } = this.#bounds;
    throw new Error(
      `what was published to ${name} is not remembered from its beginning: no more than ${messagesMax} messages and ` +
        `${bytesMax} bytes are. Raise publishedMax, or call forgetPublished() now and then`,
    );
  }
}

export function isTo({ namespace, exchange, reached }: PublishedMessage, wanted: string, name: string): boolean {
  return namespace === wanted && (reached.includes(name) || (name !== "" && exchange === name));
}

export function publishedMessage(seen: CanonicalMessage, by: Party, reached: readonly string[]): PublishedMessage {
  const headers: Record<string, unknown> = {};
  for (const { name, value } of seen.headers) {
    // defineProperty, for a header may be called __proto__.
    if (!Object.hasOwn(headers, name)) Object.defineProperty(headers, name, { value, enumerable: true });
  }
  const body = seen.buffer.subarray(seen.bodyStart, seen.bodyEnd);
  return {
    protocol: by.protocol,
    client: by.client,
    namespace: by.namespace,
    exchange: seen.exchange,
    routingKey: seen.routingKey,
    reached,
    key: seen.key && Buffer.from(seen.key),
    headers,
    body,
    get text() {
      return body.toString();
    },
    timestampMs: seen.timestampMs,
    messageId: seen.id,
    correlationId: seen.correlationId,
    contentType: seen.contentType,
    replyTo: seen.replyTo,
    type: seen.type,
    priority: seen.priority,
    expirationMs: seen.expirationMs,
    isPersistent: seen.isPersistent,
    isTombstone: seen.isTombstone,
  };
}
