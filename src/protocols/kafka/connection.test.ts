import assert from "node:assert/strict";
import { test } from "node:test";
import { apiVersions } from "./commands/api-versions.ts";
import { fetch } from "./commands/fetch.ts";
import { joinGroup } from "./commands/join-group.ts";
import { leaveGroup } from "./commands/leave-group.ts";
import { metadata } from "./commands/metadata.ts";
import { produce } from "./commands/produce.ts";
import { syncGroup } from "./commands/sync-group.ts";
import { putRequestHeader } from "./codec/headers.ts";
import { plainGroupSettings } from "./groups/group-settings.ts";
import { batchOf, KafkaHouse, type KafkaClient } from "./kafka-house.suite.ts";

function framed(...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length);
  return Buffer.concat([size, body]);
}

function makeTopic(client: KafkaClient, name: string): void {
  client.call(metadata, 4, { topics: [{ name }], allowAutoTopicCreation: true });
}

const software = { clientSoftwareName: "test", clientSoftwareVersion: "1.0" };

test("ApiVersions tells of every command, of Produce from version 0 on, and of no feature that begins at 0 before v4", async () => {
  const house = await KafkaHouse.open();
  const answer = house.client().call(apiVersions, 3, software);
  assert.equal(answer.errorCode, 0);
  assert.deepEqual(
    answer.apiKeys.map(({ apiKey }) => apiKey),
    house.server.commands.map(({ key }) => key),
  );
  assert.equal(answer.apiKeys[0]!.minVersion, 0);
  const namesIn = (features: readonly { readonly name: string }[]): string[] => features.map(({ name }) => name);
  assert.deepEqual(namesIn(answer.supportedFeatures), ["metadata.version"]);
  assert.deepEqual(namesIn(answer.finalizedFeatures), ["metadata.version", "transaction.version"]);
  const later = house.client().call(apiVersions, 4, software);
  assert.deepEqual(namesIn(later.supportedFeatures), ["metadata.version", "transaction.version"]);
});

test("a version of ApiVersions that is not known is answered in version 0, with those that are", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  client.raw(framed(putRequestHeader(18, 99, 7, "later", true), Buffer.from("whatever")));
  const bytes = Buffer.concat(client.output.take());
  assert.equal(bytes.readInt32BE(4), 7);
  assert.equal(bytes.readInt16BE(8), 35);
  assert.equal(bytes.subarray(10).toString("hex"), "00000001001200000004");
  assert.equal(client.isEnded, false);
});

test("a header that is malformed ends the connection, also of a version of ApiVersions that is not known", async () => {
  const house = await KafkaHouse.open();
  for (const version of [-1, 3, 99]) {
    const client = house.client();
    const header = putRequestHeader(18, version, 7, "later", version >= 3);
    header.writeInt16BE(0x7fff, 8);
    client.raw(framed(header, Buffer.from("whatever")));
    assert.equal(client.isEnded, true);
    assert.equal(client.output.bytes, 0);
    client.connection.closed();
    assert.match(String(house.logged.at(-1)!.fields["why"]), /the header of ApiVersions v.* is malformed/);
  }
});

test("names of software are asked to be names", async () => {
  const house = await KafkaHouse.open();
  const answer = house.client().call(apiVersions, 3, { clientSoftwareName: "a b", clientSoftwareVersion: "1" });
  assert.equal(answer.errorCode, 42);
});

test("what is no request ends the connection, and the log says why", async () => {
  const house = await KafkaHouse.open();
  const ends: [string, Buffer, RegExp][] = [
    ["a size over the limit", Buffer.from("GET / HTTP/1.1\r\n\r\n"), /not a request of Kafka's protocol/],
    ["an unknown API", framed(putRequestHeader(999, 0, 1, null, false)), /unknown API 999/],
    ["an unknown version", framed(putRequestHeader(3, 99, 1, null, true)), /Metadata v99 is not supported/],
    ["a request that is too short", framed(Buffer.from([0, 3])), /too short/],
    [
      "a malformed body",
      framed(putRequestHeader(3, 4, 1, null, false), Buffer.from([0, 0, 0, 9])),
      /MetadataRequest v4/,
    ],
  ];
  for (const [what, bytes, why] of ends) {
    const client = house.client();
    client.raw(bytes);
    assert.equal(client.isEnded, true, what);
    client.connection.closed();
    assert.match(String(house.logged.at(-1)!.fields["why"]), why, what);
  }
});

test("any cut of the bytes gives the same answers, in the order of the requests", async () => {
  const house = await KafkaHouse.open();
  makeTopic(house.client(), "t");
  for (const step of [1, 3, 7, 64]) {
    const client = house.client();
    const records = batchOf(["a", "b"]);
    const bytes = Buffer.concat([
      client.requestBytes(metadata, 4, { topics: [{ name: "t" }] }),
      client.requestBytes(produce, 9, {
        acks: -1,
        timeoutMs: 1000,
        topicData: [{ name: "t", partitionData: [{ index: 0, records }] }],
      }),
      client.requestBytes(apiVersions, 3, software),
    ]);
    for (let at = 0; at < bytes.length; at += step) client.raw(bytes.subarray(at, at + step));
    const answers = client.take();
    assert.deepEqual(
      answers.map(({ correlationId }) => correlationId),
      [1, 2, 3],
    );
  }
});

test("an answer waits for those before it", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  makeTopic(client, "t");
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }];
  const limits = { maxWaitMs: 500, minBytes: 1, maxBytes: 1000 };
  client.ask(fetch, 4, { ...limits, topics: [{ topic: "t", partitions }] });
  client.ask(apiVersions, 0, {});
  assert.deepEqual(client.take(), []);
  house.clock.advance(500);
  assert.deepEqual(
    client.take().map(({ correlationId }) => correlationId),
    [2, 3],
  );
});

