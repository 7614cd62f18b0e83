import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBenchOptions } from "./bench-options.ts";
import { parseKafkaOptions, usage } from "./kafka-options.ts";
import { kafkaRowIds } from "./kafka-rows.ts";
import { messageOf } from "./option-values.ts";

test("rows of Kafka's are asked for by names that there are", () => {
  assert.deepEqual(parseKafkaOptions(["--rows", "start,group"]).rows, ["start", "group"]);
  assert.equal(parseKafkaOptions([]).rows, undefined);
  for (const id of kafkaRowIds) assert.match(usage, new RegExp(`\\b${id}\\b`));
  assert.throws(
    () => parseKafkaOptions(["--rows", "start,groups"]),
    /^Error: --rows groups: known are start, produce-100b,/,
  );
  assert.throws(() => parseBenchOptions(["--kafka-rows", "groups"]), /^Error: --kafka-rows groups: known are start,/);
});

test("amounts are numbers", () => {
  assert.equal(parseKafkaOptions(["--large-gb", "0.5"]).amounts.largeGb, 0.5);
  for (const value of ["many", "-1", ""])
    assert.throws(() => parseKafkaOptions([`--records=${value}`]), /^Error: --records .*: a number is needed$/);
});

test("an option that there is not is answered with those that there are", () => {
  const messageFor = (...args: string[]): string => {
    try {
      parseKafkaOptions(args);
    } catch (error) {
      return messageOf(error, usage);
    }
    return "";
  };
  assert.equal(messageFor("--paris", "5"), `Unknown option '--paris'\n\n${usage}`);
  assert.equal(messageFor("--pairs", "five"), "--pairs five: a number is needed");
});
