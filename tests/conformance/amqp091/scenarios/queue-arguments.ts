/** The arguments of queue.declare: each with good, badly typed and bad values, and the combinations that are refused. */
import { family, type ScenarioContext } from "../scenario.ts";
import { as, shown } from "../values.ts";
import type { Fields } from "../frames.ts";

const scenario = family("queue-arguments");

/** Declares a queue for each set of arguments; one that was taken is deleted again. */
async function declares(t: ScenarioContext, argsList: readonly Fields[], flags: Fields = {}): Promise<void> {
  let ch = await t.channel();
  const queue = t.name("q");
  for (const args of argsList) {
    if (ch.connection.isClosed) ch = await t.channel();
    const reply = await ch.call("queue.declare", { queue, ...flags, arguments: args });
    if (reply?.name === "connection.close") await ch.connection.waitFor(() => ch.connection.isClosed);
    if (reply?.name === "queue.declare-ok") await ch.quiet("queue.delete", { queue });
  }
}

const ODD_VALUES = [
  0,
  1,
  -1,
  as("b", 5),
  as("s", 5),
  as("l", 5),
  as("l", 2 ** 32),
  as("l", 2 ** 53),
  as("d", 5),
  as("f", 1.5),
  as("T", 5),
  as("D", [0, 5]),
  "text",
  "5",
  true,
  null,
  as("x", "5"),
  [5],
  {},
];

for (const argument of [
  "x-message-ttl",
  "x-expires",
  "x-max-length",
  "x-max-length-bytes",
  "x-max-priority",
  "x-delivery-limit",
]) {
  scenario(`${argument} is checked`, async (t) => {
    await declares(
      t,
      ODD_VALUES.map((value) => ({ [argument]: value })),
    );
  });
}

scenario("the bounds of x-max-priority, x-expires and x-message-ttl", async (t) => {
  await declares(t, [
    { "x-max-priority": 255 },
    { "x-max-priority": 256 },
    { "x-max-priority": as("l", 2 ** 31) },
    { "x-expires": as("l", 2 ** 32 - 1) },
    { "x-expires": as("l", 315_360_000_000) },
    { "x-expires": as("l", 315_360_000_001) },
    { "x-message-ttl": as("l", 315_360_000_000) },
    { "x-message-ttl": as("l", 315_360_000_001) },
  ]);
});

scenario("x-overflow is checked", async (t) => {
  const values = [
    "drop-head",
    "reject-publish",
    "reject-publish-dlx",
    "drop-tail",
    "",
    "Drop-Head",
    5,
    true,
    null,
    as("x", "drop-head"),
  ];
  await declares(
    t,
    values.map((value) => ({ "x-overflow": value })),
  );
});

scenario("x-queue-mode is checked", async (t) => {
  await declares(
    t,
    ["default", "lazy", "busy", "", 5, true, null].map((value) => ({ "x-queue-mode": value })),
  );
});

scenario("x-queue-version is checked", async (t) => {
  await declares(
    t,
    [1, 2, 0, 3, as("l", 2), "2", true].map((value) => ({ "x-queue-version": value })),
  );
});

scenario("x-single-active-consumer is checked", async (t) => {
  await declares(
    t,
    [true, false, "true", 1, null].map((value) => ({ "x-single-active-consumer": value })),
  );
});

scenario("x-queue-type is checked", async (t) => {
  await declares(
    t,
    ["classic", "nosuchtype", "", "Classic", 5, true, null].map((value) => ({ "x-queue-type": value })),
  );
});

scenario("known values of x-queue-master-locator are accepted", async (t) => {
  await declares(t, [
    { "x-queue-master-locator": "min-masters" },
    { "x-queue-master-locator": "client-local" },
    { "x-queue-master-locator": "random" },
  ]);
});

