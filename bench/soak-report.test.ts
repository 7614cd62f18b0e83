import { test } from "node:test";
import * as check from "node:assert/strict";
import { figure } from "./charts/figure.ts";
import { figuresOf, isHeld, soakSectionOf, soakText, verdictsOf, withSoak, type Soak } from "./soak-report.ts";
import type { Sample } from "./soak-watch.ts";

/** A soak of an hour in which memory grows by `leakMb` altogether. */
function soak(leakMb: number): Soak {
  const samples = Array.from({ length: 720 }, (_, index): Sample => {
    return {
      atMs: index * 5000,
      rssMb: 200 + (leakMb * index) / 720 + (index % 7),
      heapMb: 40 + (index % 5),
      descriptors: 40 + (index % 3),
      diskMb: 300 + (index % 60),
      cpu: 0.4,
      rate: 10_000,
      waiting: 0,
      p50Ms: [1, 2, Number.NaN],
      p99Ms: [5, 6, index % 2 === 0 ? 20 : Number.NaN],
    };
  });
  for (const [index, sample] of samples.entries()) if (index % 2 === 0) Object.assign(sample, { p50Ms: [1, 2, 9] });
  const churn = { connections: 3, queues: 2, topics: 1, members: 1 };
  const streams = ["AMQP, 100 B, fast consumer", "AMQP, 1 KB, slow consumer", "Kafka, 500 B, two groups"];
  return {
    date: "2026-01-01",
    machine: "a machine",
    minutes: 60,
    load: 0.5,
    maximum: 20_000,
    streams,
    samples,
    churn,
    missing: 0,
  };
}

test("what grows is told from what does not", () => {
  check.deepEqual(
    verdictsOf(soak(0)).filter(({ trend }) => trend.verdict !== "flat"),
    [],
  );
  const rising = verdictsOf(soak(60)).filter(({ trend }) => trend.verdict !== "flat");
  check.deepEqual(
    rising.map(({ name }) => name),
    ["resident memory"],
  );
});

test("the section takes the place of its old one, and leaves what is around it", () => {
  const page = withSoak("# Performance\n\n## Before\n\nA.\n", soakText(soak(0)));
  check.ok(page.startsWith("# Performance\n\n## Before\n\nA.\n\n## Soak\n"));
  check.equal(soakSectionOf(page), soakText(soak(0)));
  const among = page.replace("## Before", "## Soak-like") + "\n## After\n\nB.\n";
  const again = withSoak(among, soakText(soak(60)));
  check.match(again, /resident memory, MB \| .* \| \*\*rises\*\* \|/);
  check.ok(again.endsWith("\n\n## After\n\nB.\n"));
  check.equal(again.split("## Soak\n").length, 2);
});

test("there is a chart of memory, descriptors, disk and latency, and each is named in the section", () => {
  const charts = figuresOf(soak(0));
  for (const [name, chart] of charts) {
    check.match(figure(chart), /^<svg[\s\S]*<\/svg>\s*$/);
    check.ok(soakText(soak(0)).includes(`charts/${name}`), name);
  }
  check.deepEqual(
    charts.map(([name]) => name),
    ["soak-memory.svg", "soak-descriptors.svg", "soak-disk.svg", "soak-latency.svg", "soak-rate.svg"],
  );
});

test("a spike that lasts for one sample is in the chart", () => {
  const spiked = soak(0);
  Object.assign(spiked.samples[300]!, { p99Ms: [5000, 6, 20] });
  const points = figuresOf(spiked).flatMap(([, { panels }]) =>
    panels.flatMap((panel) => (panel.kind === "lines" ? panel.series.flatMap((series) => series.points) : [])),
  );
  check.equal(points.filter(({ high }) => high === 5000).length, 1);
  check.ok(points.every(({ y, low = y, high = y }) => low <= y && y <= high && y < 1e6));
});

test("one that was interrupted does not say that nothing is missing", () => {
  const { missing: _, ...interrupted } = soak(0);
  check.match(soakText(interrupted), /not received in the end: not known/);
  check.match(soakText(soak(0)), /not received in the end: 0\./);
});

test("a rate that could not be held is told", () => {
  check.ok(isHeld(soak(0)) && !isHeld({ ...soak(0), maximum: 25_000 }));
  check.doesNotMatch(soakText(soak(0)), /asked for/);
  check.match(soakText({ ...soak(0), maximum: 25_000 }), /That is 0\.40 × the maximum: 12,500 were asked for/);
});
