/**
 * What lists have in common: order (`sort`, `sort_reverse`), pages (`page`, `page_size`, `name`, `use_regex`) and columns, as
 * RabbitMQ's API has them, with its words for what is wrong.
 *
 * A list is of things, not of their JSON: with a page asked for, or no order that needs more than `cheap` knows, JSON is
 * made only of the things that are answered. A page of 100 from 10,000 queues costs a filter, a sort of cheap values and 100
 * objects; whoever sorts by a rate pays for reading that of each. All of it is work in slices: gathering, filtering, keys, order.
 *
 * Values are ordered as Erlang orders terms: numbers before words before lists before text; what is missing counts as 0.
 */

import type { Clock } from "../../../base/clock.ts";
import { Pattern } from "../../../base/pattern.ts";
import { PatternFault } from "../../../base/pattern-translation.ts";
import { gather, sorting, type Work } from "../../../server/http/slices.ts";
import type { Call, JsonObject } from "./route.ts";
import { badRequest, refused, reply, replyOf, type LazyList, type Reply } from "./reply.ts";

export interface Listing<T> {
  /** Or what gathers them, for this once. */
  readonly things: readonly T[] | Work<readonly T[]>;
  /** What `name` filters; undefined: the filter takes it. */
  name(thing: T): string | undefined;
  json(thing: T): JsonObject;
  /** The value of a column that is known without making the JSON, or `notCheap`. */
  cheap?(thing: T, column: string): unknown;
  /** The order that comes with the list; `sort` puts its own before it. Dots lead into objects. */
  readonly order: readonly string[];
  /** False: the list has no pages, whatever is asked. */
  readonly hasPages?: boolean;
}

export const notCheap: unique symbol = Symbol("not cheap");

const pageSizeDefault = 100;
const pageSizeMax = 500;
/** No object that is answered is deeper. */
const columnDepthMax = 16;
const filterCharactersMax = 1024;
/** Of all slices together. Ten thousand names under a pattern that has to be guarded take a second or two. */
const filterMsMax = 5000;
/** A match of so long has run into the pattern's guard, and is a slice of its own. */
const slowMatchMs = 20;
const slowMatchesMax = 20;
/** Names under one guard. */
const matchedAtOnce = 64;

interface Matcher {
  each(name: string): boolean;
  /** Undefined: together they take too long. */
  all(names: readonly string[]): readonly boolean[] | undefined;
}

interface Page {
  readonly page: number;
  readonly pageSize: number;
  readonly matches: Matcher | undefined;
}

export function replyList<T>(call: Call, listing: Listing<T>): Reply {
  const page = pageOf(call.query);
  if (page !== undefined && "status" in page) return page;
  return replyOf(found(call, listing, listing.hasPages === false ? undefined : page));
}

function* found<T>({ query, server }: Call, listing: Listing<T>, page: Page | undefined): Generator<unknown, Reply> {
  const { things: given } = listing;
  const things = "next" in given ? yield* { [Symbol.iterator]: () => given } : given;
  const columns = columnsOf(query);
  const sorted = yield* sortedThings(query, things, listing);
  const show = (thing: T): unknown => withColumns(listing.json(thing), columns);
  if (page === undefined) return { status: 200, list: { items: lazily(sorted, show) } };
  const { matches, pageSize } = page;
  const chosen =
    matches === undefined ? sorted : yield* filtered(sorted, (thing) => listing.name(thing), matches, server.clock);
  if (chosen === undefined) return refused(400, "invalid_pagination_parameters", "name filter regex takes too long");
  const first = (page.page - 1) * pageSize;
  if (first > 0 && first >= chosen.length) return pageOutOfRange(page, chosen.length);
  const shown = chosen.slice(first, first + pageSize);
  const list: LazyList = {
    envelope: {
      filtered_count: chosen.length,
      item_count: shown.length,
      page: page.page,
      page_count: Math.ceil(chosen.length / pageSize),
      page_size: pageSize,
      total_count: things.length,
    },
    items: lazily(shown, show),
  };
  return { status: 200, list };
}

