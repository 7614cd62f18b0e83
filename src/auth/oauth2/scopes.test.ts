import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Scopes } from "./scopes.ts";
import { scopesOf, type ScopeSettings } from "./token-scopes.ts";
import { encodeLiteral, Wildcard } from "./wildcard.ts";

const settings: ScopeSettings = {
  resourceServerId: "rabbitmq",
  scopePrefix: "rabbitmq.",
  additionalScopesKeys: [],
  scopeAliases: new Map(),
};

test("a wildcard pattern says what a regular expression with .* in the stars' places says", () => {
  const sourceByLetter = new Map([
    ["*", ".*"],
    ["%2A", "\\*"],
    ["%2F", "/"],
    ["+", " "],
  ]);
  const letter = fc.constantFrom("a", "b", "c", "*", "%2A", "%2F", "+");
  const subject = fc.string({ unit: fc.constantFrom("a", "b", "c", "*", "/", " "), maxLength: 8 });
  fc.assert(
    fc.property(fc.array(letter, { maxLength: 8 }), subject, (pattern, name) => {
      const source = pattern.map((each) => sourceByLetter.get(each) ?? each);
      const expected = new RegExp(`^${source.join("")}$`, "s").test(name);
      assert.equal(Wildcard.read(pattern.join(""))!.matches(name), expected);
    }),
    { numRuns: 2000 },
  );
});

test("what is put into a pattern matches itself and nothing else", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string(), (text, other) => {
      const pattern = Wildcard.read(encodeLiteral(text))!;
      assert.equal(pattern.matches(text.toWellFormed()), true);
      assert.equal(pattern.matches(other), other === text.toWellFormed());
    }),
  );
});

test("broken escapes are no pattern", () => {
  for (const broken of ["%", "%2", "a%zz", "%ff", "*%C3*"]) assert.equal(Wildcard.read(broken), undefined, broken);
});

test("scopes permit what they name, with wildcards and escapes", () => {
  const scopes = new Scopes(
    ["read:*/*", "write:uaa_vhost/uaa-*", "configure:%2F/q%2Fx", "write:v/x/key.*", "tag:monitoring", "tag:monitoring"],
    {},
  );
  assert.equal(scopes.permit("read", "any", "thing"), true);
  assert.equal(scopes.permit("write", "any", "thing"), false);
  assert.equal(scopes.permit("write", "uaa_vhost", "uaa-queue"), true);
  assert.equal(scopes.permit("write", "uaa_vhost", "queue"), false);
  assert.equal(scopes.permit("configure", "/", "q/x"), true);
  assert.equal(scopes.permitVhost("anything"), true);
  assert.equal(scopes.permitTopic("write", "v", "x", "key.1"), true);
  assert.equal(scopes.permitTopic("write", "v", "x", "other"), false);
  // Without a routing key in the scope, no topic is permitted, as in RabbitMQ.
  assert.equal(scopes.permitTopic("read", "v", "x", "key"), false);
  assert.deepEqual(scopes.tags, ["monitoring"]);
});

test("texts of the token count letter by letter, and {vhost} is the one asked about", () => {
  const scopes = new Scopes(["write:{vhost}/{sub}-*", "read:{sub}/*", "read:a/{nobody}"], { sub: "*", n: 5 });
  assert.equal(scopes.permit("write", "/", "*-q"), true);
  assert.equal(scopes.permit("write", "/", "me-q"), false);
  assert.equal(scopes.permit("read", "*", "q"), true);
  assert.equal(scopes.permit("read", "b", "q"), false);
  assert.equal(scopes.permit("read", "a", "nobody"), true);
});

test("what is no scope of ours permits nothing", () => {
  for (const odd of [
    "",
    "openid",
    "read",
    "read:",
    "read:a",
    "read:a/b/c/d",
    "READ:*/*",
    " read:*/*",
    "read:%/%",
    "tag",
    "read:%{vhost}41/b",
    "read:a/%{vhost}41",
  ])
    for (const access of ["read", "write", "configure"] as const)
      assert.equal(new Scopes([odd], {}).permit(access, "a", "b"), false, odd);
});

test("scopes are found in a list, a text, additional claims, a requesting party's token, and by alias", () => {
  assert.deepEqual(scopesOf({ scope: ["rabbitmq.read:*/*", "openid", 7] }, settings), ["read:*/*"]);
  assert.deepEqual(scopesOf({ scope: "rabbitmq.read:*/*  other.x rabbitmq.tag:a" }, settings), ["read:*/*", "tag:a"]);
  const more = { ...settings, additionalScopesKeys: ["roles", "realm.access.roles"] };
  assert.deepEqual(
    scopesOf(
      { roles: { rabbitmq: "read:a/b write:a/b", other: "x" }, realm: [{ access: { roles: ["rabbitmq.tag:b"] } }] },
      more,
    ),
    ["read:a/b", "write:a/b", "tag:b"],
  );
  const party = { authorization: { permissions: [{ scopes: ["rabbitmq.read:x/*"] }, { rsid: "1" }, { scopes: [] }] } };
  assert.deepEqual(scopesOf(party, settings), ["read:x/*"]);
  const aliased = {
    ...settings,
    scopeAliases: new Map([["admin", ["rabbitmq.tag:administrator", "rabbitmq.read:*/*"]]]),
  };
  assert.deepEqual(scopesOf({ scope: "admin" }, aliased), ["tag:administrator", "read:*/*"]);
  assert.deepEqual(scopesOf({ scope: "read:*/*" }, { ...settings, scopePrefix: "" }), ["read:*/*"]);
});

test("claims of any shape are survived", () => {
  const more = { ...settings, additionalScopesKeys: ["a", "a.b", "", ".", "__proto__.x", "constructor"] };
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (scope, a) => {
      const scopes = new Scopes(scopesOf({ scope, a, authorization: scope }, more), { a });
      assert.equal(scopes.permitVhost("unlikely"), false);
    }),
  );
});
