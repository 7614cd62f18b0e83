import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  exportDefinitions,
  exportVhostDefinitions,
  type Definitions,
} from "../../src/protocols/rabbitmq/model/definitions-export.ts";
import { importDefinitions, type ImportReport } from "../../src/protocols/rabbitmq/model/definitions-import.ts";
import { ModelHouse } from "../../src/protocols/rabbitmq/model/model-house.suite.ts";

const spoken = "3.10.8";

type Row = Readonly<Record<string, unknown>>;

function fixture(name: string): Record<string, Row[]> {
  return JSON.parse(readFileSync(new URL(`${name}.json`, import.meta.url), "utf8")) as Record<string, Row[]>;
}

function take({ server }: ModelHouse, definitions: unknown, vhost?: string): ImportReport {
  const outcome = importDefinitions(server, definitions, vhost);
  assert.ok(!("refused" in outcome), "refused" in outcome ? outcome.refused : "");
  return outcome;
}

function refused({ server }: ModelHouse, definitions: unknown, vhost?: string): string {
  const before = JSON.stringify(exportDefinitions(server, spoken));
  const outcome = importDefinitions(server, definitions, vhost);
  assert.ok("refused" in outcome);
  assert.equal(JSON.stringify(exportDefinitions(server, spoken)), before, "a refused import changes nothing");
  return outcome.refused;
}

function names(rows: readonly { readonly name?: unknown }[]): readonly string[] {
  return rows.map(({ name }) => name as string).toSorted((a, b) => (a < b ? -1 : 1));
}

/** Rows as they can be compared: without what 3.10's management leaves out, in an order of their own. */
function comparable(rows: unknown, left: readonly string[] = []): string[] {
  const sorted = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(sorted);
    if (typeof value !== "object" || value === null) return value;
    const fields = Object.entries(value).filter(([name]) => !left.includes(name));
    return Object.fromEntries(
      fields
        .map(([name, field]) => [name, sorted(field)])
        .toSorted(([a], [b]) => ((a as string) < (b as string) ? -1 : 1)),
    );
  };
  return (rows as unknown[]).map((row) => JSON.stringify(sorted(row))).toSorted((a, b) => (a < b ? -1 : 1));
}

const categories = ["users", "permissions", "topic_permissions", "policies", "queues", "exchanges", "bindings"];

test("what RabbitMQ 3.10's management exported goes in, and comes out as it was", async () => {
  const house = await ModelHouse.open();
  house.server.parameters.register("shovel", { validate: () => [] });
  const definitions = fixture("rabbitmq-3.10-management");
  const report = take(house, definitions);
  for (const category of categories) assert.equal(report.applied[category], definitions[category]!.length, category);
  assert.deepEqual(names(report.withoutEffect), ["fed", "ha", "internal_cluster_id", "lazy", "pair", "west"]);
  const exported = exportDefinitions(house.server, spoken) as Record<string, Row[]>;
  for (const category of categories) {
    assert.deepEqual(comparable(exported[category]), comparable(withTypes(category, definitions, exported)), category);
  }
  assert.deepEqual(comparable(exported["parameters"]), comparable(definitions["parameters"]));
  assert.deepEqual(
    comparable(exported["global_parameters"]),
    comparable(definitions["global_parameters"]!.filter(({ name }) => name !== "internal_cluster_id")),
  );
  assert.deepEqual(names(exported["vhosts"]!), names(definitions["vhosts"]!));
});

/** 3.10's management does not say the type of a queue; the arguments do. */
function withTypes(category: string, from: Record<string, Row[]>, exported: Record<string, Row[]>): readonly Row[] {
  if (category !== "queues") return from[category]!;
  return from["queues"]!.map((row) => ({
    ...row,
    type: exported["queues"]!.find(({ name, vhost }) => name === row["name"] && vhost === row["vhost"])?.["type"],
  }));
}

test("exported users log in with their passwords, whatever their hashes are", async () => {
  const house = await ModelHouse.open();
  take(house, fixture("rabbitmq-3.10-management"));
  const login = (name: string, password: string): boolean => {
    const proof = { kind: "password" as const, name, password };
    const outcome = house.server.authority.login({
      proof,
      isLoopback: true,
      remoteAddress: "127.0.0.1",
      protocol: "amqp",
    });
    return "mayEnter" in outcome;
  };
  assert.equal(login("ada", "lovelace"), true);
  assert.equal(login("ada", "wrong"), false);
  assert.equal(login("app", "secret-app"), true);
  assert.equal(login("long", "longword"), true);
  assert.equal(login("cert-only", ""), false);
});

test("policies, limits and settings of the definitions are in force at once", async () => {
  const house = await ModelHouse.open();
  take(house, fixture("rabbitmq-3.10-management"));
  const { server } = house;
  const shop = server.vhosts.find("shop")!.namespace;
  const orders = shop.queue("app-orders")!;
  assert.equal(orders.settings.maxLength, 5000, "the operators' bound");
  assert.equal(orders.settings.ttlMs, 60_000, "the policy's, below the argument's");
  assert.equal(orders.settings.deadLetter?.exchange, "app-dead");
  assert.equal(shop.exchange("app-events")?.settings.alternate, "app-unrouted");
  assert.equal(server.vhostLimits.queuesMax("shop"), 50);
});