/** A list of objects, which are made while they are gathered. */
export function replyObjects(call: Call, objects: Iterable<JsonObject>, order: readonly string[]): Reply {
  return replyList(call, {
    things: gather(objects),
    name: (object) => (typeof object["name"] === "string" ? object["name"] : undefined),
    json: (object) => object,
    cheap: valueOf,
    order,
    hasPages: false,
  });
}

/** One object, with the columns that were asked for. */
export function replyObject(call: Call, object: JsonObject): Reply {
  return reply(withColumns(object, columnsOf(call.query)));
}

/** Undefined: it took too long. One match of a pattern is bounded, to twenty ms; ten thousand of them are not. */
function* filtered<T>(
  things: readonly T[],
  name: (thing: T) => string | undefined,
  matcher: Matcher,
  clock: Clock,
): Generator<unknown, readonly T[] | undefined> {
  const chosen: T[] = [];
  let leftMs = filterMsMax;
  let slowLeft = slowMatchesMax;
  for (let at = 0; at < things.length; at += matchedAtOnce) {
    const asked = things.slice(at, at + matchedAtOnce);
    const names: string[] = [];
    for (const thing of asked) {
      const startMs = clock.elapsedMs();
      names.push(name(thing) ?? "");
      leftMs -= clock.elapsedMs() - startMs;
      yield;
    }
    const startMs = clock.elapsedMs();
    const answers = matcher.all(names);
    leftMs -= clock.elapsedMs() - startMs;
    yield;
    for (const [index, thing] of asked.entries()) {
      const fromMs = clock.elapsedMs();
      if (answers === undefined ? matcher.each(names[index]!) : answers[index]!) chosen.push(thing);
      const tookMs = clock.elapsedMs() - fromMs;
      leftMs -= tookMs;
      if (tookMs >= slowMatchMs) slowLeft--;
      if (leftMs < 0 || slowLeft < 0) return undefined;
      yield;
    }
  }
  return chosen;
}

function* lazily<T>(things: readonly T[], show: (thing: T) => unknown): Iterable<unknown> {
  for (const thing of things) yield show(thing);
}

function pageOf(query: URLSearchParams): Page | Reply | undefined {
  const page = integer(query.get("page"));
  const pageSize = integer(query.get("page_size"));
  if (page === "malformed" || pageSize === "malformed") return badPages;
  if (page === undefined) return undefined;
  const name = query.get("name");
  const isPattern = query.get("use_regex") === "true";
  if (name !== null && isPattern && name.length > filterCharactersMax)
    return refused(400, "invalid_pagination_parameters", "name filter regex is too long");
  const size = pageSize ?? pageSizeDefault;
  if (page < 1 || size < 1 || size > pageSizeMax) {
    const text = `Invalid pagination parameters: page number ${page}, page size ${pageSize ?? "undefined"}`;
    return refused(400, "invalid_pagination_parameters", text);
  }
  const matches = name === null || name === "" ? undefined : matcherOf(name, isPattern);
  return matches === "malformed" ? badPages : { page, pageSize: size, matches };
}

const badPages = badRequest("Pagination parameters are invalid");

function pageOutOfRange({ page, pageSize }: Page, count: number): Reply {
  return refused(400, "page_out_of_range", `Page out of range, page: ${page} page size: ${pageSize}, len: ${count}`);
}

function integer(text: string | null): number | undefined | "malformed" {
  if (text === null) return undefined;
  return /^[+-]?\d{1,15}$/.test(text) ? Number(text) : "malformed";
}

