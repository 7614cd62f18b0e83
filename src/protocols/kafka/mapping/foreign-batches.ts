/**
 * Messages that are stored one by one, as a fetch wants them: a record batch for each. Records that were produced are put back
 * as they were; what came by other protocols is told by its canonical form.
 *
 * A time that is the broker's own is said to be that by the batch (LogAppendTime): so who made the message is not said to have
 * given it. The batch is not compressed.
 */

import type { Broker, Entry } from "../../../broker/api.ts";
import { BatchBuilder, plainTraits, type BatchTraits } from "../codec/batch-builder.ts";
import { attributeBits } from "../codec/record-batch.ts";
import type { ForeignEntries } from "../fetching/fetch-answer.ts";
import { recordFormatId } from "./format.ts";
import { headersOfMessage } from "./record-canonical.ts";
import { RecordHead } from "./record-head.ts";

const appendTimeTraits: BatchTraits = { ...plainTraits, attributes: attributeBits.logAppendTime };

export class ForeignBatches implements ForeignEntries {
  readonly #broker: Broker;
  readonly #builder = new BatchBuilder();
  readonly #head = new RecordHead();

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  encode(entry: Entry): Buffer {
    if (entry.format === recordFormatId) this.#record(entry);
    else this.#message(entry);
    return this.#builder.copy();
  }

  #record(entry: Entry): void {
    const builder = this.#builder;
    const { buffer, offset, bodyStart, bodyEnd } = entry;
    const { keyStart, keyEnd, hasValue, headersStart, headersEnd, isTimed, timestampMs } = this.#head.set(
      buffer,
      entry.headStart,
      entry.headEnd,
    );
    const timeMs = timestampMs < 0 ? entry.timestampMs : timestampMs;
    builder.begin(offset, timeMs, isTimed ? plainTraits : appendTimeTraits);
    builder.record(offset, timeMs);
    if (keyStart < 0) builder.noKey();
    else builder.key(buffer, keyStart, keyEnd);
    if (hasValue) builder.value(buffer, bodyStart, bodyEnd);
    else builder.noValue();
    builder.rawHeaders(buffer, headersStart, headersEnd);
    builder.finish();
  }

  #message(entry: Entry): void {
    const message = this.#broker.formatOf(entry).canonical!(entry);
    const builder = this.#builder;
    const { timestampMs, key, isTombstone, buffer, bodyStart, bodyEnd } = message;
    const headers = headersOfMessage(message);
    builder.begin(entry.offset, timestampMs, message.isTimed ? plainTraits : appendTimeTraits);
    builder.record(entry.offset, timestampMs);
    if (key === undefined) builder.noKey();
    else builder.key(Buffer.from(key.buffer, key.byteOffset, key.byteLength));
    if (isTombstone) builder.noValue();
    else builder.value(buffer, bodyStart, bodyEnd);
    builder.rawHeaders(headers, 0, headers.length);
    builder.finish();
  }
}
