import assert from "node:assert/strict";
import { test } from "node:test";
import type { Authority, AuthSettings } from "./authority.ts";
import { Refusal } from "./refusal.ts";
import { identityOf, logIn, loginFor, memoryStore, openAuthority } from "./test-authority.suite.ts";

const all = { configure: ".*", write: ".*", read: ".*" };

test("the first start creates guest, who may do everything in /, from this machine only", () => {
  const authority = openAuthority();
  authority.createFirst();
  const guest = identityOf(authority, "guest", "guest");
  assert.deepEqual(guest.tags, ["administrator"]);
  assert.equal(guest.mayEnter("/"), true);
  assert.equal(guest.may("configure", "/", "any"), true);
  assert.equal(guest.mayEnter("other"), false);
  const remote = logIn(authority, "guest", "guest", { isLoopback: false });
  assert.ok(remote instanceof Refusal);
  assert.equal(remote.reason, "user 'guest' can only connect via localhost");
  assert.equal(remote.cause, "loopback");
});

test("a default user of another name is not made with the password that everybody knows, unless for this machine", () => {
  const store = memoryStore();
  const open = (change: Partial<AuthSettings>): Authority => openAuthority(store, change);
  const bare = open({ defaultUser: "admin" });
  assert.match(bare.createFirst()!, /^auth.defaultPassword is guest, .* add admin to auth.loopbackUsers$/);
  assert.equal(bare.users.count, 0);
  assert.equal(open({ defaultUser: "admin", defaultPassword: "secret" }).createFirst(), undefined);
  // By now it is there: the password may go from the configuration.
  assert.equal(open({ defaultUser: "admin" }).createFirst(), undefined);
  assert.equal(
    openAuthority(memoryStore(), { defaultUser: "admin", loopbackUsers: ["admin"] }).createFirst(),
    undefined,
  );
  assert.equal(openAuthority(memoryStore(), { loopbackUsers: [] }).createFirst(), undefined);
});

test("a default user that was deleted does not come back with the next start", () => {
  const store = memoryStore();
  const first = openAuthority(store);
  first.createFirst();
  first.users.delete("guest");
  const second = openAuthority(store);
  second.createFirst();
  assert.equal(second.users.count, 0);
});

test("users that were there before the first start of this kind get no permissions by it, but those from before permissions", () => {
  const store = memoryStore();
  const imported = openAuthority(store);
  imported.users.put("imported", { password: "p", tags: [] });
  store.put("user", "old", { passwordHash: imported.users.find("imported")!.passwordHash, tags: ["administrator"] });
  const authority = openAuthority(store);
  authority.createFirst();
  assert.deepEqual(
    [...authority.permissions.all()].map(({ user, vhost }) => [user, vhost]),
    [["old", "/"]],
  );
  assert.equal(identityOf(authority, "imported", "p").mayEnter("/"), false);
  assert.equal(authority.users.find("guest"), undefined);
});

test("a wrong password, an unknown user, a blank one and a user without password are refused with their reasons", () => {
  const authority = openAuthority();
  authority.users.put("o'hara", { password: "right", tags: [] });
  authority.users.put("machine", { tags: [] });
  const reason = (name: string, password: string): string => (logIn(authority, name, password) as Refusal).reason;
  assert.equal(reason("o'hara", "wrong"), "user 'o'hara' - invalid credentials");
  assert.equal(reason("nobody", "right"), "user 'nobody' - invalid credentials");
  assert.match(reason("o'hara", ""), /blank password/);
  assert.match(reason("machine", ""), /blank password/);
  assert.equal(reason("machine", "x"), "user 'machine' - invalid credentials");
  assert.equal(identityOf(authority, "o'hara", "right").name, "o'hara");
});

test("a certificate's name is enough, for a user that exists", () => {
  const authority = openAuthority();
  authority.users.put("CN=machine,O=acme", { tags: ["monitoring"] });
  const known = authority.login(loginFor({ kind: "certificate", name: "CN=machine,O=acme" }));
  assert.ok(!(known instanceof Refusal) && !(known instanceof Promise));
  assert.deepEqual(known.tags, ["monitoring"]);
  const unknown = authority.login(loginFor({ kind: "certificate", name: "CN=stranger" }));
  assert.equal((unknown as Refusal).reason, "user 'CN=stranger' - invalid credentials");
});

