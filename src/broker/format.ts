/** How the core sees into messages. A part of the door, `api.ts`. */
import type { Entry, Publication } from "./api.ts";
import type { CanonicalMessage } from "./canonical.ts";
import type { Headers } from "./router/values.ts";

export type DeathReason = "rejected" | "expired" | "maxlen" | "delivery_limit";

/** One death of a message, newest first in a history. */
export interface Death {
  readonly reason: DeathReason;
  readonly queue: string;
  readonly timeMs: number;
  readonly exchange: string;
  readonly routingKeys: readonly string[];
  /** Of the message that died; -1: none */
  readonly ttlMs: number;
}

/** A message of a batch as an entry of its own: what publish() would take, with the name of the exchange alone. */
export type UnpackedMessage = Omit<Publication, "exchange"> & { readonly exchange: { readonly name: string } };

/** Takes the messages of a batch. */
export interface UnpackTarget {
  /** All of them together are to be no larger: what is compressed may be of any size. */
  readonly bytesMax: number;
  /** Name of the topic: by it the messages were published to the default exchange, if they do not say otherwise. */
  readonly topic: string;
  /**
   * The bytes are copied during the call. Offsets grow; those of the batch that are left out do not exist. `message.format`
   * is that of single messages. False: they are too large together.
   */
  add(offset: number, timestampMs: number, message: UnpackedMessage): boolean;
}

/** Sees one message of an entry: its key is buffer[keyStart, keyEnd), or it has none (-1). */
export type KeyVisitor = (
  offset: number,
  buffer: Uint8Array,
  keyStart: number,
  keyEnd: number,
  isTombstone: boolean,
) => void;

/**
 * How the core looks into and rewrites messages in the form of one protocol: the only translation it ever needs.
 * Registered once per protocol at start-up.
 */
export interface MessageFormat {
  readonly id: number;
  readonly name: string;
  headers(buffer: Buffer, headStart: number, headEnd: number): Headers;
  /** 'message-id', 'correlation-id', 'timestamp', ... as text */
  property(name: string, buffer: Buffer, headStart: number, headEnd: number): string | undefined;
  /** All routing keys that the message carries besides its own (AMQP's CC; not BCC, which is gone by then). */
  extraKeys(buffer: Buffer, headStart: number, headEnd: number): readonly string[];
  /** Queues and reasons of earlier deaths, newest first. */
  deaths(buffer: Buffer, headStart: number, headEnd: number): readonly { queue: string; reason: string }[];
  /** Where it died first of all, if the message says so; otherwise the last of its deaths does. */
  firstDeathQueue?(buffer: Buffer, headStart: number, headEnd: number): string | undefined;
  /** The head with this death recorded in it (and what must go with it: its ttl removed, CC dropped when the key is replaced). */
  withDeath(buffer: Buffer, headStart: number, headEnd: number, death: Death, replacesKey: boolean): Buffer;
  // What a message says to exchanges and queues that do more with it than pass it on. Asked of any message that comes to one,
  // whoever published it and whichever way it came; a format without them has messages that say nothing.
  /** How many ms an exchange that delays is to hold it; 0: not at all. */
  delayMs?(buffer: Buffer, headStart: number, headEnd: number): number;
  /** The head of a message that waits for as long as it said: from then on it asks for no delay. */
  withDelayServed?(buffer: Buffer, headStart: number, headEnd: number): Buffer;
  /** The id by which duplicates of it are known; undefined: it has none. */
  dedupId?(buffer: Buffer, headStart: number, headEnd: number): string | undefined;
  /** For how many ms that is to be remembered by who remembers for a time; -1: for as long as they do. */
  dedupMs?(buffer: Buffer, headStart: number, headEnd: number): number;
  /** Not to be kept by an exchange with a historyLength. */
  skipsHistory?(buffer: Buffer, headStart: number, headEnd: number): boolean;
  /**
   * A batch has got its place, and its bytes may say so: called once, on the stored copy of its body, before anybody reads
   * it. The length stays what it is.
   */
  stamp?(buffer: Buffer, bodyStart: number, bodyEnd: number, baseOffset: number, nowMs: number): void;
  /** A single message, in the form in which all protocols see it. */
  canonical?(entry: Entry): CanonicalMessage;
  /** By which it is placed among the partitions of a topic, where the publication has no key; undefined: it has none either. */
  partitionKey?(publication: Publication): Uint8Array | undefined;

  // Of formats with batches:

  /**
   * A batch guards itself: the CRC-32C, big endian, of its bytes from `from` on stands at `at`. Whoever publishes one has
   * verified it, so the bytes need not be summed again.
   */
  readonly ownCrc?: { readonly at: number; readonly from: number };

  /** False: its bytes are not what they should be, or `into` has no room. What holds no messages (isControl) has none. */
  unpack?(batch: Entry, into: UnpackTarget): boolean;
  /** No messages for consumers, but a word to readers of its own protocol. */
  isControl?(batch: Entry): boolean;
  /** The producer of whose transaction it is a part, or that it ends; -1: none. */
  transactionOf?(batch: Entry): number;
  /** For compaction. False: as unpack(). Without it, an entry has the key that Entry.key() answers, and is no tombstone. */
  keys?(entry: Entry, visit: KeyVisitor): boolean;
  /** How many messages are in the batch, by its own words; as many as it has offsets, where it has no such words. */
  messages?(batch: Entry): number;
  /**
   * The body of a batch without the messages for which `isKept` answers false; it spans what it did, and those that stay
   * keep their offsets. undefined: nothing is left of it. What isControl() is not asked for.
   */
  retain?(batch: Entry, isKept: (offset: number) => boolean): Buffer | undefined;
}
