import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesOfText } from "../../../base/byte-text.ts";
import { ChunkPool, Output } from "../../../wire/output.ts";
import { anyMethod, methodsNamed, mutated, properties, within } from "./codec-arbitraries.suite.ts";
import {
  ContentHeader,
  ContentParts,
  methodIdAt,
  parseContentHeader,
  parsePublish,
  parseSettlement,
  PublishPositions,
  Settlement,
  writeAck,
  writeContent,
  writeDeliver,
  writeNack,
} from "./codec-hot.ts";
import { FrameParser } from "./codec-parser.ts";
import {
  decodeMethod,
  fitShortString,
  MethodFault,
  writeHeartbeat,
  writeMethod,
  writeProtocolHeader,
} from "./codec.ts";
import { frameTypes, methods, type Method, type MethodName } from "./frames.ts";
import { replyCodes } from "../model/reply-codes.ts";
import { encodeProperties } from "../model/properties.ts";

const pool = new ChunkPool();

function written(write: (output: Output) => void): Buffer {
  const output = new Output(pool);
  write(output);
  const taken = output.take();
  const bytes = Buffer.concat(taken);
  output.release(taken);
  return bytes;
}

function frameOf(channel: number, method: Method): Buffer {
  return written((output) => writeMethod(output, channel, method.name, method.args as never));
}

/** The payload of a single method frame. */
function payloadOf(method: Method): Buffer {
  const frame = frameOf(1, method);
  return frame.subarray(7, frame.length - 1);
}

function framesIn(bytes: Buffer): { type: number; channel: number; payload: Buffer }[] {
  const parser = new FrameParser();
  const frames: { type: number; channel: number; payload: Buffer }[] = [];
  parser.frameMaxBytes = 0;
  parser.push(Buffer.concat([Buffer.from("AMQP\0\0\x09\x01", "latin1"), bytes]));
  while (parser.next()) {
    if (parser.type === frameTypes.protocolHeader) continue;
    const payload = Buffer.from(parser.buffer.subarray(parser.start, parser.end));
    frames.push({ type: parser.type, channel: parser.channel, payload });
  }
  assert.equal(parser.fault, null);
  assert.equal(parser.keptBytes, 0);
  return frames;
}

test("every method survives encoding and decoding, in a frame of its own", () => {
  fc.assert(
    fc.property(anyMethod, fc.nat(65_535), (method, channel) => {
      const [frame, ...others] = framesIn(frameOf(channel, method));
      assert.deepEqual(others, []);
      assert.equal(frame?.type, frameTypes.method);
      assert.equal(frame.channel, channel);
      const { buffer, start, end } = within(frame.payload);
      assert.deepEqual(decodeMethod(buffer, start, end), method);
    }),
    { numRuns: 1000 },
  );
});

test("no bytes make decoding throw; what it accepts has exactly the arguments of its method", () => {
  fc.assert(
    fc.property(mutated(anyMethod.map(payloadOf)), (bytes) => {
      const { buffer, start, end } = within(bytes);
      const decoded = decodeMethod(buffer, start, end);
      if (decoded instanceof MethodFault) assert.ok(decoded.text.length > 0);
      else assert.deepEqual(Object.keys(decoded.args), Object.keys(methods[decoded.name].fields));
    }),
    { numRuns: 2000 },
  );
});

test("methods are told apart, and what none has is refused by its numbers", () => {
  const ids = Object.values(methods).map((spec) => spec.id);
  assert.equal(new Set(ids).size, ids.length);
  const fault = decodeMethod(Buffer.from("003c03e7", "hex"), 0, 4);
  assert.ok(fault instanceof MethodFault);
  assert.deepEqual([fault.kind, fault.classId, fault.methodId], ["unknown-method", 60, 999]);
});

test("bytes behind the arguments, and short strings that are not UTF-8, are refused in RabbitMQ's words", () => {
  const tooLong = decodeMethod(Buffer.from("0014000a0000", "hex"), 0, 6) as MethodFault;
  assert.deepEqual([tooLong.kind, tooLong.text], ["malformed", "cannot decode <<0,0>>"]);
  const notText = decodeMethod(Buffer.from("0014000a01ff", "hex"), 0, 6) as MethodFault;
  assert.deepEqual([notText.kind, notText.text], ["malformed", "Malformed UTF-8 in shortstr"]);
  const exchange = decodeMethod(Buffer.from("003c0028000001ff0000", "hex"), 0, 10) as MethodFault;
  assert.deepEqual([exchange.kind, exchange.text], ["malformed", "Malformed UTF-8 in shortstr"]);
});

