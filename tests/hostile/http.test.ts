/**
 * The management API against who means it no good. It is fuzzed from its own description: each line of its table with names,
 * queries and bodies of every sort. Whatever comes, the answer is one of the API's own, nothing fails inside, and whoever
 * uses the broker beside it notices nothing.
 */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { connect as connectAmqp } from "amqplib";
import fc from "fast-check";
import { startBroker } from "../../src/start-broker.ts";

interface Line {
  readonly method: string;
  readonly path: string;
}

interface House {
  readonly port: number;
  readonly amqp: string;
  readonly errors: readonly string[];
}

const guest = `Basic ${Buffer.from("guest:guest").toString("base64")}`;

async function open(t: TestContext): Promise<House> {
  const errors: string[] = [];
  const ignore = (): void => undefined;
  const error = (message: string, fields?: unknown): void => void errors.push(`${message} ${JSON.stringify(fields)}`);
  const logger = { debug: ignore, info: ignore, warn: ignore, error };
  const broker = await startBroker({ memory: true, listen: { http: 0, amqp: 0 }, logger });
  t.after(() => broker.stop());
  return { port: broker.ports["http"]!, amqp: `amqp://127.0.0.1:${broker.ports["amqp"]}`, errors };
}

/** Somebody who publishes, consumes and asks the API who they are. */
async function checkAlive({ port, amqp, errors }: House): Promise<void> {
  const whoami = await fetch(`http://127.0.0.1:${port}/api/whoami`, { headers: { authorization: guest } });
  assert.equal(whoami.status, 200);
  await whoami.text();
  const connection = await connectAmqp(amqp);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue("witness", { exclusive: true });
  channel.sendToQueue("witness", Buffer.from("x"));
  await channel.waitForConfirms();
  assert.ok(await channel.get("witness", { noAck: true }));
  await connection.close();
  assert.deepEqual(errors, []);
}

const names = [
  "a",
  "%2F",
  "..%2F..%2F..%2Fetc%2Fpasswd",
  "%2e%2e",
  "__proto__",
  "constructor",
  "toString",
  "%00",
  "%0d%0aSet-Cookie:%20a=b",
  "%F0%9F%9A%A2",
  "amq.default",
  "amq.topic",
  "q",
  "e",
  "x%7Ey~z",
  "%ff",
  "%",
  "<script>",
  "n".repeat(10_000),
];

const leaf = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 1e300, 2 ** 53, 0.5, "", "a", "(", "a".repeat(70_000), "true", "quorum"),
  fc.string(),
  fc.integer(),
);
const field = fc.constantFrom(
  ...[
    "durable",
    "auto_delete",
    "arguments",
    "type",
    "routing_key",
    "properties",
    "payload",
    "payload_encoding",
    "count",
  ],
  ...["ackmode", "encoding", "truncate", "pattern", "definition", "priority", "apply-to", "value", "tags", "password"],
  ...["password_hash", "configure", "write", "read", "exchange", "users", "name", "action", "node", "vhosts", "queues"],
  ...[
    "x-max-length",
    "x-queue-type",
    "__proto__",
    "headers",
    "description",
    "default_queue_type",
    "tracing",
    "bindings",
  ],
);
const { body } = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 4, depthSize: "small" }, leaf, tie("body"), fc.array(tie("value"), { maxLength: 4 })),
  body: fc.dictionary(field, tie("value"), { maxKeys: 7 }),
}));
const sent = fc.oneof(
  { arbitrary: body.map((value) => JSON.stringify(value)), weight: 6 },
  { arbitrary: fc.constantFrom("", "{", "[]", "null", '"x"', "[[[[[[", "\0\0", "[".repeat(50_000)), weight: 1 },
);
const query = fc.constantFrom(
  "",
  "?page=1&page_size=3&sort=name",
  "?page=-1",
  "?page=1&name=(a%2B)%2B%24&use_regex=true",
  "?columns=a.b.c,name,__proto__",
  "?sort=__proto__.x&sort_reverse=true",
  "?msg_rates_age=1e9&msg_rates_incr=0&lengths_age=x",
  "?msg_rates_age=60&msg_rates_incr=5&lengths_age=60&lengths_incr=1",
  "?%zz&&==&a[]=1",
  "?disable_stats=true&enable_queue_totals=true",
);

