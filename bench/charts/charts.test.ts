import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { figure, tonesOf } from "./figure.ts";
import { pushApart } from "./line-panel.ts";
import { readElements } from "./read-elements.ts";
import { scaleOf, shortNumber } from "./scale.ts";
import { element } from "./svg.ts";

test("a linear scale begins at 0 and ends at a round number above the greatest value", () => {
  const scale = scaleOf("linear", [37, 412]);
  assert.deepEqual([scale.low, scale.high, scale.at(0), scale.at(250), scale.at(500)], [0, 500, 0, 0.5, 1]);
  assert.deepEqual(
    scale.ticks.map(({ value }) => value),
    [0, 100, 200, 300, 400, 500],
  );
});

test("a logarithmic scale gives each tenfold the same length, and names powers of ten where it is long", () => {
  const scale = scaleOf("log", [10, 1_000_000]);
  assert.deepEqual([scale.at(10), scale.at(1_000_000)], [0, 1]);
  assert.ok(Math.abs(scale.at(100) - 0.2) < 1e-12 && Math.abs(scale.at(10_000) - 0.6) < 1e-12);
  assert.deepEqual(
    scale.ticks.map(({ value }) => value),
    [10, 100, 1000, 10_000, 100_000, 1_000_000],
  );
  assert.deepEqual(
    scaleOf("log", [3, 40]).ticks.map(({ value }) => value),
    [2, 5, 10, 20, 50],
  );
});

test("a logarithmic scale keeps a place for zero, and has none for what is negative or no number", () => {
  const scale = scaleOf("log", [0, 1000, 10_000_000]);
  assert.equal(scale.at(0), 0);
  assert.ok(scale.at(1000) > 0.05 && scale.at(10_000_000) === 1);
  assert.equal(scale.ticks[0]?.value, 0);
  assert.ok(Number.isNaN(scale.at(-1)) && Number.isNaN(scale.at(Number.NaN)));
});

test("every value has its place between 0 and 1, in order", () => {
  const values = fc.array(fc.oneof(fc.double({ min: 1e-6, max: 1e12, noNaN: true }), fc.constant(0)), { minLength: 1 });
  fc.assert(
    fc.property(values, fc.constantFrom("linear" as const, "log" as const), (given, kind) => {
      const scale = scaleOf(kind, given);
      const places = given.toSorted((a, b) => a - b).map((value) => scale.at(value));
      assert.ok(
        places.every((place, index) => place >= -1e-9 && place <= 1 + 1e-9 && place >= (places[index - 1] ?? 0)),
      );
      assert.ok(scale.ticks.length >= 2 && scale.ticks.length <= 12, `${scale.ticks.length} ticks`);
      assert.ok(scale.ticks.every(({ at }) => at >= -1e-9 && at <= 1 + 1e-9));
    }),
  );
});

test("numbers are short and keep three digits", () => {
  const shown = [0, 0.012, 7, 999.6, 12_345, 1e6, 2.5e9].map((value) => shortNumber(value));
  assert.deepEqual(shown, ["0", "0.012", "7", "1k", "12.3k", "1M", "2.5G"]);
  assert.deepEqual([shortNumber(10, "B"), shortNumber(1000, "B")], ["10 B", "1 kB"]);
});

const lines = {
  kind: "lines",
  title: "throughput, messages/s",
  xTitle: "size",
  xUnit: "B",
  xScale: "log",
  yScale: "linear",
  series: [
    {
      name: "Entrepot",
      points: [
        { x: 10, y: 100, low: 50, high: 100 },
        { x: 100, y: 50 },
        { x: 1000, y: 0 },
      ],
    },
  ],
} as const;

