#!/usr/bin/env node
/**
 * The program `entrepot`: joins the command line to the process around it. Everything is loaded behind the compile
 * cache, since most of a start is reading source.
 */

import * as nodeModule from "node:module";

const nodeMajorMin = 24;

if (Number.parseInt(process.versions.node, 10) < nodeMajorMin) {
  process.stderr.write(`entrepot: needs Node ${nodeMajorMin} or later; this is ${process.versions.node}\n`);
  process.exit(1);
}
nodeModule.enableCompileCache();

const [{ runCommandLine }, { systemClock }] = await Promise.all([
  import("./cli/command-line.ts"),
  import("./base/clock.ts"),
]);
process.exit(
  await runCommandLine({
    args: process.argv.slice(2),
    env: process.env,
    columns: process.stdout.columns ?? 120,
    clock: systemClock(),
    writeOut: (text) => void process.stdout.write(text),
    writeError: (text) => void process.stderr.write(text),
    onStopSignal(run) {
      process.on("SIGTERM", run);
      process.on("SIGINT", run);
    },
    onReloadSignal: (run) => void process.on("SIGHUP", run),
    checkData: async (directory) => (await import("./check-data.ts")).checkData(directory),
    startBroker: async (options) => (await import("./start-broker.ts")).startBroker(options),
  }),
);
