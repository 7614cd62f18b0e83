/**
 * Clients for tests in which the broker is short of something: a producer that publishes with confirms and knows which
 * of its messages are confirmed, and a drain that says which messages it found and how. Connections that are cut off are
 * no error of the test; what counts is what was confirmed and is there in the end.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { connect, type ChannelModel, type ConfirmChannel, type ConsumeMessage } from "amqplib";

export async function open(amqp: string): Promise<ChannelModel> {
  const connection = await connect(`amqp://guest:guest@${amqp}/?heartbeat=0`, { noDelay: true });
  connection.on("error", () => undefined);
  return connection;
}

/** The reply code that the broker's close carries, once it comes. */
export function closeCode(connection: ChannelModel): Promise<unknown> {
  return new Promise((resolve) => {
    connection.on("error", (error: Error & { code?: number }) => resolve(error.code));
    connection.on("close", (error?: Error & { code?: number }) => resolve(error?.code));
  });
}

export class Producer {
  /** Bodies' numbers that the broker confirmed. */
  readonly confirmed: Set<number>;
  readonly connection: ChannelModel;
  isBlocked = false;
  readonly #queue: string;
  readonly #channel: ConfirmChannel;
  readonly #sizeBytes: number;
  #next: number;
  #outstanding = 0;

  private constructor(connection: ChannelModel, channel: ConfirmChannel, options: ProducerOptions) {
    this.connection = connection;
    this.#channel = channel;
    this.#queue = options.queue;
    this.#sizeBytes = options.sizeBytes;
    this.confirmed = options.after?.confirmed ?? new Set();
    this.#next = options.after === undefined ? 0 : options.after.#next;
    connection.on("blocked", () => (this.isBlocked = true));
    connection.on("unblocked", () => (this.isBlocked = false));
    channel.on("error", () => undefined);
  }

  static async open(amqp: string, options: ProducerOptions): Promise<Producer> {
    const connection = await open(amqp);
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue(options.queue, { durable: true });
    return new Producer(connection, channel, options);
  }

  /** Sends one message; resolves with true when it is confirmed, with false when it never will be. */
  send(): Promise<boolean> {
    const number = this.#next++;
    const body = Buffer.alloc(this.#sizeBytes, `${number}|`);
    this.#outstanding++;
    return new Promise((resolve) => {
      const answered = (refusal: unknown): void => {
        this.#outstanding--;
        if (refusal === null) this.confirmed.add(number);
        resolve(refusal === null);
      };
      const options = { persistent: true, messageId: String(number) };
      try {
        this.#channel.sendToQueue(this.#queue, body, options, answered);
      } catch (error) {
        // The library's way to say that the connection is gone.
        answered(error);
      }
    });
  }

  /** Sends `count` messages, and waits until all are confirmed. */
  async sendAll(count: number): Promise<void> {
    const answers: Promise<boolean>[] = [];
    for (let left = count; left > 0; left--) {
      const answer = this.send();
      answers.push(answer);
      if (this.#outstanding >= 100) assert.ok(await answer, "the broker did not confirm");
    }
    for (const answer of answers) assert.ok(await answer, "the broker did not confirm");
  }

  /**
   * Publishes until the broker says that it blocks: a window at a time, and one more every now and then when no confirms
   * come, since the broker says it only to who publishes.
   */
  async sendUntilBlocked(withinMs = 30_000): Promise<void> {
    const signal = AbortSignal.timeout(withinMs);
    while (!this.isBlocked) {
      signal.throwIfAborted();
      const answer = this.send();
      if (this.#outstanding >= 50) await Promise.race([answer, pause(20)]);
    }
  }

  async unblocked(withinMs = 15_000): Promise<void> {
    if (this.isBlocked) await once(this.connection, "unblocked", deadline(withinMs));
  }
}

export interface ProducerOptions {
  readonly queue: string;
  readonly sizeBytes: number;
  /** The producer whose numbers and confirms this one carries on. */
  readonly after?: Producer;
}

/** A time limit for `once`, so that what never comes is an error and not a test that hangs. */
export function deadline(withinMs: number): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(withinMs) };
}

export interface Drained {
  /** How often each number came, and whether with the flag. */
  readonly redeliveredByNumber: Map<number, boolean>;
}

/**
 * Takes and acknowledges what is in a queue until it is empty, or until `count` messages came. Errors: it takes longer, or the
 * connection ends.
 */
export async function drain(amqp: string, queue: string, count = Infinity, withinMs = 60_000): Promise<Drained> {
  const connection = await open(amqp);
  const isOver = AbortSignal.timeout(withinMs);
  const observer = await connection.createChannel();
  const channel = await connection.createChannel();
  await channel.prefetch(200);
  const redeliveredByNumber = new Map<number, boolean>();
  const enough = Promise.withResolvers<void>();
  const came = (): string => `${redeliveredByNumber.size} messages came of ${queue}`;
  isOver.addEventListener("abort", () => enough.reject(new Error(`${came()} within ${withinMs} ms`)));
  connection.on("close", () => enough.reject(new Error(`${came()} until the connection ended`)));
  enough.promise.catch(() => undefined);
  const { consumerTag } = await channel.consume(queue, (message) => {
    if (message === null || redeliveredByNumber.size >= count) return;
    const number = numberOf(message);
    assert.ok(!redeliveredByNumber.has(number), `${number} came twice`);
    redeliveredByNumber.set(number, message.fields.redelivered);
    channel.ack(message);
    if (redeliveredByNumber.size >= count) enough.resolve();
  });
  if (count === Infinity) while ((await observer.checkQueue(queue)).messageCount > 0) isOver.throwIfAborted();
  else await enough.promise;
  await channel.cancel(consumerTag);
  // The answer to this comes behind the last delivery.
  await channel.checkQueue(queue);
  await channel.close();
  await connection.close();
  return { redeliveredByNumber };
}

/** The number of a message, which must be as it was sent. */
export function numberOf(message: ConsumeMessage): number {
  const text = message.content.toString("latin1");
  const number = Number(text.slice(0, text.indexOf("|")));
  assert.equal(String(number), message.properties.messageId);
  assert.ok(
    message.content.equals(Buffer.alloc(message.content.length, `${number}|`)),
    `${number} is not as it was sent`,
  );
  return number;
}

/** Nothing confirmed is missing from what was found. */
export function assertNothingLost(
  confirmed: ReadonlySet<number>,
  ...found: readonly ReadonlyMap<number, unknown>[]
): void {
  const lost = [...confirmed].filter((number) => !found.some((each) => each.has(number)));
  assert.deepEqual(lost.slice(0, 10), [], `${lost.length} of ${confirmed.size} confirmed messages are lost`);
}
