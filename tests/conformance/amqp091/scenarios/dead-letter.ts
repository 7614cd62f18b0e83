/** Dead-lettering: every reason, the headers that tell of it, where the message goes, and when it does not. */
import { family, type ScenarioContext } from "../scenario.ts";
import type { Fields } from "../frames.ts";
import type { WireChannel } from "../wire-client.ts";

const scenario = family("dead-letter");

interface Pair {
  readonly ch: WireChannel;
  readonly queue: string;
  readonly dead: string;
}

/** A queue whose dead messages go to the queue `dead` by the default exchange. */
async function pair(t: ScenarioContext, args: Fields = {}, flags: Fields = {}): Promise<Pair> {
  const ch = await t.channel();
  const dead = await t.queue(ch, "dead");
  const queue = await t.queue(
    ch,
    "q",
    { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead, ...args },
    flags,
  );
  return { ch, queue, dead };
}

/** Consumes `dead` until one message has come. */
async function fromDead(ch: WireChannel, dead: string): Promise<void> {
  const tag = `of ${dead}`;
  if (
    (await ch.quiet("basic.consume", { queue: dead, "consumer-tag": tag, "no-ack": true })).name !== "basic.consume-ok"
  )
    return;
  await ch.recv(1);
  await ch.quiet("basic.cancel", { "consumer-tag": tag });
}

scenario("a rejected message goes to the dead letter exchange", async (t) => {
  const { ch, queue, dead } = await pair(t);
  ch.publish("", queue, "one", { "message-id": "m", headers: { mine: 1 } });
  await ch.call("basic.get", { queue });
  ch.send("basic.reject", { "delivery-tag": 1 });
  await fromDead(ch, dead);
});

scenario("a nacked message goes to the dead letter exchange, several in order", async (t) => {
  const { ch, queue, dead } = await pair(t);
  for (const body of ["one", "two"]) ch.publish("", queue, body);
  await ch.call("basic.get", { queue });
  await ch.call("basic.get", { queue });
  ch.send("basic.nack", { "delivery-tag": 2, multiple: true });
  await ch.call("basic.consume", { queue: dead, "consumer-tag": "c", "no-ack": true });
  await ch.recv(2);
});

scenario("a message that is requeued or acknowledged is not dead", async (t) => {
  const { ch, queue, dead } = await pair(t);
  ch.publish("", queue, "one");
  await ch.call("basic.get", { queue });
  ch.send("basic.reject", { "delivery-tag": 1, requeue: true });
  await ch.barrier(queue);
  await ch.call("basic.get", { queue });
  ch.send("basic.ack", { "delivery-tag": 2 });
  await ch.barrier(queue);
  await ch.barrier(dead);
});

scenario("an expired message goes to the dead letter exchange and loses its expiration", async (t) => {
  const { ch, queue, dead } = await pair(t);
  ch.publish("", queue, "one", { expiration: "20", "delivery-mode": 2 });
  await fromDead(ch, dead);
});

scenario("a message that outlives its queue's time goes to the dead letter exchange", async (t) => {
  const { ch, queue, dead } = await pair(t, { "x-message-ttl": 20 });
  ch.publish("", queue, "one");
  await fromDead(ch, dead);
});

scenario("a message dropped from a full queue goes to the dead letter exchange", async (t) => {
  const { ch, queue, dead } = await pair(t, { "x-max-length": 1 });
  ch.publish("", queue, "one");
  ch.publish("", queue, "two");
  await fromDead(ch, dead);
  await ch.barrier(queue);
  await ch.call("basic.get", { queue, "no-ack": true });
});

scenario("a message dropped for its bytes goes to the dead letter exchange", async (t) => {
  const { ch, queue, dead } = await pair(t, { "x-max-length-bytes": 10 });
  ch.publish("", queue, "eight by");
  ch.publish("", queue, "tes");
  await fromDead(ch, dead);
  await ch.barrier(queue);
});

