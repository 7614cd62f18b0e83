/** Publishes with confirms to one place, a window at a time. A session that ends leaves what it got no answer for unknown. */

import type { Chance } from "../../sim/chance.ts";
import { bodyOf } from "../message.ts";
import { AmqpSession } from "./amqp-session.ts";
import type { Delays } from "./delays.ts";
import { rest, type Client, type Site } from "./site.ts";

export interface PublisherOptions {
  /** The place has partitions, and all that one session publishes goes into one of them. */
  readonly hasKey?: boolean;
  /** Of some kilobytes each. */
  readonly isLarge?: boolean;
  /** So many at once at most, and then a rest of so long. */
  readonly burstMax?: number;
  readonly restMsMax?: number;
  /** All of it comes later. */
  readonly delays?: Delays;
}

const windowMax = 40;
/** Longer than any fault lasts; then what is not answered never will be. */
const answerWithinMs = 30_000;

export class AmqpPublisher implements Client {
  readonly name: string;
  readonly #place: string;
  readonly #options: PublisherOptions;

  constructor(place: string, options: PublisherOptions = {}) {
    this.name = `publisher of ${place}`;
    this.#place = place;
    this.#options = options;
  }

  async run(site: Site, chance: Chance): Promise<void> {
    while (!site.writersStop.aborted) {
      try {
        const session = await AmqpSession.open(site.ports.amqp);
        await this.#publish(session, site, chance);
        await session.close();
      } catch {
        await rest(chance.between(50, 500), site.writersStop);
      }
    }
  }

  async #publish(session: AmqpSession, site: Site, chance: Chance): Promise<void> {
    const { isLarge = false, burstMax = 20, restMsMax = 40 } = this.#options;
    const writer = site.nameFor(isLarge ? "big" : "w");
    const { history } = site;
    const waiting = new Set<number>();
    let changed = Promise.withResolvers<void>();
    for (let seq = 0; !site.writersStop.aborted && !session.isGone;) {
      for (let left = chance.between(1, burstMax); left > 0 && waiting.size < windowMax && !session.isGone; left--) {
        const number = seq++;
        waiting.add(number);
        this.#send(session, site, chance, { writer, seq: number }, (outcome) => {
          if (!waiting.delete(number)) return false;
          history.tell({ kind: "sent", place: this.#place, writer, seqs: [number, number], outcome });
          changed.resolve();
          return true;
        });
      }
      if (waiting.size >= windowMax)
        await Promise.race([changed.promise, session.gone, rest(answerWithinMs, site.writersStop)]);
      else await rest(chance.between(1, restMsMax), site.writersStop);
      changed = Promise.withResolvers<void>();
    }
    // What is under way may still be answered.
    const end = performance.now() + answerWithinMs;
    while (waiting.size > 0 && !session.isGone && performance.now() < end)
      await Promise.race([session.gone, new Promise((resolve) => setTimeout(resolve, 20))]);
    for (const number of [...waiting]) {
      waiting.delete(number);
      history.tell({ kind: "sent", place: this.#place, writer, seqs: [number, number], outcome: "unknown" });
    }
  }

  /** `answered` says whether anybody still waited for that. */
  #send(
    { channel }: AmqpSession,
    site: Site,
    chance: Chance,
    { writer, seq }: { readonly writer: string; readonly seq: number },
    answered: (outcome: "ok" | "unknown") => boolean,
  ): void {
    const { hasKey = false, delays } = this.#options;
    const { history } = site;
    const later = delays?.begin(site, chance, { writer, seq });
    history.tell({ kind: "send", place: this.#place, writer, seq, ...(later && { txn: later.txn }) });
    const headers = { ...(hasKey && { "kafka.key": writer }), ...(later && { "x-delay": later.delayMs }) };
    const body = bodyOf(writer, seq);
    channel.publish(delays?.exchange ?? "", this.#place, body, { persistent: true, headers }, (refusal) => {
      const outcome = refusal === null ? "ok" : "unknown";
      if (answered(outcome) && later !== undefined) history.tell({ kind: "ended", txn: later.txn, outcome });
    });
  }
}
