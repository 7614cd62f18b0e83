import assert from "node:assert/strict";
import { test } from "node:test";
import { plainTable, tableOf, type PlainValue } from "./field-table.ts";
import { plainVhost } from "./vhosts.ts";
import { WireHouse, type WireClient } from "../amqp091/wire-house.suite.ts";

interface Seen {
  readonly key: unknown;
  readonly headers: ReadonlyMap<string, PlainValue>;
}

/** A client to which all events come, and what it was told since the last time. */
async function watched(
  core: Parameters<typeof WireHouse.open>[2] = {},
): Promise<{ house: WireHouse; events: () => Seen[]; watcher: WireClient }> {
  const house = await WireHouse.open({}, {}, core);
  const watcher = house.client();
  watcher.declare("events");
  watcher.send(1, "queue.bind", {
    ticket: 0,
    queue: "events",
    exchange: "amq.rabbitmq.event",
    routingKey: "#",
    noWait: false,
    arguments: [],
  });
  watcher.consume("events", {}, true);
  const events = (): Seen[] =>
    watcher
      .take()
      .filter(({ name }) => name === "basic.deliver")
      .map(({ args, properties }) => {
        assert.equal(args["exchange"], "amq.rabbitmq.event");
        assert.equal(properties?.deliveryMode, 2);
        return { key: args["routingKey"], headers: plainTable(properties.headers!) };
      });
  assert.deepEqual(
    events().map(({ key }) => key),
    ["binding.created", "consumer.created"],
  );
  return { house, events, watcher };
}

function keysOf(events: readonly Seen[]): unknown[] {
  return events.map(({ key }) => key);
}

