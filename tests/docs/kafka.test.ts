/** The tables of configs in docs/kafka.md are the ones that clients are shown, and its commands do what it says. */

import { test } from "node:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { topicConfigs } from "../../src/protocols/kafka/topics/topic-configs.ts";
import { dynamicConfigs } from "../../src/protocols/kafka/topics/dynamic-configs.ts";
import { stepsOf } from "./steps.ts";
import { has, openNamespace, treesEntrepot, Walk } from "./walk.ts";
import { holdPart } from "./written-part.ts";

test("docs/kafka.md: the commands do what they should", { timeout: 60_000 }, async (context) => {
  if (!has("kcat", "-V")) return context.skip("there is no kcat");
  const namespace = await openNamespace();
  if (namespace === undefined) return context.skip("no network namespace can be made here (unshare -n)");
  const folder = mkdtempSync(join(tmpdir(), "entrepot-kafka-page-"));
  const walk = new Walk(join(folder, "work"), namespace, [treesEntrepot(folder), dirname(process.execPath)]);
  context.after(async () => {
    await walk.end();
    namespace.close();
    rmSync(folder, { recursive: true });
  });
  for (const step of stepsOf("docs/kafka.md")) await walk.take(step);
});

test("docs/kafka.md lists every config of topics", () => {
  const lines = ["| config | default | what it does here |", "| --- | --- | --- |"];
  for (const { name, default: plain, documentation, isInternal } of topicConfigs) {
    if (isInternal !== true) lines.push(`| \`${name}\` | ${plain === "" ? "" : `\`${plain}\``} | ${documentation} |`);
  }
  holdPart("docs/kafka.md", "configs", "src/protocols/kafka/topics/topic-configs.ts", `${lines.join("\n")}\n`);
});

test("docs/kafka.md lists every config of the broker that can be set", () => {
  const lines = ["| config | default | of | what it does here |", "| --- | --- | --- | --- |"];
  for (const { name, default: plain, isPerNode, documentation } of dynamicConfigs) {
    const level = isPerNode === true ? "a node" : name === "min.insync.replicas" ? "all nodes" : "both";
    lines.push(`| \`${name}\` | ${plain === null ? "" : `\`${plain}\``} | ${level} | ${documentation} |`);
  }
  const source = "src/protocols/kafka/topics/dynamic-configs.ts";
  holdPart("docs/kafka.md", "broker configs", source, `${lines.join("\n")}\n`);
});
