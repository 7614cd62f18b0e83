/** Publishes with confirms to one place, a window at a time. A session that ends leaves what it got no answer for unknown. */

import type { Chance } from "../../sim/chance.ts";
import { bodyOf } from "../message.ts";
import { AmqpSession } from "./amqp-session.ts";
import { rest, type Client, type Site } from "./site.ts";

const windowMax = 40;
const burstMax = 20;
/** Longer than any fault lasts; then what is not answered never will be. */
const answerWithinMs = 30_000;

export class AmqpPublisher implements Client {
  readonly name: string;
  readonly #place: string;
  readonly #hasKey: boolean;

  /** `hasKey`: the place has partitions, and all that one session publishes goes into one of them. */
  constructor(place: string, hasKey: boolean) {
    this.name = `publisher of ${place}`;
    this.#place = place;
    this.#hasKey = hasKey;
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
    const writer = site.nameFor("w");
    const { history } = site;
    const waiting = new Set<number>();
    let changed = Promise.withResolvers<void>();
    const { channel } = session;
    const headers = this.#hasKey ? { "kafka.key": writer } : {};
    for (let seq = 0; !site.writersStop.aborted && !session.isGone;) {
      for (let left = chance.between(1, burstMax); left > 0 && waiting.size < windowMax && !session.isGone; left--) {
        const number = seq++;
        waiting.add(number);
        history.tell({ kind: "send", place: this.#place, writer, seq: number });
        channel.publish("", this.#place, bodyOf(writer, number), { persistent: true, headers }, (refusal) => {
          if (!waiting.delete(number)) return;
          const outcome = refusal === null ? "ok" : "unknown";
          history.tell({ kind: "sent", place: this.#place, writer, seqs: [number, number], outcome });
          changed.resolve();
        });
      }
      if (waiting.size >= windowMax)
        await Promise.race([changed.promise, session.gone, rest(answerWithinMs, site.writersStop)]);
      else await rest(chance.between(1, 40), site.writersStop);
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
}
