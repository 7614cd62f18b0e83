/**
 * Very many connections that say nothing: little memory for each, no disturbance of those that work, and all are told
 * when the broker stops. IDLE_CONNECTIONS says how many. Both ends of each are on this machine, in two processes.
 */

import assert from "node:assert/strict";
import { connect as connectSocket, type Socket } from "node:net";
import { test } from "node:test";
import { frame, methodPayload } from "../conformance/amqp091/frames.ts";
import { PROTOCOL_HEADER, startOk } from "../conformance/amqp091/handshake.ts";
import { methodByName } from "../conformance/amqp091/spec.ts";
import { residentBytes, spawnBroker } from "../interop/broker.ts";
import { drain, Producer } from "./clients.ts";

const count = Number(process.env["IDLE_CONNECTIONS"] ?? 2000);
/** Handshakes under way at a time. */
const openingMax = 200;
const bytesPerConnectionMax = 40_000;

/** Everything that a client says until it is idle, in one go. */
const hello = Buffer.concat([
  PROTOCOL_HEADER,
  frame(1, 0, methodPayload("connection.start-ok", startOk("guest", "guest"))),
  frame(1, 0, methodPayload("connection.tune-ok", { "channel-max": 100, "frame-max": 131_072, heartbeat: 0 })),
  frame(1, 0, methodPayload("connection.open", { "virtual-host": "/" })),
  frame(1, 1, methodPayload("channel.open")),
]);
const closeOk = frame(1, 0, methodPayload("connection.close-ok"));

/** A connection with a channel that waits for nothing but its end. */
class IdleClient {
  readonly opened = Promise.withResolvers<void>();
  /** The reply code of the broker's close, or undefined if it closed without a word. */
  readonly closed = Promise.withResolvers<number | undefined>();
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #code: number | undefined;

  constructor(host: string, port: number) {
    this.socket = connectSocket(port, host, () => this.socket.write(hello));
    this.socket.on("data", (bytes: Buffer) => this.#take(bytes));
    this.socket.on("error", (error) => this.opened.reject(error));
    this.socket.on("close", () => {
      this.opened.reject(new Error("closed by the broker"));
      this.closed.resolve(this.#code);
    });
  }

  #take(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= 8 && this.#received.length >= 8 + this.#received.readUInt32BE(3)) {
      const end = 8 + this.#received.readUInt32BE(3);
      this.#frame(this.#received.subarray(0, end));
      this.#received = Buffer.from(this.#received.subarray(end));
    }
  }

  #frame(bytes: Buffer): void {
    if (isMethod(bytes, "channel.open-ok")) this.opened.resolve();
    if (!isMethod(bytes, "connection.close")) return;
    this.#code = bytes.readUInt16BE(11);
    this.socket.end(closeOk);
  }
}

function isMethod(bytes: Buffer, name: string): boolean {
  const { classId, methodId } = methodByName.get(name)!;
  return bytes.readUInt8(0) === 1 && bytes.readUInt16BE(7) === classId && bytes.readUInt16BE(9) === methodId;
}

/** The longest of some rounds in which a message goes in and out. */
async function slowestRoundMs(amqp: string): Promise<number> {
  const producer = await Producer.open(amqp, { queue: "work", sizeBytes: 100 });
  let longestMs = 0;
  for (let round = 0; round < 20; round++) {
    const began = performance.now();
    assert.ok(await producer.send());
    assert.equal((await drain(amqp, "work", 1)).redeliveredByNumber.size, 1);
    longestMs = Math.max(longestMs, performance.now() - began);
  }
  await producer.connection.close();
  return longestMs;
}

test(`${count} idle connections cost little, disturb nobody, and are told when the broker stops`, async (t) => {
  const broker = await spawnBroker();
  const clients: IdleClient[] = [];
  t.after(async () => {
    for (const { socket } of clients) socket.destroy();
    await broker.kill("SIGKILL");
  });
  const [host = "", port] = broker.amqp.split(":");
  // What the first connections bring about once is no cost of each.
  await slowestRoundMs(broker.amqp);
  const before = residentBytes(broker.pid);
  const began = performance.now();
  while (clients.length < count) {
    const opening = Array.from(
      { length: Math.min(openingMax, count - clients.length) },
      () => new IdleClient(host, Number(port)),
    );
    clients.push(...opening);
    await Promise.all(opening.map(({ opened }) => opened.promise));
  }
  const openedMs = performance.now() - began;
  const after = residentBytes(broker.pid);
  const slowestMs = await slowestRoundMs(broker.amqp);
  assert.ok(slowestMs < 1000, `a message took ${Math.round(slowestMs)} ms`);

  const stopBegan = performance.now();
  assert.equal(await broker.kill("SIGTERM"), 0, broker.log());
  const stoppedMs = performance.now() - stopBegan;
  const codes = await Promise.all(clients.map(({ closed }) => closed.promise));
  assert.equal(codes.filter((code) => code === 320).length, count);

  const times = `opened in ${Math.round(openedMs)} ms, slowest round ${Math.round(slowestMs)} ms, stopped in ${Math.round(stoppedMs)} ms`;
  t.diagnostic(times);
  if (before === undefined || after === undefined) return;
  const each = Math.round((after - before) / count);
  t.diagnostic(`${each} bytes of memory for each`);
  assert.ok(each < bytesPerConnectionMax, `${each} bytes for each connection`);
});
