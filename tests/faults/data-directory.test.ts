/**
 * What a broker finds when it starts, and says about it: a directory that is in use or cannot be written, a port that is
 * taken, files that rotted or are none of its own. What it cannot do it refuses in one sentence and status 1; what it can
 * do without it reports and goes on.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { spawnBroker, type BrokerProcess } from "../interop/broker.ts";
import { assertNothingLost, drain, Producer } from "./clients.ts";

const queue = "work";
const set = { "journal.fileBytes": "1MiB", "journal.checkpointBytes": "1MiB", "disk.freeBytesMin": "1MiB" };

class Scene {
  readonly dataDir = mkdtempSync(join(tmpdir(), "entrepot-faults-"));
  #broker: BrokerProcess | undefined;

  constructor(t: TestContext) {
    t.after(async () => {
      await this.#broker?.kill("SIGKILL");
      rmSync(this.dataDir, { recursive: true, force: true });
    });
  }

  async start(listen: Readonly<Record<string, string>> = { amqp: "127.0.0.1:0" }): Promise<BrokerProcess> {
    this.#broker = await spawnBroker({ dataDir: this.dataDir, set, listen });
    return this.#broker;
  }

  /** Has so many messages confirmed, one block for each, and kills the broker. */
  async fill(count: number, sizeBytes: number): Promise<Producer> {
    const broker = await this.start();
    const producer = await Producer.open(broker.amqp, { queue, sizeBytes });
    for (let sent = 0; sent < count; sent++) assert.ok(await producer.send());
    await broker.kill("SIGKILL");
    return producer;
  }

  /** The files of a kind, oldest first. */
  files(pattern: RegExp): string[] {
    return readdirSync(this.dataDir)
      .filter((name) => pattern.test(name))
      .sort();
  }

  flip(name: string, position: number): void {
    const fd = openSync(join(this.dataDir, name), "r+");
    const byte = Buffer.alloc(1);
    readSync(fd, byte, 0, 1, position);
    byte[0]! ^= 0x10;
    writeSync(fd, byte, 0, 1, position);
    closeSync(fd);
  }

  size(name: string): number {
    return statSync(join(this.dataDir, name)).size;
  }
}

const checkpoint = /^checkpoint-\d+\.ckpt$/;
const journal = /^journal-\d.*\.log$/;
const segment = /^segment-/;

/** What a start that is refused said, of which the last line is for its user. */
async function refusal(start: Promise<unknown>): Promise<string> {
  const outcome = await start.then(
    () => assert.fail("the broker started"),
    (error: Error) => error.message,
  );
  assert.match(outcome, /it ended with 1\n/);
  assert.doesNotMatch(outcome, /\n {4}at /, "a stack says nothing to who runs a broker");
  return outcome;
}

test("two brokers on one directory: the second is refused, and the first undisturbed", async (t) => {
  const scene = new Scene(t);
  const first = await scene.start();
  const second = spawnBroker({ dataDir: scene.dataDir, set });
  const sentence = await refusal(second);
  assert.match(sentence, new RegExp(`The data directory ${scene.dataDir} is in use by process ${first.pid} `));
  const producer = await Producer.open(first.amqp, { queue, sizeBytes: 100 });
  await producer.sendAll(10);
  assert.equal(await first.kill("SIGTERM"), 0);
});

test("a directory that cannot be written is named", async (t) => {
  const scene = new Scene(t);
  const file = join(scene.dataDir, "file");
  writeFileSync(file, "");
  assert.match(await refusal(spawnBroker({ dataDir: file, set })), /EEXIST.*file/);
  const locked = join(scene.dataDir, "locked");
  mkdirSync(locked, { mode: 0o555 });
  if (process.getuid?.() === 0)
    return t.diagnostic("root may write everywhere: the directory without permission is left out");
  assert.match(await refusal(spawnBroker({ dataDir: locked, set })), /EACCES.*locked/);
});

test("a port that is taken is named, and the directory is free again", async (t) => {
  const other = await spawnBroker();
  t.after(() => other.kill("SIGKILL"));
  const scene = new Scene(t);
  assert.match(await refusal(scene.start({ amqp: other.amqp })), new RegExp(`EADDRINUSE.*${other.amqp}`));
  const broker = await scene.start();
  assert.equal(await broker.kill("SIGTERM"), 0);
});

test("files that are not the broker's are left alone", async (t) => {
  const scene = new Scene(t);
  const names = ["notes.txt", "journal-x.log", "checkpoint-1.bak", "segment-backup"];
  for (const name of names) writeFileSync(join(scene.dataDir, name), name);
  const producer = await scene.fill(10, 100);
  const broker = await scene.start();
  assertNothingLost(producer.confirmed, (await drain(broker.amqp, queue)).redeliveredByNumber);
  assert.equal(await broker.kill("SIGTERM"), 0);
  for (const name of names) assert.equal(scene.size(name), name.length);
});