test("who does not read is not read either, and goes on when it reads", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  makeTopic(client, "t");
  const records = batchOf(Array.from({ length: 100 }, () => "x".repeat(8000)));
  const topicData = [{ name: "t", partitionData: [{ index: 0, records }] }];
  client.call(produce, 9, { acks: 1, timeoutMs: 1000, topicData });
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }];
  const limits = { maxWaitMs: 0, minBytes: 1, maxBytes: 1_000_000 };
  for (let count = 0; count < 10; count++) client.ask(fetch, 4, { ...limits, topics: [{ topic: "t", partitions }] });
  assert.ok(client.output.bytes < 3_000_000);
  assert.equal(client.isReadingPaused, true);
  assert.equal(client.take().length, 10);
  assert.equal(client.isReadingPaused, false);
});

test("a thousand requests in one chunk are answered, though not all of them are open at once", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  const requests = Array.from({ length: 1000 }, () => client.requestBytes(apiVersions, 0, {}));
  client.raw(Buffer.concat(requests));
  assert.equal(client.take().length, 1000);
  assert.equal(client.isReadingPaused, false);
});

test("a connection on which nothing is asked ends after its time; one that waits for an answer does not", async () => {
  const house = await KafkaHouse.open({ idleMs: 60_000 });
  const idle = house.client();
  const waiting = house.client();
  makeTopic(waiting, "t");
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }];
  waiting.ask(fetch, 4, { maxWaitMs: 120_000, minBytes: 1, maxBytes: 1000, topics: [{ topic: "t", partitions }] });
  for (let second = 0; second <= 60; second++) {
    house.clock.advance(1000);
    idle.connection.tick(house.clock.now());
    waiting.connection.tick(house.clock.now());
  }
  assert.equal(idle.isEnded, true);
  assert.equal(waiting.isEnded, false);
});

test("who takes none of its answers for the time of idle ones is cut off, though it has asked; who takes some is not", async () => {
  const house = await KafkaHouse.open({ idleMs: 60_000 });
  const [deaf, slow] = [house.client(), house.client()];
  makeTopic(deaf, "t");
  const records = batchOf(Array.from({ length: 100 }, () => "x".repeat(8000)));
  const topicData = [{ name: "t", partitionData: [{ index: 0, records }] }];
  deaf.call(produce, 9, { acks: 1, timeoutMs: 1000, topicData });
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }];
  const limits = { maxWaitMs: 0, minBytes: 1, maxBytes: 1_000_000 };
  const askTenTimes = (client: KafkaClient): void => {
    for (let count = 0; count < 10; count++) client.ask(fetch, 4, { ...limits, topics: [{ topic: "t", partitions }] });
    assert.equal(client.isReadingPaused, true);
  };
  for (const client of [deaf, slow]) askTenTimes(client);
  for (let second = 1; second <= 61; second++) {
    house.clock.advance(1000);
    if (second === 30) {
      assert.equal(slow.take().length, 10);
      askTenTimes(slow);
    }
    for (const client of [deaf, slow]) client.connection.tick(house.clock.now());
  }
  assert.equal(deaf.isEnded, true);
  assert.equal(slow.isEnded, false);
  deaf.connection.closed();
  assert.match(String(house.logged.at(-1)!.fields["why"]), /does not take what it is sent/);
});

test("where a login is asked for, nothing but versions and SASL is answered before it, and not for long", async () => {
  const house = await KafkaHouse.open({ requireSasl: true });
  const client = house.client();
  assert.equal(client.call(apiVersions, 3, software).errorCode, 0);
  client.ask(metadata, 4, { topics: [] });
  assert.equal(client.isEnded, true);
  const silent = house.client();
  house.clock.advance(31_000);
  silent.connection.tick(house.clock.now());
  assert.equal(silent.isEnded, true);
});

