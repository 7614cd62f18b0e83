import assert from "node:assert/strict";
import { test } from "node:test";
import { ConsistentHashMatcher } from "./consistent-hash-matcher.ts";
import type { Binding, Matcher } from "./matcher.ts";
import { ModulusHashMatcher } from "./modulus-hash-matcher.ts";
import type { RouteInput } from "./route-input.ts";
import { binding, message } from "./routing-fixtures.suite.ts";
import { textHash } from "./text-hash.ts";

const keys = Array.from({ length: 20_000 }, (_, at) => `order-${at}`);

function chosen(matcher: Matcher<string>, input: RouteInput): string {
  const seen: string[] = [];
  matcher.match(input, (destination) => seen.push(destination));
  assert.equal(seen.length, 1);
  return seen[0] as string;
}

function placement(matcher: Matcher<string>): string[] {
  return keys.map((key) => chosen(matcher, message(key)));
}

function shares(places: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const place of places) counts.set(place, (counts.get(place) ?? 0) + 1 / places.length);
  return counts;
}

function consistent(...bindings: Binding<string>[]): ConsistentHashMatcher<string> {
  const matcher = new ConsistentHashMatcher<string>({});
  for (const each of bindings) matcher.add(each);
  return matcher;
}

const ten = Array.from({ length: 10 }, (_, at) => binding(`q${at}`, "1"));

test("equal weights get equal shares", () => {
  for (const [name, share] of shares(placement(consistent(...ten)))) {
    assert.ok(Math.abs(share - 0.1) < 0.01, `${name} has ${share}`);
  }
});

test("shares follow weights", () => {
  const counts = shares(placement(consistent(binding("a", "1"), binding("b", "3"), binding("c", "6"))));
  assert.ok(Math.abs((counts.get("a") ?? 0) - 0.1) < 0.01);
  assert.ok(Math.abs((counts.get("b") ?? 0) - 0.3) < 0.015);
  assert.ok(Math.abs((counts.get("c") ?? 0) - 0.6) < 0.015);
});

test("a new queue takes its share from all, and no key moves between the others", () => {
  const matcher = consistent(...ten);
  const before = placement(matcher);
  matcher.add(binding("new", "1"));
  const after = placement(matcher);
  let moved = 0;
  after.forEach((place, at) => {
    if (place === before[at]) return;
    assert.equal(place, "new");
    moved++;
  });
  assert.ok(Math.abs(moved / keys.length - 1 / 11) < 0.01, `${moved} keys moved`);
});

test("only the keys of a queue that leaves are moved", () => {
  const matcher = consistent(...ten);
  const before = placement(matcher);
  matcher.remove(ten[3] as Binding<string>);
  placement(matcher).forEach((place, at) => {
    if (before[at] === "q3") assert.notEqual(place, "q3");
    else assert.equal(place, before[at]);
  });
});

test("the order of bindings does not matter, so a restart moves nothing", () => {
  assert.deepEqual(placement(consistent(...ten)), placement(consistent(...ten.toReversed())));
  const modulus = new ModulusHashMatcher<string>();
  for (const each of ten) modulus.add(each);
  const reversed = new ModulusHashMatcher<string>();
  for (const each of ten.toReversed()) reversed.add(each);
  assert.deepEqual(placement(modulus), placement(reversed));
});

test("the oldest binding of a queue says its weight, and the next when it is gone", () => {
  const light = binding("a", "1");
  const heavy = binding("a", "9", { second: true });
  const matcher = consistent(light, heavy, binding("b", "1"));
  assert.ok(Math.abs((shares(placement(matcher)).get("a") ?? 0) - 0.5) < 0.02);
  matcher.remove(light);
  assert.ok(Math.abs((shares(placement(matcher)).get("a") ?? 0) - 0.9) < 0.02);
});

test("a header or a property can stand for the routing key", () => {
  const byHeader = new ConsistentHashMatcher<string>({ hashHeader: "user" });
  const byProperty = new ConsistentHashMatcher<string>({ hashProperty: "message_id" });
  for (const each of ten) {
    byHeader.add(each);
    byProperty.add(each);
  }
  assert.equal(byHeader.dependsOn, "message");
  assert.equal(byProperty.dependsOn, "message");
  const byKey = consistent(...ten);
  for (const text of ["alice", "bob", "carol", "dave"]) {
    const expected = chosen(byKey, message(text));
    assert.equal(chosen(byHeader, message("ignored", { user: text })), expected);
    assert.equal(chosen(byProperty, message("ignored", {}, { "message-id": text })), expected);
  }
  assert.equal(chosen(byHeader, message("x")), chosen(byHeader, message("y")));
  assert.equal(chosen(byHeader, message("", { user: 5 })), chosen(byHeader, message("", { user: 5n })));
});

test("modulus-hash spreads evenly, and counts a queue that is bound twice once", () => {
  const matcher = new ModulusHashMatcher<string>();
  for (const each of ten.slice(0, 4)) matcher.add(each);
  matcher.add(binding("q0", "again"));
  const counts = shares(placement(matcher));
  assert.equal(counts.size, 4);
  for (const share of counts.values()) assert.ok(Math.abs(share - 0.25) < 0.015);
});

test("hashes are the same for ever: a key stays at its queue across versions", () => {
  const hashes = [2_872_998_923, 444_641_715, 2_449_496_732, 1_110_825_747];
  assert.deepEqual(["", "a", "order-1", "schlüssel"].map(textHash), hashes);
  const matcher = consistent(...ten);
  const places = ["a", "order-1", "order-2", "order-3"].map((key) => chosen(matcher, message(key)));
  assert.deepEqual(places, ["q9", "q6", "q9", "q0"]);
});
