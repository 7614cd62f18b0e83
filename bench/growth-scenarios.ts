// The scenarios of the curves: one and the same work while one quantity grows. What else would grow with it is held: the messages
// under way together are about ten thousand, or sixteen megabytes, whatever the connections, copies or bytes of each; so a curve
// shows what the quantity costs, and not a longer line of waiting messages.

import { type FlowShape, type Lane, queueArguments, runFlow } from "./flow.ts";
import type { LoadOptions, LoadResult } from "./load-options.ts";
import { Peer } from "./peer.ts";
import { Publisher } from "./publisher.ts";
import { bindQueue, declareExchange, declareQueue, deleteExchange, deleteQueue, selectConfirms } from "./topology.ts";

const windowMax = 1000;
const underWayMax = 10_000;
const underWayBytesMax = 16_000_000;
/** Requests that wait for their answers together. */
const requestsMax = 100;

export const growthScenarios = { size, connections, queues, fanout, backlog };

/** How many unconfirmed messages each of `lanes` may have of `copies` copies of `bodyBytes` each. */
export function windowOf(lanes: number, copies: number, bodyBytes: number): number {
  const most = Math.min(underWayMax, underWayBytesMax / bodyBytes) / (lanes * copies);
  return Math.max(1, Math.min(windowMax, Math.floor(most)));
}

function shapeOf(options: LoadOptions, lanes: readonly Lane[], more: Partial<FlowShape> = {}): FlowShape {
  const bodyBytes = options.bodyBytes ?? 100;
  const copies = more.copies ?? 1;
  const window = options.window ?? windowOf(lanes.length, copies, bodyBytes);
  return { lanes, persistent: true, bodyBytes, copies, window, prefetch: options.prefetch ?? window, ...more };
}

const five = (index: number): string => String(index).padStart(5, "0");

async function inTurns(count: number, request: (index: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < count; from += requestsMax) {
    const few = Array.from({ length: Math.min(requestsMax, count - from) }, (_, index) => request(from + index));
    await Promise.all(few);
  }
}

/** Declares `width` durable queues, runs, and removes them. */
async function withQueues(
  options: LoadOptions,
  width: number,
  run: (names: readonly string[], control: Peer) => Promise<LoadResult>,
): Promise<LoadResult> {
  const names = Array.from({ length: width }, (_, index) => `bench-growth-${five(index)}`);
  const control = await Peer.open(options.uri);
  const shape = { durable: true, arguments: queueArguments(options) };
  await inTurns(width, (index) => declareQueue(control, names[index]!, shape));
  const result = await run(names, control);
  await inTurns(width, (index) => deleteQueue(control, names[index]!));
  await control.close();
  return result;
}

const oneLane = (queue: string): Lane => ({
  exchange: "",
  routingKeys: [queue],
  queues: [queue],
  sharesConnection: false,
});

/** Messages of `body` bytes through one queue. */
function size(options: LoadOptions): Promise<LoadResult> {
  return withQueues(options, 1, ([queue = ""]) => runFlow(shapeOf(options, [oneLane(queue)]), options));
}

/** `width` connections, each with one channel, a queue, a publisher and a consumer. */
function connections(options: LoadOptions): Promise<LoadResult> {
  return withQueues(options, options.width ?? 1, (names) => {
    const lanes = names.map((queue): Lane => ({ ...oneLane(queue), sharesConnection: true }));
    return runFlow(shapeOf(options, lanes), options);
  });
}

/** `width` queues, to which one connection publishes in turn and from which another one consumes. */
function queues(options: LoadOptions): Promise<LoadResult> {
  return withQueues(options, options.width ?? 1, (names) => {
    const lane: Lane = { ...oneLane(""), routingKeys: names, queues: names, sharesChannel: true };
    return runFlow(shapeOf(options, [lane]), options);
  });
}

/** A fanout exchange with `width` queues, each read on a channel of its own. */
function fanout(options: LoadOptions): Promise<LoadResult> {
  const copies = options.width ?? 1;
  const exchange = "bench-growth";
  return withQueues(options, copies, async (names, control) => {
    await declareExchange(control, exchange, "fanout", true);
    await inTurns(copies, (index) => bindQueue(control, names[index]!, exchange, ""));
    const lane: Lane = { ...oneLane(""), exchange, routingKeys: [""], queues: names };
    const result = await runFlow(shapeOf(options, [lane], { copies }), options);
    await deleteExchange(control, exchange);
    return result;
  });
}

/**
 * A queue in which `messages` wait, while others come and go at its ends. The queue stays, so that the next run, with more, need
 * not fill it from the start; `firstSequence` says how many were ever published to it. With `messages` 0 it is made anew.
 */
async function backlog(options: LoadOptions): Promise<LoadResult> {
  const queue = "bench-growth-backlog";
  const control = await Peer.open(options.uri);
  if (options.messages === 0) await deleteQueue(control, queue);
  const waiting = await declareQueue(control, queue, { durable: true, arguments: queueArguments(options) });
  const filled = Math.max(0, options.messages - waiting);
  await fill(options, queue, filled);
  const firstSequence = options.firstSequence + filled;
  // With nothing waiting it is the plain flow: who keeps a backlog of none waits for himself.
  const shape = shapeOf(options, [oneLane(queue)], { keepsBacklog: options.messages > 0 });
  const result = await runFlow(shape, { ...options, firstSequence });
  await control.close();
  return { ...result, waiting: waiting + filled, publishedEver: firstSequence + Number(result["published"]) };
}

async function fill(options: LoadOptions, queue: string, count: number): Promise<void> {
  if (count === 0) return;
  const peer = await Peer.open(options.uri);
  await selectConfirms(peer, 1);
  const publisher = new Publisher(peer, {
    channel: 1,
    exchange: "",
    routingKeys: [queue],
    persistent: true,
    bodyBytes: options.bodyBytes ?? 100,
    window: windowMax,
    limit: 0,
    firstSequence: options.firstSequence,
  });
  peer.receiver = {
    deliver: () => {},
    confirm: (_channel, tag, multiple, refused) => publisher.confirm(tag, multiple, refused),
    pause: () => publisher.pump(),
  };
  await new Promise<void>((resolve, reject) => {
    publisher.onDone = resolve;
    peer.onFailure = reject;
    publisher.allow(count);
  });
  await peer.close();
}
