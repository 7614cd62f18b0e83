/** Which queues a message reaches, by exchange type. */
import { family } from "../scenario.ts";
import { as } from "../values.ts";
import type { WireChannel } from "../wire-client.ts";

const scenario = family("routing");

/** Which of the queues hold how much, as one line; empties them. */
async function arrived(ch: WireChannel, queues: readonly string[]): Promise<void> {
  const counts: string[] = [];
  for (const queue of queues) {
    await ch.quiet("queue.declare", { queue, passive: true });
    const purged = await ch.quiet("queue.purge", { queue });
    const count = Number(purged.fields["message-count"]);
    if (count > 0) counts.push(count === 1 ? queue : `${queue} ${count} times`);
  }
  ch.note(`arrived at: ${counts.join(", ") || "none"}`);
}

scenario("the default exchange routes to the queue of that name", async (t) => {
  const ch = await t.channel();
  const queues = [await t.queue(ch, "one"), await t.queue(ch, "two")];
  ch.publish("", queues[0] as string, "a");
  await arrived(ch, queues);
  ch.publish("", t.name("three"), "a", {}, { mandatory: true });
  await ch.recv(1);
  ch.publish("", "", "a", {}, { mandatory: true });
  await ch.recv(1);
});

scenario("a direct exchange compares routing keys to the byte", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "direct");
  const queues = [
    await t.queue(ch, "a"),
    await t.queue(ch, "both"),
    await t.queue(ch, "empty"),
    await t.queue(ch, "wild"),
  ];
  const [a, both, empty, wild] = queues as [string, string, string, string];
  await t.bind(ch, a, exchange, "a");
  await t.bind(ch, both, exchange, "a");
  await t.bind(ch, both, exchange, "b");
  await t.bind(ch, empty, exchange, "");
  await t.bind(ch, wild, exchange, "#");
  for (const key of ["a", "b", "A", "", "c", "#"]) {
    ch.publish(exchange, key);
    await arrived(ch, queues);
  }
});

scenario("a fanout exchange ignores routing keys and delivers once a queue", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "fanout");
  const queues = [await t.queue(ch, "one"), await t.queue(ch, "two")];
  await t.bind(ch, queues[0] as string, exchange, "a");
  await t.bind(ch, queues[0] as string, exchange, "b");
  await t.bind(ch, queues[1] as string, exchange);
  ch.publish(exchange, "anything");
  await arrived(ch, queues);
});

scenario("a topic exchange matches words and wildcards", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "topic");
  const patterns = [
    "#",
    "*",
    "a",
    "a.b",
    "a.*",
    "*.b",
    "a.#",
    "#.b",
    "a.#.b",
    "*.*",
    "#.#",
    "*.#",
    "#.*",
    "a..b",
    "",
    ".",
    "a.",
    "*.",
    "a*",
    "a#",
  ];
  const queues: string[] = [];
  for (const pattern of patterns) {
    const queue = await t.queue(ch, `<${pattern}>`);
    await t.bind(ch, queue, exchange, pattern);
    queues.push(queue);
  }
  for (const key of [
    "a",
    "b",
    "a.b",
    "a.c.b",
    "a.b.b",
    "a..b",
    "",
    ".",
    "a.",
    ".b",
    "..",
    "a*",
    "a#",
    "#",
    "*",
    "A.b",
    "x.y.z.b",
  ]) {
    ch.publish(exchange, key);
    await arrived(ch, queues);
  }
});

scenario("a topic binding that is removed no longer matches, others still do", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "topic");
  const queues = [await t.queue(ch, "one"), await t.queue(ch, "two")];
  await t.bind(ch, queues[0] as string, exchange, "a.#.b");
  await t.bind(ch, queues[1] as string, exchange, "a.#.b");
  await t.bind(ch, queues[1] as string, exchange, "a.#");
  await ch.call("queue.unbind", { queue: queues[0], exchange, "routing-key": "a.#.b" });
  ch.publish(exchange, "a.x.b");
  await arrived(ch, queues);
  await ch.call("queue.unbind", { queue: queues[1], exchange, "routing-key": "a.#" });
  ch.publish(exchange, "a.x.b");
  ch.publish(exchange, "a.x");
  await arrived(ch, queues);
});

scenario("a headers exchange matches all or any of the headers", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "headers");
  const bindings: readonly (readonly [string, Record<string, unknown>])[] = [
    ["default", { a: 1, b: "x" }],
    ["all", { "x-match": "all", a: 1, b: "x" }],
    ["any", { "x-match": "any", a: 1, b: "x" }],
    ["all nothing", { "x-match": "all" }],
    ["any nothing", { "x-match": "any" }],
    ["no arguments", {}],
    ["all void", { "x-match": "all", a: null }],
    ["any void", { "x-match": "any", a: null }],
    ["all x-", { "x-match": "all", "x-a": 1, a: 1 }],
    ["any x-", { "x-match": "any", "x-a": 1 }],
  ];
  const queues: string[] = [];
  for (const [text, args] of bindings) {
    const queue = await t.queue(ch, text);
    await t.bind(ch, queue, exchange, "ignored", args);
    queues.push(queue);
  }
  for (const headers of [
    { a: 1, b: "x" },
    { a: 1 },
    { b: "x" },
    { b: "y" },
    {},
    { a: 2, b: "x" },
    { "x-a": 1 },
    { a: 1, c: 3 },
    { a: null },
  ]) {
    ch.publish(exchange, "k", "", { headers });
    await arrived(ch, queues);
  }
  ch.publish(exchange, "k", "");
  await arrived(ch, queues);
});

