/** Virtual hosts, permissions and limits, as a client meets them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { tableOf } from "../model/field-table.ts";
import { plainVhost } from "../model/vhosts.ts";
import type { AmqpConnection } from "./connection.ts";
import { methodFrame, publishFrames, WireHouse, type Received, type WireClient } from "./wire-house.suite.ts";

/** A broker with a virtual host `v` and a user `u` who may do there what the patterns say. */
async function tenancy(configure = "", write = "", read = ""): Promise<{ house: WireHouse; user: WireClient }> {
  const house = await WireHouse.open();
  house.server.vhosts.create("v", plainVhost);
  house.server.authority.users.put("u", { password: "u", tags: [] });
  house.server.authority.permissions.set({ user: "u", vhost: "v", configure, write, read });
  house.settle();
  return { house, user: house.client({ user: "u", vhost: "v" }) };
}

function closing(received: readonly Received[]): string {
  const last = received.at(-1);
  return `${last?.name} ${String(last?.args["replyCode"])} ${String(last?.args["replyText"])}`;
}

/** What a login to a virtual host ends with. */
function entering(house: WireHouse, vhost: string, user = "u"): string {
  const client = house.peer();
  client.logIn({ user, vhost });
  return closing(client.take());
}

const flags = { passive: false, durable: true, exclusive: false, autoDelete: false, noWait: false };

test("a virtual host lets in who has permissions there", async () => {
  const { house } = await tenancy();
  assert.match(entering(house, "v"), /^connection.open-ok/);
  assert.equal(entering(house, "w"), "connection.close 530 NOT_ALLOWED - vhost w not found");
  const refused = "NOT_ALLOWED - access to vhost '/' refused for user 'u'";
  assert.equal(entering(house, "/"), `connection.close 530 ${refused}`);
});

test("queues of one virtual host are not those of another", async () => {
  const { house, user } = await tenancy(".*", ".*", ".*");
  user.declare("q");
  user.publish("q", "hello");
  house.client().send(1, "queue.declare", { ticket: 0, queue: "other", ...flags, arguments: [] });
  assert.equal(house.core.namespace("/")!.queue("q"), undefined);
  assert.equal(user.get("q")?.body, "hello");
});

test("limits of connections count who is connected now", async () => {
  const { house, user } = await tenancy();
  house.server.vhostLimits.set("v", "max-connections", 1);
  const text = "NOT_ALLOWED - access to vhost 'v' refused for user 'u': connection limit (1) is reached";
  assert.equal(entering(house, "v"), `connection.close 530 ${text}`);
  user.destroy();
  assert.match(entering(house, "v"), /^connection.open-ok/);
  house.server.vhostLimits.clear("v", "max-connections");
  house.server.authority.users.setLimit("u", "max-connections", 1);
  const own = "NOT_ALLOWED - connection refused for user 'u': user connection limit (1) is reached";
  assert.equal(entering(house, "v"), `connection.close 530 ${own}`);
});

test("a user's limit of channels counts over all connections", async () => {
  const { house } = await tenancy();
  house.server.authority.users.setLimit("u", "max-channels", 2);
  const client = house.client({ user: "u", vhost: "v" });
  client.send(2, "channel.open", { outOfBand: "" });
  const text = "NOT_ALLOWED - number of channels opened for user 'u' has reached the maximum allowed user limit of (2)";
  assert.equal(closing(client.take()), `connection.close 530 ${text}`);
});

test("a limit of queues holds for new ones", async () => {
  const { house, user } = await tenancy(".*");
  user.declare("first");
  house.server.vhostLimits.set("v", "max-queues", 1);
  user.take();
  user.declare("first");
  assert.deepEqual(user.names(), ["queue.declare-ok"]);
  user.declare("second");
  const text = "PRECONDITION_FAILED - cannot declare queue 'second': queue limit in vhost 'v' (1) is reached";
  assert.equal(closing(user.take()), `channel.close 406 ${text}`);
});