scenario("a message refused by a full queue goes to the dead letter exchange if it says so", async (t) => {
  const { ch, queue, dead } = await pair(t, { "x-max-length": 1, "x-overflow": "reject-publish-dlx" });
  await ch.call("confirm.select");
  ch.publish("", queue, "one");
  await ch.confirms(1);
  ch.publish("", queue, "two");
  await ch.confirms(1, 2);
  await fromDead(ch, dead);
  await ch.barrier(queue);
});

scenario("a message refused by a full queue is not dead-lettered otherwise", async (t) => {
  const { ch, queue, dead } = await pair(t, { "x-max-length": 1, "x-overflow": "reject-publish" });
  ch.publish("", queue, "one");
  ch.publish("", queue, "two");
  await ch.barrier(queue);
  await ch.barrier(dead);
});

scenario("purged and deleted messages are not dead-lettered", async (t) => {
  const { ch, queue, dead } = await pair(t);
  ch.publish("", queue, "one");
  await ch.call("queue.purge", { queue });
  ch.publish("", queue, "two");
  await ch.call("queue.delete", { queue });
  await ch.barrier(dead);
});

scenario("dead-lettering counts a death of each queue and reason once", async (t) => {
  const { ch, queue, dead } = await pair(t, {});
  ch.publish("", queue, "again and again");
  for (let round = 1; round <= 3; round++) {
    const got = await ch.call("basic.get", { queue });
    ch.send("basic.reject", { "delivery-tag": got?.fields["delivery-tag"] });
    await ch.barrier(dead);
    const back = await ch.call("basic.get", { queue: dead, "no-ack": true });
    if (back === undefined || back.rawProps.length === 0) break;
    t.note("published again as it was");
    ch.write("basic.publish", { "routing-key": queue }, { props: back.rawProps, body: back.body });
  }
});

