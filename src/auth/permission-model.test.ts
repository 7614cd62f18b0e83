/**
 * Users and permissions change in any order while somebody is logged in; after each change the live identity answers as
 * a plain model does, and so do an identity of a fresh login and an authority that was read from the store anew. An answer that
 * was kept under the identity's version is right for as long as the version stands.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Access, Identity } from "./identity.ts";
import { Refusal } from "./refusal.ts";
import { logIn, memoryStore, openAuthority } from "./test-authority.suite.ts";

const users = ["u", "v"];
const vhosts = ["/", "x"];
const names = ["orders", "amq.gen-1", ""];
const keys = ["u.1", "v.1", "x"];
const accesses: readonly Access[] = ["configure", "write", "read"];
const patterns = ["", ".*", "^amq\\.", "orders|^$", "^(?!amq)"];
const topicPatterns = ["", "^{username}\\.", "x", "^{vhost}$"];

type Change =
  | { op: "put"; user: string }
  | { op: "delete"; user: string }
  | { op: "permit"; user: string; vhost: string; texts: string[] }
  | { op: "forbid"; user: string; vhost: string }
  | { op: "topic"; user: string; vhost: string; texts: string[] }
  | { op: "no topic"; user: string; vhost: string }
  | { op: "no vhost"; vhost: string };

const user = fc.constantFrom(...users);
const vhost = fc.constantFrom(...vhosts);
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ op: fc.constant("put" as const), user }),
  fc.record({ op: fc.constant("delete" as const), user }),
  fc.record({
    op: fc.constant("permit" as const),
    user,
    vhost,
    texts: fc.array(fc.constantFrom(...patterns), { minLength: 3, maxLength: 3 }),
  }),
  fc.record({ op: fc.constant("forbid" as const), user, vhost }),
  fc.record({
    op: fc.constant("topic" as const),
    user,
    vhost,
    texts: fc.array(fc.constantFrom(...topicPatterns), { minLength: 2, maxLength: 2 }),
  }),
  fc.record({ op: fc.constant("no topic" as const), user, vhost }),
  fc.record({ op: fc.constant("no vhost" as const), vhost }),
);

/** What should hold, written as simply as can be. */
class Model {
  readonly users = new Set(users);
  readonly permissions = new Map<string, string[]>();
  readonly topics = new Map<string, string[]>();

  apply(change: Change): void {
    if (change.op === "put") this.users.add(change.user);
    if (change.op === "permit" && this.users.has(change.user))
      this.permissions.set(`${change.user} ${change.vhost}`, change.texts);
    if (change.op === "topic" && this.users.has(change.user))
      this.topics.set(`${change.user} ${change.vhost}`, change.texts);
    if (change.op === "forbid") this.permissions.delete(`${change.user} ${change.vhost}`);
    if (change.op === "no topic") this.topics.delete(`${change.user} ${change.vhost}`);
    const isGone = (key: string): boolean =>
      (change.op === "delete" && key.startsWith(`${change.user} `)) ||
      (change.op === "no vhost" && key.endsWith(` ${change.vhost}`));
    for (const kept of [this.permissions, this.topics])
      for (const key of kept.keys()) if (isGone(key)) kept.delete(key);
    if (change.op === "delete") this.users.delete(change.user);
  }

  answers(user: string): string {
    return show(
      (vhost) => this.permissions.has(`${user} ${vhost}`),
      (access, vhost, name) => {
        const text = this.permissions.get(`${user} ${vhost}`)?.[accesses.indexOf(access)];
        return text !== undefined && new RegExp(text === "" ? "^$" : text).test(name);
      },
      (access, vhost, key) => {
        const text = this.topics.get(`${user} ${vhost}`)?.[access === "write" ? 0 : 1];
        if (text === undefined) return true;
        const expanded = text.replace("{username}", user).replace("{vhost}", vhost);
        return new RegExp(expanded === "" ? "^$" : expanded).test(key);
      },
    );
  }
}

function show(
  enter: (vhost: string) => boolean,
  may: (access: Access, vhost: string, name: string) => boolean,
  mayTopic: (access: "write" | "read", vhost: string, key: string) => boolean,
): string {
  return vhosts
    .map((vhost) => {
      const named = accesses.flatMap((access) => names.map((name) => may(access, vhost, name)));
      const topics = (["write", "read"] as const).flatMap((access) => keys.map((key) => mayTopic(access, vhost, key)));
      return [enter(vhost), ...named, ...topics].map((answer) => (answer ? "y" : "n")).join("");
    })
    .join(" ");
}

function answersOf(identity: Identity): string {
  return show(
    (vhost) => identity.mayEnter(vhost),
    (access, vhost, name) => identity.may(access, vhost, name),
    (access, vhost, key) => identity.mayTopic(access, vhost, "amq.topic", key),
  );
}

test("after any changes, who is logged in may do what a plain model says, and the version tells of each difference", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 25 }), (changes) => {
      const store = memoryStore();
      const authority = openAuthority(store);
      const model = new Model();
      for (const name of users) authority.users.put(name, { password: "p", tags: [] });
      const identity = logIn(authority, "u", "p");
      assert.ok(!(identity instanceof Refusal));
      let wasDeleted = false;
      let kept = { version: identity.version, answers: answersOf(identity) };
      for (const each of changes) {
        model.apply(each);
        if (each.op === "put") authority.users.put(each.user, { password: "p", tags: [] });
        else if (each.op === "delete") authority.users.delete(each.user);
        else if (each.op === "forbid") authority.permissions.clear(each.user, each.vhost);
        else if (each.op === "no topic") authority.topicPermissions.clear(each.user, each.vhost);
        else if (each.op === "no vhost") authority.deleteVhost(each.vhost);
        else if (each.op === "permit") {
          const [configure, write, read] = each.texts as [string, string, string];
          authority.permissions.set({ user: each.user, vhost: each.vhost, configure, write, read });
        } else {
          const [write, read] = each.texts as [string, string];
          authority.topicPermissions.set({ user: each.user, vhost: each.vhost, exchange: "amq.topic", write, read });
        }
        wasDeleted ||= each.op === "delete" && each.user === "u";
        const answers = answersOf(identity);
        if (wasDeleted) assert.doesNotMatch(answers, /y/);
        else assert.equal(answers, model.answers("u"));
        if (identity.version === kept.version) assert.equal(answers, kept.answers, "a kept answer was stale");
        kept = { version: identity.version, answers };
        for (const current of [authority, openAuthority(store)]) {
          const fresh = logIn(current, "u", "p");
          assert.equal(fresh instanceof Refusal, !model.users.has("u"));
          if (!(fresh instanceof Refusal)) assert.equal(answersOf(fresh), model.answers("u"));
        }
      }
    }),
    { numRuns: 300 },
  );
});
