import assert from "node:assert/strict";
import { test } from "node:test";
import { checkNewQueue } from "./declare-queue.ts";
import type { PolicyDraft } from "./policies.ts";
import { ModelHouse } from "./model-house.suite.ts";

const limit = (count: number): PolicyDraft => ({ pattern: "^q", definition: { "max-length": count } });

test("a policy holds at once for what is there, for what comes, and no longer than it is there", async () => {
  const { server, declare } = await withDeclare();
  const before = declare("q-before");
  const other = declare("other");
  assert.equal(server.policies.set("policy", "/", "p", limit(7)), undefined);
  const after = declare("q-after");
  for (const queue of [before, after]) {
    assert.equal(queue.settings.maxLength, 7);
    assert.equal(server.policies.policyOf(queue)?.name, "p");
    assert.deepEqual(server.policies.effectiveDefinition(queue), { "max-length": 7 });
  }
  assert.equal(other.settings.maxLength, -1);
  assert.equal(server.policies.policyOf(other), undefined);
  assert.equal(server.policies.set("policy", "/", "p", limit(8)), undefined);
  assert.equal(after.settings.maxLength, 8);
  assert.equal(server.policies.clear("policy", "/", "p"), true);
  assert.equal(before.settings.maxLength, -1);
  assert.equal(server.policies.policyOf(before), undefined);
  assert.equal(server.policies.clear("policy", "/", "p"), false);
});

test("of several policies the one of highest priority applies, alone", async () => {
  const { server, declare } = await withDeclare();
  const queue = declare("q", { "x-message-ttl": 500 });
  server.policies.set("policy", "/", "low", limit(7));
  server.policies.set("policy", "/", "high", { pattern: ".*", priority: 5, definition: { "message-ttl": 1000 } });
  assert.equal(server.policies.policyOf(queue)?.name, "high");
  assert.equal(queue.settings.maxLength, -1);
  assert.equal(queue.settings.ttlMs, 500, "the lower of policy and argument");
  server.policies.clear("policy", "/", "high");
  assert.equal(queue.settings.maxLength, 7);
  server.policies.set("operator_policy", "/", "bound", limit(3));
  assert.equal(queue.settings.maxLength, 3);
  assert.deepEqual(server.policies.effectiveDefinition(queue), { "max-length": 3 });
  assert.equal(server.policies.operatorPolicyOf(queue)?.name, "bound");
});

test("a policy goes to the kinds and types that it says, and passes over those that could not use all of it", async () => {
  const { server, declare } = await withDeclare();
  const classic = declare("classic");
  const quorum = declare("quorum", { "x-queue-type": "quorum" });
  const stream = declare("stream", { "x-queue-type": "stream" });
  const set = (definition: object, applyTo?: string): void => {
    assert.equal(server.policies.set("policy", "/", "p", { pattern: ".*", definition, applyTo }), undefined);
  };
  set({ "max-length-bytes": 1000 }, "quorum_queues");
  assert.equal(classic.settings.maxLengthBytes, -1);
  assert.equal(quorum.settings.maxLengthBytes, 1000);
  set({ "max-length-bytes": 1000 }, "streams");
  assert.equal(quorum.settings.maxLengthBytes, -1);
  assert.equal(stream.settings.retention.maxBytes, 1000);
  set({ "delivery-limit": 3, "max-length": 5 });
  assert.equal(classic.settings.maxLength, -1);
  assert.equal(stream.settings.retention.maxBytes, 0);
  assert.equal(quorum.settings.maxLength, 5);
  assert.equal(quorum.settings.deliveryLimit, 3);
  set({ "max-length": 5 }, "exchanges");
  assert.equal(quorum.settings.maxLength, -1);
});

test("an exchange gets its alternate by policy, unless it was declared with one", async () => {
  const { server, house } = await withDeclare();
  house.declareExchange("plain");
  house.declareExchange("own", { "alternate-exchange": "mine" });
  const draft = { pattern: "", applyTo: "exchanges", definition: { "alternate-exchange": "amq.fanout" } };
  assert.equal(server.policies.set("policy", "/", "ae", draft), undefined);
  assert.equal(house.alternateOf("plain"), "amq.fanout");
  assert.equal(house.alternateOf("own"), "mine");
  house.declareExchange("later");
  assert.equal(house.alternateOf("later"), "amq.fanout");
  server.policies.clear("policy", "/", "ae");
  assert.equal(house.alternateOf("plain"), undefined);
  assert.equal(house.alternateOf("own"), "mine");
});

