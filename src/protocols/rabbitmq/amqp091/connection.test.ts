import assert from "node:assert/strict";
import { test } from "node:test";
import { tableOf, fieldValue, plainTable, type FieldTable } from "../model/field-table.ts";
import {
  methodFrame,
  onChannel,
  protocolHeader,
  publishFrames,
  WireHouse,
  type WireClient,
} from "./wire-house.suite.ts";

const open = WireHouse.open;

test("a client logs in, declares, publishes, consumes and acknowledges", async () => {
  const house = await open();
  const client = house.client();
  client.declare("orders");
  client.send(1, "confirm.select", { noWait: false });
  client.publish("orders", "one", { deliveryMode: 2 });
  assert.deepEqual(client.names(), ["queue.declare-ok", "confirm.select-ok", "basic.ack"]);
  client.consume("orders");
  const [ok, delivery] = client.take();
  assert.equal(ok?.name, "basic.consume-ok");
  assert.deepEqual(delivery?.args, {
    consumerTag: "c",
    deliveryTag: 1,
    redelivered: false,
    exchange: "",
    routingKey: "orders",
  });
  assert.equal(delivery?.body, "one");
  client.send(1, "basic.ack", { deliveryTag: 1, multiple: false });
  client.send(0, "connection.close", { replyCode: 200, replyText: "bye", classId: 0, methodId: 0 });
  assert.deepEqual(client.names(), ["connection.close-ok"]);
  assert.equal(client.isEnded, true);
});

test("confirms of a burst are one frame, and none comes before the commit", async () => {
  const house = await open();
  const client = house.client();
  client.declare("q");
  client.send(1, "confirm.select", { noWait: true });
  client.take();
  const burst = Buffer.concat(Array.from({ length: 100 }, (_, i) => publishFrames("q", `m${i}`, { deliveryMode: 2 })));
  client.connection.receive(burst);
  assert.equal(client.output.bytes, 0);
  const acks = client.take();
  assert.deepEqual(
    acks.map(({ name, args }) => [name, args]),
    [["basic.ack", { deliveryTag: 100, multiple: true }]],
  );
});

test("any cut of the bytes gives the same conversation", async () => {
  const house = await open();
  const client = house.client();
  client.declare("q");
  client.take();
  const body = "x".repeat(1000);
  const bytes = Buffer.concat([publishFrames("q", body, { headers: tableOf({ a: 1 }) }), publishFrames("q", "end")]);
  for (let cut = 1; cut < bytes.length; cut += 7) {
    client.raw(bytes.subarray(0, cut));
    client.raw(bytes.subarray(cut));
    assert.equal(client.get("q")?.body, body);
    assert.equal(client.get("q")?.body, "end");
  }
});

test("messages of several channels that are interleaved keep their heads, however their bytes are cut", async () => {
  const house = await open();
  const client = house.client();
  for (const channel of [2, 3]) client.send(channel, "channel.open", { outOfBand: "" });
  client.declare("q");
  client.take();
  const body = "body";
  const messages = [1, 2, 3].map((channel) =>
    onChannel(channel, publishFrames("q", body, { correlationId: `of ${channel}` })),
  );
  const bodyAt = -(body.length + 8);
  const bytes = Buffer.concat([
    ...messages.map((message) => message.subarray(0, bodyAt)),
    ...messages.map((message) => message.subarray(bodyAt)),
  ]);
  for (let cut = 1; cut < bytes.length; cut++) {
    client.raw(bytes.subarray(0, cut));
    client.raw(bytes.subarray(cut));
    const ids = [1, 2, 3].map(() => client.get("q")?.properties?.correlationId);
    assert.deepEqual(ids, ["of 1", "of 2", "of 3"], `cut at ${cut}`);
  }
});