/** Both kinds take capitals and small letters for the same. */
function matcherOf(name: string, isPattern: boolean): Matcher | "malformed" {
  if (!isPattern) {
    const wanted = name.toLowerCase();
    const each = (asked: string): boolean => asked.toLowerCase().includes(wanted);
    return { each, all: (names) => names.map(each) };
  }
  const pattern = Pattern.read(`(?i)${name}`);
  if (pattern instanceof PatternFault) return "malformed";
  return { each: (asked) => pattern.matches(asked), all: (names) => pattern.matchEach(names) };
}

/** Names and what is wanted of their values; undefined: everything. Of thousands of columns, one look finds the one. */
type Columns = ReadonlyMap<string, Columns | undefined>;

function columnsOf(query: URLSearchParams): Columns | undefined {
  const asked = query.get("columns");
  if (asked === null) return undefined;
  const columns = new Map<string, Map<string, unknown> | undefined>();
  for (const column of asked.split(",")) if (column !== "") addColumn(columns, column.split(".", columnDepthMax));
  return columns as Columns;
}

function addColumn(columns: Map<string, unknown>, names: readonly string[]): void {
  let at = columns;
  for (const [index, name] of names.entries()) {
    const inner = at.get(name) as Map<string, unknown> | undefined;
    // Of what is wanted whole, no part is wanted besides.
    if (inner === undefined && at.has(name)) return;
    if (index === names.length - 1) at.set(name, undefined);
    else if (inner !== undefined) at = inner;
    else {
      const made = new Map<string, unknown>();
      at.set(name, made);
      at = made;
    }
  }
}

/** Undefined columns: all. */
function withColumns(value: unknown, columns: Columns | undefined): unknown {
  if (columns === undefined || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((element) => withColumns(element, columns));
  const shown: Record<string, unknown> = {};
  for (const [name, inner] of Object.entries(value)) {
    if (columns.has(name)) shown[name] = withColumns(inner, columns.get(name));
  }
  return shown;
}

function* sortedThings<T>(
  query: URLSearchParams,
  things: readonly T[],
  listing: Listing<T>,
): Generator<unknown, readonly T[]> {
  const asked = query.get("sort");
  const order = asked === null || asked === "" ? listing.order : [...new Set([asked, ...listing.order])];
  if (order.length === 0) return things;
  const keyed: { readonly thing: T; readonly keys: readonly unknown[] }[] = [];
  for (const thing of things) {
    keyed.push({ thing, keys: keysOf(thing, order, listing) });
    yield;
  }
  const sorted = yield* sorting(keyed, (a, b) => compareAll(a.keys, b.keys));
  if (query.get("sort_reverse") === "true") sorted.reverse();
  return sorted.map(({ thing }) => thing);
}

function keysOf<T>(thing: T, order: readonly string[], listing: Listing<T>): unknown[] {
  let json: JsonObject | undefined;
  return order.map((column) => {
    const known = listing.cheap === undefined ? notCheap : listing.cheap(thing, column);
    if (known !== notCheap) return known ?? 0;
    json ??= listing.json(thing);
    return valueOf(json, column) ?? 0;
  });
}

/** The value at the end of a dotted way; undefined if there is none. */
export function valueOf(object: JsonObject, column: string): unknown {
  let value: unknown = object;
  for (const name of column.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as JsonObject)[name];
  }
  return value;
}

function compareAll(a: readonly unknown[], b: readonly unknown[]): number {
  for (const [index, value] of a.entries()) {
    const order = compare(value, b[index]);
    if (order !== 0) return order;
  }
  return 0;
}

function compare(a: unknown, b: unknown): number {
  const rank = rankOf(a);
  const difference = rank - rankOf(b);
  if (difference !== 0) return difference;
  if (rank === 2) return compareText(JSON.stringify(a), JSON.stringify(b));
  return rank === 0 ? Number(a) - Number(b) : compareText(String(a), String(b));
}

function rankOf(value: unknown): number {
  if (typeof value === "number" || typeof value === "bigint") return 0;
  if (typeof value === "string") return 3;
  return typeof value === "object" && value !== null ? 2 : 1;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