test("each line of the API's table, with names, queries and bodies of every sort", async (t) => {
  const house = await open(t);
  const response = await fetch(`http://127.0.0.1:${house.port}/api/entrepot/routes`, {
    headers: { authorization: guest },
  });
  const table = (await response.json()) as Line[];
  const line = fc.constantFrom(...table);
  const params = fc.array(fc.constantFrom(...names), { minLength: 5, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(line, params, query, sent, async ({ method, path }, chosen, asked, text) => {
      let at = 0;
      // A name of 10 KB once, since a header line has a bound.
      const target = path.replace(/:\w+/g, () => {
        const name = chosen[at++]!;
        return at > 1 && name.length > 1000 ? "long" : name;
      });
      const init = method === "GET" ? {} : { body: text };
      const headers = { authorization: guest, "content-type": "application/json" };
      const answer = await fetch(`http://127.0.0.1:${house.port}${target}${asked}`, {
        method,
        headers,
        redirect: "manual",
        ...init,
      });
      const said = await answer.text();
      const isOwn = answer.status < 500 || answer.status === 503;
      assert.ok(isOwn, `${method} ${target}${asked} ${text}: ${answer.status} ${said}`);
      assert.equal(answer.headers.get("set-cookie"), null);
      if (answer.status >= 400 && said !== "") JSON.parse(said);
      assert.deepEqual(house.errors, []);
    }),
    { numRuns: 800 },
  );
  // A virtual host that was deleted on the way is made again.
  const headers = { authorization: guest };
  await fetch(`http://127.0.0.1:${house.port}/api/vhosts/%2F`, { method: "PUT", headers });
  const permissions = JSON.stringify({ configure: ".*", write: ".*", read: ".*" });
  await fetch(`http://127.0.0.1:${house.port}/api/permissions/%2F/guest`, {
    method: "PUT",
    headers,
    body: permissions,
  });
  await checkAlive(house);
});

test("bodies past their bound are refused, on every line that takes one", async (t) => {
  const house = await open(t);
  const small = Buffer.alloc(1_000_001, " ");
  const headers = { authorization: guest };
  const refused = await fetch(`http://127.0.0.1:${house.port}/api/queues/%2F/q`, {
    method: "PUT",
    headers,
    body: small,
  });
  assert.equal(refused.status, 400);
  assert.deepEqual(await refused.json(), { error: "bad_request", reason: "Exceeded HTTP request body size limit" });
  const announced = await talk(house.port, [
    "POST /api/definitions HTTP/1.1\r\nHost: a\r\nAuthorization: ",
    `${guest}\r\nContent-Length: 20000001\r\n\r\n{`,
  ]);
  assert.match(announced, /^HTTP\/1.1 400 /);
  const nobody = await talk(house.port, [
    "POST /api/definitions HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n{",
  ]);
  assert.match(nobody, /^HTTP\/1.1 401 /, "who is not known is not read");
  await checkAlive(house);
});

test("requests that are cut off half way, and what is no HTTP, leave nothing behind", async (t) => {
  const house = await open(t);
  const whole = `PUT /api/queues/%2F/half HTTP/1.1\r\nHost: a\r\nAuthorization: ${guest}\r\nContent-Length: 16\r\n\r\n{"durable":true}`;
  for (let cut = 1; cut < whole.length; cut += 3) await cutOff(house.port, whole.slice(0, cut));
  for (const garbage of [
    "AMQP\0\0\x09\x01",
    "\x16\x03\x01\0\x05hello",
    "GET\r\n\r\n",
    "\0".repeat(1000),
    "GET / HTTP/9.9\r\n\r\n",
  ]) {
    await cutOff(house.port, garbage);
  }
  const answer = await fetch(`http://127.0.0.1:${house.port}/api/queues/%2F/half`, {
    headers: { authorization: guest },
  });
  assert.equal(answer.status, 404, "half a body declares no queue");
  await answer.text();
  const last = whole.replace("Host: a", "Host: a\r\nConnection: close");
  const [first, second] = (await talk(house.port, [whole + last])).matchAll(/^HTTP\/1.1 (\d+)/gm);
  assert.deepEqual([first?.[1], second?.[1]], ["201", "204"], "requests that come at once are answered in order");
  await checkAlive(house);
});

test("header lines without end are refused", async (t) => {
  const house = await open(t);
  const long = await talk(house.port, [
    `GET /api/whoami HTTP/1.1\r\nHost: a\r\nX-Long: ${"x".repeat(100_000)}\r\n\r\n`,
  ]);
  assert.match(long, /^HTTP\/1.1 431 /);
  const path = await talk(house.port, [`GET /api/${"x".repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`]);
  assert.match(path, /^HTTP\/1.1 431 /);
  await checkAlive(house);
});

test("a page of another site can read with nobody's password and change nothing", async (t) => {
  const house = await open(t);
  const base = `http://127.0.0.1:${house.port}`;
  const put = async (headers: Record<string, string>): Promise<number> => {
    // By hand: fetch keeps such headers for itself.
    const lines = Object.entries({
      Host: "a",
      Authorization: guest,
      "Content-Length": "2",
      Connection: "close",
      ...headers,
    });
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const answer = await talk(house.port, [`PUT /api/queues/%2F/foreign HTTP/1.1\r\n${head}\r\n{}`]);
    return Number(/^HTTP\/1.1 (\d+)/.exec(answer)?.[1]);
  };
  assert.equal(await put({ Origin: "https://evil.example" }), 403);
  assert.equal(await put({ "Sec-Fetch-Site": "cross-site" }), 403);
  assert.equal((await fetch(`${base}/api/queues/%2F/foreign`, { headers: { authorization: guest } })).status, 404);
  assert.equal(await put({}), 201);
  await checkAlive(house);
});

/** Sends it all and answers what comes until the server closes or is silent for a while after its answers. */
function talk(port: number, pieces: readonly string[]): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  const socket: Socket = connect(port, "127.0.0.1");
  socket.on("data", (chunk: Buffer) => void chunks.push(chunk));
  socket.on("error", () => undefined);
  socket.on("close", () => resolve(Buffer.concat(chunks).toString("latin1")));
  for (const piece of pieces) socket.write(piece);
  return promise;
}

function cutOff(port: number, bytes: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.on("close", () => resolve());
  socket.write(bytes, "latin1", () => socket.resetAndDestroy());
  return promise;
}
