import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldValue, plainTable, tableOf, type FieldValue } from "../model/field-table.ts";
import type { Channel } from "./channel.ts";
import {
  methodFrame,
  onChannel,
  publishFrames,
  WireHouse,
  type Received,
  type WireClient,
} from "./wire-house.suite.ts";

const open = WireHouse.open;

function bodies(received: readonly Received[]): (string | undefined)[] {
  return received.filter(({ name }) => name === "basic.deliver").map(({ body }) => body);
}

function exchange(client: WireClient, name: string, type: string, args: Parameters<typeof tableOf>[0] = {}): void {
  const flags = { passive: false, durable: true, autoDelete: false, internal: false, noWait: false };
  client.send(1, "exchange.declare", { ticket: 0, exchange: name, type, ...flags, arguments: tableOf(args) });
}

function bind(client: WireClient, queue: string, from: string, routingKey: string): void {
  client.send(1, "queue.bind", { ticket: 0, queue, exchange: from, routingKey, noWait: false, arguments: [] });
}

function texts(...words: string[]): FieldValue {
  return { type: "A", value: words.map((value) => ({ type: "S", value })) };
}

test("a delivery that is not settled in time closes its channel, and is delivered again", async () => {
  const house = await open({ consumerTimeoutMs: 60_000 });
  const client = house.client();
  client.declare("q");
  client.publish("q", "slow");
  client.consume("q");
  client.take();
  house.clock.advance(61_000);
  const close = client.take().find(({ name }) => name === "channel.close");
  assert.equal(close?.args["replyCode"], 406);
  assert.match(String(close?.args["replyText"]), /delivery acknowledgement on channel 1 timed out/);
  assert.equal(house.client().get("q")?.args["redelivered"], true);
});

/** The text with which the channel was closed. */
function closedFor(client: WireClient): string {
  return String(client.take().find(({ name }) => name === "channel.close")?.args["replyText"]);
}

test("a queue says how long its deliveries may take, and a consumer says it better", async () => {
  const house = await open({ consumerTimeoutMs: 1_800_000 });
  const [byQueue, byConsumer] = [house.client(), house.client()];
  byQueue.declare("q", { "x-consumer-timeout": 5000 });
  for (const body of ["one", "two"]) byQueue.publish("q", body);
  byQueue.send(1, "basic.qos", { prefetchSize: 0, prefetchCount: 1, global: false });
  byQueue.consume("q");
  byConsumer.consume("q", { "x-consumer-timeout": 2000 });
  byConsumer.take();
  house.clock.advance(2100);
  assert.match(closedFor(byConsumer), /on channel 1 timed out\. Timeout value used: 2000 ms/);
  assert.deepEqual(bodies(byQueue.take()), ["one"]);
  house.clock.advance(3000);
  assert.match(closedFor(byQueue), /Timeout value used: 5000 ms/);
});

test("what was taken one by one, or by a consumer that has left, is to be settled in time as well", async () => {
  const house = await open({ consumerTimeoutMs: 30_000 });
  const [getter, leaver] = [house.client(), house.client()];
  getter.declare("q");
  getter.declare("slow", { "x-consumer-timeout": 50_000 });
  for (const queue of ["slow", "slow", "q"]) getter.publish(queue, "m");
  getter.take();
  getter.get("slow", false);
  house.clock.advance(40_000);
  assert.equal(getter.get("q", false)?.name, "basic.get-ok");
  getter.send(1, "basic.ack", { deliveryTag: 1, multiple: false });
  leaver.consume("slow");
  leaver.send(1, "basic.cancel", { consumerTag: "c", noWait: false });
  leaver.take();
  house.clock.advance(29_000);
  assert.deepEqual(getter.names(), []);
  house.clock.advance(31_000);
  assert.match(closedFor(getter), /Timeout value used: 30000 ms/);
  house.clock.advance(50_000);
  assert.match(closedFor(leaver), /Timeout value used: 50000 ms/);
  assert.equal(house.client().get("slow")?.args["redelivered"], true);
});

/** The client's only channel, as the broker has it. */
function channelOf(house: WireHouse): Channel {
  const [shown] = house.server.live.all();
  const [channel] = shown!.channels();
  return channel as Channel;
}

/** Its number may be opened again, and what is asked there is answered. */
function checkReopened(client: WireClient): void {
  client.send(1, "channel.close-ok", {});
  client.send(1, "channel.open", { outOfBand: "" });
  client.declare("other");
  assert.deepEqual(client.names(), ["channel.open-ok", "queue.declare-ok"]);
}

