#!/usr/bin/env node
/**
 * The program `entrepot`: joins the command line to the process around it. Everything is loaded behind the compile
 * cache, since most of a start is reading source.
 *
 * Standard output is written to its end, however slowly its reader reads: a pipe takes some 64 KiB, and the rest in time, which
 * an exit would not wait for. Output that could not be written is a failed command. A line of the log that cannot be written
 * (its disk is full, its reader has gone) is lost and nothing else: without a listener the error would end the broker.
 */

import { closeSync, openSync } from "node:fs";
import * as nodeModule from "node:module";
import { isatty } from "node:tty";

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

let written: Promise<void> = Promise.resolve();
let outputFault: NodeJS.ErrnoException | undefined;

/** In order: what was written last is taken last. */
function writeOut(text: string): void {
  const { promise, resolve } = Promise.withResolvers<void>();
  process.stdout.write(text, (error) => {
    outputFault ??= error ?? undefined;
    resolve();
  });
  written = promise;
}

function ignored(): void {
  // Of standard output it is known by the write; of standard error there is nobody left to be told.
}

const isAtTerminal = isatty(0);

/** What else SIGHUP may mean is that the terminal is closed at which this was started; nohup and service managers give it none. */
function hasLostTerminal(): boolean {
  if (!isAtTerminal) return false;
  try {
    closeSync(openSync("/dev/tty", "r"));
    return false;
  } catch {
    return true;
  }
}

process.stdout.on("error", ignored);
process.stderr.on("error", ignored);
const status = await runCommandLine({
  args: process.argv.slice(2),
  env: process.env,
  columns: process.stdout.columns ?? 120,
  clock: systemClock(),
  writeOut,
  writeError: (text) => void process.stderr.write(text),
  onStopSignal(run) {
    process.on("SIGTERM", run);
    process.on("SIGINT", run);
    process.on("SIGHUP", () => {
      if (hasLostTerminal()) run();
    });
  },
  onReloadSignal(run) {
    process.on("SIGHUP", () => {
      if (!hasLostTerminal()) run();
    });
  },
  checkData: async (directory) => (await import("./check-data.ts")).checkData(directory),
  startBroker: async (options) => (await import("./start-broker.ts")).startBroker(options),
});
await written;
// Whoever closes a pipe has what was wanted of it.
if (outputFault !== undefined && outputFault.code !== "EPIPE") {
  process.stderr.write(`entrepot: the output was not taken: ${outputFault.message}\n`);
}
process.exit(outputFault === undefined ? status : status || 1);
