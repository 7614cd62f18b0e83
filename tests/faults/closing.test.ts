/**
 * How long a client that the broker has said goodbye to is waited for: over real sockets, by a clock that passes by saying so
 * for the connections too (a broker's own network lives by the machine's).
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { test, type TestContext } from "node:test";
import { connect } from "amqplib";
import { silentLogger } from "../../src/observe/log.ts";
import { WireHouse } from "../../src/protocols/rabbitmq/amqp091/wire-house.suite.ts";
import { Listener } from "../../src/server/listener.ts";
import { SocketRoom } from "../../src/server/socket-room.ts";
import { frame, methodPayload } from "../conformance/amqp091/frames.ts";
import { handshake, PROTOCOL_HEADER, startOk } from "../conformance/amqp091/handshake.ts";
import { methodByName } from "../conformance/amqp091/spec.ts";
import { WireConnection } from "../conformance/amqp091/wire-client.ts";

const host = "127.0.0.1";
/** Messages of 1 MB: more than any socket holds. */
const count = 20;

async function listening(t: TestContext): Promise<{ house: WireHouse; listener: Listener }> {
  const house = await WireHouse.open();
  const { clock, protocol } = house;
  const room = new SocketRoom(0);
  const options = { name: "amqp", protocol, host, port: 0, connectionsMax: 10, room, clock, logger: silentLogger };
  const listener = await Listener.open(options);
  let isOver = false;
  const turn = (): void => {
    house.settle();
    if (!isOver) setImmediate(turn);
  };
  turn();
  t.after(async () => {
    const stopped = listener.stop(1000);
    house.clock.advance(1000);
    await stopped;
    isOver = true;
  });
  return { house, listener };
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

test("who does not answer a close is cut off after half a minute, and not before", async (t) => {
  const { house, listener } = await listening(t);
  const transcript = { line: () => undefined, patienceMs: 3000 };
  const peer = await WireConnection.open("", host, listener.address.port, transcript);
  await handshake(peer, {});
  peer.answersClose = false;
  const channel = await peer.channel(1).open();
  // A channel is opened once.
  channel.write("channel.open");
  assert.equal((await peer.channel(0).take())?.name, "connection.close");
  house.clock.advance(30_000);
  await turns(100);
  const isClosedEarly = peer.isClosed;
  house.clock.advance(2000);
  await peer.closedByServer();
  assert.deepEqual([isClosedEarly, peer.isClosed, listener.connectionCount], [false, true, 0]);
});

test("who reads nothing is cut off half a minute after its last words, and what waited for it is not sent", async (t) => {
  const { house, listener } = await listening(t);
  const { port } = listener.address;
  await fill(port);
  const socket = connectSocket(port, host);
  socket.on("error", () => undefined);
  const says = (name: string, channel: number, fields = {}): void =>
    void socket.write(frame(1, channel, methodPayload(name, fields)));
  socket.write(PROTOCOL_HEADER);
  says("connection.start-ok", 0, startOk("guest", "guest"));
  says("connection.tune-ok", 0, { "channel-max": 100, "frame-max": 131_072, heartbeat: 0 });
  says("connection.open", 0, { "virtual-host": "/" });
  says("channel.open", 1);
  says("basic.consume", 1, { queue: "much", "no-ack": true });
  // The socket is full when no more leaves the queue.
  const queue = house.core.namespace("/")!.queue("much")!;
  for (let before = Infinity; queue.readyCount < before || before === count; await turns(100))
    before = queue.readyCount;
  assert.ok(queue.readyCount > 0);
  // No frame, whatever it is: the broker says its last word.
  socket.write(Buffer.alloc(100, 9));
  while (!house.logged.some(({ fields }) => "fault" in fields)) await turns(1);
  house.clock.advance(30_000);
  await turns(100);
  const countEarly = listener.connectionCount;
  house.clock.advance(2000);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => void chunks.push(chunk));
  await once(socket, "close");
  assert.equal(countEarly, 1);
  const { classId, methodId } = methodByName.get("connection.close")!;
  assert.equal(Buffer.concat(chunks).includes(Buffer.from([0, classId, 0, methodId])), false);
});

async function fill(port: number): Promise<void> {
  const connection = await connect(`amqp://guest:guest@${host}:${port}`);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue("much");
  const body = Buffer.alloc(1_000_000, "x");
  for (let i = 0; i < count; i++) channel.sendToQueue("much", body);
  await channel.waitForConfirms();
  await connection.close();
}
