/**
 * A full disk, as a broker's clients see it: producers are blocked in AMQP's terms and get no confirm, consumers go on,
 * room brings producers back, and nothing that was confirmed is lost, whatever happens to the process meanwhile.
 */

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { spawnBroker, type BrokerProcess } from "../interop/broker.ts";
import { assertNothingLost, drain, open, Producer } from "./clients.ts";
import { SmallDisk } from "./small-disk.ts";

const queue = "work";
const small = { "journal.fileBytes": "2MiB", "journal.checkpointBytes": "4MiB", "cache.bytes": "8MiB" };
const reserve = { ...small, "disk.freeBytesMin": "24MiB" };
const noReserve = { ...small, "disk.freeBytesMin": "0" };

class Scene {
  readonly disk: SmallDisk;
  #broker: BrokerProcess | undefined;
  readonly #stop: { run: () => Promise<unknown> };

  private constructor(disk: SmallDisk, stop: { run: () => Promise<unknown> }) {
    this.disk = disk;
    this.#stop = stop;
  }

  static set(t: TestContext, mebibytes: number): Scene | undefined {
    const stop = { run: async (): Promise<unknown> => undefined };
    const disk = SmallDisk.mount(t, mebibytes, () => stop.run());
    return disk === undefined ? undefined : new Scene(disk, stop);
  }