test("a checkpoint that rotted is reported, and the one before it serves", async (t) => {
  const scene = new Scene(t);
  const producer = await scene.fill(600, 8000);
  const [, newest] = scene.files(checkpoint);
  assert.ok(newest !== undefined, `two checkpoints: ${readdirSync(scene.dataDir).join(" ")}`);
  scene.flip(newest, Math.floor(scene.size(newest) / 2));
  const broker = await scene.start();
  assert.match(broker.log(), new RegExp(`damaged.*${newest}`));
  assertNothingLost(producer.confirmed, (await drain(broker.amqp, queue)).redeliveredByNumber);
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());
});

test("with no checkpoint that can be read the broker refuses to start, and removes nothing", async (t) => {
  const scene = new Scene(t);
  await scene.fill(600, 8000);
  for (const name of scene.files(checkpoint)) scene.flip(name, 40);
  const before = scene.files(segment);
  const sentence = await refusal(scene.start());
  assert.match(sentence, /checkpoint-\d+\.ckpt/);
  assert.deepEqual(scene.files(segment), before);
});

test("a directory from which somebody took what the rest depends on is refused or reported, and nothing of it is removed", async (t) => {
  const scene = new Scene(t);
  await scene.fill(40, 100_000);
  const take = (pattern: RegExp): void => {
    for (const name of scene.files(pattern)) rmSync(join(scene.dataDir, name));
  };
  const kept = mkdtempSync(join(tmpdir(), "entrepot-kept-"));
  t.after(() => rmSync(kept, { recursive: true }));
  assert.ok(scene.files(checkpoint).length > 0 && scene.files(segment).length > 0);
  const copy = (from: string, to: string): void => {
    for (const name of readdirSync(from)) if (!name.startsWith("lock")) copyFileSync(join(from, name), join(to, name));
  };
  copy(scene.dataDir, kept);

  take(checkpoint);
  const segments = scene.files(segment);
  assert.match(await refusal(scene.start()), /there is no checkpoint, and the journal begins at block \d+/);
  take(/^journal-/);
  assert.match(await refusal(scene.start()), /there are segments, such as \d+, but neither a checkpoint nor a journal/);
  assert.deepEqual(scene.files(segment), segments);

  copy(kept, scene.dataDir);
  take(/^journal-/);
  const broker = await scene.start();
  assert.match(broker.log(), /there is no journal: what came behind block \d+ is missing/);
  await broker.kill("SIGKILL");
});

test("a block of the journal that rotted is reported, and costs no more than itself", async (t) => {
  const scene = new Scene(t);
  const producer = await scene.fill(60, 1000);
  const [name] = scene.files(journal);
  assert.ok(name !== undefined);
  scene.flip(name, 30 * 4096 + 500);
  let broker = await scene.start();
  assert.match(broker.log(), new RegExp(`damaged.*${name}`));
  const first = await drain(broker.amqp, queue);
  assert.equal(first.redeliveredByNumber.size, producer.confirmed.size - 1);
  // Appending goes on behind the damage, and a restart finds what was done since.
  const second = await Producer.open(broker.amqp, { queue, sizeBytes: 1000, after: producer });
  assert.ok(await second.send());
  await broker.kill("SIGKILL");
  broker = await scene.start();
  assert.deepEqual([...(await drain(broker.amqp, queue)).redeliveredByNumber.keys()], [60]);
});

test("a journal that somebody cut short loses its end and nothing else", async (t) => {
  const scene = new Scene(t);
  await scene.fill(60, 1000);
  const [name] = scene.files(journal);
  assert.ok(name !== undefined);
  const cut = spawnSync("truncate", ["-s", String(30 * 4096 + 100), join(scene.dataDir, name)]);
  assert.equal(cut.status, 0);
  const broker = await scene.start();
  const found = [...(await drain(broker.amqp, queue)).redeliveredByNumber.keys()];
  assert.ok(found.length >= 20 && found.length < 60);
  assert.deepEqual(found, [...found.keys()]);
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());
});

test("a segment that is missing is reported, and the messages elsewhere are there", async (t) => {
  const scene = new Scene(t);
  const producer = await scene.fill(600, 8000);
  const [name] = scene.files(segment);
  assert.ok(name !== undefined);
  rmSync(join(scene.dataDir, name));
  const broker = await scene.start();
  assert.match(broker.log(), new RegExp(`damaged.*${name}`));
  const found = (await drain(broker.amqp, queue)).redeliveredByNumber.size;
  assert.ok(found > 100 && found < producer.confirmed.size, `${found} found`);
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());
});