test("a channel that times out while a reply waits for the disk is not answered any more", async () => {
  const house = await open();
  const client = house.client();
  const flags = { passive: false, durable: true, exclusive: false, autoDelete: false, noWait: false };
  client.connection.receive(methodFrame(1, "queue.declare", { ticket: 0, queue: "q", ...flags, arguments: [] }));
  channelOf(house).leaseTimedOut(60_000, {});
  assert.deepEqual(client.names(), ["channel.close"]);
  checkReopened(client);
});

test("a get that waits when its channel times out holds back nobody", async () => {
  const house = await open();
  const client = house.client();
  client.declare("q");
  client.take();
  const channel = channelOf(house);
  house.client().connection.receive(publishFrames("q", "m", { deliveryMode: 2 }));
  client.connection.receive(methodFrame(1, "basic.get", { ticket: 0, queue: "q", noAck: false }));
  channel.leaseTimedOut(60_000, {});
  assert.deepEqual(client.names(), ["channel.close"]);
  checkReopened(client);
  assert.equal(client.get("q")?.body, "m");
});

test("a get that waits when its connection goes writes nothing", async () => {
  const house = await open();
  const client = house.client();
  client.declare("q");
  client.take();
  house.client().connection.receive(publishFrames("q", "m", { deliveryMode: 2 }));
  client.connection.receive(methodFrame(1, "basic.get", { ticket: 0, queue: "q", noAck: false }));
  client.destroy();
  house.settle();
  assert.equal(client.output.bytes, 0);
  assert.equal(house.client().get("q")?.args["redelivered"], false);
});

test("a quorum queue delays what is returned, a little more each time", async () => {
  const house = await open();
  const client = house.client();
  client.declare("q", {
    "x-queue-type": "quorum",
    "x-delayed-retry-type": "all",
    "x-delayed-retry-min": 1000,
    "x-delayed-retry-max": 1500,
  });
  client.publish("q", "try");
  client.consume("q");
  assert.deepEqual(bodies(client.take()), ["try"]);
  for (const [tag, delayMs] of [
    [1, 1000],
    [2, 1500],
    [3, 1500],
  ] as const) {
    client.send(1, "basic.nack", { deliveryTag: tag, multiple: false, requeue: true });
    house.clock.advance(delayMs - 50);
    assert.deepEqual(bodies(client.take()), []);
    house.clock.advance(100);
    const [again] = client.take();
    assert.equal(fieldValue(again!.properties!.headers!, "x-delivery-count")?.value, tag);
  }
});

test("a stream is read through a filter", async () => {
  const house = await open();
  const client = house.client();
  client.declare("s", { "x-queue-type": "stream" });
  for (const [body, value] of [
    ["one", "a"],
    ["two", "b"],
    ["three", "a"],
  ]) {
    client.publish("s", body!, { headers: tableOf({ "x-stream-filter-value": value! }) });
  }
  client.publish("s", "plain");
  client.send(1, "basic.qos", { prefetchSize: 0, prefetchCount: 10, global: false });
  client.consume("s", { "x-stream-offset": "first", "x-stream-filter": "a" });
  assert.deepEqual(bodies(client.take()), ["one", "three"]);
  client.send(1, "basic.cancel", { consumerTag: "c", noWait: false });
  const filter = { "x-stream-filter": texts("b", "c"), "x-stream-match-unfiltered": true };
  client.consume("s", { "x-stream-offset": "first", ...filter });
  assert.deepEqual(bodies(client.take()), ["two", "plain"]);
});

test("a new binding gets an exchange's last messages, but not those that say no", async () => {
  const house = await open();
  const client = house.client();
  exchange(client, "recent", "x-recent-history", { "x-recent-history-length": 2 });
  for (const body of ["one", "two", "three"]) client.publish("", body, {}, "recent");
  client.publish("", "unkept", { headers: tableOf({ "x-recent-history-no-store": true }) }, "recent");
  client.declare("q");
  bind(client, "q", "recent", "");
  client.take();
  assert.equal(client.get("q")?.body, "two");
  assert.equal(client.get("q")?.body, "three");
  assert.equal(client.get("q")?.name, "basic.get-empty");
});

test("an exchange drops what it has seen within its window", async () => {
  const house = await open();
  const client = house.client();
  exchange(client, "once", "direct", { "x-message-deduplication": true, "x-cache-ttl": 1000 });
  client.declare("q");
  bind(client, "q", "once", "k");
  const headers = tableOf({ "x-deduplication-header": "7" });
  client.publish("k", "first", { headers }, "once");
  client.publish("k", "again", { headers }, "once");
  house.clock.advance(2000);
  client.publish("k", "later", { headers }, "once");
  client.take();
  assert.equal(client.get("q")?.body, "first");
  assert.equal(client.get("q")?.body, "later");
  assert.equal(client.get("q")?.name, "basic.get-empty");
});

