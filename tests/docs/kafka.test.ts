/** The table of configs in docs/kafka.md is the one that clients are shown. */

import { test } from "node:test";
import { topicConfigs } from "../../src/protocols/kafka/topics/topic-configs.ts";
import { holdPart } from "./written-part.ts";

test("docs/kafka.md lists every config of topics", () => {
  const lines = ["| config | default | what it does here |", "| --- | --- | --- |"];
  for (const { name, default: plain, documentation, isInternal } of topicConfigs) {
    if (isInternal !== true) lines.push(`| \`${name}\` | ${plain === "" ? "" : `\`${plain}\``} | ${documentation} |`);
  }
  holdPart("docs/kafka.md", "configs", "src/protocols/kafka/topics/topic-configs.ts", `${lines.join("\n")}\n`);
});
