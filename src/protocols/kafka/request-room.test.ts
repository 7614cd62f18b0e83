import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { errorCode } from "./codec/errors.ts";
import { metadata } from "./commands/metadata.ts";
import type { KafkaConnection } from "./connection.ts";
import { KafkaHouse, type KafkaClient } from "./kafka-house.suite.ts";
import { RequestRoom } from "./request-room.ts";

const mebi = 1 << 20;

test("whatever is asked for, room is never taken twice, and everybody has a turn in the order of asking", () => {
  const step = fc.record({ who: fc.nat(5), megabytes: fc.nat(60), leaves: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const room = new RequestRoom(100 * mebi);
      const placeOf = new Map<number, number>();
      const waiting: number[] = [];
      const wanted = new Map<number, number>();
      const users = Array.from({ length: 6 }, (_, who) => ({
        roomMade: (): void => {
          assert.equal(waiting.shift(), who, "who came first");
          placeOf.set(who, wanted.get(who)!);
        },
      }));
      for (const { who, megabytes, leaves } of steps) {
        // Who waits sends nothing more.
        if (waiting.includes(who) && !leaves) continue;
        const bytes = megabytes * mebi;
        placeOf.delete(who);
        wanted.set(who, bytes);
        if (leaves) {
          if (waiting.includes(who)) waiting.splice(waiting.indexOf(who), 1);
          room.leave(users[who]!, 0);
        } else if (room.take(users[who]!, bytes, 0)) {
          if (bytes > 0) placeOf.set(who, bytes);
        } else waiting.push(who);
        const taken = [...placeOf.values()].reduce((sum, one) => sum + one, 0);
        assert.equal(room.takenBytes, taken);
        assert.ok(taken <= 100 * mebi);
        if (waiting.length > 0) assert.ok(taken + wanted.get(waiting[0]!)! > 100 * mebi, "the first finds no room");
      }
    }),
    { numRuns: 300 },
  );
});

const isClosed = ({ connection }: KafkaClient): boolean => (connection as KafkaConnection).isClosed;

/** A client that has sent the beginning of a request of so many bytes. */
function begun(house: KafkaHouse, bytes: number): KafkaClient {
  const client = house.client();
  const beginning = Buffer.alloc(1000);
  beginning.writeInt32BE(bytes, 0);
  client.raw(beginning);
  return client;
}

test("a thousand clients that begin large requests hold what a few may hold; small requests pass", async () => {
  const house = await KafkaHouse.open();
  const clients = Array.from({ length: 1000 }, () => begun(house, 90 * mebi));
  assert.equal(clients.filter(({ isReadingPaused }) => !isReadingPaused).length, 2);
  assert.equal(house.client().call(metadata, 12, { topics: [] }).topics.length, 0);
  clients[0]!.destroy();
  assert.deepEqual(
    clients.slice(1, 5).map(({ isReadingPaused }) => isReadingPaused),
    [false, false, true, true],
  );
});

test("who is slow to send a large request has to go when others wait, and only then", async () => {
  const house = await KafkaHouse.open();
  const slow = [begun(house, 100 * mebi), begun(house, 100 * mebi)];
  const pass = (ms: number): void => {
    house.clock.advance(ms);
    for (const { connection } of slow) connection.tick(house.clock.now());
  };
  pass(300_000);
  assert.ok(slow.every(({ isEnded }) => !isEnded));
  const next = begun(house, 100 * mebi);
  assert.equal(next.isReadingPaused, true);
  pass(0);
  assert.ok(slow.every(({ isEnded }) => isEnded));
  for (const client of slow) client.destroy();
  assert.equal(next.isReadingPaused, false);
});

test("a large request that comes in pieces is handled as soon as it is whole, and gives its room back", async () => {
  const house = await KafkaHouse.open();
  const client = house.client();
  const topics = Array.from({ length: 20_000 }, (_, index) => ({ name: `t${index}` }));
  const bytes = client.requestBytes(metadata, 12, { topics, allowAutoTopicCreation: false });
  assert.ok(bytes.length > 200_000);
  for (let at = 0; at < bytes.length; at += 65_536) {
    client.raw(bytes.subarray(at, at + 65_536));
    assert.equal(house.server.room.takenBytes > 0, at + 65_536 < bytes.length);
  }
  const [answer] = client.take() as { response: { topics: { errorCode: number }[] } }[];
  assert.ok(answer!.response.topics.every((one) => one.errorCode === errorCode.UNKNOWN_TOPIC_OR_PARTITION));
});