scenario("a headers exchange compares types as well as values", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "headers");
  const values: readonly (readonly [string, unknown])[] = [
    ["int", as("I", 1)],
    ["long", as("l", 1)],
    ["short", as("s", 1)],
    ["byte", as("b", 1)],
    ["string", "1"],
    ["bytes", as("x", "1")],
    ["true", true],
    ["double", as("d", 1)],
    ["float", as("f", 1)],
    ["timestamp", as("T", 1)],
    ["table", { a: 1 }],
    ["array", [1]],
  ];
  const queues: string[] = [];
  for (const [text, value] of values) {
    const queue = await t.queue(ch, text);
    await t.bind(ch, queue, exchange, "", { "x-match": "all", h: value });
    queues.push(queue);
  }
  for (const [text, value] of values) {
    t.note(text);
    ch.publish(exchange, "", "", { headers: { h: value } });
    await arrived(ch, queues);
  }
});

scenario("a headers exchange with x in its match looks at headers that start with x", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "headers");
  const queues: string[] = [];
  for (const match of ["all", "any", "all-with-x", "any-with-x"]) {
    const queue = await t.queue(ch, match);
    await t.bind(ch, queue, exchange, "", { "x-match": match, "x-a": 1, b: 2 });
    queues.push(queue);
  }
  for (const headers of [{ "x-a": 1, b: 2 }, { "x-a": 1 }, { b: 2 }, { "x-a": 2, b: 2 }, {}]) {
    ch.publish(exchange, "", "", { headers });
    await arrived(ch, queues);
  }
});

scenario("an invalid x-match is refused", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "headers");
  const queue = await t.queue(ch, "q");
  for (const match of ["some", "ALL", "", 5, true, null, "all-with-x", "any-with-x"]) {
    await ch.call("queue.bind", { queue, exchange, arguments: { "x-match": match, a: 1 } });
  }
});

scenario("a message with CC and BCC goes to more routing keys, and BCC is taken out", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "direct");
  const queues: string[] = [];
  for (const key of ["a", "b", "c", "d"]) {
    const queue = await t.queue(ch, key);
    await t.bind(ch, queue, exchange, key);
    queues.push(queue);
  }
  ch.publish(exchange, "a", "copies", { headers: { CC: ["b", "a"], BCC: ["c", "nowhere"], other: 1 } });
  for (const queue of queues) {
    await ch.quiet("queue.declare", { queue, passive: true });
    await ch.call("basic.get", { queue, "no-ack": true });
  }
  ch.publish(exchange, "nowhere", "only copies", { headers: { BCC: ["d"] } }, { mandatory: true });
  await ch.barrier(queues[3] as string);
  await ch.call("basic.get", { queue: queues[3], "no-ack": true });
  ch.publish(exchange, "nowhere", "returned", { headers: { BCC: ["nobody"], CC: ["noone"] } }, { mandatory: true });
  await ch.recv(1);
});

scenario("CC on the default exchange reaches queues by name", async (t) => {
  const ch = await t.channel();
  const queues = [await t.queue(ch, "a"), await t.queue(ch, "b"), await t.queue(ch, "c")];
  ch.publish("", queues[0] as string, "copies", { headers: { CC: [queues[1]], BCC: [queues[2]] } });
  await arrived(ch, queues);
  ch.publish("", "", "copies", { headers: { CC: queues } });
  await arrived(ch, queues);
});

scenario("CC and BCC that are no arrays of strings are refused", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  for (const headers of [{ CC: "text" }, { BCC: "text" }, { CC: 5 }, { BCC: true }, { CC: {} }, { CC: null }]) {
    await ch.open();
    ch.publish("", queue, "copies", { headers });
    await ch.recv(1);
  }
  await ch.open();
  ch.publish("", queue, "odd but taken", { headers: { CC: [] } });
  await ch.barrier(queue);
});

scenario("CC with members that are no strings", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q");
  ch.publish("", t.name("nowhere"), "copies", { headers: { CC: [5, queue, true] } });
  await ch.barrier(queue);
});

