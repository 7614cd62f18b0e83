import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { connect } from "amqplib";
import { startBroker } from "../../src/start-broker.ts";

async function folder(context: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "entrepot-definitions-"));
  context.after(() => rm(path, { recursive: true }));
  return path;
}

const everything = { configure: ".*", write: ".*", read: ".*" };
const owner = {
  users: [{ name: "owner", password: "of-all", tags: "administrator" }],
  permissions: [{ user: "owner", vhost: "/", ...everything }],
};

test("definitions are there when the first client comes, and their users are the only ones", async (context) => {
  const path = join(await folder(context), "definitions.json");
  const queue = { name: "ready-made", vhost: "/", durable: true, auto_delete: false, arguments: {} };
  await writeFile(path, JSON.stringify({ ...owner, queues: [queue] }));
  const settings = { "definitions.importFile": path };
  const broker = await startBroker({ memory: true, listen: { amqp: 0 }, set: settings });
  context.after(() => broker.stop());
  const port = broker.ports["amqp"]!;
  await assert.rejects(connect(`amqp://guest:guest@127.0.0.1:${port}`));
  const connection = await connect(`amqp://owner:of-all@127.0.0.1:${port}`);
  const channel = await connection.createChannel();
  assert.equal((await channel.checkQueue("ready-made")).messageCount, 0);
  await connection.close();
});

test("unchanged definitions are passed over, if asked: what was deleted since stays deleted", async (context) => {
  const path = await folder(context);
  await writeFile(join(path, "1-users.json"), JSON.stringify(owner));
  const queue = (name: string): object => ({ name, vhost: "/", durable: true, auto_delete: false, arguments: {} });
  await writeFile(join(path, "2-queues.json"), `\ufeff${JSON.stringify({ queues: [queue("one")] })}`);
  const data = join(await folder(context), "data");
  const queues = async (): Promise<string[]> => {
    const settings = { "definitions.importFile": path, "definitions.skipIfUnchanged": true };
    const broker = await startBroker({ data, listen: { amqp: 0 }, set: settings });
    const connection = await connect(`amqp://owner:of-all@127.0.0.1:${broker.ports["amqp"]!}`);
    connection.on("error", () => undefined);
    const found: string[] = [];
    for (const name of ["one", "two"]) {
      const channel = await connection.createChannel();
      channel.on("error", () => undefined);
      const isThere = await channel.checkQueue(name).then(
        () => true,
        () => false,
      );
      if (isThere) found.push(name);
    }
    const channel = await connection.createChannel();
    await channel.deleteQueue("one");
    await connection.close();
    await broker.stop();
    return found;
  };
  assert.deepEqual(await queues(), ["one"]);
  assert.deepEqual(await queues(), []);
  await writeFile(join(path, "2-queues.json"), JSON.stringify({ queues: [queue("one"), queue("two")] }));
  assert.deepEqual(await queues(), ["one", "two"]);
});

test("a broker whose definitions are wrong does not start, and says which and why", async (context) => {
  const path = join(await folder(context), "definitions.json");
  const start = (): Promise<unknown> =>
    startBroker({ memory: true, listen: { amqp: 0 }, set: { "definitions.importFile": path } });
  await assert.rejects(start(), { name: "ConfigurationError", message: /definitions\.importFile: .*ENOENT/ });
  await writeFile(path, "{");
  await assert.rejects(start(), { name: "ConfigurationError", message: /definitions\.json: .*JSON/ });
  await writeFile(path, JSON.stringify({ vhosts: [], queues: [{ name: "q", vhost: "nowhere" }] }));
  await assert.rejects(start(), { message: /definitions\.json: Please create virtual host "nowhere" prior/ });
});