test("bits are packed from the lowest, and begin anew behind another field", () => {
  const args = { ticket: 0, queue: "q", passive: true, durable: false, exclusive: true, autoDelete: false };
  const frame = frameOf(3, { name: "queue.declare", args: { ...args, noWait: true, arguments: [] } });
  assert.equal(frame.toString("hex"), "0100030000000d0032000a000001711500000000ce");
});

test("a publish parsed in place is what the table-driven codec decodes, and they refuse the same", () => {
  const positions = new PublishPositions();
  const payloads = methodsNamed("basic.publish").map(payloadOf);
  // A mutation may make another method of it, of which the twin is not asked.
  const mutations = mutated(payloads).map((bytes) =>
    Buffer.concat([Buffer.from("003c0028", "hex"), bytes.subarray(4)]),
  );
  fc.assert(
    fc.property(fc.oneof(payloads, mutations), (bytes) => {
      const { buffer, start, end } = within(bytes);
      const decoded = decodeMethod(buffer, start, end);
      const isParsed = parsePublish(buffer, start, end, positions);
      assert.equal(isParsed, !(decoded instanceof MethodFault));
      if (!isParsed || decoded instanceof MethodFault || decoded.name !== "basic.publish") return;
      const { exchangeStart, exchangeEnd, routingKeyStart, routingKeyEnd } = positions;
      assert.equal(buffer.toString("utf8", exchangeStart, exchangeEnd), decoded.args.exchange);
      assert.deepEqual(buffer.subarray(routingKeyStart, routingKeyEnd), bytesOfText(decoded.args.routingKey));
      assert.equal(positions.isMandatory, decoded.args.mandatory);
      assert.equal(positions.isImmediate, decoded.args.immediate);
    }),
    { numRuns: 2000 },
  );
});

test("settlements parsed in place are what the table-driven codec decodes, and they refuse the same", () => {
  const settlement = new Settlement();
  const names = ["basic.ack", "basic.nack", "basic.reject"] as const;
  const payloads = fc.constantFrom(...names).chain((name) => methodsNamed(name).map(payloadOf));
  const cut = fc.tuple(payloads, fc.integer({ min: 4, max: 14 })).map(([bytes, length]) => bytes.subarray(0, length));
  fc.assert(
    fc.property(fc.oneof(payloads, cut), (bytes) => {
      const { buffer, start, end } = within(bytes);
      const decoded = decodeMethod(buffer, start, end);
      const isParsed = parseSettlement(buffer, methodIdAt(buffer, start, end), start, end, settlement);
      assert.equal(isParsed, !(decoded instanceof MethodFault));
      if (decoded instanceof MethodFault) return;
      const args = decoded.args as { deliveryTag: number | bigint; multiple?: boolean; requeue?: boolean };
      assert.equal(settlement.deliveryTag, Number(args.deliveryTag));
      assert.equal(settlement.isMultiple, args.multiple ?? false);
      assert.equal(settlement.isRequeue, args.requeue ?? false);
      assert.equal(settlement.isAck, decoded.name === "basic.ack");
    }),
  );
});

test("confirms are written as the table-driven codec writes them", () => {
  fc.assert(
    fc.property(fc.nat(65_535), fc.maxSafeNat(), fc.boolean(), (channel, deliveryTag, multiple) => {
      const ack = written((output) => writeAck(output, channel, deliveryTag, multiple));
      assert.ok(ack.equals(frameOf(channel, { name: "basic.ack", args: { deliveryTag, multiple } })));
      const nack = written((output) => writeNack(output, channel, deliveryTag, multiple));
      assert.ok(nack.equals(frameOf(channel, { name: "basic.nack", args: { deliveryTag, multiple, requeue: false } })));
    }),
  );
});

function partsOf(exchange: string, routingKey: string, head: Buffer, body: Buffer): ContentParts {
  const parts = new ContentParts();
  const start = 5;
  parts.source = Buffer.concat([Buffer.alloc(start), Buffer.from(exchange), Buffer.from(routingKey), head, body]);
  parts.exchangeStart = start;
  parts.exchangeEnd = parts.routingKeyStart = start + Buffer.byteLength(exchange);
  parts.routingKeyEnd = parts.exchangeEnd + Buffer.byteLength(routingKey);
  parts.headSource = parts.source;
  parts.headStart = parts.routingKeyEnd;
  parts.headEnd = parts.bodyStart = parts.headStart + head.length;
  parts.bodyEnd = parts.source.length;
  return parts;
}