test("what another protocol made is left alone", async () => {
  const { server, house } = await withDeclare();
  const { namespace } = server.vhosts.find("/")!;
  const queue = namespace.createQueue("q-foreign", { ...house.declare("model").settings, maxLength: 99 }, undefined);
  server.policies.set("policy", "/", "p", limit(7));
  assert.equal(queue.settings.maxLength, 99);
  assert.equal(server.policies.policyOf(queue), undefined);
});

test("a policy outlives a crash, with what it made; one that was cleared half way is cleared", async () => {
  const { server, house, declare } = await withDeclare();
  for (let i = 0; i < 1000; i++) declare(`q${i}`);
  server.policies.set("policy", "/", "p", limit(7));
  await allApplied(server.policies);
  await house.durable();
  const again = await house.crash();
  assert.equal(again.queue("q999").settings.maxLength, 7);
  assert.equal(again.server.policies.policyOf(again.queue("q0"))?.priority, 0);
  again.server.policies.clear("policy", "/", "p");
  assert.equal(again.queue("q0").settings.maxLength, -1);
  assert.equal(again.queue("q999").settings.maxLength, 7, "not yet: it is for a later turn");
  assert.equal(again.server.policies.isSettled, false);
  // What a crash leaves that comes before the later turn: the policy is gone, and nothing was changed.
  await allApplied(again.server.policies);
  again.server.policies.set("policy", "/", "p", limit(7));
  await allApplied(again.server.policies);
  const [key] = [...again.core.definitions.entries("parameter")].map(([name]) => name);
  again.core.definitions.remove("parameter", key!);
  await again.durable();
  const half = await again.crash();
  assert.equal(half.server.policies.find("policy", "/", "p"), undefined);
  for (const name of ["q0", "q500", "q999"]) assert.equal(half.queue(name).settings.maxLength, -1);
});

test("ten thousand queues are changed in slices, and the newest change is what they end with", async () => {
  const { server, declare } = await withDeclare();
  for (let i = 0; i < 10_000; i++) declare(`q${i}`);
  let turns = 0;
  let isCounting = true;
  const count = (): void => {
    turns++;
    if (isCounting) setImmediate(count);
  };
  setImmediate(count);
  server.policies.set("policy", "/", "p", limit(7));
  server.policies.set("policy", "/", "p", limit(8));
  await allApplied(server.policies);
  isCounting = false;
  assert.ok(turns > 20, `others had ${turns} turns`);
  for (const queue of server.vhosts.find("/")!.namespace.queues()) assert.equal(queue.settings.maxLength, 8);
});

test("a virtual host that goes takes its policies, and one of that name begins without", async () => {
  const { server, house } = await withDeclare();
  server.vhosts.create("other", { ...server.vhosts.find("/")!.record });
  server.policies.set("policy", "other", "p", limit(7));
  server.vhostLimits.set("other", "max-queues", 5);
  assert.equal(house.declare("q", {}, "other").settings.maxLength, 7);
  server.vhosts.delete("other");
  assert.deepEqual([...server.policies.all("policy")], []);
  assert.deepEqual([...server.parameters.all()], []);
  server.vhosts.create("other", { ...server.vhosts.find("/")!.record });
  assert.equal(house.declare("q", {}, "other").settings.maxLength, -1);
});

