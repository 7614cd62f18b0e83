/** What an exchange remembers (x-recent-history), for a queue that is bound to it. */
import { Slices } from "../base/slices.ts";
import type { QueueState } from "./catalog/queue-state.ts";
import type { Core } from "./core.ts";
import { publicationOf } from "./dead-letter.ts";
import { EntryCursor } from "./entry.ts";

const sliceMs = 3;
const sliceMessages = 1024;
/** Of messages, for one turn. */
const sliceBytes = 1 << 20;

/**
 * Hands the kept last messages of an exchange to a queue that was just bound: as many as are usual at once, before anything
 * else comes to it, and more by and by, when there is room, among what is published meanwhile.
 */
export async function replayHistory(core: Core, history: QueueState, queue: QueueState): Promise<void> {
  const { partition, subscription } = history;
  const cursor = new EntryCursor();
  const slices = new Slices(core.clock, sliceMs, sliceMessages);
  const { next } = partition;
  let bytes = 0;
  for (let at = subscription!.settled.floor; at < next; at++) {
    if (queue.isDeleted || history.isDeleted) return;
    if (!partition.look(at, cursor)) {
      if (!subscription!.settled.has(at)) at = (await firstLoaded(history, at)) - 1;
      continue;
    }
    const { namespace } = queue;
    const exchange = namespace.exchange(cursor.exchange()) ?? namespace.exchange("")!;
    const p = publicationOf(cursor, exchange, cursor.routingKey());
    core.publisher.append([queue], p, { routed: 0, refused: false, ticket: 0 });
    bytes += p.headEnd - p.headStart + p.bodyEnd - p.bodyStart;
    if (!slices.isOver() && bytes < sliceBytes) continue;
    bytes = 0;
    await slices.pause();
    await core.room.wait();
  }
}

/** Brings what lies at `offset` or behind it into memory; answers where that begins. */
function firstLoaded({ partition }: QueueState, offset: number): Promise<number> {
  return new Promise((resolve) =>
    partition.load(offset, false, (coveredEnd) => resolve(partition.firstInMemory(offset, coveredEnd))),
  );
}
