/**
 * Shovels between brokers in processes of their own, over sockets, as those move who go from one broker to another: either side
 * is killed while messages are on their way, and each message arrives.
 */

import { test, type TestContext } from "node:test";
import * as check from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connect, type ConfirmChannel } from "amqplib";
import { makeCertificate } from "../tls/make-certificate.ts";
import { spawnBroker, type BrokerProcess } from "./broker.ts";
import { mayBeMissing } from "../may-be-missing.ts";
import { hasRabbit, spawnRabbit } from "./rabbitmq-server.ts";

const messageCount = 20_000;
const waitMs = 60_000;

function scratch(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "entrepot-shovel-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Opens a channel of a broker for as long as `use` takes. */
async function withChannel<T>(amqp: string, use: (channel: ConfirmChannel) => Promise<T>): Promise<T> {
  const connection = await connect(`amqp://guest:guest@${amqp}`);
  connection.on("error", () => undefined);
  try {
    return await use(await connection.createConfirmChannel());
  } finally {
    await connection.close().catch(() => undefined);
  }
}

async function publishAll(amqp: string, queue: string): Promise<void> {
  await withChannel(amqp, async (channel) => {
    await channel.assertQueue(queue, { durable: true });
    for (let n = 0; n < messageCount; n++) {
      channel.sendToQueue(queue, Buffer.from(String(n)), { persistent: true, headers: { n } });
      if (n % 1000 === 999) await channel.waitForConfirms();
    }
  });
}

async function depth(amqp: string, queue: string): Promise<number> {
  return withChannel(amqp, async (channel) => {
    await channel.assertQueue(queue, { durable: true });
    return (await channel.checkQueue(queue)).messageCount;
  });
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + waitMs;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`waited in vain until ${what}`);
    await delay(20);
  }
}

/** Takes until all are there; answers how many came more than once. */
async function takeAll(amqp: string, queue: string): Promise<number> {
  return withChannel(amqp, async (channel) => {
    const seen = new Set<string>();
    let doubles = 0;
    const all = Promise.withResolvers<void>();
    await channel.prefetch(1000);
    await channel.consume(queue, (message) => {
      if (message === null) return;
      const body = message.content.toString();
      if (seen.has(body)) doubles++;
      seen.add(body);
      check.equal(message.properties.headers?.["n"], Number(body));
      channel.ack(message);
      if (seen.size === messageCount) all.resolve();
    });
    const late = AbortSignal.timeout(waitMs);
    late.addEventListener("abort", () => all.reject(new Error(`${seen.size} of ${messageCount} have come`)));
    await all.promise;
    return doubles;
  });
}

function shovelFrom(source: string, destination: string, more: object = {}): string {
  return JSON.stringify({
    move: {
      "src-uri": source,
      "src-queue": "in",
      "dest-uri": destination,
      "dest-queue": "out",
      "src-prefetch-count": 20,
      "reconnect-delay": 0.2,
      ...more,
    },
  });
}

test("two Entrepots, each killed with messages on their way: every one arrives", async (context) => {
  const directory = scratch(context);
  const startThere = (at: string): Promise<BrokerProcess> =>
    spawnBroker({ dataDir: join(directory, "there"), listen: { amqp: at } });
  let there = await startThere("127.0.0.1:0");
  const at = there.amqp;
  const startHere = (): Promise<BrokerProcess> =>
    spawnBroker({
      dataDir: join(directory, "here"),
      set: { shovels: shovelFrom("amqp://", `amqp://guest:guest@${at}`) },
    });
  let here = await startHere();
  context.after(async () => {
    await here.kill("SIGKILL");
    await there.kill("SIGKILL");
  });

  const publishing = publishAll(here.amqp, "in");
  await until("some have moved", async () => (await depth(at, "out")) > 500);
  await there.kill("SIGKILL");
  await publishing;
  check.ok((await depth(here.amqp, "in")) > 0, "killed before all had moved");
  there = await startThere(at);
  await until("more have moved", async () => (await depth(at, "out")) > 6000);
  await here.kill("SIGKILL");
  here = await startHere();
  const doubles = await takeAll(at, "out");
  await until("the source is empty", async () => (await depth(here.amqp, "in")) === 0);
  context.diagnostic(`${doubles} of ${messageCount} came twice`);
});

