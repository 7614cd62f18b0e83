/**
 * The users: who may log in, with which password, tags and limits. They are definitions like any other, and go through the
 * same journal as messages; a change counts at once, also for who is logged in.
 *
 * Deleting a user deletes the permissions first. Should the machine fail in between, a user with fewer permissions is
 * left, never permissions that wait for somebody to take the name again.
 */

import { Account, type Accounts, type UserLimits, type UserRecord } from "./account.ts";
import type { ChangeListener, UserStore } from "./changes.ts";
import { checkHash, defaultHashing, hashPassword, isHashingAlgorithm, type HashingAlgorithm } from "./password.ts";
import { AuthFault } from "./refusal.ts";
import { deriveScram, scramSaltBytes, type ScramCredentials } from "./scram.ts";

/** A user as seen from outside. */
export interface User {
  readonly name: string;
  /** Base64; empty: no login by password. */
  readonly passwordHash: string;
  readonly hashingAlgorithm: HashingAlgorithm;
  readonly tags: readonly string[];
  readonly limits: UserLimits;
}

/** What to make of a user. Without password and hash, no login by password is possible. */
export interface UserDraft {
  readonly password?: string;
  /** What SCRAM needs of the password is derived when somebody asks for it: the caller sees to that. */
  readonly derivesLater?: boolean;
  readonly passwordHash?: string;
  /** Of the hash; the default is RabbitMQ's. */
  readonly hashingAlgorithm?: string;
  readonly tags: readonly string[];
  /** Left as they are when absent. */
  readonly limits?: UserLimits;
}

const kind = "user";
const tagsMax = 32;
const limitNames = ["max-connections", "max-channels"] as const;
export type LimitName = (typeof limitNames)[number];

export class Users {
  readonly #store: UserStore;
  readonly #accounts: Accounts;
  readonly #bytes: (count: number) => Buffer;
  readonly #changed: ChangeListener;
  readonly #clearPermissions: (account: Account) => void;

  /**
   * @param bytes a source of chance, for salts.
   * @param clearPermissions deletes all that an account may do.
   */
  constructor(
    store: UserStore,
    accounts: Accounts,
    bytes: (count: number) => Buffer,
    changed: ChangeListener,
    clearPermissions: (account: Account) => void,
  ) {
    this.#store = store;
    this.#accounts = accounts;
    this.#bytes = bytes;
    this.#changed = changed;
    this.#clearPermissions = clearPermissions;
    for (const [name, record] of store.entries(kind)) accounts.set(name, new Account(name, record as UserRecord));
  }

  get count(): number {
    return this.#accounts.size;
  }

  find(name: string): User | undefined {
    const account = this.#accounts.get(name);
    return account && view(account);
  }

