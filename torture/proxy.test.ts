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

const sentBytes = 700_000;

// What goes there and comes back takes so long at least: delays add up, and both ways are slow at the same time.
for (const [name, weather, leastMs] of [
  ["in fair weather", {}, 0],
  ["in small pieces", { isSplit: true }, 0],
  ["late", { delayMs: 100 }, 2 * 100],
  ["slowly", { bytesPerSecond: 2_000_000 }, (sentBytes / 2_000_000) * 1000 * 0.9],
] as const) {
  test(`all octets arrive, in order, and so does the end: ${name}`, async (t) => {
    const proxy = await echoBehindProxy(t);
    Object.assign(proxy.weather, weather);
    const sent = new Chance(7).bytes(sentBytes);
    const began = performance.now();
    assert.ok((await converse(proxy, sent)).equals(sent));
    const tookMs = performance.now() - began;
    assert.ok(tookMs >= leastMs, `${tookMs} ms, and not ${leastMs}`);
  });
}

test("what is split comes in many pieces, and what is not in one", async (t) => {
  const pieces: number[] = [];
  for (const isSplit of [true, false]) {
    const proxy = await echoBehindProxy(t);
    proxy.weather.isSplit = isSplit;
    const socket = net.connect({ port: proxy.port, host: "127.0.0.1" });
    socket.end(Buffer.alloc(48, "x"));
    let count = 0;
    for await (const _ of socket) count++;
    pieces.push(count);
  }
  assert.ok(pieces[0]! > 3, `${pieces[0]} pieces`);
  assert.equal(pieces[1], 1);
});

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

test("a connection that is half closed goes on in the other direction, and it is one or the other", async (t) => {
  const server = net.createServer({ allowHalfOpen: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const proxy = new Proxy(() => ({ host: "127.0.0.1", port }), new Chance(1));
  await proxy.listen();
  const sockets: net.Socket[] = [];
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await proxy.close();
    server.close();
  });
  const pairs: (readonly [near: net.Socket, far: net.Socket])[] = [];
  for (let left = 16; left > 0; left--) {
    const coming = once(server, "connection") as Promise<[net.Socket]>;
    const near = net.connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true });
    const [far] = await coming;
    pairs.push([near, far]);
    sockets.push(
      near.on("error", () => undefined),
      far.on("error", () => undefined),
    );
  }
  const deafs = pairs.map((pair) =>
    Promise.race(pair.map((socket) => once(socket.resume(), "end").then(() => socket))),
  );
  assert.equal(proxy.halfClose(1), 16);
  const closed = new Set<string>();
  for (const [at, [near, far]] of pairs.entries()) {
    const deaf = await deafs[at]!;
    closed.add(deaf === near ? "to the client" : "to the server");
    const other = deaf === near ? far : near;
    const heard = once(other, "data") as Promise<[Buffer]>;
    deaf.write("still here");
    assert.equal(String((await heard)[0]), "still here");
  }
  assert.deepEqual([...closed].sort(), ["to the client", "to the server"]);
  assert.equal(proxy.connections, 16);
});

test("who goes to a server that is not there is refused", async (t) => {
  const proxy = new Proxy(() => undefined, new Chance(1));
  await proxy.listen();
  t.after(() => proxy.close());
  const socket = net.connect({ port: proxy.port, host: "127.0.0.1" });
  await assert.rejects(once(socket, "end"), /ECONNRESET/);
  assert.equal(proxy.connections, 0);
});
