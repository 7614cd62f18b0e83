/**
 * Takes from a queue, or from a topic's work queue, and acknowledges. An acknowledgement is answered by nobody, so now
 * and then a message goes to a queue that nobody reads, on the same channel behind the acknowledgements: when that is
 * confirmed, they are on disk as well, since a channel is worked off in order and the journal keeps that order.
 *
 * Some hand back what they got, some are slow, some vanish with what they hold.
 */

import type { ConsumeMessage } from "amqplib";
import type { Chance } from "../../sim/chance.ts";
import { identityOf, type Identity } from "../message.ts";
import { AmqpSession } from "./amqp-session.ts";
import { rest, whenStopped, type Client, type Site } from "./site.ts";

export interface Temper {
  readonly prefetch: number;
  /** How often a message is handed back instead of acknowledged. */
  readonly releases: number;
  /** Between a message and its acknowledgement. */
  readonly lagMs: number;
  /** How long a life of it lasts about; then it closes, or vanishes. */
  readonly lifeMs: number;
}

const barrierEvery = 25;
const barrierLookMs = 150;

export class AmqpConsumer implements Client {
  readonly name: string;
  readonly #place: string;
  readonly #temper: Temper;
  readonly #barrier: string;

  constructor(place: string, barrier: string, temper: Temper) {
    this.name = `consumer of ${place}`;
    this.#place = place;
    this.#barrier = barrier;
    this.#temper = temper;
  }

  async run(site: Site, chance: Chance): Promise<void> {
    while (!site.readersStop.aborted) {
      try {
        const session = await AmqpSession.open(site.ports.amqp);
        const life = new Life(session, this.#place, this.#barrier, this.#temper, site, chance);
        await life.run();
      } catch {
        await rest(chance.between(50, 500), site.readersStop);
      }
    }
  }
}

class Life {
  readonly #session: AmqpSession;
  readonly #place: string;
  readonly #barrier: string;
  readonly #temper: Temper;
  readonly #site: Site;
  readonly #chance: Chance;
  readonly #reader: string;
  #unsure = 0;

  constructor(session: AmqpSession, place: string, barrier: string, temper: Temper, site: Site, chance: Chance) {
    this.#session = session;
    this.#place = place;
    this.#barrier = barrier;
    this.#temper = temper;
    this.#site = site;
    this.#chance = chance;
    this.#reader = site.nameFor("c");
  }

  async run(): Promise<void> {
    const { channel, gone } = this.#session;
    const { history, readersStop } = this.#site;
    history.tell({ kind: "reading", reader: this.#reader });
    await channel.prefetch(this.#temper.prefetch);
    await channel.consume(this.#place, (message) => {
      if (message === null) this.#session.vanish();
      else this.#take(message);
    });
    const lookout = setInterval(() => this.#raiseBarrier(), barrierLookMs);
    const lifeMs = this.#temper.lifeMs * (0.5 + this.#chance.next());
    await Promise.race([gone, whenStopped(readersStop), rest(lifeMs, readersStop)]);
    clearInterval(lookout);
    if (readersStop.aborted || this.#chance.is(0.4)) await this.#session.close();
    else this.#session.vanish();
  }

  #take(message: ConsumeMessage): void {
    const identity = identityOf(message.content);
    const isFlagged = message.fields.redelivered;
    const { reader, place } = { reader: this.#reader, place: this.#place };
    this.#site.history.tell({ kind: "got", reader, place, view: "queue", ...identity, isFlagged });
    if (this.#temper.lagMs === 0) this.#settle(message, identity);
    else setTimeout(() => this.#settle(message, identity), this.#chance.between(0, this.#temper.lagMs));
  }

  #settle(message: ConsumeMessage, { writer, seq }: Identity): void {
    if (this.#session.isGone) return;
    const how = this.#chance.is(this.#temper.releases) ? "release" : "accept";
    this.#site.history.tell({ kind: "settle", reader: this.#reader, place: this.#place, writer, seq, how });
    try {
      if (how === "accept") this.#session.channel.ack(message);
      else this.#session.channel.nack(message, false, true);
    } catch {
      return; // The channel was closed meanwhile: nobody heard of it, which is as good as late.
    }
    if (how === "accept" && ++this.#unsure >= barrierEvery) this.#raiseBarrier();
  }

  #raiseBarrier(): void {
    if (this.#unsure === 0 || this.#session.isGone) return;
    this.#unsure = 0;
    const { history } = this.#site;
    const since = history.now();
    try {
      this.#session.channel.sendToQueue(this.#barrier, Buffer.from(this.#reader), { persistent: true }, (refusal) => {
        if (refusal === null) history.tell({ kind: "settled", reader: this.#reader, since });
      });
    } catch {
      // The channel was closed meanwhile.
    }
  }
}
