import assert from "node:assert/strict";
import { test } from "node:test";
import { errorCode } from "../codec/errors.ts";
import { attributeBits } from "../codec/record-batch.ts";
import { batchOf } from "../kafka-house.suite.ts";
import { createTopics } from "./create-topics.ts";
import { deleteTopics } from "./delete-topics.ts";
import { fetch } from "./fetch.ts";
import { CrashHouse } from "../transactions/crash-house.suite.ts";
import { open, send, request, get, shown } from "./fetch-house.suite.ts";
import { initProducerId } from "./init-producer-id.ts";
import { produce } from "./produce.ts";

test("batches come from the one that holds the offset on; an offset outside is refused", async () => {
  const { client } = await open();
  send(client, ["a", "b", "c"]);
  send(client, ["d", "e"]);
  assert.deepEqual(get(client, [{ offset: 0 }]).partitions, ["0: 0+3 3+2"]);
  assert.deepEqual(get(client, [{ offset: 2 }]).partitions, ["0: 0+3 3+2"]);
  assert.deepEqual(get(client, [{ offset: 4 }]).partitions, ["0: 3+2"]);
  assert.deepEqual(get(client, [{ offset: 5 }]).partitions, ["0:"]);
  assert.deepEqual(get(client, [{ offset: 6 }]).partitions, ["0: error 1"]);
  assert.deepEqual(get(client, [{ offset: -1 }]).partitions, ["0: error 1"]);
});

test("every version from 4 on is answered", async () => {
  const { client, id } = await open();
  send(client, ["a"]);
  for (let version = 4; version <= 18; version++) {
    const asked = request([{}], {});
    const topics = asked.topics.map((topic) => (version >= 13 ? { ...topic, topic: "", topicId: id } : topic));
    assert.deepEqual(shown(client.call(fetch, version, { ...asked, topics })).partitions, ["0: 0+1"], `v${version}`);
  }
});

test("limits: the first batch goes whole, others only whole", async () => {
  const { client } = await open(2);
  for (const index of [0, 1]) for (const value of ["x".repeat(500), "y".repeat(500)]) send(client, [value], index);
  const both = [{ partition: 0 }, { partition: 1 }];
  assert.deepEqual(get(client, both, { max: 1 }).partitions, ["0: 0+1", "1:"]);
  assert.deepEqual(get(client, both, { max: 1300 }).partitions, ["0: 0+1 1+1", "1:"]);
  assert.deepEqual(get(client, both, { max: 2000 }).partitions, ["0: 0+1 1+1", "1: 0+1"]);
  assert.deepEqual(
    get(client, [
      { partition: 0, max: 10 },
      { partition: 1, max: 600 },
    ]).partitions,
    ["0: 0+1", "1: 0+1"],
  );
  assert.deepEqual(
    get(client, [
      { partition: 0, max: 600 },
      { partition: 1, max: 10 },
    ]).partitions,
    ["0: 0+1", "1:"],
  );
});

test("a fetch waits for its bytes, and for its time at most", async () => {
  const { house, client } = await open();
  const producer = house.client();
  client.ask(fetch, 11, request([{}], { wait: 500, min: 150 }));
  send(producer, ["a"]);
  assert.deepEqual(client.take(), []);
  send(producer, ["b"]);
  send(producer, ["c"]);
  assert.deepEqual(shown(client.take()[0]!.response).partitions, ["0: 0+1 1+1 2+1"]);
  client.ask(fetch, 11, request([{ offset: 3 }], { wait: 500, min: 150 }));
  send(producer, ["d"]);
  house.clock.advance(499);
  assert.deepEqual(client.take(), []);
  house.clock.advance(1);
  assert.deepEqual(shown(client.take()[0]!.response).partitions, ["0: 3+1"]);
});

