/**
 * Who may log in. Users are definitions like any other: they go through the same journal as messages, and are read
 * where they are kept, so that a change counts for the next login.
 */

import { hashPassword, verifyPassword } from "./password.ts";

/** A user as kept. */
export interface UserRecord {
  readonly passwordHash: string;
  /** `administrator`, `impersonator` (may publish in another's name), ... */
  readonly tags: readonly string[];
}

/** Who is logged in. */
export interface User {
  readonly name: string;
  readonly tags: readonly string[];
}

/** Where users are kept: what the broker's definitions look like from here. */
export interface UserStore {
  get(kind: string, name: string): unknown;
  entries(kind: string): Iterable<[string, unknown]>;
  put(kind: string, name: string, value: unknown): void;
  remove(kind: string, name: string): void;
}

const kind = "user";
const guest = "guest";

/** Compared with when the user does not exist, so that the time taken does not tell. */
const nobody: UserRecord = { passwordHash: hashPassword("", Buffer.alloc(4)), tags: [] };

export class Users {
  readonly #store: UserStore;
  readonly #bytes: (count: number) => Buffer;

  /** @param bytes a source of chance, for salts. */
  constructor(store: UserStore, bytes: (count: number) => Buffer) {
    this.#store = store;
    this.#bytes = bytes;
  }

  /** Creates guest / guest, an administrator, when there are no users: at the first start. */
  createFirst(): void {
    for (const _ of this.#store.entries(kind)) return;
    this.put(guest, guest, ["administrator"]);
  }

  put(name: string, password: string, tags: readonly string[]): void {
    const record: UserRecord = { passwordHash: hashPassword(password, this.#bytes(4)), tags };
    this.#store.put(kind, name, record);
  }

  find(name: string): User | undefined {
    const record = this.#store.get(kind, name) as UserRecord | undefined;
    return record === undefined ? undefined : { name, tags: record.tags };
  }

  /** The user, if the password is theirs. */
  login(name: string, password: string): User | undefined {
    const record = this.#store.get(kind, name) as UserRecord | undefined;
    const isRight = verifyPassword((record ?? nobody).passwordHash, password);
    return isRight && record !== undefined ? { name, tags: record.tags } : undefined;
  }

  /** guest's password is known to everybody: it counts from this machine only. */
  mayConnectFrom(user: User, isLoopback: boolean): boolean {
    return isLoopback || user.name !== guest;
  }
}