test("wrong policies are refused with RabbitMQ's texts", async () => {
  const { server } = await withDeclare();
  const max = { "max-length": 1 };
  const cases: readonly (readonly [PolicyDraft, string])[] = [
    [{ pattern: "a", definition: {} }, "no policy provided"],
    [
      { pattern: "a", definition: { zzz: 1, aaa: "x", "max-length": 3 } },
      '[{<<"aaa">>,<<"x">>},{<<"zzz">>,1}] are not recognised policy settings',
    ],
    [
      { pattern: "a", definition: { zzz: { a: [1, 2, true, null, 1.5] }, q: [97, 98] } },
      '[{<<"q">>,"ab"},{<<"zzz">>,#{<<"a">> => [1,2,true,null,1.5]}}] are not recognised policy settings',
    ],
    [{ pattern: "a", definition: { "max-length": -5, "message-ttl": "x" } }, "-5 is not a valid maximum length"],
    [{ pattern: "a", definition: max, priority: "x" }, 'priority should be a number, actually was <<"x">>'],
    [
      { pattern: 5, definition: max, applyTo: "foo" },
      "apply-to 'foo' unrecognised; should be 'queues', 'exchanges' or 'all'\npattern should be a binary but was 5",
    ],
    [
      { pattern: "a", definition: { "ha-sync-mode": "manual" } },
      "ha-mode must be specified to specify ha-params, ha-sync-mode or ha-promote-on-shutdown",
    ],
    [{ pattern: "a", definition: { "ha-mode": "foo" } }, '<<"foo">> is not a valid ha-mode value'],
    [
      { pattern: "a", definition: { "ha-mode": "exactly", "ha-params": "x" } },
      'ha-mode="exactly" takes an integer, <<"x">> given',
    ],
    [{ pattern: "a", definition: { "ha-mode": "nodes", "ha-params": [] } }, 'ha-mode="nodes" list must be non-empty'],
    [{ pattern: "a", definition: { "ha-mode": "all", "ha-params": 1 } }, 'ha-mode="all" does not take parameters'],
    [
      { pattern: "a", definition: { "federation-upstream": "a", "federation-upstream-set": "b" } },
      "cannot specify federation-upstream, federation-upstream-set or federation-upstream-pattern together",
    ],
    [{ pattern: "a", definition: { "queue-master-locator": "foo" } }, '<<"foo">> invalid queue-master-locator value'],
  ];
  for (const [draft, text] of cases) {
    assert.equal(server.policies.set("policy", "/", "p", draft), `Validation failed\n\n${text}\n`);
  }
  assert.match(
    server.policies.set("policy", "/", "p", { pattern: "(", definition: max }) ?? "",
    /^Validation failed\n\npattern should be regular expression but is invalid: \{"missing /,
  );
  assert.equal(
    server.policies.set("operator_policy", "/", "p", { pattern: "a", definition: { "ha-mode": "all" } }),
    'Validation failed\n\n[{<<"ha-mode">>,<<"all">>}] are not recognised policy settings\n',
  );
  assert.deepEqual([...server.policies.all("policy")], []);
});

async function allApplied(policies: { readonly isSettled: boolean }): Promise<void> {
  while (!policies.isSettled) await new Promise<void>((resolve) => setImmediate(resolve));
}

async function withDeclare(): Promise<{
  house: ModelHouse;
  server: ModelHouse["server"];
  declare: ModelHouse["declare"];
}> {
  const house = await ModelHouse.open();
  return { house, server: house.server, declare: (...args) => house.declare(...args) };
}

test("a dead letter's routing key that no client could be told is refused", async () => {
  const { server } = await ModelHouse.open();
  const draft = (key: string): PolicyDraft => ({
    pattern: ".*",
    definition: { "dead-letter-exchange": "amq.fanout", "dead-letter-routing-key": key },
  });
  assert.equal(server.policies.set("policy", "/", "p", draft("ü".repeat(127))), undefined);
  const wrong = server.policies.set("policy", "/", "p", draft("ü".repeat(128)));
  assert.match(wrong ?? "", /is not a valid dead letter routing key/);
  const declared = (key: string | Buffer) => ({
    type: "classic" as const,
    durable: true,
    autoDelete: false,
    exclusive: false,
    arguments: [
      { name: "x-dead-letter-exchange", value: { type: "S" as const, value: "amq.fanout" } },
      { name: "x-dead-letter-routing-key", value: { type: "S" as const, value: key } },
    ],
  });
  assert.equal(checkNewQueue(declared("k".repeat(255)), "q", "/"), undefined);
  const text = "invalid arg 'x-dead-letter-routing-key' for queue 'q' in vhost '/': {max_length_exceeded,300}";
  assert.equal(checkNewQueue(declared("k".repeat(300)), "q", "/")?.explanation, text);
  // Bytes that are no text are kept as replacement characters, of three bytes each.
  assert.equal(checkNewQueue(declared(Buffer.alloc(100, 0xff)), "q", "/")?.explanation, text);
});
