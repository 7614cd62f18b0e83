import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { crc32cByTable } from "../../base/crc32c.ts";
import { allocateAligned, isAligned } from "./aligned-memory.ts";

const isLinux = process.platform === "linux";

test("memory begins at a page, holds zeros, and nobody else's", { skip: !isLinux }, () => {
  const lengths = [1, 4096, 65_536, 1 << 20, 9 << 20, 100, 40 << 20, 5 << 20, 6 << 20, 7 << 20];
  const buffers = lengths.map((length) => allocateAligned(length)!);
  for (const [index, buffer] of buffers.entries()) {
    assert.equal(buffer.length, lengths[index]);
    assert.ok(isAligned(buffer, 0, 4096));
    assert.ok(!isAligned(buffer, 512, 4096));
    assert.ok(buffer.every((byte) => byte === 0));
    buffer.fill(index + 1);
  }
  for (const [index, buffer] of buffers.entries()) assert.ok(buffer.every((byte) => byte === index + 1));
  assert.ok(!isAligned(Buffer.alloc(8192), 0, 4096));
});

test("there is none of a length that no memory has", () => {
  assert.equal(allocateAligned(2 ** 40), undefined);
});

// Each memory of WebAssembly's takes 8 GB of addresses: below each of these limits there is room for another number of them.
for (const gb of [8, 20, 28, 36])
  test(`a process of ${gb} GB of addresses has none, and computes its checksums`, { skip: !isLinux }, () => {
    const at = (name: string): string => pathToFileURL(`${import.meta.dirname}/${name}`).href;
    const program = `
      import { allocateAligned } from "${at("aligned-memory.ts")}";
      import { crc32c } from "${at("../../base/crc32c.ts")}";
      const found = Array.from({ length: 20 }, () => allocateAligned(16 << 20));
      console.log(found.every((each) => each === undefined), crc32c(Buffer.from("123456789".repeat(1000)), 0, 9000) >>> 0);`;
    const command = `ulimit -v ${gb * 1024 * 1024}; exec "$0" --input-type=module --eval "$1"`;
    const printed = execFileSync("sh", ["-c", command, process.execPath, program], { encoding: "utf8" });
    const expected = crc32cByTable(Buffer.from("123456789".repeat(1000)), 0, 9000) >>> 0;
    assert.equal(printed, `true ${expected}\n`);
  });
