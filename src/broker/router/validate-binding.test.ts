import assert from "node:assert/strict";
import { test } from "node:test";
import { validateBinding, validateMatcherOptions } from "./validate-binding.ts";

test("the words of x-match are four", () => {
  for (const word of ["all", "any", "all-with-x", "any-with-x"]) {
    assert.equal(validateBinding("headers", "", { "x-match": word }), undefined);
  }
  assert.equal(validateBinding("headers", "", {}), undefined);
  assert.equal(
    validateBinding("headers", "", { "x-match": "some" }),
    'Invalid x-match field value <<"some">>; expected all, any, all-with-x, or any-with-x',
  );
  assert.equal(
    validateBinding("headers", "", { "x-match": 5 }),
    "Invalid x-match field type signedint (value 5); expected longstr",
  );
  assert.equal(
    validateBinding("headers", "", { "x-match": { k: ["v", null] } }),
    'Invalid x-match field type table (value [{<<"k">>,array,[{longstr,<<"v">>},{void,undefined}]}]); expected longstr',
  );
});

test("a weight is a whole number from 1 to 10,000", () => {
  for (const key of ["1", "007", "+3", "10000"]) assert.equal(validateBinding("consistent-hash", key, {}), undefined);
  for (const key of ["0", "-4"]) {
    assert.equal(validateBinding("consistent-hash", key, {}), "The binding key must be greater than 0");
  }
  assert.equal(validateBinding("consistent-hash", "10001", {}), "The binding key must not exceed 10000");
  assert.equal(validateBinding("consistent-hash", "x", {}), 'The binding key must be an integer: <<"x">>');
  assert.equal(validateBinding("consistent-hash", "", {}), "The binding key must be an integer: <<>>");
  assert.equal(validateBinding("consistent-hash", "1.5", {}), 'The binding key must be an integer: <<"1.5">>');
});

test("other kinds take every key and argument", () => {
  for (const kind of ["direct", "fanout", "topic", "modulus-hash", "random"] as const) {
    assert.equal(validateBinding(kind, "#.#.#", { "x-match": 5 }), undefined);
  }
});

test("a consistent hash is of one thing, and of a property that has a name", () => {
  assert.equal(validateMatcherOptions("consistent-hash", {}), undefined);
  assert.equal(validateMatcherOptions("consistent-hash", { hashHeader: "any" }), undefined);
  for (const hashProperty of ["message_id", "correlation-id", "timestamp"]) {
    assert.equal(validateMatcherOptions("consistent-hash", { hashProperty }), undefined);
  }
  assert.equal(validateMatcherOptions("consistent-hash", { hashProperty: "user_id" }), "Unsupported property: user_id");
  assert.equal(
    validateMatcherOptions("consistent-hash", { hashProperty: "timestamp", hashHeader: "h" }),
    "hash-header and hash-property are mutually exclusive",
  );
});
