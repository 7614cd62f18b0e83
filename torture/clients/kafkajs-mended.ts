/**
 * kafkajs, with the codecs that it leaves to others, which are @platformatic/kafka's here, and with one function of it replaced:
 * the one that leaves out what was aborted, which a client does by the list that a fetch brings. Its own (2.2.4) begins with one
 * aborted transaction for each message that it looks at, so that of two which began before the same message the first message
 * of the second one is handed out. That is no fault of the broker, and would be found again and again. (@platformatic/kafka
 * 2.12 keeps one range for each producer, and loses the others.)
 */

import { createRequire } from "node:module";
import { compressionsAlgorithms } from "@platformatic/kafka";
import type Kafkajs from "kafkajs";

interface FetchedMessage {
  readonly offset: string;
  readonly key: Buffer | null;
  readonly isControlRecord: boolean;
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean };
}

interface Fetched {
  readonly messages: readonly FetchedMessage[];
  readonly abortedTransactions?: readonly { readonly producerId: string; readonly firstOffset: string }[];
}

/** A control record's key is its version, and 0 for an abort, 1 for a commit; 16 bits each. */
const typeAt = 2;

export function withoutAborted({ messages, abortedTransactions = [] }: Fetched): FetchedMessage[] {
  const due = [...abortedTransactions].sort((one, other) => Number(one.firstOffset) - Number(other.firstOffset));
  const aborted = new Set<string>();
  return messages.filter(({ offset, key, isControlRecord, batchContext }) => {
    const { producerId, inTransaction } = batchContext;
    while (due.length > 0 && Number(due[0]!.firstOffset) <= Number(offset)) aborted.add(due.shift()!.producerId);
    if (!isControlRecord) return !(inTransaction && aborted.has(producerId));
    if (key!.readInt16BE(typeAt) === 0) aborted.delete(producerId);
    return true;
  });
}

const require = createRequire(import.meta.url);
const own = require.resolve("kafkajs/src/consumer/filterAbortedMessages.js");
require(own);
require.cache[own]!.exports = withoutAborted;

export const kafkajs = require("kafkajs") as typeof Kafkajs;

const { CompressionCodecs, CompressionTypes } = kafkajs;
const { snappy, lz4, zstd } = compressionsAlgorithms;
for (const [type, { compressSync, decompressSync }] of [
  [CompressionTypes.Snappy, snappy],
  [CompressionTypes.LZ4, lz4],
  [CompressionTypes.ZSTD, zstd],
] as const)
  CompressionCodecs[type] = () => ({
    compress: async ({ buffer }: { readonly buffer: Buffer }) => compressSync(buffer),
    decompress: async (buffer: Buffer) => decompressSync(buffer),
  });

/** With all of them there is something to open for the broker. None is as frequent as all others. */
export const compressions = [
  ...[CompressionTypes.None, CompressionTypes.None, CompressionTypes.None, CompressionTypes.None],
  ...[CompressionTypes.GZIP, CompressionTypes.Snappy, CompressionTypes.LZ4, CompressionTypes.ZSTD],
] as const;
