/** What a channel takes and gives back, where one thing comes in the midst of another. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { methodFrame, publishFrames, WireHouse, type WireClient } from "./wire-house.suite.ts";

function got(client: WireClient, queue: string): number {
  return client.get(queue, false)!.args["deliveryTag"] as number;
}

test("what comes behind a get that is answered late finds its queue as the get has left it", async () => {
  const house = await WireHouse.open();
  const client = house.client();
  client.declare("q");
  for (const body of ["0", "1"]) client.publish("q", body, { deliveryMode: 2 });
  client.take();
  const get = methodFrame(1, "basic.get", { ticket: 0, queue: "q", noAck: true });
  const purge = methodFrame(1, "queue.purge", { ticket: 0, queue: "q", noWait: false });
  const remove = methodFrame(1, "queue.delete", {
    ticket: 0,
    queue: "q",
    ifUnused: false,
    ifEmpty: false,
    noWait: false,
  });
  client.raw(Buffer.concat([get, purge]));
  assert.deepEqual(client.names(), ["basic.get-ok 0", "queue.purge-ok"]);
  client.publish("q", "2", { deliveryMode: 2 });
  client.take();
  client.raw(Buffer.concat([get, remove]));
  assert.deepEqual(client.names(), ["basic.get-ok 2", "queue.delete-ok"]);
});

test("what was got does not count against what consumers may hold", async () => {
  const client = (await WireHouse.open()).client();
  for (const queue of ["got", "consumed"]) {
    client.declare(queue);
    for (const body of ["0", "1"]) client.publish(queue, body);
  }
  client.send(1, "basic.qos", { prefetchSize: 0, prefetchCount: 1, global: true });
  const tag = got(client, "got");
  client.consume("consumed");
  const delivered = client.take().filter(({ name }) => name === "basic.deliver");
  assert.deepEqual(
    delivered.map(({ body }) => body),
    ["0"],
  );
  client.send(1, "basic.ack", { deliveryTag: tag, multiple: false });
  assert.deepEqual(client.names(), [], "nor does its acknowledgement let another one come");
  client.send(1, "basic.ack", { deliveryTag: delivered[0]!.args["deliveryTag"] as number, multiple: false });
  assert.deepEqual(client.names(), ["basic.deliver 1"]);
});

test("what was taken from a queue is given back, also on a channel whose only consumer reads a stream", async () => {
  const house = await WireHouse.open();
  const client = house.client();
  client.declare("q");
  client.declare("s", { "x-queue-type": "stream" });
  client.publish("q", "back");
  client.publish("s", "stays");
  client.send(1, "basic.qos", { prefetchSize: 0, prefetchCount: 10, global: false });
  client.consume("s", { "x-stream-offset": "first" });
  const read = client.take().find(({ name }) => name === "basic.deliver")!.args["deliveryTag"] as number;
  const tag = got(client, "q");
  client.send(1, "basic.nack", { deliveryTag: tag, multiple: false, requeue: true });
  assert.equal(client.get("q")?.body, "back");
  client.send(1, "basic.nack", { deliveryTag: read, multiple: false, requeue: true });
  assert.match(String(client.take().at(-1)?.args["replyText"]), /not supported by stream queues/);
});

test("a reject in a transaction is on record with it, also of a message that is not in memory any more", async () => {
  const house = await WireHouse.open();
  const client = house.client();
  client.declare("dead");
  client.declare("q", { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead" });
  client.publish("q", "poison", { deliveryMode: 2 });
  client.take();
  const tag = got(client, "q");
  const { partition, subscription } = [...house.core.core.queueById.values()].find(({ name }) => name === "q")!;
  const page = [...partition.pages.values()][0]!;
  const look = partition.look.bind(partition);
  let isAway = true;
  // As after an eviction: it has to be read back first, which takes until later.
  partition.look = (offset, entry) => !isAway && look(offset, entry);
  partition.load = (_offset, _isWhole, done) => house.clock.defer(() => done(page.base));
  client.send(1, "tx.select", {});
  client.publish("q", "beside", { deliveryMode: 2 });
  client.send(1, "basic.nack", { deliveryTag: tag, multiple: false, requeue: false });
  client.send(1, "tx.commit", {});
  assert.equal(client.take().at(-1)?.name, "tx.commit-ok");
  assert.equal(subscription?.attempts.get(0)?.death, "rejected", "it is dead when the commit is answered");
  isAway = false;
  house.clock.advance(1000);
  assert.equal(client.get("dead")?.body, "poison");
  assert.equal(client.get("q")?.body, "beside");
});

test("what is owed is confirmed before an end that comes in the same chunk", async () => {
  const close = { replyCode: 200, replyText: "", classId: 0, methodId: 0 };
  const ends: [Buffer, string][] = [
    [methodFrame(1, "channel.close", close), "channel.close-ok"],
    [methodFrame(0, "connection.close", close), "connection.close-ok"],
    [publishFrames("q", "x", {}, "no such exchange"), "channel.close"],
    [methodFrame(1, "basic.ack", { deliveryTag: 7, multiple: false }), "channel.close"],
    [Buffer.from("no frame at all"), "connection.close"],
  ];
  for (const [end, answer] of ends) {
    const client = (await WireHouse.open()).client();
    client.send(1, "confirm.select", { noWait: false });
    client.take();
    client.raw(Buffer.concat([publishFrames("nowhere", "x"), end]));
    assert.deepEqual(client.names(), ["basic.ack", answer]);
  }
});
