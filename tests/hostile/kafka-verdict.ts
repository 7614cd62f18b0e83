/**
 * What Kafka makes of the bytes of one request, whatever they are, and whether a broker makes the same of them. Kafka's broker
 * closes the connection, without a word,
 *
 * - on a request whose header cannot be read, that of ApiVersions not excepted;
 * - on an API that it does not have, and on a version that it does not have: only ApiVersions is answered then, in version 0,
 *   with UNSUPPORTED_VERSION, whatever stands behind its header;
 * - on a body that cannot be read. Bytes behind its end are no fault, nor are tags that are not known.
 *
 * All else is answered, be it by an error, but for what is produced with acks=0: there is no answer to what was taken, and the
 * connection is closed if something was not.
 */

import assert from "node:assert/strict";
import { errorCode, errorName } from "../../src/protocols/kafka/codec/errors.ts";
import {
  apiVersionsKey,
  putRequestHeader,
  RequestHeader,
  responseHasTags,
} from "../../src/protocols/kafka/codec/headers.ts";
import { apiVersionsRequest, apiVersionsResponse } from "../../src/protocols/kafka/codec/messages/api-versions.ts";
import { Input, Malformed } from "../../src/wire/input.ts";
import { allSchemas, type AnySchema } from "../conformance/kafka/schemas.ts";
import { WireClient } from "../conformance/kafka/wire-client.ts";
import { within } from "./kafka-witness.ts";

const closed = { kind: "closed" } as const;
/** Nothing, or the end of the connection. */
const nothing = { kind: "nothing" } as const;

export type Verdict = Answered | Waiting | typeof closed | typeof nothing;

/** `unsupported`: UNSUPPORTED_VERSION, in version 0 of ApiVersions. */
export interface Answered {
  readonly kind: "answer" | "unsupported";
  readonly correlationId: number;
  readonly response: AnySchema;
  readonly version: number;
}

/** The answer may wait: of Fetch for so long, of JoinGroup for others to join. */
export interface Waiting extends Omit<Answered, "kind"> {
  readonly kind: "wait";
  readonly untilMs: number;
  /** Of JoinGroup. */
  readonly groupId: string | undefined;
}

/** An API with the versions in which a broker takes it. */
export interface Api {
  readonly request: AnySchema;
  readonly response: AnySchema;
  readonly minVersion: number;
  readonly maxVersion: number;
}

/** For a broker that is asked senseless things: the bounds of sessions, so that who vanishes is soon forgotten. */
export const soonForgotten = { "kafka.groupSessionTimeoutMinMs": "1s", "kafka.groupSessionTimeoutMaxMs": "5s" };
const sessionTimeoutMsLeast = 1000;
const sessionTimeoutMsMax = 5000;

const patienceMs = 20_000;
/** Longer than this no request that is to be answered waits of itself. */
const waitMsMax = 500;
const nextCorrelationId = 0x7654_3210;
/** What is asked behind every request: whether it is answered shows that the connection goes on. */
export const next = putRequestHeader(apiVersionsKey, 0, nextCorrelationId, "hostile", false);

/** By key, what is advertised at an address. */
export async function advertisedApis(address: string): Promise<ReadonlyMap<number, Api>> {
  const client = await WireClient.open(address);
  const answer = await client.ask(apiVersionsRequest, apiVersionsResponse, 0, {});
  client.close();
  const schemas = await allSchemas();
  const apis = new Map<number, Api>();
  for (const { apiKey, minVersion, maxVersion } of answer!.apiKeys) {
    const request = schemas.find(({ key, name }) => key === apiKey && name.endsWith("Request"));
    const response = schemas.find(({ key, name }) => key === apiKey && name.endsWith("Response"));
    if (request === undefined || response === undefined) continue;
    // Produce is said to begin at 0, for the sake of some clients, and does not.
    apis.set(apiKey, { request, response, minVersion: Math.max(minVersion, request.minVersion), maxVersion });
  }
  return apis;
}

