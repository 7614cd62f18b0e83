/**
 * Random schedules of requests to a group: four clients, two of them static members, join, sync, beat, leave, commit and forget
 * who they are, in random versions and not always with what they were told, while others look at the group and try to delete it.
 * Each request has a connection of its own, as a client whose first one broke; nobody asks for the same thing twice at a time,
 * which Kafka does not answer. No time passes.
 */

import { seededRandom } from "../../../src/base/random.ts";
import { errorCode } from "../../../src/protocols/kafka/codec/errors.ts";
import * as administration from "../../../src/protocols/kafka/codec/messages/group-administration.ts";
import * as offsets from "../../../src/protocols/kafka/codec/messages/group-offsets.ts";
import * as members from "../../../src/protocols/kafka/codec/messages/groups.ts";
import { uuidZero } from "../../../src/protocols/kafka/codec/primitives.ts";
import type { AnySchema } from "./schemas.ts";
import { WireClient } from "./wire-client.ts";

type Plain = Record<string, unknown>;

const schemas = {
  join: [members.joinGroupRequest, members.joinGroupResponse],
  sync: [members.syncGroupRequest, members.syncGroupResponse],
  beat: [members.heartbeatRequest, members.heartbeatResponse],
  leave: [members.leaveGroupRequest, members.leaveGroupResponse],
  commit: [offsets.offsetCommitRequest, offsets.offsetCommitResponse],
  fetch: [offsets.offsetFetchRequest, offsets.offsetFetchResponse],
  forget: [offsets.offsetDeleteRequest, offsets.offsetDeleteResponse],
  describe: [administration.describeGroupsRequest, administration.describeGroupsResponse],
  list: [administration.listGroupsRequest, administration.listGroupsResponse],
  delete: [administration.deleteGroupsRequest, administration.deleteGroupsResponse],
} as const;

type Api = keyof typeof schemas;

/** What a client does; the numbers choose its versions and its whims. */
interface Step {
  readonly what: Api | "lapse";
  readonly who: number;
  readonly version: number;
  readonly whim: number;
  readonly lie: number;
}

/** What a client was told of itself last. */
interface Known {
  readonly memberId: string;
  readonly generation: number;
  readonly isLeader: boolean;
  readonly protocolName: string | null;
  readonly members: readonly string[];
}

interface Answer {
  /** Of the request. */
  readonly step: number;
  readonly api: Api;
  readonly who: number;
  readonly response: Plain | undefined;
}

/** A topic of one partition, which is there, and one that is not. */
export const topic = "groups-test";
const absentTopic = "groups-test-absent";
const deeds = [
  ...(["join", "join", "join", "join", "sync", "sync", "sync", "sync", "beat", "leave"] as const),
  ...(["commit", "commit", "fetch", "forget", "describe", "list", "delete", "lapse"] as const),
];
const subscription = Buffer.concat([
  Buffer.from([0, 0, 0, 0, 0, 1, 0, topic.length]),
  Buffer.from(topic),
  Buffer.alloc(4, 0xff),
]);
const nobody: Known = { memberId: "", generation: -1, isLeader: false, protocolName: null, members: [] };

export function stepsOf(seed: number): readonly Step[] {
  const random = seededRandom(seed);
  const below = (end: number): number => Math.floor(random.next() * end);
  return Array.from({ length: 12 + below(20) }, () => ({
    what: deeds[below(deeds.length)]!,
    who: below(4),
    version: below(10),
    whim: below(8),
    lie: below(12),
  }));
}

export class GroupRun {
  readonly #address: string;
  readonly #group: string;
  readonly #known = new Map<number, Known>();
  /** Who waits for an answer to join or sync. */
  readonly #waiting = new Set<number>();
  readonly #answers: Answer[][] = [];
  readonly #clients: WireClient[] = [];

  constructor(address: string, group: string) {
    this.#address = address;
    this.#group = group;
  }