test("an anonymous login is that of the configured user, by its password", () => {
  const authority = openAuthority();
  authority.createFirst();
  assert.ok(!(authority.login(loginFor({ kind: "anonymous" })) instanceof Refusal));
  authority.users.update("guest", { password: "changed" });
  assert.ok(authority.login(loginFor({ kind: "anonymous" })) instanceof Refusal);
  const strict = openAuthority(memoryStore(), { anonymous: undefined });
  strict.createFirst();
  assert.ok(strict.login(loginFor({ kind: "anonymous" })) instanceof Refusal);
});

test("a change of a user or a permission counts at once for who is logged in, and shows in the version", () => {
  const authority = openAuthority();
  authority.users.put("u", { password: "p", tags: [] });
  const identity = identityOf(authority, "u", "p");
  let version = identity.version;
  const changes: [() => unknown, () => unknown, unknown][] = [
    [() => authority.permissions.set({ user: "u", vhost: "/", ...all }), () => identity.mayEnter("/"), true],
    [
      () => authority.permissions.set({ user: "u", vhost: "/", ...all, write: "^a" }),
      () => identity.may("write", "/", "b"),
      false,
    ],
    [() => authority.users.update("u", { tags: ["policymaker"] }), () => identity.tags[0], "policymaker"],
    [() => authority.users.setLimit("u", "max-connections", 3), () => identity.connectionsMax, 3],
    [() => authority.users.clearLimit("u", "all"), () => identity.connectionsMax, -1],
    [
      () => authority.topicPermissions.set({ user: "u", vhost: "/", exchange: "amq.topic", write: "^a", read: "^b" }),
      () => identity.mayTopic("write", "/", "amq.topic", "b"),
      false,
    ],
    [() => authority.topicPermissions.clear("u", "/"), () => identity.mayTopic("write", "/", "amq.topic", "b"), true],
    [() => authority.permissions.clear("u", "/"), () => identity.mayEnter("/"), false],
    [() => authority.permissions.set({ user: "u", vhost: "/", ...all }), () => identity.may("read", "/", "q"), true],
    [() => authority.deleteVhost("/"), () => identity.may("read", "/", "q"), false],
  ];
  for (const [change, answer, expected] of changes) {
    change();
    assert.equal(answer(), expected, String(change));
    assert.ok(identity.version > version, String(change));
    version = identity.version;
  }
});

test("who is logged in as a deleted user may do nothing, even when the name is taken again", () => {
  const authority = openAuthority();
  authority.users.put("u", { password: "p", tags: ["administrator"] });
  authority.permissions.set({ user: "u", vhost: "/", ...all });
  const identity = identityOf(authority, "u", "p");
  const { version } = identity;
  authority.users.delete("u");
  assert.ok(identity.version > version);
  authority.users.put("u", { password: "p", tags: ["administrator"] });
  authority.permissions.set({ user: "u", vhost: "/", ...all });
  assert.equal(identity.mayEnter("/"), false);
  assert.equal(identity.may("read", "/", "q"), false);
  assert.equal(identity.mayTopic("read", "/", "amq.topic", "k"), false);
  assert.deepEqual(identity.tags, []);
  assert.equal(identityOf(authority, "u", "p").mayEnter("/"), true);
});

test("attempts are counted by protocol and by source", () => {
  const authority = openAuthority();
  authority.createFirst();
  logIn(authority, "guest", "guest");
  logIn(authority, "guest", "wrong");
  logIn(authority, "guest", "guest", { remoteAddress: "192.0.2.1", isLoopback: false, protocol: "http" });
  assert.deepEqual(
    [...authority.attempts.byProtocol()],
    [
      { protocol: "amqp091", attempts: 2, failed: 1, succeeded: 1 },
      { protocol: "http", attempts: 1, failed: 1, succeeded: 0 },
    ],
  );
  assert.deepEqual(
    [...authority.attempts.bySource()].map(({ remoteAddress, name, failed }) => [remoteAddress, name, failed]),
    [
      ["127.0.0.1", "guest", 1],
      ["192.0.2.1", "guest", 1],
    ],
  );
  for (let n = 0; n < 10_100; n++) logIn(authority, `user ${n}`, "");
  assert.equal([...authority.attempts.bySource()].length, 10_000);
});

