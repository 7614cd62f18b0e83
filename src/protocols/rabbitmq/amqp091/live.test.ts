/** Connections and channels as they are listed, and what the log says of them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { LiveChannel, LiveConnection } from "../model/live.ts";
import { WireHouse } from "./wire-house.suite.ts";

function only(house: WireHouse): { connection: LiveConnection; channel: LiveChannel } {
  const [connection] = house.server.live.all();
  const [channel] = connection!.channels();
  return { connection: connection!, channel: channel! };
}

test("a connection is listed from its opening to its end", async () => {
  const house = await WireHouse.open();
  const opened: string[] = [];
  house.server.live.observe({
    connectionOpened: ({ name }) => void opened.push(`+ ${name}`),
    connectionClosed: ({ name }) => void opened.push(`- ${name}`),
    channelOpened: (_, { number }) => void opened.push(`+ ${number}`),
    channelClosed: (_, { number }) => void opened.push(`- ${number}`),
  });
  const knocking = house.peer();
  assert.equal(house.server.live.count, 0);
  const client = house.client();
  const { connection } = only(house);
  const { name, protocol, state, user, vhost, mechanism, channelMax, channelCount } = connection;
  assert.deepEqual(
    { name, protocol, state, user, vhost, mechanism, channelMax, channelCount },
    {
      name: "127.0.0.1:40000 -> 127.0.0.1:5672",
      protocol: "AMQP 0-9-1",
      state: "running",
      user: "guest",
      vhost: "/",
      mechanism: "PLAIN",
      channelMax: 2047,
      channelCount: 1,
    },
  );
  assert.ok(connection.traffic.receivedBytes > 100);
  assert.ok(connection.traffic.sentBytes > 100);
  knocking.destroy();
  client.destroy();
  assert.deepEqual(opened, [`+ ${name}`, "+ 1", "- 1", `- ${name}`]);
  assert.equal(house.server.live.channelCountOfUser("guest"), 0);
});

test("a channel counts what goes through it", async () => {
  const house = await WireHouse.open();
  const client = house.client();
  const { channel } = only(house);
  client.send(1, "confirm.select", { noWait: false });
  client.declare("q");
  client.publish("q", "1");
  client.publish("q", "2");
  client.publish("nowhere", "3");
  client.publish("nowhere", "4", {}, "", true);
  client.get("q", true);
  client.get("empty-is-no-queue");
  assert.equal(channel.counters.getNoAck, 1);
  assert.equal(channel.counters.publish, 4);
  assert.equal(channel.counters.confirm, 4);
  assert.equal(channel.counters.dropUnroutable, 1);
  assert.equal(channel.counters.returnUnroutable, 1);
  const { counts, sum } = house.server.messageSizes;
  assert.deepEqual([counts[0], sum], [4, 4]);
});

test("deliveries, acknowledgements and what is open are counted", async () => {
  const house = await WireHouse.open();
  const client = house.client();
  const { channel } = only(house);
  client.declare("q");
  client.consume("q");
  for (const body of ["1", "2", "3"]) client.publish("q", body);
  client.take();
  assert.equal(channel.unacknowledgedCount, 3);
  client.send(1, "basic.ack", { deliveryTag: 2, multiple: true });
  client.send(1, "basic.nack", { deliveryTag: 3, multiple: false, requeue: true });
  client.take();
  const { deliver, redeliver, ack } = channel.counters;
  assert.deepEqual({ deliver, redeliver, ack }, { deliver: 4, redeliver: 1, ack: 2 });
  assert.equal(channel.unacknowledgedCount, 1);
  const [consumer] = channel.consumers();
  assert.equal(consumer!.tag, "c");
  assert.equal(consumer!.activityStatus, "up");
  client.send(1, "tx.select", {});
  client.publish("q", "4");
  client.send(1, "basic.ack", { deliveryTag: 4, multiple: false });
  assert.deepEqual([channel.uncommittedCount, channel.uncommittedAckCount, channel.isTransactional], [1, 1, true]);
  client.send(1, "tx.commit", {});
  assert.deepEqual([channel.uncommittedCount, channel.counters.publish, channel.counters.ack], [0, 4, 3]);
  for (const body of ["5", "6", "7"]) client.publish("q", body);
  client.send(1, "tx.commit", {});
  client.take();
  client.send(1, "basic.ack", { deliveryTag: 5, multiple: false });
  client.send(1, "basic.ack", { deliveryTag: 6, multiple: true });
  client.send(1, "basic.ack", { deliveryTag: 8, multiple: false });
  assert.deepEqual([channel.uncommittedAckCount, channel.counters.ack], [3, 3]);
  client.send(1, "tx.commit", {});
  assert.deepEqual([channel.uncommittedAckCount, channel.counters.ack, channel.unacknowledgedCount], [0, 6, 1]);
});

test("the log has a line at the opening and one at the end, with the reason", async () => {
  const house = await WireHouse.open();
  const client = house.client();
  client.send(0, "connection.close", { replyCode: 200, replyText: "bye", classId: 0, methodId: 0 });
  client.destroy();
  const lines = house.logged.map(({ level, message, fields }) => [level, message, fields["user"], fields["why"]]);
  assert.deepEqual(lines, [
    ["info", "an AMQP connection was opened", "guest", undefined],
    ["info", "an AMQP connection was closed", "guest", "the client said 200 bye"],
  ]);
});

test("a refused login is logged with its reason and without its password", async () => {
  const house = await WireHouse.open();
  house.peer().logIn({ user: "guest", password: "hunter2" });
  const [line] = house.logged;
  assert.equal(line?.message, "a login was refused");
  assert.equal(line?.fields["reason"], "user 'guest' - invalid credentials");
  assert.ok(!JSON.stringify(house.logged).includes("hunter2"));
});

test("however often logins failed before, the refusal is told before the handshake takes too long", async () => {
  const house = await WireHouse.open();
  for (let i = 0; i < 20; i++) house.peer().logIn({ user: "nobody" });
  const mistyped = house.peer();
  mistyped.logIn({ user: "guest", password: "hunter2" });
  house.clock.advance(9000);
  mistyped.connection.tick(house.clock.now());
  assert.equal(mistyped.isEnded, false);
  assert.equal(mistyped.take().at(-1)?.name, "connection.close");
});

test("a burst of refusals is counted rather than logged", async () => {
  const house = await WireHouse.open();
  for (let i = 0; i < 500; i++) house.peer().logIn({ user: "nobody" });
  assert.equal(house.logged.length, 50);
  house.clock.advance(1000);
  const { message, fields } = house.logged.at(-1)!;
  assert.equal(message, "too much happened at once to log all of it");
  assert.deepEqual(fields, { leftOut: { "a login was refused": 450 } });
});

test("a client that is silent is a warning, in the handshake or later", async () => {
  const house = await WireHouse.open();
  const [knocking, client] = [house.peer(), house.client()];
  house.clock.advance(1000);
  knocking.connection.tick(house.clock.now());
  client.connection.tick(house.clock.now());
  house.clock.advance(200_000);
  knocking.connection.tick(house.clock.now());
  client.connection.tick(house.clock.now());
  const warnings = house.logged.filter(({ level }) => level === "warn").map(({ fields }) => fields["why"]);
  assert.deepEqual(warnings, ["the handshake took too long", "no heartbeat came in time"]);
  assert.equal(house.logged.at(-1)?.message, "an AMQP connection was closed");
});
