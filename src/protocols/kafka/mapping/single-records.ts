/**
 * The records of a batch, one by one, as messages that the core stores on their own: for topics whose messages go when they are
 * settled, and for consumers that settle them one by one. Nothing is made for each: one head is filled again and again.
 */

import { copyBytes } from "../../../base/bytes.ts";
import { Malformed } from "../../../wire/input.ts";
import { decompress } from "../codec/compression.ts";
import { batchAt, type BatchView } from "../codec/record-batch.ts";
import { RecordReader } from "../codec/records.ts";
import { beginHead, headBytes, recordFlags } from "./record-head.ts";

/** What of a publication is the record's. */
export interface RecordParts {
  head: Buffer;
  headStart: number;
  headEnd: number;
  body: Buffer;
  bodyStart: number;
  bodyEnd: number;
}

const nothing: Buffer = Buffer.alloc(0);

export class SingleRecords {
  readonly reader = new RecordReader();
  #isAppendTime = false;
  #payload: Buffer = nothing;
  #start = 0;
  #end = 0;
  #scratch = Buffer.alloc(1024);

  /** What was wrong; undefined: its records can be read. What is compressed may become `bytesMax`. */
  open(view: BatchView, bytesMax: number): string | undefined {
    this.#isAppendTime = view.isLogAppendTime;
    this.#payload = view.buffer;
    this.#start = view.start + batchAt.records;
    this.#end = view.end;
    if (view.compression !== 0) {
      const plain = decompress(view.compression, view.buffer, this.#start, view.end, bytesMax);
      if (plain instanceof Malformed) return plain.reason;
      this.#payload = plain;
      this.#start = 0;
      this.#end = plain.length;
    }
    this.rewind(view);
    return undefined;
  }

  /** Begins anew with what was opened. */
  rewind(view: BatchView): void {
    this.reader.open(view, this.#payload, this.#start, this.#end);
  }

  /** Lets go of the bytes. */
  close(): void {
    this.#payload = nothing;
    this.reader.buffer = nothing;
  }

  /** Moves to the next record. False: there is none, or `reader.fault`. */
  next(): boolean {
    return this.reader.next();
  }

  /** Points the parts at the record at which it stands. The parts are good until the next. */
  place(parts: RecordParts): void {
    const { reader } = this;
    const { buffer, keyStart, keyEnd, valueStart, valueEnd, headersStart, recordEnd } = reader;
    const keyBytes = keyStart < 0 ? 0 : keyEnd - keyStart;
    const bytes = headBytes(keyBytes, recordEnd - headersStart);
    if (bytes > this.#scratch.length) this.#scratch = Buffer.allocUnsafeSlow(bytes * 2);
    const scratch = this.#scratch;
    const flags =
      (keyStart < 0 ? 0 : recordFlags.key) |
      (valueStart < 0 ? recordFlags.nullValue : 0) |
      (this.#isAppendTime ? recordFlags.appendTime : 0);
    const at = beginHead(scratch, flags, reader.timestampMs, keyBytes);
    if (keyBytes > 0) copyBytes(buffer, keyStart, keyEnd, scratch, at);
    copyBytes(buffer, headersStart, recordEnd, scratch, at + keyBytes);
    parts.head = scratch;
    parts.headStart = 0;
    parts.headEnd = bytes;
    parts.body = buffer;
    parts.bodyStart = Math.max(0, valueStart);
    parts.bodyEnd = Math.max(0, valueEnd);
  }
}
