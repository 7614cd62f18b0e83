import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../base/random.ts";
import type { MemoryDisk } from "../../log/memory/memory-disk.ts";
import { Bottle, type Delivery } from "../test-broker.suite.ts";
import { chooseSegments, type DueSegment } from "./merging.ts";

/** Takes a checkpoint of `fresh` new pairs: answers how many old ones it writes anew. */
function checkpoint(segments: DueSegment[], id: number, fresh: number): number {
  const chosen = chooseSegments(segments, fresh);
  let live = 0;
  for (const one of segments) if (chosen.has(one.id)) live += one.live;
  segments.splice(0, segments.length, ...segments.filter((one) => !chosen.has(one.id)));
  if (live + fresh > 0) segments.push({ id, total: live + fresh, live: live + fresh });
  return live;
}

test("however many checkpoints find due times, a few tens of segments hold them, and few are written anew each time", () => {
  const random = seededRandom(1);
  for (const freshOf of [(): number => 480, (): number => 1, (): number => 1 + Math.floor(random.next() ** 6 * 1e5)]) {
    const segments: DueSegment[] = [];
    let written = 0;
    let taken = 0;
    let most = 0;
    for (let id = 0; id < 5000; id++) {
      const fresh = freshOf();
      taken += fresh;
      written += checkpoint(segments, id, fresh);
      most = Math.max(most, segments.length);
    }
    assert.ok(most <= 32, String(most));
    assert.ok(written / taken < 12, String(written / taken));
    // Without new ones all comes to rest.
    for (let id = 5000; id < 5010; id++) checkpoint(segments, id, 0);
    assert.equal(checkpoint(segments, 6000, 0), 0);
  }
});

test("a large segment of which most has fired is written anew for its space, and one that is too large is left alone", () => {
  const segment = (id: number, total: number, live: number): DueSegment => ({ id, total, live });
  assert.deepEqual([...chooseSegments([segment(1, 100_000, 60_000), segment(2, 100_000, 40_000)], 0)], [2]);
  assert.deepEqual([...chooseSegments([segment(1, 100, 1)], 10)], []);
  const many = Array.from({ length: 40 }, (_, id) => segment(id, 16 << 20, 16 << 20));
  assert.deepEqual([...chooseSegments(many, 0)], []);
  assert.deepEqual([...chooseSegments(many, 20 << 20)], [0]);
});

const segmentsOf = async ({ disk }: Bottle): Promise<string[]> =>
  (await disk.list()).filter((name) => name.startsWith("segment"));

/** Text says when it is due, in ms after the start, and which it is. */
function publish(bottle: Bottle, queue: string, startMs: number, dueMs: number, number: number): void {
  bottle.publish(queue, `${dueMs} ${number}`, { delayMs: startMs + dueMs - bottle.clock.now() });
}

function inOrder(texts: readonly string[]): string[] {
  const parts = (text: string): number[] => text.split(" ").map(Number);
  return [...texts].sort((a, b) => parts(a)[0]! - parts(b)[0]! || parts(a)[1]! - parts(b)[1]!);
}

test("runs stay few over any number of checkpoints, and each message comes once, at its time, over crashes and restarts", async () => {
  const bottle = await Bottle.open();
  const random = seededRandom(2);
  const startMs = bottle.clock.now();
  const names = ["a", "b", "c"];
  for (const name of names) bottle.declare(name);
  const published = new Map(names.map((name) => [name, [] as string[]]));
  const delivered = new Map(names.map((name) => [name, [] as Delivery[]]));
  const collect = async (): Promise<void> => {
    for (const name of names) delivered.get(name)!.push(...(await bottle.drainDeliveries(name)));
  };
  let number = 0;
  for (let round = 0; round < 120; round++) {
    const passedMs = bottle.clock.now() - startMs;
    for (const name of names) {
      if (name === "c" && round % 10 !== 0) continue;
      for (let i = 0; i < 20; i++) {
        const dueMs = passedMs + 1 + Math.floor(random.next() ** 2 * 200_000);
        publish(bottle, name, startMs, dueMs, number);
        published.get(name)!.push(`${dueMs} ${number++}`);
      }
    }
    await bottle.settle();
    await bottle.checkpoint();
    if (round % 17 === 16) await bottle.crash();
    if (round % 40 === 39) await bottle.restart();
    await bottle.advance(500);
    await collect();
    const { size } = bottle.broker.core.schedule.segments();
    assert.ok(size <= 24, `round ${round}: ${size}`);
    const waiting = published.get("a")!.length - delivered.get("a")!.length;
    assert.equal(bottle.queue("a").scheduledCount, waiting, `round ${round}`);
  }
  await bottle.advance(300_000);
  await collect();
  for (const name of names) {
    const bodies = delivered.get(name)!.map(({ body }) => body);
    assert.deepEqual(inOrder(bodies), inOrder(published.get(name)!), name);
    for (const { body, timeMs } of delivered.get(name)!) assert.ok(timeMs - startMs >= Number.parseInt(body, 10));
  }
  for (let i = 0; i < 3; i++) await bottle.checkpoint();
  assert.deepEqual(await segmentsOf(bottle), []);
  assert.deepEqual([bottle.logged, bottle.fatal], [[], undefined]);
});