  *all(): Iterable<User> {
    for (const account of this.#accounts.values()) yield view(account);
  }

  /** Creates a user, or sets password and tags of one that exists. Undefined: done. */
  put(name: string, draft: UserDraft): AuthFault | undefined {
    const account = this.#accounts.get(name);
    const secret = this.#secretOf(draft, account);
    const fault = secret instanceof AuthFault ? secret : (checkTags(draft.tags) ?? checkLimits(draft.limits));
    if (fault !== undefined) return fault;
    const limits = draft.limits ?? account?.record.limits ?? {};
    const record: UserRecord = { ...(secret as Secret), tags: [...draft.tags], limits };
    this.#store.put(kind, name, record);
    if (account === undefined) {
      this.#accounts.set(name, new Account(name, record));
      this.#changed({ event: "user.created", name });
    } else {
      this.#replace(account, record);
      const isCleared = record.passwordHash === "";
      this.#changed({ event: isCleared ? "user.password.cleared" : "user.password.changed", name });
    }
    if (record.tags.length > 0 || account !== undefined)
      this.#changed({ event: "user.tags.set", name, tags: record.tags });
    if (draft.limits !== undefined) this.#changed({ event: "user.limits.set", name });
    return undefined;
  }

  /** Sets what is given and leaves the rest. */
  update(name: string, change: Partial<UserDraft>): AuthFault | undefined {
    const account = this.#accounts.get(name);
    if (account === undefined) return noSuchUser(name);
    const hasSecret = change.password !== undefined || change.passwordHash !== undefined;
    const secret = hasSecret ? this.#secretOf(change, account) : {};
    if (secret instanceof AuthFault) return secret;
    const tags = change.tags ?? account.record.tags;
    const fault = checkTags(tags) ?? checkLimits(change.limits);
    if (fault !== undefined) return fault;
    const record = {
      ...account.record,
      ...secret,
      tags: [...tags],
      limits: change.limits ?? account.record.limits ?? {},
    };
    this.#save(account, record);
    if (hasSecret) {
      const isCleared = record.passwordHash === "";
      this.#changed({ event: isCleared ? "user.password.cleared" : "user.password.changed", name });
    }
    if (change.tags !== undefined) this.#changed({ event: "user.tags.set", name, tags });
    if (change.limits !== undefined) this.#changed({ event: "user.limits.set", name });
    return undefined;
  }

  /** With all permissions. Answers whether there was such a user. Connections are the listeners' to end. */
  delete(name: string): boolean {
    const account = this.#accounts.get(name);
    if (account === undefined) return false;
    this.#clearPermissions(account);
    this.#store.remove(kind, name);
    this.#accounts.delete(name);
    account.isDeleted = true;
    account.version++;
    this.#changed({ event: "user.deleted", name });
    return true;
  }

  /** Sets one limit; a negative value means none. */
  setLimit(name: string, limit: string, value: unknown): AuthFault | undefined {
    const account = this.#accounts.get(name);
    if (account === undefined) return noSuchUser(name);
    const fault = checkLimits({ [limit]: value });
    if (fault !== undefined) return fault;
    this.#save(account, { ...account.record, limits: { ...account.record.limits, [limit]: value } });
    this.#changed({ event: "user.limits.set", name });
    return undefined;
  }

  clearLimit(name: string, limit: LimitName | "all"): AuthFault | undefined {
    const account = this.#accounts.get(name);
    if (account === undefined) return noSuchUser(name);
    const kept = Object.entries(account.record.limits ?? {}).filter(([each]) => limit !== "all" && each !== limit);
    this.#save(account, { ...account.record, limits: Object.fromEntries(kept) });
    this.#changed({ event: "user.limits.cleared", name });
    return undefined;
  }

  /** Keeps what SCRAM needs of the password that the user has. There is such a user. */
  deriveScram(name: string, password: string): ScramCredentials {
    const account = this.#accounts.get(name)!;
    const scram = deriveScram(password, this.#bytes(scramSaltBytes));
    this.#store.put(kind, name, { ...account.record, scram });
    // Nothing that anybody is told of has changed, so neither has the version.
    account.record = { ...account.record, scram };
    return scram;
  }

  /** The form in which a password would be kept. */
  hash(password: string): string {
    return hashPassword(password, this.#bytes(4));
  }

  /** @param account whose it is to be, if there is one. */
  #secretOf(draft: Partial<UserDraft>, account: Account | undefined): Secret | AuthFault {
    const { password, passwordHash, hashingAlgorithm = defaultHashing } = draft;
    if (password !== undefined && passwordHash !== undefined)
      return new AuthFault("contradiction", "both_password_and_password_hash_are_provided");
    if (!isHashingAlgorithm(hashingAlgorithm))
      return new AuthFault("badHash", `unknown hashing algorithm '${hashingAlgorithm}'`);
    if (passwordHash !== undefined) {
      const wrong = checkHash(passwordHash, hashingAlgorithm);
      if (wrong !== undefined) return new AuthFault("badHash", wrong);
      // The hash that it has, as of a file of definitions that is imported at each start, is the same password.
      const scram = account?.record.passwordHash === passwordHash ? account.record.scram : undefined;
      return { passwordHash, hashingAlgorithm, scram };
    }
    if (password === undefined) return { passwordHash: "", hashingAlgorithm: defaultHashing, scram: undefined };
    // An empty password is hashed as any other; nobody is let in with it, see authority.ts.
    const isDerived = password !== "" && draft.derivesLater !== true;
    const scram = isDerived ? deriveScram(password, this.#bytes(scramSaltBytes)) : undefined;
    return { passwordHash: this.hash(password), hashingAlgorithm: defaultHashing, scram };
  }

  #save(account: Account, record: UserRecord): void {
    this.#store.put(kind, account.name, record);
    this.#replace(account, record);
  }

  #replace(account: Account, record: UserRecord): void {
    account.record = record;
    account.version++;
  }
}

interface Secret {
  readonly passwordHash: string;
  readonly hashingAlgorithm: HashingAlgorithm;
  readonly scram: ScramCredentials | undefined;
}

export function noSuchUser(name: string): AuthFault {
  return new AuthFault("noSuchUser", `user '${name}' does not exist`);
}

function checkTags(tags: readonly string[]): AuthFault | undefined {
  if (tags.length > tagsMax) return new AuthFault("badTags", `a user has ${tagsMax} tags at most`);
  const long = tags.find((tag) => tag.length > 255);
  return long === undefined ? undefined : new AuthFault("badTags", "a tag has 255 characters at most");
}

function checkLimits(limits: unknown): AuthFault | undefined {
  if (limits === undefined) return undefined;
  for (const [name, value] of Object.entries(limits as Record<string, unknown>)) {
    if (!limitNames.includes(name as LimitName))
      return new AuthFault("badLimit", `Unrecognised terms [{<<"${name}">>}] in user-limits`);
    if (!Number.isSafeInteger(value))
      return new AuthFault("badLimit", `${name} should be an integer, actually was ${JSON.stringify(value)}`);
  }
  return undefined;
}

function view({ name, record }: Account): User {
  const { passwordHash, tags, hashingAlgorithm = defaultHashing, limits = {} } = record;
  return { name, passwordHash, hashingAlgorithm, tags, limits };
}
