import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readTar } from "./tar.ts";

function header(name: string, bytes: number, kind = "0"): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write(`${bytes.toString(8).padStart(11, "0")}\0`, 124);
  block.write(`        ${kind}`, 148);
  const sum = block.reduce((all, byte) => all + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

function archive(files: Readonly<Record<string, Buffer>>): Buffer {
  const parts = Object.entries(files).flatMap(([name, content]) => [
    header(name, content.length),
    content,
    Buffer.alloc((512 - (content.length % 512)) % 512),
  ]);
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

/** What it holds, read in chunks of so many bytes. */
async function read(bytes: Buffer, chunkBytes: number): Promise<Record<string, Buffer>> {
  const files: Record<string, Buffer> = {};
  let name = "";
  const chunks = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, at) =>
    bytes.subarray(at * chunkBytes, (at + 1) * chunkBytes),
  );
  async function* source(): AsyncGenerator<Buffer> {
    yield* chunks;
  }
  await readTar(source(), {
    file: async (each) => void (files[(name = each)] = Buffer.alloc(0)),
    write: async (piece) => void (files[name] = Buffer.concat([files[name]!, piece])),
    end: async () => undefined,
  });
  return files;
}

test("files come out as they went in, however the archive is cut into chunks", async () => {
  const files = fc.dictionary(fc.stringMatching(/^[a-z][\w.-]{0,20}$/), fc.uint8Array({ maxLength: 1500 }));
  await fc.assert(
    fc.asyncProperty(files, fc.integer({ min: 1, max: 2000 }), async (given, chunkBytes) => {
      const wanted = Object.fromEntries(Object.entries(given).map(([name, bytes]) => [name, Buffer.from(bytes)]));
      assert.deepEqual(await read(archive(wanted), chunkBytes), wanted);
    }),
    { numRuns: 50 },
  );
});

test("an archive that ends anywhere before its end is refused", async () => {
  const whole = archive({ a: Buffer.alloc(700, 1), b: Buffer.alloc(0) });
  for (let length = 0; length < whole.length; length += 128) {
    await assert.rejects(read(whole.subarray(0, length), 100), /not whole/);
  }
});

test("names that lead out of the directory, links, and damage are refused", async () => {
  for (const name of ["../journal", "/etc/passwd", "..", "a/b", ""]) {
    await assert.rejects(read(Buffer.concat([header(name, 0), Buffer.alloc(1024)]), 512), /no file of a backup/);
  }
  await assert.rejects(read(Buffer.concat([header("link", 0, "2"), Buffer.alloc(1024)]), 512), /no file of a backup/);
  const damaged = archive({ a: Buffer.from("x") });
  damaged[3] = 0xff;
  await assert.rejects(read(damaged, 512), /no tar archive/);
});
