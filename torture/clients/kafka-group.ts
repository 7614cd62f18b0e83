/**
 * Members of a consumer group that read a topic and commit where they are. Each generation of each member is a reader of
 * its own, since it begins where the group stands. Some members vanish; others come.
 */

import type { Consumer, EachBatchPayload } from "kafkajs";
import type { Chance } from "../../sim/chance.ts";
import { identityOf } from "../message.ts";
import { ended, openKafka, patience } from "./kafka-client.ts";
import { rest, whenStopped, within, type Client, type Site } from "./site.ts";

const commitWithinMs = 15_000;
const joinWithinMs = 30_000;

export interface GroupOptions {
  readonly group: string;
  readonly place: string;
  readonly view: "committed" | "all";
  /** How long a member lives about. */
  readonly lifeMs: number;
  readonly lagMs: number;
}

export class KafkaGroupMember implements Client {
  readonly name: string;
  readonly #options: GroupOptions;

  constructor(options: GroupOptions) {
    this.#options = options;
    this.name = `member of ${options.group}`;
  }

  async run(site: Site, chance: Chance): Promise<void> {
    while (!site.readersStop.aborted) {
      const { kafka, sockets } = openKafka(site.ports.kafka);
      const consumer = kafka.consumer({
        groupId: this.#options.group,
        readUncommitted: this.#options.view === "all",
        sessionTimeout: 6000,
        rebalanceTimeout: 6000,
        heartbeatInterval: 500,
        maxWaitTimeInMs: 100,
        // A crash ends this life of it: the next one begins anew.
        retry: { ...patience, retries: 3, restartOnFailure: async () => false },
      });
      try {
        const vanishes = await this.#live(consumer, site, chance);
        if (vanishes) sockets.vanish();
      } catch {
        await rest(chance.between(50, 500), site.readersStop);
      }
      await ended(consumer, sockets);
    }
  }

  /** Whether it is to vanish. */
  async #live(consumer: Consumer, site: Site, chance: Chance): Promise<boolean> {
    const { place, lifeMs, lagMs } = this.#options;
    let reader = site.nameFor("r");
    const crashed = Promise.withResolvers<void>();
    consumer.on("consumer.crash", () => crashed.resolve());
    consumer.on("consumer.group_join", () => void (reader = site.nameFor("r")));
    await within(joinWithinMs, consumer.connect(), "connecting");
    await within(joinWithinMs, consumer.subscribe({ topic: place, fromBeginning: true }), "subscribing");
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: async (payload) => {
        await this.#take(consumer, payload, site, reader);
        if (lagMs > 0) await rest(chance.between(0, lagMs), site.readersStop);
      },
    });
    const end = chance.between(lifeMs / 2, lifeMs * 1.5);
    await Promise.race([crashed.promise, whenStopped(site.readersStop), rest(end, site.readersStop)]);
    return !site.readersStop.aborted && chance.is(0.5);
  }

  async #take(consumer: Consumer, payload: EachBatchPayload, site: Site, reader: string): Promise<void> {
    const { batch, isRunning, isStale, resolveOffset, heartbeat } = payload;
    const { group, place, view } = this.#options;
    const { partition } = batch;
    for (const { offset, value } of batch.messages) {
      if (!isRunning() || isStale()) return;
      const identity = identityOf(value!);
      site.history.tell({ kind: "got", reader, group, place, view, ...identity, partition, offset: Number(offset) });
      resolveOffset(offset);
    }
    const last = batch.messages.at(-1);
    if (last === undefined) return;
    const where = { group, place, partition, offset: Number(last.offset) + 1 };
    site.history.tell({ kind: "move", ...where });
    const offsets = [{ topic: place, partition, offset: String(where.offset) }];
    if (await commit(consumer, offsets)) site.history.tell({ kind: "moved", ...where, outcome: "ok" });
    await heartbeat();
  }
}

/**
 * Whether the broker has taken them. kafkajs says nothing of it when a consumer that is about to stop asks for nothing any more, or
 * is refused.
 */
export async function commit(consumer: Consumer, offsets: Parameters<Consumer["commitOffsets"]>[0]): Promise<boolean> {
  let isTaken = false;
  const forget = consumer.on("consumer.commit_offsets", () => void (isTaken = true));
  try {
    await within(commitWithinMs, consumer.commitOffsets(offsets), "committing");
  } finally {
    forget();
  }
  return isTaken;
}
