import { test } from "node:test";
import * as check from "node:assert/strict";
import { systemClock } from "../base/clock.ts";
import { UnfinishedCheckpoint } from "../base/unfinished-checkpoint.ts";
import type { RunningBroker, StartOptions } from "../config/start-options.ts";
import { runCommandLine } from "./command-line.ts";

interface Run {
  status: number;
  out: string;
  error: string;
  started: StartOptions[];
}

/** Runs a command line beside a broker that does nothing, and that is told to stop `signals` times once it is ready. */
async function run(
  args: string[],
  {
    signals = 1,
    broker,
    env = {},
  }: { signals?: number; broker?: Partial<RunningBroker>; env?: StartOptions["env"] } = {},
): Promise<Run> {
  const result: Run = { status: -1, out: "", error: "", started: [] };
  const listeners: (() => void)[] = [];
  result.status = await runCommandLine({
    args,
    env,
    columns: 100,
    clock: systemClock(),
    writeOut(text) {
      result.out += text;
      if (text.startsWith("ready")) for (let sent = 0; sent < signals; sent++) listeners.forEach((each) => each());
    },
    writeError: (text) => void (result.error += text),
    onReloadSignal: () => {},
    onStopSignal: (each) => void listeners.push(each),
    checkData: () => Promise.reject(new Error("no data here")),
    startBroker: async (options) => {
      result.started.push(options);
      const addresses = { amqp: "127.0.0.1:5672" };
      return {
        ports: { amqp: 5672 },
        addresses,
        advance: async () => {},
        redrive: async () => 0,
        reloadTls: async () => true,
        stop: async () => {},
        ...broker,
      };
    },
  });
  return result;
}

test("start prints one line when ready, and ends with 0 after a graceful stop", async () => {
  let stops = 0;
  const { status, out, error } = await run(["start"], { broker: { stop: async () => void stops++ } });
  check.deepEqual(
    { status, out, error, stops },
    { status: 0, out: 'ready {"amqp":"127.0.0.1:5672"}\n', error: "", stops: 1 },
  );
});

test("a stop whose last checkpoint was not done in time has lost nothing, and ends with 0; any other failure does not", async () => {
  const late = await run(["start"], { broker: { stop: () => Promise.reject(new UnfinishedCheckpoint()) } });
  check.equal(late.status, 0);
  check.match(late.error, /^entrepot: everything is on disk, but its last checkpoint was not done before the deadline/);
  const failed = await run(["start"], { broker: { stop: () => Promise.reject(new Error("no disk")) } });
  check.deepEqual([failed.status, failed.error], [1, "entrepot: stopped without an orderly end: no disk\n"]);
});

test("a second signal ends a stop that hangs", async () => {
  const hangs = { stop: () => new Promise<void>(() => {}) };
  check.equal((await run(["start"], { signals: 2, broker: hangs })).status, 1);
});

test("flags reach the broker, repeated ones together", async () => {
  const args =
    "start --config c.yaml --data d --listen amqp=:: --listen http=0 --set a=b=c --set log.level=debug".split(" ");
  const { started } = await run(args, { env: { ENTREPOT_CACHE_BYTES: "1GB" } });
  const { config, data, listen, set, env } = started[0]!;
  check.deepEqual(
    { config, data, listen, set, env },
    {
      config: "c.yaml",
      data: "d",
      listen: { amqp: "::", http: "0" },
      set: { a: "b=c", "log.level": "debug" },
      env: { ENTREPOT_CACHE_BYTES: "1GB" },
    },
  );
});

test("a second address for a protocol is refused", async () => {
  const { status, error, started } = await run([
    "start",
    "--listen",
    "amqp=:1",
    "--listen",
    "http=:2",
    "--listen",
    "amqp=:3",
  ]);
  check.deepEqual([status, started.length], [2, 0]);
  check.match(error, /address for amqp already/);
});