test("a queue takes an id again when its message is done; one that says how long or how many it remembers does not", async () => {
  const house = await open();
  const client = house.client();
  const says = {
    plain: {},
    quorum: { "x-queue-type": "quorum" },
    long: { "x-cache-ttl": 60_000 },
    many: { "x-cache-size": 9 },
  };
  for (const [queue, more] of Object.entries(says)) client.declare(queue, { "x-message-deduplication": true, ...more });
  client.send(1, "confirm.select", { noWait: true });
  client.take();
  const publish = (queue: string, body: string): void => {
    client.publish(queue, body, { headers: tableOf({ "x-deduplication-header": "job" }) }, "", true);
    assert.deepEqual(client.names(), ["basic.ack"]);
  };
  let deliveryTag = 0;
  for (const queue of Object.keys(says)) {
    publish(queue, "job");
    publish(queue, "while it is ready");
    assert.equal(client.get(queue, false)?.body, "job");
    publish(queue, "while it is done");
    assert.equal(client.get(queue)?.name, "basic.get-empty");
    client.send(1, "basic.ack", { deliveryTag: ++deliveryTag, multiple: false });
    publish(queue, "again");
    const isTaken = queue === "plain" || queue === "quorum";
    assert.equal(client.get(queue)?.body, isTaken ? "again" : undefined, queue);
    if (isTaken) deliveryTag++;
  }
});

test("CC and BCC go to more queues, and nobody sees BCC", async () => {
  const house = await open();
  const client = house.client();
  for (const queue of ["to", "cc", "bcc"]) client.declare(queue);
  client.publish("to", "all", { headers: tableOf({ CC: texts("cc"), BCC: texts("bcc"), kept: 1 }) });
  client.take();
  for (const queue of ["to", "cc", "bcc"]) {
    const got = client.get(queue);
    assert.deepEqual([...plainTable(got!.properties!.headers!).keys()], ["CC", "kept"]);
  }
});

test("an answer finds the channel that asked, without a queue", async () => {
  const house = await open();
  const asker = house.client();
  const responder = house.client();
  responder.declare("work");
  asker.consume("amq.rabbitmq.reply-to", {}, true);
  asker.publish("work", "how much?", { replyTo: "amq.rabbitmq.reply-to", correlationId: "9" });
  asker.take();
  responder.take();
  const request = responder.get("work");
  const address = request!.properties!.replyTo!;
  assert.match(address, /^amq\.rabbitmq\.reply-to\.g-/);
  responder.publish(address, "42", { correlationId: "9" });
  const [answer] = asker.take();
  assert.equal(answer?.body, "42");
  assert.equal(answer?.properties?.correlationId, "9");
});

test("copies of an answer go to the queues that it names", async () => {
  const house = await open();
  const [asker, responder] = [house.client(), house.client()];
  for (const queue of ["work", "copy"]) responder.declare(queue);
  asker.consume("amq.rabbitmq.reply-to", {}, true);
  asker.publish("work", "?", { replyTo: "amq.rabbitmq.reply-to" });
  asker.take();
  responder.take();
  const address = responder.get("work")!.properties!.replyTo!;
  responder.publish(address, "42", { headers: tableOf({ CC: texts("copy") }) }, "", true);
  assert.deepEqual(bodies(asker.take()), ["42"]);
  assert.deepEqual(responder.names(), [], "it is not returned: it was routed to a queue");
  assert.equal(responder.get("copy")?.body, "42");
});

test("replies to a client that does not read them are dropped, and who answers is not held back", async () => {
  const house = await open();
  const [asker, responder] = [house.client(), house.client()];
  responder.declare("work");
  asker.consume("amq.rabbitmq.reply-to", {}, true);
  asker.publish("work", "?", { replyTo: "amq.rabbitmq.reply-to" });
  asker.take();
  responder.take();
  const address = responder.get("work")!.properties!.replyTo!;
  for (let i = 0; i < 300; i++) responder.publish(address, "x".repeat(100_000));
  assert.ok(asker.unsentBytes < 20_000_000);
  assert.equal(responder.isReadingPaused, false);
  assert.ok(bodies(asker.take()).length < 200);
  responder.publish(address, "late");
  assert.deepEqual(bodies(asker.take()), ["late"]);
});

