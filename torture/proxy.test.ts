import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test, type TestContext } from "node:test";
import { Chance } from "../sim/chance.ts";
import { Proxy } from "./proxy.ts";

/** A server that gives back what it gets, behind a proxy. */
async function echoBehindProxy(t: TestContext): Promise<Proxy> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const proxy = new Proxy(() => ({ host: "127.0.0.1", port }), new Chance(1));
  await proxy.listen();
  t.after(async () => {
    await proxy.close();
    server.close();
  });
  return proxy;
}

/** Sends all, and gives what came back until the other side ended. */
async function converse(proxy: Proxy, bytes: Buffer): Promise<Buffer> {
  const socket = net.connect({ port: proxy.port, host: "127.0.0.1" });
  socket.end(bytes);
  const received: Buffer[] = [];
  for await (const chunk of socket) received.push(chunk as Buffer);
  return Buffer.concat(received);
}

for (const [name, weather] of [
  ["in fair weather", {}],
  ["in small pieces", { isSplit: true }],
  ["late", { delayMs: 20 }],
  ["slowly", { bytesPerSecond: 2_000_000 }],
] as const) {
  test(`all octets arrive, in order, and so does the end: ${name}`, async (t) => {
    const proxy = await echoBehindProxy(t);
    Object.assign(proxy.weather, weather);
    const sent = new Chance(7).bytes(700_000);
    assert.ok((await converse(proxy, sent)).equals(sent));
  });
}

test("what is frozen goes on when it thaws", async (t) => {
  const proxy = await echoBehindProxy(t);
  proxy.weather.isFrozen = true;
  const conversation = converse(proxy, Buffer.from("cold"));
  let isOver = false;
  void conversation.then(() => (isOver = true));
  while (proxy.connections === 0) await new Promise(setImmediate);
  for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate);
  assert.equal(isOver, false);
  proxy.clear();
  assert.equal(String(await conversation), "cold");
});

test("connections that are cut end for their client, and new ones come through", async (t) => {
  const proxy = await echoBehindProxy(t);
  const socket = net.connect({ port: proxy.port, host: "127.0.0.1" });
  socket.on("error", () => undefined).resume();
  socket.write("one");
  await once(socket, "data");
  assert.equal(proxy.cut(1), 1);
  await once(socket, "close");
  assert.equal(String(await converse(proxy, Buffer.from("two"))), "two");
});

test("who goes to a server that is not there is refused", async (t) => {
  const proxy = new Proxy(() => undefined, new Chance(1));
  await proxy.listen();
  t.after(() => proxy.close());
  const socket = net.connect({ port: proxy.port, host: "127.0.0.1" });
  await assert.rejects(once(socket, "end"), /ECONNRESET/);
  assert.equal(proxy.connections, 0);
});
