/**
 * Messages that are stored one by one, as a fetch wants them: in record batches. Records that were produced are put back as they
 * were; what came by other protocols is told by its canonical form.
 *
 * A time that is the broker's own, because the message has none or the topic wants it so (message.timestamp.type), is said to
 * be that by the batch (LogAppendTime): so who made the message is not said to have given it. Such a batch has one time for all
 * of its records, so only messages of the same millisecond are in one. Batches are not compressed.
 */

import type { Broker, Entry } from "../../../broker/api.ts";
import { BatchBuilder, plainTraits, type BatchTraits } from "../codec/batch-builder.ts";
import { attributeBits } from "../codec/record-batch.ts";
import type { ForeignEntries } from "../fetching/fetch-answer.ts";
import { recordFormatId } from "./format.ts";
import { headersOfMessage } from "./record-canonical.ts";
import { RecordHead } from "./record-head.ts";

const appendTimeTraits: BatchTraits = { ...plainTraits, attributes: attributeBits.logAppendTime };

/** A batch is finished when it is larger. */
const batchBytes = 65_536;

export class ForeignBatches implements ForeignEntries {
  readonly #broker: Broker;
  readonly #builder = new BatchBuilder();
  readonly #head = new RecordHead();
  #isOpen = false;
  /** Of all of its records, if it is the broker's; -1: each has its own. */
  #appendTimeMs = -1;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  get bytes(): number {
    return this.#isOpen ? this.#builder.bytes : 0;
  }

  add(entry: Entry, usesAppendTime: boolean): boolean {
    if (this.bytes > batchBytes) return false;
    return entry.format === recordFormatId
      ? this.#addRecord(entry, usesAppendTime)
      : this.#addMessage(entry, usesAppendTime);
  }

  finish(): Buffer {
    this.#isOpen = false;
    this.#builder.finish();
    return this.#builder.copy();
  }

  timeOf(entry: Entry, usesAppendTime: boolean): number {
    if (usesAppendTime) return entry.timestampMs;
    return entry.format === recordFormatId
      ? timeOfRecord(entry, this.#head.set(entry.buffer, entry.headStart, entry.headEnd))
      : this.#broker.formatOf(entry).canonical!(entry).timestampMs;
  }

  #addRecord(entry: Entry, usesAppendTime: boolean): boolean {
    const { buffer, bodyStart, bodyEnd } = entry;
    const head = this.#head.set(buffer, entry.headStart, entry.headEnd);
    const { keyStart, keyEnd, hasValue, headersStart, headersEnd } = head;
    const timeMs = usesAppendTime ? entry.timestampMs : timeOfRecord(entry, head);
    if (!this.#begin(entry.offset, head.isTimed && !usesAppendTime, timeMs)) return false;
    const builder = this.#builder;
    if (keyStart < 0) builder.noKey();
    else builder.key(buffer, keyStart, keyEnd);
    if (hasValue) builder.value(buffer, bodyStart, bodyEnd);
    else builder.noValue();
    builder.rawHeaders(buffer, headersStart, headersEnd);
    return true;
  }

  #addMessage(entry: Entry, usesAppendTime: boolean): boolean {
    const message = this.#broker.formatOf(entry).canonical!(entry);
    const { timestampMs, isTimed, key, isTombstone, buffer, bodyStart, bodyEnd } = message;
    const timeMs = usesAppendTime ? entry.timestampMs : timestampMs;
    if (!this.#begin(entry.offset, isTimed && !usesAppendTime, timeMs)) return false;
    const builder = this.#builder;
    const headers = headersOfMessage(message);
    if (key === undefined) builder.noKey();
    else builder.key(Buffer.from(key.buffer, key.byteOffset, key.byteLength));
    if (isTombstone) builder.noValue();
    else builder.value(buffer, bodyStart, bodyEnd);
    builder.rawHeaders(headers, 0, headers.length);
    return true;
  }

  /** Begins a record, and a batch if there is none. False: this record does not go into the batch that there is. */
  #begin(offset: number, isTimed: boolean, timestampMs: number): boolean {
    const builder = this.#builder;
    const appendTimeMs = isTimed ? -1 : timestampMs;
    if (!this.#isOpen) {
      builder.begin(offset, timestampMs, isTimed ? plainTraits : appendTimeTraits);
      this.#isOpen = true;
      this.#appendTimeMs = appendTimeMs;
    } else if (appendTimeMs !== this.#appendTimeMs || !builder.reaches(offset)) return false;
    builder.record(offset, timestampMs);
    return true;
  }
}

/** Who gave it none has it from the broker. */
function timeOfRecord({ timestampMs }: Entry, head: RecordHead): number {
  return head.timestampMs < 0 ? timestampMs : head.timestampMs;
}