test("what 3.10's rabbitmqctl exported goes in: vhosts with metadata, operators' policies as pairs", async () => {
  const house = await ModelHouse.open();
  take(house, fixture("rabbitmq-3.10-ctl"));
  const { server } = house;
  assert.deepEqual(server.vhosts.find("shop")?.record.tags, ["production", "eu"]);
  assert.equal(server.vhosts.find("shop")?.record.description, "The shop");
  assert.deepEqual(server.policies.find("operator_policy", "shop", "bound")?.definition, {
    expires: 86_400_000,
    "max-length": 5000,
  });
});

test("what 4.x exports goes in, and what has no effect is told", async () => {
  const house = await ModelHouse.open();
  const report = take(house, fixture("rabbitmq-4.3"));
  assert.deepEqual(
    report.withoutEffect.map(({ category, name }) => `${category}/${name}`),
    [
      "global_parameters/internal_cluster_id",
      "policies/retries",
      "policies/log",
      "parameters/pair",
      "parameters/north",
      "parameters/thing",
    ],
  );
  const { server } = house;
  const { namespace, record } = server.vhosts.find("four")!;
  assert.equal(record.isProtectedFromDeletion, true);
  assert.equal(server.vhosts.find("untyped")?.record.defaultQueueType, undefined);
  const work = namespace.queue("work.in")!;
  assert.deepEqual(work.settings.retry, { on: "failed", minMs: 1000, maxMs: 60_000, growth: "linear", jitter: 0 });
  assert.equal(work.settings.deliveryLimit, -1);
  assert.equal(work.settings.overflow, "reject-publish");
  assert.equal(namespace.queue("journal")?.settings.retention.maxAgeMs, 30 * 86_400_000);
  assert.equal(namespace.exchange("later")?.settings.delays, true);
});

test("definitions of Helm charts go in", async () => {
  const house = await ModelHouse.open();
  const report = take(house, fixture("helm-chart"));
  assert.deepEqual(report.withoutEffect, [
    {
      category: "policies",
      name: "ha-all",
      vhost: "/",
      reason: "ha-mode, ha-sync-mode, ha-sync-batch-size: accepted, and without effect",
    },
  ]);
  assert.deepEqual(house.server.authority.users.find("svc")?.tags, ["administrator"]);
  assert.deepEqual(take(house, {}), { applied: {}, withoutEffect: [] });
});

test("importing twice is importing once, and what exists stays as it is", async () => {
  const house = await ModelHouse.open();
  const definitions = fixture("rabbitmq-4.3");
  take(house, definitions);
  const once = JSON.stringify(exportDefinitions(house.server, spoken));
  const again = take(house, definitions);
  assert.equal(JSON.stringify(exportDefinitions(house.server, spoken)), once);
  assert.equal(again.applied["queues"], undefined);
  const other = { vhost: "four", name: "plain", durable: false, auto_delete: true, arguments: { "x-max-length": 1 } };
  take(house, { queues: [other] });
  assert.equal(JSON.stringify(exportDefinitions(house.server, spoken)), once);
});

test("an export of ours goes into another broker, and comes out the same", async () => {
  const [one, two] = [await ModelHouse.open(), await ModelHouse.open()];
  take(one, fixture("rabbitmq-3.10-ctl"));
  take(one, fixture("rabbitmq-4.3"));
  const exported = exportDefinitions(one.server, spoken);
  take(two, JSON.parse(JSON.stringify(exported)));
  const rows = (definitions: Definitions): unknown =>
    Object.entries(definitions).map(([name, value]) => [name, Array.isArray(value) ? comparable(value) : value]);
  assert.deepEqual(rows(exportDefinitions(two.server, spoken)), rows(exported));
});

test("an import outlives a crash, whole", async () => {
  const house = await ModelHouse.open();
  take(house, fixture("rabbitmq-4.3"));
  const before = exportDefinitions(house.server, spoken);
  await house.durable();
  const { server } = await house.crash();
  assert.deepEqual(exportDefinitions(server, spoken), JSON.parse(JSON.stringify(before)));
});

test("definitions of one virtual host go into another one", async () => {
  const house = await ModelHouse.open();
  const { server } = house;
  server.parameters.register("shovel", { validate: () => [] });
  server.vhosts.create("copy", server.vhosts.find("/")!.record);
  const definitions = fixture("rabbitmq-3.10-vhost");
  take(house, definitions, "copy");
  const exported = exportVhostDefinitions(server, server.vhosts.find("copy")!, spoken) as Record<string, Row[]>;
  for (const category of ["queues", "exchanges", "bindings", "policies", "parameters"]) {
    const left = ["vhost", "type"];
    assert.deepEqual(comparable(exported[category], left), comparable(definitions[category], left), category);
  }
  const report = take(house, { users: [{ name: "x", tags: "" }] }, "copy");
  assert.deepEqual(
    report.withoutEffect.map(({ reason }) => reason),
    ["not part of one virtual host's definitions"],
  );
  assert.equal(server.authority.users.find("x"), undefined);
});

