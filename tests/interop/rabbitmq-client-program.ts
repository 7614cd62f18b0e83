/** rabbitmq-client through the patterns of README.md, by its high-level interface: consumers, publishers, RPC client. */

import assert from "node:assert/strict";
import {
  Connection,
  ConsumerStatus,
  type AsyncMessage,
  type ConsumerProps,
  type ReturnedMessage,
} from "rabbitmq-client";
import { Mailbox, runPatterns, topicBindings, topicRoutes, type Pattern } from "./patterns.ts";

/** A pattern on a connection of its own, which is closed behind it if it succeeds. */
function onConnection(pattern: (rabbit: Connection, prefix: string) => Promise<void>): Pattern {
  return async (amqp, prefix) => {
    const rabbit = new Connection({ url: `amqp://guest:guest@${amqp}/`, retryLow: 50, noDelay: true });
    const failed = Promise.withResolvers<never>();
    rabbit.on("error", (error: Error) => failed.reject(error));
    await Promise.race([pattern(rabbit, prefix), failed.promise]);
    await rabbit.close();
  };
}

const text = (message: { body: unknown }): string => String(message.body);
const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, index) => `${index + from}`);

async function ready(consumer: { on(name: "ready", run: () => void): unknown }): Promise<void> {
  await new Promise<void>((resolve) => consumer.on("ready", resolve));
}

/** Takes `count` messages, acknowledging each, and closes. */
async function take(rabbit: Connection, props: ConsumerProps, count: number): Promise<AsyncMessage[]> {
  const mailbox = new Mailbox<AsyncMessage>();
  const existing = { ...props, queueOptions: { passive: true } };
  const consumer = rabbit.createConsumer(existing, (message) => mailbox.put(message));
  await mailbox.atLeast(count);
  await consumer.close();
  return mailbox.received;
}

const workQueue = onConnection(async (rabbit, prefix) => {
  const queue = `${prefix}tasks`;
  const queueOptions = { durable: true };
  const publisher = rabbit.createPublisher({ confirm: true, queues: [{ queue, ...queueOptions }] });
  for (const each of numbers(40)) await publisher.send({ routingKey: queue, durable: true }, each);

  // The first worker keeps what it gets; what it had not acknowledged comes again when its channel closes.
  const quitter = await rabbit.acquire();
  await quitter.basicQos({ prefetchCount: 1 });
  const kept = new Mailbox<AsyncMessage>();
  await quitter.basicConsume({ queue }, (message) => kept.put(message));
  assert.equal(text((await kept.atLeast(1))[0]!), "0");

  const done = new Mailbox<{ worker: number; message: AsyncMessage }>();
  const workers = [1, 2].map((worker) =>
    rabbit.createConsumer({ queue, queueOptions, qos: { prefetchCount: 1 }, concurrency: 1 }, async (message) => {
      done.put({ worker, message });
      await new Promise(setImmediate);
    }),
  );
  await done.atLeast(39);
  assert.equal(kept.received.length, 1, "a prefetch of 1 was exceeded");
  await quitter.close();
  const all = await done.atLeast(40);
  assert.deepEqual(new Set(all.map(({ message }) => text(message))), new Set(numbers(40)));
  assert.equal(new Set(all.map(({ worker }) => worker)).size, 2, "one worker did everything");
  for (const { message } of all) assert.equal(message.redelivered, text(message) === "0");
  for (const worker of workers) await worker.close();
  await publisher.close();
  assert.equal((await rabbit.queueDelete(queue)).messageCount, 0);
});

const publishSubscribe = onConnection(async (rabbit, prefix) => {
  const exchange = `${prefix}news`;
  const mailboxes = [new Mailbox<AsyncMessage>(), new Mailbox<AsyncMessage>()];
  const consumers = mailboxes.map((mailbox) =>
    rabbit.createConsumer(
      {
        queue: "",
        queueOptions: { exclusive: true },
        exchanges: [{ exchange, type: "fanout" }],
        queueBindings: [{ exchange, routingKey: "" }],
      },
      (message) => mailbox.put(message),
    ),
  );
  await Promise.all(consumers.map(ready));
  for (const consumer of consumers) assert.match(consumer.queue, /^amq\.gen-/);
  const publisher = rabbit.createPublisher();
  for (const each of numbers(10)) await publisher.send({ exchange, appId: "interop" }, each);
  for (const mailbox of mailboxes) {
    const received = await mailbox.atLeast(10);
    assert.deepEqual(received.map(text), numbers(10));
    assert.equal(received[0]!.appId, "interop");
    assert.equal(received[0]!.exchange, exchange);
  }
  for (const consumer of consumers) await consumer.close();
  await publisher.close();
  await rabbit.exchangeDelete({ exchange });
});

