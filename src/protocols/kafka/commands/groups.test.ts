/** What groups' commands look like on the wire, in their versions; what happens in a group is told in ../groups/. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errorCode } from "../codec/errors.ts";
import { uuidZero } from "../codec/primitives.ts";
import { plainGroupSettings } from "../groups/group-settings.ts";
import { KafkaHouse, type KafkaClient } from "../kafka-house.suite.ts";
import { apiVersions } from "./api-versions.ts";
import { createTopics } from "./create-topics.ts";
import { deleteGroups } from "./delete-groups.ts";
import { describeConfigs } from "./describe-configs.ts";
import { describeGroups } from "./describe-groups.ts";
import { fetch } from "./fetch.ts";
import { findCoordinator } from "./find-coordinator.ts";
import { heartbeat } from "./heartbeat.ts";
import { joinGroup } from "./join-group.ts";
import { leaveGroup } from "./leave-group.ts";
import { listGroups } from "./list-groups.ts";
import { metadata } from "./metadata.ts";
import { offsetCommit } from "./offset-commit.ts";
import { offsetDelete } from "./offset-delete.ts";
import { offsetFetch } from "./offset-fetch.ts";
import { syncGroup } from "./sync-group.ts";

const readsT = Buffer.from([0, 0, 0, 0, 0, 1, 0, 1, 0x74, 255, 255, 255, 255]);
const joining = {
  groupId: "g",
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  protocolType: "consumer",
  protocols: [{ name: "range", metadata: readsT }],
};

/** With a topic `t` of two partitions, and without a first delay. */
async function open(
  advertised: readonly string[] = [],
): Promise<{ house: KafkaHouse; client: KafkaClient; id: string }> {
  const groups = { ...plainGroupSettings, initialRebalanceDelayMs: 0 };
  const house = await KafkaHouse.open({ groups, advertised });
  const client = house.client();
  client.call(createTopics, 5, { topics: [{ name: "t", numPartitions: 2, replicationFactor: 1 }] });
  const { topics } = client.call(metadata, 12, { topics: [{ name: "t", topicId: uuidZero }] });
  return { house, client, id: topics[0]!.topicId };
}

/** Joins as the only member, by any version; answers its id. */
function joinAlone(house: KafkaHouse, client: KafkaClient, version: number, instance: string | null = null): string {
  let memberId = "";
  if (version >= 4 && instance === null) {
    const first = client.call(joinGroup, version, { ...joining, memberId });
    assert.equal(first.errorCode, errorCode.MEMBER_ID_REQUIRED);
    memberId = first.memberId;
  }
  client.ask(joinGroup, version, { ...joining, memberId, groupInstanceId: instance });
  house.clock.advance(0);
  const [answer] = client.take() as { response: { errorCode: number; memberId: string; generationId: number } }[];
  assert.deepEqual([answer!.response.errorCode, answer!.response.generationId], [0, 1]);
  ({ memberId } = answer!.response);
  const assignments = [{ memberId, assignment: Buffer.from("all of it") }];
  const asked = { groupId: "g", generationId: 1, memberId, groupInstanceId: instance, assignments };
  const synced = client.call(syncGroup, Math.min(version, 5), {
    ...asked,
    protocolType: "consumer",
    protocolName: "range",
  });
  assert.deepEqual([synced.errorCode, synced.assignment.toString()], [0, "all of it"]);
  return memberId;
}

function commit(client: KafkaClient, version: number, offset: number, more: object = {}): number {
  const partitions = [{ partitionIndex: 1, committedOffset: offset, committedLeaderEpoch: 3, committedMetadata: "m" }];
  const asked = { groupId: "g", generationIdOrMemberEpoch: -1, memberId: "", topics: [{ name: "t", partitions }] };
  return client.call(offsetCommit, version, { ...asked, ...more }).topics[0]!.partitions[0]!.errorCode;
}

