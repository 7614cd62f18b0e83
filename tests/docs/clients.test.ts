/** The programs of docs/clients.md are built and run as the page says, against the broker of that page on the standard ports. */

import { test } from "node:test";
import { mkdtempSync, rmSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { prepared, type Program } from "../interop/client-suite.ts";
import { stepsOf } from "./steps.ts";
import { openNamespace, treesEntrepot, Walk, type Namespace } from "./walk.ts";

const steps = stepsOf("docs/clients.md");
const brokerHeading = "A broker with TLS and users";

/** What a language needs on the machine; `.ci/run` installs all of it. */
const languages: readonly { heading: string; needs: readonly (readonly string[])[] }[] = [
  { heading: "Python", needs: [["python3", "-c", "import ensurepip"]] },
  { heading: "Go", needs: [["go", "version"]] },
  {
    heading: "Java",
    needs: [
      ["javac", "-version"],
      ["mvn", "-version"],
    ],
  },
  { heading: "Ruby", needs: [["ruby", "-e", "require 'bunny'"]] },
  {
    heading: "A shell",
    needs: [
      ["kcat", "-V"],
      ["curl", "--version"],
    ],
  },
];

function missing(needs: readonly (readonly string[])[]): Program {
  for (const [command = "", ...args] of needs) {
    if (spawnSync(command, args).status !== 0) return { missing: `there is no ${[command, ...args].join(" ")} here` };
  }
  return { command: "", args: [] };
}

async function walk(heading: string, namespace: Namespace): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "entrepot-clients-"));
  const go = (process.env["PATH"] ?? "").split(delimiter).includes("/usr/local/go/bin") ? [] : ["/usr/local/go/bin"];
  const path = [treesEntrepot(folder), dirname(process.execPath), ...go];
  const here = new Walk(join(folder, "work"), namespace, path);
  try {
    // It listens without TLS as well, and has `guest`: as `entrepot start` begins it.
    for (const step of steps) if (step.heading === brokerHeading || step.heading === heading) await here.take(step);
  } finally {
    await here.end();
    // What Go has fetched is read-only; npm and pip leave nothing of the kind.
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const { heading, needs } of languages) {
  test(
    `docs/clients.md, ${heading}: the programs say hello, also over TLS and with a login`,
    { timeout: 250_000 },
    async (context) => {
      const has = await prepared(`docs-${heading}`, async () => missing(needs));
      if ("missing" in has) return context.skip(has.missing);
      const namespace = await openNamespace();
      if (namespace === undefined) return context.skip("no network namespace can be made here (unshare -n)");
      try {
        await walk(heading, namespace);
      } finally {
        namespace.close();
      }
    },
  );
}
