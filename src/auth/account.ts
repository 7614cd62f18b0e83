/**
 * A user in memory: the record as kept, and the user's permissions beside it, compiled.
 *
 * An account lives as long as the user does. One that is deleted is marked, and refuses for ever: a user who is made
 * again under the name is another one, and who was logged in as the first gains nothing by it.
 */

import type { Pattern } from "../base/pattern.ts";
import type { Permission, TopicPermission, UserStore } from "./changes.ts";
import type { HashingAlgorithm } from "./password.ts";
import type { ScramCredentials } from "./scram.ts";

/** As kept. Before there were more of them, records held hash and tags only. */
export interface UserRecord {
  readonly passwordHash: string;
  readonly hashingAlgorithm?: HashingAlgorithm;
  /** Absent: the password was set as a hash, or has not been asked for since the first start. */
  readonly scram?: ScramCredentials | undefined;
  readonly tags: readonly string[];
  readonly limits?: UserLimits;
}

/** Absent: no limit. A negative number means none as well. */
export interface UserLimits {
  readonly "max-connections"?: number;
  readonly "max-channels"?: number;
}

export interface PermissionPatterns {
  /** As it was set. */
  readonly permission: Permission;
  readonly configure: Pattern;
  readonly write: Pattern;
  readonly read: Pattern;
}

export interface TopicPatterns {
  /** As it was set. */
  readonly permission: TopicPermission;
  /** With {username} and {vhost} filled in; undefined when it speaks of {client_id}, which each login has its own of. */
  readonly write: Pattern | undefined;
  readonly read: Pattern | undefined;
}

export class Account {
  readonly name: string;
  record: UserRecord;
  /** Rises with each change of the user, or of what the user may do. */
  version = 1;
  isDeleted = false;
  readonly permissionsByVhost = new Map<string, PermissionPatterns>();
  readonly topicsByVhost = new Map<string, Map<string, TopicPatterns>>();

  constructor(name: string, record: UserRecord) {
    this.name = name;
    this.record = record;
  }
}

/** All users by name: what the parts of an Authority share. */
export type Accounts = Map<string, Account>;

/** Reads what is kept of a kind into the accounts; what is kept of users that are gone is removed. */
export function takeKept(
  store: UserStore,
  accounts: Accounts,
  kind: string,
  take: (account: Account, kept: unknown) => void,
): void {
  for (const [key, value] of [...store.entries(kind)]) {
    const account = accounts.get((value as { readonly user: string }).user);
    if (account === undefined) store.remove(kind, key);
    else take(account, value);
  }
}