scenario("deaths of two queues and two reasons stand in order of time, the last first", async (t) => {
  const ch = await t.channel();
  const last = await t.queue(ch, "last");
  const second = await t.queue(ch, "second", { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": last });
  const first = await t.queue(ch, "first", {
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": second,
    "x-message-ttl": 10,
  });
  ch.publish("", first, "passes through");
  await ch.call("basic.consume", { queue: second, "consumer-tag": "c" });
  await ch.recv(1);
  ch.send("basic.reject", { "delivery-tag": 1 });
  await fromDead(ch, last);
});

scenario("a circle of expiry without a consumer is broken and the message dropped", async (t) => {
  const ch = await t.channel();
  const queue = t.name("q");
  await ch.call("queue.declare", {
    queue,
    arguments: { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue, "x-message-ttl": 10 },
  });
  await ch.call("confirm.select");
  ch.publish("", queue, "round");
  await ch.confirms(1);
  await t.pass(500);
  await ch.barrier(queue);
});

scenario("a circle through two queues without a rejection is broken as well", async (t) => {
  const ch = await t.channel();
  const [one, two] = [t.name("one"), t.name("two")];
  await ch.quiet("queue.declare", {
    queue: one,
    arguments: { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": two, "x-message-ttl": 10 },
  });
  await ch.quiet("queue.declare", {
    queue: two,
    arguments: { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": one, "x-message-ttl": 10 },
  });
  ch.publish("", one, "round");
  await t.pass(500);
  await ch.barrier(one);
  await ch.barrier(two);
});

scenario("a circle with a rejection goes on: retry with delay", async (t) => {
  const ch = await t.channel();
  const [work, wait] = [t.name("work"), t.name("wait")];
  await ch.quiet("queue.declare", {
    queue: work,
    arguments: { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": wait },
  });
  await ch.quiet("queue.declare", {
    queue: wait,
    arguments: { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": work, "x-message-ttl": 10 },
  });
  await ch.call("basic.consume", { queue: work, "consumer-tag": "c" });
  ch.publish("", work, "job");
  for (let attempt = 1; attempt <= 3; attempt++) {
    await ch.recv(1);
    ch.send("basic.nack", { "delivery-tag": attempt });
  }
  await ch.recv(1);
});

scenario("without a dead letter routing key the message keeps its own", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "dlx", "topic");
  const dead = await t.queue(ch, "dead");
  await t.bind(ch, dead, exchange, "original.#");
  const source = await t.exchange(ch, "source", "topic");
  const queue = await t.queue(ch, "q", { "x-dead-letter-exchange": exchange });
  await t.bind(ch, queue, source, "#");
  ch.publish(source, "original.key", "one");
  await ch.call("basic.get", { queue });
  ch.send("basic.reject", { "delivery-tag": 1 });
  await fromDead(ch, dead);
});

scenario("with a dead letter routing key the CC header is removed, without it is kept and used", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "dlx", "direct");
  const [byKey, byCopy] = [await t.queue(ch, "by key"), await t.queue(ch, "by copy")];
  await t.bind(ch, byKey, exchange, "override");
  await t.bind(ch, byCopy, exchange, "copy");
  const plain = await t.queue(ch, "plain", { "x-dead-letter-exchange": exchange });
  const keyed = await t.queue(ch, "keyed", {
    "x-dead-letter-exchange": exchange,
    "x-dead-letter-routing-key": "override",
  });
  for (const queue of [plain, keyed]) {
    ch.publish("", queue, `from ${queue}`, { headers: { CC: ["copy"], BCC: ["copy"], kept: 1 } });
    const got = await ch.call("basic.get", { queue });
    ch.send("basic.reject", { "delivery-tag": got?.fields["delivery-tag"] });
    await fromDead(ch, queue === plain ? byCopy : byKey);
  }
  await ch.barrier(byCopy);
});

scenario("a dead letter exchange that does not exist drops the message", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-dead-letter-exchange": t.name("nowhere") });
  ch.publish("", queue, "one");
  await ch.call("basic.get", { queue });
  ch.send("basic.reject", { "delivery-tag": 1 });
  await ch.barrier(queue);
});

scenario("a dead letter exchange that appears later is used", async (t) => {
  const ch = await t.channel();
  const queue = await t.queue(ch, "q", { "x-dead-letter-exchange": t.name("later") });
  const exchange = await t.exchange(ch, "later", "fanout");
  const dead = await t.queue(ch, "dead");
  await t.bind(ch, dead, exchange);
  ch.publish("", queue, "one");
  await ch.call("basic.get", { queue });
  ch.send("basic.reject", { "delivery-tag": 1 });
  await fromDead(ch, dead);
});

scenario("a dead message that the dead letter exchange cannot route vanishes", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "dlx", "direct");
  const queue = await t.queue(ch, "q", { "x-dead-letter-exchange": exchange });
  await ch.call("confirm.select");
  ch.publish("", queue, "one", {}, { mandatory: true });
  await ch.confirms(1);
  await ch.call("basic.get", { queue });
  ch.send("basic.reject", { "delivery-tag": 1 });
  await ch.barrier(queue);
});

scenario("a dead message keeps its other properties, in place", async (t) => {
  const { ch, queue, dead } = await pair(t);
  ch.publish("", queue, "one", {
    "content-type": "text/plain",
    "content-encoding": "utf-8",
    headers: { z: 1, a: [1, { b: "c" }] },
    "delivery-mode": 2,
    priority: 3,
    "correlation-id": "c",
    "reply-to": "r",
    expiration: "60000",
    "message-id": "m",
    timestamp: 1234567890,
    type: "t",
    "user-id": "guest",
    "app-id": "a",
    "cluster-id": "cl",
  });
  await ch.call("basic.get", { queue });
  ch.send("basic.reject", { "delivery-tag": 1 });
  await fromDead(ch, dead);
});

