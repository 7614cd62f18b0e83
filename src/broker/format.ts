/** How the core sees into messages. A part of the door, `api.ts`. */
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
  /** The head with this death recorded in it (and what must go with it: its ttl removed, CC dropped when the key is replaced). */
  withDeath(buffer: Buffer, headStart: number, headEnd: number, death: Death, replacesKey: boolean): Buffer;
  /**
   * A batch has got its place, and its bytes may say so: called once, on the stored copy of its body, before anybody reads
   * it. The length stays what it is.
   */
  stamp?(buffer: Buffer, bodyStart: number, bodyEnd: number, baseOffset: number, nowMs: number): void;
}
