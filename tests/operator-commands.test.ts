/** The commands of an operator, against a broker with data on disk. */

import { after, before, test } from "node:test";
import * as check from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type ChannelModel } from "amqplib";
import { systemClock } from "../src/base/clock.ts";
import { checkData } from "../src/check-data.ts";
import { runCommandLine } from "../src/cli/command-line.ts";
import { startBroker, type RunningBroker } from "../src/start-broker.ts";

const folder = mkdtempSync(join(tmpdir(), "entrepot-operator-"));
const data = join(folder, "data");
let broker: RunningBroker;
let client: ChannelModel;

before(async () => {
  broker = await startBroker({ data, listen: { amqp: 0, http: 0 } });
  client = await connect(`amqp://127.0.0.1:${broker.ports["amqp"]}`);
});

after(async () => {
  await client.close();
  await broker.stop();
  rmSync(folder, { recursive: true });
});

interface Said {
  readonly status: number;
  readonly out: string;
  readonly error: string;
}

async function run(args: readonly string[], env: Record<string, string> = {}): Promise<Said> {
  let out = "";
  let error = "";
  const status = await runCommandLine({
    args,
    env: { ENTREPOT_URL: `http://127.0.0.1:${broker.ports["http"]}`, ...env },
    columns: 100,
    clock: systemClock(),
    writeOut: (text) => void (out += text),
    writeError: (text) => void (error += text),
    onStopSignal: () => undefined,
    onReloadSignal: () => undefined,
    startBroker: () => check.fail("nothing is to be started"),
    checkData,
  });
  return { status, out, error };
}

/** What a command that succeeds writes. */
async function says(...args: string[]): Promise<string> {
  const { status, out, error } = await run(args);
  check.deepEqual({ status, error }, { status: 0, error: "" });
  return out;
}

test("status says whether the broker is ready, and where it listens", async () => {
  const text = await says("status");
  check.match(text, /^status +ready$/m);
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  check.match(text, new RegExp(`^version +${version}, to clients RabbitMQ 3`, "m"));
  check.match(text, new RegExp(`^amqp +127.0.0.1:${broker.ports["amqp"]}$`, "m"));
  const { health } = JSON.parse(await says("status", "--json")) as { health: unknown };
  check.deepEqual(health, { status: "ok" });
});

test("queues are declared, listed, shown, purged and deleted, whatever they are called", async () => {
  const name = "orders of/%2F ü";
  await says("queues", "declare", name, "--arguments", '{"x-max-length":100}');
  const channel = await client.createConfirmChannel();
  for (const text of ["one", "two"]) channel.sendToQueue(name, Buffer.from(text));
  await channel.waitForConfirms();
  await channel.close();
  check.match(
    await says("queues", "list", "--filter", "^orders of"),
    /^\/ +orders of\/%2F ü +classic +running +2 +0 +0$/m,
  );
  check.match(await says("queues"), /orders of/);
  check.match(await says("queues", "show", name), /^x-max-length +100$/m);
  await says("queues", "purge", name);
  const listed = JSON.parse(await says("queues", "list", "--json", "--vhost", "/")) as {
    name: string;
    messages: number;
  }[];
  check.equal(listed.find((each) => each.name === name)!.messages, 0);
  await says("queues", "delete", name);
  const gone = await run(["queues", "show", name]);
  check.equal(gone.status, 1);
  check.equal(gone.error, `entrepot: there is no such thing: queues / ${name}\n`);
});

test("what died goes back by redrive", async () => {
  await says("queues", "declare", "dead");
  const channel = await client.createConfirmChannel();
  await channel.assertQueue("work", { deadLetterExchange: "", deadLetterRoutingKey: "dead" });
  channel.sendToQueue("work", Buffer.from("x"));
  await channel.waitForConfirms();
  const message = await channel.get("work");
  if (message !== false) channel.reject(message, false);
  check.equal((await channel.checkQueue("dead")).messageCount, 1);
  await channel.close();
  check.equal(await says("queues", "redrive", "dead"), "1 messages went back to the queues in which they had died\n");
});

