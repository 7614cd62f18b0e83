import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { SignJWT, UnsecuredJWT, type JWTPayload } from "jose";
import { VirtualClock } from "../../base/clock.ts";
import { silentLogger, type Logger } from "../../observe/log.ts";
import { Authority, plainAuthSettings } from "../authority.ts";
import type { Identity } from "../identity.ts";
import { Refusal } from "../refusal.ts";
import { loginFor, memoryStore } from "../test-authority.suite.ts";
import type { FetchText } from "./remote-keys.ts";
import { allAlgorithms, readKeySet, readPemKey } from "./signing-keys.ts";
import type { TokenSettings } from "./tokens.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const otherRsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const elliptic = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = rsa.publicKey.export({ type: "spki", format: "pem" });

const standard: TokenSettings = {
  resourceServerId: "rabbitmq",
  scopePrefix: "rabbitmq.",
  additionalScopesKeys: [],
  scopeAliases: new Map(),
  verifyAudience: true,
  requireExpiry: true,
  issuer: undefined,
  verifyIssuer: true,
  jwksUrl: undefined,
  keys: new Map([["k1", readPemKey(pem)]]),
  defaultKey: undefined,
  algorithms: allAlgorithms,
  usernameClaims: ["sub", "client_id"],
};

class House {
  readonly clock = new VirtualClock();
  readonly authority: Authority;
  readonly lines: string[] = [];

  constructor(change: Partial<TokenSettings> = {}, fetchText?: FetchText, backends = ["internal", "oauth2"] as const) {
    const note = (message: string): void => void this.lines.push(message);
    const logger: Logger = { ...silentLogger, info: note, warn: note, error: note };
    this.authority = new Authority({
      store: memoryStore(),
      clock: this.clock,
      bytes: (count) => Buffer.alloc(count),
      logger,
      settings: { ...plainAuthSettings, backends, tokens: { ...standard, ...change } },
      ...(fetchText && { fetchText }),
    });
    this.authority.createFirst();
  }

  get nowSeconds(): number {
    return this.clock.now() / 1000;
  }

  claims(change: Record<string, unknown> = {}): JWTPayload {
    const scope = "rabbitmq.configure:*/* rabbitmq.write:*/* rabbitmq.read:*/* rabbitmq.tag:administrator";
    return { sub: "ann", aud: ["rabbitmq", "other"], exp: this.nowSeconds + 60, scope, ...change };
  }

  sign(
    change: Record<string, unknown> = {},
    key = rsa.privateKey,
    header: { alg?: string; kid?: string } = {},
  ): Promise<string> {
    return new SignJWT(this.claims(change)).setProtectedHeader({ alg: "RS256", kid: "k1", ...header }).sign(key);
  }

  async login(token: string): Promise<Identity | Refusal> {
    return this.authority.login(loginFor({ kind: "password", name: "ignored", password: token }));
  }

  async reason(token: string): Promise<string> {
    const outcome = await this.login(token);
    assert.ok(outcome instanceof Refusal, "it was accepted");
    assert.ok(!outcome.reason.includes(token.slice(-20)), "the reason must not hold the token");
    return outcome.reason.replace("Authentication using an OAuth 2/JWT token failed: ", "");
  }

  async identity(token: string): Promise<Identity> {
    const outcome = await this.login(token);
    if (outcome instanceof Refusal) assert.fail(outcome.reason);
    return outcome;
  }
}

test("a token in the password's place logs in whom it names, with its scopes, until it ends", async () => {
  const house = new House();
  const identity = await house.identity(await house.sign());
  assert.equal(identity.name, "ann");
  assert.deepEqual(identity.tags, ["administrator"]);
  assert.equal(identity.expiresAtMs, house.clock.now() + 60_000);
  assert.equal(identity.may("configure", "/", "q"), true);
  assert.equal(identity.connectionsMax, -1);
  const { version } = identity;
  house.clock.advance(60_000);
  assert.notEqual(identity.version, version);
  assert.equal(identity.may("configure", "/", "q"), false);
  assert.equal(identity.mayEnter("/"), false);
  assert.deepEqual(identity.tags, []);
});

test("a bearer token does as well, and a plain password beside it", async () => {
  const house = new House();
  const bearer = await house.authority.login(loginFor({ kind: "token", token: await house.sign() }));
  assert.ok(!(bearer instanceof Refusal));
  const guest = house.authority.login(loginFor({ kind: "password", name: "guest", password: "guest" }));
  assert.ok(!(guest instanceof Refusal) && !(guest instanceof Promise));
  assert.equal(await house.reason("wrong"), "user 'ignored' - invalid credentials");
});

