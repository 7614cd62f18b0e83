import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { createMatcher } from "./create-matcher.ts";
import type { Dependence, Matcher, MatcherKind, MatcherOptions } from "./matcher.ts";
import type { RouteInput } from "./route-input.ts";
import { binding, message } from "./routing-fixtures.suite.ts";

const options: MatcherOptions = { random: () => 0.5 };

/** One binding key that each kind accepts and that matches the message of the suite, and what the kind depends on. */
const kinds: Record<MatcherKind, { key: string; dependsOn: Dependence }> = {
  direct: { key: "a.b", dependsOn: "key" },
  fanout: { key: "", dependsOn: "nothing" },
  topic: { key: "a.*", dependsOn: "key" },
  headers: { key: "", dependsOn: "message" },
  "consistent-hash": { key: "1", dependsOn: "key" },
  "modulus-hash": { key: "", dependsOn: "key" },
  random: { key: "", dependsOn: "chance" },
};

function matched(matcher: Matcher<string>, input: RouteInput): string[] {
  const destinations = new Set<string>();
  matcher.match(input, (destination) => destinations.add(destination));
  return Array.from(destinations).sort();
}

for (const [kind, { key, dependsOn }] of Object.entries(kinds) as [MatcherKind, (typeof kinds)[MatcherKind]][]) {
  suite(`a matcher of kind ${kind}`, () => {
    test("matches nothing while it is empty", () => {
      assert.deepEqual(matched(createMatcher(kind, options), message("a.b")), []);
    });

    test(`depends on ${dependsOn}`, () => {
      assert.equal(createMatcher(kind, options).dependsOn, dependsOn);
    });

    test("visits the destination of a binding until it is removed", () => {
      const matcher = createMatcher<string>(kind, options);
      const only = binding("q", key);
      matcher.add(only);
      assert.equal(matcher.size, 1);
      assert.deepEqual(matched(matcher, message("a.b")), ["q"]);
      matcher.remove(only);
      assert.equal(matcher.size, 0);
      assert.deepEqual(matched(matcher, message("a.b")), []);
    });

    test("keeps a destination while one of its bindings is left", () => {
      const matcher = createMatcher<string>(kind, options);
      const one = binding("q", key, { n: null });
      const two = binding("q", key, { m: null });
      matcher.add(one);
      matcher.add(two);
      matcher.remove(one);
      assert.equal(matcher.size, 1);
      assert.deepEqual(matched(matcher, message("a.b", { m: 1 })), ["q"]);
    });
  });
}

test("direct matches equal keys only, and each further key of the message", () => {
  const matcher = createMatcher<string>("direct", {});
  matcher.add(binding("one", "k"));
  matcher.add(binding("two", "k"));
  matcher.add(binding("three", "K"));
  matcher.add(binding("four", ""));
  assert.deepEqual(matched(matcher, message("k")), ["one", "two"]);
  assert.deepEqual(matched(matcher, message("")), ["four"]);
  assert.deepEqual(matched(matcher, message("x", {}, {}, ["K", "y", "k"])), ["one", "three", "two"]);
});

test("fanout matches all, whatever their keys", () => {
  const matcher = createMatcher<string>("fanout", {});
  matcher.add(binding("one", "k"));
  matcher.add(binding("two", "other"));
  assert.deepEqual(matched(matcher, message("neither")), ["one", "two"]);
});

test("random gives each destination its share of chance, however often it is bound", () => {
  let next = 0;
  const matcher = createMatcher<string>("random", { random: () => next });
  for (const name of ["a", "b", "c", "d"]) matcher.add(binding(name, ""));
  matcher.add(binding("a", "again"));
  const seen = [0, 0.24, 0.25, 0.5, 0.99].map((chance) => {
    next = chance;
    return matched(matcher, message("")).join();
  });
  assert.deepEqual(seen, ["a", "a", "b", "c", "d"]);
});
