/** What a handler answers, and the refusals in RabbitMQ's words. */

import type { BodyWriter, HttpAnswer } from "../../../server/http/http-handler.ts";
import type { Work } from "../../../server/http/slices.ts";

export interface Reply {
  readonly status: number;
  /** To be sent as JSON; undefined: nothing. */
  readonly value?: unknown;
  /** To be sent as JSON, made piece by piece while it is sent. */
  readonly list?: LazyList;
  /** A JSON array of what is JSON already. */
  readonly elements?: readonly string[];
  /** An object whose lists are long: to be sent as JSON, made piece by piece like a list. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** To be sent as it is. */
  readonly text?: string;
  /** Bytes that are written while they are sent. */
  readonly stream?: BodyWriter;
  readonly headers?: Readonly<Record<string, string>>;
  /** Finding the answer takes long and is done in slices: what it ends with stands for this reply. */
  readonly work?: Work<Reply>;
}

/** To be found in slices. */
export function replyOf(work: Work<Reply>): Reply {
  return { status: 200, work };
}

/** A JSON array whose elements are made when they are needed; in an object of other values if there are any. */
export interface LazyList {
  /** Stands before the array, under the names of its own; the array is its last field, `items`. */
  readonly envelope?: Readonly<Record<string, unknown>>;
  readonly items: Iterable<unknown>;
}

export const done: Reply = { status: 204 };
export const created: Reply = { status: 201 };
export const objectNotFound: Reply = { status: 404, value: { error: "Object Not Found", reason: "Not Found" } };
export const vhostNotFound = refused(404, "not_found", "vhost_not_found");

export function reply(value: unknown): Reply {
  return { status: 200, value };
}

/** 201 for what was not there before, 204 for what was. */
export function put(isNew: boolean): Reply {
  return isNew ? created : done;
}

export function refused(status: number, error: string, reason: unknown): Reply {
  return { status, value: { error, reason } };
}

export function badRequest(reason: unknown): Reply {
  return refused(400, "bad_request", reason);
}

export function notAuthorised(reason: string): Reply {
  return refused(401, "not_authorised", reason);
}

/** Text is sent when it has reached this size or this many parts, in a turn of its own: parts may be small and yet work. */
const pieceCharactersMin = 32_768;
const piecePartsMax = 256;
const jsonHeaders = { "content-type": "application/json" };

export function httpAnswer({ status, value, list, elements, fields, text, stream, headers }: Reply): HttpAnswer {
  if (stream !== undefined) return { status, headers: { ...headers }, body: stream };
  if (text !== undefined) return { status, headers: { ...headers }, body: text };
  const json = { status, headers: { ...jsonHeaders, ...headers } };
  if (list !== undefined) return { ...json, body: gathered(listTexts(list)) };
  if (elements !== undefined) return { ...json, body: gathered(arrayOf(elements)) };
  if (fields !== undefined) return { ...json, body: gathered(fieldTexts(fields)) };
  if (value === undefined) return { status, headers: { ...headers } };
  return { ...json, body: JSON.stringify(value) };
}

/** Small texts as fewer larger ones. */
function* gathered(texts: Iterable<string>): Iterable<string> {
  let piece = "";
  let parts = 0;
  for (const text of texts) {
    piece += text;
    if (++parts < piecePartsMax && piece.length < pieceCharactersMin) continue;
    yield piece;
    piece = "";
    parts = 0;
  }
  yield piece;
}

function* listTexts({ envelope, items }: LazyList): Iterable<string> {
  if (envelope === undefined) {
    yield* arrayTexts(items);
    return;
  }
  const before = JSON.stringify(envelope).slice(0, -1);
  yield `${before}${before.length > 1 ? "," : ""}"items":`;
  yield* arrayTexts(items);
  yield "}";
}

function* fieldTexts(fields: Readonly<Record<string, unknown>>): Iterable<string> {
  let separator = "{";
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    yield `${separator}${JSON.stringify(name)}:`;
    if (Array.isArray(value)) yield* arrayTexts(value);
    else yield JSON.stringify(value);
    separator = ",";
  }
  yield separator === "{" ? "{}" : "}";
}

function arrayTexts(items: Iterable<unknown>): Iterable<string> {
  return arrayOf(jsonOf(items));
}

function* jsonOf(items: Iterable<unknown>): Iterable<string> {
  for (const item of items) yield JSON.stringify(item);
}

function* arrayOf(texts: Iterable<string>): Iterable<string> {
  let separator = "[";
  for (const text of texts) {
    yield separator + text;
    separator = ",";
  }
  yield separator === "[" ? "[]" : "]";
}
