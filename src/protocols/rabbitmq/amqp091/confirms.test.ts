import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ChunkPool, Output } from "../../../wire/output.ts";
import { FrameParser } from "./codec-parser.ts";
import { decodeMethod, MethodFault } from "./codec.ts";
import { Confirms } from "./confirms.ts";

const pool = new ChunkPool();

/** Reads confirms as a client does: a multiple one covers all that is open up to its tag. */
class Publisher {
  readonly outcomes = new Map<number, string>();
  published = 0;

  read(output: Output): number {
    const parser = new FrameParser();
    parser.push(Buffer.from("AMQP\0\0\x09\x01", "latin1"));
    parser.next();
    parser.next();
    parser.push(Buffer.concat(output.take()));
    let frames = 0;
    while (parser.next()) {
      frames++;
      const method = decodeMethod(parser.buffer, parser.start, parser.end);
      assert.ok(!(method instanceof MethodFault));
      assert.ok(method.name === "basic.ack" || method.name === "basic.nack");
      const { deliveryTag, multiple } = method.args;
      let covered = 0;
      for (let tag = multiple ? 1 : Number(deliveryTag); tag <= Number(deliveryTag); tag++) {
        if (this.outcomes.has(tag)) continue;
        this.outcomes.set(tag, method.name);
        covered++;
      }
      assert.ok(multiple ? covered > 1 : covered === 1, "multiple says that several are meant");
    }
    return frames;
  }
}

test("every publish is answered once, with its own outcome, and not before its ticket", () => {
  const publish = fc.record({ ticketStep: fc.nat({ max: 2 }), isRefused: fc.boolean() });
  const step = fc.oneof(publish, fc.constant("commit" as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const confirms = new Confirms();
      const publisher = new Publisher();
      const output = new Output(pool);
      const expected: { ticket: number; outcome: string }[] = [];
      let ticket = 1;
      let durable = 0;
      for (const each of [...steps, "commit" as const]) {
        if (each === "commit") {
          durable = ticket;
          confirms.answer(output, 1, durable);
          publisher.read(output);
          assert.equal(confirms.isPending, false);
        } else {
          ticket += each.ticketStep;
          confirms.published(ticket, each.isRefused);
          expected.push({ ticket, outcome: each.isRefused ? "basic.nack" : "basic.ack" });
          confirms.answer(output, 1, durable);
          publisher.read(output);
        }
        for (const [index, { ticket: needed, outcome }] of expected.entries()) {
          const said = publisher.outcomes.get(index + 1);
          if (said !== undefined) assert.equal(said, outcome);
          if (said !== undefined) assert.ok(needed <= durable);
        }
      }
      assert.equal(publisher.outcomes.size, expected.length);
    }),
  );
});

test("what one commit covers is one frame", () => {
  const confirms = new Confirms();
  const output = new Output(pool);
  for (let i = 0; i < 1000; i++) confirms.published(7 + (i % 3 === 0 ? 0 : 1), false);
  confirms.answer(output, 1, 8);
  assert.equal(new Publisher().read(output), 1);
});
