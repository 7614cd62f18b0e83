/** amqplib through the patterns of README.md. */

import assert from "node:assert/strict";
import { connect, type Channel, type ChannelModel, type ConsumeMessage } from "amqplib";
import { Mailbox, runPatterns, tlsFiles, topicBindings, topicRoutes, type Pattern } from "./patterns.ts";

/** A pattern on a connection of its own, which is closed behind it if it succeeds. */
function onConnection(pattern: (connection: ChannelModel, prefix: string) => Promise<void>): Pattern {
  return async (amqp, prefix) => {
    const tls = tlsFiles();
    const connection = await connect(`${tls ? "amqps" : "amqp"}://guest:guest@${amqp}/`, tls);
    await pattern(connection, prefix);
    await connection.close();
  };
}

const text = (message: ConsumeMessage): string => message.content.toString();
const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, index) => `${index + from}`);

async function collect(channel: Channel, queue: string): Promise<Mailbox<ConsumeMessage>> {
  const mailbox = new Mailbox<ConsumeMessage>();
  await channel.consume(queue, (message) => void (message !== null && mailbox.put(message)), { noAck: true });
  return mailbox;
}

const workQueue = onConnection(async (connection, prefix) => {
  const queue = `${prefix}tasks`;
  const publisher = await connection.createConfirmChannel();
  await publisher.assertQueue(queue, { durable: true });
  for (const each of numbers(40)) publisher.sendToQueue(queue, Buffer.from(each), { persistent: true });
  await publisher.waitForConfirms();

  // The first worker keeps what it gets; what it had not acknowledged comes again when its channel closes.
  const quitter = await connection.createChannel();
  await quitter.prefetch(1);
  const kept = new Mailbox<ConsumeMessage>();
  await quitter.consume(queue, (message) => kept.put(message!));
  assert.equal(text((await kept.atLeast(1))[0]!), "0");

  const done = new Mailbox<{ worker: number; message: ConsumeMessage }>();
  for (const worker of [1, 2]) {
    const channel = await connection.createChannel();
    await channel.prefetch(1);
    const take = (message: ConsumeMessage): void => {
      done.put({ worker, message });
      channel.ack(message);
    };
    await channel.consume(queue, (message) => void (message !== null && setImmediate(take, message)));
  }
  await done.atLeast(39);
  assert.equal(kept.received.length, 1, "a prefetch of 1 was exceeded");
  await quitter.close();
  const all = await done.atLeast(40);
  assert.deepEqual(new Set(all.map(({ message }) => text(message))), new Set(numbers(40)));
  assert.equal(new Set(all.map(({ worker }) => worker)).size, 2, "one worker did everything");
  for (const { message } of all) assert.equal(message.fields.redelivered, text(message) === "0");
  assert.equal((await publisher.deleteQueue(queue)).messageCount, 0);
});

const publishSubscribe = onConnection(async (connection, prefix) => {
  const exchange = `${prefix}news`;
  const channel = await connection.createChannel();
  await channel.assertExchange(exchange, "fanout", { durable: false });
  const mailboxes = [];
  for (const _ of [1, 2]) {
    const { queue } = await channel.assertQueue("", { exclusive: true });
    assert.match(queue, /^amq\.gen-/);
    await channel.bindQueue(queue, exchange, "");
    mailboxes.push(await collect(channel, queue));
  }
  for (const each of numbers(10)) channel.publish(exchange, "ignored", Buffer.from(each), { appId: "interop" });
  for (const mailbox of mailboxes) {
    const received = await mailbox.atLeast(10);
    assert.deepEqual(received.map(text), numbers(10));
    assert.equal(received[0]!.properties.appId, "interop");
    assert.equal(received[0]!.fields.exchange, exchange);
  }
  await channel.deleteExchange(exchange);
});

