import assert from "node:assert/strict";
import { test } from "node:test";
import { ManagementHouse } from "./management-house.suite.ts";

test("nothing is connected by the stream protocol, traced into files or federated, and the lists say so", async () => {
  const house = await ManagementHouse.open();
  const node = house.server.nodeName;
  await house.ask("PUT", "/queues/%2F/log", { body: { durable: true, arguments: { "x-queue-type": "stream" } } });
  await house.ask("PUT", "/queues/%2F/plain", { body: {} });
  const empty = [
    "/federation-links",
    "/federation-links/%2F",
    "/federation-links/state/down",
    "/federation-links/%2F/state/down",
    "/stream/connections",
    "/stream/connections/%2F",
    "/stream/consumers",
    "/stream/consumers/%2F",
    "/stream/publishers",
    "/stream/publishers/%2F",
    "/stream/publishers/%2F/log",
    "/traces",
    "/traces/%2F",
    `/traces/node/${node}`,
    `/traces/node/${node}/%2F`,
    "/trace-files",
    `/trace-files/node/${node}`,
  ];
  for (const path of empty) {
    const { status, json } = await house.ask("GET", path);
    assert.deepEqual([status, json], [200, []], path);
  }
  const absent = [
    "/federation-links/none",
    "/stream/consumers/none",
    "/stream/publishers/%2F/none",
    "/stream/connections/%2F/none/publishers",
    "/stream/%2F/none/tracking",
    "/traces/none",
    "/traces/node/none",
    "/traces/%2F/none",
    "/trace-files/none",
  ];
  for (const path of absent) assert.equal((await house.ask("GET", path)).status, 404, path);
  assert.deepEqual((await house.ask("GET", "/stream/%2F/log/tracking")).json, { offsets: {}, writers: {} });
  assert.deepEqual((await house.ask("GET", "/stream/%2F/log/tracking?type=writer")).json, { writers: {} });
  assert.equal((await house.ask("GET", "/stream/%2F/plain/tracking")).status, 400);
  const trace = await house.ask<{ reason: string }>("PUT", "/traces/%2F/all", { body: { pattern: "#" } });
  assert.equal(trace.status, 400);
  assert.match(trace.json.reason, /amq\.rabbitmq\.trace/);
});

test("upstreams that a policy asks for are links that are down, without their addresses", async () => {
  const house = await ManagementHouse.open();
  await house.ask("PUT", "/vhosts/other");
  for (const vhost of ["%2F", "other"]) {
    const body = { value: { uri: "amqp://user:secret@far" } };
    await house.ask("PUT", `/parameters/federation-upstream/${vhost}/far`, { body });
  }
  assert.deepEqual((await house.ask("GET", "/federation-links")).json, [], "nobody asks for them");
  const body = { pattern: "^fed", definition: { "federation-upstream-set": "all" } };
  await house.ask("PUT", "/policies/%2F/fed", { body });
  for (const path of ["/federation-links", "/federation-links/%2F/state/down"]) {
    const { json, text } = await house.ask<readonly Record<string, unknown>[]>("GET", path);
    assert.deepEqual(
      json.map(({ vhost, upstream, status }) => ({ vhost, upstream, status })),
      [{ vhost: "/", upstream: "far", status: "error" }],
    );
    assert.ok(!text.includes("secret"));
  }
  assert.deepEqual((await house.ask("GET", "/federation-links/other")).json, []);
});

test("the configuration is told to administrators as text", async () => {
  const house = await ManagementHouse.open({ configuration: "data.inMemory: false\n" });
  house.addUser("monitor", ["monitoring"]);
  const { status, text, headers } = await house.ask("GET", "/config/effective");
  assert.deepEqual(
    [status, text, headers["content-type"]],
    [200, "data.inMemory: false\n", "text/plain; charset=utf-8"],
  );
  assert.equal((await house.ask("GET", "/config/effective", { user: "monitor" })).status, 401);
});
