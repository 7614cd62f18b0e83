import { test } from "node:test";
import * as check from "node:assert/strict";
import { longString, type FieldTable } from "../model/field-table.ts";
import { Malformed } from "../../../wire/input.ts";
import { decodeProperties, encodeProperties, type Properties } from "../model/properties.ts";
import { planShovel } from "./definition.ts";
import { HeadChanges } from "./forward-headers.ts";

const least = { "src-uri": "amqp://", "src-queue": "a", "dest-uri": "amqp://", "dest-queue": "b" };
const hop: FieldTable = [{ name: "shovel-name", value: longString("s") }];

function changed(more: object, before: Properties): Properties {
  const { destination } = planShovel({ ...least, ...more });
  const changes = new HeadChanges(destination, [["shovel-name", "s"]], () => 5999);
  const head = encodeProperties(before);
  const after = decodeProperties(changes.apply(head, 0, head.length), 0, changes.apply(head, 0, head.length).length);
  if (after instanceof Malformed) throw new Error(after.reason);
  return after;
}

test("nothing is changed unless it is asked for", () => {
  check.ok(new HeadChanges(planShovel(least).destination, [["shovel-name", "s"]], () => 0).isNone);
});

test("properties are set, and the others stay", () => {
  const set = { "dest-publish-properties": { delivery_mode: 2, app_id: "x" } };
  check.deepEqual(changed(set, { messageId: "m", appId: "old" }), { messageId: "m", appId: "x", deliveryMode: 2 });
});

test("the newest hop stands first in x-shovelled", () => {
  const add = { "dest-add-forward-headers": true };
  const once = changed(add, {});
  check.deepEqual(once.headers, [{ name: "x-shovelled", value: { type: "A", value: [{ type: "F", value: hop }] } }]);
  const old = { name: "x-shovelled", value: { type: "A", value: [longString("before")] } } as const;
  const twice = changed(add, { headers: [old] });
  check.deepEqual(twice.headers?.[0]?.value.value, [{ type: "F", value: hop }, longString("before")]);
});

test("an x-shovelled that is no list is put aside, as RabbitMQ does", () => {
  const before: FieldTable = [{ name: "x-shovelled", value: longString("odd") }];
  check.deepEqual(changed({ "dest-add-forward-headers": true }, { headers: before }).headers, [
    { name: "x-shovelled", value: { type: "A", value: [{ type: "F", value: hop }] } },
    {
      name: "x-invalid-headers",
      value: { type: "F", value: [{ name: "x-shovelled", value: { type: "A", value: [longString("odd")] } }] },
    },
  ]);
});

test("the time of the move is whole seconds, and replaces an older one", () => {
  const before: FieldTable = [{ name: "x-shovelled-timestamp", value: longString("old") }];
  check.deepEqual(changed({ "dest-add-timestamp-header": true }, { headers: before }).headers, [
    { name: "x-shovelled-timestamp", value: { type: "l", value: 5 } },
  ]);
});