const routing = onConnection(async (rabbit, prefix) => {
  const exchange = `${prefix}logs`;
  const bindings = { alarm: ["error"], all: ["info", "warning", "error"] };
  const returned: ReturnedMessage[] = [];
  const publisher = rabbit.createPublisher({
    confirm: true,
    exchanges: [{ exchange, type: "direct" }],
    queues: Object.keys(bindings).map((name) => ({ queue: prefix + name })),
    queueBindings: Object.entries(bindings).flatMap(([name, severities]) =>
      severities.map((routingKey) => ({ queue: prefix + name, exchange, routingKey })),
    ),
  });
  publisher.on("basic.return", (message) => void returned.push(message));
  for (const severity of ["info", "error", "debug", "warning", "error"]) {
    await publisher.send({ exchange, routingKey: severity, mandatory: true }, severity);
  }
  const alarm = await take(rabbit, { queue: `${prefix}alarm` }, 2);
  assert.deepEqual(alarm.map(text), ["error", "error"]);
  const all = await take(rabbit, { queue: `${prefix}all` }, 4);
  assert.deepEqual(all.map(text), ["info", "error", "warning", "error"]);
  assert.deepEqual(
    returned.map(({ replyCode, replyText, routingKey }) => ({ replyCode, replyText, routingKey })),
    [{ replyCode: 312, replyText: "NO_ROUTE", routingKey: "debug" }],
  );
  await publisher.close();
  for (const name of Object.keys(bindings)) await rabbit.queueDelete(prefix + name);
  await rabbit.exchangeDelete({ exchange });
});

const topics = onConnection(async (rabbit, prefix) => {
  const exchange = `${prefix}animals`;
  const publisher = rabbit.createPublisher({
    confirm: true,
    exchanges: [{ exchange, type: "topic", durable: true }],
    queues: Object.keys(topicBindings).map((name) => ({ queue: prefix + name })),
    queueBindings: Object.entries(topicBindings).flatMap(([name, patterns]) =>
      patterns.map((routingKey) => ({ queue: prefix + name, exchange, routingKey })),
    ),
  });
  for (const routingKey of Object.keys(topicRoutes)) await publisher.send({ exchange, routingKey }, routingKey);
  for (const name of Object.keys(topicBindings)) {
    const expected = Object.keys(topicRoutes).filter((key) => topicRoutes[key]!.includes(name));
    const received = await take(rabbit, { queue: prefix + name }, expected.length);
    assert.deepEqual(received.map(text), expected);
    assert.equal((await rabbit.queueDelete(prefix + name)).messageCount, 0);
  }
  await publisher.close();
  await rabbit.exchangeDelete({ exchange });
});

const rpc = onConnection(async (rabbit, prefix) => {
  const queue = `${prefix}square`;
  const server = rabbit.createConsumer({ queue, queueOptions: { autoDelete: true } }, (request, reply) =>
    reply(String(Number(text(request)) ** 2)),
  );
  await ready(server);
  const replies = new Map<string, string>();
  const answered = new Mailbox<AsyncMessage>();
  const client = rabbit.createConsumer({ queue: "", queueOptions: { exclusive: true }, noAck: true }, (reply) => {
    replies.set(reply.correlationId!, text(reply));
    answered.put(reply);
  });
  await ready(client);
  const publisher = rabbit.createPublisher();
  for (const each of numbers(20)) {
    await publisher.send({ routingKey: queue, replyTo: client.queue, correlationId: each }, each);
  }
  await answered.atLeast(20);
  for (const each of numbers(20)) assert.equal(replies.get(each), String(Number(each) ** 2));
  for (const each of [client, server, publisher]) await each.close();
});

const directReplyTo = onConnection(async (rabbit, prefix) => {
  const queue = `${prefix}square`;
  const server = rabbit.createConsumer({ queue, queueOptions: { autoDelete: true } }, (request, reply) =>
    reply(String(Number(text(request)) ** 2)),
  );
  await ready(server);
  const client = rabbit.createRPCClient({ confirm: true });
  const replies = await Promise.all(numbers(20).map((each) => client.send(queue, each)));
  assert.deepEqual(
    replies.map(text),
    numbers(20).map((each) => String(Number(each) ** 2)),
  );
  await client.close();
  await server.close();
});

interface Death {
  readonly queue: string;
  readonly reason: string;
  readonly count: number;
}