test("wrong definitions are refused with RabbitMQ's texts, and nothing is changed", async () => {
  const house = await ModelHouse.open();
  const flags = { durable: true, auto_delete: false, arguments: {} };
  const queue = { name: "q1", vhost: "/", ...flags };
  const policy = { vhost: "/", name: "p1", pattern: "a", definition: { "max-length": 1 } };
  const before = { exchanges: [{ name: "earlier", vhost: "/", type: "direct", ...flags }] };
  const cases: readonly (readonly [object, string])[] = [
    [{ queues: [{ ...queue, vhost: "nope" }] }, 'Please create virtual host "nope" prior to importing definitions.'],
    [{ queues: [{ name: "q1", ...flags }] }, "Virtual host does not exist and is not specified in definitions file."],
    [
      { queues: [{ ...queue, arguments: { "x-max-length": "a" } }] },
      "precondition_failed: invalid arg 'x-max-length' for queue 'q1' in vhost '/': \"expected integer, got longstr\"",
    ],
    [{ queues: [{ ...queue, arguments: { "x-max-length": null } }] }, "null_not_allowed"],
    [
      { queues: [{ ...queue, durable: false, arguments: { "x-queue-type": "quorum" } }] },
      "precondition_failed: invalid property 'non-durable' for queue 'q1' in vhost '/'",
    ],
    [{ exchanges: [{ name: "x", vhost: "/", type: "foo", ...flags }] }, "command_invalid: unknown exchange type 'foo'"],
    [{ users: [{ name: "u1" }] }, "tags_not_present"],
    [
      { users: [{ name: "u1", password: "a", password_hash: "b", tags: "" }] },
      "both_password_and_password_hash_are_provided",
    ],
    [
      { permissions: [{ user: "nobody", vhost: "/", configure: "", write: "", read: "" }] },
      "user 'nobody' does not exist",
    ],
    [
      { policies: [{ ...policy, definition: { foo: 1 } }] },
      'Validation failed\n\n[{<<"foo">>,1}] are not recognised policy settings\n (//p1)',
    ],
    [{ policies: [{ ...policy, name: undefined }] }, "policy in virtual host '/' has undefined name"],
    [
      { parameters: [{ vhost: "/", component: "policy", name: "n", value: {} }] },
      "policies may not be set using this method (//policy/n)",
    ],
    [{ vhosts: [{ name: "v", default_queue_type: "foo" }] }, "foo is not a valid queue type"],
    [{ queues: {} }, "queues must be a list"],
    [{ queues: [5] }, "queues must be a list of objects"],
  ];
  for (const [definitions, text] of cases) assert.equal(refused(house, { ...before, ...definitions }), text);
  assert.equal(refused(house, []), "failed_to_parse_json");
  assert.equal(refused(house, {}, "nope"), 'Please create virtual host "nope" prior to importing definitions.');
  house.server.vhostLimits.set("/", "max-queues", 0);
  assert.equal(
    refused(house, { queues: [queue] }),
    'Adding 1 queue(s) to virtual host "/" would exceed the limit of 0 queue(s).\n\n' +
      "This virtual host currently has 0 queue(s) defined.\n\nImport aborted!",
  );
});

test("what no client could have named, and what is nested without end, is refused", async () => {
  const house = await ModelHouse.open();
  const long = "n".repeat(256);
  const queue = { vhost: "/", durable: true, auto_delete: false, arguments: {} };
  const exchange = { ...queue, type: "fanout", internal: false };
  const binding = { vhost: "/", source: "amq.topic", destination: "amq.fanout", destination_type: "exchange" };
  const tooLong = /must have at most 255 bytes, and has 256/;
  assert.match(refused(house, { vhosts: [{ name: long }] }), tooLong);
  assert.match(refused(house, { vhosts: [{ name: "" }] }), /vhosts: name must not be empty/);
  assert.match(refused(house, { vhosts: [{ name: "\ud800" }] }), /vhosts: name must be Unicode/);
  assert.match(refused(house, { queues: [{ ...queue, name: long }] }), tooLong);
  assert.match(refused(house, { queues: [{ ...queue, name: "" }] }), /queues: name must not be empty/);
  assert.match(refused(house, { exchanges: [{ ...exchange, name: long }] }), tooLong);
  assert.match(refused(house, { bindings: [{ ...binding, routing_key: long, arguments: {} }] }), tooLong);
  const deep: unknown = JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`);
  const text = "The definitions are nested too deep.";
  assert.equal(refused(house, { queues: [{ ...queue, name: "deep", arguments: { deep } }] }), text);
  assert.equal(refused(house, { global_parameters: [{ name: "deep", value: deep }] }), text);
});
