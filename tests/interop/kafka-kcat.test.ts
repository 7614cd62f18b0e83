/** kcat, as it is used in a shell: every line is a message. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { spawnBroker } from "./broker.ts";
import { prepared, programLimitMs, run } from "./client-suite.ts";

test("kcat produces, consumes, commits and lists", { timeout: 2 * programLimitMs }, async (t) => {
  const program = await prepared("kcat", async () =>
    (await run("kcat", ["-V"])).status === 0
      ? { command: "kcat", args: [] }
      : { missing: "there is no kcat on this machine (apt-get install kcat)" },
  );
  if ("missing" in program) return t.skip(program.missing);
  const given = process.env["ENTREPOT_KAFKA"];
  const broker = given === undefined ? await spawnBroker({ listen: { kafka: "127.0.0.1:0" } }) : undefined;
  const address = given ?? broker!.addresses["kafka"]!;
  const folder = mkdtempSync(join(tmpdir(), "entrepot-kcat-"));
  t.after(async () => {
    rmSync(folder, { recursive: true });
    await broker?.kill("SIGKILL");
  });
  const prefix = `interop.kcat.${process.pid}.`;
  const kcat = async (...args: string[]): Promise<string> => {
    const { status, output, errors } = await run("kcat", ["-b", address, ...args]);
    assert.equal(status, 0, errors);
    return output;
  };
  const lines = (first: number, count: number): string =>
    Array.from({ length: count }, (_, index) => `k${(first + index) % 3}:${first + index}\n`).join("");
  const produce = async (topic: string, text: string, ...args: string[]): Promise<void> => {
    const file = join(folder, "lines");
    writeFileSync(file, text);
    await kcat("-P", "-t", topic, "-K", ":", "-p", "0", "-l", ...args, file);
  };

  await t.test("records", async () => {
    const topic = `${prefix}records`;
    await produce(topic, lines(0, 50), "-H", "name=value");
    const format = "%T %p %o %k:%s %h\n";
    const received = (await kcat("-C", "-t", topic, "-e", "-q", "-o", "beginning", "-f", format)).trim().split("\n");
    assert.equal(received.length, 50);
    for (const [index, line] of received.entries())
      assert.match(line, new RegExp(`^1\\d{12} 0 ${index} k${index % 3}:${index} name=value$`));
  });

  await t.test("compression", async () => {
    const topic = `${prefix}compression`;
    for (const [index, kind] of ["none", "gzip", "snappy", "lz4", "zstd"].entries())
      await produce(topic, lines(index * 50, 50), "-z", kind);
    const received = await kcat("-C", "-t", topic, "-e", "-q", "-o", "beginning", "-f", "%k:%s\n");
    assert.equal(received, lines(0, 250));
  });

  await t.test("group", async () => {
    const topic = `${prefix}group`;
    await produce(topic, lines(0, 20));
    const read = (count: number): Promise<string> =>
      kcat("-q", "-c", String(count), "-f", "%k:%s\n", "-X", "auto.offset.reset=earliest", "-G", `${prefix}g`, topic);
    assert.equal(await read(12), lines(0, 12));
    assert.equal(await read(8), lines(12, 8));
  });

  await t.test("transactions", async () => {
    const topic = `${prefix}transactions`;
    await produce(topic, lines(0, 30), "-X", `transactional.id=${prefix}id`);
    const committed = ["-X", "isolation.level=read_committed"];
    const received = await kcat("-C", "-t", topic, "-e", "-q", "-o", "beginning", "-f", "%k:%s\n", ...committed);
    assert.equal(received, lines(0, 30));
  });

  await t.test("times and names", async () => {
    const topic = `${prefix}times`;
    await produce(topic, lines(0, 5));
    assert.match(await kcat("-Q", "-t", `${topic}:0:-1`), /offset 5/);
    assert.match(await kcat("-Q", "-t", `${topic}:0:1`), /offset 0/);
    const listed = await kcat("-L", "-J");
    const { topics } = JSON.parse(listed) as { topics: { topic: string }[] };
    assert.ok(topics.some((each) => each.topic === topic));
  });
});
