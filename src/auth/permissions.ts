/**
 * Permissions: for a user in a virtual host, three patterns of names that may be configured, written and read. A user
 * without any there may not enter it. The empty pattern allows nothing.
 *
 * They are kept under the pair of names as a JSON array, which is unambiguous whatever the names hold.
 */

import { Pattern } from "../base/pattern.ts";
import { PatternFault } from "../base/pattern-translation.ts";
import { takeKept, type Account, type Accounts, type PermissionPatterns } from "./account.ts";
import type { ChangeListener, Permission, UserStore } from "./changes.ts";
import { AuthFault } from "./refusal.ts";
import { noSuchUser } from "./users.ts";

const kind = "permission";

/** No name is empty, so this matches none: what RabbitMQ makes of an empty pattern. */
const nothing = "^$";

export class Permissions {
  readonly #store: UserStore;
  readonly #accounts: Accounts;
  readonly #changed: ChangeListener;

  /** Reads what is kept into the accounts; permissions of users that are gone are removed. */
  constructor(store: UserStore, accounts: Accounts, changed: ChangeListener) {
    this.#store = store;
    this.#accounts = accounts;
    this.#changed = changed;
    takeKept(store, accounts, kind, (account, kept) => {
      const permission = kept as Permission;
      account.permissionsByVhost.set(permission.vhost, compileKept(permission));
    });
  }

  /** Sets it, in place of any earlier one. The virtual host is the caller's to have checked. */
  set(permission: Permission): AuthFault | undefined {
    const { user, vhost } = permission;
    const account = this.#accounts.get(user);
    if (account === undefined) return noSuchUser(user);
    const patterns = compile(permission);
    if (patterns instanceof AuthFault) return patterns;
    account.permissionsByVhost.set(vhost, patterns);
    account.version++;
    this.#store.put(kind, keyOf(user, vhost), patterns.permission);
    this.#changed({ event: "permission.created", permission: patterns.permission });
    return undefined;
  }

  /** Answers whether there was one. */
  clear(user: string, vhost: string): boolean {
    const account = this.#accounts.get(user);
    if (account === undefined || !account.permissionsByVhost.delete(vhost)) return false;
    account.version++;
    this.#store.remove(kind, keyOf(user, vhost));
    this.#changed({ event: "permission.deleted", name: user, vhost });
    return true;
  }

  find(user: string, vhost: string): Permission | undefined {
    return this.#accounts.get(user)?.permissionsByVhost.get(vhost)?.permission;
  }

  *ofUser(user: string): Iterable<Permission> {
    const account = this.#accounts.get(user);
    if (account !== undefined) for (const { permission } of account.permissionsByVhost.values()) yield permission;
  }

  *ofVhost(vhost: string): Iterable<Permission> {
    for (const user of this.#accounts.keys()) {
      const permission = this.find(user, vhost);
      if (permission !== undefined) yield permission;
    }
  }

  *all(): Iterable<Permission> {
    for (const user of this.#accounts.keys()) yield* this.ofUser(user);
  }

  clearUser({ name, permissionsByVhost }: Account): void {
    for (const vhost of [...permissionsByVhost.keys()]) this.clear(name, vhost);
  }

  clearVhost(vhost: string): void {
    for (const user of this.#accounts.keys()) this.clear(user, vhost);
  }
}

function keyOf(user: string, vhost: string): string {
  return JSON.stringify([user, vhost]);
}

/** The pattern of a permission; the empty one allows nothing. A fault says what is wrong with it. */
export function readPermissionPattern(text: string): Pattern | AuthFault {
  const pattern = Pattern.read(text === "" ? nothing : text);
  if (!(pattern instanceof PatternFault)) return pattern;
  return new AuthFault(
    "badPattern",
    `regular expression '${text}' is invalid: ${pattern.text} at position ${pattern.at}`,
  );
}

function compile({ user, vhost, configure, write, read }: Permission): PermissionPatterns | AuthFault {
  const patterns = [configure, write, read].map(readPermissionPattern);
  const fault = patterns.find((each) => each instanceof AuthFault);
  if (fault !== undefined) return fault;
  const [toConfigure, toWrite, toRead] = patterns as Pattern[];
  const permission: Permission = { user, vhost, configure, write, read };
  return { permission, configure: toConfigure!, write: toWrite!, read: toRead! };
}

/** One that was kept by a version that could read more than this one allows nothing. */
function compileKept(permission: Permission): PermissionPatterns {
  const patterns = compile(permission);
  if (!(patterns instanceof AuthFault)) return patterns;
  const none = readPermissionPattern("") as Pattern;
  return { permission, configure: none, write: none, read: none };
}
