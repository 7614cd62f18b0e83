import { join } from "node:path";
import { cacheFolder, run } from "./client-suite.ts";
import { kafkaSuite } from "./kafka-patterns.ts";

const source = new URL("./kafka-go", import.meta.url);

kafkaSuite(
  "franz-go",
  async () => {
    if ((await run("go", ["version"])).status !== 0) return { missing: "there is no Go on this machine" };
    const download = await run("go", ["mod", "download"], source);
    if (download.status !== 0) return { missing: `Go cannot fetch franz-go: ${download.errors}` };
    const binary = join(cacheFolder("franz-go"), "program");
    const build = await run("go", ["build", "-o", binary, "."], source);
    if (build.status !== 0) throw new Error(build.errors);
    return { command: binary, args: [] };
  },
  { overTls: true },
);