  get broker(): BrokerProcess {
    assert.ok(this.#broker !== undefined);
    return this.#broker;
  }

  get amqp(): string {
    return this.broker.amqp;
  }

  async start(set: Readonly<Record<string, string>>): Promise<void> {
    const broker = await spawnBroker({ dataDir: this.disk.dataDir, set });
    this.#broker = broker;
    this.#stop.run = () => broker.kill("SIGKILL");
  }

  /** A message that is published now is not confirmed while others get their answers. `answer` is its confirm to be. */
  async assertHeldBack(producer: Producer): Promise<{ answer: Promise<boolean> }> {
    let isAnswered = false;
    const answer = producer.send();
    void answer.then(() => (isAnswered = true));
    const connection = await open(this.amqp);
    const channel = await connection.createChannel();
    for (let round = 0; round < 50; round++) await channel.checkQueue(queue);
    await connection.close();
    assert.equal(isAnswered, false, "a producer that is blocked got a confirm");
    return { answer };
  }
}

test("a disk that fills up blocks producers and not consumers, who make room and bring producers back", async (t) => {
  const scene = Scene.set(t, 96);
  if (scene === undefined) return;
  await scene.start(reserve);
  const producer = await Producer.open(scene.amqp, { queue, sizeBytes: 8000 });
  await producer.sendUntilBlocked();
  const held = await scene.assertHeldBack(producer);
  t.diagnostic(`blocked after ${producer.confirmed.size} confirms; free: ${scene.disk.freeBytes >> 20} MiB`);
  assert.ok(producer.confirmed.size > 1000);

  const first = await drain(scene.amqp, queue, 500);
  assert.ok(producer.isBlocked);
  const rest = await drain(scene.amqp, queue);
  await producer.unblocked();
  assert.ok(await held.answer);
  await producer.sendAll(100);
  const last = await drain(scene.amqp, queue);
  assertNothingLost(producer.confirmed, first.redeliveredByNumber, rest.redeliveredByNumber, last.redeliveredByNumber);
  assert.equal(await scene.broker.kill("SIGTERM"), 0, scene.broker.log());
});

test("with not a byte left consumers go on for a good while, in what the journal has set aside", async (t) => {
  const scene = Scene.set(t, 96);
  if (scene === undefined) return;
  await scene.start(reserve);
  const producer = await Producer.open(scene.amqp, { queue, sizeBytes: 8000 });
  await producer.sendAll(2000);
  scene.disk.fill();
  await producer.sendUntilBlocked();
  // Also what the broker has given back meanwhile.
  scene.disk.fill();
  t.diagnostic(`free: ${scene.disk.freeBytes} bytes`);

  const first = await drain(scene.amqp, queue, 1000);
  assert.equal(await scene.broker.kill("SIGKILL"), null, scene.broker.log());
  await scene.start(reserve);
  const second = await drain(scene.amqp, queue);
  for (const number of first.redeliveredByNumber.keys()) {
    assert.notEqual(second.redeliveredByNumber.get(number), false, `${number} came again without the flag`);
  }
  assertNothingLost(producer.confirmed, first.redeliveredByNumber, second.redeliveredByNumber);

  const next = await Producer.open(scene.amqp, { queue, sizeBytes: 8000, after: producer });
  await next.sendUntilBlocked();
  scene.disk.relieve();
  await next.unblocked();
  await next.sendAll(10);
  assert.equal(await scene.broker.kill("SIGTERM"), 0, scene.broker.log());
});

for (const isRelieved of [true, false]) {
  const how = isRelieved ? "and space" : "without space";
  test(`killed on a full disk and started again ${how}, the broker has everything confirmed`, async (t) => {
    const scene = Scene.set(t, 96);
    if (scene === undefined) return;
    await scene.start(reserve);
    const producer = await Producer.open(scene.amqp, { queue, sizeBytes: 8000 });
    await producer.sendAll(1000);
    scene.disk.fill();
    await producer.sendUntilBlocked();
    assert.equal(await scene.broker.kill("SIGKILL"), null, scene.broker.log());
    const confirmed = new Set(producer.confirmed);

    if (isRelieved) scene.disk.relieve();
    await scene.start(reserve);
    const second = await Producer.open(scene.amqp, { queue, sizeBytes: 8000, after: producer });
    if (!isRelieved) {
      await second.sendUntilBlocked();
      scene.disk.relieve();
      await second.unblocked();
    }
    await second.sendAll(100);
    const { redeliveredByNumber } = await drain(scene.amqp, queue);
    assertNothingLost(confirmed, redeliveredByNumber);
    assertNothingLost(second.confirmed, redeliveredByNumber);
    assert.equal(await scene.broker.kill("SIGTERM"), 0, scene.broker.log());
  });
}

test("without a reserve the journal itself runs out: no confirm, no loss, and it goes on when there is space", async (t) => {
  const scene = Scene.set(t, 64);
  if (scene === undefined) return;
  await scene.start(noReserve);
  const producer = await Producer.open(scene.amqp, { queue, sizeBytes: 8000 });
  await producer.sendAll(500);
  scene.disk.fill();
  await producer.sendUntilBlocked();
  const held = producer.send();
  t.diagnostic(`blocked after ${producer.confirmed.size} confirms`);
  scene.disk.relieve();
  await producer.unblocked();
  assert.ok(await held);
  await producer.sendAll(100);
  assert.equal(await scene.broker.kill("SIGKILL"), null, scene.broker.log());
  await scene.start(noReserve);
  const { redeliveredByNumber } = await drain(scene.amqp, queue);
  assertNothingLost(producer.confirmed, redeliveredByNumber);
  assert.equal(await scene.broker.kill("SIGTERM"), 0, scene.broker.log());
});

test("a disk that the broker itself filled to the last byte is drained after a restart, and taken from again", async (t) => {
  const scene = Scene.set(t, 64);
  if (scene === undefined) return;
  await scene.start(noReserve);
  const producer = await Producer.open(scene.amqp, { queue, sizeBytes: 8000 });
  await producer.sendUntilBlocked();
  assert.equal(await scene.broker.kill("SIGKILL"), null, scene.broker.log());
  t.diagnostic(`free: ${scene.disk.freeBytes} bytes after ${producer.confirmed.size} confirms`);

  await scene.start(noReserve);
  const first = await drain(scene.amqp, queue);
  const next = await Producer.open(scene.amqp, { queue, sizeBytes: 8000, after: producer });
  await next.sendAll(500);
  const second = await drain(scene.amqp, queue);
  assertNothingLost(next.confirmed, first.redeliveredByNumber, second.redeliveredByNumber);
  assert.equal(await scene.broker.kill("SIGTERM"), 0, scene.broker.log());
});

test("SIGTERM when nothing can be written any more ends at the deadline, with a word and without a loss", async (t) => {
  const scene = Scene.set(t, 64);
  if (scene === undefined) return;
  // Without a checkpoint there is nothing of its own that the broker could give up for room.
  await scene.start({ ...noReserve, "journal.checkpointBytes": "64MiB", "shutdown.deadlineMs": "1s" });
  const producer = await Producer.open(scene.amqp, { queue, sizeBytes: 8000 });
  await producer.sendAll(500);
  scene.disk.fill();
  await producer.sendUntilBlocked();
  assert.equal(await scene.broker.kill("SIGTERM"), 1);
  assert.match(scene.broker.log(), /stopped without an orderly end: the disk did not take/);

  scene.disk.relieve();
  await scene.start(noReserve);
  assertNothingLost(producer.confirmed, (await drain(scene.amqp, queue)).redeliveredByNumber);
  assert.equal(await scene.broker.kill("SIGTERM"), 0, scene.broker.log());
});