test("the anonymous user comes from this machine only", async () => {
  const house = await KafkaHouse.open();
  const client = house.client({ remoteAddress: "10.0.0.1", isLoopback: false });
  client.ask(metadata, 4, { topics: [] });
  assert.equal(client.isEnded, true);
  client.connection.closed();
  assert.match(String(house.logged.at(-1)!.fields["why"]), /localhost/);
});

test("a broker that stops tells what is done, and ends what waits", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  makeTopic(client, "t");
  const topicData = [{ name: "t", partitionData: [{ index: 0, records: batchOf(["a"]) }] }];
  client.connection.receive(client.requestBytes(produce, 9, { acks: 1, timeoutMs: 1000, topicData }));
  client.connection.shutdown();
  assert.equal(client.isEnded, false);
  assert.equal(client.take().length, 1);
  assert.equal(client.isEnded, true);
  const idle = house.client();
  idle.connection.shutdown();
  assert.equal(idle.isEnded, true);
});

test("behind a request that waits nothing is handled, but for more of what is produced and fetched", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  makeTopic(client, "t");
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }];
  const limits = { maxWaitMs: 500, minBytes: 1, maxBytes: 1000 };
  client.ask(fetch, 4, { ...limits, topics: [{ topic: "t", partitions }] });
  const topicData = [{ name: "t", partitionData: [{ index: 0, records: batchOf(["a"]) }] }];
  client.ask(produce, 9, { acks: 1, timeoutMs: 1000, topicData });
  assert.equal(client.take().length, 2);
  client.ask(fetch, 4, { ...limits, topics: [{ topic: "t", partitions: [{ ...partitions[0]!, fetchOffset: 1 }] }] });
  client.ask(metadata, 4, { topics: [{ name: "made" }], allowAutoTopicCreation: true });
  client.ask(metadata, 4, { topics: [{ name: "made later" }], allowAutoTopicCreation: true });
  assert.equal(client.isReadingPaused, true);
  house.clock.advance(500);
  assert.equal(client.take().length, 3);
  assert.equal(client.isReadingPaused, false);
});

test("what is kept of open requests is bounded, however many partitions they name", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  makeTopic(client, "t");
  const partitions = Array.from({ length: 60_000 }, () => ({ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }));
  const wide = { maxWaitMs: 500, minBytes: 1, maxBytes: 1000, topics: [{ topic: "t", partitions }] };
  client.ask(fetch, 4, wide);
  assert.equal(client.isReadingPaused, false);
  client.ask(fetch, 4, wide);
  assert.equal(client.isReadingPaused, true);
  house.clock.advance(500);
  assert.equal(client.take().length, 2);
  assert.equal(client.isReadingPaused, false);
});

test("requests that are a lot of work leave others their turn, and all are answered", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  let elapsedMs = 0;
  house.clock.elapsedMs = () => (elapsedMs += 8);
  const requests = Array.from({ length: 20 }, () => client.requestBytes(apiVersions, 0, {}));
  client.connection.receive(Buffer.concat(requests));
  assert.equal(client.isReadingPaused, true);
  house.settle();
  assert.equal(client.take().length, 20);
  assert.equal(client.isReadingPaused, false);
});

test("an answer that brings about the next, thousands of times over, is no deep stack", async () => {
  const groups = { ...plainGroupSettings, initialRebalanceDelayMs: 0 };
  const house = await KafkaHouse.open({ groups });
  const clients = Array.from({ length: 3000 }, () => house.client());
  const joining = (groupId: string) => ({
    groupId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: Buffer.alloc(0) }],
  });
  for (const [at, client] of clients.entries()) client.ask(joinGroup, 3, joining(`g${at}`));
  house.clock.advance(0);
  const members = clients.map((client, at) => {
    const { memberId } = client.take()[0]!.response as { memberId: string };
    client.call(syncGroup, 3, { groupId: `g${at}`, generationId: 1, memberId });
    return memberId;
  });
  const leaving = (at: number) => ({ groupId: `g${at}`, members: [{ memberId: members[at]! }] });
  // Each waits until the first member of its group leaves it, and then has that of the next group leave.
  for (const [at, client] of clients.entries()) {
    const next = leaving((at + 1) % clients.length);
    const joins = client.requestBytes(joinGroup, 3, joining(`g${at}`));
    client.raw(Buffer.concat([joins, client.requestBytes(leaveGroup, 3, next)]));
  }
  assert.equal(house.client().call(leaveGroup, 3, leaving(0)).errorCode, 0);
  for (const client of clients) assert.equal(client.take().length, 2);
  house.server.stop();
});
