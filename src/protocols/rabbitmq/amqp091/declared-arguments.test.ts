import assert from "node:assert/strict";
import { test } from "node:test";
import { tableOf, type FieldValue } from "../model/field-table.ts";
import { WireHouse, type WireClient } from "./wire-house.suite.ts";

const open = WireHouse.open;

function exchange(client: WireClient, name: string, type: string, args: Parameters<typeof tableOf>[0] = {}): void {
  const flags = { passive: false, durable: true, autoDelete: false, internal: false, noWait: false };
  client.send(1, "exchange.declare", { ticket: 0, exchange: name, type, ...flags, arguments: tableOf(args) });
}

function bind(client: WireClient, queue: string, from: string, routingKey: string): void {
  client.send(1, "queue.bind", { ticket: 0, queue, exchange: from, routingKey, noWait: false, arguments: [] });
}

/** Declares it with a channel of its own: the text with which that was closed, or undefined. */
async function refusalOf(type: string, args: Parameters<typeof tableOf>[0]): Promise<string | undefined> {
  const client = (await open()).client();
  exchange(client, "e", type, args);
  const [answer] = client.take();
  return answer?.name === "channel.close" ? String(answer.args["replyText"]) : undefined;
}

test("what an exchange remembers has bounds that are numbers from 1", async () => {
  const on = { "x-message-deduplication": true };
  for (const name of ["x-cache-size", "x-cache-ttl"]) {
    for (const value of [-1, 0, "many", "", 1.5, true]) {
      const what = name === "x-cache-size" ? "Missing or invalid" : "Invalid";
      const text = `PRECONDITION_FAILED - ${what} argument, '${name}' must be an integer greater than 0`;
      assert.equal(await refusalOf("x-message-deduplication", { [name]: value }), text, String(value));
      assert.equal(await refusalOf("topic", { ...on, [name]: value }), text);
      assert.equal(await refusalOf("x-delayed-message", { "x-delayed-type": "fanout", ...on, [name]: value }), text);
    }
    // As a command line writes it.
    for (const value of [1, "600"])
      assert.equal(await refusalOf("x-message-deduplication", { [name]: value }), undefined);
    // Where nothing is remembered it says nothing.
    assert.equal(await refusalOf("topic", { [name]: -1 }), undefined);
  }
});

test("an exchange that delays is checked as what it is otherwise", async () => {
  const refusals: readonly (readonly [type: string, args: Parameters<typeof tableOf>[0], text: RegExp])[] = [
    ["x-consistent-hash", { "hash-property": "user_id" }, /Unsupported property: user_id/],
    ["x-recent-history", { "x-recent-history-length": 0 }, /'x-recent-history-length' must be a positive integer/],
    ["x-message-deduplication", { "x-cache-size": 0 }, /'x-cache-size' must be an integer greater than 0/],
    ["x-delayed-message", {}, /'x-delayed-message' can't be used for 'x-delayed-type'/],
    ["x-none", {}, /'x-delayed-type' must be an existing exchange type/],
  ];
  for (const [type, args, text] of refusals) {
    assert.match(String(await refusalOf("x-delayed-message", { "x-delayed-type": type, ...args })), text);
  }
});

test("x-local-random takes classic queues, without a key", async () => {
  const house = await open();
  const refusal = (bindIt: (client: WireClient) => void, args: Parameters<typeof tableOf>[0] = {}): string => {
    const client = house.client();
    exchange(client, "any", "x-local-random");
    exchange(client, "later", "x-delayed-message", { "x-delayed-type": "x-local-random" });
    client.declare(`q${JSON.stringify(args)}`, args);
    client.take();
    bindIt(client);
    const [answer] = client.take();
    return answer?.name === "channel.close" ? String(answer.args["replyText"]) : String(answer?.name);
  };
  const toQueue =
    (key: string, args = {}, from = "any") =>
    (client: WireClient): void =>
      bind(client, `q${JSON.stringify(args)}`, from, key);
  assert.equal(refusal(toQueue("")), "queue.bind-ok");
  for (const from of ["any", "later"]) {
    assert.equal(refusal(toQueue("k", {}, from)), "PRECONDITION_FAILED - Non empty binding 'k' key not permitted");
  }
  for (const type of ["quorum", "stream"]) {
    const args = { "x-queue-type": type };
    const text = `PRECONDITION_FAILED - Queue type rabbit_${type}_queue not valid for this exchange type`;
    assert.equal(refusal(toQueue("", args), args), text);
  }
  const toExchange = (client: WireClient): void => {
    const ends = { source: "any", destination: "amq.fanout", routingKey: "" };
    client.send(1, "exchange.bind", { ticket: 0, ...ends, noWait: false, arguments: [] });
  };
  assert.equal(refusal(toExchange), "PRECONDITION_FAILED - Destination not found");
});

test("a quorum queue takes reject-publish-dlx, drops its head, and says so", async () => {
  const house = await open();
  const client = house.client();
  client.declare("dead");
  const rest = { "x-max-length": 1, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead" };
  const args = { "x-queue-type": "quorum", "x-overflow": "reject-publish-dlx", ...rest };
  client.declare("q", args);
  client.declare("q", args);
  client.send(1, "confirm.select", { noWait: true });
  client.take();
  for (const body of ["a", "b"]) {
    client.publish("q", body);
    assert.deepEqual(client.names(), ["basic.ack"]);
  }
  assert.equal(client.get("q")?.body, "b");
  assert.equal(client.get("dead")?.body, "a");
  const told = house.logged.filter(({ message }) => message.includes("x-overflow"));
  assert.deepEqual(
    told.map(({ level, fields }) => [level, fields]),
    [["warn", { vhost: "/", queue: "q", overflow: "reject-publish-dlx" }]],
  );
});

test("a delivery limit that is no whole number is none", async () => {
  const house = await open();
  const limits: readonly FieldValue[] = [
    { type: "V", value: null },
    { type: "t", value: false },
    { type: "S", value: "0" },
    { type: "d", value: 0 },
  ];
  for (const [index, limit] of limits.entries()) {
    const client = house.client();
    const name = `q${index}`;
    const failTwice = (): (string | undefined)[] =>
      [1, 2].map((deliveryTag) => {
        const got = client.get(name, false);
        client.send(1, "basic.nack", { deliveryTag, multiple: false, requeue: true });
        return got?.body ?? got?.name;
      });
    client.declare(name, { "x-queue-type": "quorum", "x-delivery-limit": limit });
    client.publish(name, "kept");
    client.take();
    assert.deepEqual(failTwice(), ["kept", "kept"], limit.type);
    client.send(1, "queue.delete", { ticket: 0, queue: name, ifUnused: false, ifEmpty: false, noWait: true });

    // A limit of ours stands behind it, as where it is not said.
    client.send(1, "channel.close", { replyCode: 200, replyText: "", classId: 0, methodId: 0 });
    client.send(1, "channel.open", { outOfBand: "" });
    client.declare(name, { "x-queue-type": "quorum", "x-delivery-limit": limit, "x-retry-attempts": 0 });
    client.publish(name, "lost");
    client.take();
    assert.deepEqual(failTwice(), ["lost", "basic.get-empty"], limit.type);
  }
});
