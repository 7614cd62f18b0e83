import assert from "node:assert/strict";
import { test } from "node:test";
import { LiveConnections } from "../../model/live.ts";
import { SortedConnections } from "./sorted-connections.ts";
import { testConnection } from "./stats-house.suite.ts";

function portsOf(sorted: SortedConnections): number[] {
  const steps = sorted.all();
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value.map(({ address }) => address.remotePort);
  }
}

test("connections come by virtual host and name, and those that came or went since are noticed", () => {
  const live = new LiveConnections();
  const sorted = new SortedConnections(live);
  const last = testConnection(40_003, "b");
  for (const connection of [last, testConnection(40_002), testConnection(40_001)]) live.add(connection);
  assert.deepEqual(portsOf(sorted), [40_001, 40_002, 40_003]);
  live.add(testConnection(40_004, "a"));
  live.remove(last);
  assert.deepEqual(portsOf(sorted), [40_001, 40_002, 40_004]);
});

test("a list during which one came is not kept", () => {
  const live = new LiveConnections();
  const sorted = new SortedConnections(live);
  for (let port = 40_000; port < 40_500; port++) live.add(testConnection(port));
  const steps = sorted.all();
  assert.notEqual(steps.next().done, true);
  live.add(testConnection(39_999));
  while (steps.next().done !== true);
  assert.equal(portsOf(sorted)[0], 39_999);
  assert.equal(portsOf(sorted).length, 501);
});
