import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { binding, message } from "./routing-fixtures.suite.ts";
import { TopicMatcher } from "./topic-matcher.ts";

function matches(pattern: string, key: string): boolean {
  const matcher = new TopicMatcher<string>();
  matcher.add(binding("q", pattern));
  let found = false;
  matcher.match(message(key), () => (found = true));
  return found;
}

/** The definition, by recursion over both lists of words. */
function naivelyMatches(pattern: readonly string[], key: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return key.length === 0;
  if (first === "#") {
    return naivelyMatches(rest, key) || (key.length > 0 && naivelyMatches(pattern, key.slice(1)));
  }
  return key.length > 0 && (first === "*" || first === key[0]) && naivelyMatches(rest, key.slice(1));
}

const split = (text: string): string[] => (text === "" ? [] : text.split("."));

test("words match themselves, * one word, # any number of words", () => {
  const table: [pattern: string, met: string[], missed: string[]][] = [
    ["a.b", ["a.b"], ["a", "a.b.c", "a.B", "a..b"]],
    ["a.*", ["a.b", "a."], ["a", "a.b.c"]],
    ["*", ["a"], ["", "a.b"]],
    ["#", ["", "a", "a.b", "..."], []],
    ["a.#", ["a", "a.b", "a.b.c", "a."], ["b", "ab", ""]],
    ["#.a", ["a", "b.a", "a.a", "a.b.a"], ["a.b", "ab"]],
    ["a.#.b", ["a.b", "a.x.b", "a.x.y.b", "a.b.b"], ["a", "b", "a.x"]],
    ["#.a.#", ["a", "x.a", "a.x", "x.a.y", "a.a.a"], ["", "x", "xa"]],
    ["#.#", ["", "a", "a.b"], []],
    ["*.#", ["a", "a.b", ".", "a.b.c"], [""]],
    ["#.*", ["a", "a.b", "a.b.c"], [""]],
    ["*.*", ["a.b", "."], ["a", "a.b.c"]],
    ["", [""], ["a", "."]],
    [".", ["."], ["", "a"]],
    ["a..b", ["a..b"], ["a.b", "a.x.b"]],
    ["a*.b", ["a*.b"], ["ax.b"]],
  ];
  for (const [pattern, met, missed] of table) {
    for (const key of met) assert.ok(matches(pattern, key), `'${pattern}' meets '${key}'`);
    for (const key of missed) assert.ok(!matches(pattern, key), `'${pattern}' misses '${key}'`);
  }
});

test("a pattern of any number of # is one, and costs no more than its nodes for each word", () => {
  const matcher = new TopicMatcher<string>();
  const many = Array.from({ length: 20_000 }, () => "#").join(".");
  matcher.add(binding("q", many));
  let found = 0;
  const visit = (): void => void found++;
  matcher.match(message("a"), visit);
  assert.equal(found, 1);
  matcher.remove(binding("q", many));

  // The longest that a client can say, against the longest key.
  matcher.add(binding("q", `${"#.".repeat(126)}b`));
  const before = matcher.nodesTouched;
  matcher.match(message(`${"a.".repeat(126)}b`), visit);
  assert.equal(found, 2);
  assert.ok(matcher.nodesTouched - before <= 129 * 128, String(matcher.nodesTouched - before));
});

test("wildcards in a routing key are words like others", () => {
  assert.ok(matches("*", "*"));
  assert.ok(matches("#", "#"));
  assert.ok(!matches("a", "*"));
  assert.ok(!matches("a", "#"));
  assert.ok(!matches("*.a", "#"));
});

test("words that are names of object members are words like others", () => {
  assert.ok(!matches("a", "constructor"));
  assert.ok(!matches("a", "__proto__"));
  assert.ok(matches("__proto__", "__proto__"));
});

test("each further key of a message is matched", () => {
  const matcher = new TopicMatcher<string>();
  matcher.add(binding("one", "a.*"));
  matcher.add(binding("two", "b.#"));
  const seen: string[] = [];
  matcher.match(message("a.x", {}, {}, ["none", "b"]), (destination) => seen.push(destination));
  assert.deepEqual(seen, ["one", "two"]);
});

const word = fc.constantFrom("a", "b", "c", "");
const pattern = fc
  .array(fc.oneof(word, fc.constantFrom("*", "#", "#")), { maxLength: 6 })
  .map((words) => words.join("."));
const key = fc.array(word, { maxLength: 7 }).map((words) => words.join("."));

test("any set of patterns, some removed again, matches as the definition says", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ pattern, destination: fc.nat(5), stays: fc.boolean() }), { maxLength: 12 }),
      fc.array(key, { minLength: 1, maxLength: 6 }),
      (entries, keys) => {
        const matcher = new TopicMatcher<string>();
        const bindings = entries.map((entry) => binding(String(entry.destination), entry.pattern));
        for (const each of bindings) matcher.add(each);
        bindings.forEach((each, at) => {
          if (!entries[at]?.stays) matcher.remove(each);
        });
        const kept = bindings.filter((_, at) => entries[at]?.stays);
        for (const routed of keys) {
          const seen = new Set<string>();
          matcher.match(message(routed), (destination) => seen.add(destination));
          const expected = kept.filter((each) => naivelyMatches(split(each.key), split(routed)));
          assert.deepEqual(
            Array.from(seen).sort(),
            Array.from(new Set(expected.map((each) => each.destination))).sort(),
          );
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

test("a destination is visited once for each pattern, however many ways its # can be read", () => {
  const matcher = new TopicMatcher<string>();
  matcher.add(binding("q", "#.a.#.a.#"));
  const seen: string[] = [];
  matcher.match(message("a.a.a.a.a"), (destination) => seen.push(destination));
  assert.deepEqual(seen, ["q"]);
});

test("a key costs words times nodes at most, where backtracking over many # would never end", () => {
  const matcher = new TopicMatcher<string>();
  matcher.add(binding("q", `${"#.a.".repeat(40)}b`));
  const before = matcher.nodesTouched;
  matcher.match(message("a.".repeat(100)), () => assert.fail("no key that ends in an empty word matches"));
  assert.ok(matcher.nodesTouched - before <= 102 * 82, `${matcher.nodesTouched - before} nodes`);
});

test("among 10,000 patterns a key touches a few dozen nodes", () => {
  const matcher = new TopicMatcher<string>();
  for (let at = 0; at < 10_000; at++) {
    const shape = [`tenant${at % 100}.*.device${at}.#`, `tenant${at % 100}.region${at}.*`, `*.event${at}.#`][at % 3];
    matcher.add(binding(`q${at}`, shape as string));
  }
  const before = matcher.nodesTouched;
  let visits = 0;
  matcher.match(message("tenant12.east.device4512.temperature"), () => visits++);
  assert.equal(visits, 1);
  assert.ok(matcher.nodesTouched - before < 24, `${matcher.nodesTouched - before} nodes`);
});
