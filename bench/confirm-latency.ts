// How long one publish waits for its confirm when nothing else is going on, beside what one synced write of the same
// disk costs in the same seconds: both are measured in turn, in short rounds, because a disk's mood changes. `loopUs` is
// the same round trip to a transient queue: what of the latency is not the disk. A write costs more on a thread that has
// just been woken than in a loop without pause, and a server's thread has always just been woken: both are measured.

import { SyncProbe } from "./disk.ts";
import { queueArguments } from "./flow.ts";
import type { Histogram } from "./histogram.ts";
import { type LoadOptions, type LoadResult, round } from "./load-options.ts";
import { Peer } from "./peer.ts";
import { Publisher } from "./publisher.ts";
import { declareQueue, deleteQueue, selectConfirms } from "./topology.ts";

const roundCount = 10;

async function openPublisher(
  options: LoadOptions,
  durable: boolean,
): Promise<{ peer: Peer; publisher: Publisher; queue: string }> {
  const queue = `bench-latency-${durable ? "durable" : "transient"}`;
  const peer = await Peer.open(options.uri);
  await deleteQueue(peer, queue);
  await declareQueue(peer, queue, { durable, arguments: queueArguments(options) });
  await selectConfirms(peer, 1);
  const publisher = new Publisher(peer, {
    channel: 1,
    exchange: "",
    routingKeys: [queue],
    persistent: durable,
    bodyBytes: options.bodyBytes ?? 100,
    window: 1,
    limit: 0,
  });
  peer.receiver = {
    deliver: () => {},
    confirm: (_channel, tag, multiple, refused) => publisher.confirm(tag, multiple, refused),
    pause: () => publisher.pump(),
  };
  return { peer, publisher, queue };
}

function publishOneByOne(publisher: Publisher, peer: Peer, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    publisher.onDone = resolve;
    peer.onFailure = reject;
    publisher.allow(count);
  });
}

/** `messages` publishes, at most 20,000, and as many synced writes. */
export async function confirmLatency(options: LoadOptions): Promise<LoadResult> {
  const perRound = Math.floor(Math.min(options.messages, 20_000) / roundCount);
  const durable = await openPublisher(options, true);
  const transient = await openPublisher(options, false);
  const dsync = new SyncProbe(options.dir, "dsync", 4096);
  const woken = new SyncProbe(options.dir, "woken", 4096);
  const append = new SyncProbe(options.dir, "append", options.bodyBytes ?? 100);
  await publishOneByOne(durable.publisher, durable.peer, 200);
  await publishOneByOne(transient.publisher, transient.peer, 200);
  dsync.write(100);
  append.write(100);
  const all: Histogram[] = [
    durable.publisher.confirmLatency,
    transient.publisher.confirmLatency,
    dsync.latency,
    woken.latency,
    append.latency,
  ];
  for (const histogram of all) histogram.clear();
  for (let turn = 0; turn < roundCount; turn++) {
    await publishOneByOne(durable.publisher, durable.peer, perRound);
    dsync.write(perRound);
    await woken.writeWoken(Math.min(perRound, 200));
    await publishOneByOne(transient.publisher, transient.peer, perRound);
    append.write(Math.min(perRound, 200));
  }
  const [confirm, loop, synced, slept, appended] = all as [Histogram, Histogram, Histogram, Histogram, Histogram];
  const result = {
    rate: round(1e6 / confirm.quantileUs(0.5)),
    confirmUs: confirm.summary(),
    loopUs: loop.summary(),
    syncedWriteUs: synced.summary(),
    wokenWriteUs: slept.summary(),
    appendUs: appended.summary(),
    p50OfSyncedWrite: round(confirm.quantileUs(0.5) / synced.quantileUs(0.5), 2),
    p99OfSyncedWrite: round(confirm.quantileUs(0.99) / synced.quantileUs(0.99), 2),
    p50OfWokenWrite: round(confirm.quantileUs(0.5) / slept.quantileUs(0.5), 2),
    p99OfWokenWrite: round(confirm.quantileUs(0.99) / slept.quantileUs(0.99), 2),
    messages: perRound * roundCount,
  };
  dsync.close();
  woken.close();
  append.close();
  for (const { peer, queue } of [durable, transient]) {
    await deleteQueue(peer, queue);
    await peer.close();
  }
  return result;
}
