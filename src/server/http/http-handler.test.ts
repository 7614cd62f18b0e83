import assert from "node:assert/strict";
import { createServer, request as requestOf, type IncomingMessage } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { AssertionError } from "../../base/assert.ts";
import { systemClock, VirtualClock, type Clock } from "../../base/clock.ts";
import { silentLogger, type Logger } from "../../observe/log.ts";
import { serveHttp, type Answerer, type BodyWriter } from "./http-handler.ts";

async function serve(
  t: TestContext,
  answer: Answerer,
  bodiesBytesMax?: number,
  logger: Logger = silentLogger,
  clock: Clock = systemClock(),
): Promise<number> {
  const options = {
    clock,
    logger,
    ...(bodiesBytesMax !== undefined && { bodiesBytesMax }),
  };
  const server = createServer(serveHttp(answer, options));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

interface Told {
  readonly status: number | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

function tell(port: number, method: string, path: string, body?: Buffer): Promise<Told> {
  const { promise, resolve, reject } = Promise.withResolvers<Told>();
  const request = requestOf({ host: "127.0.0.1", port, method, path }, (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => void chunks.push(chunk));
    response.on("end", () =>
      resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() }),
    );
  });
  request.on("error", reject);
  request.end(body);
  return promise;
}

/** What comes back until the server closes. */
function talk(port: number, bytes: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => void chunks.push(chunk));
  socket.on("error", () => undefined);
  socket.on("close", () => resolve(Buffer.concat(chunks).toString()));
  socket.write(bytes);
  return promise;
}

test("a request is plain data, and so is its answer", async (t) => {
  const port = await serve(t, async (request) => {
    const body = await request.body(100);
    const value = {
      ...request.peer,
      method: request.method,
      path: request.path,
      q: request.query.get("q"),
      body: String(body),
    };
    return { status: 201, headers: { "x-own": "1" }, body: JSON.stringify(value) };
  });
  const { status, headers, text } = await tell(port, "PUT", "/a%2Fb?q=1%202", Buffer.from("hello"));
  assert.deepEqual([status, headers["x-own"], headers["content-length"]], [201, "1", String(text.length)]);
  const peer = { address: "127.0.0.1", isLoopback: true, isTls: false };
  assert.deepEqual(JSON.parse(text), { ...peer, method: "PUT", path: "/a%2Fb", q: "1 2", body: "hello" });
});

test("a body past its bound is refused before it is sent, and when it comes in pieces", async (t) => {
  const port = await serve(t, async (request) => ({ status: 200, body: String(await request.body(10)) }));
  const announced = await talk(port, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc");
  assert.match(announced, /\r\nconnection: close\r\n/i);
  assert.match(announced, /too-large$/);
  const chunked = await talk(
    port,
    "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n",
  );
  assert.match(chunked, /too-large$/);
});

test("bodies that are read at one time have a bound together", async (t) => {
  const port = await serve(t, async (request) => ({ status: 200, body: String(await request.body(1000)) }), 10);
  assert.equal((await tell(port, "PUT", "/", Buffer.alloc(11, "a"))).text, "too-many");
  assert.equal(
    (await tell(port, "PUT", "/", Buffer.alloc(10, "a"))).text,
    "aaaaaaaaaa",
    "what was refused is let go of",
  );
});

test("a peer that goes away in the middle of its body is noticed", async (t) => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const port = await serve(t, async (request) => {
    resolve(await request.body(1000));
    return { status: 200 };
  });
  const socket = connect(port, "127.0.0.1");
  socket.write("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc", () => socket.destroy());
  assert.equal(await promise, "cut-off");
});

test("pieces are made while they are sent, and no more are made for a peer that has gone", async (t) => {
  let made = 0;
  const port = await serve(t, () => ({
    status: 200,
    body: (function* () {
      for (; made < 10_000; made++) yield "x".repeat(100_000);
    })(),
  }));
  const socket = connect(port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await new Promise((resolve) => socket.once("data", resolve));
  socket.destroy();
  await new Promise((resolve) => socket.once("close", resolve));
  const before = made;
  assert.ok(before < 1000, `${before} pieces were made for a peer that reads none`);
  assert.equal((await tell(port, "HEAD", "/")).text, "");
});

test("few pieces have a length, many come in chunks, and HEAD gets none", async (t) => {
  const port = await serve(t, ({ path }) => ({ status: 200, body: path === "/one" ? ["only"] : ["a", "b", "c"] }));
  const one = await tell(port, "GET", "/one");
  assert.deepEqual([one.text, one.headers["content-length"]], ["only", "4"]);
  assert.equal((await tell(port, "GET", "/many")).text, "abc");
  const head = await tell(port, "HEAD", "/one");
  assert.deepEqual([head.text, head.headers["content-length"]], ["", "4"]);
});

test("an answerer that fails is a 500 that tells nothing of it", async (t) => {
  const port = await serve(t, () => {
    throw new Error("the secret is 42");
  });
  const { status, text } = await tell(port, "GET", "/");
  assert.equal(status, 500);
  assert.ok(!text.includes("42"));
});

test("a broken invariant is not answered: it is thrown where nobody catches it", async (t) => {
  const broken = (): never => {
    throw new AssertionError("the floor is below the cursor");
  };
  const answers: readonly Answerer[] = [
    broken,
    () => ({ status: 200, body: { [Symbol.iterator]: broken } }),
    () => ({ status: 200, body: () => Promise.resolve().then(broken) }),
  ];
  for (const answer of answers) {
    // What it defers is only run when it is told to, which is where it throws.
    const clock = new VirtualClock();
    const port = await serve(t, answer, undefined, silentLogger, clock);
    assert.equal(await talk(port, "GET / HTTP/1.1\r\nhost: x\r\n\r\n"), "");
    assert.throws(() => clock.runDeferred(), AssertionError);
  }
});

test("who cuts off a body that is written by itself is a line in the log, and no error", async (t) => {
  const { promise, resolve } = Promise.withResolvers<readonly unknown[]>();
  const note =
    (level: string) =>
    (...said: readonly unknown[]): void =>
      resolve([level, ...said]);
  const logger = { debug: note("debug"), info: note("info"), warn: note("warn"), error: note("error") };
  const body: BodyWriter = async (write) => {
    for (;;) await write(Buffer.alloc(100_000));
  };
  const port = await serve(t, () => ({ status: 200, body }), undefined, logger);
  const socket = connect(port, "127.0.0.1");
  socket.write("GET /backup?secret=1 HTTP/1.1\r\nHost: a\r\n\r\n");
  await new Promise((seen) => socket.once("data", seen));
  socket.destroy();
  assert.deepEqual(await promise, ["info", "an HTTP answer was cut off by its reader", { path: "/backup" }]);
});

test(
  "a body that is written by itself ends when its reader leaves between two pieces",
  { timeout: 20_000 },
  async (t) => {
    const { promise: over, resolve: end } = Promise.withResolvers<string>();
    const port = await serve(t, ({ peer }) => {
      const gone = new Promise<void>((resolve) => peer.whenGone(resolve));
      const body: BodyWriter = async (write) => {
        await write(Buffer.alloc(10));
        await gone;
        const second = write(Buffer.alloc(10));
        end(second.then(() => "it was written", String));
        await second;
      };
      return { status: 200, body };
    });
    const socket = connect(port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await new Promise((seen) => socket.once("data", seen));
    socket.destroy();
    assert.equal(await over, "PeerGone: the peer has gone");
  },
);
