import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import { systemClock } from "../base/clock.ts";
import { silentLogger } from "../observe/log.ts";
import { Listener } from "./listener.ts";
import type { Connection, Peer, Protocol } from "./protocol.ts";
import { SocketRoom } from "./socket-room.ts";

/** Gives back what it gets; says bye when the broker stops. */
function echo(seen: Peer[] = []): Protocol {
  return {
    name: "echo",
    open(peer): Connection {
      seen.push(peer);
      return {
        receive(chunk) {
          peer.output.copy(chunk, 0, chunk.length);
          peer.flush();
        },
        drained: () => undefined,
        tick: () => undefined,
        closed: () => undefined,
        shutdown() {
          peer.output.copy(Buffer.from("bye"), 0, 3);
          peer.end();
        },
      };
    },
  };
}

async function listen(protocol: Protocol, connectionsMax = 100, room = new SocketRoom(0)): Promise<Listener> {
  const clock = systemClock();
  return Listener.open({
    name: "echo",
    protocol,
    host: "127.0.0.1",
    port: 0,
    connectionsMax,
    room,
    clock,
    logger: silentLogger,
  });
}

async function dial(listener: Listener): Promise<net.Socket> {
  const socket = net.connect(listener.address.port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

async function readAll(socket: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

test("megabytes come back whole and in order", async () => {
  const listener = await listen(echo());
  const socket = await dial(listener);
  const sent = Buffer.alloc(5_000_000);
  for (let i = 0; i < sent.length; i++) sent[i] = (i * 7919) >>> 5;
  socket.write(sent);
  let received = 0;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    assert.ok(chunk.equals(sent.subarray(received, received + chunk.length)));
    received += chunk.length;
    if (received === sent.length) break;
  }
  assert.equal(received, sent.length);
  await listener.stop(1000);
});

test("those past the limit are closed at once, and a place that is left can be taken", async () => {
  const listener = await listen(echo(), 1);
  const first = await dial(listener);
  first.write("here");
  await once(first, "data");
  const second = await dial(listener);
  assert.equal((await readAll(second)).length, 0);
  first.destroy();
  while (listener.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve));
  const third = await dial(listener);
  third.write("me");
  assert.equal(String((await once(third, "data"))[0]), "me");
  third.destroy();
  await listener.stop(1000);
});

test("listeners share the room that the system leaves for sockets", async () => {
  const room = new SocketRoom(6);
  assert.deepEqual([room.max, new SocketRoom(1024).max, new SocketRoom(0).max], [3, 768, Number.POSITIVE_INFINITY]);
  const listeners = [await listen(echo(), 100, room), await listen(echo(), 100, room)] as const;
  const inside = await Promise.all([...listeners, listeners[0]].map(dial));
  for (const socket of inside) {
    socket.write("here");
    await once(socket, "data");
  }
  for (const listener of listeners) assert.equal((await readAll(await dial(listener))).length, 0);
  inside[0]!.destroy();
  while (listeners[0].connectionCount > 1) await new Promise((resolve) => setImmediate(resolve));
  const next = await dial(listeners[1]);
  next.write("me");
  assert.equal(String((await once(next, "data"))[0]), "me");
  for (const socket of [...inside, next]) socket.destroy();
  for (const listener of listeners) await listener.stop(1000);
});

test("stopping lets everybody hear the last words", async () => {
  const listener = await listen(echo());
  const sockets = await Promise.all([1, 2, 3].map(() => dial(listener)));
  while (listener.connectionCount < sockets.length) await new Promise((resolve) => setImmediate(resolve));
  const [, ...words] = await Promise.all([listener.stop(1000), ...sockets.map(readAll)]);
  assert.deepEqual(words.map(String), ["bye", "bye", "bye"]);
});

test("who does not hang up is cut off at the deadline", async () => {
  const deaf: Protocol = {
    name: "deaf",
    open: () => ({
      receive: () => undefined,
      drained: () => undefined,
      tick: () => undefined,
      closed: () => undefined,
      shutdown: () => undefined,
    }),
  };
  const listener = await listen(deaf);
  const socket = await dial(listener);
  socket.on("error", () => undefined);
  while (listener.connectionCount < 1) await new Promise((resolve) => setImmediate(resolve));
  await Promise.all([once(socket, "close"), listener.stop(50), readAll(socket).catch(() => undefined)]);
  assert.equal(listener.connectionCount, 0);
});

test("a peer that reads nothing holds back what is written for it, and only that", async () => {
  const peers: Peer[] = [];
  const listener = await listen(echo(peers));
  const slow = await dial(listener);
  slow.pause();
  while (peers.length < 1) await new Promise((resolve) => setImmediate(resolve));
  const bytes = Buffer.alloc(1_000_000);
  for (let i = 0; i < 20; i++) {
    peers[0]!.output.copy(bytes, 0, bytes.length);
    peers[0]!.flush();
  }
  const quick = await dial(listener);
  quick.write("quick");
  assert.equal(String((await once(quick, "data"))[0]), "quick");
  assert.ok(peers[0]!.unsentBytes > 1_000_000);
  slow.destroy();
  quick.destroy();
  await listener.stop(1000);
});

test("a peer that reads nothing stays when it is ended, with what it was sent, until it is cut off", async () => {
  const peers: Peer[] = [];
  const listener = await listen(echo(peers));
  const slow = await dial(listener);
  slow.on("error", () => undefined);
  slow.pause();
  while (peers.length < 1) await new Promise((resolve) => setImmediate(resolve));
  const bytes = Buffer.alloc(20_000_000);
  peers[0]!.output.copy(bytes, 0, bytes.length);
  peers[0]!.end();
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(listener.connectionCount, 1);
  peers[0]!.destroy();
  while (listener.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve));
  slow.destroy();
  await listener.stop(1000);
});
