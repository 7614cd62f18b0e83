/**
 * Load for crash tests: publishers with confirms and consumers with acknowledgements, each on a connection of its own,
 * that write down in the ledger what they know. They go on until the broker dies under them, and no error of theirs
 * counts: what counts is what the ledger finds.
 */

import { connect, type Channel, type ChannelModel, type ConfirmChannel, type ConsumeMessage } from "amqplib";
import type { Ledger } from "./ledger.ts";

/** Queue to what it is declared with. All are durable. */
export const queues: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  plain: {},
  quorum: { "x-queue-type": "quorum" },
  /** Its consumers hand back some of what they get. */
  unruly: {},
  "fan.a": {},
  "fan.b": { "x-queue-type": "quorum" },
  /** Where consumers publish what proves that their acknowledgements are on disk. */
  barrier: { "x-max-length": 1 },
};

const unruly = "unruly";
const barrier = "barrier";
const fanout = "fan";

/** Exchange and routing key that a publisher uses, and the queues that this leads to. */
export const routes = [
  { exchange: "", key: "plain", queues: ["plain"] },
  { exchange: "", key: "quorum", queues: ["quorum"] },
  { exchange: "", key: unruly, queues: [unruly] },
  { exchange: fanout, key: "", queues: ["fan.a", "fan.b"] },
] as const;

type Route = (typeof routes)[number];

/** The queues that are consumed from. */
export const consumed: readonly string[] = routes.flatMap((route) => [...route.queues]);

export async function declareAll(channel: Channel): Promise<void> {
  for (const [queue, arguments_] of Object.entries(queues)) {
    await channel.assertQueue(queue, { durable: true, arguments: arguments_ });
  }
  await channel.assertExchange(fanout, "fanout", { durable: true });
  for (const queue of ["fan.a", "fan.b"]) await channel.bindQueue(queue, fanout, "");
}

/** A connection whose end, however it comes, is no error of the test. */
export async function open(amqp: string): Promise<ChannelModel> {
  const connection = await connect(`amqp://guest:guest@${amqp}/?heartbeat=0`, { noDelay: true });
  connection.on("error", () => undefined);
  return connection;
}

async function openChannel(amqp: string): Promise<ConfirmChannel> {
  const channel = await (await open(amqp)).createConfirmChannel();
  channel.on("error", () => undefined);
  return channel;
}

/** Mostly small, now and then larger than a page, a frame, or several. */
function sizeOf(sequence: number): number {
  if (sequence % 500 === 499) return 300_000;
  if (sequence % 50 === 49) return 10_000;
  return 50 + (sequence % 200);
}

function bodyOf(publisher: string, sequence: number): Buffer {
  const head = `${publisher} ${sequence}\n`;
  return Buffer.concat([Buffer.from(head), Buffer.alloc(sizeOf(sequence), head)]);
}

function idOf(message: ConsumeMessage): { publisher: string; sequence: number; isIntact: boolean } {
  const head = message.content.subarray(0, Math.max(0, message.content.indexOf(10))).toString();
  const [publisher = "", digits] = head.split(" ");
  const sequence = Number(digits);
  return { publisher, sequence, isIntact: bodyOf(publisher, sequence).equals(message.content) };
}

/** Publishes with confirms, a window at a time; `sequences` goes on over crashes. */
export class Publisher {
  readonly #name: string;
  readonly #route: Route;
  readonly #ledger: Ledger;
  #sequence = 0;
  #isOpen = false;

  constructor(name: string, route: Route, ledger: Ledger) {
    this.#name = name;
    this.#route = route;
    this.#ledger = ledger;
  }

