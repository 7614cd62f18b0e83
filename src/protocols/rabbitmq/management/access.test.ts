import assert from "node:assert/strict";
import { test } from "node:test";
import { ManagementHouse } from "./management-house.suite.ts";
import type { Access } from "./route.ts";

const kinds = ["nobody", "untagged", "management", "policymaker", "monitoring", "administrator"] as const;
type Kind = (typeof kinds)[number];

/** Who gets past the rule, for a path without a virtual host, and for one with a virtual host that is not theirs. */
const admitted: Readonly<Record<Access, { readonly general: readonly Kind[]; readonly foreign: readonly Kind[] }>> = {
  anyone: { general: kinds, foreign: kinds },
  management: { general: kinds.slice(2), foreign: kinds.slice(2) },
  monitoring: { general: ["monitoring", "administrator"], foreign: ["monitoring", "administrator"] },
  administrator: { general: ["administrator"], foreign: ["administrator"] },
  vhost: { general: kinds.slice(2), foreign: ["administrator"] },
  "vhost-visible": { general: kinds.slice(2), foreign: ["monitoring", "administrator"] },
  policies: { general: ["policymaker", "administrator"], foreign: ["administrator"] },
  policymaker: { general: ["policymaker", "administrator"], foreign: ["policymaker", "administrator"] },
};

/** Of permissions for the thing itself, once the rule has let in. */
const laterRefusals = ["Access refused."];

async function openHouse(): Promise<ManagementHouse> {
  const house = await ManagementHouse.open();
  for (const kind of kinds.slice(1)) house.addUser(kind, kind === "untagged" ? [] : [kind]);
  await house.ask("PUT", "/vhosts/foreign");
  return house;
}

interface Line {
  readonly method: string;
  readonly path: string;
  readonly access: Access;
}

test("each line of the table lets in whom its rule says, and nobody else", async () => {
  const house = await openHouse();
  const { json: table } = await house.ask<Line[]>("GET", "/entrepot/routes");
  assert.ok(table.length > 90);
  for (const { method, path, access } of table) {
    if (path === "/api/login") continue;
    const isForeign = path.includes(":vhost");
    // Of these names only the virtual host exists, until the administrator has deleted it.
    await house.ask("PUT", "/vhosts/foreign");
    const target = path.slice("/api".length).replace(":vhost", "foreign").replace(/:\w+/g, "none");
    for (const kind of kinds) {
      const { status, json } = await house.ask<{ reason: string } | undefined>(method, target, {
        user: kind === "nobody" ? null : kind,
      });
      const isAdmitted = status !== 401 || laterRefusals.includes(json?.reason ?? "");
      const isOwners = path.startsWith("/api/connections/username") && status === 401;
      const may = admitted[access][isForeign ? "foreign" : "general"].includes(kind) && !isOwners;
      assert.equal(isAdmitted, may, `${kind}: ${method} ${target}: ${status}`);
    }
  }
});

test("a user sees the queues, exchanges and bindings of the virtual hosts that it may enter", async () => {
  const house = await openHouse();
  await house.ask("PUT", "/queues/foreign/hidden", { body: {} });
  await house.ask("PUT", "/queues/%2F/shown", { body: {} });
  const names = async (user: string): Promise<string[]> =>
    (await house.ask<{ destination: string }[]>("GET", "/bindings", { user })).json.map(
      ({ destination }) => destination,
    );
  assert.deepEqual(await names("management"), ["shown"]);
  assert.deepEqual(await names("guest"), ["shown", "hidden"]);
});

test("permissions decide about queues and exchanges, whatever the tags", async () => {
  const house = await openHouse();
  const { permissions } = house.server.authority;
  permissions.set({ user: "management", vhost: "/", configure: "^mine", write: "^mine", read: "^(mine|amq\\.)" });
  const ask = async (method: string, target: string, body: unknown = {}): Promise<number> =>
    (await house.ask(method, target, { user: "management", body })).status;
  assert.equal(await ask("PUT", "/queues/%2F/mine"), 201);
  assert.equal(await ask("PUT", "/queues/%2F/other"), 401);
  assert.equal(await ask("PUT", "/exchanges/%2F/mine-too", { type: "topic" }), 201);
  assert.equal(await ask("PUT", "/exchanges/%2F/other", { type: "topic" }), 401);
  assert.equal(await ask("POST", "/bindings/%2F/e/amq.topic/q/mine", { routing_key: "a" }), 201);
  await house.ask("PUT", "/queues/%2F/other", { body: {} });
  assert.equal(await ask("POST", "/bindings/%2F/e/amq.topic/q/other", { routing_key: "a" }), 401);
  assert.equal(await ask("DELETE", "/queues/%2F/other"), 401);
  assert.equal(await ask("DELETE", "/queues/%2F/other/contents"), 401);
  const message = { routing_key: "mine", properties: {}, payload: "x", payload_encoding: "string" };
  assert.equal(await ask("POST", "/exchanges/%2F/amq.default/publish", message), 400, "403 ACCESS_REFUSED");
  const wish = { count: 1, ackmode: "ack_requeue_true", encoding: "auto" };
  assert.equal(await ask("POST", "/queues/%2F/other/get", wish), 401);
  assert.equal(await ask("POST", "/queues/%2F/mine/get", wish), 200);
});

