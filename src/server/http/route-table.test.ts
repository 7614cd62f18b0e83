import assert from "node:assert/strict";
import { test } from "node:test";
import { RouteTable } from "./route-table.ts";

const table = new RouteTable([
  { method: "GET", path: "/queues" },
  { method: "GET", path: "/queues/:vhost" },
  { method: "GET", path: "/queues/detailed" },
  { method: "GET", path: "/queues/:vhost/:name" },
  { method: "PUT", path: "/queues/:in/:queue" },
  { method: "GET", path: "/queues/quorum/:vhost/:name/status" },
]);

function find(path: string, method = "GET") {
  const match = table.find(path);
  if (match === undefined || match === "malformed") return undefined;
  const route = match.routes.get(method);
  return route && { path: route.path, params: match.params(route) };
}

test("a plain segment wins over a name, whatever the order", () => {
  assert.equal(find("/queues/detailed")?.path, "/queues/detailed");
  assert.deepEqual(find("/queues/a"), { path: "/queues/:vhost", params: { vhost: "a" } });
});

test("each method has its own names for the parts of a path", () => {
  assert.deepEqual(find("/queues/a/b")?.params, { vhost: "a", name: "b" });
  assert.deepEqual(find("/queues/a/b", "PUT")?.params, { in: "a", queue: "b" });
  assert.equal(find("/queues", "PUT"), undefined);
});

test("names are decoded one by one, so that a slash and dots can be in them", () => {
  assert.deepEqual(find("/queues/%2F/..%2f..%2Fetc")?.params, { vhost: "/", name: "../../etc" });
  assert.deepEqual(find("/queues/../%2e%2e")?.params, { vhost: "..", name: ".." });
  assert.deepEqual(find("/queues/a+b/%E2%82%AC")?.params, { vhost: "a+b", name: "€" });
});

test("a slash at the end is passed over, one in the middle is an empty name, which nothing has", () => {
  assert.equal(find("/queues/")?.path, "/queues");
  assert.equal(find("/queues//b"), undefined);
  assert.equal(find("//queues"), undefined);
  assert.equal(find("queues"), undefined);
});

test("bytes that are no UTF-8 are no name", () => {
  for (const bad of ["%", "%zz", "%ff", "%c3%28", "%ed%a0%80"]) assert.equal(table.find(`/queues/${bad}`), "malformed");
});

test("two routes of one shape and method are a mistake", () => {
  const twice = [
    { method: "GET", path: "/a/:b" },
    { method: "GET", path: "/a/:c" },
  ];
  assert.throws(() => new RouteTable(twice), /two routes/);
});
