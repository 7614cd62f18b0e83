/**
 * Clients that speak Kafka's language, and do not do as they should: they fetch and read no answer, join a group and never sync,
 * give old numbers to new batches, and go on in an epoch that is over. Nobody else notices. What they say in a number or a name
 * that is not theirs any more is nowhere, and so it is not told: whoever reads it has found something.
 */

import {
  addPartitionsToTxnV2,
  Connection,
  endTxnV3,
  fetchV11,
  initProducerIdV4,
  joinGroupV3,
  NumericMap,
  produceV8,
} from "@platformatic/kafka";
import type { Chance } from "../../sim/chance.ts";
import { bodyOf } from "../message.ts";
import { rest, within, type Client, type Site } from "./site.ts";

export interface KafkaVandalOptions {
  readonly topic: string;
  readonly partitions: number;
  /** Of nobody else. */
  readonly group: string;
}

const answerWithinMs = 8000;
const transactionTimeoutMs = 5000;
const sessionMs = 6000;
const deafMsMax = 3000;
const lurkMsMax = 2000;
const fetchBytes = 1 << 20;
/** Messages of a batch. */
const batchLength = 3;
const batchesMax = 8;

interface Producer {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly partition: number;
  /** Of a transactional one. */
  readonly transactionalId?: string;
}

interface Numbered extends Producer {
  readonly writer: string;
  /** How many batches there are, each of which was acknowledged. */
  batches: number;
}

export class KafkaVandal implements Client {
  readonly name = "vandal of Kafka's";
  readonly #options: KafkaVandalOptions;
  /** Goes over lives of the broker. */
  #numbered: Numbered | undefined;

  constructor(options: KafkaVandalOptions) {
    this.#options = options;
  }

  async run(site: Site, chance: Chance): Promise<void> {
    const ways = [this.#numberAgain, this.#outlive, this.#fetchDeaf, this.#lurk];
    for (let turn = 0; !site.writersStop.aborted; turn++) {
      const limits = { connectTimeout: answerWithinMs, requestTimeout: answerWithinMs, maxInflights: 100 };
      const connection = new Connection("vandal", limits);
      connection.on("error", () => undefined);
      try {
        await connection.connect("127.0.0.1", site.ports.kafka);
        await ways[turn % ways.length]!.call(this, connection, site, chance);
      } catch {
        await rest(chance.between(50, 500), site.writersStop);
      }
      // Undefined where no connection was begun.
      (connection.socket as Connection["socket"] | undefined)?.destroy();
      await rest(chance.between(20, 400), site.writersStop);
    }
  }

  async #fetchDeaf(connection: Connection, site: Site, chance: Chance): Promise<void> {
    const { topic, partitions: count } = this.#options;
    const each = { currentLeaderEpoch: -1, fetchOffset: 0n, lastFetchedEpoch: -1, partitionMaxBytes: fetchBytes };
    const partitions = Array.from({ length: count }, (_, partition) => ({ partition, ...each }));
    connection.socket.pause();
    for (let left = chance.between(5, 40); left > 0; left--) {
      const wanted = [{ topicId: topic, partitions }];
      fetchV11.api.async(connection, 100, 1, fetchBytes, 0, 0, -1, wanted, [], "").catch(() => undefined);
    }
    await rest(chance.between(200, deafMsMax), site.writersStop);
  }

