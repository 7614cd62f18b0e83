/** Back to where they came from: the messages of a dead-letter queue return to the queue in which they first died. */
import type { QueueState } from "./catalog/queue-state.ts";
import type { Core } from "./core.ts";
import { publicationOf } from "./dead-letter.ts";
import { SessionState } from "./subscription/session.ts";

/**
 * Moves up to `countMax` ready messages of `queue` each to the queue of its first death, in one atomic step a message. A
 * message that never died, or whose queue is gone, stays. Answers how many were moved.
 */
export async function redrive(core: Core, queue: QueueState, countMax: number): Promise<number> {
  const session = new SessionState(core);
  const { namespace } = queue;
  let moved = 0;
  for (let taken = 0; taken < countMax; taken++) {
    const isMore = await new Promise<boolean>((resolve) => {
      session.get(queue, false, (lease, entry) => {
        if (entry === undefined) return resolve(false);
        const deaths = core.format(entry.format).deaths(entry.buffer, entry.headStart, entry.headEnd);
        const target = namespace.queueByName.get(deaths.at(-1)?.queue ?? "");
        if (target !== undefined && target !== queue) {
          core.commit.atomically(() => {
            const p = publicationOf(entry, namespace.exchange("")!, target.name);
            core.publisher.append([target], { ...p, ttlMs: -1 }, { routed: 0, refused: false, ticket: 0 });
            session.settle(lease, false, "accept");
          });
          moved++;
        }
        resolve(true);
      });
    });
    if (!isMore) break;
  }
  session.close();
  return moved;
}