test("a queue has the virtual host's default type if it can be of it", async () => {
  const { house, user } = await tenancy(".*");
  const vhost = house.server.vhosts.find("v")!;
  house.server.vhosts.update("v", { ...vhost.record, defaultQueueType: "quorum" });
  user.declare("durable");
  user.declare("transient", {}, false);
  user.declare("durable");
  assert.deepEqual(user.names(), ["queue.declare-ok", "queue.declare-ok", "queue.declare-ok"]);
  assert.equal(vhost.namespace.queue("durable")!.settings.maxPriority, 255);
  assert.equal(vhost.namespace.queue("transient")!.settings.maxPriority, 0);
});

test("what a user may not is refused, whether or not it is there", async () => {
  const { user } = await tenancy("^mine", "^mine", "^mine");
  const access = (what: string): string =>
    `channel.close 403 ACCESS_REFUSED - access to ${what} in vhost 'v' refused for user 'u'`;
  const refused = (send: () => void): string => {
    send();
    const text = closing(user.take());
    user.send(1, "channel.close-ok", {});
    user.send(1, "channel.open", { outOfBand: "" });
    user.take();
    return text;
  };
  user.declare("mine");
  const other = access("queue 'other'");
  assert.equal(
    refused(() => user.declare("other")),
    other,
  );
  assert.equal(
    refused(() => user.consume("other")),
    other,
  );
  assert.equal(
    refused(() => user.send(1, "basic.get", { ticket: 0, queue: "other", noAck: true })),
    other,
  );
  assert.equal(
    refused(() => user.send(1, "queue.purge", { ticket: 0, queue: "other", noWait: false })),
    other,
  );
  const unconditional = { ifUnused: false, ifEmpty: false, noWait: false };
  assert.equal(
    refused(() => user.send(1, "queue.delete", { ticket: 0, queue: "other", ...unconditional })),
    other,
  );
  assert.equal(
    refused(() => user.publish("other", "x")),
    access("exchange 'amq.default'"),
  );
  assert.equal(
    refused(() => user.publish("k", "x", {}, "amq.topic")),
    access("exchange 'amq.topic'"),
  );
  assert.equal(
    refused(() => user.declare("mine2", { "x-dead-letter-exchange": "other" })),
    access("exchange 'other'"),
  );
  const bind = { ticket: 0, queue: "mine", routingKey: "", noWait: false, arguments: tableOf({}) };
  assert.equal(
    refused(() => user.send(1, "queue.bind", { ...bind, exchange: "amq.topic" })),
    access("exchange 'amq.topic'"),
  );
});

test("a permission that changes counts for the next publish", async () => {
  const { house, user } = await tenancy(".*", ".*", ".*");
  const { permissions } = house.server.authority;
  user.declare("q");
  user.publish("q", "1");
  user.publish("q", "2");
  assert.deepEqual(user.names(), ["queue.declare-ok"]);
  permissions.set({ user: "u", vhost: "v", configure: ".*", write: "^nothing$", read: ".*" });
  user.publish("q", "3");
  const text = "ACCESS_REFUSED - access to exchange 'amq.default' in vhost 'v' refused for user 'u'";
  assert.equal(closing(user.take()), `channel.close 403 ${text}`);
  assert.equal(house.core.namespace("v")!.queue("q")!.readyCount, 2);
});

test("topic permissions restrict the keys of publishes and of bindings", async () => {
  const { house, user } = await tenancy(".*", ".*", ".*");
  const { topicPermissions } = house.server.authority;
  topicPermissions.set({ user: "u", vhost: "v", exchange: "amq.topic", write: "^{username}\\.", read: "^in\\." });
  user.declare("q");
  const bind = { ticket: 0, queue: "q", exchange: "amq.topic", noWait: false, arguments: tableOf({}) };
  user.send(1, "queue.bind", { ...bind, routingKey: "in.#" });
  user.publish("u.x", "fine", {}, "amq.topic");
  user.publish("u.x", "fine", {}, "amq.topic");
  assert.deepEqual(user.names(), ["queue.declare-ok", "queue.bind-ok"]);
  user.publish("v.x", "not", {}, "amq.topic");
  const text = "access to topic 'v.x' in exchange 'amq.topic' in vhost 'v' refused for user 'u'";
  assert.equal(closing(user.take()), `channel.close 403 ACCESS_REFUSED - ${text}`);
});

