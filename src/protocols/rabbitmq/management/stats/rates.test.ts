import assert from "node:assert/strict";
import { test } from "node:test";
import { measure, parseRanges, SampleView, type Fields } from "./rates.ts";
import { Series } from "./series.ts";

const publish = measure("publish", [0]);
const both = measure("messages", [0, 1]);

function view(): SampleView {
  const series = new Series(2, 16, 16, { take: () => false, give: () => undefined });
  series.record(5_000, [0, 5]);
  series.record(10_000, [50, 5]);
  series.record(15_000, [150, 5]);
  return new SampleView(series, { lastMs: 15_000, beforeMs: 10_000 });
}

test("the rate is that of the last interval, and 0 when nothing came in it", () => {
  assert.equal(view().rate(publish), 20);
  const series = new Series(1, 4, 4, { take: () => false, give: () => undefined });
  series.record(5_000, [100]);
  assert.equal(new SampleView(series, { lastMs: 60_000, beforeMs: 55_000 }).rate(publish), 0);
});

test("samples come newest first, with averages over the whole range", () => {
  const fields: Fields = {};
  view().add(fields, [both], () => 160, { firstMs: 5_000, lastMs: 15_000, stepMs: 5_000 });
  assert.deepEqual(fields, {
    messages: 160,
    messages_details: {
      rate: 20,
      samples: [
        { sample: 155, timestamp: 15_000 },
        { sample: 55, timestamp: 10_000 },
        { sample: 5, timestamp: 5_000 },
      ],
      avg_rate: 15,
      avg: 215 / 3,
    },
  });
});

test("before the first sample there was nothing, as RabbitMQ tells it", () => {
  const fields: Fields = {};
  view().add(fields, [publish], () => 150, { firstMs: -10_000, lastMs: 10_000, stepMs: 5_000 });
  const details = fields["publish_details"] as { readonly samples: readonly { readonly sample: number }[] };
  assert.deepEqual(
    details.samples.map(({ sample }) => sample),
    [50, 0, 0, 0, 0],
  );
});

test("the share of time in which nothing waited", () => {
  const series = new Series(1, 8, 8, { take: () => false, give: () => undefined });
  series.record(5_000, [0]);
  series.record(15_000, [9]);
  series.record(20_000, [0]);
  const passes = { lastMs: 20_000, beforeMs: 15_000 };
  assert.equal(new SampleView(series, passes).shareAtZero(publish, 0, 20_000, 5_000), 3 / 4);
});

test("ranges are read as RabbitMQ reads them", () => {
  const read = (text: string) => parseRanges(new URLSearchParams(text), 1_003_999);
  const ranges = read("lengths_age=60&lengths_incr=5&msg_rates_age=x&msg_rates_incr=5");
  assert.ok(typeof ranges !== "string");
  assert.deepEqual(ranges.lengths, { firstMs: 940_000, lastMs: 1_000_000, stepMs: 5_000 });
  assert.equal(ranges.messageRates, undefined, "what is no number was not given");
  assert.equal(read("lengths_age=60&lengths_incr=0"), "Invalid range parameters: age 60, incr 0");
  assert.equal(read("node_stats_age=-1&node_stats_incr=5"), "Invalid range parameters: age -1, incr 5");
  assert.equal(read("data_rates_age=2505&data_rates_incr=5"), "Invalid range parameters: age 2505, incr 5");
  assert.ok(typeof read("data_rates_age=2500&data_rates_incr=5") !== "string", "500 samples are the most");
});
