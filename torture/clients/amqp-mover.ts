/**
 * Moves messages from one queue of a place to another one: what it takes it publishes there and acknowledges here, in one
 * transaction, of which some are rolled back and tried again. It says nothing of what it does: a message is told by who sent it
 * and by who takes it in the end, and is there once, whatever has become of the mover, the network and the broker in between.
 */

import { Connection, type AsyncMessage, type Channel } from "rabbitmq-client";
import type { Chance } from "../../sim/chance.ts";
import { rest, whenStopped, within, type Client, type Site } from "./site.ts";

const answerWithinMs = 15_000;
const closeWithinMs = 3000;
const prefetchCount = 40;
const batchMax = 12;

export class AmqpMover implements Client {
  readonly name: string;
  readonly #from: string;
  readonly #to: string;

  constructor(from: string, to: string) {
    this.name = `mover from ${from} to ${to}`;
    this.#from = from;
    this.#to = to;
  }

  async run(site: Site, chance: Chance): Promise<void> {
    while (!site.readersStop.aborted) {
      const url = `amqp://guest:guest@127.0.0.1:${site.ports.amqp}`;
      const connection = new Connection({ url, retryLow: 200, retryHigh: 1000, acquireTimeout: 8000, heartbeat: 5 });
      connection.on("error", () => undefined);
      try {
        const channel = await within(answerWithinMs, connection.acquire(), "a channel");
        channel.on("error", () => undefined);
        await this.#move(channel, site, chance);
        // Its connection closes when all of its channels are closed.
        await within(closeWithinMs, channel.close(), "closing a channel");
      } catch {
        await rest(chance.between(50, 500), site.readersStop);
      }
      await within(closeWithinMs, connection.close(), "closing").catch(() => connection.unsafeDestroy());
    }
  }

  async #move(channel: Channel, site: Site, chance: Chance): Promise<void> {
    const over = Promise.race([
      new Promise<void>((resolve) => channel.on("close", resolve)),
      whenStopped(site.readersStop),
    ]);
    await within(answerWithinMs, channel.basicQos({ prefetchCount }), "basic.qos");
    await within(answerWithinMs, channel.txSelect(), "tx.select");
    const held: AsyncMessage[] = [];
    let came = Promise.withResolvers<void>();
    const consuming = channel.basicConsume({ queue: this.#from }, (message) => {
      held.push(message);
      came.resolve();
    });
    await within(answerWithinMs, consuming, "basic.consume");
    while (!site.readersStop.aborted && channel.active) {
      const some = held.splice(0, chance.between(1, batchMax));
      if (some.length === 0) await Promise.race([came.promise, over]);
      else await this.#moveSome(channel, some, chance);
      came = Promise.withResolvers<void>();
      if (held.length > 0) came.resolve();
      await rest(chance.between(0, 40), site.readersStop);
    }
  }

  /** Until it is committed: a rollback leaves the messages where they were, in the hands of this channel. */
  async #moveSome(channel: Channel, some: readonly AsyncMessage[], chance: Chance): Promise<void> {
    for (let isCommitted = false; !isCommitted;) {
      const isAtOnce = chance.is(0.3);
      for (const { body, deliveryTag } of some) {
        const envelope = { routingKey: this.#to, durable: true };
        await within(answerWithinMs, channel.basicPublish(envelope, body), "publishing");
        if (!isAtOnce) channel.basicAck({ deliveryTag });
      }
      // All that came before is settled, or among these.
      if (isAtOnce) channel.basicAck({ deliveryTag: some.at(-1)!.deliveryTag, multiple: true });
      isCommitted = chance.is(0.75);
      await within(answerWithinMs, isCommitted ? channel.txCommit() : channel.txRollback(), "the end");
    }
  }
}
