/**
 * Idempotent producers of @platformatic/kafka: another hand at the same protocol. One that got no answer is thrown away,
 * as in kafka-producer.ts, and it repeats nothing by itself.
 */

import { Producer } from "@platformatic/kafka";
import type { Chance } from "../../sim/chance.ts";
import { bodyOf } from "../message.ts";
import { rest, within, type Client, type Site } from "./site.ts";

const sendWithinMs = 30_000;
const closeWithinMs = 5000;
const compressions = ["none", "none", "none", "gzip", "snappy", "lz4", "zstd"] as const;

export class PlatformaticProducer implements Client {
  readonly name: string;
  readonly #place: string;
  readonly #partitions: number;

  constructor(place: string, partitions: number) {
    this.name = `other producer of ${place}`;
    this.#place = place;
    this.#partitions = partitions;
  }

  async run(site: Site, chance: Chance): Promise<void> {
    while (!site.writersStop.aborted) {
      const producer = new Producer({
        clientId: "torture",
        bootstrapBrokers: [`127.0.0.1:${site.ports.kafka}`],
        idempotent: true,
        retries: 0,
        requestTimeout: sendWithinMs,
      });
      producer.on("error", () => undefined);
      try {
        await this.#produce(producer, site, chance);
      } catch {
        await rest(chance.between(50, 500), site.writersStop);
      }
      await within(closeWithinMs, producer.close(), "closing").catch(() => undefined);
    }
  }

  async #produce(producer: Producer, site: Site, chance: Chance): Promise<void> {
    const writer = site.nameFor("w");
    const compression = chance.pick(compressions);
    for (let seq = 0; !site.writersStop.aborted;) {
      const first = seq;
      const partition = chance.between(0, this.#partitions);
      const messages = Array.from({ length: chance.between(1, 25) }, () => {
        site.history.tell({ kind: "send", place: this.#place, writer, seq, partition });
        return { topic: this.#place, partition, key: Buffer.from(writer), value: bodyOf(writer, seq++) };
      });
      let answer: Awaited<ReturnType<Producer["send"]>> | undefined;
      try {
        answer = await within(sendWithinMs, producer.send({ messages, acks: -1, compression }), "producing");
      } finally {
        const outcome = answer === undefined ? "unknown" : "ok";
        const where = { place: this.#place, partition, offset: Number(answer?.offsets?.[0]?.offset ?? -1) };
        site.history.tell({ kind: "sent", writer, seqs: [first, seq - 1], outcome, ...where });
      }
      await rest(chance.between(5, 120), site.writersStop);
    }
  }
}
