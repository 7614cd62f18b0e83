import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HeadersMatcher } from "./headers-matcher.ts";
import { binding, message } from "./routing-fixtures.suite.ts";
import { sameValue } from "./values.ts";
import type { Headers, HeaderValue } from "./values.ts";

function meets(args: Headers, headers: Headers): boolean {
  const matcher = new HeadersMatcher<string>();
  matcher.add(binding("q", "", args));
  let found = false;
  matcher.match(message("", headers), () => (found = true));
  return found;
}

test("all asks for every argument, and is what is meant when nothing is said", () => {
  for (const word of [{}, { "x-match": "all" }]) {
    assert.ok(meets({ ...word, a: 1, b: "x" }, { a: 1, b: "x", c: true }));
    assert.ok(!meets({ ...word, a: 1, b: "x" }, { a: 1 }));
    assert.ok(!meets({ ...word, a: 1, b: "x" }, { a: 1, b: "y" }));
    assert.ok(meets(word, {}));
    assert.ok(meets(word, { a: 1 }));
  }
});

test("any asks for one argument, so without arguments it is never met", () => {
  assert.ok(meets({ "x-match": "any", a: 1, b: "x" }, { b: "x" }));
  assert.ok(!meets({ "x-match": "any", a: 1, b: "x" }, { a: 2, b: "y" }));
  assert.ok(!meets({ "x-match": "any" }, {}));
  assert.ok(!meets({ "x-match": "any" }, { a: 1 }));
});

test("arguments that begin with x- are looked at only by the words that say so", () => {
  assert.ok(meets({ "x-match": "all", "x-a": 1 }, {}));
  assert.ok(!meets({ "x-match": "any", "x-a": 1 }, { "x-a": 1 }));
  assert.ok(!meets({ "x-match": "all-with-x", "x-a": 1 }, {}));
  assert.ok(meets({ "x-match": "all-with-x", "x-a": 1 }, { "x-a": 1 }));
  assert.ok(meets({ "x-match": "any-with-x", "x-a": 1, b: 2 }, { "x-a": 1 }));
  assert.ok(meets({ "x-match": "all-with-x" }, {}));
});

test("a null argument asks for presence, whatever the value", () => {
  for (const value of ["", 0, false, null, [], {}]) assert.ok(meets({ a: null }, { a: value }));
  assert.ok(!meets({ a: null }, { b: 1 }));
  assert.ok(meets({ "x-match": "any", a: null, b: 1 }, { a: "here" }));
});

test("a null header is met by presence alone", () => {
  assert.ok(!meets({ a: 0 }, { a: null }));
  assert.ok(!meets({ a: "" }, { a: null }));
});

test("values match by value across widths, and never across types", () => {
  assert.ok(meets({ a: 1n }, { a: 1 }));
  assert.ok(meets({ a: 9007199254740993n }, { a: 9007199254740993n }));
  assert.ok(!meets({ a: 9007199254740993n }, { a: 9007199254740992 }));
  assert.ok(!meets({ a: 1 }, { a: "1" }));
  assert.ok(!meets({ a: 1 }, { a: true }));
  assert.ok(meets({ a: new Date(5000) }, { a: new Date(5000) }));
  assert.ok(!meets({ a: new Date(5000) }, { a: 5000 }));
  assert.ok(meets({ a: Buffer.from("text") }, { a: "text" }));
  assert.ok(meets({ a: [1, { b: Buffer.from("x") }] }, { a: [1n, { b: "x" }] }));
  assert.ok(!meets({ a: [1] }, { a: [2] }));
});

test("names of object members are headers only where they are sent", () => {
  assert.ok(!meets({ constructor: null }, {}));
  assert.ok(!meets({ toString: null, a: 1 }, { a: 1 }));
  assert.ok(meets({ constructor: null }, { constructor: 1 }));
});

const name = fc.constantFrom("a", "b", "c", "x-d");
const value: fc.Arbitrary<HeaderValue> = fc.constantFrom<HeaderValue>(1, 1n, 2, "1", "x", true, null, [1], { a: 1 });
const args = fc.tuple(
  fc.constantFrom<Headers>({}, ...["all", "any", "all-with-x", "any-with-x"].map((word) => ({ "x-match": word }))),
  fc.dictionary(name, value, { maxKeys: 4, noNullPrototype: true }),
);

function naivelyMeets(bound: Headers, headers: Headers): boolean {
  const word = (bound["x-match"] as string | undefined) ?? "all";
  const names = Object.keys(bound).filter(
    (each) => each !== "x-match" && (word.endsWith("-with-x") || !each.startsWith("x-")),
  );
  const isMet = (each: string): boolean =>
    Object.hasOwn(headers, each) &&
    (bound[each] === null || sameValue(bound[each] as HeaderValue, headers[each] as HeaderValue));
  return word.startsWith("any") ? names.some(isMet) : names.every(isMet);
}

test("any set of bindings, some removed again, matches as if each were tried", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(args, fc.boolean()), { maxLength: 10 }),
      fc.dictionary(name, value, { maxKeys: 4, noNullPrototype: true }),
      (entries, headers) => {
        const matcher = new HeadersMatcher<string>();
        const bindings = entries.map(([[word, rest]], at) => binding(String(at), "", { ...rest, ...word }));
        for (const each of bindings) matcher.add(each);
        bindings.forEach((each, at) => {
          if (!entries[at]?.[1]) matcher.remove(each);
        });
        const seen = new Set<string>();
        matcher.match(message("", headers), (destination) => seen.add(destination));
        const expected = bindings.filter((each, at) => entries[at]?.[1] && naivelyMeets(each.args, headers));
        assert.deepEqual(Array.from(seen).sort(), expected.map((each) => each.destination).sort());
      },
    ),
    { numRuns: 1_000 },
  );
});
