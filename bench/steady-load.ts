// A load that runs until its standard input ends, and says how far it has come whenever it is asked: each line that it is sent is
// answered with a line of JSON. So phases of one and the same stream can be compared, which two runs, each with connections, queue
// and warming up of its own, cannot as closely.
//
//     node bench/steady-load.ts --uri amqp://127.0.0.1:5672
//
// The stream is that of durable-100b: persistent messages of 100 B to one durable queue, confirmed when synced, each acknowledged
// on its own. At the end it waits until all has arrived, and its last line says whether anything was lost, doubled or disordered.

import { createInterface } from "node:readline";
import { drain, openLane } from "./flow.ts";
import { parseLoadOptions } from "./load-options.ts";
import { Peer } from "./peer.ts";
import { declareQueue, deleteQueue } from "./topology.ts";

/** What an answer says: counts and processor time since the start. */
export interface LoadCounters {
  readonly atMs: number;
  readonly confirmed: number;
  readonly received: number;
  readonly cpuMs: number;
}

/** What the last line says; all are 0 if all is well. */
export interface LoadFaults {
  readonly missing: number;
  readonly redelivered: number;
  readonly disordered: number;
  readonly refused: number;
}

const queue = "bench-steady";

async function main(): Promise<void> {
  const { options } = parseLoadOptions(process.argv.slice(2));
  const control = await Peer.open(options.uri);
  await declareQueue(control, queue, { durable: true, arguments: {} });
  const lane = await openLane(
    { exchange: "", routingKeys: [queue], queues: [queue], sharesConnection: false },
    { lanes: [], persistent: true, bodyBytes: 100, window: 1000, prefetch: 1000, copies: 1 },
    options,
  );
  const { publisher, consumer } = lane;
  publisher.allow(Number.MAX_SAFE_INTEGER);
  for await (const asked of createInterface({ input: process.stdin })) {
    void asked;
    const { user, system } = process.cpuUsage();
    const counters: LoadCounters = {
      atMs: performance.now(),
      confirmed: publisher.confirmed,
      received: consumer.received,
      cpuMs: (user + system) / 1000,
    };
    process.stdout.write(`${JSON.stringify(counters)}\n`);
  }
  await drain([lane], 1);
  const faults: LoadFaults = {
    missing: publisher.published - consumer.received,
    redelivered: consumer.redelivered,
    disordered: consumer.disordered,
    refused: publisher.refused,
  };
  process.stdout.write(`${JSON.stringify(faults)}\n`);
  await deleteQueue(control, queue);
}

await main();
process.exit(0);
