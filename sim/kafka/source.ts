/**
 * A producer that numbers what it sends, without transactions: a value is the offset that it must have, so one that is stored
 * twice, or lost, puts all behind it in the wrong place. What was not answered is sent again until it is.
 */
import { errorCode } from "../../src/protocols/kafka/codec/errors.ts";
import { initProducerId } from "../../src/protocols/kafka/commands/init-producer-id.ts";
import { produce } from "../../src/protocols/kafka/commands/produce.ts";
import { transactionBatch } from "../../src/protocols/kafka/transactions/transaction-story.suite.ts";
import { ensure } from "../cut.ts";
import type { Line, Network } from "./network.ts";
import type { Reading } from "./transaction-book.ts";

export class Source {
  readonly #network: Network;
  readonly #line: Line;
  readonly #partition: number;
  #sent = 0;
  /** As far as it was told. */
  #stored = 0;

  constructor(network: Network, partition: number) {
    this.#network = network;
    this.#partition = partition;
    this.#line = network.line(`source ${partition}`);
  }

  async play(): Promise<void> {
    const network = this.#network;
    let producerId = -1;
    while (!network.isOver && producerId < 0) {
      const answer = await this.#line.ask(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 0 });
      producerId = answer?.producerId ?? -1;
    }
    while (!network.isOver) {
      this.#sent = this.#stored + network.chance.between(1, 4);
      await this.#send(producerId);
      for (let turns = network.chance.between(0, 12); turns > 0; turns--) await network.turn();
    }
  }

  async #send(producerId: number): Promise<void> {
    const first = this.#stored;
    const { chance, isBulky } = this.#network;
    const values = Array.from({ length: this.#sent - first }, (_, at) =>
      `${first + at}`.padEnd(isBulky && chance.is(0.1) ? chance.between(1000, 9000) : 0),
    );
    const by = { producerId, producerEpoch: 0 };
    while (!this.#network.isOver && this.#stored < this.#sent) {
      const records = transactionBatch(values, by, first, false, this.#network.nowMs);
      const topicData = [{ name: "in", partitionData: [{ index: this.#partition, records }] }];
      const answer = await this.#line.ask(produce, 9, { transactionalId: null, acks: -1, timeoutMs: 1000, topicData });
      const { errorCode: code, baseOffset } = answer?.responses[0]!.partitionResponses[0] ?? {};
      if (code === undefined || code === errorCode.KAFKA_STORAGE_ERROR) continue;
      ensure(code === errorCode.NONE, `${first} of source ${this.#partition} is refused: ${code}`);
      ensure(baseOffset === first, `${first} of source ${this.#partition} is at ${baseOffset}`);
      this.#stored = this.#sent;
    }
  }

  check({ values, end }: Reading): void {
    const isDense = values.every((value, at) => value.trimEnd() === `${at}`) && values.length === end;
    ensure(isDense, `source ${this.#partition} is stored as ${values.join()}`);
    ensure(this.#stored <= end && end <= this.#sent, `of ${this.#stored} to ${this.#sent} there are ${end}`);
  }
}
