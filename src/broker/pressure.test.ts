import assert from "node:assert/strict";
import { test } from "node:test";
import { Bottle } from "./test-broker.suite.ts";

const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => String(from + i));

/** Notes each change of pressure. */
function watch(bottle: Bottle): string[] {
  const seen: string[] = [];
  bottle.broker.onPressure(({ memory, disk }) => void seen.push(`${memory ? "memory" : ""}${disk ? "disk" : ""}`));
  return seen;
}

test("without a disk, producers are held back above the mark and go on when consumers have made room", async () => {
  const bottle = await Bottle.open({ isVolatile: true, settings: { memoryHighBytes: 8 << 20 } });
  bottle.declare("q");
  const seen = watch(bottle);
  let published = 0;
  while (!bottle.broker.pressure.memory && published < 100) {
    bottle.publish("q", "", { body: Buffer.alloc(500_000) });
    published++;
    await bottle.settle();
  }
  assert.ok(published < 24, String(published));
  const taker = bottle.consume("q");
  await bottle.settle();
  assert.equal(taker.deliveries.length, published);
  taker.session.settle(0, true, "accept");
  await bottle.settle();
  assert.deepEqual(seen, ["memory", ""]);
});

test("without a disk, purging and deleting a queue let producers go on as well", async () => {
  const bottle = await Bottle.open({ isVolatile: true, settings: { memoryHighBytes: 4 << 20 } });
  for (const end of ["purge", "delete"]) {
    const queue = bottle.declare("q");
    for (let i = 0; i < 20; i++) bottle.publish("q", "", { body: Buffer.alloc(500_000) });
    await bottle.settle();
    assert.equal(bottle.broker.pressure.memory, true);
    if (end === "purge") queue.purge();
    bottle.ns.deleteQueue(queue);
    await bottle.settle();
    assert.equal(bottle.broker.pressure.memory, false);
  }
});

test("with a disk, a backlog of many times the budget stays in bounded memory and comes back in order", async () => {
  const bottle = await Bottle.open({ settings: { cacheBytes: 4 << 20, checkpointBytes: 4 << 20 } });
  bottle.declare("q");
  const pad = { headers: { pad: "x".repeat(1000) } };
  let most = 0;
  for (let i = 0; i < 40; i++) {
    bottle.publishAll("q", numbers(i * 1000, i * 1000 + 1000), pad);
    await bottle.settle();
    most = Math.max(most, bottle.broker.core.cache.bytes);
  }
  assert.ok(most < 20 << 20, String(most));
  const taker = bottle.consume("q", { creditLimit: 2000 });
  const seen: string[] = [];
  for (let i = 0; seen.length < 40_000 && i < 400; i++) {
    await bottle.settle();
    seen.push(...taker.take().map(({ body }) => body));
    most = Math.max(most, bottle.broker.core.cache.bytes);
    taker.session.settle(0, true, "accept");
  }
  assert.deepEqual(seen, numbers(0, 40_000));
  assert.ok(most < 20 << 20, String(most));
  await bottle.settle();
  await bottle.checkpoint();
  await bottle.checkpoint();
  assert.ok(bottle.broker.core.cache.bytes < 4 << 20, String(bottle.broker.core.cache.bytes));
});

test("little free space holds producers back before there is none, and consumers go on", async () => {
  const bottle = await Bottle.open({ settings: { diskFreeBytesMin: 10_000_000 } });
  bottle.declare("q");
  bottle.publishAll("q", ["a", "b"]);
  await bottle.settle();
  const seen = watch(bottle);
  bottle.disk.bytesMax = bottle.disk.bytesUsed() + 5_000_000;
  await bottle.advance(2000);
  assert.deepEqual(seen, ["disk"]);
  assert.deepEqual(await bottle.drain("q"), ["a", "b"]);
  bottle.disk.bytesMax = Number.MAX_SAFE_INTEGER;
  await bottle.advance(2000);
  assert.deepEqual(seen, ["disk", ""]);
});

test("at the edge of the reserve producers are let go a tenth above where they were held", async () => {
  const bottle = await Bottle.open({ settings: { diskFreeBytesMin: 10_000_000 } });
  const seen = watch(bottle);
  const free = async (bytes: number): Promise<void> => {
    bottle.disk.bytesMax = bottle.disk.bytesUsed() + bytes;
    await bottle.advance(1000);
  };
  for (const bytes of [9_999_000, 10_001_000, 9_999_000, 10_900_000]) await free(bytes);
  assert.deepEqual([seen, bottle.broker.pressure.disk], [["disk"], true]);
  await free(11_100_000);
  assert.equal(bottle.broker.pressure.disk, false);
  await free(10_500_000);
  assert.equal(bottle.broker.pressure.disk, false);
});