test("to and from RabbitMQ, killed with messages on their way", async (context) => {
  if (!hasRabbit) return context.skip(mayBeMissing("rabbitmq-server", "there is no RabbitMQ on this machine"));
  const directory = scratch(context);
  const rabbit = await spawnRabbit(join(directory, "rabbit"));
  context.after(() => rabbit.end());
  const uri = `amqp://guest:guest@${rabbit.amqp}`;
  // RabbitMQ answers a declaration before it is on disk: killed in the next two seconds, it forgets the queue and all that it
  // has confirmed in it. That is not what is looked at here.
  await depth(rabbit.amqp, "from.in");
  await depth(rabbit.amqp, "to.out");
  await delay(3000);
  for (const [from, to] of [
    [uri, "amqp://"],
    ["amqp://", uri],
  ] as const) {
    const name = from === uri ? "from" : "to";
    const queues = { "src-queue": `${name}.in`, "dest-queue": `${name}.out` };
    const here = await spawnBroker({
      dataDir: join(directory, name),
      set: { shovels: shovelFrom(from, to, queues) },
    });
    const [source, destination] = from === uri ? [rabbit.amqp, here.amqp] : [here.amqp, rabbit.amqp];
    const publishing = publishAll(source, `${name}.in`).catch((error: unknown) => error);
    if (source === here.amqp) {
      await until("some have moved", async () => (await depth(destination, `${name}.out`)) > 500);
      await rabbit.kill();
      check.equal(await publishing, undefined);
      check.ok((await depth(source, `${name}.in`)) > 0, "killed before all had moved");
    } else {
      check.equal(await publishing, undefined);
      await until("some have moved", async () => (await depth(destination, `${name}.out`)) > 500);
      await rabbit.kill();
      check.ok((await depth(destination, `${name}.out`)) < messageCount, "killed before all had moved");
    }
    await rabbit.start();
    const doubles = await takeAll(destination, `${name}.out`);
    await until("the source is empty", async () => (await depth(source, `${name}.in`)) === 0);
    context.diagnostic(`${name} RabbitMQ: ${doubles} of ${messageCount} came twice`);
    await here.kill("SIGKILL");
  }
});

test("over TLS, to a server whose certificate is checked", async (context) => {
  const directory = scratch(context);
  const path = (name: string): string => join(directory, name);
  const authority = makeCertificate({ name: { CN: "the test's" }, isAuthority: true });
  const own = makeCertificate({ name: { CN: "broker" }, ip: ["127.0.0.1"] }, authority);
  const another = makeCertificate({ name: { CN: "another's" }, isAuthority: true });
  writeFileSync(path("ca.pem"), authority.certificate);
  writeFileSync(path("another.pem"), another.certificate);
  writeFileSync(path("broker.pem"), own.certificate);
  writeFileSync(path("broker.key"), own.key);
  const there = await spawnBroker({
    listen: { amqp: "127.0.0.1:0", amqps: "127.0.0.1:0" },
    set: { "tls.certificateFile": path("broker.pem"), "tls.keyFile": path("broker.key") },
  });
  const uri = (ca: string): string =>
    `amqps://guest:guest@${there.addresses["amqps"]}?cacertfile=${path(ca)}&verify=verify_peer`;
  const [here, wary] = [
    await spawnBroker({ set: { shovels: shovelFrom("amqp://", uri("ca.pem")) } }),
    await spawnBroker({ set: { shovels: shovelFrom("amqp://", uri("another.pem")) } }),
  ];
  context.after(() => Promise.all([here, wary, there].map((broker) => broker.kill("SIGKILL"))));
  await publishAll(here.amqp, "in");
  check.equal(await takeAll(there.amqp, "out"), 0);
  await until("it says why", async () => wary.log().includes("a shovel could not connect"));
  check.match(wary.log(), /certificate/);
  check.ok(!wary.log().includes("guest:guest"));
});
