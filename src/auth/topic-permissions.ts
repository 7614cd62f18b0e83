/**
 * Topic permissions: for a user, a virtual host and a topic exchange, patterns of the routing keys that may be published
 * (write) and bound (read). Without any for the exchange, all are allowed.
 *
 * A pattern may speak of `{username}`, `{vhost}` and `{client_id}`; what is put there counts letter by letter. User and virtual
 * host are known when it is set, so it is compiled then; with the client's id, at that client's login.
 */

import type { Pattern } from "../base/pattern.ts";
import { takeKept, type Account, type Accounts, type TopicPatterns } from "./account.ts";
import type { ChangeListener, TopicPermission, UserStore } from "./changes.ts";
import { readPermissionPattern } from "./permissions.ts";
import { AuthFault } from "./refusal.ts";
import { noSuchUser } from "./users.ts";

const kind = "topic-permission";
const clientId = "{client_id}";

export class TopicPermissions {
  readonly #store: UserStore;
  readonly #accounts: Accounts;
  readonly #changed: ChangeListener;

  /** Reads what is kept into the accounts; permissions of users that are gone are removed. */
  constructor(store: UserStore, accounts: Accounts, changed: ChangeListener) {
    this.#store = store;
    this.#accounts = accounts;
    this.#changed = changed;
    takeKept(store, accounts, kind, (account, kept) => add(account, compileKept(kept as TopicPermission)));
  }

  /** Sets it, in place of any earlier one for the exchange, which need not exist. */
  set(permission: TopicPermission): AuthFault | undefined {
    const { user, vhost, exchange } = permission;
    const account = this.#accounts.get(user);
    if (account === undefined) return noSuchUser(user);
    const patterns = compile(permission);
    if (patterns instanceof AuthFault) return patterns;
    add(account, patterns);
    account.version++;
    this.#store.put(kind, keyOf(user, vhost, exchange), patterns.permission);
    this.#changed({ event: "topic.permission.created", permission: patterns.permission });
    return undefined;
  }

  /** For one exchange, or for all of the virtual host. Answers whether there was any. */
  clear(user: string, vhost: string, exchange?: string): boolean {
    const account = this.#accounts.get(user);
    const byExchange = account?.topicsByVhost.get(vhost);
    if (account === undefined || byExchange === undefined) return false;
    const cleared = exchange === undefined ? [...byExchange.keys()] : byExchange.has(exchange) ? [exchange] : [];
    if (cleared.length === 0) return false;
    for (const each of cleared) {
      byExchange.delete(each);
      this.#store.remove(kind, keyOf(user, vhost, each));
    }
    if (byExchange.size === 0) account.topicsByVhost.delete(vhost);
    account.version++;
    this.#changed({ event: "topic.permission.deleted", name: user, vhost, exchange });
    return true;
  }

  *ofUser(user: string): Iterable<TopicPermission> {
    for (const byExchange of this.#accounts.get(user)?.topicsByVhost.values() ?? [])
      for (const { permission } of byExchange.values()) yield permission;
  }

  *ofVhost(vhost: string): Iterable<TopicPermission> {
    for (const { topicsByVhost } of this.#accounts.values())
      for (const { permission } of topicsByVhost.get(vhost)?.values() ?? []) yield permission;
  }

  *ofUserInVhost(user: string, vhost: string): Iterable<TopicPermission> {
    for (const { permission } of this.#accounts.get(user)?.topicsByVhost.get(vhost)?.values() ?? []) yield permission;
  }

  *all(): Iterable<TopicPermission> {
    for (const user of this.#accounts.keys()) yield* this.ofUser(user);
  }

  clearUser({ name, topicsByVhost }: Account): void {
    for (const vhost of [...topicsByVhost.keys()]) this.clear(name, vhost);
  }

  clearVhost(vhost: string): void {
    for (const user of this.#accounts.keys()) this.clear(user, vhost);
  }
}

/** The pattern of one login; `undefined` when there is no client id: then the words stand for themselves. */
export function patternForClient(
  text: string,
  user: string,
  vhost: string,
  id: string | undefined,
): Pattern | AuthFault {
  return readPermissionPattern(expand(text, { username: user, vhost, ...(id !== undefined && { client_id: id }) }));
}

/** Puts names in the places of `{...}`, so that they match themselves. In one pass: a name may look like a place. */
export function expand(text: string, names: Readonly<Record<string, string>>): string {
  return text.replace(/\{(username|vhost|client_id)\}/g, (place, key: string) =>
    Object.hasOwn(names, key) ? names[key]!.replace(/[^\p{L}\p{N}_\s]/gu, "\\$&") : place,
  );
}

function keyOf(user: string, vhost: string, exchange: string): string {
  return JSON.stringify([user, vhost, exchange]);
}

function add(account: Account, patterns: TopicPatterns): void {
  const { vhost, exchange } = patterns.permission;
  let byExchange = account.topicsByVhost.get(vhost);
  if (byExchange === undefined) account.topicsByVhost.set(vhost, (byExchange = new Map()));
  byExchange.set(exchange, patterns);
}

function compile({ user, vhost, exchange, write, read }: TopicPermission): TopicPatterns | AuthFault {
  const [toWrite, toRead] = [write, read].map((text) => {
    // Checked as it was written too: what is put in cannot make a wrong pattern right.
    const asWritten = readPermissionPattern(text);
    return asWritten instanceof AuthFault ? asWritten : readPermissionPattern(expand(text, { username: user, vhost }));
  });
  for (const each of [toWrite!, toRead!]) if (each instanceof AuthFault) return each;
  return {
    permission: { user, vhost, exchange, write, read },
    write: write.includes(clientId) ? undefined : (toWrite as Pattern),
    read: read.includes(clientId) ? undefined : (toRead as Pattern),
  };
}

/** One that was kept by a version that could read more than this one allows nothing. */
function compileKept(permission: TopicPermission): TopicPatterns {
  const patterns = compile(permission);
  if (!(patterns instanceof AuthFault)) return patterns;
  const none = readPermissionPattern("") as Pattern;
  return { permission, write: none, read: none };
}
