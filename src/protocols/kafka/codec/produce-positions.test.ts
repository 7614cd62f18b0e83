import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Input, Malformed } from "../../../wire/input.ts";
import { produceRequest, type ProduceRequest } from "./messages/produce.ts";
import { ProducePositions } from "./produce-positions.ts";

const versions = fc.integer({ min: produceRequest.minVersion, max: produceRequest.maxVersion });
const requests: fc.Arbitrary<ProduceRequest> = fc.record(
  {
    transactionalId: fc.option(fc.string({ maxLength: 9 })),
    acks: fc.integer({ min: -2, max: 2 }),
    timeoutMs: fc.integer(),
    topicData: fc.array(
      fc.record({
        name: fc.string({ maxLength: 12 }),
        topicId: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString("hex")),
        partitionData: fc.array(
          fc.record({
            index: fc.integer(),
            records: fc.option(fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes))),
          }),
          { maxLength: 4 },
        ),
      }),
      { maxLength: 4 },
    ),
  },
  { noNullPrototype: true },
);

const positions = new ProducePositions();

/** What the twin reads, as the table gives it. */
function byTwin(buffer: Buffer, start: number, version: number): ProduceRequest | Malformed {
  const fault = positions.read(new Input(buffer, start, buffer.length), version);
  if (fault !== undefined) return fault;
  const { transactionalId, acks, timeoutMs, topicCount, firstPartition } = positions;
  const topicData = Array.from({ length: topicCount }, (_, topic) => {
    const partitionData = [];
    for (let at = firstPartition[topic]!; at < firstPartition[topic + 1]!; at++) {
      const recordStart = positions.recordStarts[at]!;
      const records = recordStart < 0 ? null : buffer.subarray(recordStart, positions.recordEnds[at]);
      partitionData.push({ index: positions.indexes[at]!, records });
    }
    return { name: positions.topicNames[topic]!, topicId: positions.topicIds[topic]!, partitionData };
  });
  assert.equal(firstPartition[topicCount], positions.partitionCount);
  return { transactionalId, acks, timeoutMs, topicData };
}

function agree(buffer: Buffer, start: number, version: number): void {
  const table = produceRequest.decode(buffer, version, start);
  const twin = byTwin(buffer, start, version);
  assert.equal(twin instanceof Malformed, table instanceof Malformed, (table as Malformed).reason);
  if (!(table instanceof Malformed)) assert.deepEqual(twin, table);
}

test("the twin and the table read the same", () => {
  fc.assert(
    fc.property(requests, versions, fc.nat(9), (request, version, before) => {
      const bytes = Buffer.concat([Buffer.alloc(before, 0xee), produceRequest.encode(version, request)]);
      agree(bytes, before, version);
      assert.ok(!(byTwin(bytes, before, version) instanceof Malformed));
    }),
    { numRuns: 500 },
  );
});

test("the twin and the table refuse the same", () => {
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
  fc.assert(
    fc.property(requests, versions, edits, fc.nat(30), (request, version, changes, cut) => {
      const bytes = Buffer.from(produceRequest.encode(version, request));
      for (const [at, octet] of changes) bytes[at % bytes.length] = octet;
      agree(bytes.subarray(0, bytes.length - (cut > 20 ? cut - 20 : 0)), 0, version);
    }),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), versions, (bytes, version) => agree(Buffer.from(bytes), 0, version)),
    { numRuns: 2000 },
  );
});