test("a member joins, is assigned, beats and leaves, in every version", async () => {
  for (let version = 0; version <= 9; version++) {
    const { house, client } = await open();
    const memberId = joinAlone(house, client, version);
    assert.match(memberId, /^test-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const beat = { groupId: "g", generationId: 1, memberId };
    assert.equal(client.call(heartbeat, Math.min(version, 4), beat).errorCode, 0);
    const left = client.call(leaveGroup, Math.min(version, 5), { groupId: "g", memberId, members: [{ memberId }] });
    assert.deepEqual(left.members, version < 3 ? [] : [{ memberId, groupInstanceId: null, errorCode: 0 }]);
    assert.equal(client.call(heartbeat, Math.min(version, 4), beat).errorCode, errorCode.UNKNOWN_MEMBER_ID);
    house.server.stop();
  }
});

test("errors of leaving stand with each member, and before version 3 with the answer", async () => {
  const { client } = await open();
  const members = [{ memberId: "a" }, { memberId: "", groupInstanceId: "i" }];
  const { errorCode: code, members: answers } = client.call(leaveGroup, 5, { groupId: "g", members });
  assert.equal(code, 0);
  assert.deepEqual(
    answers.map((each) => each.errorCode),
    [errorCode.UNKNOWN_MEMBER_ID, errorCode.UNKNOWN_MEMBER_ID],
  );
  assert.equal(client.call(leaveGroup, 2, { groupId: "g", memberId: "a" }).errorCode, errorCode.UNKNOWN_MEMBER_ID);
  assert.equal(client.call(leaveGroup, 5, { groupId: "", members }).errorCode, errorCode.INVALID_GROUP_ID);
});

test("nothing happens when a member's connection goes while it waits, until its session is over", async () => {
  const { house, client } = await open();
  const memberId = joinAlone(house, client, 9);
  const other = house.client();
  other.ask(joinGroup, 3, joining);
  other.destroy();
  assert.equal(house.server.groups.find("g")!.group.members.size, 2);
  const again = { ...joining, memberId };
  client.ask(joinGroup, 9, again);
  assert.equal((client.take()[0]!.response as { generationId: number }).generationId, 2);
  assert.equal(house.server.groups.find("g")!.group.state, "CompletingRebalance");
  house.clock.advance(10_000);
  assert.equal(house.server.groups.find("g")!.group.members.size, 0);
});

test("offsets are committed and fetched in every version", async () => {
  const { client, id } = await open();
  for (let version = 2; version <= 10; version++) {
    const partitions = [
      { partitionIndex: 1, committedOffset: version, committedLeaderEpoch: 3, committedMetadata: null },
      { partitionIndex: 9, committedOffset: 1, committedMetadata: null },
    ];
    const topics = [{ name: "t", topicId: id, partitions }];
    const answer = client.call(offsetCommit, version, { groupId: "g", retentionTimeMs: -1, topics });
    assert.deepEqual(
      answer.topics[0]!.partitions.map((partition) => partition.errorCode),
      [0, errorCode.UNKNOWN_TOPIC_OR_PARTITION],
    );
  }
  for (let version = 1; version <= 10; version++) {
    const named = [{ name: "t", topicId: id, partitionIndexes: [0, 1] }];
    for (const topics of version === 1 ? [named] : [named, null]) {
      const answer = client.call(offsetFetch, version, { groupId: "g", topics, groups: [{ groupId: "g", topics }] });
      const [topic] = version < 8 ? answer.topics : answer.groups[0]!.topics;
      const { name, topicId } = topic as { name: string; topicId?: string };
      assert.deepEqual([name, topicId ?? id], version < 10 ? ["t", version < 8 ? id : uuidZero] : ["", id]);
      const told = topic!.partitions.map((each) => [
        each.partitionIndex,
        each.committedOffset,
        each.committedLeaderEpoch,
      ]);
      const epoch = version < 5 ? -1 : 3;
      assert.deepEqual(
        told,
        topics === null
          ? [[1, 10, epoch]]
          : [
              [0, -1, -1],
              [1, 10, epoch],
            ],
      );
      assert.ok(topic!.partitions.every(({ metadata, errorCode: code }) => metadata === "" && code === 0));
    }
  }
});

test("commits are refused for what is too long, unknown, or of another generation", async () => {
  const { house, client } = await open();
  const long = { partitionIndex: 0, committedOffset: 1, committedMetadata: "m".repeat(4097) };
  const far = { partitionIndex: 0, committedOffset: 2 ** 50, committedMetadata: "" };
  const of = (partition: object) => ({ topics: [{ name: "t", partitions: [partition] }] });
  assert.equal(commit(client, 9, 0, of(long)), errorCode.OFFSET_METADATA_TOO_LARGE);
  assert.equal(commit(client, 9, 0, of(far)), errorCode.INVALID_COMMIT_OFFSET_SIZE);
  const unknown = { topics: [{ name: "u", topicId: "ab".repeat(16), partitions: [{ partitionIndex: 0 }] }] };
  assert.equal(commit(client, 9, 0, unknown), errorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assert.equal(commit(client, 10, 0, unknown), errorCode.UNKNOWN_TOPIC_ID);
  assert.equal(house.server.groups.find("g"), undefined);
  const member = { generationIdOrMemberEpoch: 4, memberId: "m" };
  assert.equal(commit(client, 8, 0, member), errorCode.ILLEGAL_GENERATION);
  assert.equal(commit(client, 9, 0, member), errorCode.GROUP_ID_NOT_FOUND);
  joinAlone(house, client, 9);
  assert.equal(commit(client, 9, 0, member), errorCode.UNKNOWN_MEMBER_ID);
  assert.equal(commit(client, 9, 0), errorCode.UNKNOWN_MEMBER_ID);
});

test("the offset -1 forgets the place, and others below 0 are read back as they were", async () => {
  const { house, client } = await open();
  const places = () =>
    client
      .call(offsetFetch, 9, { groups: [{ groupId: "g", topics: null }] })
      .groups[0]!.topics.flatMap(({ partitions }) => partitions.map(({ committedOffset }) => committedOffset));
  assert.equal(commit(client, 9, 5), 0);
  assert.equal(commit(client, 9, -2), 0);
  assert.deepEqual(places(), [-2]);
  assert.equal(commit(client, 9, -(2 ** 63)), 0);
  assert.deepEqual(places(), [-(2 ** 63)]);
  assert.equal(commit(client, 9, -1), 0);
  assert.deepEqual(places(), []);
  house.server.stop();
});

test("an offset that a transaction is about to commit is unstable for who asks", async () => {
  const { house, client } = await open();
  commit(client, 9, 5);
  const pending = { topic: "t", partition: 1, offset: 7, leaderEpoch: 0, metadata: null };
  house.server.groups.pending.add(1, "g", [pending]);
  const fetched = (requireStable: boolean) => {
    const groups = [{ groupId: "g", topics: [{ name: "t", partitionIndexes: [1] }] }];
    const { committedOffset, errorCode: code } = client.call(offsetFetch, 9, { groups, requireStable }).groups[0]!
      .topics[0]!.partitions[0]!;
    return [committedOffset, code];
  };
  assert.deepEqual(fetched(false), [5, 0]);
  assert.deepEqual(fetched(true), [-1, errorCode.UNSTABLE_OFFSET_COMMIT]);
  house.server.groups.endTransaction(1, true);
  assert.deepEqual(fetched(true), [7, 0]);
});

test("an offset that is deleted does not come back with a transaction that is open", async () => {
  const { house, client } = await open();
  commit(client, 9, 5);
  house.server.groups.pending.add(1, "g", [{ topic: "t", partition: 1, offset: 7, leaderEpoch: 0, metadata: null }]);
  const topics = [{ name: "t", partitions: [{ partitionIndex: 1 }] }];
  assert.equal(client.call(offsetDelete, 0, { groupId: "g", topics }).topics[0]!.partitions[0]!.errorCode, 0);
  house.server.groups.endTransaction(1, true);
  assert.deepEqual(client.call(offsetFetch, 9, { groups: [{ groupId: "g", topics: null }] }).groups[0]!.topics, []);
});

test("who may not read a topic commits nothing in it, and sees nothing of it", async () => {
  const { house, client } = await open();
  commit(client, 9, 5);
  const ofGroup = { configure: "^g$", write: "", read: "^(other|g)$" };
  house.authority.permissions.set({ user: "guest", vhost: "/", ...ofGroup });
  assert.equal(commit(client, 9, 6), errorCode.TOPIC_AUTHORIZATION_FAILED);
  const named = [{ name: "t", partitionIndexes: [1] }];
  const groups = [
    { groupId: "g", topics: named },
    { groupId: "g", topics: null },
  ];
  const answer = client.call(offsetFetch, 9, { groups });
  assert.equal(answer.groups[0]!.topics[0]!.partitions[0]!.errorCode, errorCode.TOPIC_AUTHORIZATION_FAILED);
  assert.deepEqual(answer.groups[1]!.topics, []);
  const forgotten = client.call(offsetDelete, 0, {
    groupId: "g",
    topics: [{ name: "t", partitions: [{ partitionIndex: 1 }] }],
  });
  assert.equal(forgotten.topics[0]!.partitions[0]!.errorCode, errorCode.TOPIC_AUTHORIZATION_FAILED);
});

test("who may not read a group's name is no member of it, commits nothing for it, and neither sees nor deletes it", async () => {
  const { house, client } = await open();
  commit(client, 9, 5);
  const { GROUP_AUTHORIZATION_FAILED: refused, NONE } = errorCode;
  const groupId = "g";
  const member = { groupId, memberId: "m", generationId: 1 };
  const topics = [{ name: "t", partitions: [{ partitionIndex: 1 }] }];
  const asked = [{ name: "t", partitionIndexes: [1] }];
  const told = () => ({
    join: client.call(joinGroup, 9, { ...member, sessionTimeoutMs: 10_000, protocolType: "consumer" }).errorCode,
    sync: client.call(syncGroup, 5, { ...member, protocolType: "consumer", protocolName: "p" }).errorCode,
    heartbeat: client.call(heartbeat, 4, member).errorCode,
    leave: client.call(leaveGroup, 5, { groupId, members: [{ memberId: "m" }] }).errorCode,
    commit: commit(client, 9, 6),
    fetched: client.call(offsetFetch, 9, { groups: [{ groupId, topics: asked }] }).groups[0]!.errorCode,
    fetchedBefore: client.call(offsetFetch, 7, { groupId, topics: asked }).errorCode,
    fetchedFirst: client.call(offsetFetch, 1, { groupId, topics: asked }).topics[0]!.partitions[0]!.errorCode,
    deleteOffset: client.call(offsetDelete, 0, { groupId, topics }).errorCode,
    describe: client.call(describeGroups, 6, { groups: [groupId] }).groups[0]!.errorCode,
    find: client.call(findCoordinator, 4, { keyType: 0, coordinatorKeys: [groupId] }).coordinators[0]!.errorCode,
    findBefore: client.call(findCoordinator, 3, { keyType: 0, key: groupId }).errorCode,
    delete: client.call(deleteGroups, 2, { groupsNames: [groupId] }).results[0]!.errorCode,
  });
  const may = (configure: string, write: string, read: string) =>
    house.authority.permissions.set({ user: "guest", vhost: "/", configure, write, read });
  const listed = () => client.call(listGroups, 5, {}).groups.map((group) => group.groupId);
  may("^t$", "^t$", "^t$");
  for (const [what, code] of Object.entries(told())) assert.equal(code, refused, what);
  assert.deepEqual(listed(), []);
  // Whoever may do anything with it may see it.
  may("^t$", "^g$", "^t$");
  const seen = new Set(
    Object.entries(told())
      .filter(([, code]) => code !== refused)
      .map(([what]) => what),
  );
  assert.deepEqual(seen, new Set(["fetched", "fetchedBefore", "fetchedFirst", "describe", "find", "findBefore"]));
  assert.deepEqual(listed(), ["g"]);
  may("^t$", "", "^(t|g)$");
  assert.equal(commit(client, 9, 7), NONE);
  assert.equal(client.call(deleteGroups, 2, { groupsNames: [groupId] }).results[0]!.errorCode, refused);
  const described = client.call(describeGroups, 6, { groups: [groupId], includeAuthorizedOperations: true });
  assert.equal(described.groups[0]!.authorizedOperations, (1 << 3) | (1 << 8) | (1 << 10));
  may("^(t|g)$", "", "");
  assert.equal(client.call(deleteGroups, 2, { groupsNames: [groupId] }).results[0]!.errorCode, NONE);
});

test("names of any length are taken or refused, and ids of members fit into an answer", async () => {
  const { house, client } = await open();
  const [long, tooLong] = ["g".repeat(21_845), "g".repeat(21_846)];
  assert.equal(commit(client, 9, 5, { groupId: long }), 0);
  assert.equal(commit(client, 9, 5, { groupId: tooLong }), errorCode.INVALID_GROUP_ID);
  assert.equal(client.call(joinGroup, 9, { ...joining, groupId: tooLong }).errorCode, errorCode.INVALID_GROUP_ID);
  const { groups } = client.call(offsetFetch, 9, { groups: [{ groupId: long, topics: null }] });
  assert.equal(groups[0]!.topics[0]!.partitions[0]!.committedOffset, 5);
  client.ask(joinGroup, 5, { ...joining, groupInstanceId: "i".repeat(32_767) });
  const [memberId] = house.server.groups.find("g")!.group.members.keys();
  assert.equal(memberId!.length, 255 + 37);
});

test("offsets of topics that members read are not deleted; of others they are", async () => {
  const { house, client } = await open();
  client.call(createTopics, 5, { topics: [{ name: "u", numPartitions: 1, replicationFactor: 1 }] });
  commit(client, 9, 5);
  commit(client, 9, 0, { topics: [{ name: "u", partitions: [{ partitionIndex: 0, committedOffset: 1 }] }] });
  const memberId = joinAlone(house, client, 9);
  const remove = (name: string, partitionIndex: number) =>
    client.call(offsetDelete, 0, { groupId: "g", topics: [{ name, partitions: [{ partitionIndex }] }] }).topics[0]!
      .partitions[0]!.errorCode;
  assert.equal(remove("t", 1), errorCode.GROUP_SUBSCRIBED_TO_TOPIC);
  assert.equal(remove("u", 0), 0);
  assert.equal(remove("u", 1), errorCode.UNKNOWN_TOPIC_OR_PARTITION);
  client.call(leaveGroup, 5, { groupId: "g", members: [{ memberId }] });
  assert.equal(remove("t", 1), 0);
  const { groups } = client.call(offsetFetch, 9, { groups: [{ groupId: "g", topics: null }] });
  assert.deepEqual(groups[0]!.topics, []);
  assert.equal(client.call(offsetDelete, 0, { groupId: "none" }).errorCode, errorCode.GROUP_ID_NOT_FOUND);
});

test("groups are listed by state and type, described, and deleted when nobody is in them", async () => {
  const { house, client } = await open();
  commit(client, 9, 5, { groupId: "simple" });
  const memberId = joinAlone(house, client, 9, "i");
  const list = (statesFilter: string[], typesFilter: string[] = []) =>
    client.call(listGroups, 5, { statesFilter, typesFilter }).groups.map(({ groupId }) => groupId);
  assert.deepEqual(list([]).toSorted(), ["g", "simple"]);
  assert.deepEqual(list(["stable"], ["Classic"]), ["g"]);
  assert.deepEqual(list(["EMPTY"]), ["simple"]);
  assert.deepEqual(list([], ["consumer"]), []);
  const described = client.call(describeGroups, 6, { groups: ["g", "none"], includeAuthorizedOperations: true });
  const [there, absent] = described.groups;
  assert.deepEqual(
    [there!.groupState, there!.protocolType, there!.protocolData, there!.authorizedOperations],
    ["Stable", "consumer", "range", 0b1101_0100_1000],
  );
  const [member] = there!.members;
  assert.deepEqual(
    [member!.memberId, member!.groupInstanceId, member!.clientId, member!.clientHost],
    [memberId, "i", "test", "/127.0.0.1"],
  );
  assert.deepEqual([member!.memberMetadata, member!.memberAssignment.toString()], [readsT, "all of it"]);
  assert.deepEqual(
    [absent!.groupState, absent!.errorCode, absent!.errorMessage],
    ["Dead", errorCode.GROUP_ID_NOT_FOUND, "Group none not found."],
  );
  const old = client.call(describeGroups, 5, { groups: ["none"] });
  assert.deepEqual([old.groups[0]!.groupState, old.groups[0]!.errorCode], ["Dead", 0]);
  const gone = client.call(deleteGroups, 2, { groupsNames: ["g", "simple", "none", "none"] });
  assert.deepEqual(
    gone.results.map(({ groupId, errorCode: code }) => [groupId, code]),
    [
      ["g", errorCode.NON_EMPTY_GROUP],
      ["simple", 0],
      ["none", errorCode.GROUP_ID_NOT_FOUND],
    ],
  );
});

test("a coordinator is found for each key, always the same, over all nodes; share groups have none", async () => {
  const { client } = await open(["a:1", "b:2", "c:3"]);
  const keys = Array.from({ length: 50 }, (_, index) => `group ${index}`);
  const { coordinators } = client.call(findCoordinator, 6, { coordinatorKeys: keys });
  assert.deepEqual(
    new Set(coordinators.map(({ nodeId, host, port }) => `${nodeId} ${host}:${port}`)),
    new Set(["1 a:1", "2 b:2", "3 c:3"]),
  );
  for (const { key, nodeId } of coordinators) {
    for (const version of [0, 3]) assert.equal(client.call(findCoordinator, version, { key }).nodeId, nodeId);
  }
  assert.equal(client.call(findCoordinator, 3, { key: "tx", keyType: 1 }).errorCode, 0);
  assert.equal(client.call(findCoordinator, 3, { key: "s", keyType: 2 }).errorCode, errorCode.INVALID_REQUEST);
  const refused = client.call(findCoordinator, 6, { coordinatorKeys: ["s"], keyType: 2 });
  assert.deepEqual(
    [refused.coordinators[0]!.errorCode, refused.coordinators[0]!.nodeId],
    [errorCode.INVALID_REQUEST, -1],
  );
});

test("what is asked for twice is answered once", async () => {
  const { client } = await open();
  commit(client, 9, 7);
  assert.equal(client.call(describeGroups, 5, { groups: ["g", "h", "g"] }).groups.length, 2);
  const asked = { groupId: "g", topics: [1, 2].map(() => ({ name: "t", partitionIndexes: [1, 0, 1] })) };
  const { groups } = client.call(offsetFetch, 9, { groups: [asked, asked] });
  assert.deepEqual(
    groups.map(({ topics }) => topics.map(({ partitions }) => partitions.map((each) => each.committedOffset))),
    [[[7, -1]]],
  );
  const resources = ["1", "+1", "001"].map((resourceName) => ({ resourceType: 4, resourceName }));
  assert.equal(client.call(describeConfigs, 4, { resources }).results.length, 1);
});

/** A member that is alone in its group, of a client that says it is this. */
async function aloneAs(
  software: string,
  clientSoftwareVersion = "4.1.1",
): Promise<{ house: KafkaHouse; client: KafkaClient; beat: object }> {
  const { house, client } = await open();
  client.call(apiVersions, 3, { clientSoftwareName: software, clientSoftwareVersion });
  return { house, client, beat: { groupId: "g", generationId: 1, memberId: joinAlone(house, client, 9) } };
}

const codesOf = (client: KafkaClient): number[] =>
  client.take().map(({ response }) => (response as { errorCode: number }).errorCode);

test("the answer to a heartbeat waits for a client that goes on meanwhile: for a rebalance, or its time", async () => {
  for (const [software, version] of [
    ["apache-kafka-java", "4.1.1"],
    ["librdkafka", "2.8.0"],
    ["confluent-kafka-python", "2.16.1-rdkafka-2.16.0"],
  ] as const) {
    const { house, client, beat } = await aloneAs(software, version);
    client.ask(heartbeat, 4, beat);
    assert.deepEqual(codesOf(client), []);
    // Seven eighths of a fifteenth of its session of 10 s.
    house.clock.advance(582);
    assert.deepEqual(codesOf(client), []);
    house.clock.advance(1);
    assert.deepEqual(codesOf(client), [errorCode.NONE]);

    client.ask(heartbeat, 4, beat);
    const other = house.client();
    const { memberId } = other.call(joinGroup, 9, joining);
    assert.deepEqual(codesOf(client), [], "it has its id, and is no member yet");
    other.ask(joinGroup, 9, { ...joining, memberId });
    assert.deepEqual(codesOf(client), [errorCode.REBALANCE_IN_PROGRESS]);
  }
});

test("whatever comes behind a heartbeat finds it answered, and waits for nothing", async () => {
  const { client, beat } = await aloneAs("apache-kafka-java");
  client.ask(heartbeat, 4, beat);
  client.ask(heartbeat, 4, beat);
  assert.deepEqual(codesOf(client), [errorCode.NONE]);
  const committed = commit(client, 8, 5, {
    generationIdOrMemberEpoch: 1,
    memberId: (beat as { memberId: string }).memberId,
  });
  assert.equal(committed, errorCode.NONE);
  const bytes = client.requestBytes(heartbeat, 4, beat);
  client.raw(Buffer.concat([bytes, client.requestBytes(listGroups, 4, {})]));
  assert.equal(client.take().length, 2);
});

test("a heartbeat behind a fetch that waits does not wait by itself: requests would pile up", async () => {
  const { house, client, beat } = await aloneAs("apache-kafka-java");
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }];
  client.ask(fetch, 12, { maxWaitMs: 500, minBytes: 1, maxBytes: 1000, topics: [{ topic: "t", partitions }] });
  client.ask(heartbeat, 4, beat);
  client.ask(heartbeat, 4, beat);
  assert.deepEqual([client.take().length, client.isReadingPaused], [0, true]);
  house.clock.advance(500);
  assert.equal(client.take().length, 2);
});

