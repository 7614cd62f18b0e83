import assert from "node:assert/strict";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { systemClock } from "../base/clock.ts";
import { silentLogger, type LogFields } from "../observe/log.ts";
import { HttpListener, type HttpHandler } from "./http-listener.ts";
import { SocketRoom } from "./socket-room.ts";

async function listen(
  handler: HttpHandler,
  more: { connectionsMax?: number; warn?: (fields: LogFields) => void } = {},
) {
  const logger = { ...silentLogger, warn: (_: string, fields: LogFields = {}) => more.warn?.(fields) };
  const { connectionsMax = 100 } = more;
  return HttpListener.open({
    name: "http",
    host: "127.0.0.1",
    port: 0,
    handler,
    connectionsMax,
    room: new SocketRoom(0),
    clock: systemClock(),
    logger,
  });
}

async function get(listener: HttpListener, path = "/"): Promise<{ status: number; body: string }> {
  const asked = request({ ...listener.address, path, agent: false });
  asked.end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode!, body };
}

test("whoever is mounted answers", async () => {
  const listener = await listen((_, response) => response.end("first"));
  assert.equal((await get(listener)).body, "first");
  listener.mount((_, response) => response.end("second"));
  assert.equal((await get(listener)).body, "second");
  await listener.stop(1000);
  await assert.rejects(get(listener), { code: "ECONNREFUSED" });
});

test("a stop waits for the request that is under way, and not for connections that ask nothing", async () => {
  let answer = (): void => undefined;
  const listener = await listen((_, response) => (answer = () => void response.end("late")));
  const silent = connect(listener.address.port, "127.0.0.1");
  const silentClosed = once(silent, "close");
  const asked = get(listener);
  while (listener.connectionCount < 2) await new Promise((resolve) => setImmediate(resolve));
  await Promise.race([asked, new Promise((resolve) => setImmediate(resolve))]);
  const stopped = listener.stop(10_000);
  answer();
  assert.equal((await asked).body, "late");
  await Promise.all([stopped, silentClosed]);
});

test("a request that does not end is cut off at the deadline", async () => {
  const listener = await listen(() => undefined);
  const asked = get(listener);
  const refusal = assert.rejects(asked, /socket hang up|ECONNRESET/);
  while (listener.connectionCount < 1) await new Promise((resolve) => setImmediate(resolve));
  await listener.stop(20);
  await refusal;
  assert.equal(listener.connectionCount, 0);
});

test("connections past the bound are closed, and counted in one line a second", async () => {
  const warned: LogFields[] = [];
  const listener = await listen((_, response) => response.end(), { connectionsMax: 1, warn: (f) => warned.push(f) });
  const first = connect(listener.address.port, "127.0.0.1");
  await once(first, "connect");
  for (let i = 0; i < 5; i++) {
    const refused = connect(listener.address.port, "127.0.0.1");
    refused.on("error", () => undefined);
    await once(refused, "close");
  }
  first.destroy();
  await listener.stop(1000);
  assert.deepEqual(
    warned.map(({ count }) => count),
    [1, 4],
  );
});

test("headers past their bound are refused with 431, nonsense with 400", async () => {
  const listener = await listen((_, response) => response.end());
  const answers = ["GET / HTTP/1.1\r\nhost: x\r\na: " + "a".repeat(40_000) + "\r\n\r\n", "what is this\r\n\r\n"].map(
    async (text) => {
      const socket = connect(listener.address.port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.write(text);
      const [chunk] = (await once(socket, "data")) as [Buffer];
      return String(chunk).slice(9, 12);
    },
  );
  assert.deepEqual(await Promise.all(answers), ["431", "400"]);
  await listener.stop(1000);
});
