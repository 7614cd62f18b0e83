/** Kafka's transactions: some batches to some partitions, then a commit, an abort, or an end without a word. */

import type { Producer, Transaction } from "kafkajs";
import type { Chance } from "../../sim/chance.ts";
import { bodyOf } from "../message.ts";
import { ended, openKafka, patience } from "./kafka-client.ts";
import { compressions, kafkajs } from "./kafkajs-mended.ts";
import { offsetOf } from "./kafka-producer.ts";
import { rest, within, type Client, type Site } from "./site.ts";

const { Partitioners } = kafkajs;
const stepWithinMs = 30_000;
const transactionTimeout = 5000;

interface Place {
  readonly name: string;
  readonly partitions: number;
}

export class KafkaTransactor implements Client {
  readonly name = "Kafka transactor";
  readonly #places: readonly Place[];
  readonly #vanishes: number;

  /** `vanishes`: how often it goes without an end of its transaction. */
  constructor(places: readonly Place[], vanishes: number) {
    this.#places = places;
    this.#vanishes = vanishes;
  }

  async run(site: Site, chance: Chance): Promise<void> {
    let id = site.nameFor("id");
    while (!site.writersStop.aborted) {
      const { kafka, sockets } = openKafka(site.ports.kafka);
      const producer = kafka.producer({
        transactionalId: id,
        transactionTimeout,
        idempotent: true,
        maxInFlightRequests: 1,
        retry: patience,
        createPartitioner: Partitioners.DefaultPartitioner,
      });
      try {
        await within(stepWithinMs, producer.connect(), "connecting");
        await this.#transact(producer, site, chance);
        // Nobody comes back under that name: only the broker's time-out can end what is open.
        id = site.nameFor("id");
        sockets.vanish();
      } catch {
        await rest(chance.between(50, 500), site.writersStop);
      }
      await ended(producer, sockets);
    }
  }

  /** Returns when it is to vanish. */
  async #transact(producer: Producer, site: Site, chance: Chance): Promise<void> {
    const writer = site.nameFor("w");
    for (let seq = 0; !site.writersStop.aborted;) {
      const txn = site.nameFor("tx");
      const transaction = await within(stepWithinMs, producer.transaction(), "beginning");
      for (let batches = chance.between(1, 4); batches > 0; batches--)
        seq = await sendBatch(transaction, { site, chance, writer, txn, seq, place: chance.pick(this.#places) });
      if (chance.is(this.#vanishes)) return;
      await endTransaction(transaction, { site, txn, how: chance.is(0.3) ? "abort" : "commit" });
      await rest(chance.between(10, 150), site.writersStop);
    }
  }
}

interface Batch {
  readonly site: Site;
  readonly chance: Chance;
  readonly writer: string;
  readonly txn: string;
  readonly seq: number;
  readonly place: Place;
}

/** Answers the next number. */
async function sendBatch(transaction: Transaction, batch: Batch): Promise<number> {
  const { site, chance, writer, txn, place } = batch;
  let { seq } = batch;
  const first = seq;
  const partition = chance.between(0, place.partitions);
  const messages = Array.from({ length: chance.between(1, 12) }, () => {
    site.history.tell({ kind: "send", place: place.name, writer, seq, partition, txn });
    return { partition, key: writer, value: bodyOf(writer, seq++) };
  });
  let answer;
  try {
    const sending = transaction.send({ topic: place.name, acks: -1, compression: chance.pick(compressions), messages });
    answer = await within(stepWithinMs, sending, "producing");
  } finally {
    const outcome = answer === undefined ? "unknown" : "ok";
    const where = { place: place.name, partition, offset: offsetOf(answer) };
    site.history.tell({ kind: "sent", writer, seqs: [first, seq - 1], outcome, ...where });
  }
  return seq;
}

interface End {
  readonly site: Site;
  readonly txn: string;
  readonly how: "commit" | "abort";
}

export async function endTransaction(transaction: Transaction, { site, txn, how }: End): Promise<void> {
  site.history.tell({ kind: "end", txn, how });
  let outcome: "ok" | "unknown" = "unknown";
  try {
    await within(stepWithinMs, transaction[how](), how);
    outcome = "ok";
  } finally {
    site.history.tell({ kind: "ended", txn, outcome });
  }
}