test("connections are listed and closed with a reason that the client is told", async () => {
  const victim = await connect(`amqp://127.0.0.1:${broker.ports["amqp"]}`, {
    clientProperties: { connection_name: "victim" },
  });
  const told = new Promise<Error>((resolve) => victim.once("close", resolve));
  const rows = JSON.parse(await says("connections", "--json")) as { name: string; user_provided_name?: string }[];
  const { name } = rows.find((row) => row.user_provided_name === "victim")!;
  check.match(await says("connections"), /victim/);
  await says("connections", "close", name, "--reason", "time to go");
  check.match((await told).message, /320.*time to go/);
});

test("policies, users, virtual hosts and permissions are set, listed and taken away", async () => {
  await says("policies", "set", "short", "^o", '{"max-length":10}', "--apply-to", "queues", "--priority", "3");
  check.match(await says("policies"), /^\/ +short +\^o +queues +3 +\{"max-length":10\}$/m);
  await says("policies", "clear", "short");
  check.doesNotMatch(await says("policies"), /short/);

  await says("vhosts", "add", "tenant/1", "--description", "the first");
  check.match(await says("vhosts"), /^tenant\/1 +0 +no +the first$/m);
  await says("users", "set", "bob", "--user-password", "secret", "--tags", "monitoring");
  check.match(await says("users"), /^bob +monitoring$/m);
  await says("permissions", "set", "bob", "^b-", "", ".*", "--vhost", "tenant/1");
  check.match(await says("permissions"), /^tenant\/1 +bob +\^b- +\.\*$/m);
  const asBob = await run(["vhosts", "list"], { ENTREPOT_USER: "bob", ENTREPOT_PASSWORD: "secret" });
  check.equal(asBob.status, 0);
  await says("permissions", "clear", "bob", "--vhost", "tenant/1");
  await says("users", "delete", "bob");
  await says("vhosts", "delete", "tenant/1");
  check.doesNotMatch(await says("vhosts"), /tenant/);
});

test("a user's password is changed without the tags, and the tags without the password", async () => {
  const asChief = async (password: string): Promise<number> =>
    (await run(["users"], { ENTREPOT_USER: "chief", ENTREPOT_PASSWORD: password })).status;
  await says("users", "set", "chief", "--user-password", "first", "--tags", "administrator");
  await says("users", "set", "chief", "--user-password", "second");
  check.deepEqual([await asChief("first"), await asChief("second")], [1, 0]);
  await says("users", "set", "chief", "--tags", "administrator,monitoring");
  check.equal(await asChief("second"), 0);
  check.match(await says("users"), /^chief +administrator,monitoring$/m);
  await says("users", "set", "chief", "--tags", "");
  check.match(await says("users"), /^chief *$/m);
  check.equal(await asChief("second"), 1);
  // Nobody in particular, who cannot log in by any password.
  await says("users", "set", "nobody");
  check.equal((await run(["users"], { ENTREPOT_USER: "nobody", ENTREPOT_PASSWORD: "" })).status, 1);
  for (const name of ["chief", "nobody"]) await says("users", "delete", name);
});

test("definitions go out and come in", async () => {
  await says("queues", "declare", "kept");
  const file = join(folder, "definitions.json");
  await says("definitions", "export", file);
  await says("queues", "delete", "kept");
  await says("definitions", "import", file);
  check.match(await says("queues"), /kept/);
  check.ok((JSON.parse(await says("definitions", "export")) as { queues: unknown[] }).queues.length > 0);
  writeFileSync(file, "{");
  const refused = await run(["definitions", "import", file]);
  check.equal(refused.status, 2);
  check.match(refused.error, /cannot be imported/);
});

test("a backup of the running broker, as directory and as archive, is restored and found sound", async () => {
  const channel = await client.createConfirmChannel();
  await channel.assertQueue("treasure");
  for (let i = 0; i < 500; i++) channel.sendToQueue("treasure", Buffer.alloc(1000, i), { persistent: true });
  await channel.waitForConfirms();
  await channel.close();
  const archive = join(folder, "b.tar");
  await says("backup", archive);
  await says("backup", join(folder, "b"));
  for (const from of ["b.tar", "b"]) {
    const restored = join(folder, `from ${from}`);
    await says("restore", join(folder, from), restored);
    check.match(await says("check", restored), /^\/ +treasure +500 +0 +\d+$[^]*^sound$/m);
    const copy = await startBroker({ data: restored, listen: { amqp: 0 } });
    const other = await connect(`amqp://127.0.0.1:${copy.ports["amqp"]}`);
    const { messageCount } = await (await other.createChannel()).checkQueue("treasure");
    check.equal(messageCount, 500);
    await other.close();
    await copy.stop();
  }
  const again = await run(["backup", archive]);
  check.equal(again.status, 2);
  check.match(again.error, /never written over anything/);

  truncateSync(archive, readFileSync(archive).length - 2000);
  const cut = await run(["restore", archive, join(folder, "cut")]);
  check.equal(cut.status, 1);
  check.match(cut.error, /ends too early/);
  check.equal((await run(["check", join(folder, "cut")])).status, 1);
});

