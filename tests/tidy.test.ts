import { test } from "node:test";
import * as check from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { checkTree, showRefusal } from "./tidy/check-tree.ts";
import { readTree } from "./tidy/tree.ts";

test("the tree keeps the rules of the house", () => {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const files = readTree(root, ["src", "tests", "sim", "bench", "torture"], [".ts"]);
  check.ok(files.size > 10, "the tree was found");
  const document = `${root}docs/ARCHITECTURE.md`;
  const refusals = checkTree(files, existsSync(document) ? readFileSync(document, "utf8") : undefined);
  check.equal(refusals.map(showRefusal).join("\n"), "");
});

/** What the rules say of a small tree, without its reasons. */
function said(files: Record<string, string>, architecture = ""): string[] {
  return checkTree(new Map(Object.entries(files)), architecture).map((refusal) => {
    check.ok(refusal.why.length > 20, `${refusal.what} gives a reason`);
    return `${refusal.path}${refusal.line === undefined ? "" : `:${refusal.line}`} ${refusal.what}`;
  });
}

test("imports go down or stay in the folder", () => {
  const files = {
    "src/base/clock.ts": "export const clock = 1;",
    "src/broker/api.ts":
      'import { clock } from "../base/clock.ts"; import "./topic/partition.ts"; export const api = clock;',
    "src/broker/topic/partition.ts": "export const partition = 1;",
    "src/protocols/adapter.ts": "export interface Adapter { name: string }",
    "src/protocols/amqp091/index.ts":
      'import { api } from "../../broker/api.ts"; import type { Adapter } from "../adapter.ts"; export const a: Adapter = { name: String(api) };',
    "src/start-broker.ts": 'import "./broker/topic/partition.ts"; import "./protocols/amqp091/index.ts";',
  };
  check.deepEqual(said(files), []);
});

test("an import that climbs, crosses, or leaves the shipped tree is refused, also when it is of a type or late", () => {
  check.deepEqual(
    said({
      "src/base/a.ts": 'import type { B } from "../broker/api.ts"; export const a: B = 1;',
      "src/wire/a.ts": 'export const late = () => import("../log/log.ts");',
      "src/broker/a.ts": 'import "../auth/users.ts";',
      "src/cli/a.ts": 'import "../start-broker.ts";',
      "src/server/a.ts": 'import "../../tests/kit.ts";',
      "src/server/a.test.ts": 'import "../../tests/kit.ts";',
      "src/protocols/nats/index.ts": 'export { frames } from "../redis/frames.ts"; export const nats = 1;',
      "src/elsewhere/a.ts": "export const a = 1;",
    }),
    [
      "src/base/a.ts:1 imports src/broker/api.ts",
      "src/wire/a.ts:1 imports src/log/log.ts",
      "src/broker/a.ts:1 imports src/auth/users.ts",
      "src/cli/a.ts:1 imports src/start-broker.ts",
      "src/server/a.ts:1 imports tests/kit.ts",
      "src/protocols/nats/index.ts:1 imports src/protocols/redis/frames.ts",
      "src/elsewhere/a.ts stands in no folder of the plan",
    ],
  );
});

test("broker and log are entered by their doors; main and tests go everywhere", () => {
  const inside = "src/broker/topic/partition.ts";
  check.deepEqual(
    said({
      "src/server/a.ts": 'import "../broker/topic/partition.ts"; import "../broker/api.ts";',
      "src/broker/a.ts": 'import "../log/file/journal.ts"; import "../log/log.ts"; import "./topic/partition.ts";',
      "src/server/a.test.ts": 'import "../broker/topic/partition.ts";',
      "sim/world.ts": 'import "../src/broker/topic/partition.ts";',
      "src/main.ts": 'import "./broker/topic/partition.ts";',
      [inside]: "export const partition = 1;",
    }),
    ["src/server/a.ts:1 imports src/broker/topic/partition.ts", "src/broker/a.ts:1 imports src/log/file/journal.ts"],
  );
});

test("packages and the reaching parts of Node stand on a list with their places", () => {
  check.deepEqual(
    said({
      "src/broker/a.ts":
        'import "node:fs"; import "node:net"; import "node:zlib"; import type { Socket } from "node:net";',
      "src/log/file/a.ts": 'import * as fs from "node:fs";',
      "src/server/a.ts": 'import * as net from "node:net"; import "node:timers/promises";',
      "src/cli/a.ts": 'import { Command } from "commander";',
      "src/config/a.ts": 'const load = () => import("yaml");',
      "src/wire/a.ts": 'import "yaml"; import "@scope/left-pad/deep.js"; import "fast-check";',
      "src/wire/a.test.ts": 'import "fast-check";',
    }),
    [
      "src/broker/a.ts:1 imports node:fs",
      "src/broker/a.ts:1 imports node:net",
      "src/server/a.ts:1 imports node:timers/promises",
      "src/wire/a.ts:1 imports yaml",
      "src/wire/a.ts:1 imports @scope/left-pad/deep.js",
      "src/wire/a.ts:1 imports fast-check",
    ],
  );
});