test("gets that come in one chunk are answered no faster than the answers are read, and in order", async () => {
  const house = await open();
  const publisher = house.client();
  publisher.declare("q");
  const body = (i: number): string => String(i).padStart(100_000, "x");
  for (let i = 0; i < 200; i++) publisher.publish("q", body(i));
  publisher.take();
  const client = house.client();
  const get = methodFrame(1, "basic.get", { ticket: 0, queue: "q", noAck: true });
  const gets = Array.from({ length: 200 }, () => get);
  // Cut within a frame: what was not handled waits, and so does what comes behind it.
  const bytes = Buffer.concat([...gets, publishFrames("q", "behind"), get]);
  client.raw(bytes.subarray(0, -100));
  client.raw(bytes.subarray(-100));
  const boundBytes = 8_388_608 + 110_000;
  assert.ok(client.output.bytes < boundBytes, String(client.output.bytes));
  assert.ok(client.output.bytes > 8_000_000 && client.isReadingPaused);

  const got: (string | undefined)[] = [];
  while (client.output.bytes > 0) {
    assert.ok(client.output.bytes < boundBytes, String(client.output.bytes));
    got.push(...client.takeOnce().map(({ name, body: text }) => text ?? name));
  }
  assert.deepEqual(got, [...gets.map((_, i) => body(i)), "behind"]);
  assert.ok(!client.isReadingPaused);
});

test("a returned message comes before its confirm", async () => {
  const house = await open();
  const client = house.client();
  client.send(1, "confirm.select", { noWait: true });
  client.publish("nobody", "lost", {}, "", true);
  assert.deepEqual(client.names(), ["basic.return lost", "basic.ack"]);
});

test("closing the channel is answered when what it published is durable", async () => {
  const house = await open();
  const client = house.client();
  client.declare("q");
  client.take();
  const close = methodFrame(1, "channel.close", { replyCode: 200, replyText: "", classId: 0, methodId: 0 });
  client.connection.receive(Buffer.concat([publishFrames("q", "one", { deliveryMode: 2 }), close]));
  assert.equal(client.output.bytes, 0);
  assert.deepEqual(client.names(), ["channel.close-ok"]);
});

test("a transaction is seen whole or not at all", async () => {
  const house = await open();
  const client = house.client();
  client.declare("q");
  client.send(1, "tx.select", {});
  client.publish("q", "one");
  client.publish("q", "two");
  client.take();
  assert.equal(client.get("q")?.name, "basic.get-empty");
  client.send(1, "tx.commit", {});
  assert.deepEqual(client.names(), ["tx.commit-ok"]);
  const got = client.get("q", false);
  assert.equal(got?.body, "one");
  client.send(1, "basic.ack", { deliveryTag: 1, multiple: false });
  client.send(1, "tx.rollback", {});
  client.send(1, "basic.nack", { deliveryTag: 1, multiple: false, requeue: true });
  client.send(1, "tx.commit", {});
  assert.deepEqual(client.names(), ["tx.rollback-ok", "tx.commit-ok"]);
  assert.deepEqual(client.get("q")?.args["redelivered"], true);
});

test("what is recovered within a transaction is what the transaction has not settled", async () => {
  const house = await open();
  const client = house.client();
  client.declare("q");
  const bodies = ["one", "two", "three", "four", "five"];
  for (const body of bodies) client.publish("q", body);
  client.take();
  client.send(1, "tx.select", {});
  for (const body of bodies) assert.equal(client.get("q", false)?.body, body);
  client.send(1, "basic.ack", { deliveryTag: 2, multiple: true });
  client.send(1, "basic.ack", { deliveryTag: 4, multiple: false });
  client.send(1, "basic.recover", { requeue: true });
  client.send(1, "tx.commit", {});
  assert.deepEqual(client.names(), ["basic.recover-ok", "tx.commit-ok"]);
  for (const body of ["three", "five"]) {
    const got = client.get("q");
    assert.deepEqual([got?.body, got?.args["redelivered"]], [body, true]);
  }
  assert.equal(client.get("q")?.name, "basic.get-empty");
});