/** @param bytes a request without its size. */
export function verdictOn(bytes: Buffer, apis: ReadonlyMap<number, Api>): Verdict {
  const input = new Input(bytes, 0, bytes.length);
  const header = new RequestHeader();
  if (!header.readFixed(input)) return closed;
  const { apiKey, apiVersion, correlationId } = header;
  const api = apis.get(apiKey);
  if (api === undefined) return closed;
  const isKnown = apiVersion >= api.minVersion && apiVersion <= api.maxVersion;
  if (!isKnown && apiKey !== apiVersionsKey) return closed;
  if (!header.readRest(input, api.request.isFlexible(apiVersion))) return closed;
  const { response } = api;
  if (!isKnown) return { kind: "unsupported", correlationId, response, version: 0 };
  const request = api.request.read(input, apiVersion);
  if (request instanceof Malformed) return closed;
  const { acks, maxWaitMs, sessionTimeoutMs } = request as Readonly<Record<string, number | undefined>>;
  if (acks === 0) return nothing;
  const answer = { correlationId, response, version: apiVersion };
  if (maxWaitMs !== undefined && maxWaitMs > waitMsMax)
    return { kind: "wait", ...answer, untilMs: maxWaitMs, groupId: undefined };
  // It may come to join a group, and has to wait for others then.
  const timeoutMs = sessionTimeoutMs ?? 0;
  if (timeoutMs >= sessionTimeoutMsLeast && timeoutMs <= sessionTimeoutMsMax) {
    const { groupId } = request as { readonly groupId: string };
    return { kind: "wait", ...answer, untilMs: Infinity, groupId };
  }
  return { kind: "answer", ...answer };
}

/** Throws unless `frame`, without its size, is the answer that is due. */
export function checkAnswer(frame: Buffer, { kind, correlationId, response, version }: Answered): void {
  assert.equal(frame.readInt32BE(0), correlationId, "it is the answer to another request");
  const read = response.decode(frame, version, responseHasTags(response, version) ? 5 : 4);
  if (read instanceof Malformed) assert.fail(`${read.reason}: ${frame.toString("hex")}`);
  if (kind === "answer") checkErrors(read);
  else assert.equal((read as { readonly errorCode: number }).errorCode, errorCode.UNSUPPORTED_VERSION);
}

/** A code that Kafka does not have, or that says that something went wrong inside, is no answer. */
function checkErrors(value: unknown): void {
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value)) return;
  for (const [name, each] of Object.entries(value)) {
    if (name === "errorCode" || name === "partitionErrorCode")
      assert.notEqual(errorName(each as number), "UNKNOWN_SERVER_ERROR", String(each));
    else checkErrors(each);
  }
}

/** Sends a request's bytes, and something else behind them, and throws unless what comes of both is what Kafka makes of them. */
export async function holdTo(
  verdict: Exclude<Verdict, Waiting>,
  address: string,
  bytes: Buffer,
  name: string,
): Promise<void> {
  const client = await WireClient.open(address);
  try {
    const first = client.send(bytes);
    const second = client.send(next);
    const frame = await within(first, patienceMs);
    assert.notEqual(frame, "late", "silence");
    if (verdict.kind === "closed") {
      assert.equal(frame, undefined, "it was answered");
    } else if (verdict.kind === "nothing") {
      if (frame !== undefined) assert.equal((frame as Buffer).readInt32BE(0), nextCorrelationId, "it was answered");
    } else {
      assert.notEqual(frame, undefined, "the connection was closed");
      checkAnswer(frame as Buffer, verdict);
      checkNext(await within(second, patienceMs), verdict);
    }
  } catch (error) {
    throw blamed(name, bytes, error);
  } finally {
    client.close();
  }
}

export function blamed(name: string, bytes: Buffer, error: unknown): Error {
  return new Error(`${name}, ${bytes.toString("hex")}: ${(error as Error).message}`, { cause: error });
}

/** Throws unless `frame` is the answer to `next`, which came behind the request. */
export function checkNext(frame: Buffer | undefined | "late", verdict: Answered): void {
  assert.notEqual(frame, "late", "what came behind it was not answered");
  // A login that is refused ends the connection, and behind one that is not something else is asked for.
  const isLogin = verdict.response.name.startsWith("Sasl");
  if (frame === undefined && isLogin) return;
  assert.ok(frame !== undefined, "the connection was closed behind the answer");
  assert.equal((frame as Buffer).readInt32BE(0), nextCorrelationId, "what came behind it has another answer");
}
