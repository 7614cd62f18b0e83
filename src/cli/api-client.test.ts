import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { Api } from "./api-client.ts";

test("a path in the URL stands before all paths: a proxy may have put the broker there", async (t) => {
  const asked: (string | undefined)[] = [];
  const server = createServer(({ url }, response) => {
    asked.push(url);
    response.end("{}");
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const url of [base, `${base}/`, `${base}/brokers/one`, `${base}/brokers/one/`]) {
    await new Api({ url, user: "guest", password: "guest" }).ask("/api/queues/%2F/q?page=1");
  }
  const path = "/api/queues/%2F/q?page=1";
  assert.deepEqual(asked, [path, path, `/brokers/one${path}`, `/brokers/one${path}`]);
  assert.equal(new Api({ url: `${base}/x/`, user: "", password: "" }).url, `${base}/x`);
});
