import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { QueueSettings } from "../../../broker/api.ts";
import type { QueueDeclaration, QueueType } from "./declaration.ts";
import { checkNewQueue, queueSettings } from "./declare-queue.ts";
import { tableOfJson } from "./json-table.ts";
import type { JsonObject } from "./parameter-checks.ts";
import { checkDefinition, policyKeyByName } from "./policy-keys.ts";
import { effectiveArguments, effectiveQueueSettings, mergeDefinitions, suitsQueueType } from "./policy-merge.ts";

/** What a policy, an operator's policy and the arguments say of one setting. */
type Said<T> = readonly [policy: T | undefined, operators: T | undefined, argument: T | undefined];

const least = (...values: readonly (number | undefined)[]): number | undefined => {
  const there = values.filter((value) => value !== undefined);
  return there.length === 0 ? undefined : Math.min(...there);
};

/** RabbitMQ's rules in prose, once more, with nothing in common with the table. */
function expected(
  type: QueueType,
  policy: JsonObject,
  operators: JsonObject,
  args: JsonObject,
): Partial<QueueSettings> {
  const numbers = (key: string): Said<number> =>
    [policy[key], operators[key], args[`x-${key}`]] as unknown as Said<number>;
  const text = (key: string): string | undefined => (args[`x-${key}`] ?? policy[key]) as string | undefined;
  const expires = numbers("expires");
  const expiresMs = type === "quorum" ? (least(expires[0], expires[1]) ?? expires[2]) : least(...expires);
  const overflow =
    type === "quorum"
      ? (operators["overflow"] ?? policy["overflow"] ?? args["x-overflow"])
      : (args["x-overflow"] ?? operators["overflow"] ?? policy["overflow"]);
  const exchange = text("dead-letter-exchange");
  const routingKey = text("dead-letter-routing-key");
  const atLeastOnce = text("dead-letter-strategy") === "at-least-once" && overflow === "reject-publish";
  return {
    ttlMs: least(...numbers("message-ttl")) ?? -1,
    expiresMs: expiresMs ?? 0,
    maxLength: least(...numbers("max-length")) ?? -1,
    maxLengthBytes: least(...numbers("max-length-bytes")) ?? -1,
    deliveryLimit: type === "quorum" ? (least(...numbers("delivery-limit")) ?? -1) : -1,
    overflow:
      overflow === "reject-publish-dlx"
        ? type === "quorum"
          ? "drop-head"
          : "reject-publish-dead-letter"
        : ((overflow ?? "drop-head") as never),
    deadLetter:
      exchange === undefined ? undefined : { exchange, atLeastOnce, ...(routingKey !== undefined && { routingKey }) },
  };
}

const small = fc.integer({ min: 1, max: 1000 });
const name = fc.constantFrom("a", "b", "c");
const operable = {
  "message-ttl": small,
  expires: small,
  "max-length": small,
  "max-length-bytes": small,
  overflow: fc.constantFrom("drop-head", "reject-publish", "reject-publish-dlx"),
};
const quorumOnly = { "delivery-limit": small };
const own = { "dead-letter-exchange": name, "dead-letter-routing-key": name };
const strategy = { "dead-letter-strategy": fc.constantFrom("at-most-once", "at-least-once") };

function recordOf(fields: Record<string, fc.Arbitrary<unknown>>, prefix = ""): fc.Arbitrary<JsonObject> {
  const renamed = Object.entries(fields).map(([key, value]) => [`${prefix}${key}`, value] as const);
  return fc.record(Object.fromEntries(renamed), { requiredKeys: [] }) as fc.Arbitrary<JsonObject>;
}

test("what a queue works by is what RabbitMQ's rules make of policies and arguments", () => {
  const cases = fc.constantFrom<QueueType>("classic", "quorum").chain((type) => {
    const more = type === "quorum" ? { ...quorumOnly, ...strategy } : {};
    return fc.record({
      type: fc.constant(type),
      policy: recordOf({ ...operable, ...own, ...more }),
      operators: recordOf({ ...operable, ...(type === "quorum" && quorumOnly) }),
      args: recordOf({ ...operable, "dead-letter-exchange": name, ...more }, "x-"),
    });
  });
  fc.assert(
    fc.property(cases, ({ type, policy, operators, args }) => {
      const declaration: QueueDeclaration = {
        type,
        durable: true,
        autoDelete: false,
        exclusive: false,
        arguments: tableOfJson({ ...args, "x-queue-type": type })!,
      };
      assert.equal(checkNewQueue(declaration, "q", "/"), undefined);
      for (const [definition, isOperators] of [
        [policy, false],
        [operators, true],
      ] as const) {
        if (Object.keys(definition).length > 0) assert.equal(checkDefinition(definition, isOperators), undefined);
        assert.equal(suitsQueueType(definition, type), true);
      }
      const declared = queueSettings(declaration);
      const merged = mergeDefinitions(policy, operators);
      const settings = effectiveQueueSettings(declared, declaration, effectiveArguments(declaration, merged));
      const model = expected(type, policy, operators, args);
      for (const [key, value] of Object.entries(model))
        assert.deepEqual(settings[key as keyof QueueSettings], value, key);
      // And back: without policies there is what was declared.
      const undone = effectiveQueueSettings(settings, declaration, effectiveArguments(declaration, undefined));
      assert.deepEqual(undone, declared);
    }),
  );
});

test("a stream's bounds are the policy's, before its arguments", () => {
  const declaration: QueueDeclaration = {
    type: "stream",
    durable: true,
    autoDelete: false,
    exclusive: false,
    arguments: tableOfJson({ "x-queue-type": "stream", "x-max-age": "1h", "x-max-length-bytes": 100 })!,
  };
  const declared = queueSettings(declaration);
  const args = effectiveArguments(declaration, { "max-age": "2h", "max-length-bytes": 200 });
  const { maxAgeMs, maxBytes } = effectiveQueueSettings(declared, declaration, args).retention;
  assert.deepEqual([maxAgeMs, maxBytes], [7_200_000, 200]);
});

test("of two delivery limits the lower counts, but none is no limit to be lowered to", () => {
  const merged = (policy: number, operators: number): unknown =>
    mergeDefinitions({ "delivery-limit": policy }, { "delivery-limit": operators })?.["delivery-limit"];
  assert.equal(merged(5, 3), 3);
  assert.equal(merged(-1, 3), 3);
  assert.equal(merged(5, -1), 5);
  assert.equal(merged(-1, -1), -1);
});

test("a policy's delivery limit stands alone where the declared one is no whole number", () => {
  for (const limit of [true, "2", 2.5]) {
    const declaration: QueueDeclaration = {
      type: "quorum",
      durable: true,
      autoDelete: false,
      exclusive: false,
      arguments: tableOfJson({ "x-queue-type": "quorum", "x-delivery-limit": limit })!,
    };
    const args = effectiveArguments(declaration, { "delivery-limit": 3 });
    assert.equal(queueSettings({ ...declaration, arguments: args }).deliveryLimit, 3, String(limit));
  }
});

test("no value makes the check of a setting throw, and each names itself when it is refused", () => {
  fc.assert(
    fc.property(fc.constantFrom(...policyKeyByName.keys()), fc.jsonValue(), (key, value) => {
      const fault = checkDefinition({ [key]: value }, false);
      assert.ok(fault === undefined || fault.length > 0);
    }),
  );
});