test("who is connected is told when the virtual host is deleted, or the user", async () => {
  const { house, user } = await tenancy(".*", ".*", ".*");
  const bystander = house.client();
  user.declare("q");
  user.take();
  house.server.vhosts.delete("v");
  assert.equal(closing(user.take()), "connection.close 320 CONNECTION_FORCED - vhost 'v' is deleted");
  assert.deepEqual([...house.server.authority.permissions.ofVhost("v")], []);
  assert.deepEqual(bystander.names(), []);

  house.server.authority.users.delete("guest");
  assert.equal(closing(bystander.take()), "connection.close 320 CONNECTION_FORCED - user 'guest' is deleted");
});

test("a virtual host that is made again under the name is empty", async () => {
  const { house, user } = await tenancy(".*", ".*", ".*");
  user.declare("q");
  user.publish("q", "old");
  house.server.vhosts.delete("v");
  const vhost = house.server.vhosts.create("v", plainVhost);
  assert.deepEqual([...vhost.namespace.queues()], []);
  assert.equal(entering(house, "v"), "connection.close 530 NOT_ALLOWED - access to vhost 'v' refused for user 'u'");
});

test("an operator closes a connection with a reason", async () => {
  const { house, user } = await tenancy();
  const [shown] = [...house.server.live.all()].filter(({ vhost }) => vhost === "v");
  shown!.close("Closed via management plugin");
  assert.equal(closing(user.take()), "connection.close 320 CONNECTION_FORCED - Closed via management plugin");
  assert.equal(shown!.state, "closed");
  user.send(0, "connection.close-ok", {});
  user.destroy();
  assert.equal(house.server.live.countInVhost("v"), 0);
});

test("a channel that waited to be closed when its connection was ended is counted once, and not answered", async () => {
  const { house, user } = await tenancy(".*", ".*", ".*");
  user.declare("q");
  user.take();
  const close = methodFrame(1, "channel.close", { replyCode: 200, replyText: "", classId: 0, methodId: 0 });
  user.connection.receive(Buffer.concat([publishFrames("q", "m", { deliveryMode: 2 }), close]));
  for (const shown of house.server.live.all()) shown.close("Closed via management plugin");
  assert.deepEqual(user.names(), ["connection.close"]);
  assert.equal(house.server.live.channelCountOfUser("u"), 0);
});

test("an exclusive queue that goes by itself is forgotten, in old virtual hosts and in new ones", async () => {
  const { house, user } = await tenancy(".*", ".*", ".*");
  for (const client of [house.client(), user]) {
    const { exclusiveQueues } = client.connection as AmqpConnection;
    const exclusive = { ...flags, exclusive: true };
    client.send(1, "queue.declare", { ticket: 0, queue: "used", ...exclusive, autoDelete: true, arguments: [] });
    const expires = tableOf({ "x-expires": 1000 });
    client.send(1, "queue.declare", { ticket: 0, queue: "unused", ...exclusive, arguments: expires });
    assert.deepEqual([exclusiveQueues.size, house.server.ownerByQueue.size], [2, 2]);
    client.consume("used");
    client.send(1, "basic.cancel", { consumerTag: "c", noWait: false });
    assert.deepEqual([exclusiveQueues.size, house.server.ownerByQueue.size], [1, 1]);
    house.clock.advance(2000);
    assert.deepEqual([exclusiveQueues.size, house.server.ownerByQueue.size], [0, 0]);
  }
});
