/**
 * Asks again and again where partitions end for who reads what is committed, and fetches what has come last: what was
 * acknowledged has to be there. Where a fetch brings messages says where the partition ends as well, for both kinds of readers.
 */

import { Admin, Consumer, FetchIsolationLevels } from "@platformatic/kafka";
import type { Chance } from "../sim/chance.ts";
import { rest, within, type Client, type Site } from "./clients/site.ts";

const answerWithinMs = 10_000;
/** More than the largest batch that is sent, so that a partition is not passed over for it. */
const partitionBytesMax = 600_000;
/** So many messages before the end, at most, a fetch begins. */
const backMax = 4;

interface Place {
  readonly name: string;
  readonly partitions: number;
}

export class EndsObserver implements Client {
  readonly name = "observer of ends";
  readonly #places: readonly Place[];
  /** As was seen last, by place and partition. */
  readonly #ends = new Map<string, number>();

  constructor(places: readonly Place[]) {
    this.#places = places;
  }

  async run(site: Site, chance: Chance): Promise<void> {
    while (!site.readersStop.aborted) {
      const how = {
        clientId: "observer",
        bootstrapBrokers: [`127.0.0.1:${site.ports.kafka}`],
        retries: 2,
        requestTimeout: answerWithinMs,
      };
      const admin = new Admin(how);
      const consumer = new Consumer({ ...how, groupId: site.nameFor("reading") });
      try {
        const asking = consumer.metadata({ topics: this.#places.map(({ name }) => name) });
        const { brokers, topics } = await within(answerWithinMs, asking, "metadata");
        const node = [...brokers.keys()][0]!;
        while (!site.readersStop.aborted) {
          await this.#askEnds(admin, site);
          await this.#fetch(consumer, { node, idOf: (place) => topics.get(place)!.id }, site, chance);
          await rest(chance.between(100, 600), site.readersStop);
        }
      } catch {
        await rest(chance.between(50, 500), site.readersStop);
      }
      await within(answerWithinMs, admin.close(), "closing").catch(() => undefined);
      await within(answerWithinMs, consumer.close(), "closing").catch(() => undefined);
    }
  }

  async #askEnds(admin: Admin, { history }: Site): Promise<void> {
    const since = history.now();
    const topics = this.#places.map(({ name, partitions }) => ({
      name,
      partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({ partitionIndex, timestamp: -1n })),
    }));
    const asking = admin.listOffsets({ topics, isolationLevel: FetchIsolationLevels.READ_COMMITTED });
    for (const { name: place, partitions } of await within(answerWithinMs, asking, "ends"))
      for (const { partitionIndex: partition, offset } of partitions)
        history.tell({ kind: "extent", place, partition, offset: Number(offset), since, view: "committed" });
  }

  /** One partition at a time: what brings some of it need not wait for what of another one must be read from disk. */
  async #fetch(
    consumer: Consumer,
    { node, idOf }: { readonly node: number; readonly idOf: (place: string) => string },
    { history }: Site,
    chance: Chance,
  ): Promise<void> {
    for (const { name: place, partitions } of this.#places)
      for (let partition = 0; partition < partitions; partition++) {
        const key = `${place}/${partition}`;
        const from = Math.max(0, (this.#ends.get(key) ?? 0) - chance.between(0, backMax + 1));
        const asked = { partition, fetchOffset: BigInt(from), partitionMaxBytes: partitionBytesMax };
        const topics = [
          { topicId: idOf(place), partitions: [{ ...asked, currentLeaderEpoch: -1, lastFetchedEpoch: -1 }] },
        ];
        const since = history.now();
        // Of what is committed this client leaves out more than it should.
        const isolationLevel = FetchIsolationLevels.READ_UNCOMMITTED;
        const fetching = consumer.fetch({ node, topics, isolationLevel, minBytes: 1, maxWaitTime: 0 });
        const { responses } = await within(answerWithinMs, fetching, "fetching");
        // Of a session a partition is left out in which there is nothing new.
        const answer = responses.flatMap((each) => each.partitions).find((each) => each.partitionIndex === partition);
        const last = answer?.records?.at(-1);
        const next = last === undefined ? from : Number(last.firstOffset) + last.lastOffsetDelta + 1;
        history.tell({ kind: "fetched", place, partition, from, next, since });
        if (answer === undefined) continue;
        const end = Number(answer.highWatermark);
        this.#ends.set(key, end);
        history.tell({ kind: "extent", place, partition, offset: end, since });
        const stable = Number(answer.lastStableOffset);
        history.tell({ kind: "extent", place, partition, offset: stable, since, view: "committed" });
      }
  }
}