  /** Publishes until the connection is gone; `onConfirm` is called at each confirm. */
  async run(amqp: string, onConfirm: () => void): Promise<void> {
    const channel = await openChannel(amqp);
    const { exchange, key, queues: targets } = this.#route;
    const windowMax = 200;
    let outstanding = 0;
    this.#isOpen = true;
    const fill = (): void => {
      while (this.#isOpen && outstanding < windowMax) {
        const sequence = this.#sequence++;
        outstanding++;
        this.#ledger.sent(targets, this.#name, sequence);
        channel.publish(exchange, key, bodyOf(this.#name, sequence), { persistent: true }, (refusal) => {
          outstanding--;
          if (!this.#isOpen || refusal !== null) return;
          this.#ledger.confirmed(targets, this.#name, sequence);
          onConfirm();
          if (outstanding <= windowMax / 2) setImmediate(fill);
        });
      }
    };
    const gone = new Promise<void>((resolve) => channel.on("close", resolve));
    channel.on("close", () => (this.#isOpen = false));
    fill();
    await gone;
  }
}

/**
 * Consumes from `queue` and acknowledges, some at once and some many together; at intervals it publishes to the barrier,
 * and when that is confirmed, all that was acknowledged before is settled for sure. Returns once it is subscribed.
 */
export async function consume(
  amqp: string,
  queue: string,
  consumer: string,
  ledger: Ledger,
): Promise<{ gone: Promise<void> }> {
  const channel = await openChannel(amqp);
  const gone = new Promise<void>((resolve) => channel.on("close", resolve));
  await channel.prefetch(100);
  let unsure: { publisher: string; sequence: number }[] = [];
  let held: { publisher: string; sequence: number; message: ConsumeMessage }[] = [];

  const raiseBarrier = (): void => {
    const passed = unsure;
    unsure = [];
    channel.sendToQueue(barrier, Buffer.from(consumer), { persistent: true }, (refusal) => {
      if (refusal !== null) return;
      for (const { publisher, sequence } of passed) ledger.settled(queue, publisher, sequence);
    });
  };
  const acknowledge = (): void => {
    for (const { publisher, sequence } of held) {
      ledger.acknowledged(queue, publisher, sequence);
      unsure.push({ publisher, sequence });
    }
    channel.ack(held.at(-1)!.message, true);
    held = [];
    if (unsure.length >= 60) raiseBarrier();
  };

  let count = 0;
  await channel.consume(queue, (message) => {
    if (message === null) return;
    const { publisher, sequence, isIntact } = idOf(message);
    const isRedelivered = message.fields.redelivered;
    const ordered = queue === unruly ? undefined : consumer;
    ledger.delivered(queue, { publisher, sequence, isIntact, isRedelivered }, ordered);
    count++;
    if (queue === unruly && count % 7 === 0 && !isRedelivered) {
      ledger.requeued(queue, publisher, sequence);
      channel.nack(message, false, true);
      return;
    }
    held.push({ publisher, sequence, message });
    if (count % 3 === 0 || held.length > 20) acknowledge();
  });
  return { gone };
}

/** Takes and acknowledges all that is in a queue, in order; returns when it is empty. */
export async function drain(amqp: string, queue: string, ledger: Ledger): Promise<void> {
  const connection = await open(amqp);
  const observer = await connection.createChannel();
  for (let pass = 1; (await observer.checkQueue(queue)).messageCount > 0; pass++) {
    const channel = await connection.createConfirmChannel();
    await channel.prefetch(500);
    const { consumerTag } = await channel.consume(queue, (message) => {
      if (message === null) return;
      const { publisher, sequence, isIntact } = idOf(message);
      const isRedelivered = message.fields.redelivered;
      ledger.delivered(queue, { publisher, sequence, isIntact, isRedelivered }, `drain ${queue} ${pass}`);
      ledger.acknowledged(queue, publisher, sequence);
      channel.ack(message);
    });
    while ((await observer.checkQueue(queue)).messageCount > 0);
    await channel.cancel(consumerTag);
    channel.sendToQueue(barrier, Buffer.from(queue), { persistent: true });
    await channel.waitForConfirms();
    await channel.close();
  }
  await connection.close();
}
