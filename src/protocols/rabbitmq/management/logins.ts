/**
 * Who sends a request: the Authorization header, Basic or Bearer, and with neither nobody. Tools send a name and password
 * with every request, so a login that was right counts for some seconds without the password being hashed again; it is
 * forgotten the moment that anything about the user changes. The header itself is not kept, only a keyed hash of it.
 *
 * A failure is answered late (auth/penalty.ts says how late), and holds back nobody but its own connection.
 */

import { createHmac } from "node:crypto";
import type { Identity } from "../../../auth/identity.ts";
import { LoginPenalty } from "../../../auth/penalty.ts";
import { Refusal } from "../../../auth/refusal.ts";
import type { Clock } from "../../../base/clock.ts";
import type { LimitedLog } from "../../../observe/limited-log.ts";
import { notAuthorised, refused, type Reply } from "./reply.ts";
import type { HttpPeer, HttpRequest } from "../../../server/http/http-handler.ts";

export type Credentials = { readonly name: string; readonly password: string } | { readonly token: string };

/** Asks the authority. */
export type CheckLogin = (credentials: Credentials, peer: HttpPeer) => Identity | Refusal | Promise<Identity | Refusal>;

interface Known {
  readonly identity: Identity;
  readonly version: number;
  readonly untilMs: number;
}

export interface LoginOptions {
  readonly check: CheckLogin;
  readonly clock: Clock;
  readonly log: LimitedLog;
  /** Of chance; keys the hashes. */
  readonly secret: Buffer;
}

export const realm = 'Basic realm="RabbitMQ Management"';
const knownMs = 20_000;
const knownMax = 1000;
const heldMax = 1000;

export class Logins {
  readonly #options: LoginOptions;
  readonly #penalty = new LoginPenalty();
  readonly #knownByHash = new Map<string, Known>();
  #heldCount = 0;

  constructor(options: LoginOptions) {
    this.#options = options;
  }

  /** `none`: the request has no credentials; `malformed`: it has something that is none. Any other failure comes late. */
  async identify(request: HttpRequest): Promise<Identity | Refusal | "none" | "malformed"> {
    const header = request.header("authorization");
    if (header === undefined || header === "") return "none";
    const credentials = credentialsIn(header);
    return credentials === undefined ? "malformed" : this.login(credentials, request.peer, header);
  }

  /** @param evidence of what the login rests on, in full: what is equal is the same login. */
  async login(credentials: Credentials, peer: HttpPeer, evidence: string): Promise<Identity | Refusal> {
    const { clock, check, secret, log } = this.#options;
    const hash = createHmac("sha256", secret).update(`${peer.address}\n${evidence}`).digest("base64");
    const known = this.#knownByHash.get(hash);
    if (known !== undefined) {
      const { identity } = known;
      const nowMs = clock.now();
      if (identity.version === known.version && nowMs < known.untilMs && nowMs < identity.expiresAtMs) return identity;
      this.#knownByHash.delete(hash);
    }
    const outcome = await check(credentials, peer);
    if (outcome instanceof Refusal) {
      log.warn("HTTP access denied", { reason: outcome.reason, address: peer.address });
      await this.#hold(peer);
      return outcome;
    }
    this.#penalty.succeeded(peer.address);
    if (this.#knownByHash.size >= knownMax) this.#knownByHash.clear();
    this.#knownByHash.set(hash, { identity: outcome, version: outcome.version, untilMs: clock.now() + knownMs });
    return outcome;
  }

  /** Past a number of those that wait, the rest is answered at once: waiting must not cost the broker its memory. */
  async #hold(peer: HttpPeer): Promise<void> {
    const { clock } = this.#options;
    const nowMs = clock.now();
    const holdMs = this.#penalty.failed(peer.address, nowMs);
    if (this.#heldCount >= heldMax) return;
    this.#heldCount++;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.setTimer(nowMs + holdMs, resolve);
    peer.whenGone(resolve);
    await promise;
    clock.clearTimer(timer);
    this.#heldCount--;
  }
}

export function loginFailed(refusal: Refusal): Reply {
  if (refusal.cause === "loopback") return notAuthorised("User can only log in via localhost");
  const failed = refused(401, "not_authorized", "Login failed");
  return { ...failed, headers: { "www-authenticate": realm } };
}

function credentialsIn(header: string): Credentials | undefined {
  const [, scheme, value] = /^(\w+) +(\S+)$/.exec(header) ?? [];
  if (scheme === undefined || value === undefined) return undefined;
  switch (scheme.toLowerCase()) {
    case "basic":
      return namePassword(value);
    case "bearer":
      return { token: value };
    default:
      return undefined;
  }
}

/** What stands in Basic's base64: the name has no colon, the password may. */
export function namePassword(base64: string): Credentials | undefined {
  const text = Buffer.from(base64, "base64").toString();
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) };
}
