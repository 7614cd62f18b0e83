/** What docs/alerts.md shows is accepted, and what it lists is what there is. */

import { test } from "node:test";
import * as check from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brokerMetrics, queueMetrics, readAlerts } from "../../src/alerts/rules.ts";
import { settingsFor } from "../../src/config/settings.ts";

const page = readFileSync(new URL("../../docs/alerts.md", import.meta.url), "utf8");

test("the rules that docs/alerts.md shows are accepted from a file", async (context) => {
  const directory = mkdtempSync(join(tmpdir(), "entrepot-docs-"));
  context.after(() => rmSync(directory, { recursive: true }));
  const config = join(directory, "entrepot.yaml");
  writeFileSync(config, /^```yaml\n([\s\S]*?)^```$/m.exec(page)![1]!);
  const { values, shown } = await settingsFor({ config });
  const read = readAlerts(values.alerts);
  check.ok("rules" in read, String(read));
  check.deepEqual(
    read.rules.map(({ name, threshold, clear, forMs }) => [name, threshold, clear, forMs]),
    [
      ["orders pile up", 10_000, 8000, 120_000],
      ["nobody takes orders", 1, 1, 60_000],
      ["memory", 4 * 1024 ** 3, 4 * 1024 ** 3, 0],
    ],
  );
  check.ok(!JSON.stringify(shown).includes("Bearer"), "secrets are not shown");
});

test("docs/alerts.md names every metric", () => {
  for (const metric of [...queueMetrics, ...brokerMetrics]) check.ok(page.includes(`\`${metric}\``), metric);
});
