import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ChunkPool, Output } from "../../../wire/output.ts";
import { writeMethod } from "./codec.ts";
import { tableOf } from "../model/field-table.ts";
import type { MethodArguments, MethodName } from "./frames.ts";
import { publishFrames, WireHouse, type WireClient } from "./wire-house.suite.ts";

function frame<N extends MethodName>(name: N, args: MethodArguments<N>): Buffer {
  const output = new Output(new ChunkPool());
  writeMethod(output, 1, name, args);
  return Buffer.concat(output.take());
}

const noFlags = { passive: false, durable: true, exclusive: false, autoDelete: false, noWait: false };

/** Frames of every family, each fine by itself. */
const frames: readonly Buffer[] = [
  frame("queue.declare", { ticket: 0, queue: "f", ...noFlags, arguments: tableOf({ "x-max-length": 5 }) }),
  frame("queue.bind", {
    ticket: 0,
    queue: "f",
    exchange: "amq.headers",
    routingKey: "",
    noWait: false,
    arguments: tableOf({ a: 1 }),
  }),
  frame("exchange.declare", {
    ticket: 0,
    exchange: "x",
    type: "topic",
    passive: false,
    durable: false,
    autoDelete: true,
    internal: false,
    noWait: false,
    arguments: [],
  }),
  frame("basic.qos", { prefetchSize: 0, prefetchCount: 3, global: false }),
  frame("basic.consume", {
    ticket: 0,
    queue: "f",
    consumerTag: "t",
    noLocal: false,
    noAck: false,
    exclusive: false,
    noWait: false,
    arguments: [],
  }),
  frame("basic.get", { ticket: 0, queue: "f", noAck: false }),
  frame("basic.ack", { deliveryTag: 1, multiple: true }),
  frame("basic.nack", { deliveryTag: 2, multiple: false, requeue: true }),
  frame("basic.recover", { requeue: true }),
  frame("basic.cancel", { consumerTag: "t", noWait: false }),
  frame("confirm.select", { noWait: false }),
  frame("tx.select", {}),
  frame("tx.commit", {}),
  frame("queue.purge", { ticket: 0, queue: "f", noWait: false }),
  frame("queue.delete", { ticket: 0, queue: "f", ifUnused: false, ifEmpty: false, noWait: false }),
  frame("channel.close", { replyCode: 200, replyText: "", classId: 0, methodId: 0 }),
  frame("channel.open", { outOfBand: "" }),
  publishFrames("f", "body", {
    deliveryMode: 2,
    headers: tableOf({ CC: { type: "A", value: [{ type: "S", value: "f" }] } }),
  }),
  publishFrames("f", "", { expiration: "10", priority: 3, replyTo: "amq.rabbitmq.reply-to" }),
  publishFrames("", "to headers", { headers: tableOf({ a: 1, b: "x" }) }, "amq.headers", true),
];

const damage = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  byte: fc.integer({ min: 0, max: 255 }),
  kind: fc.constantFrom("set", "cut", "double"),
});

function damaged(bytes: Buffer, { at, byte, kind }: { at: number; byte: number; kind: string }): Buffer {
  const position = Math.min(bytes.length - 1, Math.floor(at * bytes.length));
  if (kind === "cut") return Buffer.concat([bytes.subarray(0, position), bytes.subarray(position + 1 + (byte % 16))]);
  if (kind === "double") return Buffer.concat([bytes.subarray(0, position + 1), bytes.subarray(position)]);
  const copy = Buffer.from(bytes);
  copy[position] = byte;
  return copy;
}

/** A well-behaved client still gets what it asks for. */
function checkUndisturbed(witness: WireClient): void {
  witness.publish("witness", "still here");
  assert.equal(witness.get("witness")?.body, "still here");
}

test("frames in any order, whole, are answered and hurt nobody", async () => {
  const house = await WireHouse.open();
  const witness = house.client();
  witness.declare("witness");
  witness.take();
  fc.assert(
    fc.property(fc.array(fc.nat({ max: frames.length - 1 }), { maxLength: 30 }), (order) => {
      const client = house.client();
      for (const index of order) client.raw(frames[index]!);
      client.take();
      client.destroy();
      checkUndisturbed(witness);
    }),
    { numRuns: 200 },
  );
});

test("damaged bytes end in an answer or a close, and hurt nobody", async () => {
  const house = await WireHouse.open();
  const witness = house.client();
  witness.declare("witness");
  witness.take();
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: frames.length - 1 }), { minLength: 1, maxLength: 12 }),
      fc.array(damage, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 500 }),
      (order, damages, pieceBytes) => {
        let bytes: Buffer = Buffer.concat(order.map((index) => frames[index]!));
        for (const each of damages) bytes = damaged(bytes, each);
        const client = house.client();
        for (let at = 0; at < bytes.length; at += pieceBytes) client.raw(bytes.subarray(at, at + pieceBytes));
        client.take();
        client.destroy();
        checkUndisturbed(witness);
      },
    ),
    { numRuns: 500 },
  );
});

test("a handshake of any bytes ends in a close, or waits for more", async () => {
  const house = await WireHouse.open();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const client = house.peer();
      client.raw(Buffer.from(bytes));
      client.output.discard();
      client.destroy();
    }),
    { numRuns: 300 },
  );
});