test("the power may go at each step of a checkpoint that merges runs, while their messages fall due", async () => {
  const bottle = await Bottle.open();
  bottle.declare("q");
  bottle.declare("r");
  const startMs = bottle.clock.now();
  const all: string[] = [];
  for (let round = 0; round < 15; round++) {
    for (let i = 0; i < 10; i++) {
      const dueMs = 1000 + i * 100;
      publish(bottle, "q", startMs, dueMs, round * 10 + i);
      all.push(`${dueMs} ${round * 10 + i}`);
    }
    publish(bottle, "r", startMs, 100_000, round);
    await bottle.settle();
    await bottle.checkpoint();
  }
  assert.equal(bottle.broker.core.schedule.segments().size, 15);
  // Some have fired before it begins, some do while it is taken; nobody takes them.
  await bottle.advance(1250);
  publish(bottle, "q", startMs, 1900, 150);
  all.push("1900 150");
  await bottle.settle();
  await bottle.checkpoint();
  assert.equal(bottle.broker.core.schedule.segments().size, 16);
  for (let number = 151; number < 161; number++) {
    publish(bottle, "q", startMs, 1900, number);
    all.push(`1900 ${number}`);
  }
  await bottle.settle();
  const { disk } = bottle;
  const left: MemoryDisk[] = [];
  const random = seededRandom(3);
  const isLeft = (): void => {
    left.push(disk.crash(random, queueMicrotask));
    bottle.clock.advance(20);
  };
  const [rename, remove, sync] = [disk.rename, disk.remove, disk.syncDirectory].map((one) => one.bind(disk)) as [
    MemoryDisk["rename"],
    MemoryDisk["remove"],
    MemoryDisk["syncDirectory"],
  ];
  disk.rename = (from, to) => rename(from, to).then(isLeft);
  disk.remove = (name) => remove(name).then(isLeft);
  disk.syncDirectory = () => sync().then(isLeft);
  // The second one removes what the first has merged.
  for (let i = 0; i < 2; i++) await bottle.checkpoint();
  assert.ok(bottle.broker.core.schedule.segments().size < 4);
  assert.ok(left.length > 20, String(left.length));
  assert.ok(bottle.queue("q").readyCount > 60, String(bottle.queue("q").readyCount));
  for (const [step, one] of left.entries()) {
    bottle.disk = one;
    const twin = await bottle.fork();
    await twin.advance(5000);
    assert.deepEqual(inOrder(await twin.drain("q")), inOrder(all), `step ${step}`);
    assert.equal(twin.queue("q").scheduledCount, 0, `step ${step}`);
    assert.equal(twin.queue("r").scheduledCount, 15, `step ${step}`);
    assert.deepEqual([twin.logged, twin.fatal], [[], undefined]);
  }
  await bottle.advance(5000);
  assert.deepEqual(inOrder(await bottle.drain("q")), inOrder(all));
});

test("a disk without room for a merge keeps what was to be merged", async () => {
  const bottle = await Bottle.open({ settings: { diskFreeBytesMin: 0 } });
  bottle.declare("q");
  for (let round = 0; round < 16; round++) {
    bottle.publish("q", String(round), { delayMs: 60_000 });
    await bottle.settle();
    await bottle.checkpoint();
  }
  bottle.publish("q", "16", { delayMs: 60_000 });
  await bottle.settle();
  const { disk } = bottle;
  const rename = disk.rename.bind(disk);
  // Segments are written, and the checkpoint is not.
  disk.rename = async (from, to) => {
    if (to.startsWith("checkpoint")) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
    await rename(from, to);
  };
  await bottle.checkpoint();
  assert.equal(bottle.broker.pressure.disk, true);
  const twin = await bottle.fork();
  assert.equal(twin.queue("q").scheduledCount, 17);
  await twin.advance(60_000);
  assert.equal((await twin.drain("q")).length, 17);
  disk.rename = rename;
  await bottle.advance(3000);
  assert.equal(bottle.broker.pressure.disk, false);
  await bottle.crash();
  await bottle.advance(60_000);
  assert.equal((await bottle.drain("q")).length, 17);
});