test("points of a line panel stand where their values say, and the band spans the runs", () => {
  const text = figure({ title: "t", description: "d", columns: 1, panels: [lines] });
  const elements = readElements(text);
  const numbers = (name: string): number[] =>
    elements
      .filter(({ attributes }) => attributes.get("r") === "2.6")
      .map(({ attributes }) => Number(attributes.get(name)));
  const [xs, ys] = [numbers("cx"), numbers("cy")];
  assert.equal(xs.length, 3);
  assert.ok(Math.abs(xs[1]! - xs[0]! - (xs[2]! - xs[1]!)) < 0.02, "each tenfold has one width");
  assert.ok(Math.abs(ys[1]! - ys[0]! - (ys[2]! - ys[1]!)) < 0.02, "100, 50 and 0 stand at equal distances");
  assert.ok(ys[0]! < ys[2]!, "more is higher");
  const band = elements.find(({ attributes }) => attributes.get("class") === "band fill-0")?.attributes.get("d");
  const places = [...band!.matchAll(/[ML]([\d.]+) ([\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);
  assert.deepEqual(places[0], [xs[0], ys[0]]);
  assert.deepEqual(places.at(-1), [xs[0], ys[1]]);
});

test("a value that was not measured leaves a gap in a line and words in place of a bar", () => {
  const series = [
    {
      name: "RabbitMQ",
      points: [
        { x: 1, y: 5 },
        { x: 10, y: Number.NaN },
        { x: 100, y: 6 },
      ],
    },
  ];
  const bars = [
    { name: "RabbitMQ", value: Number.NaN },
    { name: "Entrepot", value: 10, low: 8, high: 12 },
  ];
  const text = figure({
    title: "t",
    description: "d",
    columns: 2,
    panels: [
      { ...lines, series },
      { kind: "bars", title: "b", scale: "linear", groups: [{ title: "g", bars }] },
    ],
  });
  const elements = readElements(text);
  assert.equal(elements.filter(({ name }) => name === "circle").length, 2);
  assert.match(text, /not measured/);
  assert.equal(elements.filter(({ attributes }) => attributes.get("class") === "fill-0").length, 1);
});

test("a bar is as long as its value says", () => {
  const bars = [1, 2, 4].map((value) => ({ name: "Entrepot", value }));
  const text = figure({
    title: "t",
    description: "d",
    columns: 1,
    panels: [{ kind: "bars", title: "b", scale: "linear", groups: [{ title: "g", bars }] }],
  });
  const widths = readElements(text)
    .filter(({ attributes }) => attributes.get("class") === "fill-0")
    .map(({ attributes }) => Number(attributes.get("width")));
  assert.ok(
    Math.abs(widths[1]! - 2 * widths[0]!) < 0.03 && Math.abs(widths[2]! - 4 * widths[0]!) < 0.03,
    widths.join(),
  );
});

test("a figure is well-formed XML whatever its words are", () => {
  const word = fc.string({ unit: "binary", maxLength: 20 });
  fc.assert(
    fc.property(word, word, word, (title, name, xTitle) => {
      const panel = { ...lines, title, xTitle, series: [{ name, points: [{ x: 1, y: 1 }] }] };
      const text = figure({ title, subtitle: name, description: xTitle, columns: 1, panels: [panel] });
      assert.equal(readElements(text)[0]?.name, "svg");
      assert.match(text, /^[\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]*$/u);
    }),
  );
});

test("what is not well-formed is told", () => {
  for (const text of ["<a>", "<a></b>", '<a x="1" x="2" />', "<a>&</a>", "<a /><b />", "<a>x > y</a>", "<a x='1' />"]) {
    assert.throws(() => readElements(text), Error, text);
  }
  assert.throws(() => element("circle", { cx: Number.NaN }), /a coordinate is NaN/);
});

test("a contestant has one colour in all its lines, Entrepot the first and the limit the last", () => {
  const toneOf = tonesOf(["RabbitMQ p50", "RabbitMQ p99", "Entrepot p50", "RabbitMQ quorum", "plain Node"]);
  assert.equal(toneOf("RabbitMQ p50"), toneOf("RabbitMQ p99"));
  assert.deepEqual(["Entrepot p50", "RabbitMQ", "RabbitMQ quorum", "plain Node"].map(toneOf), [0, 1, 2, 4]);
});

test("labels that would lie upon each other are pushed apart within their bounds", () => {
  const labels = [50, 52, 99].map((y) => ({ tone: 0, text: "", x: 0, y }));
  pushApart(labels, 0, 100);
  const places = labels.map(({ y }) => y);
  assert.ok(places[1]! - places[0]! >= 13 && places[2]! - places[1]! >= 13, places.join());
  assert.ok(places[0]! >= 0 && places[2]! <= 100);
});