  async #lurk(connection: Connection, site: Site, chance: Chance): Promise<void> {
    const { topic, group } = this.#options;
    const protocols = [{ name: "range", metadata: subscriptionTo(topic) }];
    const joining = joinGroupV3.api.async(connection, group, sessionMs, sessionMs, "", null, "consumer", protocols);
    joining.catch(() => undefined);
    await rest(chance.between(100, lurkMsMax), site.writersStop);
  }

  /** A number that was there already, or one that is not yet due, with something else in it. */
  async #numberAgain(connection: Connection, site: Site, chance: Chance): Promise<void> {
    if (this.#numbered === undefined || chance.is(0.3)) this.#numbered = await this.#begin(connection, site, chance);
    const numbered = this.#numbered;
    for (let left = chance.between(1, batchesMax); left > 0 && !site.writersStop.aborted; left--)
      await this.#goOn(connection, site, numbered);
    if (numbered.batches === 0) return;
    const wrong = chance.is(0.3) ? numbered.batches + chance.between(1, 5) : chance.between(0, numbered.batches + 1);
    if (wrong === numbered.batches) return;
    await refused(this.#produce(connection, numbered, wrong * batchLength, strayBodies(site)));
  }

  async #begin(connection: Connection, site: Site, chance: Chance): Promise<Numbered> {
    const identity = await initProducerIdV4.api.async(connection, null, transactionTimeoutMs);
    const { producerId, producerEpoch } = identity;
    const partition = chance.between(0, this.#options.partitions);
    return { producerId, producerEpoch, partition, writer: site.nameFor("w"), batches: 0 };
  }

  /** The next batch, as it should be. Whether one is there whose answer did not come nobody knows, and so that is the end of it. */
  async #goOn(connection: Connection, site: Site, numbered: Numbered): Promise<void> {
    this.#numbered = undefined;
    const { writer, partition, batches } = numbered;
    await this.#tell(connection, site, numbered, { writer, partition, first: batches * batchLength });
    numbered.batches++;
    this.#numbered = numbered;
  }

  /** Somebody takes a transactional id over, and the one before goes on as if nothing had happened. */
  async #outlive(connection: Connection, site: Site, chance: Chance): Promise<void> {
    const { topic, partitions } = this.#options;
    const transactionalId = site.nameFor("id");
    const partition = chance.between(0, partitions);
    const begin = async (): Promise<Producer> => {
      const { producerId, producerEpoch } = await initProducerIdV4.api.async(
        connection,
        transactionalId,
        transactionTimeoutMs,
      );
      return { producerId, producerEpoch, partition, transactionalId };
    };
    const join = ({ producerId, producerEpoch }: Producer): Promise<unknown> => {
      const asked = { transactionalId, producerId, producerEpoch, verifyOnly: false };
      return addPartitionsToTxnV2.api.async(connection, [
        { ...asked, topics: [{ name: topic, partitions: [partition] }] },
      ]);
    };
    const former = await begin();
    await join(former);
    const lost = site.nameFor("tx");
    await this.#tell(connection, site, former, { writer: site.nameFor("w"), partition, first: 0, txn: lost });
    site.history.tell({ kind: "end", txn: lost, how: "abort" });
    const next = await begin();
    site.history.tell({ kind: "ended", txn: lost, outcome: "ok" });
    const [writer, txn] = [site.nameFor("w"), site.nameFor("tx")];
    await join(next);
    await this.#tell(connection, site, next, { writer, partition, first: 0, txn });
    await refused(this.#produce(connection, former, batchLength, strayBodies(site)));
    await refused(join(former));
    await refused(endTxnV3.api.async(connection, transactionalId, former.producerId, former.producerEpoch, true));
    await rest(chance.between(1, 300), site.writersStop);
    await this.#tell(connection, site, next, { writer, partition, first: batchLength, txn });
    site.history.tell({ kind: "end", txn, how: "commit" });
    let outcome: "ok" | "unknown" = "unknown";
    try {
      await endTxnV3.api.async(connection, transactionalId, next.producerId, next.producerEpoch, true);
      outcome = "ok";
    } finally {
      site.history.tell({ kind: "ended", txn, outcome });
    }
  }

  /** A batch that counts. */
  async #tell(connection: Connection, { history }: Site, producer: Producer, batch: Batch): Promise<void> {
    const { writer, partition, first, txn } = batch;
    const place = this.#options.topic;
    const seqs = Array.from({ length: batchLength }, (_, at) => first + at);
    for (const seq of seqs) history.tell({ kind: "send", place, writer, seq, partition, ...(txn && { txn }) });
    let offset: number | undefined;
    try {
      const bodies = seqs.map((seq) => bodyOf(writer, seq));
      offset = await this.#produce(connection, producer, first, bodies);
    } finally {
      const outcome = offset === undefined ? "unknown" : "ok";
      const where = { place, partition, offset: offset ?? -1 };
      history.tell({ kind: "sent", writer, seqs: [seqs[0]!, seqs.at(-1)!], outcome, ...where });
    }
  }

  /** Answers the offset of the first one. */
  async #produce(
    connection: Connection,
    { producerId, producerEpoch, partition, transactionalId }: Producer,
    sequence: number,
    bodies: readonly Buffer[],
  ): Promise<number> {
    const { topic } = this.#options;
    const sequences = new NumericMap([[`${topic}:${partition}`, sequence]]);
    const identity = { producerId, producerEpoch, sequences, ...(transactionalId && { transactionalId }) };
    const messages = bodies.map((value) => ({ topic, partition, value }));
    const answer = await produceV8.api.async(connection, -1, answerWithinMs, messages, identity);
    if (typeof answer === "boolean") throw new Error("a produce that waits for nothing");
    return Number(answer.responses[0]!.partitionResponses[0]!.baseOffset);
  }
}

interface Batch {
  readonly writer: string;
  readonly partition: number;
  readonly first: number;
  readonly txn?: string;
}

/** Of a writer that nobody knows. */
function strayBodies(site: Site): Buffer[] {
  const writer = site.nameFor("stray");
  return Array.from({ length: batchLength }, (_, seq) => bodyOf(writer, seq));
}

/** What comes of it does not matter, but that it comes. */
async function refused(request: Promise<unknown>): Promise<void> {
  const answered = request.then(
    () => undefined,
    () => undefined,
  );
  await within(2 * answerWithinMs, answered, "an answer to what is to be refused");
}

/** What a consumer says of itself when it joins: version 0, one topic, nothing else. */
function subscriptionTo(topic: string): Buffer {
  const name = Buffer.from(topic);
  const head = Buffer.alloc(8);
  head.writeInt32BE(1, 2);
  head.writeInt16BE(name.length, 6);
  return Buffer.concat([head, name, Buffer.from([0xff, 0xff, 0xff, 0xff])]);
}