test("what a transaction holds back counts for each queue that it goes to", async () => {
  const house = await open({ messageBytesMax: 100_000 });
  const client = house.client();
  exchange(client, "all", "fanout");
  for (let i = 0; i < 100; i++) {
    client.declare(`q${i}`, {}, false);
    client.send(1, "queue.bind", {
      ticket: 0,
      queue: `q${i}`,
      exchange: "all",
      routingKey: "",
      noWait: false,
      arguments: [],
    });
  }
  client.send(1, "tx.select", {});
  client.take();
  let sent = 0;
  for (; sent < 1000 && client.take().length === 0; sent++) client.publish("", "x", {}, "all");
  assert.ok(sent > 5 && sent < 50, `${sent} messages for a hundred queues each are held back in 100 KB`);
});

test("a death that its publisher has written in some odd way is counted anew, and ends nothing", async () => {
  const house = await open();
  const client = house.client();
  client.declare("dead");
  client.declare("q", { "x-message-ttl": 1000, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead" });
  const odd: FieldValue[] = [
    { type: "d", value: 1.5 },
    { type: "d", value: Number.NaN },
    { type: "S", value: "many" },
    { type: "F", value: [] },
    { type: "l", value: 2n ** 62n },
    { type: "l", value: -7 },
  ];
  for (const count of odd) {
    const record = tableOf({ queue: "q", reason: "expired" });
    const death: FieldValue = { type: "F", value: [...record, { name: "count", value: count }] };
    const headers = [{ name: "x-death", value: { type: "A", value: [death] } as FieldValue }];
    client.publish("q", "x", { headers, deliveryMode: 2 });
    house.clock.advance(1000);
    client.take();
    assert.equal(client.get("dead")?.body, "x");
  }
});

test("a transaction that holds back more than one message may have is refused", async () => {
  const house = await open({ messageBytesMax: 100_000 });
  const client = house.client();
  client.declare("q");
  client.send(1, "tx.select", {});
  const half = "x".repeat(45_000);
  for (const end of ["tx.rollback", "tx.commit"] as const) {
    client.publish("q", half);
    client.publish("q", half);
    client.send(1, end, {});
  }
  assert.equal(client.take().at(-1)?.name, "tx.commit-ok");
  for (let i = 0; i < 3; i++) client.publish("q", half);
  const text = "PRECONDITION_FAILED - uncommitted messages exceed the maximum of 100000 bytes";
  assert.equal(closedFor(client), text);
  client.send(1, "channel.close-ok", {});
  client.send(1, "channel.open", { outOfBand: "" });
  client.send(1, "tx.select", {});
  client.publish("q", "x".repeat(100_000));
  client.send(1, "tx.commit", {});
  assert.deepEqual(client.names(), ["channel.open-ok", "tx.select-ok", "tx.commit-ok"]);
});

test("a commit settles what is old as well, however much was delivered since", async () => {
  const house = await open();
  const [client, producer] = [house.client(), house.client()];
  client.declare("q");
  client.send(1, "tx.select", {});
  client.consume("q");
  const count = 4400;
  for (let tag = 1; tag <= count; tag++) {
    producer.publish("q", "m");
    if (tag > 1 && tag < count) client.send(1, "basic.ack", { deliveryTag: tag, multiple: false });
    if (tag % 100 === 0) client.send(1, "tx.commit", {});
    if (tag % 100 === 0) assert.equal(client.take().at(-1)?.name, "tx.commit-ok");
  }
  client.send(1, "basic.ack", { deliveryTag: count, multiple: true });
  client.send(1, "tx.commit", {});
  assert.deepEqual(client.names(), ["tx.commit-ok"]);
  client.destroy();
  assert.equal(house.client().get("q")?.name, "basic.get-empty");
});

test("settling all again and again within a transaction costs neither memory nor time", async () => {
  const house = await open();
  const client = house.client();
  const channel = channelOf(house);
  client.declare("q");
  client.send(1, "tx.select", {});
  const all = methodFrame(1, "basic.ack", { deliveryTag: 0, multiple: true });
  const acks = Buffer.concat(Array.from({ length: 5000 }, () => all));
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 400; i++) client.connection.receive(acks);
  const grownBytes = process.memoryUsage().heapUsed - before;
  assert.ok(grownBytes < 60_000_000, `${grownBytes} bytes for acks of nothing`);

  const producer = house.client();
  client.consume("q");
  const messages = Buffer.concat(Array.from({ length: 1000 }, () => publishFrames("q", "m")));
  for (let i = 0; i < 30; i++) {
    producer.raw(messages);
    client.take();
  }
  const beganMs = performance.now();
  for (let i = 0; i < 4; i++) client.connection.receive(acks);
  const tookMs = performance.now() - beganMs;
  assert.ok(tookMs < 3000, `${tookMs} ms for acks of what is settled`);
  assert.equal(channel.uncommittedAckCount, 30_000);
  client.send(1, "tx.commit", {});
  assert.deepEqual(client.names(), ["tx.commit-ok"]);
  assert.deepEqual([channel.uncommittedAckCount, channel.unacknowledgedCount], [0, 0]);
});

test("priorities are obeyed", async () => {
  const house = await open();
  const client = house.client();
  client.declare("q", { "x-max-priority": 10 });
  for (const priority of [1, 9, 5]) client.publish("q", `p${priority}`, { priority });
  client.take();
  assert.deepEqual(
    [1, 2, 3].map(() => client.get("q")?.body),
    ["p9", "p5", "p1"],
  );
});

test("undoing a binding of one's own looks at no other binding, and another's queue is locked where there is one", async () => {
  const house = await open();
  const [owner, other] = [house.client(), house.client()];
  const flags = { passive: false, durable: false, exclusive: true, autoDelete: false, noWait: false };
  owner.send(1, "queue.declare", { ticket: 0, queue: "mine", ...flags, arguments: [] });
  for (const key of ["a", "b"]) bind(owner, "mine", "amq.direct", key);
  const { namespace } = house.server.vhosts.find("/")!;
  const { bindingsTo } = namespace;
  let looks = 0;
  namespace.bindingsTo = (destination) => {
    looks++;
    return bindingsTo.call(namespace, destination);
  };
  const unbind = (client: WireClient, routingKey: string): void =>
    client.send(1, "queue.unbind", { ticket: 0, queue: "mine", exchange: "amq.direct", routingKey, arguments: [] });
  owner.take();
  for (const key of ["a", "a"]) unbind(owner, key);
  assert.deepEqual(owner.names(), ["queue.unbind-ok", "queue.unbind-ok"]);
  assert.equal(looks, 0);
  unbind(other, "a");
  assert.deepEqual(other.names(), ["queue.unbind-ok"]);
  unbind(other, "b");
  assert.equal(other.take()[0]?.args["replyCode"], 405);
});

test("a certificate logs in by its common name", async () => {
  const house = await open();
  const client = house.peer({ isTls: true, certificateName: "guest" });
  client.raw(Buffer.from("AMQP\0\0\x09\x01", "latin1"));
  assert.match(String(client.take()[0]?.args["mechanisms"]), /EXTERNAL/);
  client.send(0, "connection.start-ok", { clientProperties: [], mechanism: "EXTERNAL", response: "", locale: "en_US" });
  assert.deepEqual(client.names(), ["connection.tune"]);
  const plain = house.peer();
  plain.raw(Buffer.from("AMQP\0\0\x09\x01", "latin1"));
  plain.take();
  plain.send(0, "connection.start-ok", { clientProperties: [], mechanism: "EXTERNAL", response: "", locale: "en_US" });
  assert.equal(plain.isEnded, true);
});

test("a body over the limit closes the channel before it is taken in", async () => {
  const house = await open({ messageBytesMax: 1000 });
  const client = house.client();
  client.declare("q");
  client.take();
  client.publish("q", "x".repeat(1001));
  const [close] = client.take();
  assert.equal(
    close?.args["replyText"],
    "PRECONDITION_FAILED - message size 1001 is larger than configured max size 1000",
  );
  client.send(1, "channel.close-ok", {});
  client.send(1, "channel.open", { outOfBand: "" });
  assert.deepEqual(client.names(), ["channel.open-ok"]);
});

test("half messages on many channels do not add up without end", async () => {
  const house = await open({ messageBytesMax: 10_000 });
  const client = house.client();
  const half = publishFrames("q", "x".repeat(8000));
  // Header and a first body frame of 6000 bytes: the rest never comes.
  const methodAndHeader = half.subarray(0, half.length - 8008);
  for (const channel of [1, 2]) {
    if (channel === 2) client.send(2, "channel.open", { outOfBand: "" });
    const bytes = Buffer.concat([
      methodAndHeader,
      Buffer.from([3, 0, 1, 0, 0, 6000 >> 8, 6000 & 255]),
      Buffer.alloc(6000),
      Buffer.from([206]),
    ]);
    client.raw(onChannel(channel, bytes));
  }
  const [, close] = client.take();
  assert.equal(close?.name, "connection.close");
  assert.equal(close?.args["replyCode"], 506);
});
