/**
 * One message as every protocol can say it: the only form in which one protocol's message is seen by another. Each
 * protocol turns what it stored into this (MessageFormat.canonical) and makes of it what its own clients read. What a
 * protocol cannot say in a field of its own it carries in headers: nothing is dropped. A part of the door, `api.ts`.
 */
import type { HeaderValue } from "./router/values.ts";

export interface CanonicalHeader {
  /** Where its protocol takes bytes for names, as base/byte-text.ts has them. */
  readonly name: string;
  readonly value: HeaderValue;
  /**
   * What its protocol calls the value's type, where it has several for such values: for its own way back. Other protocols
   * carry it, if they can, and do not look at it.
   */
  readonly type?: string | undefined;
}

export interface CanonicalMessage {
  readonly id: string | undefined;
  /** When its producer says that it made it, or else when it was appended; ms since 1970. */
  readonly timestampMs: number;
  /** False: the time is that of the append, its producer said none. */
  readonly isTimed: boolean;
  /** By it partitions are chosen, logs compacted, and order is kept. */
  readonly key: Uint8Array | undefined;
  /** In the order in which they came; a name may come more than once. */
  readonly headers: readonly CanonicalHeader[];
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly correlationId: string | undefined;
  readonly replyTo: string | undefined;
  readonly type: string | undefined;
  readonly userId: string | undefined;
  readonly appId: string | undefined;
  /** What its producer asked for; undefined: it lives as long as its queue allows. */
  readonly expirationMs: number | undefined;
  /** undefined: its producer said nothing. */
  readonly priority: number | undefined;
  readonly isPersistent: boolean;
  /** Where it was published to. */
  readonly exchange: string;
  readonly routingKey: string;
  /** The body is bytes of this buffer: valid as long as the entry is. */
  readonly buffer: Buffer;
  readonly bodyStart: number;
  readonly bodyEnd: number;
  /** It says that its key has no value any more. The body is empty then. */
  readonly isTombstone: boolean;
}
