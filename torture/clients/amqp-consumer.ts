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
import type { Delays } from "./delays.ts";
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

export interface ConsumerOptions {
  /** Where it takes from, if that is not the place by its name: what comes there has come from another queue of the place. */
  readonly queue?: string;
  /** All of it comes later than it was sent. */
  readonly delays?: Delays;
}

/**
 * Whether what comes there first is what nobody was given before, in the order of its writers. Otherwise a message without the
 * flag says nothing.
 */
export function isFirstHand(place: string, { queue = place, delays }: ConsumerOptions): boolean {
  return queue === place && delays === undefined;
}

const barrierEvery = 25;
const barrierLookMs = 150;

export class AmqpConsumer implements Client {
  readonly name: string;
  readonly #place: string;
  readonly #temper: Temper;
  readonly #barrier: string;
  readonly #options: ConsumerOptions;

  constructor(place: string, barrier: string, temper: Temper, options: ConsumerOptions = {}) {
    this.name = `consumer of ${options.queue ?? place}`;
    this.#place = place;
    this.#barrier = barrier;
    this.#temper = temper;
    this.#options = options;
  }

  async run(site: Site, chance: Chance): Promise<void> {
    while (!site.readersStop.aborted) {
      try {
        const session = await AmqpSession.open(site.ports.amqp);
        const work = { place: this.#place, barrier: this.#barrier, temper: this.#temper, options: this.#options };
        const life = new Life(session, work, site, chance);
        await life.run();
      } catch {
        await rest(chance.between(50, 500), site.readersStop);
      }
    }
  }
}

interface Work {
  readonly place: string;
  readonly barrier: string;
  readonly temper: Temper;
  readonly options: ConsumerOptions;
}

class Life {
  readonly #session: AmqpSession;
  readonly #work: Work;
  readonly #site: Site;
  readonly #chance: Chance;
  readonly #reader: string;
  #unsure = 0;

  constructor(session: AmqpSession, work: Work, site: Site, chance: Chance) {
    this.#session = session;
    this.#work = work;
    this.#site = site;
    this.#chance = chance;
    this.#reader = site.nameFor("c");
  }

  async run(): Promise<void> {
    const { channel, gone } = this.#session;
    const { history, readersStop } = this.#site;
    history.tell({ kind: "reading", reader: this.#reader });
    const { place, temper, options } = this.#work;
    await channel.prefetch(temper.prefetch);
    await channel.consume(options.queue ?? place, (message) => {
      if (message === null) this.#session.vanish();
      else this.#take(message);
    });
    const lookout = setInterval(() => this.#raiseBarrier(), barrierLookMs);
    const lifeMs = temper.lifeMs * (0.5 + this.#chance.next());
    await Promise.race([gone, whenStopped(readersStop), rest(lifeMs, readersStop)]);
    clearInterval(lookout);
    if (readersStop.aborted || this.#chance.is(0.4)) await this.#session.close();
    else this.#session.vanish();
  }

  #take(message: ConsumeMessage): void {
    const identity = identityOf(message.content);
    const { place, temper, options } = this.#work;
    const isFlagged = message.fields.redelivered;
    const said: { readonly isFlagged?: boolean } = isFlagged || isFirstHand(place, options) ? { isFlagged } : {};
    options.delays?.came(this.#site, identity);
    this.#site.history.tell({ kind: "got", reader: this.#reader, place, view: "queue", ...identity, ...said });
    if (temper.lagMs === 0) this.#settle(message, identity);
    else setTimeout(() => this.#settle(message, identity), this.#chance.between(0, temper.lagMs));
  }

  #settle(message: ConsumeMessage, { writer, seq }: Identity): void {
    if (this.#session.isGone) return;
    const { place, temper } = this.#work;
    const how = this.#chance.is(temper.releases) ? "release" : "accept";
    this.#site.history.tell({ kind: "settle", reader: this.#reader, place, writer, seq, how });
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
    const { barrier } = this.#work;
    try {
      this.#session.channel.sendToQueue(barrier, Buffer.from(this.#reader), { persistent: true }, (refusal) => {
        if (refusal === null) history.tell({ kind: "settled", reader: this.#reader, since });
      });
    } catch {
      // The channel was closed meanwhile.
    }
  }
}