test("who has promised much and stops has no longer for it than others", async () => {
  const house = await KafkaHouse.open();
  const stalled = [begun(house, 100 * mebi), begun(house, 100 * mebi)];
  const sending = begun(house, 50 * mebi);
  for (let mebibytes = 0; mebibytes < 2; mebibytes++) sending.raw(Buffer.alloc(mebi));
  const next = begun(house, 100 * mebi);
  const pass = (ms: number): void => {
    house.clock.advance(ms);
    for (const { connection } of [...stalled, sending, next]) connection.tick(house.clock.now());
  };
  pass(10_000);
  assert.ok(stalled.every(({ isEnded }) => !isEnded));
  pass(2);
  assert.ok(stalled.every(({ isEnded }) => isEnded));
  assert.equal(sending.isEnded, false);
  stalled[0]!.destroy();
  assert.equal(next.isReadingPaused, false);
});

test("who sends one request behind the other, all of one size, takes turns, and is not slow", async () => {
  const house = await KafkaHouse.open();
  const busy = house.client();
  const topics = Array.from({ length: 20_000 }, (_, index) => ({ name: `t${index}` }));
  const asked = { topics, allowAutoTopicCreation: false };
  const [first, second] = [busy.requestBytes(metadata, 12, asked), busy.requestBytes(metadata, 12, asked)];
  const half = first.length >> 1;
  busy.raw(first.subarray(0, half));
  const others = Array.from({ length: 3 }, () => begun(house, 100 * mebi));
  assert.deepEqual(
    [busy, ...others].map(({ isReadingPaused }) => isReadingPaused),
    [false, false, false, true],
  );
  busy.raw(Buffer.concat([first.subarray(half), second.subarray(0, half)]));
  assert.equal(busy.isReadingPaused, true, "the other was first");
  house.clock.advance(9000);
  others[0]!.destroy();
  assert.deepEqual(
    [busy, others[2]!].map(({ isReadingPaused }) => isReadingPaused),
    [false, false],
  );
  begun(house, 100 * mebi);
  house.clock.advance(9000);
  busy.connection.tick(house.clock.now());
  assert.equal(busy.isEnded, false);
  busy.raw(second.subarray(half));
  assert.equal(busy.take().length, 2);
});

test("time in which a connection is not read does not count against it", () => {
  const room = new RequestRoom(mebi);
  const [first, second] = [{ roomMade: (): void => undefined }, { roomMade: (): void => undefined }];
  assert.equal(room.take(first, mebi, 0), true);
  assert.equal(room.take(second, mebi, 0), false);
  assert.deepEqual([room.isTooSlow(first, 0, 10_000), room.isTooSlow(first, 0, 10_001)], [false, true]);
  assert.deepEqual([room.isTooSlow(first, 5000, 10_005), room.isTooSlow(first, 5000, 10_006)], [false, true]);
  room.excuse(first, 60_000);
  assert.deepEqual([room.isTooSlow(first, 0, 70_000), room.isTooSlow(first, 0, 70_001)], [false, true]);
});

test("who has to go gives its room back, though it takes nothing that was written to it and so does not close", async () => {
  const house = await KafkaHouse.open();
  const stalled = [begun(house, 100 * mebi), begun(house, 100 * mebi)];
  const next = begun(house, 100 * mebi);
  house.clock.advance(10_002);
  stalled[0]!.connection.tick(house.clock.now());
  house.settle();
  assert.deepEqual([stalled[0]!.isEnded, next.isReadingPaused], [true, false]);
  assert.equal(isClosed(stalled[0]!), false);
  house.clock.advance(30_000);
  stalled[0]!.connection.tick(house.clock.now());
  assert.equal(isClosed(stalled[0]!), true);
  assert.equal(house.server.room.takenBytes, 200 * mebi + 8);
});
