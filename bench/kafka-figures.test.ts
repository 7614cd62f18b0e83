import assert from "node:assert/strict";
import { test } from "node:test";
import { barsText, kafkaSectionOf, kafkaText, memoryRow, ratioTo, withSection } from "./kafka-report.ts";
import type { KafkaRow, KafkaUsage } from "./kafka-rows.ts";
import { columnIn, numberIn } from "./kafka-tools.ts";
import { limitOf, type Moment, peakMbIn, type Shares, workingShares } from "./kafka-usage.ts";

const idle: Shares = {
  seconds: 1,
  machine: 0.5,
  broker: 0.2,
  client: 0.2,
  brokerThread: 0.1,
  clientThread: 0.1,
  disk: 0.1,
};

test("the limit is a thread before it is the machine, and the machine before the disk", () => {
  const far = "latency × window (client's thread 10 %, broker's 10 %, disk 10 %, 0.5 of 2 cores)";
  assert.equal(limitOf(idle, 2), far);
  assert.equal(limitOf({ ...idle, disk: 0.9 }, 2), "the disk (busy 90 %)");
  assert.equal(limitOf({ ...idle, brokerThread: 0.846 }, 2), "a broker's thread (85 %)");
  assert.match(limitOf({ ...idle, brokerThread: 0.844, disk: 0.844 }, 2), /broker's 84 %, disk 84 %/);
  const full = { ...idle, machine: 1.95, broker: 0.5, client: 1.2, disk: 0.9 };
  assert.equal(limitOf(full, 2), "all 2 cores (client 1.2, broker 0.5, others 0.3)");
  assert.equal(limitOf({ ...full, brokerThread: 0.99 }, 2), "a broker's thread (99 %)");
  assert.equal(limitOf({ ...full, brokerThread: 0.99, clientThread: 0.97 }, 2), "a client's thread (97 %)");
});

test("what a load waits for is not in its shares", () => {
  const at = (ms: number, client: number): Moment => ({
    ms,
    broker: { all: client / 2, threads: new Map([["1", client / 2]]) },
    client: { all: client, threads: new Map([["2", client]]) },
    machineSeconds: client * 2,
    diskBusyMs: 0,
  });
  const shares = workingShares([at(0, 0), at(1000, 0), at(2000, 1), at(3000, 1.9), at(4000, 1.95)]);
  assert.equal(shares?.seconds, 2);
  assert.ok(Math.abs(shares.client - 0.95) < 1e-9 && Math.abs(shares.brokerThread - 0.475) < 1e-9);
  assert.equal(workingShares([at(0, 0)]), undefined);
  assert.equal(workingShares([at(0, 1), at(1000, 1)]), undefined);
});

test("figures are read from what Kafka's tools print", () => {
  const lines = [
    "100 records sent, 50.5 records/sec (0.01 MB/sec), 1.0 ms",
    "900 records sent, 123456.7 records/sec (1 MB/sec)",
  ];
  assert.equal(numberIn(lines, /^\d+ records sent, ([\d.]+) records\/sec/), 123_456.7);
  assert.throws(() => numberIn(["nothing"], /(\d+) records/), /nothing/);
  assert.equal(columnIn(["start.time, data.consumed, fetch.nMsg.sec", "now, 5, 77.25"], "fetch.nMsg.sec"), 77.25);
  assert.throws(() => columnIn(["start.time, fetch.nMsg.sec"], "fetch.nMsg.sec"), /no fetch/);
  assert.equal(peakMbIn("VmPeak:\t 9000 kB\nVmHWM:\t    3000 kB\nVmRSS:\t 1024 kB\n"), 3.072);
});

const usage = (rssMbMax: number): KafkaUsage => ({
  limit: "latency × window",
  brokerUsPerMessage: 1,
  clientUsPerMessage: undefined,
  rssMbMax,
  writtenPerByte: undefined,
});

const row = (more: Partial<KafkaRow>): KafkaRow => ({
  id: "x",
  title: "some work",
  unit: "msg/s",
  bars: [{ against: "Kafka", ratio: 1.2 }],
  runs: {},
  usages: {},
  failures: {},
  ...more,
});

test("a bar of a rate is met from its ratio up, one of a time from it down", () => {
  const runs = { Kafka: [100, 90, 200], Entrepot: [130, 120] };
  assert.equal(ratioTo(row({ runs }), "Kafka"), 1.25);
  assert.equal(barsText(row({ runs })), "≥ 1.2 × Kafka: met");
  assert.equal(barsText(row({ runs, unit: "ms" })), "≤ 1.2 × Kafka: **not met**");
  assert.equal(barsText(row({ runs: { Kafka: [1] } })), "≥ 1.2 × Kafka: not measured");
  assert.equal(barsText(row({ bars: [], most: 120, unit: "ms", runs })), "≤ 120 ms: **not met**");
});

test("memory is the most of all works", () => {
  const rows = [
    row({ usages: { Kafka: [usage(400), usage(500)], Entrepot: [usage(90)] } }),
    row({ usages: { Kafka: [usage(450)], Entrepot: [usage(200)] } }),
  ];
  assert.deepEqual(memoryRow(rows).runs, { Kafka: [500], Entrepot: [200] });
});

test("a row that failed keeps what was measured, and the section says what failed", () => {
  const rows = [row({ runs: { Entrepot: [10] }, failures: { Kafka: ["it ended\nwith 1"], Entrepot: ["late"] } })];
  const text = kafkaText({ date: "2026-01-02", machine: "a machine", version: "4", rows });
  assert.match(text, /\| some work \| msg\/s \| 1, not warm \| 1 failed \|  \| 10, 1 failed \|/);
  assert.match(text, /- x, Kafka: it ended with 1\n- x, Entrepot: late/);
  assert.match(text, /\nWorks that were not measured: produce-100b, .*, transform, group \(/);
});

test("behind a figure stand the limit of the run in the middle, and what others took where that was kept", () => {
  const limits = ["a client's thread (99 %)", "a client's thread (97 %)", "a client's thread (98 %)"];
  const usages = {
    Entrepot: limits.map((limit, at) => ({ ...usage(1), limit, othersCores: at / 10 })),
    Kafka: [usage(2)],
  };
  const rows = [row({ id: "end-to-end-p50", runs: { Entrepot: [3, 1, 2], Kafka: [1] }, usages })];
  const text = kafkaText({ date: "2026-01-02", machine: "a machine", version: "4", rows });
  assert.match(text, /\| Entrepot \| a client's thread \(98 %\) \|.*\| 0\.10 \/ 0\.20 \|/);
  assert.match(text, /\| Kafka \| latency × window \|.*\|  \|\n/);
  assert.doesNotMatch(text, /not measured: .*end-to-end,/);
});

test("the section is replaced where it is, and the page around it stays", () => {
  const section = "## Against Apache Kafka\n\nnew\n";
  const page = withSection("# Page\n\n## One\n\n1\n", section);
  assert.equal(kafkaSectionOf(page), section);
  const again = withSection(`${page}\n## Two\n\n2\n`, "## Against Apache Kafka\n\nnewer\n\n");
  assert.equal(again, "# Page\n\n## One\n\n1\n\n## Against Apache Kafka\n\nnewer\n\n## Two\n\n2\n");
});
