/** Somebody whom this broker knows by itself: a user, live. What changes of the user counts for the next question. */

import type { Pattern } from "../base/pattern.ts";
import type { Account, TopicPatterns } from "./account.ts";
import type { Access, Identity, TopicAccess } from "./identity.ts";
import { AuthFault } from "./refusal.ts";
import { patternForClient } from "./topic-permissions.ts";

const noTags: readonly string[] = [];

export class InternalIdentity implements Identity {
  readonly name: string;
  readonly expiresAtMs = Infinity;
  readonly #account: Account;
  readonly #clientId: string | undefined;
  /** Patterns that speak of the client's id; they go with the permission that they were made of. */
  readonly #ownPatterns = new WeakMap<TopicPatterns, Map<TopicAccess, Pattern | undefined>>();

  constructor(account: Account, clientId: string | undefined) {
    this.name = account.name;
    this.#account = account;
    this.#clientId = clientId;
  }

  get tags(): readonly string[] {
    return this.#account.isDeleted ? noTags : this.#account.record.tags;
  }

  get version(): number {
    return this.#account.version;
  }

  get connectionsMax(): number {
    return limitOf(this.#account, "max-connections");
  }

  get channelsMax(): number {
    return limitOf(this.#account, "max-channels");
  }

  mayEnter(vhost: string): boolean {
    return this.#account.permissionsByVhost.has(vhost);
  }

  may(access: Access, vhost: string, resource: string): boolean {
    const patterns = this.#account.permissionsByVhost.get(vhost);
    return patterns !== undefined && patterns[access].matches(resource);
  }

  mayTopic(access: TopicAccess, vhost: string, exchange: string, routingKey: string): boolean {
    const patterns = this.#account.topicsByVhost.get(vhost)?.get(exchange);
    if (patterns === undefined) return !this.#account.isDeleted;
    const pattern = patterns[access] ?? this.#ownPattern(patterns, access);
    return pattern !== undefined && pattern.matches(routingKey);
  }

  #ownPattern(patterns: TopicPatterns, access: TopicAccess): Pattern | undefined {
    let own = this.#ownPatterns.get(patterns);
    if (own === undefined) this.#ownPatterns.set(patterns, (own = new Map()));
    if (!own.has(access)) {
      const { permission } = patterns;
      const pattern = patternForClient(permission[access], this.name, permission.vhost, this.#clientId);
      // A pattern that the id makes invalid allows nothing.
      own.set(access, pattern instanceof AuthFault ? undefined : pattern);
    }
    return own.get(access);
  }
}

/** -1: no limit. */
export function limitOf(account: Account | undefined, name: "max-connections" | "max-channels"): number {
  return Math.max(-1, account?.record.limits?.[name] ?? -1);
}