test("what is wrong with a token is said in the log's reason", async () => {
  const house = new House();
  const now = house.nowSeconds;
  assert.equal(
    await house.reason(await house.sign({ exp: now })),
    `Provided JWT token has expired at timestamp ${now} (validated at ${now})`,
  );
  assert.equal(await house.reason(await house.sign({ exp: undefined })), "Provided JWT token has no exp claim");
  assert.equal(await house.reason(await house.sign({ aud: "other" })), "no_matching_aud_found");
  assert.equal(await house.reason(await house.sign({ aud: undefined })), "no_aud_found");
  for (const aud of [null, 7, {}, [7], ""])
    assert.equal(await house.reason(await house.sign({ aud })), "no_matching_aud_found");
  assert.equal(await house.reason(await house.sign({ nbf: now + 10 })), "its claim nbf does not hold");
  assert.equal(await house.reason(await house.sign({}, otherRsa.privateKey)), "signature_invalid");
  assert.equal(await house.reason(await house.sign({}, rsa.privateKey, { kid: "k2" })), "key_not_found");
  assert.equal(await house.reason("aaa.bbb.ccccccccccccccccccccc"), "provided token is invalid");
  const many = Array.from({ length: 2049 }, (_, n) => `rabbitmq.read:*/${n}`);
  assert.equal(await house.reason(await house.sign({ scope: many })), "too_many_scopes");
  assert.equal(await house.reason(`${"x".repeat(70_000)}.b.c`), "provided token is too long");
});

test("the token does not choose how it is checked", async () => {
  const house = new House();
  const none = new UnsecuredJWT(house.claims()).encode();
  assert.equal(await house.reason(none), "its algorithm is not allowed");
  // The classic: the public key, which everybody has, taken as a shared secret.
  const forged = await new SignJWT(house.claims())
    .setProtectedHeader({ alg: "HS256", kid: "k1" })
    .sign(Buffer.from(pem));
  assert.equal(await house.reason(forged), "provided token is invalid");
  const strict = new House({ algorithms: ["ES256"] });
  assert.equal(await strict.reason(await strict.sign()), "its algorithm is not allowed");
  const jwk = { ...rsa.publicKey.export({ format: "jwk" }), kid: "k1", alg: "RS512" };
  const bound = new House({ keys: readKeySet(JSON.stringify({ keys: [jwk] }), true) });
  assert.equal(await bound.reason(await bound.sign()), "the key is for another algorithm");
});

test("shared secrets count from a file of ours, never from a published set", () => {
  const set = JSON.stringify({ keys: [{ kty: "oct", kid: "s", k: Buffer.alloc(32, 1).toString("base64url") }] });
  assert.equal(readKeySet(set, true).size, 1);
  assert.throws(() => readKeySet(set, false), /no key/);
  for (const bad of ["", "[]", "{}", '{"keys":[null,7,{"kty":"RSA"}]}']) assert.throws(() => readKeySet(bad, true));
});

test("audience, issuer and end are as the settings say", async () => {
  const house = new House({ verifyAudience: false, requireExpiry: false, issuer: "https://idp.example" });
  assert.equal(await house.reason(await house.sign()), "the token is another issuer's");
  const identity = await house.identity(
    await house.sign({ iss: "https://idp.example", aud: undefined, exp: undefined }),
  );
  assert.equal(identity.expiresAtMs, Infinity);
  const relaxed = new House({ verifyIssuer: false, issuer: "https://idp.example" });
  assert.equal((await relaxed.identity(await relaxed.sign())).name, "ann");
});

test("the name is the first claim that is there, and the local machine's users stay there", async () => {
  const house = new House({ usernameClaims: ["user_name", "sub"] });
  assert.equal((await house.identity(await house.sign({ user_name: "Ann" }))).name, "Ann");
  assert.equal((await house.identity(await house.sign({ user_name: 7, sub: undefined }))).name, "unknown");
  const token = await house.sign({ sub: "guest" });
  const outcome = await house.authority.login(loginFor({ kind: "token", token }, { isLoopback: false }));
  assert.ok(outcome instanceof Refusal && outcome.cause === "loopback");
});

test("a refreshed token is the same user's", async () => {
  const house = new House();
  const identity = await house.identity(await house.sign());
  const longer = await house.authority.refresh(identity, await house.sign({ exp: house.nowSeconds + 600, scope: "" }));
  assert.ok(!(longer instanceof Refusal));
  assert.equal(longer.expiresAtMs, house.clock.now() + 600_000);
  assert.equal(longer.may("read", "/", "q"), false);
  const other = await house.authority.refresh(identity, await house.sign({ sub: "bob" }));
  assert.equal((other as Refusal).reason, "Not allowed to change username on refreshed token");
  assert.ok((await house.authority.refresh(identity, "rubbish")) instanceof Refusal);
  const guest = await house.authority.login(loginFor({ kind: "password", name: "guest", password: "guest" }));
  assert.equal(await house.authority.refresh(guest as Identity, "rubbish"), guest);
});

// ---- keys that are fetched

