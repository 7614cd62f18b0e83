/**
 * HTTP with node:http on one side and plain data on the other: an `Answerer` gets a request that has no socket and answers
 * a value that is written here. So what it does can be tested without a server, and nothing above this file can hold a
 * socket open, forget to read a body, or write to somebody who has gone.
 *
 * - A body is read when it is asked for and not before, up to a bound and only as fast as is worth waiting for; all bodies
 *   that are being read at a time have a bound together. A request whose body was not read to its end ends its connection.
 * - An answer is text, bytes, or pieces of text that are made while they are sent: one piece a turn of the event loop, and none
 *   while the peer does not read. So a list of 10,000 things costs neither memory for all of it nor a long turn.
 * - Whatever an answerer throws becomes a 500 without details, and a line in the log with them; but for a broken invariant,
 *   which ends the process here as anywhere else: what it left behind must not get to the disk.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { AssertionError } from "../../base/assert.ts";
import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../observe/log.ts";
import type { HttpHandler } from "../http-listener.ts";
import { BodyReader, type BodyFault } from "./body-reader.ts";
import type { Pace } from "./pace.ts";
import { nextPiece } from "./slices.ts";

export interface HttpPeer {
  readonly address: string;
  readonly isLoopback: boolean;
  readonly isTls: boolean;
  /** Calls `run` once when the peer has gone, or has been answered. */
  whenGone(run: () => void): void;
}

export interface HttpRequest {
  /** In capitals. */
  readonly method: string;
  /** As it was sent, still percent-encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly peer: HttpPeer;
  /** Of several with one name, the first. */
  header(name: string): string | undefined;
  /** To be asked once. */
  body(bytesMax: number): Promise<Buffer | BodyFault>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Pieces are taken one by one, each in a turn of its own. */
  readonly body?: string | Buffer | Iterable<string> | BodyWriter;
}

/** Writes a body by itself, waiting for each piece to be taken; one that rejects breaks the answer off. */
export type BodyWriter = (write: (piece: Buffer) => Promise<void>) => Promise<void>;

export type Answerer = (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;

export interface ServeOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of the bodies that are being read, all together. */
  readonly bodiesBytesMax?: number;
  /** Of bodies that come in pieces; without it, they come as fast as the peer takes them. */
  readonly pace?: Pace;
}

/** What a body's writer is told; one that passes it on has not failed. */
class PeerGone extends Error {
  override readonly name = "PeerGone";
}

const bodiesBytesMaxDefault = 200_000_000;
const failure: HttpAnswer = {
  status: 500,
  headers: { "content-type": "application/json" },
  body: '{"error":"internal_server_error","reason":"The request failed; the log says why."}',
};

export function serveHttp(answer: Answerer, options: ServeOptions): HttpHandler {
  const { clock, logger } = options;
  const reader = new BodyReader(clock, options.bodiesBytesMax ?? bodiesBytesMaxDefault);
  return (incoming, response) => {
    // Without a listener of its own, an error of the socket would end the process. That the peer has gone is no news.
    incoming.on("error", ignorePeerGone);
    response.on("error", ignorePeerGone);
    // A peer that has gone already has no address any more, and nobody would hear the answer.
    if (incoming.socket.remoteAddress === undefined) return;
    void respond(incoming, response).catch((error: unknown) => {
      if (error instanceof AssertionError) passOn(error);
      else if (error instanceof PeerGone)
        logger.info("an HTTP answer was cut off by its reader", { path: pathOf(incoming) });
      else logger.error("an HTTP answer could not be written", { error });
      response.destroy();
    });
  };

  async function respond(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    let answered: HttpAnswer;
    try {
      answered = await answer(requestOf(incoming, response, reader));
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      logger.error("an HTTP request failed", { method: incoming.method, path: pathOf(incoming), error });
      answered = failure;
    }
    if (response.destroyed) return;
    // What was not read is in the way of the next request.
    if (!incoming.complete && hasBody(incoming)) response.setHeader("connection", "close");
    await write(answered, incoming, response, options);
    if (!incoming.complete) incoming.resume();
  }

  /** To where nobody catches it. */
  function passOn(error: AssertionError): void {
    clock.defer(() => {
      throw error;
    });
  }
}

