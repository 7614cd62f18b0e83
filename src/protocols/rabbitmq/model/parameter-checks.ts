/**
 * Checks of runtime parameters, for the components that have any: RabbitMQ's own, with its texts. Each answers what is wrong
 * with a value, or undefined.
 */

import { Pattern } from "../../../base/pattern.ts";
import { byName, shownFields, shownJson } from "./erlang-json.ts";

/** @param name of the field, for the text. */
export type ParameterCheck = (name: string, value: unknown) => string | undefined;

export interface FieldRule {
  readonly name: string;
  readonly check: ParameterCheck;
  readonly isMandatory?: boolean;
}

export type JsonObject = Readonly<Record<string, unknown>>;

export const isNumber: ParameterCheck = (name, value) =>
  typeof value === "number" ? undefined : `${name} should be a number, actually was ${shownJson(value)}`;

export const isWholeNumber: ParameterCheck = (name, value) =>
  Number.isInteger(value) ? undefined : `${name} should be a number, actually was ${shownJson(value)}`;

export const isBinary: ParameterCheck = (name, value) =>
  typeof value === "string" ? undefined : `${name} should be binary, actually was ${shownJson(value)}`;

export const isTrueOrFalse: ParameterCheck = (name, value) =>
  typeof value === "boolean" ? undefined : `${name} should be boolean, actually was ${shownJson(value)}`;

export const isList: ParameterCheck = (name, value) =>
  Array.isArray(value) ? undefined : `${name} should be list, actually was ${shownJson(value)}`;

export const isQueueName: ParameterCheck = (name, value) => {
  const wrong = isBinary(name, value);
  if (wrong !== undefined) return wrong;
  const bytes = Buffer.byteLength(value as string);
  return bytes <= 255 ? undefined : `${name} should be less than 255 bytes, actually was ${bytes}`;
};

/** One of these words. */
export function isWord(words: readonly string[]): ParameterCheck {
  return (name, value) => {
    const wrong = isBinary(name, value);
    if (wrong !== undefined) return wrong;
    if (words.includes(value as string)) return undefined;
    return `${name} should be one of ${shownJson(words)}, actually was ${shownJson(value)}`;
  };
}

export const isPattern: ParameterCheck = (name, value) => {
  if (typeof value !== "string") return `${name} should be a binary but was ${shownJson(value)}`;
  const pattern = Pattern.read(value);
  if (pattern instanceof Pattern) return undefined;
  return `${name} should be regular expression but is invalid: {"${pattern.text}",${pattern.at}}`;
};

/**
 * Checks an object's fields. The faults come in RabbitMQ's order: what is unknown first, then the rules from last to first.
 * @param name of the whole, for the texts.
 */
export function checkFields(name: string, rules: readonly FieldRule[], value: unknown): readonly string[] {
  if (!isObject(value)) return [`${name} not a list ${shownJson(value)}`];
  const faults: string[] = [];
  for (const rule of rules.toReversed()) {
    const isThere = Object.hasOwn(value, rule.name);
    const fault = isThere ? rule.check(rule.name, value[rule.name]) : missing(rule, name);
    if (fault !== undefined) faults.push(fault);
  }
  const unknown = Object.entries(value).filter(([field]) => !rules.some((rule) => rule.name === field));
  if (unknown.length > 0) faults.unshift(`Unrecognised terms ${shownFields(unknown.toSorted(byName))} in ${name}`);
  return faults;
}

function missing(rule: FieldRule, whole: string): string | undefined {
  return rule.isMandatory === true ? `Key "${rule.name}" not found in ${whole}` : undefined;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