test("a full disk stops confirms and loses nothing that was confirmed; freed space lets it go on", async () => {
  const bottle = await Bottle.open({ settings: { diskFreeBytesMin: 0 } });
  bottle.declare("q");
  await bottle.settle();
  const seen = watch(bottle);
  bottle.disk.bytesMax = bottle.disk.bytesUsed() + 2_000_000;
  const tickets: number[] = [];
  for (let i = 0; i < 60; i++) {
    tickets.push(bottle.publish("q", "", { body: Buffer.alloc(100_000, i) }));
    await bottle.settle();
  }
  const { durableTicket } = bottle.broker;
  const confirmed = tickets.filter((ticket) => ticket <= durableTicket).length;
  assert.ok(confirmed > 5 && confirmed < 60, String(confirmed));
  // In between, a spare file that was given up may have made room for a while.
  assert.equal(seen.at(-1), "disk");
  const twin = await bottle.fork();
  assert.ok(twin.queue("q").readyCount >= confirmed);
  await bottle.advance(3000);
  assert.equal(seen.at(-1), "disk");
  assert.ok(bottle.broker.durableTicket < tickets.at(-1)!);
  bottle.disk.bytesMax = Number.MAX_SAFE_INTEGER;
  await bottle.advance(3000);
  assert.ok(bottle.broker.durableTicket >= tickets.at(-1)!);
  assert.equal(bottle.broker.pressure.disk, false);
  await bottle.crash();
  const drained = await bottle.drain("q");
  assert.deepEqual(
    drained.map((body) => body.charCodeAt(0)),
    Array.from({ length: 60 }, (_, i) => i),
  );
  assert.equal(bottle.fatal, undefined);
});

test("a full disk that has room again is taken up at once, though the clock was set back meanwhile", async () => {
  const bottle = await Bottle.open({ settings: { diskFreeBytesMin: 0 } });
  bottle.declare("q");
  await bottle.settle();
  bottle.disk.bytesMax = bottle.disk.bytesUsed() + 200_000;
  for (let i = 0; i < 30; i++) {
    bottle.publish("q", "", { body: Buffer.alloc(100_000, i) });
    await bottle.settle();
  }
  assert.equal(bottle.broker.pressure.disk, true);
  bottle.clock.jumpTo(bottle.clock.now() - 3_600_000);
  bottle.disk.bytesMax = Number.MAX_SAFE_INTEGER;
  await bottle.advance(3000);
  assert.equal(bottle.broker.durableTicket, bottle.broker.ticket);
  assert.equal(bottle.broker.pressure.disk, false);
});

test("a checkpoint that finds no room is tried again and loses nothing", async () => {
  const bottle = await Bottle.open({ settings: { diskFreeBytesMin: 0 } });
  bottle.declare("q");
  for (let i = 0; i < 30; i++) bottle.publish("q", "", { body: Buffer.alloc(100_000, i) });
  await bottle.settle();
  bottle.disk.bytesMax = bottle.disk.bytesUsed() + 1_000_000;
  await bottle.checkpoint();
  assert.equal(bottle.broker.pressure.disk, true);
  assert.ok(bottle.logged.some((line) => line.includes("no space for a checkpoint")));
  bottle.disk.bytesMax = Number.MAX_SAFE_INTEGER;
  await bottle.advance(10_000);
  assert.equal(bottle.broker.pressure.disk, false);
  await bottle.evict();
  await bottle.crash();
  assert.equal((await bottle.drain("q")).length, 30);
});

test("what is taken in and not yet durable is bounded: beyond it connections are told to stop reading", async () => {
  const bottle = await Bottle.open({ settings: { pendingBytesMax: 1_000_000 } });
  bottle.declare("q");
  await bottle.settle();
  bottle.publish("q", "", { body: Buffer.alloc(500_000) });
  for (let i = 0; i < 40; i++) bottle.publish("q", "", { body: Buffer.alloc(100_000) });
  assert.equal(bottle.broker.isCongested, true);
  await bottle.settle();
  assert.equal(bottle.broker.isCongested, false);
});

test("who is held back goes on when a checkpoint has made room, though nobody commits anything by then", async () => {
  const settings = { cacheBytes: 4 << 20, checkpointBytes: 1 << 20, pendingBytesMax: 2 << 20 };
  const bottle = await Bottle.open({ settings });
  bottle.declare("q");
  await bottle.settle();
  let left = 60;
  let timesHeldBack = 0;
  const goOn = (): void => {
    while (left > 0 && !bottle.broker.isCongested) {
      bottle.publish("q", "", { body: Buffer.alloc(500_000) });
      left--;
    }
    if (left > 0) timesHeldBack++;
  };
  bottle.broker.addCommitListener({ committed: goOn });
  goOn();
  await bottle.settle();
  assert.equal(left, 0);
  assert.ok(timesHeldBack > 3, String(timesHeldBack));
});

