/** The tables of configs in docs/kafka.md are the ones that clients are shown. */

import { test } from "node:test";
import { topicConfigs } from "../../src/protocols/kafka/topics/topic-configs.ts";
import { dynamicConfigs } from "../../src/protocols/kafka/topics/dynamic-configs.ts";
import { holdPart } from "./written-part.ts";

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
