/**
 * Who is logged in, and what they may do. Protocols know this much of users, tokens and certificates.
 *
 * It is asked on the hot path (for each publish, where routing keys are restricted), so an implementation keeps its answers,
 * and a protocol may keep them too for as long as `version` stays the same.
 */

/** What somebody wants of a queue or an exchange. */
export type Access = "configure" | "write" | "read";

/** Where topic permissions may speak of the one who asks: `{username}`, `{vhost}`, `{client_id}`. */
export type TopicAccess = "write" | "read";

export interface Identity {
  readonly name: string;
  /** `administrator`, `monitoring`, `policymaker`, `management`, `impersonator`, and any other. */
  readonly tags: readonly string[];
  /** Changes whenever an answer of this identity may have changed. */
  readonly version: number;
  /** When the login ends by itself, ms since 1970; Infinity for one by password. */
  readonly expiresAtMs: number;
  /** Most connections and channels of this user at a time; -1: no limit. */
  readonly connectionsMax: number;
  readonly channelsMax: number;
  mayEnter(vhost: string): boolean;
  /** `resource`: the name of a queue or an exchange. */
  may(access: Access, vhost: string, resource: string): boolean;
  /** Whether a message with this key may pass this topic exchange, to (`write`) or from (`read`: a binding). */
  mayTopic(access: TopicAccess, vhost: string, exchange: string, routingKey: string): boolean;
}