test("other clients' heartbeats are answered at once, and those of one that gave up on an answer", async () => {
  const { client, beat } = await aloneAs("kgo");
  assert.equal(client.call(heartbeat, 4, beat).errorCode, errorCode.NONE);
  const java = await aloneAs("apache-kafka-java");
  java.client.ask(heartbeat, 4, java.beat);
  java.client.destroy();
  const again = java.house.client();
  again.call(apiVersions, 3, { clientSoftwareName: "apache-kafka-java", clientSoftwareVersion: "4.1.1" });
  assert.equal(again.call(heartbeat, 4, java.beat).errorCode, errorCode.NONE);
});

test("a heartbeat that waits when the broker stops is answered once, whatever comes behind it", async () => {
  const { house, client, beat } = await aloneAs("apache-kafka-java");
  client.ask(heartbeat, 4, beat);
  house.server.stop();
  assert.deepEqual(codesOf(client), [errorCode.NONE]);
  client.ask(heartbeat, 4, beat);
  assert.deepEqual(codesOf(client), [errorCode.NONE]);
});

test("a commit that says so much that it is written millions of times is refused whole, as in Kafka", async () => {
  const { house, client } = await open();
  const groupId = "é".repeat(16_383);
  const partitions = (count: number) =>
    Array.from({ length: count }, () => ({ partitionIndex: 1, committedOffset: 5, committedMetadata: "" }));
  const before = house.core.core.commit.at;
  const topics = [{ name: "t", partitions: partitions(1000) }];
  assert.equal(commit(client, 9, 5, { groupId, topics }), errorCode.INVALID_COMMIT_OFFSET_SIZE);
  assert.equal(house.core.core.commit.at, before, "nothing is written");
  assert.equal(house.server.groups.find(groupId), undefined);
  assert.equal(commit(client, 9, 5, { groupId, topics: [{ name: "t", partitions: partitions(100) }] }), 0);
  assert.equal(commit(client, 9, 5, { topics: [{ name: "t", partitions: partitions(10_000) }] }), 0);
});
