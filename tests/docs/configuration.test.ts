/** docs/configuration.md says what src/config/options.ts says. */

import { test } from "node:test";
import * as check from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { optionKeys, options, variableOf } from "../../src/config/options.ts";
import { readYamlFile } from "../../src/config/yaml-file.ts";
import { holdPart } from "./written-part.ts";

const page = fileURLToPath(new URL("../../docs/configuration.md", import.meta.url));

function described(): string {
  const sections = optionKeys.map((key) => {
    const { kind, default: standard, prose } = options[key];
    return `### \`${key}\`\n\n${prose}\n\nAccepts ${kind.expects}. Default: ${standard === "" ? "nothing" : `\`${standard}\``}. In the environment: \`${variableOf(key)}\`.\n`;
  });
  return `\n${sections.join("\n")}\n`;
}

test("docs/configuration.md describes every option as the table has it", () => {
  holdPart("docs/configuration.md", "options", "src/config/options.ts", described());
});

test("the configuration file that docs/configuration.md shows is accepted, and names options that exist", async (context) => {
  const [, shown] = /^```yaml\n([\s\S]*?)^```$/m.exec(readFileSync(page, "utf8"))!;
  const directory = mkdtempSync(join(tmpdir(), "entrepot-docs-"));
  context.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "entrepot.yaml");
  writeFileSync(file, shown!);
  const given = await readYamlFile(file);
  check.ok(given.length >= 3);
  for (const { key, text } of given) {
    const option = options[key as keyof typeof options];
    check.ok(option !== undefined && option.kind.read(text) !== undefined, `${key}: ${text}`);
  }
});
