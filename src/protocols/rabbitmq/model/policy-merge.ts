/**
 * What policies come to: the definition of a policy and that of an operator's policy in one, and that with the arguments that a
 * queue was declared with. Pure functions; the rules of each setting stand in policy-keys.ts.
 */

import type { ExchangeSettings, QueueSettings } from "../../../broker/api.ts";
import { isWhole, textArgument } from "./arguments.ts";
import type { ExchangeDeclaration, QueueDeclaration, QueueType } from "./declaration.ts";
import { isArgumentOf, queueSettings } from "./declare-queue.ts";
import { byName } from "./erlang-json.ts";
import { fieldValue, type Field, type FieldTable, type FieldValue } from "./field-table.ts";
import type { JsonObject } from "./parameter-checks.ts";
import { policyKeyByName, type Resolution } from "./policy-keys.ts";

/** A policy's definition under that of an operator's policy; undefined: there is neither. Its keys are sorted. */
export function mergeDefinitions(
  policy: JsonObject | undefined,
  operators: JsonObject | undefined,
): JsonObject | undefined {
  if (policy === undefined || operators === undefined) return policy ?? operators;
  const merged: Record<string, unknown> = { ...policy };
  for (const [name, value] of Object.entries(operators)) {
    const resolution = policyKeyByName.get(name)?.operator ?? "this";
    merged[name] = Object.hasOwn(policy, name) ? resolve(resolution, value, policy[name]) : value;
  }
  return Object.fromEntries(Object.entries(merged).toSorted(byName));
}

/** The arguments that a queue works by: as if it had been declared with them. */
export function effectiveArguments(declaration: QueueDeclaration, definition: JsonObject | undefined): FieldTable {
  if (definition === undefined) return declaration.arguments;
  const added: Field[] = [];
  for (const [name, value] of Object.entries(definition)) {
    const argument = `x-${name}`;
    const known = policyKeyByName.get(name);
    if (known === undefined || !isArgumentOf(declaration.type, argument)) continue;
    const resolution = typeof known.argument === "string" ? known.argument : known.argument[declaration.type];
    const declared = declaredAs(declaration.arguments, argument, resolution);
    added.push({ name: argument, value: fieldOf(resolve(resolution, value, declared && plain(declared))) });
  }
  if (added.length === 0) return declaration.arguments;
  const names = new Set(added.map(({ name }) => name));
  return [...declaration.arguments.filter(({ name }) => !names.has(name)), ...added];
}

/** A delivery limit is taken whatever it is: one that is no whole number is none. */
function declaredAs(args: FieldTable, argument: string, resolution: Resolution): FieldValue | undefined {
  const value = fieldValue(args, argument);
  return value !== undefined && resolution === "limit" && !isWhole(value) ? undefined : value;
}

/** The queue's settings with those that its arguments make of them. What a queue was created as stays. */
export function effectiveQueueSettings(
  current: QueueSettings,
  declaration: QueueDeclaration,
  args: FieldTable,
): QueueSettings {
  const settings = queueSettings({ ...declaration, arguments: args });
  const { durable, mode, maxPriority, autoDelete, dedup, retention } = current;
  const { untilSettled, maxCount, compact } = retention;
  return {
    ...settings,
    durable,
    mode,
    maxPriority,
    autoDelete,
    dedup,
    retention: { ...settings.retention, untilSettled, maxCount, compact },
  };
}

/** Of an exchange, policies set the alternate one, unless its declaration says which. */
export function effectiveExchangeSettings(
  current: ExchangeSettings,
  declaration: ExchangeDeclaration,
  definition: JsonObject | undefined,
): ExchangeSettings {
  const declared = textArgument(declaration.arguments, "alternate-exchange");
  const set = definition?.["alternate-exchange"];
  return { ...current, alternate: declared ?? (typeof set === "string" ? set : undefined) };
}

/** Whether a policy with this definition can apply to a queue of this type: all of its settings must be of use there. */
export function suitsQueueType(definition: JsonObject, type: QueueType): boolean {
  return Object.keys(definition).every((name) => policyKeyByName.get(name)?.excludes.includes(type) !== true);
}

/** `other` undefined: there is none. */
function resolve(resolution: Resolution, value: unknown, other: unknown): unknown {
  if (other === undefined) return value;
  switch (resolution) {
    case "this":
      return value;
    case "other":
      return other;
    case "min":
      return Math.min(Number(value), Number(other));
    case "max":
      return Math.max(Number(value), Number(other));
    case "limit":
      return stricter(Number(value), Number(other));
  }
}

/** Of two delivery limits. Below zero there is none: RabbitMQ takes the one that there is for the safer. */
function stricter(a: number, b: number): number {
  return a < 0 || b < 0 ? Math.max(a, b) : Math.min(a, b);
}

function plain(field: FieldValue): unknown {
  return field.type === "S"
    ? field.value.toString()
    : field.type === "D"
      ? field.value / 10 ** field.scale
      : field.value;
}

function fieldOf(value: unknown): FieldValue {
  if (typeof value === "string") return { type: "S", value };
  if (typeof value === "boolean") return { type: "t", value };
  return Number.isInteger(value) ? { type: "l", value: value as number } : { type: "d", value: Number(value) };
}
