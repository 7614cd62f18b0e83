/**
 * Reads one partition of a topic and writes a message for each of its messages to another topic, in transactions that
 * hold the position as well. Whatever goes wrong, the next producer of the same transactional id begins by settling what the
 * one before has left, and goes on from the position that the broker has: so each message is there once.
 */

import type { Consumer, EachBatchPayload, Producer } from "kafkajs";
import type { Chance } from "../../sim/chance.ts";
import { bodyOf, identityOf } from "../message.ts";
import { ended, openKafka, patience } from "./kafka-client.ts";
import { kafkajs } from "./kafkajs-mended.ts";
import { askPosition } from "./kafka-observer.ts";
import { offsetOf } from "./kafka-producer.ts";
import { endTransaction } from "./kafka-transactor.ts";
import { rest, whenStopped, within, type Client, type Site } from "./site.ts";

const { Partitioners } = kafkajs;
const stepWithinMs = 30_000;
const batchMax = 40;
/** Behind all that there is: of the partitions that are another one's. */
const nowhere = "9000000000";

export interface TransformerOptions {
  readonly from: string;
  readonly to: string;
  readonly partition: number;
  readonly partitions: number;
  readonly group: string;
}

export class KafkaTransformer implements Client {
  readonly name: string;
  readonly #options: TransformerOptions;
  #id = "";

  constructor(options: TransformerOptions) {
    this.#options = options;
    this.name = `transformer of partition ${options.partition}`;
  }

  async run(site: Site, chance: Chance): Promise<void> {
    this.#id = site.nameFor("id");
    while (!site.readersStop.aborted) {
      const { kafka, sockets } = openKafka(site.ports.kafka);
      const producer = kafka.producer({
        transactionalId: this.#id,
        transactionTimeout: 10_000,
        idempotent: true,
        maxInFlightRequests: 1,
        retry: patience,
        createPartitioner: Partitioners.DefaultPartitioner,
      });
      const consumer = kafka.consumer({
        groupId: site.nameFor("reading"),
        maxWaitTimeInMs: 100,
        sessionTimeout: 6000,
        retry: { ...patience, retries: 3, restartOnFailure: async () => false },
      });
      try {
        await within(stepWithinMs, producer.connect(), "connecting");
        const settling = await within(stepWithinMs, producer.transaction(), "beginning");
        await within(stepWithinMs, settling.abort(), "aborting");
        const admin = kafka.admin({ retry: patience });
        await within(stepWithinMs, admin.connect(), "connecting");
        const positions = await askPosition(admin, site, this.#options.group, this.#options.from);
        await admin.disconnect();
        await this.#transform(producer, consumer, positions[this.#options.partition] ?? 0, site, chance);
      } catch {
        await rest(chance.between(50, 500), site.readersStop);
      }
      await ended(consumer, sockets);
      await ended(producer, sockets);
    }
  }

  async #transform(producer: Producer, consumer: Consumer, from: number, site: Site, chance: Chance): Promise<void> {
    const { partition, partitions, from: topic } = this.#options;
    const writer = site.nameFor("w");
    const over = Promise.withResolvers<void>();
    const state = { writer, seq: 0, next: from, isOver: false };
    consumer.on("consumer.crash", () => over.resolve());
    await within(stepWithinMs, consumer.connect(), "connecting");
    await within(stepWithinMs, consumer.subscribe({ topic, fromBeginning: true }), "subscribing");
    await consumer.run({
      autoCommit: false,
      eachBatch: async (payload) => {
        if (payload.batch.partition !== partition || state.isOver) return;
        try {
          await this.#handle(producer, payload, state, site, chance);
        } catch {
          state.isOver = true;
          over.resolve();
        }
      },
    });
    for (let each = 0; each < partitions; each++)
      consumer.seek({ topic, partition: each, offset: each === partition ? String(from) : nowhere });
    await Promise.race([over.promise, whenStopped(site.readersStop)]);
    state.isOver = true;
  }

  async #handle(
    producer: Producer,
    { batch }: EachBatchPayload,
    state: { readonly writer: string; seq: number; next: number; isOver: boolean },
    site: Site,
    chance: Chance,
  ): Promise<void> {
    const due = batch.messages.filter(({ offset }) => Number(offset) >= state.next);
    for (let at = 0; at < due.length && !state.isOver; at += batchMax) {
      const some = due.slice(at, at + batchMax);
      let how: "commit" | "abort";
      do {
        how = chance.is(0.2) ? "abort" : "commit";
        await this.#attempt(producer, some, how, state, site);
      } while (how === "abort");
    }
  }

  async #attempt(
    producer: Producer,
    some: EachBatchPayload["batch"]["messages"],
    how: "commit" | "abort",
    state: { readonly writer: string; seq: number; next: number },
    site: Site,
  ): Promise<void> {
    const { from, to, partition, group } = this.#options;
    const { history } = site;
    const { writer } = state;
    const txn = site.nameFor("tx");
    const next = Number(some.at(-1)!.offset) + 1;
    const transaction = await within(stepWithinMs, producer.transaction(), "beginning");
    const first = state.seq;
    const messages = some.map(({ value, offset }) => {
      const { writer: source, seq: number, isIntact } = identityOf(value!);
      const seq = state.seq++;
      const origin = `${source} ${number}${isIntact ? "" : " broken"}`;
      history.tell({
        kind: "send",
        place: to,
        writer,
        seq,
        partition,
        txn,
        from: `${from} ${partition} ${offset} ${origin}`,
      });
      return { partition, value: bodyOf(writer, seq) };
    });
    const answer = await within(stepWithinMs, transaction.send({ topic: to, acks: -1, messages }), "producing");
    const where = { place: to, partition, offset: offsetOf(answer) };
    history.tell({ kind: "sent", writer, seqs: [first, state.seq - 1], outcome: "ok", ...where });
    history.tell({ kind: "move", group, place: from, partition, offset: next, txn });
    const topics = [{ topic: from, partitions: [{ partition, offset: String(next) }] }];
    await within(stepWithinMs, transaction.sendOffsets({ consumerGroupId: group, topics }), "sending offsets");
    await endTransaction(transaction, { site, txn, how });
    if (how === "abort") return;
    history.tell({ kind: "moved", group, place: from, partition, offset: next, outcome: "ok" });
    state.next = next;
  }
}
