import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { clusterName, setClusterName } from "./cluster.ts";
import { importDefinitions } from "./definitions-import.ts";
import { jsonOfTable, tableOfJson } from "./json-table.ts";
import { ModelHouse } from "./model-house.suite.ts";
import { checkFields, isBinary, isNumber } from "./parameter-checks.ts";

test("a component checks its parameters and is told of changes; what nobody registered is refused", async () => {
  const house = await ModelHouse.open();
  const { parameters } = house.server;
  const told: unknown[] = [];
  assert.equal(parameters.set("/", "later", "n", 1), "Validation failed\n\ncomponent later not found\n");
  parameters.register("later", {
    validate: (_vhost, name, value) => checkFields(name, [{ name: "uri", check: isBinary, isMandatory: true }], value),
    changed: (...change) => told.push(change),
  });
  assert.equal(
    parameters.set("/", "later", "n", { other: 1, more: "x" }),
    'Validation failed\n\nUnrecognised terms [{<<"more">>,<<"x">>},{<<"other">>,1}] in n\nKey "uri" not found in n\n',
  );
  assert.equal(parameters.set("/", "later", "n", { uri: "a" }), undefined);
  assert.equal(parameters.set("/", "later", "n", { uri: "a" }), undefined);
  assert.equal(parameters.set("/", "later", "n", { uri: "b" }), undefined);
  assert.equal(parameters.clear("/", "later", "n"), true);
  assert.equal(parameters.clear("/", "later", "n"), false);
  assert.deepEqual(told, [
    ["/", "n", { uri: "a" }],
    ["/", "n", { uri: "b" }],
    ["/", "n", undefined],
  ]);
  assert.equal(parameters.set("/", "policy", "n", {}), "policies may not be set using this method");
});

test("parameters outlive a crash, whatever their names hold, and those of a component that is gone as well", async () => {
  const house = await ModelHouse.open();
  const { parameters } = house.server;
  parameters.register("gone", { validate: () => [] });
  const names = ['a","b', "/", "é ☃", "x".repeat(10_000), "__proto__"];
  for (const name of names) assert.equal(parameters.set("/", "gone", name, { name }), undefined);
  parameters.setGlobal("anything", [1, { a: null }]);
  await house.durable();
  const again = (await house.crash()).server.parameters;
  assert.deepEqual(
    [...again.of("gone", "/")].map(({ name, value }) => [name, value]),
    names.map((name) => [name, { name }]),
  );
  assert.deepEqual(again.global("anything"), [1, { a: null }]);
  assert.equal(again.clearGlobal("anything"), true);
  assert.equal(again.clearGlobal("anything"), false);
});

test("limits of a virtual host are set and cleared one by one; below zero there is none", async () => {
  const house = await ModelHouse.open();
  const { vhostLimits, parameters } = house.server;
  assert.equal(vhostLimits.of("/"), undefined);
  assert.equal(vhostLimits.set("/", "max-queues", 2), undefined);
  assert.equal(vhostLimits.set("/", "max-connections", -5), undefined);
  assert.deepEqual(vhostLimits.of("/"), { "max-queues": 2, "max-connections": -5 });
  assert.equal(vhostLimits.connectionsMax("/"), -1);
  assert.equal(vhostLimits.wouldExceedQueues("/", 2), false);
  house.declare("q");
  assert.equal(vhostLimits.wouldExceedQueues("/", 2), true);
  assert.equal(
    vhostLimits.set("/", "max-queues", "x"),
    'Validation failed\n\nmax-queues should be a number, actually was <<"x">>\n',
  );
  assert.equal(vhostLimits.set("/", "foo", 1), 'Validation failed\n\nUnrecognised terms [{<<"foo">>,1}] in limits\n');
  vhostLimits.clear("/", "max-queues");
  assert.deepEqual([...vhostLimits.all()], [{ vhost: "/", value: { "max-connections": -5 } }]);
  vhostLimits.clear("/", "max-connections");
  assert.deepEqual([...parameters.all()], []);
});

test("federation's parameters are checked and kept", async () => {
  const { parameters } = (await ModelHouse.open()).server;
  assert.equal(
    parameters.set("/", "federation-upstream", "up", { uri: 5, foo: 1 }),
    'Validation failed\n\nUnrecognised terms [{<<"foo">>,1}] in up\nuri should be list, actually was 5\n',
  );
  assert.equal(
    parameters.set("/", "federation-upstream-set", "up", [{ foo: 1 }]),
    'Validation failed\n\nUnrecognised terms [{<<"foo">>,1}] in up\nKey "upstream" not found in up\n',
  );
  assert.equal(parameters.set("/", "federation-upstream", "up", { uri: "amqp://a", "max-hops": 1 }), undefined);
  assert.equal([...parameters.all()].length, 1);
});

test("what is wrong with the address of another broker is told without its password", async () => {
  const { server } = await ModelHouse.open();
  for (const uri of ["http://user:secret@host/?key=secret", "user:secret@host", "amqp:secret/1@host"]) {
    for (const value of [{ uri }, { uri: ["amqp://a", uri] }]) {
      const wrong = server.parameters.set("/", "federation-upstream", "up", value) ?? "";
      assert.match(wrong, /host\/?" not a valid URI/);
      assert.doesNotMatch(wrong, /secret/);
    }
    const value = { uri: `amqp://user:${uri}`, "src-uri": ["amqps://h?password=secret"] };
    const report = importDefinitions(server, {
      parameters: [{ value, vhost: "/", component: "federation-upstream", name: 5 }],
    });
    assert.ok("refused" in report);
    assert.match(report.refused, /parameters: name must be a string .*amqp:\/\/host/);
    assert.doesNotMatch(report.refused, /secret/);
  }
});

test("a cluster is called by its node until it gets a name", async () => {
  const { parameters, nodeName } = (await ModelHouse.open()).server;
  assert.equal(clusterName(parameters, nodeName), nodeName);
  assert.equal(typeof setClusterName(parameters, 5), "string");
  assert.equal(setClusterName(parameters, "ours"), undefined);
  assert.equal(clusterName(parameters, nodeName), "ours");
});

test("tables go through JSON and come back", () => {
  const json = fc.dictionary(
    fc.string(),
    fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.string(),
        fc.boolean(),
        fc.integer(),
        fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Number.isInteger(value)),
        fc.array(tie("value")),
        fc.dictionary(fc.string(), tie("value"), { noNullPrototype: true }),
      ),
    })).value,
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(json, (value) => {
      const table = tableOfJson(value);
      assert.ok(table !== undefined);
      assert.deepEqual(JSON.stringify(jsonOfTable(table)), JSON.stringify(value));
    }),
  );
  assert.equal(tableOfJson({ a: [{ b: null }] }), undefined);
  assert.equal(tableOfJson(5), undefined);
  assert.deepEqual(tableOfJson([]), []);
});

test("checks answer in RabbitMQ's order: what is unknown, then the rules from the last to the first", () => {
  const rules = [
    { name: "a", check: isNumber, isMandatory: true },
    { name: "b", check: isBinary },
  ];
  assert.deepEqual(checkFields("n", rules, { b: 1, c: 2 }), [
    'Unrecognised terms [{<<"c">>,2}] in n',
    "b should be binary, actually was 1",
    'Key "a" not found in n',
  ]);
  assert.deepEqual(checkFields("n", rules, 5), ["n not a list 5"]);
});
