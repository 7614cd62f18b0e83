/**
 * The management API, request by request, compared with what RabbitMQ 3.10 answered: status, Location, Allow, and the JSON with
 * its keys sorted. What is a broker's own (names of nodes, hashes) is put out of sight.
 *
 *   npm test                  against an Entrepot that is started for it
 *   RABBITMQ_HTTP=host:port   against a RabbitMQ with nothing in it as well: is the golden transcript still true?
 *   ... UPDATE_GOLDEN=1       writes it anew from there
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { startBroker } from "../../../src/start-broker.ts";
import { differences } from "./differences.ts";
import { requests, type Request } from "./requests.ts";

const golden = new URL("golden.txt", import.meta.url);
const { RABBITMQ_HTTP, UPDATE_GOLDEN } = process.env;

/** What was asked, and what came; two lines or three. */
type Exchange = readonly [asked: string, answered: string];

test("requests are answered as RabbitMQ answers them", async (t) => {
  const broker = await startBroker({ memory: true, listen: { http: 0 } });
  t.after(() => broker.stop());
  const found = await transcript(`127.0.0.1:${broker.ports["http"]}`);
  const expected = readGolden().map(([asked, answered], index): Exchange => {
    const difference = differences.find(({ request }) => request === asked);
    if (difference === undefined) return [asked, answered];
    assert.equal(difference.rabbitmq, answered, `differences.ts is out of date: ${asked} (${index})`);
    return [asked, difference.entrepot];
  });
  assert.equal(text(found), text(expected));
  for (const { request } of differences) {
    assert.ok(
      expected.some(([asked]) => asked === request),
      `differences.ts has what nobody asks: ${request}`,
    );
  }
});

test(
  "the golden transcript is RabbitMQ's",
  { skip: RABBITMQ_HTTP === undefined && "RABBITMQ_HTTP is not set" },
  async () => {
    const found = await transcript(RABBITMQ_HTTP ?? "");
    if (UPDATE_GOLDEN !== undefined) writeFileSync(golden, text(found));
    assert.equal(text(found), readFileSync(golden, "utf8"));
  },
);

async function transcript(address: string): Promise<Exchange[]> {
  const node = await nodeName(address);
  const exchanges: Exchange[] = [];
  const count = new Map<string, number>();
  for (const request of requests) {
    const asked = askedLine(request);
    const times = (count.get(asked) ?? 0) + 1;
    count.set(asked, times);
    exchanges.push([times === 1 ? asked : `${asked} (${times})`, await answerOf(address, node, request)]);
  }
  return exchanges;
}

function askedLine({ method, path, as, body }: Request): string {
  const who = as === undefined ? "" : ` as ${as ?? "nobody"}`;
  const shown = body === undefined ? "" : ` ${typeof body === "string" ? body : JSON.stringify(body)}`;
  return `${method} ${path}${who}${shown}`;
}

async function nodeName(address: string): Promise<string> {
  const response = await send(address, { method: "GET", path: "/overview" }, "");
  return ((await response.json()) as { node: string }).node;
}

function send(address: string, request: Request, node: string): Promise<Response> {
  const { method, path, as = "guest", body, form } = request;
  const headers: Record<string, string> = {};
  if (as !== null) headers["authorization"] = `Basic ${Buffer.from(`${as}:${as}`).toString("base64")}`;
  const type = form === true ? "application/x-www-form-urlencoded" : "application/json";
  if (body !== undefined) headers["content-type"] = type;
  const sent = body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) };
  return fetch(`http://${address}/api${path.replace("{node}", encodeURIComponent(node))}`, {
    method,
    headers,
    redirect: "manual",
    ...sent,
  });
}

async function answerOf(address: string, node: string, request: Request): Promise<string> {
  const response = await send(address, request, node);
  const bytes = await response.text();
  const parts = [String(response.status)];
  for (const name of ["location", "allow"]) {
    const value = response.headers.get(name);
    if (value !== null) parts.push(`${name}: ${name === "allow" ? value.split(/, */).toSorted().join(", ") : value}`);
  }
  const isJson = response.headers.get("content-type") === "application/json";
  if (bytes !== "") parts.push(isJson ? JSON.stringify(shown(JSON.parse(bytes), request.only)) : bytes);
  return parts.join(" ").replaceAll(node, "NODE");
}

/** With sorted keys; of an object that has them, only these. */
function shown(value: unknown, only: readonly string[] | undefined): unknown {
  if (only !== undefined && only.length === 0) return "(not compared)";
  if (Array.isArray(value)) return value.map((element) => shown(element, only));
  if (typeof value !== "object" || value === null) return value;
  const isError = "error" in value;
  const fields = Object.entries(value)
    .filter(([name]) => only === undefined || isError || only.includes(name))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(fields.map(([name, inner]) => [name, shown(inner, undefined)]));
}

function text(exchanges: readonly Exchange[]): string {
  return exchanges.map(([asked, answered]) => `${asked}\n  ${answered}\n`).join("");
}

function readGolden(): Exchange[] {
  const lines = readFileSync(golden, "utf8").trimEnd().split("\n");
  const exchanges: Exchange[] = [];
  for (let at = 0; at < lines.length; at += 2) exchanges.push([lines[at]!, lines[at + 1]!.slice(2)]);
  return exchanges;
}
