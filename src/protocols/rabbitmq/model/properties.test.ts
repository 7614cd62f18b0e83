import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Malformed } from "../../../wire/input.ts";
import { mutated, properties, within } from "../amqp091/codec-arbitraries.suite.ts";
import { tableOf } from "./field-table.ts";
import {
  decodeProperties,
  encodeProperties,
  PropertyPositions,
  rewriteProperties,
  scanProperties,
  shortStringAt,
  type Properties,
} from "./properties.ts";

const positions = new PropertyPositions();

test("properties survive encoding and decoding", () => {
  fc.assert(
    fc.property(properties, (given) => {
      const { buffer, start, end } = within(encodeProperties(given));
      assert.deepEqual(decodeProperties(buffer, start, end), given);
    }),
  );
});

test("a scan finds each property where it is, and no other", () => {
  fc.assert(
    fc.property(properties, (given) => {
      const { buffer, start, end } = within(encodeProperties(given));
      assert.ok(scanProperties(buffer, start, end, positions));
      for (const name of ["contentType", "correlationId", "replyTo", "expiration", "messageId", "userId"] as const) {
        assert.equal(positions[name] < 0 ? undefined : shortStringAt(buffer, positions[name]), given[name]);
      }
      for (const name of ["contentEncoding", "type", "appId", "clusterId"] as const) {
        assert.equal(positions[name] < 0 ? undefined : shortStringAt(buffer, positions[name]), given[name]);
      }
      assert.equal(positions.priority < 0 ? undefined : buffer[positions.priority], given.priority);
      assert.equal(positions.deliveryMode < 0 ? undefined : buffer[positions.deliveryMode], given.deliveryMode);
      assert.equal(
        positions.timestamp < 0 ? undefined : buffer.readBigUInt64BE(positions.timestamp),
        given.timestamp === undefined ? undefined : BigInt(given.timestamp),
      );
      assert.equal(positions.headers < 0, given.headers === undefined);
      assert.equal(positions.headersEnd < 0, given.headers === undefined);
    }),
  );
});

test("no bytes make decoding throw, and the scan accepts what decoding does", () => {
  fc.assert(
    fc.property(mutated(properties.map(encodeProperties)), (bytes) => {
      const { buffer, start, end } = within(bytes);
      const decoded = decodeProperties(buffer, start, end);
      assert.equal(scanProperties(buffer, start, end, positions), !(decoded instanceof Malformed));
    }),
    { numRuns: 2000 },
  );
});

test("a rewrite changes what it names, and leaves the rest as it was", () => {
  const changes = fc.record(
    {
      headers: fc.option(fc.constant(tableOf({ "x-death": 1 }))),
      expiration: fc.option(fc.constant("5000")),
      priority: fc.option(fc.nat(255)),
      timestamp: fc.option(fc.maxSafeNat()),
    },
    { requiredKeys: [], noNullPrototype: true },
  );
  fc.assert(
    fc.property(properties, changes, (given, change) => {
      const { buffer, start, end } = within(encodeProperties(given));
      const rewritten = rewriteProperties(buffer, start, end, change);
      const kept = Object.entries({ ...given, ...change }).filter(([, value]) => value !== null);
      assert.deepEqual(decodeProperties(rewritten, 0, rewritten.length), Object.fromEntries(kept));
    }),
  );
});

test("a rewrite keeps odd encodings of what it does not name", () => {
  // Headers with a boolean of 2, which decoding would make 1, and an expiration to be taken away.
  const head = Buffer.from("210000000004016174020131", "hex");
  assert.equal(rewriteProperties(head, 0, head.length, { expiration: null }).toString("hex"), "20000000000401617402");
  assert.ok(rewriteProperties(head, 0, head.length, {}).equals(head));
});

test("the two lowest flags are ignored", () => {
  const head = Buffer.from("100302", "hex");
  assert.ok(scanProperties(head, 0, 3, positions));
  assert.deepEqual(decodeProperties(head, 0, 3), { deliveryMode: 2 } satisfies Properties);
});