scenario("a client's own x-death of the wrong type", async (t) => {
  const { ch, queue, dead } = await pair(t);
  ch.publish("", queue, "one", { headers: { "x-death": "mine", "x-first-death-reason": "mine" } });
  await ch.call("basic.get", { queue });
  ch.send("basic.reject", { "delivery-tag": 1 });
  await fromDead(ch, dead);
});

scenario("several dead letter routes reach every queue that is bound", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "dlx", "fanout");
  const [one, two] = [await t.queue(ch, "one"), await t.queue(ch, "two")];
  await t.bind(ch, one, exchange);
  await t.bind(ch, two, exchange);
  const queue = await t.queue(ch, "q", { "x-dead-letter-exchange": exchange });
  ch.publish("", queue, "x");
  await ch.call("basic.get", { queue });
  ch.send("basic.reject", { "delivery-tag": 1 });
  await fromDead(ch, one);
  await fromDead(ch, two);
});

scenario("rejections inside of a transaction are dead-lettered with the commit", async (t) => {
  const { ch, queue, dead } = await pair(t);
  ch.publish("", queue, "one");
  await ch.call("tx.select");
  await ch.call("basic.get", { queue });
  ch.send("basic.reject", { "delivery-tag": 1 });
  await ch.barrier(dead);
  await ch.call("tx.commit");
  await fromDead(ch, dead);
});

scenario("a queue that is its own dead letter queue gives a rejected message back", async (t) => {
  const ch = await t.channel();
  const queue = t.name("q");
  await ch.quiet("queue.declare", {
    queue,
    arguments: { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue },
  });
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  ch.publish("", queue, "one");
  for (let tag = 1; tag <= 3; tag++) {
    await ch.recv(1);
    ch.send("basic.reject", { "delivery-tag": tag });
  }
  await ch.recv(1);
});

scenario("a message that expires behind an unacknowledged one is dead-lettered in its turn", async (t) => {
  const { ch, queue, dead } = await pair(t);
  await ch.call("basic.qos", { "prefetch-count": 1 });
  await ch.call("basic.consume", { queue, "consumer-tag": "c" });
  ch.publish("", queue, "held");
  await ch.recv(1);
  ch.publish("", queue, "short", { expiration: "20" });
  await fromDead(ch, dead);
  ch.send("basic.ack", { "delivery-tag": 1 });
  await ch.barrier(queue);
});

scenario("a dead letter exchange with an alternate exchange", async (t) => {
  const ch = await t.channel();
  const alternate = await t.exchange(ch, "alternate", "fanout");
  const exchange = await t.exchange(ch, "dlx", "direct", { "alternate-exchange": alternate });
  const rest = await t.queue(ch, "rest");
  await t.bind(ch, rest, alternate);
  const queue = await t.queue(ch, "q", { "x-dead-letter-exchange": exchange, "x-dead-letter-routing-key": "nobody" });
  ch.publish("", queue, "one");
  await ch.call("basic.get", { queue });
  ch.send("basic.reject", { "delivery-tag": 1 });
  await fromDead(ch, rest);
});

scenario("a dead letter exchange that reads headers sees those of the death", async (t) => {
  const ch = await t.channel();
  const exchange = await t.exchange(ch, "dlx", "headers");
  const [expired, rejected] = [await t.queue(ch, "expired"), await t.queue(ch, "rejected")];
  await t.bind(ch, expired, exchange, "", { "x-match": "any-with-x", "x-first-death-reason": "expired" });
  await t.bind(ch, rejected, exchange, "", { "x-match": "any-with-x", "x-first-death-reason": "rejected" });
  const queue = await t.queue(ch, "q", { "x-dead-letter-exchange": exchange });
  ch.publish("", queue, "one");
  await ch.call("basic.get", { queue });
  ch.send("basic.reject", { "delivery-tag": 1 });
  await fromDead(ch, rejected);
  await ch.barrier(expired);
});