const routing = onConnection(async (connection, prefix) => {
  const exchange = `${prefix}logs`;
  const channel = await connection.createConfirmChannel();
  await channel.assertExchange(exchange, "direct", { durable: false });
  const bindings = { alarm: ["error"], all: ["info", "warning", "error"] };
  for (const [name, severities] of Object.entries(bindings)) {
    await channel.assertQueue(prefix + name, { exclusive: true });
    for (const severity of severities) await channel.bindQueue(prefix + name, exchange, severity);
  }
  const returned = new Mailbox<{ fields: { replyCode?: number; replyText?: string } }>();
  channel.on("return", (message) => returned.put(message as never));
  for (const severity of ["info", "error", "debug", "warning", "error"]) {
    channel.publish(exchange, severity, Buffer.from(severity), { mandatory: true });
  }
  await channel.waitForConfirms();
  const alarm = await (await collect(channel, `${prefix}alarm`)).atLeast(2);
  assert.deepEqual(alarm.map(text), ["error", "error"]);
  const all = await (await collect(channel, `${prefix}all`)).atLeast(4);
  assert.deepEqual(all.map(text), ["info", "error", "warning", "error"]);
  assert.equal(returned.received.length, 1);
  assert.equal(returned.received[0]!.fields.replyCode, 312);
  assert.equal(returned.received[0]!.fields.replyText, "NO_ROUTE");
  await channel.deleteExchange(exchange);
});

const topics = onConnection(async (connection, prefix) => {
  const exchange = `${prefix}animals`;
  const channel = await connection.createConfirmChannel();
  await channel.assertExchange(exchange, "topic", { durable: true });
  for (const [name, patterns] of Object.entries(topicBindings)) {
    await channel.assertQueue(prefix + name, { exclusive: true });
    for (const pattern of patterns) await channel.bindQueue(prefix + name, exchange, pattern);
  }
  for (const key of Object.keys(topicRoutes)) channel.publish(exchange, key, Buffer.from(key));
  await channel.waitForConfirms();
  for (const name of Object.keys(topicBindings)) {
    const expected = Object.keys(topicRoutes).filter((key) => topicRoutes[key]!.includes(name));
    const received = await (await collect(channel, prefix + name)).atLeast(expected.length);
    assert.deepEqual(received.map(text), expected);
  }
  await channel.deleteExchange(exchange);
});

async function serve(connection: ChannelModel, queue: string): Promise<void> {
  const server = await connection.createChannel();
  await server.assertQueue(queue, { durable: false, autoDelete: true });
  await server.consume(queue, (request) => {
    const { replyTo, correlationId } = request!.properties;
    const answer = Buffer.from(String(Number(text(request!)) ** 2));
    server.sendToQueue(replyTo as string, answer, { correlationId: correlationId as string });
    server.ack(request!);
  });
}

async function call(client: Channel, queue: string, replyTo: string): Promise<void> {
  const replies = await collect(client, replyTo);
  for (const each of numbers(20))
    client.sendToQueue(queue, Buffer.from(each), { correlationId: `call-${each}`, replyTo });
  for (const reply of await replies.atLeast(20)) {
    const asked = Number((reply.properties.correlationId as string).slice("call-".length));
    assert.equal(text(reply), String(asked ** 2));
  }
}

const rpc = onConnection(async (connection, prefix) => {
  await serve(connection, `${prefix}square`);
  const client = await connection.createChannel();
  const { queue: replyTo } = await client.assertQueue("", { exclusive: true });
  await call(client, `${prefix}square`, replyTo);
});

const directReplyTo = onConnection(async (connection, prefix) => {
  await serve(connection, `${prefix}square`);
  await call(await connection.createChannel(), `${prefix}square`, "amq.rabbitmq.reply-to");
});

interface Death {
  readonly queue: string;
  readonly reason: string;
  readonly count: number;
}

