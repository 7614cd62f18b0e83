/**
 * Checks of single arguments, shared by the tables of queue.declare, exchange.declare and basic.consume. Each answers
 * the error as RabbitMQ's text prints it, or undefined when the value is good.
 */

import { erlangBinary, erlangString, erlangValue, Fault } from "./errors.ts";
import { fieldTypeNames, fieldValue, type FieldTable, type FieldValue } from "./field-table.ts";

export type Check = (value: FieldValue, all: FieldTable) => string | undefined;

/** RabbitMQ's largest expiry: ten years. */
const expiryMsMax = 315_360_000_000;
const priorityMax = 255;

const integerTypes: ReadonlySet<string> = new Set(["b", "B", "s", "u", "I", "i", "l", "L"]);

export const isInteger: Check = (value) =>
  isWhole(value) ? undefined : erlangString(`expected integer, got ${fieldTypeNames[value.type]}`);

/** Whether it is a whole number, which says its letter and not its value. */
export function isWhole({ type }: FieldValue): boolean {
  return integerTypes.has(type);
}

export const isNotNegative: Check = (value, all) => {
  const wrong = isInteger(value, all);
  if (wrong !== undefined) return wrong;
  return numberOf(value) < 0 ? `{value_negative,${numberOf(value)}}` : undefined;
};

export const isPositive: Check = (value, all) =>
  isNotNegative(value, all) ?? (numberOf(value) === 0 ? "{value_zero,0}" : undefined);

export const isDuration: Check = (value, all) => isInteger(value, all) ?? expiryFault(numberOf(value));

export const isExpiry: Check = (value, all) => {
  const wrong = isInteger(value, all);
  if (wrong !== undefined) return wrong;
  return numberOf(value) === 0 ? "{value_zero,0}" : expiryFault(numberOf(value));
};

/** What is wrong with a time to live, as Erlang prints it. */
export function expiryFault(ms: number): string | undefined {
  if (ms < 0) return `{value_negative,${ms}}`;
  return ms > expiryMsMax ? `{value_too_large,${ms}}` : undefined;
}

export const isPriorityMax: Check = (value, all) =>
  isNotNegative(value, all) ?? (numberOf(value) > priorityMax ? `{max_value_exceeded,${numberOf(value)}}` : undefined);

export const isBoolean: Check = ({ type }) => (type === "t" ? undefined : unacceptable(type));

export const isText: Check = ({ type }) => (type === "S" ? undefined : unacceptable(type));

/** One of these words; `otherwise` makes the error of another one. */
export function isOneOf(words: readonly string[], otherwise: (word: string) => string): Check {
  return ({ type, value }) => {
    if (type !== "S") return unacceptable(type);
    return words.includes(value.toString()) ? undefined : otherwise(value.toString());
  };
}

function unacceptable(type: FieldValue["type"]): string {
  return `{unacceptable_type,${fieldTypeNames[type]}}`;
}

/** Text such as `7D`, `12h`: years, months, days, hours, minutes, seconds. */
export const isAge: Check = ({ type, value }) => {
  if (type !== "S") return unacceptable(type);
  return ageMs(value.toString()) === undefined ? "invalid_max_age" : undefined;
};

const secondsByUnit: Readonly<Record<string, number>> = {
  Y: 31_536_000,
  M: 2_592_000,
  D: 86_400,
  h: 3600,
  m: 60,
  s: 1,
};

/** @returns ms, or undefined if the text is no age. */
export function ageMs(text: string): number | undefined {
  const match = /^(\d+)([YMDhms])$/.exec(text);
  if (match === null) return undefined;
  const ms = Number(match[1]) * secondsByUnit[match[2]!]! * 1000;
  return ms > 0 && Number.isSafeInteger(ms) ? ms : undefined;
}

/** `first`, `last`, `next`, an offset, a time, or an age. */
export const isStreamOffset: Check = (value) => {
  if (value.type === "S") {
    const text = value.value.toString();
    if (["first", "last", "next"].includes(text) || ageMs(text) !== undefined) return undefined;
    return `{invalid_stream_offset_arg,{longstr,${erlangBinary(Buffer.from(value.value))}}}`;
  }
  if (value.type === "T" || isWhole(value)) return undefined;
  return `{invalid_stream_offset_arg,{${fieldTypeNames[value.type]},${erlangValue(value)}}}`;
};

/** An integer argument's value; 64-bit ones past 2^53 are rounded, which no limit here can tell. */
export function numberOf(value: FieldValue): number {
  return Number(value.value);
}

export function numberArgument(table: FieldTable, name: string): number | undefined {
  const value = fieldValue(table, name);
  return value === undefined ? undefined : numberOf(value);
}

/** Of an argument that is taken whatever it is: what is no whole number counts as not said. */
export function wholeArgument(table: FieldTable, name: string): number | undefined {
  const value = fieldValue(table, name);
  return value !== undefined && isWhole(value) ? numberOf(value) : undefined;
}

export function textArgument(table: FieldTable, name: string): string | undefined {
  const value = fieldValue(table, name);
  return value?.type === "S" ? value.value.toString() : undefined;
}

export function booleanArgument(table: FieldTable, name: string): boolean {
  return fieldValue(table, name)?.value === true;
}

/** Runs the checks of those arguments that are there, in the order of the checks. */
export function checkArguments(
  what: string,
  table: FieldTable,
  checks: Iterable<readonly [string, Check]>,
): Fault | undefined {
  for (const [name, check] of checks) {
    const value = fieldValue(table, name);
    const wrong = value === undefined ? undefined : check(value, table);
    if (wrong !== undefined) return new Fault("preconditionFailed", `invalid arg '${name}' for ${what}: ${wrong}`);
  }
  return undefined;
}