/** Blocks of traffic through `busy`, and one message of each block that stays. */
async function stragglers(bottle: Bottle, count: number): Promise<void> {
  bottle.declare("busy");
  for (let i = 0; i < count; i++) {
    bottle.declare(`slow${i}`);
    bottle.publish(`slow${i}`, String(i));
    bottle.publish("busy", "", { body: Buffer.alloc(1_000_000) });
    await bottle.settle();
    await bottle.drain("busy");
  }
}

test("a few messages that stay behind in each of many queues do not keep the blocks that they came in", async () => {
  const bottle = await Bottle.open({ settings: { cacheBytes: 8 << 20, checkpointBytes: 4 << 20 } });
  await stragglers(bottle, 60);
  assert.ok(bottle.broker.core.cache.bytes < 20 << 20, String(bottle.broker.core.cache.bytes));
  for (let i = 0; i < 60; i++) assert.deepEqual(await bottle.drain(`slow${i}`), [String(i)]);
});

test("without a disk, they are moved together before producers are held back", async () => {
  const bottle = await Bottle.open({ isVolatile: true, settings: { memoryHighBytes: 40 << 20 } });
  const seen = watch(bottle);
  await stragglers(bottle, 120);
  assert.ok(bottle.broker.core.cache.bytes < 40 << 20, String(bottle.broker.core.cache.bytes));
  assert.deepEqual(seen, []);
  for (let i = 0; i < 120; i++) assert.deepEqual(await bottle.drain(`slow${i}`), [String(i)]);
});

test("traffic that is consumed leaves a bounded journal behind, however long it goes on", async () => {
  const bottle = await Bottle.open({ settings: { checkpointBytes: 4 << 20 } });
  bottle.declare("q");
  const taker = bottle.consume("q");
  taker.acceptsAll = true;
  let most = 0;
  for (let i = 0; i < 40; i++) {
    for (let message = 0; message < 10; message++) bottle.publish("q", "", { body: Buffer.alloc(100_000) });
    await bottle.settle();
    most = Math.max(most, bottle.disk.bytesUsed());
    taker.deliveries.length = 0;
  }
  assert.ok(most < 20 << 20, String(most));
  await bottle.crash();
  assert.equal(bottle.queue("q").readyCount, 0);
});

test("that there is memory again is told when what made it is over, so that who hears of it may publish", async () => {
  const settings = { memoryHighBytes: 4 << 20, cacheBytes: 1 << 20, checkpointBytes: 1 << 30 };
  const bottle = await Bottle.open({ settings, isVolatile: true });
  bottle.declare("q");
  bottle.declare("told");
  let isPurging = false;
  const heardWhilePurging: boolean[] = [];
  bottle.broker.onPressure(({ memory }) => {
    if (memory) return;
    heardWhilePurging.push(isPurging);
    bottle.publish("told", "go on");
  });
  for (let count = 0; count < 20; count++) {
    bottle.publish("q", "", { body: Buffer.alloc(500_000) });
    await bottle.settle();
  }
  assert.equal(bottle.broker.pressure.memory, true);
  isPurging = true;
  bottle.queue("q").purge();
  isPurging = false;
  await bottle.settle();
  assert.deepEqual(heardWhilePurging, [false]);
  assert.deepEqual(await bottle.drain("told"), ["go on"]);
});

test("a checkpoint that finds no room for its due times leaves nothing behind of what it had written", async () => {
  const bottle = await Bottle.open({ settings: { diskFreeBytesMin: 0 } });
  bottle.declare("q");
  bottle.publish("q", "later", { delayMs: 10_000 });
  await bottle.settle();
  const { disk } = bottle;
  const segments = async (): Promise<string[]> => (await disk.list()).filter((name) => name.startsWith("segment"));
  const rename = disk.rename.bind(disk);
  disk.rename = async (from, to) => {
    await rename(from, to);
    // The entries are written, the due times are not begun.
    if (to.startsWith("segment")) disk.bytesMax = disk.bytesUsed();
  };
  await bottle.checkpoint();
  assert.equal(bottle.broker.pressure.disk, true);
  assert.deepEqual(await segments(), []);
  disk.rename = rename;
  disk.bytesMax = Number.MAX_SAFE_INTEGER;
  await bottle.advance(3000);
  assert.equal(bottle.broker.pressure.disk, false);
  assert.equal((await segments()).length, 2);
  await bottle.crash();
  await bottle.advance(10_000);
  assert.deepEqual(await bottle.drain("q"), ["later"]);
});
