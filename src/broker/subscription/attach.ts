/**
 * How consumers come to what they consume. On a topic with several partitions a consumer has a place in each: itself in
 * the first, and a *branch* in every other one. Leases and credit are its own, wherever a message comes from; a lease is
 * settled where its message lies.
 */
import { must } from "../../base/assert.ts";
import type { ConsumeOptions, ConsumeRefusal, Receiver } from "../api.ts";
import type { QueueState } from "../catalog/queue-state.ts";
import type { Core } from "../core.ts";
import { ConsumerState } from "./consumer-state.ts";
import type { GetDone } from "./lease-owner.ts";
import { LogReader } from "./log-reader.ts";
import type { SessionState } from "./session.ts";
import type { Subscription } from "./subscription.ts";

export function attach(
  core: Core,
  session: SessionState,
  queue: QueueState,
  options: ConsumeOptions,
  receiver: Receiver,
): ConsumerState | ConsumeRefusal {
  const subscription = subscriptionFor(queue, options);
  if (subscription === undefined) return attachReader(core, session, queue, options, receiver);
  const consumer = new ConsumerState(session, queue, options, receiver, subscription);
  const refusal = subscription.attach(consumer);
  if (refusal !== undefined) return refusal;
  for (const partition of queue.partitions) if (partition !== queue) addBranch(consumer, partition);
  queue.consumerCame();
  return consumer;
}

/** The consumers of the topic get a place in a partition that is new. */
export function addBranches(core: Core, topic: QueueState, partition: QueueState): void {
  const subscriptions = [topic.subscription, ...(topic.named?.values() ?? [])];
  for (const subscription of subscriptions) {
    if (subscription === undefined) continue;
    for (const consumer of subscription.consumers) addBranch(consumer, partition);
  }
  for (const consumer of topic.readers) addReader(core, consumer, partition, "first");
}

/** Takes one message of the first partition that has some, each time from another one on. */
export function getOne(
  session: SessionState,
  queue: QueueState,
  noAck: boolean,
  done: GetDone,
  named: string | undefined,
): void {
  const { partitions, counters } = queue;
  queue.touch();
  const first = named === undefined ? queue.subscription : queue.named?.get(named);
  if (first === undefined) {
    counters.getEmpty++;
    return done(0, undefined, false, 0, 0);
  }
  if (partitions.length === 1) return first.get(session, noAck, done);
  queue.turn = (queue.turn + 1) % partitions.length;
  const candidates = [...partitions.slice(queue.turn), ...partitions.slice(0, queue.turn)]
    .map((partition) => (named === undefined ? partition.subscription : partition.named?.get(named))!)
    .filter(({ readyCount }) => readyCount > 0);
  const next = (at: number): void => {
    const candidate = candidates[at] ?? first;
    candidate.get(session, noAck, (lease, entry, isRedelivered, returns, failures) => {
      if (entry !== undefined || at + 1 >= candidates.length || session.isClosed)
        return done(lease, entry, isRedelivered, returns, failures);
      counters.getEmpty--;
      next(at + 1);
    });
  };
  next(0);
}

function subscriptionFor(queue: QueueState, options: ConsumeOptions): Subscription | undefined {
  const { subscription, startAt } = options;
  if (subscription !== undefined) return must(queue.named?.get(subscription), "the subscription exists");
  return startAt === undefined ? queue.subscription : undefined;
}

function addBranch(consumer: ConsumerState, partition: QueueState): void {
  const { session, queue, options, receiver } = consumer;
  const subscription = must(subscriptionFor(partition, options), "all partitions have the topic's subscriptions");
  const branch = new ConsumerState(session, queue, options, receiver, subscription, consumer);
  const refusal = subscription.attach(branch);
  // Somebody may be alone on one of the partitions.
  if (refusal === undefined) consumer.addBranch(branch);
}

function attachReader(
  core: Core,
  session: SessionState,
  queue: QueueState,
  options: ConsumeOptions,
  receiver: Receiver,
): ConsumerState {
  const startAt = options.startAt ?? "next";
  const reader = new LogReader(queue.partition, queue.counters, core);
  const consumer = new ConsumerState(session, queue, options, receiver, {
    regained: () => reader.regained(),
    detach: (gone) => {
      reader.detach();
      queue.readers.delete(gone);
      queue.consumersLeft();
    },
  });
  reader.consumer = consumer;
  queue.readers.add(consumer);
  queue.consumerCame();
  begin(core, reader, queue, startAt);
  for (const partition of queue.partitions) if (partition !== queue) addReader(core, consumer, partition, startAt);
  return consumer;
}

function addReader(
  core: Core,
  consumer: ConsumerState,
  partition: QueueState,
  startAt: NonNullable<ConsumeOptions["startAt"]>,
): void {
  const { session, queue, options, receiver } = consumer;
  const reader = new LogReader(partition.partition, partition.counters, core);
  const source = { regained: (): void => reader.regained(), detach: (): void => reader.detach() };
  const branch = new ConsumerState(session, queue, options, receiver, source, consumer);
  reader.consumer = branch;
  consumer.addBranch(branch);
  begin(core, reader, partition, startAt);
}

function begin(
  core: Core,
  reader: LogReader,
  { partition, reading }: QueueState,
  startAt: NonNullable<ConsumeOptions["startAt"]>,
): void {
  if (startAt === "first") reader.startAt(partition.first);
  else if (startAt === "next") reader.startAt(partition.next);
  else if (startAt === "last") reader.startAt(Math.max(partition.first, partition.lastBatchStart));
  else if ("offset" in startAt) reader.startAt(startAt.offset);
  else void reading.offsetAtTime(startAt.timeMs).then((offset) => reader.startAt(offset), core.fatal);
}
