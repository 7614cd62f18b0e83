/** Asks where groups stand and where partitions end, again and again: what it is told may not lie behind what was told before. */

import { Admin, FetchIsolationLevels } from "@platformatic/kafka";
import type { Chance } from "../../sim/chance.ts";
import { ended, openKafka } from "./kafka-client.ts";
import { rest, within, type Client, type Site } from "./site.ts";

const answerWithinMs = 10_000;

export class KafkaObserver implements Client {
  readonly name = "observer";
  readonly #groups: readonly { readonly group: string; readonly place: string }[];
  readonly #places: readonly { readonly name: string; readonly partitions: number }[];

  constructor(
    groups: readonly { readonly group: string; readonly place: string }[],
    places: readonly { readonly name: string; readonly partitions: number }[],
  ) {
    this.#groups = groups;
    this.#places = places;
  }

  async run(site: Site, chance: Chance): Promise<void> {
    while (!site.readersStop.aborted) {
      const { kafka, sockets } = openKafka(site.ports.kafka);
      const admin = kafka.admin({ retry: { retries: 2, initialRetryTime: 100, maxRetryTime: 300 } });
      // kafkajs asks for the end of what is committed only.
      const bootstrapBrokers = [`127.0.0.1:${site.ports.kafka}`];
      const other = new Admin({ clientId: "observer", bootstrapBrokers, retries: 2, requestTimeout: answerWithinMs });
      try {
        await within(answerWithinMs, admin.connect(), "connecting");
        while (!site.readersStop.aborted) {
          for (const { group, place } of this.#groups) await askPosition(admin, site, group, place);
          await askExtents(other, site, this.#places);
          await rest(chance.between(100, 600), site.readersStop);
        }
      } catch {
        await rest(chance.between(50, 500), site.readersStop);
      }
      await ended(admin, sockets);
      await within(answerWithinMs, other.close(), "closing").catch(() => undefined);
    }
  }
}

type KafkaAdmin = ReturnType<ReturnType<typeof openKafka>["kafka"]["admin"]>;

export async function askPosition(
  admin: KafkaAdmin,
  site: Pick<Site, "history">,
  group: string,
  place: string,
): Promise<number[]> {
  const since = site.history.now();
  const [found] = await within(answerWithinMs, admin.fetchOffsets({ groupId: group, topics: [place] }), "offsets");
  const positions: number[] = [];
  for (const each of found!.partitions) {
    const { partition } = each;
    const offset = Math.max(0, Number(each.offset));
    positions[partition] = offset;
    site.history.tell({ kind: "position", group, place, partition, offset, since });
  }
  return positions;
}

async function askExtents(
  admin: Admin,
  { history }: Site,
  places: readonly { readonly name: string; readonly partitions: number }[],
): Promise<void> {
  const since = history.now();
  const topics = places.map(({ name, partitions }) => ({
    name,
    partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({ partitionIndex, timestamp: -1n })),
  }));
  const asking = admin.listOffsets({ topics, isolationLevel: FetchIsolationLevels.READ_UNCOMMITTED });
  for (const { name: place, partitions } of await within(answerWithinMs, asking, "ends"))
    for (const { partitionIndex: partition, offset } of partitions)
      history.tell({ kind: "extent", place, partition, offset: Number(offset), since });
}
