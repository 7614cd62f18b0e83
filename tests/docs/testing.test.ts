/**
 * docs/testing.md shows files of docs/examples/testing as they are, and those are run: the ones for node:test always, those for
 * Vitest and Jest where these are installed, as CI does, since they are 90 MB that nothing else here needs. TEST_RUNNERS_DIR names
 * a directory with such a node_modules, in which `entrepot` and `amqplib` are too.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { mayBeMissing } from "../may-be-missing.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const examples = join(root, "docs/examples/testing");
const runners = process.env["TEST_RUNNERS_DIR"];

async function run(args: readonly string[], cwd = root): Promise<void> {
  // A test runner within a test runner would report to the outer one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(process.execPath, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (printed += text));
  const [status] = (await once(child, "close")) as [number | null];
  assert.equal(status, 0, printed);
}

test("docs/testing.md shows the examples as they are", () => {
  const page = readFileSync(join(root, "docs/testing.md"), "utf8");
  const blocks = [...page.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map((match) => match[1]);
  const files = readdirSync(examples, { recursive: true, encoding: "utf8" }).filter((path) => /\.m?js$/.test(path));
  assert.deepEqual(new Set(blocks), new Set(files.map((path) => readFileSync(join(examples, path), "utf8"))));
});

test("the examples for node:test pass", { timeout: 120_000 }, async () => {
  const files = readdirSync(examples).filter((path) => path.endsWith(".test.mjs"));
  assert.ok(files.length >= 3);
  const paths = files.map((path) => join(examples, path));
  await run(["--import", new URL("from-source.mjs", import.meta.url).href, "--test", ...paths]);
});

const programs = {
  vitest: ["node_modules/vitest/vitest.mjs", "run", "--dir", "entrepot-vitest"],
  jest: ["--experimental-vm-modules", "node_modules/jest/bin/jest.js", "--rootDir", "entrepot-jest"],
};

for (const [name, args] of Object.entries(programs)) {
  const isThere = runners !== undefined && existsSync(join(runners, "node_modules", name));
  test(`the example for ${name} passes`, { timeout: 120_000 }, async (context) => {
    if (!isThere) return context.skip(mayBeMissing(name, "it is not installed: see the head of this file"));
    const folder = join(runners, `entrepot-${name}`);
    mkdirSync(folder, { recursive: true });
    try {
      copyFileSync(join(examples, name, "orders.test.js"), join(folder, "orders.test.js"));
      await run(args, runners);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}