function ignorePeerGone(): void {
  // Its requests have nobody left to answer to; node closes the socket.
}

function requestOf(incoming: IncomingMessage, response: ServerResponse, reader: BodyReader): HttpRequest {
  const { socket } = incoming;
  const address = socket.remoteAddress ?? "";
  const at = (incoming.url ?? "/").indexOf("?");
  const url = incoming.url ?? "/";
  return {
    method: incoming.method ?? "GET",
    path: at < 0 ? url : url.slice(0, at),
    query: new URLSearchParams(at < 0 ? "" : url.slice(at + 1)),
    peer: {
      address,
      isLoopback: isLoopback(address),
      isTls: "encrypted" in socket,
      whenGone: (run) => void response.once("close", run),
    },
    header(name) {
      const value = incoming.headers[name.toLowerCase()];
      return Array.isArray(value) ? value[0] : value;
    },
    body: (bytesMax) => reader.read(incoming, bytesMax),
  };
}

function pathOf(incoming: IncomingMessage): string | undefined {
  return incoming.url?.split("?", 1)[0];
}

function hasBody(incoming: IncomingMessage): boolean {
  const length = incoming.headers["content-length"];
  return incoming.headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0");
}

/** Of 127.0.0.0/8 and ::1, also in the form that a socket for both families shows. */
export function isLoopback(address: string): boolean {
  const plain = address.startsWith("::ffff:") ? address.slice(7) : address;
  return plain === "::1" || plain.startsWith("127.");
}

async function write(
  answer: HttpAnswer,
  incoming: IncomingMessage,
  response: ServerResponse,
  options: ServeOptions,
): Promise<void> {
  const { clock } = options;
  const { status, headers = {}, body } = answer;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.statusCode = status;
  if (body === undefined || typeof body === "string" || Buffer.isBuffer(body)) {
    end(response, body ?? "");
    return;
  }
  if (typeof body === "function") {
    await writeBody(body, incoming, response, clock);
    return;
  }
  const pieces = body[Symbol.iterator]();
  let piece = await nextPiece(pieces, options);
  const first = piece.done === true ? "" : piece.value;
  piece = await nextPiece(pieces, options);
  if (piece.done === true) {
    end(response, first);
    return;
  }
  // The length of the rest is not known. Nobody reads the body of an answer to HEAD.
  if (incoming.method === "HEAD") {
    response.end();
    return;
  }
  await send(response, first, clock);
  while (piece.done !== true && !response.destroyed) {
    await send(response, piece.value, clock);
    piece = await nextPiece(pieces, options);
  }
  response.end();
}

async function writeBody(
  body: BodyWriter,
  incoming: IncomingMessage,
  response: ServerResponse,
  clock: Clock,
): Promise<void> {
  if (incoming.method !== "HEAD") {
    await body(async (piece) => {
      await send(response, piece, clock);
      if (response.destroyed) throw new PeerGone("the peer has gone");
    });
  }
  response.end();
}

function end(response: ServerResponse, body: string | Buffer): void {
  const hasNone = response.statusCode === 204 || response.statusCode === 304;
  if (!hasNone) response.setHeader("content-length", Buffer.byteLength(body));
  response.end(hasNone ? undefined : body);
}

/** Resolves in a later turn, when the peer has taken what was written or has gone. */
function send(response: ServerResponse, piece: string | Buffer, clock: Clock): Promise<void> {
  // Of who left between two pieces, nothing more is heard.
  if (response.destroyed) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  if (response.write(piece)) {
    clock.defer(resolve);
    return promise;
  }
  const go = (): void => {
    response.off("drain", go);
    response.off("close", go);
    resolve();
  };
  response.on("drain", go);
  response.on("close", go);
  return promise;
}