scenario("queue bindings are idempotent and told apart by their arguments", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "direct");
  const queue = await t.queue(ch, "q");
  await ch.call("queue.bind", { queue, exchange, "routing-key": "k" });
  await ch.call("queue.bind", { queue, exchange, "routing-key": "k" });
  await ch.call("queue.bind", { queue, exchange, "routing-key": "k", arguments: { a: 1 } });
  ch.publish(exchange, "k");
  await ch.barrier(queue);
  await ch.call("queue.unbind", { queue, exchange, "routing-key": "k" });
  ch.publish(exchange, "k");
  await ch.barrier(queue);
  await ch.call("queue.unbind", { queue, exchange, "routing-key": "k", arguments: { a: 2 } });
  ch.publish(exchange, "k");
  await ch.barrier(queue);
  await ch.call("queue.unbind", { queue, exchange, "routing-key": "k", arguments: { a: 1 } });
  ch.publish(exchange, "k");
  await ch.barrier(queue);
});

scenario("a consistent hash exchange wants weights and sends each message to one queue", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "x-consistent-hash");
  const queue = await t.queue(ch, "q");
  for (const key of ["", "heavy", "-1", "0", "1.5", "1"]) {
    await ch.call("queue.bind", { queue, exchange, "routing-key": key });
  }
  ch.publish(exchange, "anything", "one");
  ch.publish(exchange, "something", "two");
  await ch.barrier(queue);
});

scenario("a consistent hash exchange with several queues loses nothing and keeps a key together", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "x-consistent-hash");
  const queues = [await t.queue(ch, "one"), await t.queue(ch, "two"), await t.queue(ch, "three")];
  for (const queue of queues) await t.bind(ch, queue, exchange, "10");
  const totals: number[] = [];
  for (const keys of [1, 100]) {
    for (let i = 0; i < 100; i++) ch.write("basic.publish", { exchange, "routing-key": `key ${i % keys}` }, {});
    let total = 0;
    let used = 0;
    for (const queue of queues) {
      await ch.quiet("queue.declare", { queue, passive: true });
      const count = Number((await ch.quiet("queue.purge", { queue })).fields["message-count"]);
      total += count;
      if (count > 0) used++;
    }
    totals.push(total, used);
  }
  t.note(
    `one key: ${totals[0]} messages in ${totals[1]} queue; 100 keys: ${totals[2]} messages in ${totals[3]} queues`,
  );
});

scenario("the arguments of a consistent hash exchange are checked", async (t) => {
  for (const args of [
    { "hash-header": "h" },
    { "hash-property": "message_id" },
    { "hash-property": "correlation_id" },
    { "hash-property": "timestamp" },
    { "hash-property": "app_id" },
    { "hash-header": "h", "hash-property": "message_id" },
  ]) {
    const ch = await t.channel();
    await ch.call("exchange.declare", { exchange: t.name("x"), type: "x-consistent-hash", arguments: args });
    await ch.quiet("exchange.delete", { exchange: t.name("x") }).catch(() => {});
  }
});

scenario("a random exchange sends each message to one queue", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "x-random");
  const queues = [await t.queue(ch, "one"), await t.queue(ch, "two")];
  for (const queue of queues) await t.bind(ch, queue, exchange, "ignored");
  for (let i = 0; i < 60; i++) ch.write("basic.publish", { exchange, "routing-key": "k" }, {});
  const counts: number[] = [];
  for (const queue of queues) {
    await ch.quiet("queue.declare", { queue, passive: true });
    counts.push(Number((await ch.quiet("queue.purge", { queue })).fields["message-count"]));
  }
  const total = counts.reduce((sum, count) => sum + count, 0);
  t.note(`${total} messages, each queue has some: ${counts.every((count) => count > 0)}`);
});

scenario("a recent history exchange gives a new binding the last messages", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "x", "x-recent-history", { "x-recent-history-length": 2 });
  const [early, late] = [await t.queue(ch, "early"), await t.queue(ch, "late")];
  await t.bind(ch, early, exchange);
  for (const body of ["one", "two", "three"]) ch.publish(exchange, "k", body);
  ch.publish(exchange, "k", "not kept", { headers: { "x-recent-history-no-store": true } });
  await ch.barrier(early);
  await ch.call("queue.bind", { queue: late, exchange });
  await ch.barrier(late);
  for (let i = 0; i < 3; i++) await ch.call("basic.get", { queue: late, "no-ack": true });
});

scenario("the length of a recent history is checked", async (t) => {
  for (const length of [0, -1, 1.5, "many", as("l", 5), as("b", 5)]) {
    const ch = await t.channel();
    const exchange = t.name("x");
    const args = { "x-recent-history-length": length };
    await ch.call("exchange.declare", { exchange, type: "x-recent-history", arguments: args });
    await ch.quiet("exchange.delete", { exchange }).catch(() => {});
  }
});

scenario("a hash header that is no string breaks the connection", async (t) => {
  const ch = await t.channel();
  await ch.call("exchange.declare", {
    exchange: t.name("x"),
    type: "x-consistent-hash",
    arguments: { "hash-header": 5 },
  });
});
