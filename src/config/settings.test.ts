import { test } from "node:test";
import * as check from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { ConfigurationError } from "./configuration-error.ts";
import { optionKeys, options, variableOf } from "./options.ts";
import { dataDirectory, settingsFor } from "./settings.ts";
import { notShown, type Kind } from "./kinds.ts";
import type { StartOptions } from "./start-options.ts";

async function withFile<T>(yaml: string, use: (path: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "entrepot-config-"));
  try {
    const path = join(directory, "entrepot.yaml");
    writeFileSync(path, yaml);
    return await use(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function problemsOf(start: StartOptions): Promise<readonly string[]> {
  const refused = await settingsFor(start).then(
    () => check.fail("was accepted"),
    (error: unknown) => error,
  );
  check.ok(refused instanceof ConfigurationError, String(refused));
  return refused.problems;
}

test("every default is a value of its kind, and what is shown reads back as the same value", () => {
  for (const key of optionKeys) {
    const kind = options[key].kind as Kind<unknown>;
    const value = kind.read(options[key].default);
    check.notEqual(value, undefined, key);
    // Secrets are not shown.
    if (kind.show(value) !== notShown) check.deepEqual(kind.read(kind.show(value)), value, key);
  }
});

test("sizes and durations in any number survive being shown", () => {
  const sizes = options["journal.fileBytes"].kind;
  const durations = options["amqp.consumerTimeoutMs"].kind;
  fc.assert(
    fc.property(fc.integer({ min: 1 << 20, max: 2 ** 32 }), fc.nat(2 ** 31), (bytes, ms) => {
      check.equal(sizes.read(sizes.show(bytes)), bytes);
      check.equal(durations.read(durations.show(ms)), ms);
    }),
  );
});

test("a text that looks like a number stays as it is written, and a number may be written in YAML's ways", async () => {
  const yaml = [
    "auth.defaultUser: 007",
    "auth.defaultPassword: 0123456",
    "management.corsOrigins: [1e5, TRUE, 12345678901234567890, on]",
    "amqp.channelMax: 0x10",
    "journal.fileBytes: 1e8",
    "data.inMemory: True",
  ];
  await withFile(yaml.join("\n"), async (config) => {
    const { values } = await settingsFor({ config });
    check.equal(values["auth.defaultUser"], "007");
    check.equal(values["auth.defaultPassword"], "0123456");
    check.deepEqual(values["management.corsOrigins"], ["1e5", "TRUE", "12345678901234567890", "on"]);
    check.deepEqual([values["amqp.channelMax"], values["journal.fileBytes"]], [16, 100_000_000]);
    check.equal(values["data.inMemory"], true);
  });
  for (const password of ["1e5", "12345678901234567890", "TRUE", "1.50", "-0"]) {
    await withFile(`auth: { defaultPassword: ${password} }`, async (config) => {
      check.equal((await settingsFor({ config })).values["auth.defaultPassword"], password);
    });
  }
});

test("without anything given, the defaults hold", async () => {
  const { values, shown } = await settingsFor({});
  check.equal(values["journal.fileBytes"], 64 * 1024 * 1024);
  check.equal(values["disk.freeBytesMin"], 50_000_000);
  check.equal(values["amqp.consumerTimeoutMs"], 1_800_000);
  check.deepEqual(values["listen.amqp"], { host: "127.0.0.1", port: 5672 });
  check.ok(values["memory.highWatermarkBytes"] > 0);
  check.ok(shown.every(({ place }) => place === "default"));
  check.ok(dataDirectory(values).endsWith("entrepot-data"));
});

test("flags win over --set, --set over the environment, the environment over the file", async () => {
  const yaml = "log:\n  level: debug\n  format: json\namqp.channelMax: 7\ndata: { directory: /file }\n";
  await withFile(yaml, async (config) => {
    const env = { ENTREPOT_LOG_LEVEL: "warn", ENTREPOT_AMQP_CHANNEL_MAX: "8", ENTREPOT_DATA_DIRECTORY: "/env" };
    const set = { "amqp.channelMax": 9, "data.directory": "/set" };
    const { values, shown } = await settingsFor({ config, env, set, data: "/flag" });
    check.equal(values["log.format"], "json");
    check.equal(values["log.level"], "warn");
    check.equal(values["amqp.channelMax"], 9);
    check.equal(values["data.directory"], "/flag");
    const places = Object.fromEntries(shown.map(({ key, place }) => [key, place]));
    check.equal(places["log.format"], `${config}:3`);
    check.equal(places["log.level"], "ENTREPOT_LOG_LEVEL");
    check.equal(places["amqp.channelMax"], "--set");
    check.equal(places["data.directory"], "--data");
    check.equal(places["cache.bytes"], "default");
  });
});

test("ENTREPOT_CONFIG names the file where no flag does", async () => {
  await withFile("log.level: error", async (path) => {
    const { values } = await settingsFor({ env: { ENTREPOT_CONFIG: path } });
    check.equal(values["log.level"], "error");
  });
});

test("with a listen flag, only what the flags name listens, whatever a file says", async () => {
  await withFile("listen.amqp: 5673\nkafka.nodes: 0.0.0.0:9094", async (config) => {
    check.equal((await settingsFor({ config })).values["kafka.nodes"].length, 1);
    const { values } = await settingsFor({ config, listen: {} });
    check.equal(values["listen.amqp"], null);
    check.deepEqual(values["kafka.nodes"], []);
    const named = await settingsFor({ config, listen: { amqp: "0.0.0.0:0" } });
    check.deepEqual(named.values["listen.amqp"], { host: "0.0.0.0", port: 0 });
  });
});

test("addresses are read with a host, in brackets, as a port alone, and as off", () => {
  const { read, show } = options["listen.amqp"].kind;
  check.deepEqual(read("[::1]:5672"), { host: "::1", port: 5672 });
  check.equal(show({ host: "::1", port: 1 }), "[::1]:1");
  check.deepEqual(read("broker.local:0"), { host: "broker.local", port: 0 });
  check.deepEqual(read("5673"), { host: "127.0.0.1", port: 5673 });
  check.equal(read("off"), null);
  for (const wrong of ["", "localhost", "localhost:", ":5672", "::1:5672", "a:70000", "a:-1"]) {
    check.equal(read(wrong), undefined, wrong);
  }
});

test("several addresses are read with what is in front of those with TLS, and none as nothing", () => {
  const { read, show } = options["kafka.nodes"].kind;
  const both = [
    { host: "127.0.0.1", port: 9094, isTls: false },
    { host: "::1", port: 9095, isTls: true },
  ];
  check.deepEqual(read("9094, kafkas://[::1]:9095"), both);
  check.deepEqual(read(show(both)), both);
  check.deepEqual(read(""), []);
  for (const wrong of ["off", "kafkas://", "9094,,9095", "a b"]) check.equal(read(wrong), undefined, wrong);
});

test("addresses for Kafka's clients are a name or a number, and a port", () => {
  const { read } = options["kafka.advertised"].kind;
  const right = [
    "a.example:9092",
    "kafkas://a.example:9093",
    "kafka://10.0.0.1:9094",
    "[::1]:9095",
    "kafkas://[fe80::1]:1",
  ];
  check.deepEqual(read(right.join(", ")), right);
  check.deepEqual(read(""), []);
  for (const wrong of [
    "a.example",
    "a.example:0",
    "a.example:65536",
    ":9092",
    "9092",
    "::1:9092",
    "http://a:1",
    "a:1,,b:2",
  ])
    check.equal(read(wrong), undefined, wrong);
});

test("sizes count as RabbitMQ's do: MB is a million, MiB and M are 1024 times 1024", () => {
  const { read } = options["disk.freeBytesMin"].kind;
  check.equal(read("50MB"), 50_000_000);
  check.equal(read("50MiB"), 52_428_800);
  check.equal(read("50M"), 52_428_800);
  check.equal(read("1.5 KB"), 1500);
  check.equal(read("42"), 42);
  for (const wrong of ["", "MB", "-1", "1XB", "0.5B", "9".repeat(16)]) check.equal(read(wrong), undefined, wrong);
});

test("memory can be a share of what the machine has", () => {
  const { read } = options["memory.highWatermarkBytes"].kind;
  const whole = read("100%")!;
  check.ok(Math.abs(read("50%")! - whole / 2) < 2);
  check.equal(read("101%"), undefined);
});

test("an error names the place and the key, what is wrong, and what would be right; all come at once", async () => {
  await withFile("log:\n  levle: debug\n\njournal:\n  fileBytes: big\n", async (config) => {
    const set = { frameMaxBytes: 1, "amqp.channelMax": 0, nonsense: 1 };
    check.deepEqual(await problemsOf({ config, set }), [
      `${config}:2: there is no option log.levle; did you mean log.level?`,
      `${config}:5: journal.fileBytes is "big", which is not a size from 1MiB to 4GiB, such as 65536, 512KiB, 64MiB or 1GB`,
      "--set: there is no option frameMaxBytes; did you mean amqp.frameMaxBytes?",
      '--set: amqp.channelMax is "0", which is not a whole number from 1 to 65535',
      "--set: there is no option nonsense; entrepot config --explain lists them",
    ]);
  });
  check.deepEqual(await problemsOf({ env: { ENTREPOT_SHOVELS: '{"a":{"src-uri":"amqp://u:secret@h",}}' } }), [
    "ENTREPOT_SHOVELS: shovels is (not shown), which is not a map, as JSON or as YAML in a file",
  ]);
  check.deepEqual(await problemsOf({ set: { constructor: "x" } }), [
    "--set: there is no option constructor; entrepot config --explain lists them",
  ]);
});

test("a protocol that does not exist is refused by name", async () => {
  const [problem] = await problemsOf({ listen: { ampq: 0 } });
  check.equal(problem, "--listen: there is no option listen.ampq; did you mean listen.amqp?");
});

test("a directory and no directory exclude each other", async () => {
  const [problem] = await problemsOf({ data: "/data", memory: true });
  check.match(problem!, /exclude each other/);
  await withFile("data.inMemory: true", async (config) => {
    check.equal((await settingsFor({ config, data: "/data" })).values["data.inMemory"], false);
  });
});

test("a variable that names no option is a warning, since other software sets such ones too", async () => {
  const { warnings } = await settingsFor({ env: { ENTREPOT_LOG_LEVLE: "debug", HOME: "/" } });
  check.deepEqual(warnings, ["ENTREPOT_LOG_LEVLE names no option; did you mean ENTREPOT_LOG_LEVEL?"]);
});

test("variables spell keys in upper case with underscores", () => {
  check.equal(variableOf("amqp.frameMaxBytes"), "ENTREPOT_AMQP_FRAME_MAX_BYTES");
  check.equal(new Set(optionKeys.map(variableOf)).size, optionKeys.length);
});

test("a file that is missing, broken, a list, or has no value for a key is refused with its place", async () => {
  check.match((await problemsOf({ config: "/nowhere/entrepot.yaml" }))[0]!, /cannot be read/);
  await withFile("log: {\n", async (config) => check.match((await problemsOf({ config }))[0]!, /:\d: is no YAML/));
  await withFile("- a\n", async (config) => check.match((await problemsOf({ config }))[0]!, /is not a map of options/));
  await withFile("log.level:\n", async (config) => {
    check.deepEqual(await problemsOf({ config }), [`${config}:1: log.level has no single value`]);
  });
  await withFile("", async (config) => check.ok(await settingsFor({ config })));
});
