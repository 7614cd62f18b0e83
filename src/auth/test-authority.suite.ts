/** For tests: an authority over a store in memory, which outlives it as the broker's definitions do. */

import { VirtualClock } from "../base/clock.ts";
import { silentLogger } from "../observe/log.ts";
import { Authority, plainAuthSettings, type AuthSettings } from "./authority.ts";
import type { UserStore } from "./changes.ts";
import type { Identity } from "./identity.ts";
import type { Login, LoginOutcome, Proof } from "./login.ts";
import { Refusal } from "./refusal.ts";

export function memoryStore(): UserStore {
  const kinds = new Map<string, Map<string, unknown>>();
  const of = (kind: string): Map<string, unknown> => {
    let values = kinds.get(kind);
    if (values === undefined) kinds.set(kind, (values = new Map()));
    return values;
  };
  return {
    get: (kind, name) => of(kind).get(name),
    entries: (kind) => of(kind).entries(),
    // As the journal does: what is kept is not the caller's object.
    put: (kind, name, value) => void of(kind).set(name, JSON.parse(JSON.stringify(value))),
    remove: (kind, name) => void of(kind).delete(name),
  };
}

export function openAuthority(store = memoryStore(), settings: Partial<AuthSettings> = {}): Authority {
  let salt = 0;
  return new Authority({
    store,
    clock: new VirtualClock(),
    bytes: (count) => Buffer.alloc(count, ++salt),
    logger: silentLogger,
    settings: { ...plainAuthSettings, ...settings },
  });
}

export function loginFor(proof: Proof, change: Partial<Login> = {}): Login {
  return { proof, remoteAddress: "127.0.0.1", isLoopback: true, protocol: "amqp091", ...change };
}

/** The outcome of a login by password, which comes at once. */
export function logIn(authority: Authority, name: string, password: string, change: Partial<Login> = {}): LoginOutcome {
  const outcome = authority.login(loginFor({ kind: "password", name, password }, change));
  if (outcome instanceof Promise) throw new Error("a password is judged at once");
  return outcome;
}

/** The identity of a login that must succeed. */
export function identityOf(
  authority: Authority,
  name: string,
  password: string,
  change: Partial<Login> = {},
): Identity {
  const outcome = logIn(authority, name, password, change);
  if (outcome instanceof Refusal) throw new Error(outcome.reason);
  return outcome;
}
