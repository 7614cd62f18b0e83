import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { systemClock, VirtualClock, type Clock } from "../../../base/clock.ts";
import { runInSlices } from "../../../server/http/slices.ts";
import { replyList } from "./listing.ts";
import { httpAnswer, type Reply } from "./reply.ts";
import type { Call, JsonObject } from "./route.ts";

interface Thing {
  readonly name: string;
  readonly size?: number;
  readonly stats?: { readonly rate: number; readonly peak: number };
}

function callOf(query: string, clock: Clock = systemClock()): Call {
  return { query: new URLSearchParams(query), server: { clock } } as unknown as Call;
}

/** Does the work in one go. */
function found({ work }: Reply): Reply {
  assert.ok(work !== undefined);
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

function ask(things: readonly Thing[], query: string) {
  const listed = replyList(callOf(query), {
    things,
    name: ({ name }) => name,
    json: (thing) => thing as unknown as JsonObject,
    order: ["name"],
  });
  const reply = listed.work === undefined ? listed : found(listed);
  const { body } = httpAnswer(reply);
  const text = typeof body === "string" ? body : [...(body as Iterable<string>)].join("");
  return { status: reply.status, json: JSON.parse(text) };
}

const three: readonly Thing[] = [
  { name: "beta", size: 2, stats: { rate: 0.5, peak: 9 } },
  { name: "Alpha", size: 10 },
  { name: "gamma", stats: { rate: 3, peak: 1 } },
];
const names = (list: readonly Thing[]): string[] => list.map(({ name }) => name);

test("a list comes in its order, or in that which is asked for, with dots into objects", () => {
  assert.deepEqual(names(ask(three, "").json), ["Alpha", "beta", "gamma"]);
  assert.deepEqual(names(ask(three, "sort=size").json), ["gamma", "beta", "Alpha"]);
  assert.deepEqual(names(ask(three, "sort=stats.rate&sort_reverse=true").json), ["gamma", "beta", "Alpha"]);
  assert.deepEqual(names(ask(three, "sort=").json), ["Alpha", "beta", "gamma"]);
});

test("columns are picked, also inside of objects", () => {
  assert.deepEqual(ask(three, "columns=name,stats.rate").json, [
    { name: "Alpha" },
    { name: "beta", stats: { rate: 0.5 } },
    { name: "gamma", stats: { rate: 3 } },
  ]);
  assert.deepEqual(ask(three.slice(0, 1), "columns=stats,stats.rate").json, [{ stats: { rate: 0.5, peak: 9 } }]);
  assert.deepEqual(ask(three.slice(0, 1), "columns=stats.rate,stats").json, [{ stats: { rate: 0.5, peak: 9 } }]);
  assert.deepEqual(ask(three.slice(0, 1), "columns=constructor,__proto__").json, [{}]);
});

test("a page says what it is a page of", () => {
  assert.deepEqual(ask(three, "page=2&page_size=2").json, {
    filtered_count: 3,
    item_count: 1,
    page: 2,
    page_count: 2,
    page_size: 2,
    total_count: 3,
    items: [three[2]],
  });
  const filtered = ask(three, "page=1&name=A").json;
  assert.deepEqual(
    [filtered.filtered_count, filtered.total_count, names(filtered.items)],
    [3, 3, names(ask(three, "").json)],
  );
  assert.deepEqual(names(ask(three, "page=1&name=^a&use_regex=true").json.items), ["Alpha"]);
  assert.deepEqual(ask([], "page=1").json.items, []);
});

test("what is wrong with a page is said in RabbitMQ's words", () => {
  const wrong: readonly (readonly [query: string, error: string, reason: string])[] = [
    ["page=0", "invalid_pagination_parameters", "Invalid pagination parameters: page number 0, page size undefined"],
    [
      "page=1&page_size=501",
      "invalid_pagination_parameters",
      "Invalid pagination parameters: page number 1, page size 501",
    ],
    ["page=x", "bad_request", "Pagination parameters are invalid"],
    ["page=1&name=(&use_regex=true", "bad_request", "Pagination parameters are invalid"],
    ["page=7", "page_out_of_range", "Page out of range, page: 7 page size: 100, len: 3"],
    [
      `page=1&use_regex=true&name=${"a".repeat(1025)}`,
      "invalid_pagination_parameters",
      "name filter regex is too long",
    ],
  ];
  for (const [query, error, reason] of wrong) {
    assert.deepEqual(ask(three, query), { status: 400, json: { error, reason } }, query);
  }
});

test("a filter that would take for ever is given up", () => {
  const things = Array.from({ length: 2000 }, (_, index) => ({ name: `${"a".repeat(60)}!${index}` }));
  const { status, json } = ask(things, `page=1&use_regex=true&name=${encodeURIComponent("^(a+)+$")}`);
  // Either the pattern is refused as such, or its time is bounded.
  assert.ok(status === 400 || json.filtered_count === 0);
});

test("pages together are the list", () => {
  const thing = fc.record({ name: fc.string(), size: fc.integer() });
  const pageSizes = fc.integer({ min: 1, max: 20 });
  const columns = fc.constantFrom("", "&sort=size", "&sort=size&sort_reverse=true");
  fc.assert(
    fc.property(fc.array(thing, { maxLength: 60 }), pageSizes, columns, (things, pageSize, sort) => {
      const all: unknown[] = [];
      const count = Math.max(1, Math.ceil(things.length / pageSize));
      for (let page = 1; page <= count; page++) {
        all.push(...ask(things, `page=${page}&page_size=${pageSize}${sort}`).json.items);
      }
      assert.deepEqual(all, ask(things, sort.slice(1)).json);
    }),
    { numRuns: 200 },
  );
});

test("of thousands of columns that nothing has, a list is made in little time and in many pieces", () => {
  const things = Array.from({ length: 10_000 }, (_, index) => ({
    name: String(index),
    size: index,
    stats: { rate: 1 },
  }));
  const columns = Array.from({ length: 3000 }, (_, index) => `zz${index}.yy`).join(",");
  let looks = 0;
  const reply = replyList<Thing>(callOf(`columns=${columns}`), {
    things: things as unknown as readonly Thing[],
    name: ({ name }) => name,
    json: (thing) => {
      looks++;
      return thing as unknown as JsonObject;
    },
    order: [],
  });
  let mostInPiece = 0;
  let before = 0;
  for (const piece of httpAnswer(found(reply)).body as Iterable<string>) {
    assert.doesNotMatch(piece, /name/);
    mostInPiece = Math.max(mostInPiece, looks - before);
    before = looks;
  }
  assert.equal(looks, things.length);
  assert.ok(mostInPiece <= 256, `${mostInPiece} elements were made in one turn`);
});

test("a list is found in slices: no turn works for longer than one and a thing, however long all takes", async () => {
  // Reading what a thing is sorted by, or matching its name, takes half a millisecond of this clock.
  let lastMs = 0;
  let turns = 0;
  let longestMs = 0;
  const clock = new VirtualClock(undefined, (run) => {
    longestMs = Math.max(longestMs, clock.now() - lastMs);
    turns++;
    setImmediate(() => {
      lastMs = clock.now();
      run();
    });
  });
  const things = Array.from({ length: 2000 }, (_, index) => ({ name: `n${index}`, size: (index * 7919) % 2000 }));
  const work = (): void => clock.advance(0.5);
  for (const query of ["sort=size&page=1&page_size=10", "page=1&page_size=10&name=N"]) {
    turns = 0;
    lastMs = clock.now();
    const listed = replyList<Thing>(callOf(query, clock), {
      things,
      name({ name }) {
        work();
        return name;
      },
      json: (thing) => thing as unknown as JsonObject,
      cheap(thing, column) {
        work();
        return thing[column as keyof Thing];
      },
      order: [],
    });
    const reply = await runInSlices(listed.work!, { clock }, () => false);
    assert.equal(reply?.status, 200);
    assert.ok(turns >= (2000 * 0.5) / 4, `${turns} turns`);
  }
  assert.ok(longestMs <= 3.5, `a turn took ${longestMs} ms`);
});

test("a filter is given up after five seconds of its own work, with the names that it has begun", async () => {
  const clock = new VirtualClock(undefined, setImmediate);
  const things = Array.from({ length: 3000 }, (_, index) => ({ name: `n${index}` }));
  let asked = 0;
  const listed = replyList<Thing>(callOf("page=1&name=n", clock), {
    things,
    name({ name }) {
      asked++;
      clock.advance(2);
      return name;
    },
    json: (thing) => thing as unknown as JsonObject,
    order: [],
  });
  const reply = await runInSlices(listed.work!, { clock }, () => false);
  assert.equal(reply?.status, 400);
  assert.ok(asked > 2500 && asked <= 2564, `${asked}`);
});

test("a pattern that has to be guarded filters ten thousand harmless names", () => {
  const things = Array.from({ length: 10_000 }, (_, index) => ({ name: `${"word.".repeat(8)}${index % 2}` }));
  const { status, json } = ask(things, `page=1&use_regex=true&name=${encodeURIComponent("^([a-z]+\\.)*1$")}`);
  assert.deepEqual([status, json.filtered_count], [200, 5000]);
});
