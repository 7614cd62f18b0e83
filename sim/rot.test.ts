/**
 * Bits that rot and files that end too early, over a small broker: each byte of its files flipped once, and its journal
 * cut at each byte of its last blocks.
 *
 * The data: queue `a` and queue `b`, six messages each in segments, two more each in the journal; two checkpoints, and of each
 * queue one message settled before the second of them and one behind it. Most of the second segment was a third queue's, which
 * is deleted: both segments are written anew at the next checkpoint. Whatever is done to the files, a start must end (in a
 * broker, or in an error that names the damage), nobody is ever given bytes that nobody published, what is lost was reported,
 * and nothing is lost beyond what was hit, nor comes back unless its settlement was; not then, and not when work goes on.
 */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Publication, PublishOutcome, Session } from "../src/broker/api.ts";
import type { RunningCore } from "../src/broker/broker.ts";
import { emptyPublication } from "../src/broker/publication.ts";
import { DamageError } from "../src/log/log.ts";
import type { MemoryDisk } from "../src/log/memory/memory-disk.ts";
import { Chance } from "./chance.ts";
import { bodyOf, numberOf, simFormat, simFormatId } from "./message.ts";
import { SimDisk } from "./sim-disk.ts";
import { settingsOf } from "./topology.ts";
import { World } from "./world.ts";

const blockBytes = 4096;

function worldOn(inner?: MemoryDisk): World {
  const settings = { core: { bufferBytes: 16_384 }, journalFileBytes: 65_536, formats: [simFormat] };
  const world = new World(new Chance(1), settings, undefined);
  if (inner !== undefined) {
    const disk = new SimDisk(undefined, new Chance(2));
    disk.inner = inner.clone(disk.defer);
    world.disk = disk;
  }
  return world;
}

async function quiet(world: World): Promise<void> {
  await world.quiet(() => undefined);
}

/** Several are in one block. */
async function publish(world: World, queue: string, ...numbers: number[]): Promise<void> {
  const broker = world.broker!;
  const p: Publication = emptyPublication(broker.namespace("/")!.exchange("")!);
  const outcome: PublishOutcome = { routed: 0, refused: false, ticket: 0 };
  for (const number of numbers) {
    Object.assign(p, { format: simFormatId, durable: true, routingKey: queue, body: bodyOf(number, 24), bodyEnd: 24 });
    broker.namespace("/")!.publish(p, outcome);
  }
  await quiet(world);
  assert.ok(broker.durableTicket >= outcome.ticket);
}

/** Takes the oldest message of the queue away. */
async function settleOne(world: World, queue: string): Promise<void> {
  const broker = world.broker!;
  const session = broker.createSession();
  session.get(broker.namespace("/")!.queue(queue)!, true, () => undefined);
  await quiet(world);
  session.close();
  await quiet(world);
}

async function checkpoint(world: World): Promise<void> {
  void world.broker!.checkpoint();
  await quiet(world);
}

/** What is left, by number; those of b are 100 more. */
const expected = [2, 3, 4, 5, 6, 7].flatMap((number) => [number, number + 100]).sort((a, b) => a - b);
/** Settled by the journal only. */
const settledLate = [1, 101];

async function build(): Promise<MemoryDisk> {
  const world = worldOn();
  const broker = await world.boot(() => false);
  for (const name of ["a", "b", "c"]) broker!.namespace("/")!.createQueue(name, settingsOf("plain", new Chance(1)), {});
  await publishBoth(world, 0);
  await publishBoth(world, 1);
  await publishBoth(world, 2);
  await checkpoint(world);
  await settleBoth(world);
  await publishBoth(world, 3);
  await publishBoth(world, 4);
  await publishBoth(world, 5);
  await publish(world, "c", 200, 201, 202, 203, 204, 205, 206);
  await checkpoint(world);
  // In the block of what comes next.
  broker!.namespace("/")!.deleteQueue(broker!.namespace("/")!.queue("c")!);
  await publishBoth(world, 6);
  await settleBoth(world);
  await publishBoth(world, 7);
  return world.disk.crashed(new Chance(3)).inner;
}