test("what is on disk is waited for as what is in memory is: for its bytes, and for its time at most", async () => {
  for (const isGoneAgain of [false, true]) {
    const house = await CrashHouse.open(1);
    const [client, producer] = [house.client(), house.client()];
    const topic = { name: "t", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
    await house.ask(producer, createTopics, 5, { topics: [topic], timeoutMs: 1000 });
    const write = (bytes: number) => {
      const topicData = [{ name: "t", partitionData: [{ index: 0, records: batchOf(["x".repeat(bytes)]) }] }];
      return house.ask(producer, produce, 9, { acks: 1, timeoutMs: 1000, topicData });
    };
    const begin = (offset: number, min: number) =>
      client.ask(fetch, 11, request([{ offset, max: 4_000_000 }], { wait: 500, min, max: 4_000_000 }));
    const answers = () => client.take().map(({ response }) => shown(response).partitions);
    for (const bytes of [700_000, 700_000, 700_000, 500]) await write(bytes);
    await house.evict("t");
    // It lies in several spans.
    begin(0, 2_100_300);
    await house.pass(100);
    assert.deepEqual(answers(), [["0: 0+1 1+1 2+1 3+1"]]);
    await house.evict("t");
    begin(3, 1000);
    await house.pass(300);
    assert.deepEqual(answers(), []);
    if (isGoneAgain) await house.evict("t");
    await house.pass(300);
    assert.deepEqual(answers(), [["0: 3+1"]]);
    await house.evict("t");
    begin(3, 1000);
    await house.pass(300);
    if (isGoneAgain) await house.evict("t");
    assert.deepEqual(answers(), []);
    await write(500);
    await house.pass(0);
    assert.deepEqual(answers(), [["0: 3+1 4+1"]]);
  }
});

test("a fetch waits for no longer than idle connections are kept, and one whose client is gone for nothing", async () => {
  const { house, client } = await open();
  const { idleMs } = house.server.settings;
  client.ask(fetch, 11, request([{}], { wait: 0x7fff_ffff }));
  house.clock.advance(idleMs - 1);
  assert.deepEqual(client.take(), []);
  house.clock.advance(1);
  assert.deepEqual(shown(client.take()[0]!.response).partitions, ["0:"]);
  client.ask(fetch, 11, request([{}], { wait: 100 }));
  const untilMs = house.clock.now() + 100;
  assert.equal(house.clock.nextTimerMs(), untilMs);
  client.destroy();
  assert.notEqual(house.clock.nextTimerMs(), untilMs, "its timer goes with it");
});

test("a fetch waits for no more bytes than it may have", async () => {
  const { client } = await open();
  for (const value of ["x", "y"]) send(client, [value.repeat(500)]);
  assert.deepEqual(get(client, [{}], { wait: 50_000, min: 5000, max: 900 }).partitions, ["0: 0+1"]);
  for (let i = 0; i < 5; i++) send(client, ["x".repeat(900_000)]);
  const wide = { wait: 50_000, min: 30_000_000, max: 50_000_000 };
  assert.deepEqual(get(client, [{ offset: 2, max: 50_000_000 }], wide).partitions, ["0: 2+1 3+1 4+1 5+1"]);
});

test("a fetch that is answered while it looks for what is missing follows nothing afterwards", async () => {
  const { house, client } = await open();
  send(client, ["a"]);
  const { partition } = [...house.core.core.queueById.values()].find(({ name }) => name === "t")!;
  // What lies between is nowhere, as if a crash had taken it, and no segment has it either.
  partition.next += 20;
  partition.persistedEnd = partition.next;
  send(client, ["b"]);
  const followers = partition.readers.size;
  assert.deepEqual(get(client, [{ offset: 1 }], { wait: 50_000 }).partitions, ["0: 21+1"]);
  assert.equal(partition.readers.size, followers);
});

test("a fetch that begins in a gap, however wide it is, has what lies behind it", async () => {
  const { house, client } = await open();
  send(client, ["a"]);
  const { partition } = [...house.core.core.queueById.values()].find(({ name }) => name === "t")!;
  partition.next += 1_000_000;
  send(client, ["b"]);
  assert.deepEqual(get(client, [{ offset: 1 }], {}).partitions, ["0: 1000001+1"]);
});

test("a session goes on with a topic that is made anew before its answer is written", async () => {
  const { house, client } = await open(2);
  const producer = house.client();
  for (let i = 0; i < 2; i++) send(producer, ["x".repeat(800_000)], 1);
  const { sessionId: session } = get(client, [{}], { epoch: 0 });
  // More than a socket takes: the answers behind it wait for the client to read.
  client.ask(fetch, 11, request([{ partition: 1, max: 4_000_000 }], { max: 4_000_000 }));
  client.ask(fetch, 11, request([], { session, epoch: 1, wait: 50_000 }));
  producer.call(deleteTopics, 5, { topicNames: ["t"], timeoutMs: 1000 });
  producer.call(createTopics, 5, { topics: [{ name: "t", numPartitions: 2, replicationFactor: 1 }] });
  assert.equal(client.take().length, 2);
  client.ask(fetch, 11, request([], { session, epoch: 2, wait: 50_000 }));
  send(producer, ["a"]);
  assert.deepEqual(shown(client.take()[0]!.response).partitions, ["0: 0+1"]);
});

test("a fetch that waits is answered when its topic goes", async () => {
  const { house, client } = await open();
  client.ask(fetch, 11, request([{}], { wait: 50_000 }));
  house.client().call(deleteTopics, 5, { topicNames: ["t"], timeoutMs: 1000 });
  assert.deepEqual(shown(client.take()[0]!.response).partitions, ["0: error 3"]);
});

test("what is not there, or not for this client, is told at once", async () => {
  const { house, client } = await open();
  assert.deepEqual(get(client, [{ topic: "nowhere" }], { wait: 1000 }).partitions, ["0: error 3"]);
  assert.deepEqual(get(client, [{ partition: 7 }], { wait: 1000 }).partitions, ["7: error 3"]);
  assert.deepEqual(get(client, [{ epoch: 1 }], { wait: 1000 }).partitions, ["0: error 75"]);
  const unknown = { topicId: "ab".repeat(16), partitions: [{ partition: 0, partitionMaxBytes: 10 }] };
  const byId = client.call(fetch, 13, { ...request([], { wait: 1000 }), topics: [unknown] });
  assert.deepEqual(shown(byId).partitions, [`0: error ${errorCode.UNKNOWN_TOPIC_ID}`]);
  house.authority.permissions.set({ user: "guest", vhost: "/", configure: ".*", write: ".*", read: "" });
  assert.deepEqual(get(client, [{}], { wait: 1000 }).partitions, ["0: error 29"]);
});

test("what is not there is told in time where something else is asked for as well, so that nobody asks without a pause", async () => {
  const { house, client } = await open();
  client.ask(fetch, 11, request([{}, { topic: "nowhere" }], { wait: 500 }));
  house.clock.advance(499);
  assert.deepEqual(client.take(), []);
  house.clock.advance(1);
  assert.deepEqual(shown(client.take()[0]!.response).partitions, ["0:", "0: error 3"]);

  const { sessionId: session } = get(client, [{}, { topic: "nowhere" }], { epoch: 0 });
  client.ask(fetch, 11, request([], { session, epoch: 1, wait: 500 }));
  assert.deepEqual(client.take(), []);
  send(house.client(), ["a"]);
  assert.deepEqual(shown(client.take()[0]!.response).partitions.toSorted(), ["0: 0+1", "0: error 3"]);

  // An offset that is not there is another matter.
  assert.deepEqual(get(client, [{ offset: 7 }, { topic: "nowhere" }], { wait: 500 }).partitions, [
    "0: error 1",
    "0: error 3",
  ]);
});

test("a session remembers what is asked, and tells what is new", async () => {
  const { house, client } = await open(3);
  const producer = house.client();
  send(producer, ["a"], 0);
  const all = [0, 1, 2].map((partition) => ({ partition }));
  const first = get(client, all, { epoch: 0 });
  assert.notEqual(first.sessionId, 0);
  assert.deepEqual(first.partitions, ["0: 0+1", "1:", "2:"]);
  const session = first.sessionId;
  assert.deepEqual(get(client, [{ partition: 0, offset: 1 }], { session, epoch: 1 }).partitions, []);
  send(producer, ["b"], 2);
  assert.deepEqual(get(client, [], { session, epoch: 2 }).partitions, ["2: 0+1"]);
  // It was not told that the client has it: it comes again.
  assert.deepEqual(get(client, [], { session, epoch: 3 }).partitions, ["2: 0+1"]);
  assert.deepEqual(get(client, [{ partition: 2, offset: 1 }], { session, epoch: 4 }).partitions, []);
  send(producer, ["c"], 1);
  assert.deepEqual(get(client, [], { session, epoch: 5, forget: [1] }).partitions, []);
  client.ask(fetch, 11, request([], { session, epoch: 6, wait: 1000 }));
  send(producer, ["d"], 0);
  assert.deepEqual(shown(client.take()[0]!.response).partitions, ["0: 1+1"]);
});

test("a permission that is taken away counts at once, also in a session", async () => {
  const { house, client } = await open();
  const { sessionId: session } = get(client, [{}], { epoch: 0 });
  send(client, ["a"]);
  assert.deepEqual(get(client, [], { session, epoch: 1 }).partitions, ["0: 0+1"]);
  house.authority.permissions.set({ user: "guest", vhost: "/", configure: ".*", write: ".*", read: "" });
  assert.deepEqual(get(client, [], { session, epoch: 2 }).partitions, ["0: error 29"]);
  house.authority.permissions.set({ user: "guest", vhost: "/", configure: ".*", write: ".*", read: ".*" });
  assert.deepEqual(get(client, [], { session, epoch: 3 }).partitions, ["0: 0+1"]);
});

test("partitions of a session take turns at the head of the answer", async () => {
  const { house, client } = await open(2);
  const producer = house.client();
  for (const index of [0, 1]) for (let i = 0; i < 3; i++) send(producer, ["x".repeat(500)], index);
  const both = [{ partition: 0 }, { partition: 1 }];
  const { sessionId: session, partitions } = get(client, both, { epoch: 0, max: 600 });
  assert.deepEqual(partitions, ["0: 0+1", "1:"]);
  assert.deepEqual(get(client, [{ partition: 0, offset: 1 }], { session, epoch: 1, max: 600 }).partitions, ["1: 0+1"]);
  assert.deepEqual(get(client, [{ partition: 1, offset: 1 }], { session, epoch: 2, max: 600 }).partitions, ["0: 1+1"]);
});

test("a session that is not known, or is asked out of turn, is refused; epoch 0 begins anew, -1 ends it", async () => {
  const { house, client } = await open();
  assert.equal(get(client, [], { session: 99, epoch: 1 }).code, errorCode.FETCH_SESSION_ID_NOT_FOUND);
  const { sessionId: session } = get(client, [{}], { epoch: 0 });
  assert.equal(get(client, [], { session, epoch: 2 }).code, errorCode.INVALID_FETCH_SESSION_EPOCH);
  const { sessionId: second } = get(client, [{}], { session, epoch: 0 });
  assert.equal(get(client, [], { session, epoch: 1 }).code, errorCode.FETCH_SESSION_ID_NOT_FOUND);
  assert.equal(get(client, [{}], { session: second, epoch: -1 }).sessionId, 0);
  assert.equal(house.server.fetchSessions.count, 0);
});

test("what is asked for twice is asked for as it is said last", async () => {
  const { client } = await open();
  send(client, ["a", "b"]);
  send(client, ["c"]);
  assert.deepEqual(get(client, [{ offset: 0 }, { offset: 2 }]).partitions, ["0: 2+1"]);
  const { sessionId: session, partitions } = get(client, [{ offset: 0 }, { offset: 2 }], { epoch: 0 });
  assert.deepEqual(partitions, ["0: 2+1"]);
  assert.deepEqual(get(client, [{ offset: 3 }], { session, epoch: 1 }).partitions, []);
});

test("a session that grows beyond what is kept is forgotten", async () => {
  const { client } = await open();
  const { sessionId: session } = get(client, [{}], { epoch: 0 });
  const wide = Array.from({ length: 2000 }, (_, partition) => ({ partition: partition + 1 }));
  assert.equal(get(client, wide, { session, epoch: 1 }).code, errorCode.FETCH_SESSION_ID_NOT_FOUND);
  assert.equal(get(client, [], { session, epoch: 2 }).code, errorCode.FETCH_SESSION_ID_NOT_FOUND);
  assert.deepEqual(get(client, [{}]).partitions, ["0:"]);
});

test("sessions are so many: who comes too late fetches without; one that is idle, or whose connection went, makes room", async () => {
  const { house, client } = await open();
  const other = house.client();
  assert.notEqual(get(client, [{}], { epoch: 0 }).sessionId, 0);
  assert.notEqual(get(other, [{}], { epoch: 0 }).sessionId, 0);
  const late = get(client, [{}], { epoch: 0 });
  assert.deepEqual([late.sessionId, late.code], [0, 0]);
  house.clock.advance(120_000);
  assert.notEqual(get(client, [{}], { epoch: 0 }).sessionId, 0);
  other.destroy();
  assert.equal(house.server.fetchSessions.count, 1);
  client.destroy();
  assert.equal(house.server.fetchSessions.count, 0);
});

test("a session that made room before its first answer was written follows nothing afterwards", async () => {
  const { house, client } = await open(2);
  const { partition } = [...house.core.core.queueById.values()].find(({ name }) => name === "t")!;
  const followers = partition.readers.size;
  for (let i = 0; i < 2; i++) send(house.client(), ["x".repeat(800_000)], 1);
  // More than a socket takes: the answer behind it waits for the client to read.
  client.ask(fetch, 11, request([{ partition: 1, max: 4_000_000 }], { max: 4_000_000 }));
  client.ask(fetch, 11, request([{}], { epoch: 0 }));
  assert.equal(house.server.fetchSessions.count, 1);
  house.clock.advance(120_000);
  const others = [house.client(), house.client()];
  for (const other of others) assert.notEqual(get(other, [{ partition: 1 }], { epoch: 0 }).sessionId, 0);
  assert.equal(client.take().length, 2);
  assert.equal(partition.readers.size, followers);
});

test("a session that asked for what is committed has the rest when it asks for all", async () => {
  const { house, client } = await open();
  const producer = house.client();
  const transactionalId = "T";
  const by = producer.call(initProducerId, 4, { transactionalId, transactionTimeoutMs: 60_000 });
  const { producerId, producerEpoch } = by;
  const traits = { producerId, producerEpoch, baseSequence: 0, attributes: attributeBits.transactional };
  const topicData = [{ name: "t", partitionData: [{ index: 0, records: batchOf(["a"], traits) }] }];
  producer.call(produce, 12, { transactionalId, acks: -1, timeoutMs: 1000, topicData });
  const { sessionId: session, partitions } = get(client, [{}], { epoch: 0, isolation: 1 });
  assert.deepEqual(partitions, ["0:"]);
  assert.deepEqual(get(client, [], { session, epoch: 1, isolation: 1 }).partitions, []);
  assert.deepEqual(get(client, [], { session, epoch: 2 }).partitions, ["0: 0+1"]);
});

test("names that no topic can have are answered at once, and kept by no session", async () => {
  const { house, client } = await open();
  send(client, ["a"]);
  const name = "x".repeat(300);
  const waiting = { wait: 50_000, min: 1000 };
  const first = get(client, [{}, { topic: name }], { ...waiting, epoch: 0 });
  assert.deepEqual([first.sessionId, first.partitions], [0, ["0: 0+1", "0: error 3"]]);
  assert.deepEqual(get(client, [{ topic: name }], waiting).partitions, ["0: error 3"]);
  const { sessionId: session } = get(client, [{}, { topic: "x".repeat(255) }], { epoch: 0 });
  assert.notEqual(session, 0);
  assert.equal(get(client, [{ topic: name }], { session, epoch: 1 }).code, errorCode.FETCH_SESSION_ID_NOT_FOUND);
  assert.equal(house.server.fetchSessions.count, 0);
});