  /** @param expected how many answers the step brings; undefined: as many as come */
  async take(step: Step, expected: number | undefined): Promise<void> {
    const at = this.#answers.push([]) - 1;
    const { what, who } = step;
    if (what === "lapse") this.#known.delete(who);
    else if (!(this.#waiting.has(who) && (what === "join" || what === "sync"))) await this.#ask(step, what, at);
    const came = this.#answers[at]!;
    const endMs = performance.now() + (expected === undefined ? 300 : 5000);
    const enough = expected ?? Infinity;
    while (performance.now() < endMs && came.length < enough) {
      await new Promise((resolve) => void setTimeout(resolve, 2));
    }
  }

  async #ask(step: Step, api: Api, at: number): Promise<void> {
    const [request, response] = schemas[api] as unknown as readonly [AnySchema, AnySchema];
    const { who } = step;
    // Before version 5 JoinGroup knows no static members, before 3 or 7 the others do not.
    const least = who < 2 ? { join: 5, sync: 3, beat: 3, leave: 3, commit: 7 }[api as "join"] : undefined;
    const [first, last] = [Math.max(request.minVersion, least ?? 0), Math.min(request.maxVersion, 9)];
    const version = first + (step.version % (last - first + 1));
    if (api === "join" || api === "sync") this.#waiting.add(who);
    const client = await WireClient.open(this.#address);
    this.#clients.push(client);
    void client.ask(request as never, response as never, version, this.#body(step, api) as never).then((answer) => {
      const came = answer as Plain | undefined;
      this.#learn(api, who, came);
      this.#answers.at(-1)!.push({ step: at, api, who, response: came });
    });
  }

  #learn(api: Api, who: number, response: Plain | undefined): void {
    if (api === "join" || api === "sync") this.#waiting.delete(who);
    if (api !== "join" || response === undefined) return;
    const { errorCode: code, memberId, leader, generationId, protocolName } = response;
    if (code !== errorCode.NONE && code !== errorCode.MEMBER_ID_REQUIRED) return;
    const roster = response["members"] as readonly { readonly memberId: string }[];
    this.#known.set(who, {
      memberId: memberId as string,
      generation: generationId as number,
      isLeader: leader === memberId,
      protocolName: protocolName as string | null,
      members: roster.map((member) => member.memberId),
    });
  }

  #body({ who, whim, lie, version }: Step, api: Api): Plain {
    const known = this.#known.get(who) ?? nobody;
    const memberId = lie === 0 ? "made-up" : known.memberId;
    const generation = lie === 1 ? 99 : known.generation;
    const groupId = this.#group;
    const groupInstanceId = who < 2 ? `i${who}` : null;
    const me = { groupId, memberId, groupInstanceId, generationId: generation };
    switch (api) {
      case "join": {
        const names = [["range"], ["sticky", "range"], ["range", "sticky"]][whim % 3]!;
        const metadata = whim > 5 ? Buffer.concat([subscription, Buffer.from([1])]) : subscription;
        const protocols = names.map((name) => ({ name, metadata }));
        const timeouts = { sessionTimeoutMs: lie === 2 ? 5999 : 60_000, rebalanceTimeoutMs: 60_000 };
        return { ...me, ...timeouts, protocolType: lie === 3 ? "connect" : "consumer", protocols };
      }
      case "sync": {
        const given = known.members.filter((id) => whim !== 0 || id !== known.memberId);
        const assignments = given.map((id) => ({ memberId: id, assignment: Buffer.from(`for ${id}`) }));
        const protocolName = known.protocolName === null || known.protocolName === "" ? "range" : known.protocolName;
        return { ...me, protocolType: lie === 2 ? "connect" : "consumer", protocolName, assignments };
      }
      case "beat":
        return me;
      case "leave": {
        const own = { memberId: whim === 0 && groupInstanceId !== null ? "" : memberId, groupInstanceId };
        return { groupId, memberId, members: whim === 1 ? [own, { memberId: "nobody" }] : [own] };
      }
      case "commit": {
        const isAnybody = whim === 0;
        const length = lie === 2 && known !== nobody ? 4097 : whim;
        const partition = {
          committedOffset: 100 + whim,
          committedLeaderEpoch: 0,
          committedMetadata: "m".repeat(length),
        };
        const partitions = [
          { partitionIndex: 0, ...partition },
          ...(lie === 3 ? [{ partitionIndex: 7, ...partition }] : []),
        ];
        const topics = [{ name: topic, partitions }, ...(lie === 4 ? [{ name: absentTopic, partitions }] : [])];
        if (isAnybody) return { groupId, memberId: "", generationIdOrMemberEpoch: -1, retentionTimeMs: -1, topics };
        return { ...me, generationIdOrMemberEpoch: generation, retentionTimeMs: -1, topics };
      }
      case "fetch": {
        const named = [
          { name: topic, partitionIndexes: [0, 1] },
          { name: absentTopic, partitionIndexes: [0] },
        ];
        const topics = whim < 3 && version > 0 ? null : named;
        return { groupId, topics: topics ?? (version % 9 === 0 ? named : null), groups: [{ groupId, topics }] };
      }
      case "forget":
        return { groupId, topics: [{ name: topic, partitions: [{ partitionIndex: 0 }, { partitionIndex: 9 }] }] };
      case "describe":
        return { groups: [groupId, "absent"], includeAuthorizedOperations: whim === 0 };
      case "list":
        return {
          statesFilter: [["stable"], ["EMPTY"], []][whim % 3],
          typesFilter: [["Consumer"], ["classic"], [], ["x"]][lie % 4],
        };
      case "delete":
        return { groupsNames: [groupId, groupId, "absent"] };
    }
  }

  /** What came of each step, one line an answer; ids of members as names that are the same each time. */
  told(): readonly (readonly string[])[] {
    const names = new Map<string, string>();
    const counts = new Map<number, number>();
    const joins = this.#answers.flat().filter(({ api }) => api === "join");
    for (const { who, response } of joins.toSorted((a, b) => a.step - b.step)) {
      const memberId = response?.["memberId"] as string;
      if (memberId === undefined || memberId.length < 36 || names.has(memberId)) continue;
      counts.set(who, (counts.get(who) ?? 0) + 1);
      names.set(memberId, `member-${who}-${counts.get(who)}`);
    }
    return this.#answers.map((answers) =>
      answers
        .map(({ step, api, who, response }) => `${step} ${api} ${who}: ${this.#text(response, names)}`)
        .toSorted((a, b) => (a < b ? -1 : 1)),
    );
  }

  #text(response: unknown, names: ReadonlyMap<string, string>): string {
    if (response === undefined) return "the connection was closed";
    const shown = JSON.stringify(this.#plain(response, names));
    return shown ?? "{}";
  }

  /** Without what is 0, empty, or as long as a broker likes; undefined: nothing is left. */
  #plain(value: unknown, names: ReadonlyMap<string, string>): unknown {
    if (Buffer.isBuffer(value)) return value[0] === 0 ? "subscription" : this.#plain(value.toString(), names);
    if (typeof value === "string") {
      if (value === this.#group) return "GROUP";
      if (value === uuidZero) return undefined;
      const named = value.startsWith("for ") ? `for ${names.get(value.slice(4)) ?? "?"}` : value;
      // Who was not told its id yet is known to others by it.
      return (
        names.get(named) ?? (/-[0-9a-f]{12}$/.test(named) ? "?" : named.replaceAll(this.#group, "GROUP") || undefined)
      );
    }
    if (Array.isArray(value)) {
      const ofGroup = value.filter((each: { groupState?: string; groupId?: string }) => {
        // All groups are listed.
        return each.groupState === undefined || each.groupId === this.#group || each.groupId === "absent";
      });
      const parts = ofGroup.map((each) => this.#plain(each, names) ?? {});
      return parts.length === 0
        ? undefined
        : parts.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    }
    if (typeof value !== "object" || value === null)
      return value === 0 || value === false ? undefined : (value ?? undefined);
    const entries = Object.entries(value)
      .filter(([name]) => name !== "throttleTimeMs")
      .map(([name, each]) => [name, this.#plain(each, names)] as const)
      .filter(([, each]) => each !== undefined);
    return entries.length === 0 ? undefined : Object.fromEntries(entries);
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }
}
