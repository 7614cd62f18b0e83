/**
 * What the documentation shows is run: each `js` block of the pages named here, in order, against a broker of its own,
 * and what it prints must be what its comments say.
 *
 * A block of docs/ has `channel` (amqplib's, with confirms), `connection` and `broker` (with a virtual clock, so that
 * `await broker.advance("15m")` is a quarter of an hour behind all that was sent) at hand. `console.log(x); // → text` prints `text`; an example
 * whose line ends in nothing prints what it likes. README's example is a whole program and is run as one.
 */

import { test } from "node:test";
import * as check from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { runInThisContext } from "node:vm";
import { connect } from "amqplib";
import { startBroker } from "../../src/start-broker.ts";

const root = new URL("../..", import.meta.url);

interface Example {
  readonly heading: string;
  readonly code: string;
}

/** The `js` blocks of a page, each with the heading that it stands under. */
function examplesOf(page: string): Example[] {
  const source = readFileSync(new URL(page, root), "utf8");
  const found: Example[] = [];
  let heading = "";
  for (const match of source.matchAll(/^#+ (.+)$|^```js\n([\s\S]*?)^```$/gm)) {
    if (match[1] !== undefined) heading = match[1];
    else found.push({ heading, code: match[2]! });
  }
  return found;
}

/** What the comments of an example say that it prints. */
function promised(code: string): string[] {
  return [...code.matchAll(/\/\/ → (.*)$/gm)].map((match) => match[1]!.trim());
}

async function run(code: string): Promise<string[]> {
  const printed: string[] = [];
  const log = (...parts: unknown[]): void => void printed.push(parts.map(String).join(" "));
  const broker = await startBroker({ memory: true, listen: { amqp: 0 }, clock: "virtual" });
  const undo = [() => broker.stop()];
  try {
    const connection = await connect(`amqp://127.0.0.1:${broker.ports["amqp"]}`);
    undo.unshift(() => connection.close());
    const channel = await connection.createConfirmChannel();
    // Async functions of the documentation's own: it is our text that is compiled here.
    const advance = async (duration: string): Promise<void> => {
      // A channel that opens and closes: whatever the example has sent before is with the broker then.
      await (await connection.createChannel()).close();
      await broker.advance(duration);
    };
    const example = runInThisContext(`(async ({ channel, connection, broker, console }) => {\n${code}\n})`) as (
      given: unknown,
    ) => Promise<void>;
    await example({ channel, connection, broker: { advance, redrive: broker.redrive }, console: { log } });
  } finally {
    for (const step of undo) await step().catch(() => undefined);
  }
  return printed;
}

for (const page of ["docs/queues.md"]) {
  for (const { heading, code } of examplesOf(page)) {
    test(`${page}, ${heading}: the example prints what it says`, { timeout: 20_000 }, async () => {
      check.deepEqual(await run(code), promised(code));
    });
  }
}

test("README.md: the example prints what it says", { timeout: 20_000 }, async () => {
  const [example] = examplesOf("README.md");
  check.ok(example !== undefined, "README.md has an example");
  const broker = await startBroker({ memory: true, listen: { amqp: 0 } });
  try {
    const code = example.code.replace("amqp://localhost", `amqp://127.0.0.1:${broker.ports["amqp"]}`);
    check.notEqual(code, example.code);
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
      cwd: fileURLToPath(root),
      stdio: ["ignore", "pipe", "inherit"],
    });
    let printed = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
    const [status] = (await once(child, "exit")) as [number | null];
    check.equal(status, 0);
    check.deepEqual(printed.trimEnd().split("\n"), promised(example.code));
  } finally {
    await broker.stop();
  }
});