const bodies = fc
  .oneof(fc.nat(200), fc.nat(200_000))
  .map((length) => Buffer.alloc(length, "the quick brown fox jumps over the lazy dog"));

test("a delivery is a deliver, a header and a body in frames within frame-max", () => {
  const heads = properties.map(encodeProperties);
  const longHead = encodeProperties({ headers: [{ name: "h", value: { type: "S", value: "v".repeat(90_000) } }] });
  fc.assert(
    fc.property(
      methodsNamed("basic.deliver"),
      fc.oneof({ weight: 9, arbitrary: heads }, { weight: 1, arbitrary: fc.constant(longHead) }),
      bodies,
      fc.constantFrom(0, 4096, 131_072),
      (deliver, head, body, frameMaxBytes) => {
        const { consumerTag, redelivered, exchange, routingKey } = deliver.args;
        const deliveryTag = Number(BigInt(deliver.args.deliveryTag) >> 11n);
        const parts = partsOf(exchange, routingKey, head, body);
        const tag = Buffer.from(consumerTag);
        const bytes = written((output) => {
          writeDeliver(output, 7, frameMaxBytes, tag, deliveryTag, redelivered, parts);
        });
        const [method, header, ...pieces] = framesIn(bytes);
        assert.ok(method?.payload.equals(payloadOf({ name: "basic.deliver", args: { ...deliver.args, deliveryTag } })));
        assert.equal(header?.type, frameTypes.header);
        const content = new ContentHeader();
        assert.ok(parseContentHeader(header.payload, 0, header.payload.length, content));
        assert.deepEqual([content.classId, content.weight, content.bodyBytes], [60, 0, body.length]);
        assert.ok(header.payload.subarray(content.headStart, content.headEnd).equals(head));
        assert.ok(Buffer.concat(pieces.map((piece) => piece.payload)).equals(body));
        for (const piece of pieces) {
          assert.deepEqual([piece.type, piece.channel], [frameTypes.body, 7]);
          assert.ok(frameMaxBytes === 0 || piece.payload.length + 8 <= frameMaxBytes);
          assert.ok(piece.payload.length > 0);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("content may follow any method, and an empty body has no frame", () => {
  const parts = partsOf("", "q", encodeProperties({ deliveryMode: 2 }), Buffer.alloc(0));
  const bytes = written((output) => {
    const args = { deliveryTag: 1, redelivered: false, exchange: "", routingKey: "q", messageCount: 0 };
    writeMethod(output, 1, "basic.get-ok", args);
    writeContent(output, 1, 4096, parts);
  });
  assert.deepEqual(
    framesIn(bytes).map((frame) => frame.type),
    [frameTypes.method, frameTypes.header],
  );
});

test("no bytes of a content header make it read past the end", () => {
  const header = new ContentHeader();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
      const { buffer, start, end } = within(Buffer.from(bytes));
      assert.equal(parseContentHeader(buffer, start, end, header), bytes.length >= 14);
      if (bytes.length >= 14) assert.deepEqual([header.headStart, header.headEnd], [start + 12, end]);
    }),
  );
});

test("heartbeats and the protocol header are what clients expect", () => {
  assert.equal(written(writeHeartbeat).toString("hex"), "08000000000000ce");
  assert.equal(written(writeProtocolHeader).toString("latin1"), "AMQP\0\0\x09\x01");
});

test("a text is cut to a short string between characters", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
      const cut = fitShortString(text);
      assert.ok(Buffer.byteLength(cut) <= 255);
      const whole = Buffer.from(text);
      assert.ok(Buffer.byteLength(cut) === whole.length || Buffer.byteLength(cut) > 251);
      assert.ok(Buffer.from(cut).equals(whole.subarray(0, Buffer.byteLength(cut))));
    }),
  );
  assert.equal(fitShortString("short"), "short");
});

test("the table has the classes and methods of RabbitMQ, and errors close what they do there", () => {
  const counts = new Map<string, number>();
  for (const name of Object.keys(methods) as MethodName[]) {
    const [className] = name.split(".");
    counts.set(className!, (counts.get(className!) ?? 0) + 1);
  }
  assert.deepEqual(Object.fromEntries(counts), {
    connection: 14,
    channel: 6,
    access: 2,
    exchange: 8,
    queue: 10,
    basic: 18,
    confirm: 2,
    tx: 6,
  });
  assert.equal(replyCodes.preconditionFailed.closes, "channel");
  assert.equal(replyCodes.commandInvalid.closes, "connection");
});
