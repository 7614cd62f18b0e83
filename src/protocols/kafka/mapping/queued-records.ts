/**
 * A batch that is produced to a topic whose messages go when they are settled: each of its records becomes a message there,
 * all of them or none. Priority and time to live are taken from the headers that say them.
 */

import {
  emptyPublication,
  type Namespace,
  type Publication,
  type PublishOutcome,
  type Queue,
} from "../../../broker/api.ts";
import type { BatchView } from "../codec/record-batch.ts";
import { recordFormatId } from "./format.ts";
import { headersFault } from "./header-section.ts";
import { RecordHeaders } from "./record-canonical.ts";
import { RecordHead } from "./record-head.ts";
import { SingleRecords } from "./single-records.ts";

const fieldPrefix = Buffer.from("amqp.");

export class QueuedRecords {
  /** Of the batch that was opened. */
  count = 0;
  bodyBytes = 0;
  readonly #records = new SingleRecords();
  readonly #head = new RecordHead();
  readonly #outcome: PublishOutcome = { routed: 0, refused: false, ticket: 0 };

  /** Reads all of it. Answers what is wrong with it. Compressed records may become `bytesMax`. */
  open(view: BatchView, bytesMax: number): string | undefined {
    this.count = 0;
    this.bodyBytes = 0;
    const records = this.#records;
    const fault = records.open(view, bytesMax);
    if (fault !== undefined) return fault;
    const { reader } = records;
    while (records.next()) {
      const tooMuch = headersFault(reader);
      if (tooMuch !== undefined) return tooMuch;
      this.count++;
      this.bodyBytes += Math.max(0, reader.valueEnd - reader.valueStart);
    }
    if (reader.fault !== null) return reader.fault;
    records.rewind(view);
    return undefined;
  }

  /** Appends what was opened to a partition of the topic. */
  publish(namespace: Namespace, topic: Queue, partition: number): void {
    const publication: Publication = {
      ...emptyPublication(namespace.exchange("")!),
      format: recordFormatId,
      durable: true,
      partition: topic.partitions.length === 1 ? -1 : partition,
      routingKey: topic.name,
    };
    const targets = [topic];
    const records = this.#records;
    while (records.next()) {
      records.place(publication);
      publication.priority = 0;
      publication.ttlMs = -1;
      publication.dedupId = undefined;
      if (this.#hasWord()) this.#readWords(publication);
      namespace.publishTo(targets, publication, this.#outcome);
    }
  }

  /** Lets go of what was opened, which may be much larger than the request that it came in. */
  close(): void {
    this.#records.close();
  }

  /** Whether a header may say something to the broker. */
  #hasWord(): boolean {
    const { reader } = this.#records;
    let has = false;
    while (reader.nextHeader()) {
      const { buffer, headerNameStart: start, headerNameEnd: end } = reader;
      has ||= isAt(buffer, start, end, fieldPrefix);
    }
    return has;
  }

  #readWords(publication: Publication): void {
    const { head } = publication;
    this.#head.set(head, publication.headStart, publication.headEnd);
    const { fields } = new RecordHeaders(head, this.#head.headersStart, this.#head.headersEnd);
    publication.priority = fields.priority ?? 0;
    publication.ttlMs = fields.expirationMs ?? -1;
  }
}

function isAt(buffer: Buffer, start: number, end: number, word: Buffer): boolean {
  return end - start >= word.length && buffer.compare(word, 0, word.length, start, start + word.length) === 0;
}
