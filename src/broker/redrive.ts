/** Back to where they came from: the messages of a dead-letter queue return to the queue in which they first died. */
import { Slices } from "../base/slices.ts";
import type { Entry, MessageFormat } from "./api.ts";
import type { QueueState } from "./catalog/queue-state.ts";
import { isDuplicateIn } from "./catalog/remembered-ids.ts";
import type { Core } from "./core.ts";
import { isRefusedSomewhere, publicationOf } from "./dead-letter.ts";
import { SessionState } from "./subscription/session.ts";

const sliceMs = 3;
const sliceMessages = 128;

/**
 * Moves up to `countMax` ready messages of `queue` each to the queue of its first death, in one atomic step a message. A
 * message that never died, or whose queue is gone or full, stays. Answers how many were moved.
 */
export async function redrive(core: Core, queue: QueueState, countMax: number): Promise<number> {
  const session = new SessionState(core);
  let moved = 0;
  const slices = new Slices(core.clock, sliceMs, sliceMessages);
  // What stays is held until the end, so that each is looked at once.
  for (let looks = queue.readyCount; looks > 0 && moved < countMax; looks--) {
    await core.room.wait();
    // The queue, or the broker, may have gone meanwhile: nobody would answer any more.
    if (queue.isDeleted || session.isClosed) break;
    const step = await redriveOne(core, queue, session);
    if (step === "empty") break;
    if (step === "moved") moved++;
    if (slices.isOver()) await slices.pause();
  }
  session.settle(0, true, "release");
  session.close();
  return moved;
}

/** Deaths are in the order of their last time, so that one in a loop of retries is no longer where it was at first. */
function firstDeathQueue(format: MessageFormat, { buffer, headStart, headEnd }: Entry): string | undefined {
  return (
    format.firstDeathQueue?.(buffer, headStart, headEnd) ?? format.deaths(buffer, headStart, headEnd).at(-1)?.queue
  );
}

function redriveOne(core: Core, queue: QueueState, session: SessionState): Promise<"moved" | "stays" | "empty"> {
  const { namespace } = queue;
  return new Promise((resolve) => {
    session.get(queue, false, (lease, entry) => {
      if (entry === undefined) return resolve("empty");
      const target = namespace.queueByName.get(firstDeathQueue(core.format(entry.format), entry) ?? "");
      if (target === undefined || target === queue) return resolve("stays");
      const p = { ...publicationOf(entry, namespace.exchange("")!, target.name), ttlMs: -1 };
      // Asked first: one that refuses may dead-letter what it is offered, to the very queue that this is about.
      if (isRefusedSomewhere([target], p) || isDuplicateIn(core, target, p, true)) return resolve("stays");
      core.commit.atomically(() => {
        core.publisher.append([target], p, { routed: 0, refused: false, ticket: 0 }, true);
        session.settle(lease, false, "accept");
      });
      resolve("moved");
    });
  });
}