test("what a transaction has settled one by one, and all up to a tag, is settled as each was", async () => {
  const house = await open();
  const client = house.client();
  client.declare("q", { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead" });
  client.declare("dead");
  const bodies = ["1", "2", "3", "4", "5", "6"];
  for (const body of bodies) client.publish("q", body);
  client.take();
  client.send(1, "tx.select", {});
  for (const body of bodies) assert.equal(client.get("q", false)?.body, body);
  client.send(1, "basic.nack", { deliveryTag: 2, multiple: false, requeue: false });
  client.send(1, "basic.ack", { deliveryTag: 3, multiple: true });
  client.send(1, "basic.nack", { deliveryTag: 5, multiple: true, requeue: false });
  client.send(1, "basic.ack", { deliveryTag: 0, multiple: true });
  client.send(1, "tx.commit", {});
  assert.deepEqual(client.names(), ["tx.commit-ok"]);
  client.send(1, "basic.recover", { requeue: true });
  client.take();
  assert.equal(client.get("q")?.name, "basic.get-empty");
  for (const body of ["2", "4", "5"]) assert.equal(client.get("dead")?.body, body);
  assert.equal(client.get("dead")?.name, "basic.get-empty");
  client.send(1, "basic.ack", { deliveryTag: 6, multiple: false });
  assert.equal(client.take()[0]?.args["replyText"], "PRECONDITION_FAILED - unknown delivery tag 6");
});

test("what a transaction has settled is unknown to it, until it is rolled back", async () => {
  for (const again of [1, 2, 4]) {
    const house = await open();
    const client = house.client();
    client.declare("q");
    for (const body of ["1", "2", "3", "4"]) client.publish("q", body);
    client.take();
    client.send(1, "tx.select", {});
    for (let i = 0; i < 4; i++) client.get("q", false);
    const settle = (): void => {
      client.send(1, "basic.ack", { deliveryTag: 2, multiple: true });
      client.send(1, "basic.ack", { deliveryTag: 4, multiple: false });
    };
    settle();
    client.send(1, "tx.rollback", {});
    settle();
    assert.deepEqual(client.names(), ["tx.rollback-ok"]);
    client.send(1, "basic.ack", { deliveryTag: again, multiple: false });
    assert.equal(client.take()[0]?.args["replyText"], `PRECONDITION_FAILED - unknown delivery tag ${again}`);
  }
});

test("an exclusive queue goes with its connection", async () => {
  const house = await open();
  const owner = house.client();
  const flags = { passive: false, durable: false, exclusive: true, autoDelete: false, noWait: false };
  owner.send(1, "queue.declare", { ticket: 0, queue: "mine", ...flags, arguments: [] });
  const other = house.client();
  other.send(1, "queue.declare", {
    ticket: 0,
    queue: "mine",
    ...flags,
    passive: true,
    exclusive: false,
    arguments: [],
  });
  assert.equal(other.take()[0]?.args["replyCode"], 405);
  owner.destroy();
  house.settle();
  assert.equal(house.core.namespace("/")?.queue("mine"), undefined);
});

test("a peer that does not read is not delivered to without end", async () => {
  const house = await open();
  const client = house.client();
  client.declare("q");
  const body = "x".repeat(100_000);
  for (let i = 0; i < 50; i++) client.publish("q", body);
  client.take();
  client.consume("q", {}, true);
  house.settle();
  assert.ok(client.output.bytes < 2_000_000, `${client.output.bytes} bytes wait for a peer that reads nothing`);
  assert.equal(client.take().length, 51);
});

test("a silent peer is cut off, first in the handshake, later by heartbeats", async () => {
  const house = await open();
  const silent = house.peer();
  silent.raw(protocolHeader);
  const client = house.client();
  house.clock.advance(11_000);
  for (const peer of [silent, client]) peer.connection.tick(house.clock.now());
  assert.equal(silent.isEnded, true);
  assert.equal(client.isEnded, false);
  for (let i = 0; i < 140; i++) {
    house.clock.advance(1000);
    client.connection.tick(house.clock.now());
  }
  assert.equal(client.isEnded, true);
});

test("a peer that does not take its last words is cut off, whoever ended the connection", async () => {
  const house = await open();
  const bye = { replyCode: 200, replyText: "bye", classId: 0, methodId: 0 };
  const ways: readonly ((client: WireClient) => void)[] = [
    (client) => client.send(0, "connection.close", bye),
    (client) => client.raw(Buffer.from("no frame at all")),
    () => {
      for (const shown of house.server.live.all()) shown.close("enough");
    },
  ];
  for (const end of ways) {
    const client = house.client();
    end(client);
    house.clock.advance(29_000);
    client.connection.tick(house.clock.now());
    assert.equal(house.server.live.count, 1);
    house.clock.advance(2000);
    client.connection.tick(house.clock.now());
    assert.equal(house.server.live.count, 0);
  }
});

test("nobody is dead, and heartbeats go out, when the machine's clock is set forth or back", async () => {
  for (const byMs of [3 * 3_600_000, -3 * 3_600_000]) {
    const house = await open();
    const client = house.client();
    client.connection.tick(house.clock.now());
    client.take();
    house.clock.jumpTo(house.clock.now() + byMs);
    let heartbeats = 0;
    for (let i = 0; i < 60; i++) {
      house.clock.advance(1000);
      client.connection.tick(house.clock.now());
      heartbeats += client.output.bytes > 0 ? 1 : 0;
      client.take();
    }
    assert.equal(client.isEnded, false);
    assert.ok(heartbeats > 0);
  }
});

test("a wrong password is answered later each time, and says no more than it must", async () => {
  const house = await open();
  for (const delayMs of [600, 1200]) {
    const client = house.peer();
    client.logIn({ password: "guess" });
    assert.deepEqual(client.names(), ["connection.start"]);
    house.clock.advance(delayMs - 1);
    assert.deepEqual(client.names(), []);
    house.clock.advance(1);
    const [close] = client.take();
    assert.equal(close?.args["replyCode"], 403);
  }
});

test("guest comes from this machine only", async () => {
  const house = await open();
  const client = house.peer({ isLoopback: false, remoteAddress: "192.0.2.1" });
  client.logIn();
  house.clock.advance(10_000);
  assert.equal(client.take().at(-1)?.args["replyCode"], 403);
});

test("a stop of the broker is told to the client", async () => {
  const house = await open();
  const client = house.client();
  client.connection.shutdown();
  const [close] = client.take();
  assert.equal(close?.args["replyText"], "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'");
  client.send(0, "connection.close-ok", {});
  assert.equal(client.isEnded, true);
});

test("producers are blocked while there is no room, told so, and let go on", async () => {
  const house = await open();
  const client = house.client();
  client.declare("q");
  client.take();
  house.core.core.setPressure("disk", true);
  client.publish("q", "one");
  const [blocked] = client.take();
  assert.equal(blocked?.name, "connection.blocked");
  assert.equal(blocked?.args["reason"], "low on disk");
  assert.equal(client.isReadingPaused, true);
  house.core.core.setPressure("disk", false);
  assert.deepEqual(client.names(), ["connection.unblocked"]);
  assert.equal(client.isReadingPaused, false);
});

test("a delayed message comes when it is due", async () => {
  const house = await open();
  const client = house.client();
  const flags = { passive: false, durable: true, autoDelete: false, internal: false, noWait: false };
  client.send(1, "exchange.declare", {
    ticket: 0,
    exchange: "later",
    type: "x-delayed-message",
    ...flags,
    arguments: tableOf({ "x-delayed-type": "direct" }),
  });
  client.declare("q");
  bind(client, "q", "later", "k");
  client.publish("k", "not yet", { headers: tableOf({ "x-delay": 60_000 }) }, "later");
  client.publish("k", "at once", {}, "later");
  client.consume("q");
  assert.deepEqual(client.names().slice(-1), ["basic.deliver at once"]);
  house.clock.advance(59_000);
  assert.deepEqual(client.names(), []);
  house.clock.advance(1100);
  assert.deepEqual(client.names(), ["basic.deliver not yet"]);
});

test("a delay of any integer type is negated on the way, in a long, and nothing else of the head is touched", async () => {
  const house = await open();
  const client = house.client();
  const flags = { passive: false, durable: true, autoDelete: false, internal: false, noWait: false };
  client.send(1, "exchange.declare", {
    ticket: 0,
    exchange: "later",
    type: "x-delayed-message",
    ...flags,
    arguments: tableOf({ "x-delayed-type": "direct" }),
  });
  client.declare("q");
  bind(client, "q", "later", "k");
  client.consume("q");
  client.names();
  for (const type of ["b", "B", "s", "u", "I", "i", "l", "L"] as const) {
    const headers: FieldTable = [
      { name: "before", value: { type: "S", value: "1" } },
      { name: "x-delay", value: { type, value: 100 } },
      { name: "behind", value: { type: "t", value: true } },
    ];
    client.publish("k", type, { headers, correlationId: "c", messageId: "m" }, "later");
    house.clock.advance(99);
    assert.deepEqual(client.take(), []);
    house.clock.advance(1);
    const [delivered] = client.take();
    assert.equal(delivered?.body, type);
    assert.deepEqual(delivered?.properties, {
      headers: [headers[0], { name: "x-delay", value: { type: "l", value: -100 } }, headers[2]],
      correlationId: "c",
      messageId: "m",
    });
  }
});

test("a queue with a history is read again from its start, and its consumers notice nothing", async () => {
  const house = await open();
  const client = house.client();
  client.declare("q", { "x-history-max-age": "1h" });
  for (const body of ["one", "two"]) client.publish("q", body);
  client.take();
  for (const body of ["one", "two"]) assert.equal(client.get("q")?.body, body);
  client.send(1, "basic.qos", { prefetchSize: 0, prefetchCount: 10, global: false });
  client.consume("q", { "x-stream-offset": "first" });
  const [, , one, two] = client.take();
  assert.equal(one?.body, "one");
  assert.equal(two?.body, "two");
  assert.equal(fieldValue(two.properties!.headers!, "x-stream-offset")?.value, 1);
});

test("what comes back waits longer each time, and dies after the attempts that it has", async () => {
  const house = await open();
  const client = house.client();
  client.declare("dead");
  client.declare("q", {
    "x-retry-min-ms": 1000,
    "x-retry-max-ms": 60_000,
    "x-retry-attempts": 2,
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": "dead",
  });
  client.publish("q", "try");
  client.consume("q");
  let tag = 1;
  for (const delayMs of [1000, 2000]) {
    assert.deepEqual(client.names().slice(-1), ["basic.deliver try"]);
    client.send(1, "basic.nack", { deliveryTag: tag++, multiple: false, requeue: true });
    house.clock.advance(delayMs - 10);
    assert.deepEqual(client.names(), []);
    house.clock.advance(20);
  }
  client.take();
  client.send(1, "basic.nack", { deliveryTag: tag, multiple: false, requeue: true });
  const dead = client.get("dead");
  assert.equal(dead?.body, "try");
  assert.equal(fieldValue(dead.properties!.headers!, "x-first-death-reason")?.value, "delivery_limit");
});

test("a message with an id that the queue has seen is dropped and confirmed", async () => {
  const house = await open();
  const client = house.client();
  client.declare("q", { "x-message-deduplication": true, "x-cache-size": 100 });
  client.send(1, "confirm.select", { noWait: true });
  client.take();
  for (const body of ["one", "again"]) {
    client.publish("q", body, { headers: tableOf({ "x-deduplication-header": "id-1" }) });
    assert.deepEqual(client.names(), ["basic.ack"]);
  }
  assert.equal(client.get("q")?.body, "one");
  assert.equal(client.get("q")?.name, "basic.get-empty");
});

test("an id of a transaction that was rolled back was never seen", async () => {
  const house = await open();
  const client = house.client();
  client.declare("q", { "x-message-deduplication": true });
  client.send(1, "tx.select", {});
  const publish = (body: string): void =>
    client.publish("q", body, { headers: tableOf({ "x-deduplication-header": "id" }) });
  publish("taken back");
  client.send(1, "tx.rollback", {});
  for (const body of ["one", "again"]) publish(body);
  client.send(1, "tx.commit", {});
  publish("and again");
  client.send(1, "tx.commit", {});
  client.take();
  assert.equal(client.get("q")?.body, "one");
  assert.equal(client.get("q")?.name, "basic.get-empty");
});

test("a death is recorded as RabbitMQ records it", async () => {
  const house = await open();
  const client = house.client();
  client.declare("dead");
  client.declare("q", { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead" });
  client.publish("q", "short", { expiration: "50", deliveryMode: 2, headers: tableOf({ mine: "kept" }) });
  house.clock.advance(100);
  const dead = client.get("dead");
  assert.equal(dead?.properties?.expiration, undefined);
  const headers = plainTable(dead!.properties!.headers!);
  const [death] = headers.get("x-death") as Map<string, unknown>[];
  assert.deepEqual(
    [...death!.entries()].filter(([name]) => name !== "time"),
    [
      ["count", 1],
      ["reason", "expired"],
      ["queue", "q"],
      ["exchange", ""],
      ["routing-keys", ["q"]],
      ["original-expiration", "50"],
    ],
  );
  headers.delete("x-death");
  assert.deepEqual(
    [...headers.entries()],
    [
      ["mine", "kept"],
      ["x-first-death-exchange", ""],
      ["x-first-death-queue", "q"],
      ["x-first-death-reason", "expired"],
      ["x-last-death-exchange", ""],
      ["x-last-death-queue", "q"],
      ["x-last-death-reason", "expired"],
    ],
  );
});

function bind(client: WireClient, queue: string, exchange: string, routingKey: string): void {
  client.send(1, "queue.bind", { ticket: 0, queue, exchange, routingKey, noWait: false, arguments: [] });
}
