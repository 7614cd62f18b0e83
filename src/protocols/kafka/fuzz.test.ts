/** Requests that are well-formed and mean anything at all, of every API and version, and bytes that are no requests. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Field, Fields } from "./codec/fields.ts";
import { putRequestHeader } from "./codec/headers.ts";
import { uuidZero } from "./codec/primitives.ts";
import { apiVersions } from "./commands/api-versions.ts";
import { metadata } from "./commands/metadata.ts";
import { produce } from "./commands/produce.ts";
import { commands } from "./commands/table.ts";
import { batchOf, KafkaHouse } from "./kafka-house.suite.ts";

const texts = [
  "t",
  "nowhere",
  "",
  "g",
  "range",
  "consumer",
  "PLAIN",
  "cleanup.policy",
  "x".repeat(300),
  ".",
  "a b",
  "\u0000",
];
const numbers = [-1, 0, 1, 2, 3, 5, 100, 127, -2, -128];
const large = [0x7fff_ffff, -0x8000_0000, Number.MAX_SAFE_INTEGER, -5, 1_000_000];
const blobs = [
  Buffer.alloc(0),
  Buffer.from([0, 1, 2, 3]),
  batchOf(["a", "b"]),
  batchOf(["k=v"], { producerId: 0, producerEpoch: 0, baseSequence: 0 }),
  batchOf(["a"], { attributes: 16, producerId: 1, producerEpoch: 0, baseSequence: 0 }),
  Buffer.concat([batchOf(["a"]), batchOf(["a"])]),
  Buffer.alloc(200, 0xff),
];
const ids = [uuidZero, "ab".repeat(16), "f".repeat(32)];

function anything(field: Field): fc.Arbitrary<unknown> {
  const value = valueOf(field);
  return field.nullable === undefined ? value : fc.option(value, { nil: null, freq: 6 });
}

function valueOf(field: Field): fc.Arbitrary<unknown> {
  switch (field.type) {
    case "array": {
      const element = field.fields === undefined ? primitive(field.element!) : structOf(field.fields);
      return fc.array(element, { maxLength: 3 });
    }
    case "struct":
      return structOf(field.fields!);
    default:
      return primitive(field.type);
  }
}

function primitive(type: string): fc.Arbitrary<unknown> {
  switch (type) {
    case "bool":
      return fc.boolean();
    case "string":
      return fc.constantFrom(...texts);
    case "uuid":
      return fc.constantFrom(...ids);
    case "bytes":
    case "records":
      return fc.constantFrom(...blobs).map((blob) => Buffer.from(blob));
    case "int32":
    case "int64":
      return fc.constantFrom(...numbers, ...large);
    default:
      return fc.constantFrom(...numbers);
  }
}

function structOf(fields: Fields): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, anything(field)])));
}

const anyRequest = fc.constantFrom(...commands).chain((command) =>
  fc.record({
    command: fc.constant(command),
    version: fc.integer({ min: command.minVersion, max: command.maxVersion }),
    body: structOf(command.request.fields),
  }),
);

async function open(): Promise<KafkaHouse> {
  const house = await KafkaHouse.open();
  house.client().call(metadata, 4, { topics: [{ name: "t" }], allowAutoTopicCreation: true });
  return house;
}

/** Nobody else notices: another client is answered, and what it sends is taken. */
function stillWorks(house: KafkaHouse): void {
  const client = house.client();
  const software = { clientSoftwareName: "test", clientSoftwareVersion: "1" };
  assert.equal(client.call(apiVersions, 3, software).errorCode, 0);
  client.call(metadata, 4, { topics: [{ name: "fresh" }], allowAutoTopicCreation: true });
  const topicData = [{ name: "fresh", partitionData: [{ index: 0, records: batchOf(["a"]) }] }];
  client.ask(produce, 9, { acks: 1, timeoutMs: 1000, topicData });
  assert.equal(client.take().length, 1);
  client.destroy();
}

test("any request of any version is answered, waits, or ends its connection, and nobody else notices", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyRequest, { minLength: 1, maxLength: 20 }), async (requests) => {
      const house = await open();
      let client = house.client();
      for (const { command, version, body } of requests) {
        if (client.isEnded) {
          client.connection.closed();
          client = house.client();
        }
        client.ask(command, version, body as never);
        for (let turn = 0; turn < 5; turn++) await Promise.resolve();
        client.take();
      }
      house.clock.advance(10_000);
      client.take();
      stillWorks(house);
      if (!client.isEnded) client.destroy();
      house.clock.advance(10_000_000);
      stillWorks(house);
    }),
    { numRuns: 100 },
  );
});

test("any bytes behind a header that is right end the connection or are answered", async () => {
  const house = await open();
  fc.assert(
    fc.property(fc.constantFrom(...commands), fc.nat(20), fc.uint8Array({ maxLength: 80 }), (command, lift, bytes) => {
      const client = house.client();
      const version = Math.min(command.minVersion + lift, command.maxVersion);
      const header = putRequestHeader(command.key, version, 1, "c", command.request.isFlexible(version));
      const size = Buffer.alloc(4);
      size.writeInt32BE(header.length + bytes.length);
      client.raw(Buffer.concat([size, header, bytes]));
      client.output.discard();
      client.connection.closed();
    }),
    { numRuns: 1000 },
  );
  stillWorks(house);
});

test("any bytes at all end the connection, or wait for more", async () => {
  const house = await open();
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }), (chunks) => {
      const client = house.client();
      for (const chunk of chunks) client.raw(Buffer.from(chunk));
      client.output.discard();
      client.connection.closed();
    }),
    { numRuns: 1000 },
  );
  stillWorks(house);
});