test("the life of a connection, its channel and its consumer is told", async () => {
  const { house, events } = await watched();
  const client = house.client();
  const [login, created, channel] = events();
  assert.equal(login!.key, "user.authentication.success");
  assert.equal(login!.headers.get("name"), "guest");
  assert.equal(created!.key, "connection.created");
  assert.equal(created!.headers.get("user"), "guest");
  assert.equal(created!.headers.get("peer_host"), "{127,0,0,1}");
  assert.match(String(created!.headers.get("client_properties")), /^{<<"capabilities">>,table,\[/);
  assert.equal(channel!.key, "channel.created");
  assert.equal(channel!.headers.get("connection"), created!.headers.get("pid"));

  client.declare("q");
  client.consume("q", { "x-priority": 3 });
  const [queue, consumer] = events();
  assert.equal(queue!.headers.get("type"), "rabbit_classic_queue");
  assert.equal(consumer!.key, "consumer.created");
  assert.equal(consumer!.headers.get("ack_required"), true);
  assert.deepEqual(consumer!.headers.get("arguments"), ['{<<"x-priority">>,signedint,3}']);
  client.send(1, "channel.close", { replyCode: 200, replyText: "", classId: 0, methodId: 0 });
  client.send(0, "connection.close", { replyCode: 200, replyText: "", classId: 0, methodId: 0 });
  client.destroy();
  const last = events();
  assert.deepEqual(keysOf(last), ["consumer.deleted", "channel.closed", "connection.closed"]);
  assert.equal(last[2]!.headers.get("pid"), created!.headers.get("pid"));
});

test("what is declared, bound and deleted is told, and by whom", async () => {
  const { house, events, watcher } = await watched();
  const exchange = { passive: false, durable: true, autoDelete: false, internal: false, noWait: false };
  const declared = { ticket: 0, exchange: "x", type: "x-event", ...exchange, arguments: [] };
  watcher.send(1, "exchange.declare", declared);
  watcher.declare("q", { "x-max-length": 10 });
  const ends = { ticket: 0, queue: "q", exchange: "x", routingKey: "a.*" };
  watcher.send(1, "queue.bind", { ...ends, noWait: false, arguments: tableOf({ n: 3 }) });
  const [, queue, binding] = events();
  assert.deepEqual(queue!.headers.get("arguments"), ['{<<"x-max-length">>,signedint,10}']);
  assert.equal(queue!.headers.get("user_who_performed_action"), "guest");
  assert.equal(binding!.headers.get("destination_name"), "q");
  assert.equal(binding!.headers.get("routing_key"), "a.*");
  assert.deepEqual(binding!.headers.get("arguments"), ['{<<"n">>,long,3}']);
  watcher.publish("a.b", "routed", {}, "x");
  assert.equal(house.client().get("q")?.body, "routed");
  events();
  watcher.send(1, "queue.delete", { ticket: 0, queue: "q", ifUnused: false, ifEmpty: false, noWait: false });
  watcher.send(1, "exchange.delete", { ticket: 0, exchange: "x", ifUnused: false, noWait: false });
  assert.deepEqual(keysOf(events()), ["binding.deleted", "queue.deleted", "exchange.deleted"]);
});

test("what goes by itself is told as well", async () => {
  const { house, events, watcher } = await watched();
  watcher.declare("short", { "x-expires": 1000 });
  const owner = house.client();
  const flags = { passive: false, durable: false, exclusive: true, autoDelete: false, noWait: false };
  owner.send(1, "queue.declare", { ticket: 0, queue: "mine", ...flags, arguments: [] });
  const created = events().find(({ key, headers }) => key === "queue.created" && headers.get("name") === "mine");
  assert.match(String(created!.headers.get("owner_pid")), /127\.0\.0\.1/);
  owner.destroy();
  const gone = events();
  assert.deepEqual(keysOf(gone), ["channel.closed", "queue.deleted", "connection.closed"]);
  assert.equal(gone[1]!.headers.get("user_who_performed_action"), "rmq-internal");
  house.clock.advance(1100);
  const [expired] = events();
  assert.equal(expired!.key, "queue.deleted");
  assert.equal(expired!.headers.get("name"), "short");
});

test("a failed login is told", async () => {
  const { house, events } = await watched();
  house.peer().logIn({ password: "wrong" });
  const [failure] = events();
  assert.equal(failure!.key, "user.authentication.failure");
  assert.equal(failure!.headers.get("error"), "user 'guest' - invalid credentials");
});

test("nobody publishes to the events' exchange but the broker", async () => {
  const { watcher, events } = await watched();
  watcher.publish("queue.created", "forged", {}, "amq.rabbitmq.event");
  assert.deepEqual(events(), []);
});

test("what happens in other virtual hosts is told in the exchange of the first", async () => {
  const { house, events } = await watched();
  const { server } = house;
  server.events.actingAs("operator", () => server.vhosts.create("v", { ...plainVhost, tags: ["a"] }));
  const created = events();
  const first = new Set(keysOf(created.slice(0, -1)));
  assert.deepEqual([...first], ["exchange.created"]);
  const { key, headers } = created.at(-1)!;
  assert.equal(key, "vhost.created");
  assert.equal(headers.get("name"), "v");
  assert.deepEqual(headers.get("tags"), ["a"]);
  assert.equal(headers.get("user_who_performed_action"), "operator");
  assert.equal(house.core.namespace("v")!.exchange("amq.rabbitmq.event"), undefined);
  server.vhosts.delete("v");
  assert.equal(keysOf(events()).at(-1), "vhost.deleted");
});

test("changes of users and permissions are told", async () => {
  const { house, events } = await watched();
  const { users, permissions, topicPermissions } = house.server.authority;
  users.put("u", { password: "u", tags: ["monitoring"] });
  permissions.set({ user: "u", vhost: "/", configure: "c", write: "w", read: "r" });
  topicPermissions.set({ user: "u", vhost: "/", exchange: "amq.topic", write: "w", read: "r" });
  users.setLimit("u", "max-channels", 3);
  users.delete("u");
  const told = events();
  assert.deepEqual(keysOf(told), [
    "user.created",
    "user.tags.set",
    "permission.created",
    "topic.permission.created",
    "user.limits.set",
    "permission.deleted",
    "topic.permission.deleted",
    "user.deleted",
  ]);
  const [created, tags, permission, , limits, gone] = told.map(({ headers }) => headers);
  assert.equal(created!.get("name"), "u");
  assert.deepEqual(tags!.get("tags"), ["monitoring"]);
  const { user, vhost, configure, write, read } = Object.fromEntries(permission!);
  assert.deepEqual(
    { user, vhost, configure, write, read },
    { user: "u", vhost: "/", configure: "c", write: "w", read: "r" },
  );
  assert.equal(limits!.get("username"), "u");
  assert.deepEqual([gone!.get("user"), gone!.get("vhost")], ["u", "/"]);
});

test("alarms are told when they begin and when they end", async () => {
  const { house, events, watcher } = await watched({ memoryHighBytes: 4 << 20 });
  const client = house.client();
  client.declare("q");
  events();
  for (let i = 0; i < 200 && !house.core.pressure.memory; i++) client.publish("q", "x".repeat(100_000));
  watcher.send(1, "queue.purge", { ticket: 0, queue: "q", noWait: false });
  const alarms = events().map(({ key, headers }) => [key, headers.get("source"), headers.get("node")]);
  const node = house.server.nodeName;
  assert.deepEqual(alarms, [
    ["alarm.set", "memory", node],
    ["alarm.cleared", "memory", node],
  ]);
});
