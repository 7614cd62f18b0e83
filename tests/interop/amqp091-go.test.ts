import { join } from "node:path";
import { cacheFolder, clientSuite, run } from "./client-suite.ts";

const source = new URL("./go", import.meta.url);

clientSuite(
  "amqp091-go",
  async () => {
    if ((await run("go", ["version"])).status !== 0) return { missing: "there is no Go on this machine" };
    const download = await run("go", ["mod", "download"], source);
    if (download.status !== 0) return { missing: `Go cannot fetch amqp091-go: ${download.errors}` };
    const binary = join(cacheFolder("amqp091-go"), "program");
    const build = await run("go", ["build", "-o", binary, "."], source);
    if (build.status !== 0) throw new Error(build.errors);
    return { command: binary, args: [] };
  },
  { overTls: true },
);
