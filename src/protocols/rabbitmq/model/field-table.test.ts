import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Malformed } from "../../../wire/input.ts";
import { mutated, tables, within } from "../amqp091/codec-arbitraries.suite.ts";
import { findField, tableEnd } from "./field-table-scan.ts";
import {
  decodeTable,
  fieldValue,
  nestingMax,
  plainTable,
  tableBytes,
  tableOf,
  writeTable,
  type FieldTable,
} from "./field-table.ts";

function encoded(table: FieldTable): Buffer {
  const buffer = Buffer.alloc(tableBytes(table));
  assert.equal(writeTable(buffer, 0, table), buffer.length);
  return buffer;
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(" ", ""), "hex");
}

test("a table survives encoding and decoding, and its bytes survive decoding and encoding", () => {
  fc.assert(
    fc.property(tables, (table) => {
      const bytes = encoded(table);
      const { buffer, start, end } = within(bytes);
      const decoded = decodeTable(buffer, start, end);
      assert.deepEqual(decoded, table);
      assert.ok(encoded(decoded).equals(bytes));
      assert.equal(tableEnd(buffer, start, end), end);
    }),
  );
});

test("the letters are those of RabbitMQ", () => {
  const fields = [
    "01 61 62 ff", // b -1
    "01 62 42 ff", // B 255
    "01 63 73 ffff", // s -1
    "01 64 75 ffff", // u 65535
    "01 65 49 ffffffff", // I -1
    "01 66 69 ffffffff", // i 4294967295
    "01 67 6c ffffffffffffffff", // l -1
    "01 68 4c ffffffffffffffff", // L -1 too
    "01 69 66 3fc00000", // f 1.5
    "01 6a 64 3ff8000000000000", // d 1.5
    "01 6b 44 02 0000007b", // D 1.23
    "01 6c 53 00000001 61", // S
    "01 6d 78 00000001 61", // x
    "01 6e 54 0000000000000001", // T
    "01 6f 74 01", // t
    "01 70 56", // V
    "01 71 41 00000004 7401 7400", // A [true, false]
    "01 72 46 00000003 01 73 56", // F {s: void}
  ];
  const bytes = hex(`00000000 ${fields.join(" ")}`);
  bytes.writeUInt32BE(bytes.length - 4, 0);
  const table = decodeTable(bytes, 0, bytes.length);
  assert.ok(!(table instanceof Malformed));
  assert.deepEqual(
    [...plainTable(table)],
    [
      ["a", -1],
      ["b", 255],
      ["c", -1],
      ["d", 65_535],
      ["e", -1],
      ["f", 4_294_967_295],
      ["g", -1],
      ["h", -1],
      ["i", 1.5],
      ["j", 1.5],
      ["k", 1.23],
      ["l", "a"],
      ["m", Buffer.from("a")],
      ["n", 1],
      ["o", true],
      ["p", null],
      ["q", [true, false]],
      ["r", new Map([["s", null]])],
    ],
  );
  assert.ok(encoded(table).equals(bytes));
});

test("no bytes make decoding throw, and checking in place agrees with it", () => {
  fc.assert(
    fc.property(mutated(tables.map(encoded)), (bytes) => {
      const { buffer, start, end } = within(bytes);
      const decoded = decodeTable(buffer, start, end);
      assert.equal(decoded instanceof Malformed, tableEnd(buffer, start, end) !== end);
      if (!(decoded instanceof Malformed)) assert.equal(encoded(decoded).length, bytes.length);
    }),
    { numRuns: 2000 },
  );
});

test("looking for a field finds the first of that name, and nothing past the end of any bytes", () => {
  fc.assert(
    fc.property(tables, fc.boolean(), (table, isWhole) => {
      const bytes = encoded(table);
      const { buffer, start, end } = within(isWhole ? bytes : bytes.subarray(0, bytes.length >> 1));
      for (const { name } of table) {
        const at = findField(buffer, start, end, Buffer.from(name));
        assert.ok(at < end);
        if (isWhole) assert.equal(String.fromCharCode(buffer[at]!), fieldValue(table, name)?.type);
      }
      assert.ok(findField(buffer, start, end, Buffer.alloc(200, 0xff)) === -1);
    }),
  );
});

test("what is nested may not be longer than what it is in, even if what follows would fit", () => {
  for (const bytes of [
    hex("00000009 0161 41 00000002 56 56 56"), // an array of two, with room for one
    hex("0000000a 0161 46 00000003 0162 56 56"), // a table of three bytes, with room for two
    hex("00000009 0161 53 00000002 62 62 62"), // a string of two, with room for one
  ]) {
    const end = 4 + bytes.readUInt32BE(0);
    assert.ok(!(decodeTable(bytes, 0, end) instanceof Malformed));
    bytes.writeUInt32BE(end - 5, 0);
    assert.ok(decodeTable(bytes, 0, end - 1) instanceof Malformed);
    assert.equal(tableEnd(bytes, 0, end - 1), -1);
  }
});

test("a name or a long string that is not UTF-8 keeps its bytes", () => {
  const bytes = hex("0000000b 02fffe 53 00000002 fdff");
  bytes.writeUInt32BE(bytes.length - 4, 0);
  const table = decodeTable(bytes, 0, bytes.length) as FieldTable;
  assert.deepEqual(table[0]?.value, { type: "S", value: Buffer.from([0xfd, 0xff]) });
  assert.deepEqual(table[0]?.nameBytes, Buffer.from([0xff, 0xfe]));
  assert.ok(encoded(table).equals(bytes));
});

test("nesting is bounded", () => {
  const nested = (depth: number): FieldTable =>
    depth === 1 ? [] : [{ name: "t", value: { type: "F", value: nested(depth - 1) } }];
  const deepest = encoded(nested(nestingMax));
  const deeper = encoded(nested(nestingMax + 1));
  assert.ok(!(decodeTable(deepest, 0, deepest.length) instanceof Malformed));
  assert.deepEqual(decodeTable(deeper, 0, deeper.length), new Malformed("tables are nested too deep"));
  assert.equal(tableEnd(deepest, 0, deepest.length), deepest.length);
  assert.equal(tableEnd(deeper, 0, deeper.length), -1);
});

test("of fields with one name, the first counts", () => {
  const table = [...tableOf({ a: 1 }), ...tableOf({ a: 2 })];
  assert.deepEqual(fieldValue(table, "a"), { type: "I", value: 1 });
  assert.deepEqual(plainTable(table), new Map([["a", 1]]));
});

test("simple values get the letters that RabbitMQ gives to its own", () => {
  const table = tableOf({
    text: "a",
    yes: true,
    small: -5,
    large: 2 ** 31,
    half: 0.5,
    tag: { type: "V", value: null },
  });
  assert.deepEqual(
    table.map((field) => field.value.type),
    ["S", "t", "I", "l", "d", "V"],
  );
});
