import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { errorCode } from "./codec/errors.ts";
import { metadata } from "./commands/metadata.ts";
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