test("a directory that is there already, however it is written, is filled and stays itself", async () => {
  const inside = join(folder, "inside");
  mkdirSync(inside, { mode: 0o750 });
  const { ino } = statSync(inside);
  await says("backup", `${inside}/`);
  await says("backup", `${join(folder, "fresh")}/`);
  for (const from of [inside, join(folder, "fresh")]) {
    const to = `${from} restored`;
    mkdirSync(to);
    // What a restore left behind that was killed.
    mkdirSync(join(to, ".part"));
    await says("restore", `${from}/`, `${to}/`);
    check.match(await says("check", to), /^\/ +treasure +500 +0 +\d+$[^]*^sound$/m);
    check.deepEqual(readdirSync(to).sort(), readdirSync(from).sort());
  }
  check.deepEqual([statSync(inside).ino, statSync(inside).mode & 0o777], [ino, 0o750]);
});

test("what is no backup, or changes meanwhile, is not restored; one that is damaged is said to be", async () => {
  const strange = join(folder, "strange");
  mkdirSync(strange);
  writeFileSync(join(strange, "letter.txt"), "dear reader");
  const to = join(folder, "of no backup");
  for (const [from, why] of [
    [strange, /no data of a broker/],
    [data, /in use/],
  ] as const) {
    const { status, error } = await run(["restore", from, to]);
    check.equal(status, 1);
    check.match(error, why);
    check.equal(existsSync(to) || existsSync(`${to}.part`), false);
  }
  const nothing = await run(["check", strange]);
  check.equal(nothing.status, 1);
  check.match(nothing.out, /no data of a broker/);

  const damaged = join(folder, "damaged");
  await says("backup", damaged);
  const journal = readdirSync(damaged).find((name) => name.startsWith("journal-"))!;
  const bytes = readFileSync(join(damaged, journal));
  bytes[100]! ^= 4;
  writeFileSync(join(damaged, journal), bytes);
  const { status, error } = await run(["restore", damaged, to]);
  check.equal(status, 1);
  check.match(error, /the backup is damaged: entrepot check .* says where/);
  check.equal((await run(["check", to])).status, 1);
});

test("a directory that a broker uses is not checked, and one that is not empty is not restored into", async () => {
  const held = await run(["check", data]);
  check.equal(held.status, 1);
  check.match(held.error, /in use/);
  check.match((await run(["restore", join(folder, "b"), data])).error, /is not empty/);
});

test("who is refused, and what nobody answers, is said with its exit status", async () => {
  const refused = await run(["queues", "--password", "wrong"]);
  check.equal(refused.status, 1);
  check.match(refused.error, /does not let guest in/);
  const nobody = await run(["status", "--url", "http://127.0.0.1:1"]);
  check.equal(nobody.status, 69);
  check.match(nobody.error, /^entrepot: no broker answers at http:\/\/127.0.0.1:1: .*ECONNREFUSED.*\nIs one running\?/);
  const misuse = await run(["queues", "redrive", "q", "--count", "many"]);
  check.equal(misuse.status, 2);
  check.equal((await run(["status", "--url", "nonsense"])).status, 2);
  check.equal((await run(["queues", "lits"])).status, 2);
});

test("without --url, the configuration says where the broker is", async () => {
  const env = { ENTREPOT_URL: "", ENTREPOT_LISTEN_HTTP: `0.0.0.0:${broker.ports["http"]}` };
  const { status, out } = await run(["status"], env);
  check.equal(status, 0);
  check.match(out, /ready/);
});
