/** A short load on the places whose messages go on by themselves or by others, beside vandals, and what becomes of it if it is told otherwise. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { test } from "node:test";
import { Chance } from "../sim/chance.ts";
import { checkHistory } from "./check/check.ts";
import type { Client, Site } from "./clients/site.ts";
import { History, type Event } from "./history.ts";
import { emptyQueues, markEnd, readAll } from "./last-reading.ts";
import { eventPartitions, lossIn, makePlaces, placesOf, readersOf, removePlaces, writersOf } from "./places.ts";
import { Stage } from "./stage.ts";

const loadMs = 4000;
const places = placesOf(1);

const kindsIn = (events: readonly Event[]): string[] => [...new Set(checkHistory(events).map(({ kind }) => kind))];

function keyIn(event: Event): string | undefined {
  return event.kind === "got" || event.kind === "settle" ? `${event.place} ${event.writer} ${event.seq}` : undefined;
}

/** The first message of the place that was confirmed and came. */
function cameTo(events: readonly Event[], place: string): Extract<Event, { kind: "got" }> {
  const confirmed = new Set(
    events.flatMap((each) => (each.kind === "sent" && each.outcome === "ok" ? [`${each.writer} ${each.seqs[0]}`] : [])),
  );
  const got = events.find(
    (each) => each.kind === "got" && each.place === place && confirmed.has(`${each.writer} ${each.seq}`),
  );
  assert.ok(got?.kind === "got", `nothing came to ${place}`);
  return got;
}

/** Answers its history. */
async function load(directory: string): Promise<readonly Event[]> {
  const stage = await Stage.open(join(directory, "stage"), undefined, new Chance(1));
  const history = new History(join(directory, "history.jsonl"));
  const ports = { amqp: stage.proxies.amqp.port, kafka: stage.proxies.kafka.port };
  const [writersStop, readersStop] = [new AbortController(), new AbortController()];
  let names = 0;
  const nameFor = (kind: string): string => `${kind}${++names}`;
  const site: Site = {
    history,
    ports,
    nameFor,
    upsets: stage.broker,
    writersStop: writersStop.signal,
    readersStop: readersStop.signal,
  };
  await makePlaces(places, ports);
  const chance = new Chance(1);
  const start = (clients: readonly Client[]): Promise<void>[] =>
    clients
      .filter(({ name }) => /fading|faded|parcels|reminders|mire|vandal|orders|events/.test(name))
      .map((client) => client.run(site, chance.fork()));
  const readers = start(readersOf(places));
  const writers = start(writersOf(places));
  await wait(loadMs);
  writersStop.abort();
  await Promise.all(writers);
  const reading = { history, ports, nameFor };
  const ends = await markEnd(reading, places.events, eventPartitions);
  await readAll(reading, places.events, ends, "committed");
  await readAll(reading, places.events, ends, "all");
  readersStop.abort();
  await Promise.all(readers);
  await emptyQueues(reading, places, stage.broker);
  await removePlaces(places, ports);
  assert.deepEqual(stage.takeNotes(), { findings: [], damage: [] });
  const events = await history.close();
  assert.deepEqual(await stage.close(false), []);
  return events;
}

test(
  "what fades, is moved, or comes later is there once; vandals count for nothing",
  { timeout: 120_000 },
  async (t) => {
    const directory = mkdtempSync(join(tmpdir(), "entrepot-places-"));
    t.after(() => rmSync(directory, { recursive: true, force: true }));
    const events = await load(directory);
    assert.deepEqual(checkHistory(events), []);
    for (const place of [places.fading, places.parcels, places.reminders, places.mire]) {
      const got = cameTo(events, place);
      const key = keyIn(got);
      assert.deepEqual(kindsIn(events.filter((each) => keyIn(each) !== key)), ["lost"], place);
      const at = events.at(-1)!.at + 1;
      const again: Event[] = [
        { at, kind: "reading", reader: "x" },
        { ...got, at, reader: "x", isFlagged: true },
      ];
      assert.deepEqual(kindsIn([...events, ...again]), ["settled"], place);
    }
    const later = events.find((each) => each.kind === "end" && each.txn.startsWith("later"));
    assert.deepEqual(kindsIn(events.filter((each) => each !== later)), ["aborted"]);
  },
);

test("a loss is one of the place that the queue belongs to", () => {
  const text = (queue: string): string =>
    `stored bytes are damaged: a message is lost offset=7 queue=${queue} partition=0`;
  assert.deepEqual(lossIn(text(places.orders), places), { place: places.orders, partition: 0, offset: 7 });
  assert.deepEqual(lossIn(text(places.faded), places), { place: places.fading, partition: 1, offset: 7 });
  assert.deepEqual(lossIn(text(places.arrivals), places), { place: places.parcels, partition: 1, offset: 7 });
  assert.deepEqual(lossIn(text('"\\u0000delayed"'), places), { place: places.reminders, partition: 1, offset: 7 });
  const dueTimes = "stored due times are damaged: delayed messages stay behind file=a position=3 offset=7";
  assert.deepEqual(lossIn(dueTimes, places), { place: places.reminders, partition: 2, offset: 7 });
  assert.deepEqual(lossIn("the data directory is damaged file=a position=3", places), {});
});