const published = (kid: string): string =>
  JSON.stringify({ keys: [{ ...elliptic.publicKey.export({ format: "jwk" }), kid, use: "sig" }, { kty: "new" }] });

test("keys are fetched when a token names one that is not there, and not again at once", async () => {
  let kid = "a";
  let fetched = 0;
  const house = new House({ keys: new Map(), jwksUrl: "https://idp.example/keys" }, async () => {
    fetched++;
    return published(kid);
  });
  const token = (id: string): Promise<string> =>
    house.sign({ exp: house.nowSeconds + 5000 }, elliptic.privateKey, { alg: "ES256", kid: id });
  // Together: one fetch for all.
  await Promise.all([house.identity(await token("a")), house.identity(await token("a"))]);
  assert.equal(fetched, 1);
  kid = "b";
  for (let n = 0; n < 5; n++) assert.equal(await house.reason(await token("b")), "key_not_found");
  assert.equal(fetched, 1);
  house.clock.advance(10_000);
  await house.identity(await token("b"));
  assert.equal(fetched, 2);
  // The old one was withdrawn.
  assert.equal(await house.reason(await token("a")), "key_not_found");
});

test("a provider that hangs or answers rubbish refuses logins, with a line in the log and without a wait for each", async () => {
  const house = new House({ keys: new Map(), jwksUrl: "https://idp.example/keys" }, (_url, _bytesMax, signal) => {
    const { promise, reject } = Promise.withResolvers<string>();
    signal.addEventListener("abort", () => reject(signal.reason as Error));
    return promise;
  });
  const token = await house.sign();
  const waiting = house.login(token);
  await new Promise((resolve) => setImmediate(resolve));
  house.clock.advance(5000);
  const outcome = await waiting;
  assert.ok(outcome instanceof Refusal && outcome.cause === "unavailable");
  assert.match(outcome.reason, /the signing keys cannot be fetched$/);
  assert.deepEqual(house.lines, ["signing keys for tokens could not be fetched: logins by token are refused"]);
  // Within the pause, at once.
  assert.match(await house.reason(token), /cannot be fetched/);
  for (const answer of ["<html>", "{}", '{"keys":[]}']) {
    const odd = new House({ keys: new Map(), jwksUrl: "https://idp.example/keys" }, async () => answer);
    assert.match(await odd.reason(await odd.sign()), /cannot be fetched/);
  }
});

test("an issuer that has its keys fetched in the clear is not followed", async () => {
  for (const jwks_uri of ["http://idp.example/keys", "ftp://idp.example/keys", "keys", 7]) {
    const asked: string[] = [];
    const house = new House({ keys: new Map(), issuer: "https://idp.example", verifyIssuer: false }, async (url) => {
      asked.push(url);
      return url.endsWith("/keys") ? published("a") : JSON.stringify({ jwks_uri });
    });
    const token = await house.sign({}, elliptic.privateKey, { alg: "ES256", kid: "a" });
    assert.equal(await house.reason(token), "the signing keys cannot be fetched");
    assert.deepEqual(asked, ["https://idp.example/.well-known/openid-configuration"]);
  }
});

test("old keys go on counting while the provider cannot be reached", async () => {
  let isUp = true;
  const house = new House({ keys: new Map(), issuer: "https://idp.example/", verifyIssuer: false }, async (url) => {
    if (!isUp) throw new Error("no route");
    return url.endsWith("/.well-known/openid-configuration")
      ? JSON.stringify({ issuer: "https://idp.example/", jwks_uri: "https://idp.example/keys" })
      : published("a");
  });
  const token = await house.sign({ exp: house.nowSeconds + 5000 }, elliptic.privateKey, { alg: "ES256", kid: "a" });
  await house.identity(token);
  isUp = false;
  house.clock.advance(601_000);
  await house.identity(token);
  assert.match(house.lines.at(-1)!, /the old ones count/);
});

test("a token without a key's id means the default key, or the only one", async () => {
  const keys = new Map([
    ...standard.keys,
    ["k2", readPemKey(otherRsa.publicKey.export({ type: "spki", format: "pem" }))],
  ]);
  const unnamed = (house: House): Promise<string> =>
    new SignJWT(house.claims()).setProtectedHeader({ alg: "RS256" }).sign(rsa.privateKey);
  const several = new House({ keys });
  assert.equal(await several.reason(await unnamed(several)), "key_not_found");
  const chosen = new House({ keys, defaultKey: "k1" });
  await chosen.identity(await unnamed(chosen));
  const single = new House();
  await single.identity(await unnamed(single));
});

test("oauth2 first: what it refuses, internal is asked about", async () => {
  const house = new House({}, undefined, ["oauth2", "internal"] as never);
  house.authority.users.put("u", { password: "x.y.z", tags: [] });
  const outcome = await house.authority.login(loginFor({ kind: "password", name: "u", password: "x.y.z" }));
  assert.ok(!(outcome instanceof Refusal));
});