async function publishBoth(world: World, number: number): Promise<void> {
  await publish(world, "a", number);
  await publish(world, "b", number + 100);
}

async function settleBoth(world: World): Promise<void> {
  await settleOne(world, "a");
  await settleOne(world, "b");
}

type LeaseByNumber = ReadonlyMap<number, number>;
type GoOn = (world: World, session: Session, leaseByNumber: LeaseByNumber) => Promise<void>;

interface Found {
  readonly numbers: readonly number[];
  readonly reports: number;
  /** It did not start, and said why. */
  readonly refusal: string | undefined;
}

/** Starts, and takes all that is there. With `goOn` a checkpoint is taken before, and what was delivered is for it to settle. */
async function lookAt(inner: MemoryDisk, goOn?: GoOn): Promise<Found> {
  const world = worldOn(inner);
  let broker: RunningCore | undefined;
  try {
    broker = await world.boot(() => false);
  } catch (error) {
    assert.ok(error instanceof DamageError, `a start ends in a broker or with the damage: ${(error as Error).stack}`);
    return { numbers: [], reports: 1, refusal: error.message };
  }
  assert.ok(broker !== undefined);
  if (goOn !== undefined) await checkpoint(world);
  const numbers: number[] = [];
  const leaseByNumber = new Map<number, number>();
  const session = broker.createSession();
  for (const name of ["a", "b"]) {
    const queue = broker.namespace("/")!.queue(name);
    if (queue === undefined) continue;
    const options = { noAck: goOn === undefined, exclusive: false, priority: 0, creditLimit: 0, leaseMs: 0 };
    session.consume(queue, options, {
      deliver: (lease, entry) => {
        const number = numberOf(entry);
        assert.ok(number !== undefined, "a delivery has the octets of a message");
        numbers.push(number);
        leaseByNumber.set(number, lease);
      },
      ended: () => undefined,
    });
  }
  await quiet(world);
  await goOn?.(world, session, leaseByNumber);
  return { numbers, reports: world.reports.length, refusal: undefined };
}

/** Settles all but what is `kept`, and lets checkpoints take away what nobody wants. */
async function settleAllBut(
  kept: readonly number[],
  world: World,
  session: Session,
  leaseByNumber: LeaseByNumber,
): Promise<void> {
  for (const [number, lease] of leaseByNumber) if (!kept.includes(number)) session.settle(lease, false, "accept");
  await quiet(world);
  for (let i = 0; i < 3; i++) await checkpoint(world);
}

let disk: MemoryDisk;
let names: string[];

before(async () => {
  disk = await build();
  names = (await disk.list()).sort();
});

const ordered = (numbers: readonly number[]): number[] => [...numbers].sort((a, b) => a - b);
const lost = (found: Found): number[] => expected.filter((number) => !found.numbers.includes(number));
const cameBack = (found: Found): number[] => found.numbers.filter((number) => !expected.includes(number));

/** Flips one bit of each byte that `chosen` wants, and looks at what is found. */
async function flipEach(
  name: string,
  each: number,
  judge: (found: Found, at: number, damaged: MemoryDisk) => void | Promise<void>,
): Promise<void> {
  const bytes = disk.bytesOf(name).length;
  for (let at = 0; at < bytes; at += isPadding(name, at) ? blockBytes / 4 : each) {
    const damaged = disk.clone();
    const content = Buffer.from(damaged.bytesOf(name));
    content[at]! ^= 1 << (at % 8);
    damaged.plant(name, content);
    await judge(await lookAt(damaged), at, damaged);
  }
}

function isPadding(name: string, at: number): boolean {
  const bytes = disk.bytesOf(name);
  return name.startsWith("journal") && bytes.subarray(at, at + blockBytes / 4).every((byte) => byte === 0);
}

test("undamaged, all is there", async () => {
  const found = await lookAt(disk);
  assert.deepEqual(ordered(found.numbers), expected);
  assert.equal(found.reports, 0);
});

