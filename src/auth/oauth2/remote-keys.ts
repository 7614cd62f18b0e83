/**
 * The signing keys that an identity provider publishes, fetched when they are needed and kept.
 *
 * They are fetched at the first login, when a token names a key that is not there (the provider has a new one), and when
 * those that are there are old (one may have been withdrawn). All who wait share one fetch, which ends by a deadline and
 * takes a bounded number of bytes; after it, whether it went well or not, the next one has to wait a while. So neither a
 * provider that hangs nor tokens with made-up key ids keep logins waiting or the provider busy.
 *
 * When old keys cannot be fetched again, they go on counting, with a warning: a provider's bad hour must not lock
 * everybody out. Without any key, logins are refused.
 */

import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../observe/log.ts";
import { isKeyUrl } from "./key-url.ts";
import { readKeySet, type SigningKey, type SigningKeys } from "./signing-keys.ts";

/** Fetches a text; rejects when it cannot be had, is longer than `bytesMax`, or when `signal` says so. */
export type FetchText = (url: string, bytesMax: number, signal: AbortSignal) => Promise<string>;

export interface RemoteKeysOptions {
  /** Of the key set; or of an issuer, whose OpenID configuration says where that is. */
  readonly source: { readonly jwksUrl: string } | { readonly issuer: string };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fetchText: FetchText;
}

const deadlineMs = 5000;
const pauseMs = 10_000;
const maxAgeMs = 600_000;
const bytesMax = 1024 * 1024;

export class RemoteKeys {
  readonly #options: RemoteKeysOptions;
  #keys: SigningKeys = new Map();
  #fetchedAtMs = -Infinity;
  #triedAtMs = -Infinity;
  #fetching: Promise<void> | undefined;

  constructor(options: RemoteKeysOptions) {
    this.#options = options;
  }

  /** All that are known by now. */
  get known(): SigningKeys {
    return this.#keys;
  }

  /** Whether there was ever an answer. */
  get isKnown(): boolean {
    return this.#fetchedAtMs !== -Infinity;
  }

  /** The key with this id, fetched if need be. Never rejects, and answers within the deadline. */
  async find(id: string): Promise<SigningKey | undefined> {
    const nowMs = this.#options.clock.now();
    const isOld = nowMs - this.#fetchedAtMs >= maxAgeMs || nowMs < this.#fetchedAtMs;
    if (isOld || !this.#keys.has(id)) await this.refresh();
    return this.#keys.get(id);
  }

  /** Fetches them, unless that was tried just now. Never rejects. */
  refresh(): Promise<void> {
    const { clock } = this.#options;
    const sinceMs = clock.now() - this.#triedAtMs;
    if (this.#fetching !== undefined) return this.#fetching;
    if (sinceMs >= 0 && sinceMs < pauseMs) return Promise.resolve();
    this.#fetching = this.#fetch().finally(() => {
      this.#triedAtMs = clock.now();
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #fetch(): Promise<void> {
    const { clock, logger, source } = this.#options;
    const abort = new AbortController();
    const timer = clock.setTimer(clock.now() + deadlineMs, () =>
      abort.abort(new Error(`no answer within ${deadlineMs} ms`)),
    );
    let url = "jwksUrl" in source ? source.jwksUrl : configurationUrl(source.issuer);
    try {
      if ("issuer" in source) url = await this.#discover(source.issuer, abort.signal);
      this.#keys = readKeySet(await this.#options.fetchText(url, bytesMax, abort.signal), false);
      this.#fetchedAtMs = clock.now();
      logger.info("signing keys for tokens fetched", { url, count: this.#keys.size });
    } catch (error) {
      const fields = { url, reason: reasonOf(error) };
      if (this.isKnown) logger.warn("signing keys for tokens could not be fetched again; the old ones count", fields);
      else logger.error("signing keys for tokens could not be fetched: logins by token are refused", fields);
    } finally {
      clock.clearTimer(timer);
    }
  }

  async #discover(issuer: string, signal: AbortSignal): Promise<string> {
    const text = await this.#options.fetchText(configurationUrl(issuer), bytesMax, signal);
    const configuration = JSON.parse(text) as Record<string, unknown> | null;
    const url = configuration?.["jwks_uri"];
    if (typeof url !== "string") throw new Error("the issuer's configuration has no jwks_uri");
    if (!isKeyUrl(url)) throw new Error("the issuer's jwks_uri is no https:// URL");
    return url;
  }
}

function configurationUrl(issuer: string): string {
  return `${issuer.replace(/\/+$/, "")}/.well-known/openid-configuration`;
}

/** With what lies behind it: fetch's own message is "fetch failed". */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error && cause.message !== "" ? `${message}: ${cause.message}` : message;
}