const retryDeadLetter = onConnection(async (rabbit, prefix) => {
  const [work, wait, parked, exchange] = [`${prefix}work`, `${prefix}wait`, `${prefix}parked`, `${prefix}failed`];
  const retry = { "x-dead-letter-exchange": exchange, "x-dead-letter-routing-key": "retry" };
  const again = { "x-message-ttl": 150, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": work };
  const publisher = rabbit.createPublisher({
    confirm: true,
    exchanges: [{ exchange, type: "topic", durable: true }],
    queues: [
      { queue: work, durable: true, arguments: retry },
      { queue: wait, durable: true, arguments: again },
      { queue: parked, durable: true },
    ],
    queueBindings: [{ queue: wait, exchange, routingKey: "retry" }],
  });
  await publisher.send({ routingKey: work, durable: true, headers: { tries: "3" } }, "flaky");
  await publisher.send({ routingKey: work, durable: true }, "hopeless");

  const accepted = new Mailbox<AsyncMessage>();
  const waits: number[] = [];
  let rejectedAt = 0;
  const worker = rabbit.createConsumer({ queue: work, queueOptions: { passive: true } }, async (message) => {
    const deaths = (message.headers?.["x-death"] ?? []) as Death[];
    const rejections = deaths.find(({ queue, reason }) => queue === work && reason === "rejected")?.count ?? 0;
    if (text(message) === "flaky") {
      if (rejections > 0) waits.push(performance.now() - rejectedAt);
      rejectedAt = performance.now();
    }
    if (rejections < 2) return ConsumerStatus.DROP;
    if (text(message) === "hopeless") await publisher.send({ routingKey: parked }, text(message));
    accepted.put(message);
    return ConsumerStatus.ACK;
  });
  const last = (await accepted.atLeast(2)).find((each) => text(each) === "flaky")!;
  await worker.close();
  const deaths = last.headers!["x-death"] as Death[];
  assert.deepEqual(
    deaths.map(({ queue, reason, count }) => ({ queue, reason, count })),
    [
      { queue: wait, reason: "expired", count: 2 },
      { queue: work, reason: "rejected", count: 2 },
    ],
  );
  assert.equal(last.headers!["x-first-death-queue"], work);
  assert.equal(last.headers!["x-first-death-reason"], "rejected");
  assert.equal(last.headers!["x-first-death-exchange"], "");
  assert.equal(last.headers!["tries"], "3");
  for (const waitMs of waits) assert.ok(waitMs >= 140, `it waited only ${waitMs} ms`);
  assert.equal(text((await rabbit.basicGet({ queue: parked, noAck: true }))!), "hopeless");
  await publisher.close();
  for (const queue of [work, wait, parked]) await rabbit.queueDelete(queue);
  await rabbit.exchangeDelete({ exchange });
});

const confirms = onConnection(async (rabbit, prefix) => {
  const [all, full] = [`${prefix}all`, `${prefix}full`];
  const publisher = rabbit.createPublisher({ confirm: true, queues: [{ queue: all, durable: true }] });
  await Promise.all(numbers(500).map((each) => publisher.send({ routingKey: all, durable: true }, each)));
  assert.equal((await rabbit.queueDeclare({ queue: all, passive: true })).messageCount, 500);
  assert.equal((await rabbit.queuePurge(all)).messageCount, 500);
  await rabbit.queueDelete(all);

  await rabbit.queueDeclare({ queue: full, arguments: { "x-max-length": 1, "x-overflow": "reject-publish" } });
  await publisher.send(full, "fits");
  await assert.rejects(publisher.send(full, "does not fit"), /rejected|nack/i);
  await publisher.close();
  assert.equal((await rabbit.queueDelete(full)).messageCount, 1);
});

const streamReplay = onConnection(async (rabbit, prefix) => {
  const stream = `${prefix}events`;
  const streamQueue = { queue: stream, durable: true, arguments: { "x-queue-type": "stream" } } as const;
  const publisher = rabbit.createPublisher({ confirm: true, queues: [streamQueue] });
  await Promise.all(numbers(50).map((each) => publisher.send({ routingKey: stream, headers: { n: +each } }, each)));
  const from = (offset: string | number): ConsumerProps => ({
    queue: stream,
    qos: { prefetchCount: 10 },
    arguments: { "x-stream-offset": offset },
  });
  for (const _ of ["once", "again"]) {
    const all = await take(rabbit, from("first"), 50);
    assert.deepEqual(all.map(text), numbers(50));
    assert.deepEqual(
      all.map((each) => Number(each.headers!["x-stream-offset"])),
      numbers(50).map(Number),
    );
  }
  assert.deepEqual((await take(rabbit, from(20), 30)).map(text), numbers(30, 20));
  await publisher.close();
  await rabbit.queueDelete(stream);
});

await runPatterns({
  "work-queue": workQueue,
  "publish-subscribe": publishSubscribe,
  routing,
  topics,
  rpc,
  "direct-reply-to": directReplyTo,
  "retry-dead-letter": retryDeadLetter,
  confirms,
  "stream-replay": streamReplay,
});