const retryDeadLetter = onConnection(async (connection, prefix) => {
  const work = `${prefix}work`;
  const wait = `${prefix}wait`;
  const parked = `${prefix}parked`;
  const failed = `${prefix}failed`;
  const channel = await connection.createConfirmChannel();
  await channel.assertExchange(failed, "topic", { durable: true });
  await channel.assertQueue(work, { deadLetterExchange: failed, deadLetterRoutingKey: "retry" });
  await channel.assertQueue(wait, { messageTtl: 150, deadLetterExchange: "", deadLetterRoutingKey: work });
  await channel.assertQueue(parked);
  await channel.bindQueue(wait, failed, "retry");
  channel.sendToQueue(work, Buffer.from("flaky"), { persistent: true, headers: { tries: "3" } });
  channel.sendToQueue(work, Buffer.from("hopeless"), { persistent: true });

  const accepted = new Mailbox<ConsumeMessage>();
  const waits: number[] = [];
  let rejectedAt = 0;
  await channel.consume(work, (message) => {
    if (message === null) return;
    const deaths = (message.properties.headers?.["x-death"] ?? []) as unknown as Death[];
    const rejections = deaths.find(({ queue, reason }) => queue === work && reason === "rejected")?.count ?? 0;
    if (text(message) === "flaky") {
      if (rejections > 0) waits.push(performance.now() - rejectedAt);
      rejectedAt = performance.now();
    }
    if (rejections < 2) return channel.nack(message, false, false);
    if (text(message) === "hopeless")
      channel.sendToQueue(parked, message.content, { headers: message.properties.headers! });
    channel.ack(message);
    accepted.put(message);
  });
  const last = (await accepted.atLeast(2)).find((each) => text(each) === "flaky")!;
  const headers = last.properties.headers!;
  const deaths = headers["x-death"] as unknown as Death[];
  assert.deepEqual(
    deaths.map(({ queue, reason, count }) => ({ queue, reason, count })),
    [
      { queue: wait, reason: "expired", count: 2 },
      { queue: work, reason: "rejected", count: 2 },
    ],
  );
  assert.equal(headers["x-first-death-queue"], work);
  assert.equal(headers["x-first-death-reason"], "rejected");
  assert.equal(headers["x-first-death-exchange"], "");
  assert.equal(headers["tries"], "3");
  for (const waitMs of waits) assert.ok(waitMs >= 140, `it waited only ${waitMs} ms`);
  await channel.waitForConfirms();
  const waiting = await channel.get(parked, { noAck: true });
  assert.ok(waiting !== false && waiting.content.toString() === "hopeless");
  for (const queue of [work, wait, parked]) await channel.deleteQueue(queue);
  await channel.deleteExchange(failed);
});

const confirms = onConnection(async (connection, prefix) => {
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(`${prefix}all`, { durable: true });
  const outcomes = numbers(500).map((each) => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    channel.sendToQueue(`${prefix}all`, Buffer.from(each), { persistent: true }, (error) => resolve(error));
    return promise;
  });
  for (const outcome of await Promise.all(outcomes)) assert.equal(outcome, null);
  assert.equal((await channel.checkQueue(`${prefix}all`)).messageCount, 500);
  assert.equal((await channel.purgeQueue(`${prefix}all`)).messageCount, 500);
  await channel.deleteQueue(`${prefix}all`);

  await channel.assertQueue(`${prefix}full`, { maxLength: 1, arguments: { "x-overflow": "reject-publish" } });
  const send = (body: string): Promise<unknown> => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    channel.sendToQueue(`${prefix}full`, Buffer.from(body), {}, (error) => resolve(error));
    return promise;
  };
  assert.equal(await send("fits"), null);
  assert.ok((await send("does not fit")) instanceof Error, "a full queue confirmed");
  assert.equal((await channel.deleteQueue(`${prefix}full`)).messageCount, 1);
});

const streamReplay = onConnection(async (connection, prefix) => {
  const stream = `${prefix}events`;
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(stream, { durable: true, arguments: { "x-queue-type": "stream" } });
  for (const each of numbers(50)) channel.sendToQueue(stream, Buffer.from(each), { headers: { n: Number(each) } });
  await channel.waitForConfirms();
  const read = async (from: string | number, count: number): Promise<ConsumeMessage[]> => {
    const reader = await connection.createChannel();
    await reader.prefetch(10);
    const mailbox = new Mailbox<ConsumeMessage>();
    const take = (message: ConsumeMessage): void => {
      mailbox.put(message);
      reader.ack(message);
    };
    await reader.consume(stream, (message) => void (message !== null && take(message)), {
      arguments: { "x-stream-offset": from },
    });
    const received = await mailbox.atLeast(count);
    await reader.close();
    return received;
  };
  for (const _ of ["once", "again"]) {
    const all = await read("first", 50);
    assert.deepEqual(all.map(text), numbers(50));
    assert.deepEqual(
      all.map((each) => Number(each.properties.headers!["x-stream-offset"])),
      numbers(50).map(Number),
    );
  }
  assert.deepEqual((await read(20, 30)).map(text), numbers(30, 20));
  await channel.deleteQueue(stream);
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
