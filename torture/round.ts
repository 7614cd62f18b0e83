/**
 * One round: places of its own, clients at work while faults happen, then peace, a last reading of everything, and the
 * checker's word. The data directory lives on from round to round, so that later ones run on what earlier ones have left.
 */

import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { inspect } from "node:util";
import { Chance } from "../sim/chance.ts";
import { checkHistory } from "./check/check.ts";
import { within, type Client, type Site } from "./clients/site.ts";
import { EndsObserver } from "./ends-observer.ts";
import { FaultRunner } from "./fault-runner.ts";
import { History, type Event } from "./history.ts";
import { catchUp, emptyQueues, markEnd, readAll, type Reading } from "./last-reading.ts";
import {
  eventPartitions,
  inputPartitions,
  lossIn,
  makePlaces,
  placesOf,
  readersOf,
  removePlaces,
  writersOf,
  type Places,
} from "./places.ts";
import type { RoundPlan } from "./plan.ts";
import type { Stage } from "./stage.ts";
import type { Tally } from "./tally.ts";

export interface RoundResult {
  readonly findings: readonly string[];
  /** Kind of finding to how many of that there are; the checker's only. */
  readonly kinds: ReadonlyMap<string, number>;
  readonly events: number;
  readonly sent: number;
  readonly got: number;
  readonly historyFile: string;
  /** Its data are damaged: the next round begins with none. */
  readonly hasRotted: boolean;
}

export interface RoundOptions {
  readonly plan: RoundPlan;
  readonly loadMs: number;
  readonly stage: Stage;
  readonly tally: Tally;
  /** What is synced from now on is not: see shim.c. */
  readonly hasLyingDisk: boolean;
}

/** Longer than a client needs to give up. */
const clientEndWithinMs = 60_000;
const settleMs = 300;

export async function runRound(options: RoundOptions): Promise<RoundResult> {
  const { plan, stage, tally } = options;
  const { directory, broker, proxies } = stage;
  const historyFile = join(directory, `history-${plan.round}.jsonl`);
  const history = new History(historyFile);
  const places = placesOf(plan.round);
  const findings: string[] = [];
  const runner = new FaultRunner({ broker, proxies: [proxies.amqp, proxies.kafka], history, tally });
  const [writersStop, readersStop] = [new AbortController(), new AbortController()];
  const ports = { amqp: proxies.amqp.port, kafka: proxies.kafka.port };
  let names = 0;
  const nameFor = (kind: string): string => `${kind}${++names}.${plan.round}`;
  const site: Site = {
    history,
    ports,
    nameFor,
    upsets: broker,
    writersStop: writersStop.signal,
    readersStop: readersStop.signal,
  };
  const clients = { writers: [] as Promise<void>[], readers: [] as Promise<void>[] };
  try {
    await within(clientEndWithinMs, makePlaces(places, ports), "making the queues and topics");
    // Not before: without its places a round is stuck, and nobody misses a message.
    broker.control.set("lies", options.hasLyingDisk ? 1 : 0);
    const chance = new Chance(plan.clientSeed);
    const start = (client: Client): Promise<void> => client.run(site, chance.fork());
    clients.readers = [...readersOf(places), endsObserverOf(places)].map(start);
    clients.writers = writersOf(places).map(start);
    await runner.run(plan.faults, options.loadMs);
    writersStop.abort();
    await within(clientEndWithinMs, Promise.all(clients.writers), "the end of the writers");
    if (plan.endsWithCrash) await broker.end("SIGKILL", 0);
    const reading = { history, ports, nameFor };
    await readLogs(places, reading, async () => {
      readersStop.abort();
      await within(clientEndWithinMs, Promise.all(clients.readers), "the end of the readers");
    });
    await emptyQueues(reading, places, broker);
  } catch (error) {
    findings.push(`stuck: ${inspect(error, { depth: 3, compact: true }).replaceAll(/\s*\n\s*/g, " | ")}`);
  }
  writersStop.abort();
  readersStop.abort();
  // A broker that does not start again ends the round, and has said so.
  await runner.heal().catch((error: Error) => findings.push(`no peace: ${error.message}`));
  await within(clientEndWithinMs, Promise.allSettled([...clients.writers, ...clients.readers]), "the end of all").catch(
    (error: Error) => findings.push(error.message),
  );
  await wait(settleMs);
  const notes = stage.takeNotes();
  findings.push(...notes.findings);
  for (const text of notes.damage) {
    history.tell({ kind: "damage", text, ...lossIn(text, places) });
    if (!runner.hasRotted) findings.push(`the broker says of data that nobody touched: ${text}`);
  }
  const verdict = judge(await history.close());
  findings.push(...verdict.findings);
  if (findings.length === 0)
    await removePlaces(places, ports).catch((error: Error) => findings.push(`removing: ${error.message}`));
  return { ...verdict, findings, historyFile, hasRotted: runner.hasRotted };
}

/** In a scope of its own: clients that were given up hold on to that of their round, and events are hundreds of megabytes in a few. */
function judge(events: readonly Event[]): Pick<RoundResult, "findings" | "kinds" | "events" | "sent" | "got"> {
  const findings: string[] = [];
  const kinds = new Map<string, number>();
  for (const { kind, what } of checkHistory(events)) {
    findings.push(`${kind}: ${what}`);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  const count = (kind: string): number => events.reduce((sum, each) => sum + (each.kind === kind ? 1 : 0), 0);
  return { findings, kinds, events: events.length, sent: count("send"), got: count("got") };
}

function endsObserverOf({ events, input }: Places): Client {
  return new EndsObserver([
    { name: events, partitions: eventPartitions },
    { name: input, partitions: inputPartitions },
  ]);
}

async function readLogs(places: Places, reading: Reading, stopReaders: () => Promise<void>): Promise<void> {
  const { events, input, output, ledger, readers, transformers } = places;
  const eventEnds = await markEnd(reading, events, eventPartitions);
  const inputEnds = await markEnd(reading, input, inputPartitions);
  const ledgerEnds = await markEnd(reading, ledger, 1);
  await Promise.all([
    readAll(reading, events, eventEnds, "committed"),
    readAll(reading, events, eventEnds, "all"),
    readAll(reading, input, inputEnds, "committed"),
    readAll(reading, ledger, ledgerEnds, "committed"),
  ]);
  await catchUp(reading, readers, events, eventEnds);
  reading.history.tell({ kind: "finished", group: readers, place: events });
  await catchUp(reading, transformers, input, inputEnds);
  await stopReaders();
  reading.history.tell({ kind: "transformed", from: input, to: output });
  await readAll(reading, output, await markEnd(reading, output, inputPartitions), "committed");
}