test("a flipped bit of a segment costs what it hit at most, and is reported", async () => {
  const segments = names.filter((name) => name.startsWith("segment"));
  assert.ok(segments.length > 0);
  for (const name of segments) {
    let losses = 0;
    await flipEach(name, 1, (found, at) => {
      assert.equal(found.refusal, undefined);
      assert.deepEqual(cameBack(found), [], `${name} at ${at}`);
      const gone = lost(found);
      if (gone.length > 0) assert.ok(found.reports > 0, `${gone.join()} is lost without a word: ${name} at ${at}`);
      // A payload is one message; an index page is one queue's.
      assert.ok(gone.every((number) => number < 100) || gone.every((number) => number >= 100), `${name} at ${at}`);
      if (gone.length > 0) losses++;
    });
    assert.ok(losses > 0);
  }
});

test("a flipped bit of a segment costs no more when the segment is written anew, and what is beside it is settled", async () => {
  const segments = names.filter((name) => name.startsWith("segment"));
  for (const name of segments) {
    await flipEach(name, 5, async (found, at, damaged) => {
      let left: MemoryDisk | undefined;
      // Of each queue the last that was in the segments before.
      const kept = [5, 105].map((last) => found.numbers.findLast((one) => one <= last && one > last - 5)!);
      const again = await lookAt(damaged, async (world, session, leaseByNumber) => {
        await settleAllBut(kept, world, session, leaseByNumber);
        left = world.disk.crashed(new Chance(3)).inner;
      });
      assert.deepEqual(ordered(again.numbers), ordered(found.numbers), `${name} at ${at}`);
      const last = await lookAt(left!);
      assert.deepEqual(ordered(last.numbers), kept, `${name} at ${at}`);
    });
  }
});

test("a flipped bit of a checkpoint costs nothing, and is reported", async () => {
  for (const name of names.filter((one) => one.startsWith("checkpoint"))) {
    const isNewest = name === names.findLast((one) => one.startsWith("checkpoint"));
    await flipEach(name, 3, (found, at) => {
      assert.deepEqual(lost(found), [], `${name} at ${at}`);
      assert.deepEqual(cameBack(found), [], `${name} at ${at}`);
      if (isNewest) assert.ok(found.reports > 0, `${name} at ${at}`);
    });
  }
});

test("a flipped bit of the journal costs what its block said, and is reported unless it is the last", async () => {
  const hit = new Set<number>();
  for (const name of names.filter((one) => /^journal-\d/.test(one))) {
    const isNewest = name === names.findLast((one) => /^journal-\d/.test(one));
    await flipEach(name, isNewest ? 1 : 5, (found, at) => {
      assert.equal(found.refusal, undefined);
      const wrong = [...lost(found), ...cameBack(found)];
      assert.ok(wrong.length <= 1, `${wrong.join()} are lost or back: ${name} at ${at}`);
      for (const number of wrong) hit.add(number);
      const isLast = wrong[0] === 107;
      if (wrong.length > 0 && !isLast)
        assert.ok(found.reports > 0, `${wrong.join()} is lost or back without a word: ${name} at ${at}`);
    });
  }
  assert.deepEqual(ordered([...hit]), ordered([6, 7, 106, 107, ...settledLate]));
});

test("a journal that ends at any byte of its last blocks has all blocks before", async () => {
  const name = names.findLast((one) => /^journal-\d/.test(one))!;
  const whole = disk.bytesOf(name);
  const end = Math.ceil(whole.findLastIndex((byte) => byte !== 0) / blockBytes) * blockBytes;
  const order = [6, 106, 7, 107];
  for (let cut = end; cut > end - 2 * blockBytes; cut -= cut % blockBytes > 400 ? 200 : 1) {
    const damaged = disk.clone();
    damaged.plant(name, Buffer.from(whole.subarray(0, cut)));
    const found = await lookAt(damaged);
    const blocksLeft = Math.floor(cut / blockBytes) - (end / blockBytes - 2);
    const kept = order.slice(0, 2 + blocksLeft);
    for (const number of kept) assert.ok(found.numbers.includes(number), `${number} is lost by a cut at ${cut}`);
    assert.equal(found.reports, 0);
    assert.deepEqual(cameBack(found), []);
  }
});