test("a broker that fails while it runs ends the program with a status of its own", async () => {
  let status = -1;
  let error = "";
  status = await runCommandLine({
    args: ["start", "--memory"],
    env: {},
    columns: 100,
    clock: systemClock(),
    writeOut: () => {},
    writeError: (text) => void (error += text),
    onStopSignal: () => {},
    onReloadSignal: () => {},
    checkData: () => Promise.reject(new Error("no data here")),
    startBroker: async ({ onFailure }) => {
      setImmediate(() => onFailure!(new Error("fdatasync: EIO")));
      return {
        ports: {},
        addresses: {},
        advance: async () => {},
        redrive: async () => 0,
        reloadTls: async () => true,
        stop: async () => {},
      };
    },
  });
  check.equal(status, 70);
  check.match(error, /cannot go on: Error: fdatasync: EIO/);
});

test("config prints a file that can be used, with the place of each value", async () => {
  const { status, out } = await run(["config", "--memory", "--set", "log.level=debug"], {
    env: { ENTREPOT_LOG_FORMAT: "json" },
  });
  check.equal(status, 0);
  check.match(out, /^data.inMemory: true +# --memory$/m);
  check.match(out, /^log.level: debug +# --set$/m);
  check.match(out, /^log.format: json +# ENTREPOT_LOG_FORMAT$/m);
  check.match(out, /^listen.amqp: 127.0.0.1:5672 +# default$/m);
  // A secret is not in it, and nothing that would be taken for one.
  check.match(out, /^# auth.defaultPassword: \(not shown\) +# default$/m);
  const { parse } = await import("yaml");
  check.equal((parse(out) as Record<string, unknown>)["journal.fileBytes"], "64MiB");
  const explained = await run(["config", "--explain"]);
  check.match(explained.out, /^# Largest frame that is offered to clients\.$/m);
  check.ok(parse(explained.out));
  const json = JSON.parse((await run(["config", "--json"])).out) as Record<string, unknown>;
  check.deepEqual(json["amqp.channelMax"], { value: "2047", from: "default" });
});

test("what is wrong in the configuration is said, with status 2, and nothing starts", async () => {
  const { status, error } = await run(["config", "--set", "amqp.frameMax=1", "--set", "log.level=loud"]);
  check.equal(status, 2);
  check.match(error, /^entrepot: --set: there is no option amqp.frameMax; did you mean amqp.frameMaxBytes\?$/m);
  check.match(error, /^entrepot: --set: log.level is "loud", which is not one of debug, info, warn, error$/m);
});

test("misuse of the command line has status 2 and says what is known", async () => {
  for (const args of [["strat"], ["start", "--nope"], ["start", "--set", "novalue"], ["start", "extra"]]) {
    const { status, error, started } = await run(args);
    check.equal(status, 2, args.join(" "));
    check.notEqual(error, "");
    check.equal(started.length, 0);
  }
  check.match((await run(["strat"])).error, /Did you mean start\?/);
});

test("help names every option; version is that of the package", async () => {
  const help = await run(["start", "--help"]);
  check.equal(help.status, 0);
  check.match(help.out, /amqp.frameMaxBytes +128KiB/);
  check.match((await run(["--version"])).out, /^\d+\.\d+\.\d+\n$/);
  check.equal((await run(["--help"])).status, 0);
});

test("a refusal of the system is a sentence, a fault of ours a stack", async () => {
  const failing = (error: Error): Promise<Run> =>
    run(["start"]).then(async (ok) => {
      let said = "";
      const status = await runCommandLine({
        args: ["start"],
        env: {},
        columns: 100,
        clock: systemClock(),
        writeOut: () => {},
        writeError: (text) => void (said += text),
        onStopSignal: () => {},
        onReloadSignal: () => {},
        checkData: () => Promise.reject(new Error("no data here")),
        startBroker: () => Promise.reject(error),
      });
      return { ...ok, status, error: said };
    });
  const inUse = Object.assign(new Error("listen EADDRINUSE: address already in use"), { code: "EADDRINUSE" });
  check.match((await failing(inUse)).error, /^entrepot: listen EADDRINUSE: address already in use\n.*--listen/s);
  check.equal((await failing(inUse)).status, 1);
  check.match((await failing(new Error("broken"))).error, /^entrepot: Error: broken\n {4}at /);
});