test("a circle is refused, once, with its way; a late import closes none, nor does a type's", () => {
  const found = said({
    "src/wire/a.ts": 'import "./b.ts";',
    "src/wire/b.ts": 'import "./c.ts";',
    "src/wire/c.ts": 'import { a } from "./a.ts"; export const c = a;',
    "src/log/a.ts": 'import "./b.ts";',
    "src/log/b.ts": 'import type { A } from "./a.ts"; export const late = (a: A) => import("./a.ts");',
  });
  check.deepEqual(found, [
    "src/wire/c.ts:1 closes a circle: src/wire/a.ts → src/wire/b.ts → src/wire/c.ts → src/wire/a.ts",
  ]);
});

test("clock, timers, chance and environment are refused outside base, config, main and tests", () => {
  const reaching =
    "export const a = [Date.now(), new Date(), setTimeout(f, 1), Math.random(), process.env.HOME, globalThis.setImmediate(f)];\nexport const now = Date.now;";
  check.deepEqual(
    said({
      "src/broker/a.ts": reaching,
      "src/base/a.ts": reaching,
      "src/config/a.ts": reaching,
      "src/main.ts": reaching,
      "src/broker/a.test.ts": reaching,
      "src/broker/fine.ts":
        "export const b = (clock: C) => [clock.now(), new Date(clock.now()), clock.setTimer(1, f), process.pid];",
    }),
    ["Date.now", "new Date()", "setTimeout", "Math.random", "process.env", "setImmediate"]
      .map((name) => `src/broker/a.ts:1 uses ${name}`)
      .concat("src/broker/a.ts:2 uses Date.now"),
  );
});

test("default exports, barrels, inheritance, decorators and emitters in the core are refused", () => {
  check.deepEqual(
    said({
      "src/broker/a.ts": "export default 1;",
      "src/broker/b.ts": 'export * from "./c.ts"; export const b = 1;',
      "src/broker/barrel.ts":
        'import type { X } from "./x.ts";\nexport { c } from "./c.ts"; export type { X } from "./x.ts";',
      "src/broker/c.ts": "export class C extends Map {}\nexport class D extends RangeError {}\nclass E {}",
      "src/broker/d.ts": 'import { EventEmitter } from "node:events";',
      "src/broker/e.ts": "@sealed class E {}",
      "src/start-broker.ts": 'export type { X } from "./broker/x.ts"; export const startBroker = 1;',
    }),
    [
      "src/broker/a.ts:1 has a default export",
      "src/broker/b.ts:1 exports all of another file",
      "src/broker/barrel.ts:1 only passes on what others export",
      "src/broker/c.ts:1 extends Map",
      "src/broker/d.ts:1 imports node:events",
      "src/broker/e.ts:1 has a decorator",
    ],
  );
});

test("names that say nothing are refused, and names that hold such a word are not", () => {
  check.deepEqual(
    said({
      "src/wire/bufferUtils.ts": "export const a = 1;",
      "src/wire/string-utils.ts": "export const a = 1;",
      "src/wire/info.ts": "export const a = 1;",
      "src/wire/a.ts":
        "export class QueueManager {}\nexport interface Item { a: 1 }\nexport function dataDirectory() {}\nexport const b = 1, helpers = 2;\nconst data = 1;",
    }),
    [
      "src/wire/bufferUtils.ts is not in kebab-case",
      "src/wire/string-utils.ts is called string-utils",
      "src/wire/info.ts is called info",
      "src/wire/a.ts:1 exports QueueManager",
      "src/wire/a.ts:2 exports Item",
      "src/wire/a.ts:4 exports helpers",
    ],
  );
});

test("a protocol's words stay in its folder; comments may compare", () => {
  const speaking = '// as AMQP has it\nexport const amqpChannel = `kafka ${1}`;\nexport const name = "RabbitMQ";';
  check.deepEqual(
    said({ "src/broker/a.ts": speaking, "src/protocols/amqp091/a.ts": speaking, "src/broker/a.test.ts": speaking }),
    ["src/broker/a.ts:2 says amqp", "src/broker/a.ts:2 says kafka", "src/broker/a.ts:3 says Rabbit"],
  );
});

test("promises in comments are refused", () => {
  check.deepEqual(said({ "src/wire/a.ts": "export const a = 1; // TODO later\n/* todo lists are fine */" }), [
    "src/wire/a.ts:1 says TODO later",
  ]);
});

test("what the architecture names exists", () => {
  const files = {
    "src/wire/input.ts": "export class Input { readU8() {} #refill() {} }\nexport function open() {}",
    "src/wire/output.ts": "export const flush = () => {};",
  };
  const document = [
    "Bytes come in at `src/wire/input.ts`, `Input.readU8()`, `#refill()`, `open()`.",
    "They go out at `src/wire/output.ts` by `flush()`, and `open()` is not there.",
    "`open()` alone is looked for everywhere; `nowhere()` is not found; `src/wire/gone.ts` neither.",
    "Plain words like `journal` and `a b()` are not looked at.",
  ].join("\n");
  check.deepEqual(said(files, document), [
    "docs/ARCHITECTURE.md:2 names open(), which is not declared in src/wire/output.ts",
    "docs/ARCHITECTURE.md:3 names src/wire/gone.ts, which does not exist",
    "docs/ARCHITECTURE.md:3 names nowhere(), which is not declared in any file",
  ]);
  check.deepEqual(
    checkTree(new Map(), undefined).map(({ path, what }) => `${path} ${what}`),
    ["docs/ARCHITECTURE.md is missing"],
  );
});
