/**
 * Idempotent producers. One that got no answer is thrown away, since nobody may say under its next sequence number
 * something else than what it has said already; a new one gets a new producer id, and is a new writer.
 */

import type { Producer, RecordMetadata } from "kafkajs";
import type { Chance } from "../../sim/chance.ts";
import { bodyOf } from "../message.ts";
import { ended, openKafka, patience } from "./kafka-client.ts";
import { compressions, kafkajs } from "./kafkajs-mended.ts";
import { rest, within, type Client, type Site } from "./site.ts";

const { Partitioners } = kafkajs;
const sendWithinMs = 30_000;

export class KafkaProducer implements Client {
  readonly name: string;
  readonly #place: string;
  readonly #partitions: number;

  constructor(place: string, partitions: number) {
    this.name = `producer of ${place}`;
    this.#place = place;
    this.#partitions = partitions;
  }

  async run(site: Site, chance: Chance): Promise<void> {
    while (!site.writersStop.aborted) {
      const { kafka, sockets } = openKafka(site.ports.kafka);
      const producer = kafka.producer({
        idempotent: true,
        maxInFlightRequests: 1,
        retry: patience,
        createPartitioner: Partitioners.DefaultPartitioner,
      });
      try {
        await within(sendWithinMs, producer.connect(), "connecting");
        await this.#produce(producer, site, chance);
      } catch {
        await rest(chance.between(50, 500), site.writersStop);
      }
      await ended(producer, sockets);
    }
  }

  async #produce(producer: Producer, site: Site, chance: Chance): Promise<void> {
    const writer = site.nameFor("w");
    const compression = chance.pick(compressions);
    const topic = this.#place;
    for (let seq = 0; !site.writersStop.aborted;) {
      const first = seq;
      const partition = chance.between(0, this.#partitions);
      const messages = Array.from({ length: chance.between(1, 25) }, () => {
        site.history.tell({ kind: "send", place: topic, writer, seq, partition });
        return { partition, key: writer, value: bodyOf(writer, seq++) };
      });
      const seqs = [first, seq - 1] as const;
      let answer: RecordMetadata[] | undefined;
      try {
        const sending = producer.send({ topic, acks: -1, compression, messages });
        answer = await within(sendWithinMs, sending, "producing");
      } finally {
        const outcome = answer === undefined ? "unknown" : "ok";
        const where = { place: topic, partition, offset: offsetOf(answer) };
        site.history.tell({ kind: "sent", writer, seqs, outcome, ...where });
      }
      await rest(chance.between(5, 120), site.writersStop);
    }
  }
}

/** -1 if it was not told. */
export function offsetOf(answer: RecordMetadata[] | undefined): number {
  return Number(answer?.[0]?.baseOffset ?? -1);
}
