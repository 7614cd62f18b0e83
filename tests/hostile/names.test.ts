import assert from "node:assert/strict";
import { test } from "node:test";
import { Arena } from "./arena.ts";

const names = [
  "with spaces and\ttabs",
  "../../../../etc/passwd",
  "/absolute/./path//",
  "zero\0inside",
  "\u0001\u001b[31mescape",
  "quotes ' \" ` and \\ backslash $(id) %2e%2e {json:1}",
  "emoji 🚢 and accents é e\u0301 ﷽",
  "right to left \u202e and zero width \u200b",
  "*.#.topic.like",
  ".",
  "..",
  "CON",
  "__proto__",
  "constructor",
  "toString",
  "x".repeat(255),
  "ü".repeat(127),
];

test("queues, exchanges, keys and consumers may have every odd name, and keep it over a restart", async (t) => {
  const arena = await Arena.open(t);
  await arena.disturb({ growthMebibytesMax: 60 }, async () => {
    const client = await arena.client();
    const channel = await client.channel(1).open();
    await channel.quiet("confirm.select");
    for (const name of names) {
      const exchange = { exchange: name, type: "topic", durable: true };
      assert.equal((await channel.quiet("exchange.declare", exchange)).name, "exchange.declare-ok", name);
      const declared = await channel.quiet("queue.declare", { queue: name, durable: true });
      assert.equal(declared.fields["queue"], name);
      const binding = { queue: name, exchange: name, "routing-key": name };
      assert.equal((await channel.quiet("queue.bind", binding)).name, "queue.bind-ok");
      const publish = { exchange: name, "routing-key": name };
      const content = { props: { "delivery-mode": 2, headers: { [name]: name } }, body: name };
      assert.equal((await channel.quiet("basic.publish", publish, content)).name, "basic.ack");
    }
    await client.end();
  });

  await arena.restart();
  const client = await arena.client();
  const channel = await client.channel(1).open();
  for (const name of names) {
    const got = await channel.quiet("basic.get", { queue: name, "no-ack": true });
    assert.equal(got.name, "basic.get-ok", name);
    assert.deepEqual([got.fields["exchange"], got.fields["routing-key"], got.body.toString()], [name, name, name]);
    const tag = await channel.quiet("basic.consume", { queue: name, "consumer-tag": name });
    assert.equal(tag.fields["consumer-tag"], name);
    assert.equal((await channel.quiet("basic.cancel", { "consumer-tag": name })).fields["consumer-tag"], name);
    assert.equal((await channel.quiet("queue.delete", { queue: name })).name, "queue.delete-ok");
    assert.equal((await channel.quiet("exchange.delete", { exchange: name })).name, "exchange.delete-ok");
  }
});

test("line feeds and carriage returns are taken out of names that are declared, as RabbitMQ does", async (t) => {
  const arena = await Arena.open(t);
  const channel = await (await arena.client()).channel(1).open();
  const declared = await channel.quiet("queue.declare", { queue: "two\r\nlines", exclusive: true });
  assert.equal(declared.fields["queue"], "twolines");
});

test("a name that is no UTF-8 is carried or refused, and the log and the witness survive it", async (t) => {
  const arena = await Arena.open(t);
  await arena.disturb({ growthMebibytesMax: 60 }, async () => {
    for (const bytes of ["ff", "c3", "eda080", "f0908080ff", "00ff00"]) {
      const client = await arena.client();
      const channel = await client.channel(1).open();
      const queue = Buffer.from(bytes, "hex");
      channel.write("queue.declare", { queue, exclusive: true });
      const [answer] = await channel.recv(1);
      assert.match(answer?.name ?? "nothing", /^(queue\.declare-ok|(channel|connection)\.close)$/, bytes);
    }
  });
});

test("a routing key may be any bytes; one longer than a delivery can say is refused before anything has it", async (t) => {
  const arena = await Arena.open(t);
  await arena.disturb({ growthMebibytesMax: 60 }, async () => {
    const client = await arena.client();
    const channel = await client.channel(1).open();
    await channel.quiet("queue.declare", { queue: "q", durable: true });
    await channel.quiet("queue.bind", { queue: "q", exchange: "amq.fanout" });
    await channel.quiet("confirm.select");
    const key = Buffer.alloc(255, 0xff);
    const props = { "delivery-mode": 2 };
    await channel.quiet("basic.publish", { exchange: "amq.fanout", "routing-key": key }, { props, body: "any bytes" });
    const got = await channel.quiet("basic.get", { queue: "q" });
    // As this client reads it: the same 255 bytes, none of which is text.
    assert.equal(got.fields["routing-key"], "\ufffd".repeat(255));
    channel.write("basic.publish", { exchange: key, "routing-key": "" });
    const [closed] = await channel.recv(1);
    assert.equal(closed?.fields["reply-text"], "FRAME_ERROR - Malformed UTF-8 in shortstr");
    const again = await (await arena.client()).channel(1).open();
    const table = { "x-dead-letter-exchange": "amq.fanout", "x-dead-letter-routing-key": "k".repeat(256) };
    const refused = await again.quiet("queue.declare", { queue: "dying", arguments: table });
    assert.match(
      String(refused.fields["reply-text"]),
      /^PRECONDITION_FAILED - invalid arg 'x-dead-letter-routing-key'/,
    );
  });
});