test("what is gone, or not allowed any more, when the body comes is not done", async () => {
  const house = await ManagementHouse.open();
  house.addUser("ann", []);
  house.addUser("eve", ["policymaker"]);
  await house.ask("PUT", "/vhosts/v");
  const { promise: comes, resolve: come } = Promise.withResolvers<void>();
  let waiting = 0;
  const bodyComes = (): Promise<void> => {
    waiting++;
    return comes;
  };
  const permission = { configure: ".*", write: ".*", read: ".*" };
  const ask = (target: string, body: unknown, user = "guest") => house.ask("PUT", target, { body, bodyComes, user });
  const asked = [
    ask("/permissions/v/ann", permission),
    ask("/queues/v/q", {}),
    ask("/policies/%2F/p", { pattern: ".*", definition: { "max-length": 1 } }, "eve"),
  ];
  while (waiting < asked.length) await new Promise((resolve) => setImmediate(resolve));
  assert.equal((await house.ask("DELETE", "/vhosts/v")).status, 204);
  house.server.authority.permissions.clear("eve", "/");
  come();
  const statuses = (await Promise.all(asked)).map(({ status }) => status);
  assert.deepEqual(statuses, [400, 404, 401]);
  await house.ask("PUT", "/vhosts/v");
  assert.equal(house.server.authority.permissions.find("ann", "v"), undefined);
  assert.equal((await house.ask("GET", "/policies/%2F/p")).status, 404);
});

test("a wrong password is answered late, and later each time", async () => {
  const house = await ManagementHouse.open();
  for (const holdMs of [600, 1200]) {
    let answered: number | undefined;
    const asked = house.ask("GET", "/whoami", { password: "wrong" }).then(({ status }) => (answered = status));
    await new Promise((resolve) => setImmediate(resolve));
    house.clock.advance(holdMs - 1);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(answered, undefined);
    house.clock.advance(1);
    await asked;
    assert.equal(answered, 401);
  }
  assert.equal((await house.ask("GET", "/whoami")).status, 200, "who is right does not wait");
});

test("a login that was right counts no longer once the password is another, or the user is gone", async () => {
  const house = await ManagementHouse.open();
  house.addUser("ann", ["administrator"]);
  assert.equal((await house.ask("GET", "/whoami", { user: "ann" })).status, 200);
  house.server.authority.users.put("ann", { password: "other", tags: ["administrator"] });
  const failed = house.ask("GET", "/whoami", { user: "ann" });
  await new Promise((resolve) => setImmediate(resolve));
  house.clock.advance(60_000);
  assert.equal((await failed).status, 401);
  assert.equal((await house.ask("GET", "/whoami", { user: "ann", password: "other" })).status, 200);
  house.server.authority.users.delete("ann");
  const gone = house.ask("GET", "/whoami", { user: "ann", password: "other" });
  await new Promise((resolve) => setImmediate(resolve));
  house.clock.advance(60_000);
  assert.equal((await gone).status, 401);
});

test("guest comes from this machine only", async () => {
  const house = await ManagementHouse.open();
  const asked = house.ask("GET", "/whoami", { peer: { address: "192.0.2.7", isLoopback: false } });
  await new Promise((resolve) => setImmediate(resolve));
  house.clock.advance(60_000);
  const { status, json } = await asked;
  assert.equal(status, 401);
  assert.deepEqual(json, { error: "not_authorised", reason: "User can only log in via localhost" });
});

test("a page of another site changes nothing, and programs are not asked where they come from", async () => {
  const house = await ManagementHouse.open({ corsOrigins: ["https://ops.example.com"] });
  const put = async (headers: Record<string, string>): Promise<number> =>
    (await house.ask("PUT", "/queues/%2F/q", { body: {}, headers })).status;
  assert.equal(await put({ origin: "https://evil.example.com" }), 403);
  assert.equal(await put({ origin: "null" }), 403);
  assert.equal(await put({ "sec-fetch-site": "cross-site" }), 403);
  assert.equal(await put({ "sec-fetch-site": "same-site", origin: "http://broker.test:8080" }), 403);
  assert.equal(house.core.namespace("/")?.queue("q"), undefined);
  assert.equal(await put({ origin: "http://broker.test:15672", "sec-fetch-site": "same-origin" }), 201);
  assert.equal(await put({ origin: "https://ops.example.com", "sec-fetch-site": "cross-site" }), 204);
  assert.equal(await put({}), 204);
  const read = await house.ask("GET", "/whoami", { headers: { origin: "https://evil.example.com" } });
  assert.equal(read.headers["access-control-allow-origin"], undefined);
  const allowed = await house.ask("OPTIONS", "/queues/%2F/q", {
    user: null,
    headers: { origin: "https://ops.example.com", "access-control-request-headers": "authorization" },
  });
  assert.equal(allowed.headers["access-control-allow-origin"], "https://ops.example.com");
  assert.equal(allowed.headers["access-control-allow-headers"], "authorization");
});