test("users, permissions and limits outlive a restart, whatever their names hold", () => {
  const store = memoryStore();
  const names = ["a/b", '","', "[]", "ünï", "\u0001", "__proto__", "a b"];
  const first = openAuthority(store);
  for (const user of names) {
    first.users.put(user, { password: "p", tags: ["management"], limits: { "max-channels": 7 } });
    for (const vhost of names) {
      first.permissions.set({ user, vhost, ...all, write: "^w$" });
      first.topicPermissions.set({ user, vhost, exchange: vhost, write: "^w$", read: "" });
    }
  }
  first.users.delete("a/b");
  first.deleteVhost("[]");
  const second = openAuthority(store);
  assert.deepEqual([...second.users.all()], [...first.users.all()]);
  assert.deepEqual([...second.permissions.all()], [...first.permissions.all()]);
  assert.deepEqual([...second.topicPermissions.all()], [...first.topicPermissions.all()]);
  assert.equal([...second.permissions.all()].length, 6 * 6);
  const identity = identityOf(second, "__proto__", "p");
  assert.equal(identity.may("write", "a b", "w"), true);
  assert.equal(identity.may("write", "a b", "x"), false);
  assert.equal(identity.mayTopic("read", "a b", "a b", ""), true);
  assert.equal(identity.mayTopic("read", "a b", "a b", "k"), false);
  assert.equal(identity.channelsMax, 7);
});

test("a wrong pattern, hash, tag or limit is refused, and nothing changes", () => {
  const authority = openAuthority();
  authority.users.put("u", { password: "p", tags: [] });
  const { version } = identityOf(authority, "u", "p");
  const faults = [
    authority.permissions.set({ user: "u", vhost: "/", ...all, read: "(a" }),
    authority.permissions.set({ user: "x", vhost: "/", ...all }),
    authority.topicPermissions.set({ user: "u", vhost: "/", exchange: "e", write: "[", read: "" }),
    authority.users.put("u", { passwordHash: "not base64!", tags: [] }),
    authority.users.put("u", { passwordHash: "AAAA", tags: [] }),
    authority.users.put("u", { passwordHash: "", password: "p", tags: [] }),
    authority.users.put("u", { passwordHash: "", hashingAlgorithm: "rot13", tags: [] }),
    authority.users.put("u", { tags: Array.from({ length: 33 }, String) }),
    authority.users.setLimit("u", "max-queues", 1),
    authority.users.setLimit("u", "max-channels", "many"),
    authority.users.setLimit("x", "max-channels", 1),
  ];
  assert.deepEqual(
    faults.map((fault) => fault?.kind),
    [
      "badPattern",
      "noSuchUser",
      "badPattern",
      "badHash",
      "badHash",
      "contradiction",
      "badHash",
      "badTags",
      "badLimit",
      "badLimit",
      "noSuchUser",
    ],
  );
  assert.equal(faults[0]?.text, "regular expression '(a' is invalid: missing closing parenthesis at position 2");
  assert.equal(identityOf(authority, "u", "p").version, version);
});

test("each change is told, in RabbitMQ's words", () => {
  const authority = openAuthority();
  const events: string[] = [];
  const stop = authority.observe(({ event }) => void events.push(event));
  authority.users.put("u", { password: "p", tags: ["management"] });
  authority.users.put("u", { tags: [] });
  authority.permissions.set({ user: "u", vhost: "/", ...all });
  authority.topicPermissions.set({ user: "u", vhost: "/", exchange: "amq.topic", write: "", read: "" });
  authority.users.setLimit("u", "max-channels", 1);
  authority.users.delete("u");
  stop();
  authority.users.put("v", { tags: [] });
  assert.deepEqual(events, [
    "user.created",
    "user.tags.set",
    "user.password.cleared",
    "user.tags.set",
    "permission.created",
    "topic.permission.created",
    "user.limits.set",
    "permission.deleted",
    "topic.permission.deleted",
    "user.deleted",
  ]);
});
