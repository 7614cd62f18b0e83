/**
 * Judges JSON Web Tokens: signature, audience, issuer, time; then who it is and what the scopes permit. Follows
 * RabbitMQ's plug-in for OAuth 2 in what it takes and in its words; stricter: `nbf` and, where an issuer is configured,
 * `iss` count, and a token's texts inside of patterns are taken by the letter.
 *
 * The algorithm is never the token's choice: it must be on the list, be the key's own where the key says one, and fit its
 * type. No reason repeats any part of a token.
 */

import type { errors as JoseErrors, JWTHeaderParameters, JWTPayload } from "jose";
import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../observe/log.ts";
import { Refusal } from "../refusal.ts";
import { RemoteKeys, type FetchText } from "./remote-keys.ts";
import { Scopes, scopesMax } from "./scopes.ts";
import type { SigningKey, SigningKeys } from "./signing-keys.ts";
import { TokenIdentity, type UserLimitsSource } from "./token-identity.ts";
import { scopesOf, type ScopeSettings } from "./token-scopes.ts";

export interface TokenSettings extends ScopeSettings {
  /** Whether the audience has to hold our resource server's id. */
  readonly verifyAudience: boolean;
  /** Whether a token must say when it ends. */
  readonly requireExpiry: boolean;
  /** Whose tokens are taken, and who says where the keys are, unless `jwksUrl` does. */
  readonly issuer: string | undefined;
  readonly verifyIssuer: boolean;
  readonly jwksUrl: string | undefined;
  /** From files. */
  readonly keys: SigningKeys;
  /** Id of the key of tokens that name none. */
  readonly defaultKey: string | undefined;
  readonly algorithms: readonly string[];
  /** Claims that name the user, the best first. */
  readonly usernameClaims: readonly string[];
}

export interface TokensOptions {
  readonly settings: TokenSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: UserLimitsSource;
  readonly fetchText: FetchText;
}

const failed = "Authentication using an OAuth 2/JWT token failed: ";
const tokenLengthMax = 65_536;
const unknownUser = "unknown";

export class Tokens {
  readonly #options: TokensOptions;
  readonly #remote: RemoteKeys | undefined;
  /** Loaded by the first who needs it: a broker without tokens starts without. */
  readonly #jose = import("jose");

  constructor(options: TokensOptions) {
    const { settings, clock, logger, fetchText } = options;
    const { jwksUrl, issuer } = settings;
    this.#options = options;
    const source = jwksUrl !== undefined ? { jwksUrl } : issuer !== undefined ? { issuer } : undefined;
    this.#remote = source && new RemoteKeys({ source, clock, logger, fetchText });
  }

  /** Never rejects. */
  async judge(token: string): Promise<TokenIdentity | Refusal> {
    const { settings, clock } = this.#options;
    if (token.length > tokenLengthMax) return refuse("provided token is too long");
    const { errors, jwtVerify } = await this.#jose;
    try {
      const { payload } = await jwtVerify(token, (header) => this.#keyFor(header), {
        algorithms: [...settings.algorithms],
        currentDate: new Date(clock.now()),
      });
      return this.#identify(payload);
    } catch (error) {
      return this.#refusalOf(error, errors);
    }
  }

  #identify(claims: JWTPayload): TokenIdentity | Refusal {
    const { settings, clock, limits } = this.#options;
    if (settings.verifyAudience) {
      const audience = typeof claims.aud === "string" ? claims.aud.split(" ") : claims.aud;
      if (audience === undefined) return refuse("no_aud_found");
      if (!Array.isArray(audience) || !audience.includes(settings.resourceServerId))
        return refuse("no_matching_aud_found");
    }
    if (settings.issuer !== undefined && settings.verifyIssuer && claims.iss !== settings.issuer)
      return refuse("the token is another issuer's");
    if (claims.exp === undefined && settings.requireExpiry) return refuse("Provided JWT token has no exp claim");
    const scopes = scopesOf(claims, settings);
    if (scopes.length > scopesMax) return refuse("too_many_scopes");
    const named = settings.usernameClaims.map((claim) => claims[claim]).find((value) => typeof value === "string");
    const expiresAtMs = claims.exp === undefined ? Infinity : Math.trunc(claims.exp) * 1000;
    if (expiresAtMs <= clock.now()) return refuse(expired(claims.exp!, clock));
    return new TokenIdentity(named ?? unknownUser, expiresAtMs, new Scopes(scopes, claims), clock, limits);
  }

  async #keyFor(header: JWTHeaderParameters): Promise<SigningKey["key"]> {
    const found = await this.#findKey(header.kid);
    if (found === undefined) {
      const isUnreachable = this.#remote !== undefined && !this.#remote.isKnown;
      throw new KeyMissing(isUnreachable ? "the signing keys cannot be fetched" : "key_not_found");
    }
    if (found.algorithm !== undefined && found.algorithm !== header.alg)
      throw new KeyMissing("the key is for another algorithm");
    return found.key;
  }

  async #findKey(kid: string | undefined): Promise<SigningKey | undefined> {
    const { keys, defaultKey } = this.#options.settings;
    const id = kid ?? defaultKey;
    if (id !== undefined) return keys.get(id) ?? (await this.#remote?.find(id));
    // A token that names no key can only mean the only one.
    await this.#remote?.find("");
    const all = [...keys.values(), ...(this.#remote?.known.values() ?? [])];
    return all.length === 1 ? all[0] : undefined;
  }

  #refusalOf(error: unknown, errors: typeof JoseErrors): Refusal {
    const { clock, logger } = this.#options;
    if (error instanceof KeyMissing) {
      return refuse(error.message, this.#remote?.isKnown === false ? "unavailable" : "credentials");
    }
    if (error instanceof errors.JWTExpired) return refuse(expired(error.payload.exp!, clock));
    if (error instanceof errors.JWSSignatureVerificationFailed) return refuse("signature_invalid");
    if (error instanceof errors.JOSEAlgNotAllowed) return refuse("its algorithm is not allowed");
    if (error instanceof errors.JWTClaimValidationFailed) return refuse(`its claim ${error.claim} does not hold`);
    // A key that does not fit the algorithm (TypeError), or text that is no token.
    if (!(error instanceof errors.JOSEError) && !(error instanceof TypeError))
      logger.error("a token could not be judged", { error });
    return refuse("provided token is invalid");
  }
}

class KeyMissing extends Error {}

function refuse(reason: string, cause: Refusal["cause"] = "credentials"): Refusal {
  return new Refusal(failed + reason, undefined, cause);
}

function expired(exp: number, clock: Clock): string {
  const at = Math.trunc(exp);
  return `Provided JWT token has expired at timestamp ${at} (validated at ${Math.floor(clock.now() / 1000)})`;
}