scenario("dead letter arguments are checked", async (t) => {
  await declares(t, [
    { "x-dead-letter-exchange": "" },
    { "x-dead-letter-exchange": "does not need to exist" },
    { "x-dead-letter-exchange": 5 },
    { "x-dead-letter-exchange": true },
    { "x-dead-letter-exchange": null },
    { "x-dead-letter-routing-key": "alone" },
    { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": 5 },
    { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": null },
    { "x-dead-letter-strategy": "at-least-once" },
    { "x-dead-letter-strategy": "nosuch" },
  ]);
});

scenario("unknown arguments of a queue are accepted and not compared", async (t) => {
  const ch = await t.channel();
  const queue = t.name("q");
  await ch.call("queue.declare", { queue, arguments: { "x-mine": 5, mine: "x", "x-ha-policy": "all" } });
  await ch.call("queue.declare", { queue, arguments: { "x-mine": "other" } });
  await ch.call("queue.declare", { queue });
});

scenario("arguments of other queue types on a classic queue", async (t) => {
  await declares(t, [
    { "x-max-age": "1D" },
    { "x-stream-max-segment-size-bytes": 1000000 },
    { "x-initial-cluster-size": 1 },
    { "x-quorum-initial-group-size": 1 },
    { "x-max-in-memory-length": 10 },
    { "x-max-in-memory-bytes": 10 },
    { "x-delivery-limit": 3 },
  ]);
});

const COMPARED: readonly (readonly [string, unknown, unknown])[] = [
  ["x-message-ttl", 1000, 2000],
  ["x-expires", 60000, 70000],
  ["x-max-length", 5, 6],
  ["x-max-length-bytes", 500, 600],
  ["x-max-priority", 5, 6],
  ["x-overflow", "drop-head", "reject-publish"],
  ["x-dead-letter-exchange", "a", "b"],
  ["x-queue-mode", "default", "lazy"],
  ["x-queue-version", 1, 2],
  ["x-single-active-consumer", true, false],
  ["x-queue-type", "classic", "quorum"],
  ["x-queue-master-locator", "min-masters", "client-local"],
];

for (const [argument, value, another] of COMPARED) {
  scenario(`${argument} must be the same in a later declare`, async (t) => {
    const ch = await t.channel();
    const queue = t.name("q");
    await ch.call("queue.declare", { queue, arguments: { [argument]: value } });
    await ch.call("queue.declare", { queue, arguments: { [argument]: value } });
    await ch.call("queue.declare", { queue, arguments: { [argument]: another } });
    await ch.call("queue.declare", { queue });
    await ch.call("queue.declare", { queue, arguments: { [argument]: "of another type" } });
    const plain = t.name("plain");
    await ch.call("queue.declare", { queue: plain });
    await ch.call("queue.declare", { queue: plain, arguments: { [argument]: value } });
  });
}

scenario("x-dead-letter-routing-key must be the same in a later declare", async (t) => {
  const ch = await t.channel();
  const queue = t.name("q");
  const dead = (key?: string): Fields => ({
    "x-dead-letter-exchange": "",
    ...(key === undefined ? {} : { "x-dead-letter-routing-key": key }),
  });
  await ch.call("queue.declare", { queue, arguments: dead("a") });
  await ch.call("queue.declare", { queue, arguments: dead("a") });
  await ch.call("queue.declare", { queue, arguments: dead("b") });
  await ch.call("queue.declare", { queue, arguments: dead() });
});

scenario("numbers of different integer types are the same argument", async (t) => {
  const ch = await t.channel();
  const queue = t.name("q");
  await ch.call("queue.declare", { queue, arguments: { "x-max-length": as("I", 5) } });
  for (const type of ["b", "B", "s", "u", "i", "l", "d", "f", "T"]) {
    await ch.call("queue.declare", { queue, arguments: { "x-max-length": as(type, 5) } });
  }
});

scenario("flags are compared before arguments, and arguments in their own order", async (t) => {
  const ch = await t.channel();
  const queue = t.name("q");
  await ch.call("queue.declare", {
    queue,
    arguments: { "x-max-length": 5, "x-message-ttl": 1000, "x-overflow": "drop-head" },
  });
  await ch.call("queue.declare", { queue, durable: true, arguments: { "x-max-length": 6 } });
  await ch.call("queue.declare", {
    queue,
    arguments: { "x-overflow": "reject-publish", "x-max-length": 6, "x-message-ttl": 1001 },
  });
  await ch.call("queue.declare", { queue, arguments: { "x-max-length": 6, "x-message-ttl": 1001 } });
  await ch.call("queue.declare", { queue });
});

scenario("an argument that is repeated", async (t) => {
  const ch = await t.channel();
  const queue = t.name("q");
  await ch.call("queue.declare", {
    queue,
    arguments: [
      ["x-max-length", 5],
      ["x-max-length", 6],
    ] as unknown as Fields,
  });
  await ch.call("queue.declare", { queue, arguments: { "x-max-length": 5 } });
  await ch.call("queue.declare", { queue, arguments: { "x-max-length": 6 } });
});

scenario("every field type is accepted in the arguments of a queue", async (t) => {
  const values = [
    as("t", true),
    as("b", -1),
    as("B", 255),
    as("s", -1),
    as("u", 65535),
    as("I", -1),
    as("i", 4294967295),
    as("l", -1),
    as("f", 1.5),
    as("d", 1.5),
    as("D", [2, 314]),
    as("S", "text"),
    as("x", "bytes"),
    as("T", 1),
    as("A", [1, "a", [2]]),
    as("F", { a: { b: 1 } }),
    as("V", null),
  ];
  for (const value of values) t.note(shown(value));
  await declares(t, [Object.fromEntries(values.map((value, index) => [`mine-${index}`, value]))]);
});

scenario("quorum queues must be durable and not exclusive, and some arguments are not theirs", async (t) => {
  await declares(t, [{ "x-queue-type": "quorum" }], {});
  await declares(t, [{ "x-queue-type": "quorum" }], { durable: true, exclusive: true });
  await declares(t, [{ "x-queue-type": "quorum" }], { durable: true, "auto-delete": true });
  await declares(
    t,
    [
      {},
      { "x-max-priority": 5 },
      { "x-queue-mode": "lazy" },
      { "x-queue-version": 2 },
      { "x-queue-master-locator": "min-masters" },
      { "x-message-ttl": 1000 },
      { "x-expires": 60000 },
      { "x-max-length": 10 },
      { "x-max-length-bytes": 1000 },
      { "x-max-in-memory-length": 10 },
      { "x-max-in-memory-bytes": 10 },
      { "x-overflow": "drop-head" },
      { "x-overflow": "reject-publish" },
      { "x-overflow": "reject-publish-dlx" },
      { "x-single-active-consumer": true },
      { "x-dead-letter-exchange": "", "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish" },
      { "x-dead-letter-exchange": "", "x-dead-letter-strategy": "at-least-once" },
      { "x-dead-letter-strategy": "nosuch" },
      { "x-delivery-limit": 3 },
      { "x-delivery-limit": -1 },
      { "x-quorum-initial-group-size": 1 },
      { "x-quorum-initial-group-size": 3 },
      { "x-quorum-initial-group-size": 0 },
      { "x-queue-leader-locator": "balanced" },
      { "x-queue-leader-locator": "nosuch" },
      { "x-max-age": "1D" },
      { "x-mine": 1 },
    ].map((args) => ({ "x-queue-type": "quorum", ...args })),
    { durable: true },
  );
});

scenario("streams must be durable and not exclusive, and some arguments are not theirs", async (t) => {
  await declares(t, [{ "x-queue-type": "stream" }], {});
  await declares(t, [{ "x-queue-type": "stream" }], { durable: true, exclusive: true });
  await declares(t, [{ "x-queue-type": "stream" }], { durable: true, "auto-delete": true });
  await declares(
    t,
    [
      {},
      { "x-max-length-bytes": 1000000 },
      { "x-max-length-bytes": -1 },
      { "x-max-age": "1D" },
      { "x-max-age": "7M" },
      { "x-max-age": "30s" },
      { "x-max-age": "1x" },
      { "x-max-age": 5 },
      { "x-stream-max-segment-size-bytes": 1000000 },
      { "x-stream-max-segment-size-bytes": 0 },
      { "x-stream-max-segment-size-bytes": -1 },
      { "x-stream-max-segment-size-bytes": as("l", 3_000_000_001) },
      { "x-initial-cluster-size": 1 },
      { "x-initial-cluster-size": 0 },
      { "x-queue-leader-locator": "client-local" },
      { "x-queue-leader-locator": "nosuch" },
      { "x-message-ttl": 1000 },
      { "x-expires": 60000 },
      { "x-max-length": 10 },
      { "x-max-priority": 5 },
      { "x-overflow": "drop-head" },
      { "x-dead-letter-exchange": "" },
      { "x-single-active-consumer": true },
      { "x-queue-mode": "lazy" },
      { "x-delivery-limit": 3 },
      { "x-mine": 1 },
    ].map((args) => ({ "x-queue-type": "stream", ...args })),
    { durable: true },
  );
});

scenario("an unknown x-queue-master-locator breaks the connection", async (t) => {
  for (const locator of ["nosuch", 5]) await declares(t, [{ "x-queue-master-locator": locator }]);
});

scenario("an x-max-age without a number breaks the connection", async (t) => {
  for (const age of ["D", "", "-1D"])
    await declares(t, [{ "x-queue-type": "stream", "x-max-age": age }], { durable: true });
});

scenario("a queue can not be declared again as another type", async (t) => {
  const ch = await t.channel();
  for (const type of ["classic", "quorum", "stream"]) {
    const queue = t.name(type);
    await ch.call("queue.declare", { queue, durable: true, arguments: { "x-queue-type": type } });
    for (const other of ["classic", "quorum", "stream"]) {
      await ch.call("queue.declare", { queue, durable: true, arguments: { "x-queue-type": other } });
    }
    await ch.call("queue.declare", { queue, durable: true });
  }
});

scenario("a classic queue has no leader locator", async (t) => {
  await declares(t, [{ "x-queue-leader-locator": "balanced" }]);
});
