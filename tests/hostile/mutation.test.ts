/**
 * Conversations that were right once, with bytes flipped, cut, doubled and swapped. Whatever arrives, the broker answers in
 * well-formed frames or hangs up, forgets the connection when the peer hangs up, and a client beside it notices nothing.
 *
 * HOSTILE_MUTATIONS says how many, HOSTILE_SEED repeats them.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom, type Random } from "../../src/base/random.ts";
import { PROTOCOL_HEADER, startOk } from "../conformance/amqp091/handshake.ts";
import { frame, methodPayload, propertySection, type Fields } from "../conformance/amqp091/wire-client.ts";
import { Arena } from "./arena.ts";
import { mutated } from "./mutated.ts";

const mutations = Number(process.env["HOSTILE_MUTATIONS"] ?? 400);
const seed = Number(process.env["HOSTILE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

test(`${mutations} mutated conversations (HOSTILE_SEED=${seed})`, async (t) => {
  const arena = await Arena.open(t);
  const random = seededRandom(seed);
  await arena.disturb({ growthMebibytesMax: 150 }, async () => {
    const atOnce = 20;
    for (let done = 0; done < mutations; done += atOnce) {
      await Promise.all(Array.from({ length: atOnce }, (_, index) => converse(arena, random, `m${done + index}`)));
    }
  });
  // Nothing that the mutations left behind hurts a restart.
  await arena.restart();
  await arena.client();
});

async function converse(arena: Arena, random: Random, name: string): Promise<void> {
  const lines: string[] = [];
  const peer = await arena.peer((line) => lines.push(line));
  const opening = [PROTOCOL_HEADER, ...handshakeFrames()];
  const rest = conversation(name);
  // One in five is wrong from the first bytes on; the others get as far as an open connection.
  const isEarly = random.next() < 0.2;
  const bytes = isEarly
    ? mutated(Buffer.concat([...opening, ...rest]), random)
    : Buffer.concat([...opening, mutated(Buffer.concat(rest), random)]);
  for (let at = 0; at < bytes.length && !peer.isClosed;) {
    const length = 1 + Math.floor(random.next() * 600);
    peer.write(bytes.subarray(at, at + length));
    at += length;
    if (random.next() < 0.3) await new Promise(setImmediate);
  }
  // A mutated length may make the broker wait for bytes that never come; a quarter of a second is long enough to answer.
  await peer.waitFor(() => peer.isClosed, 250);
  for (let id = 0; id <= 3; id++) await peer.channel(id).drain();
  assert.deepEqual(
    lines.filter((line) => line.includes("!!")),
    [],
    name,
  );
  if (!peer.isClosed) await peer.drop();
}

function handshakeFrames(): Buffer[] {
  return [
    frame(1, 0, methodPayload("connection.start-ok", startOk("guest", "guest"))),
    frame(1, 0, methodPayload("connection.tune-ok", { "channel-max": 100, "frame-max": 131_072 })),
    frame(1, 0, methodPayload("connection.open", { "virtual-host": "/" })),
  ];
}

/** What a client says in a life that touches most of the protocol. Its answers are not waited for. */
function conversation(name: string): Buffer[] {
  const say = (method: string, fields: Fields = {}, channel = 1): Buffer =>
    frame(1, channel, methodPayload(method, fields));
  const content = (body: string, props: Fields): Buffer => {
    const header = Buffer.alloc(12);
    header.writeUInt16BE(60, 0);
    header.writeBigUInt64BE(BigInt(body.length), 4);
    return Buffer.concat([
      frame(2, 1, Buffer.concat([header, propertySection(props)])),
      ...(body.length === 0 ? [] : [frame(3, 1, Buffer.from(body))]),
    ]);
  };
  const headers = { text: "value", number: 42, nested: { list: [1, "two", true] } };
  const arguments_ = { "x-max-length": 100, "x-message-ttl": 60_000, "x-dead-letter-exchange": "amq.fanout" };
  return [
    say("channel.open"),
    say("channel.open", {}, 2),
    say("confirm.select"),
    say("exchange.declare", { exchange: name, type: "topic", "auto-delete": true }),
    say("queue.declare", { queue: name, exclusive: true, arguments: arguments_ }),
    say("queue.bind", { queue: name, exchange: name, "routing-key": "#.key", arguments: headers }),
    say("basic.qos", { "prefetch-count": 10 }),
    say("basic.publish", { exchange: name, "routing-key": "a.key", mandatory: true }),
    content("hello", { "delivery-mode": 2, headers, "message-id": "1", expiration: "60000" }),
    say("basic.publish", { exchange: "", "routing-key": name }),
    content("x".repeat(3000), { "content-type": "text/plain", priority: 5 }),
    say("basic.publish", { exchange: "", "routing-key": "nowhere", mandatory: true }),
    content("", {}),
    say("basic.consume", { queue: name, "consumer-tag": "tag" }),
    say("basic.get", { queue: name }),
    say("basic.ack", { "delivery-tag": 1 }),
    say("basic.nack", { "delivery-tag": 2, requeue: true }),
    say("basic.recover", { requeue: true }),
    say("tx.select", {}, 2),
    say("tx.commit", {}, 2),
    frame(8, 0, Buffer.alloc(0)),
    say("basic.cancel", { "consumer-tag": "tag" }),
    say("queue.unbind", { queue: name, exchange: name, "routing-key": "#.key", arguments: headers }),
    say("queue.purge", { queue: name }),
    say("queue.delete", { queue: name }),
    say("channel.close", { "reply-code": 200 }),
    say("connection.close", { "reply-code": 200 }, 0),
  ];
}
