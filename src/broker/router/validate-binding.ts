/**
 * What a binding, or the options of an exchange, must be for its matcher to work with it.
 *
 * Refusals are texts, in RabbitMQ's words, since its clients show and sometimes compare them; values appear in them in
 * Erlang's notation. One refusal of its newest versions is left out on purpose: more than two `#` in a topic pattern,
 * which are a danger to a matcher that backtracks and cost ours nothing.
 */

import { unreachable } from "../../base/assert.ts";
import type { MatcherKind, MatcherOptions } from "./matcher.ts";
import { headerOf } from "./values.ts";
import type { Headers, HeaderValue } from "./values.ts";

const weightMax = 10_000;
const matchWords = ["all", "any", "all-with-x", "any-with-x"];
const hashProperties = ["correlation-id", "message-id", "timestamp"];

/** Why a binding cannot be made at an exchange of this kind, or undefined if it can. */
export function validateBinding(kind: MatcherKind, key: string, args: Headers): string | undefined {
  switch (kind) {
    case "headers":
      return refusalOfMatchWord(headerOf(args, "x-match"));
    case "consistent-hash":
      return refusalOfWeight(key);
    case "direct":
    case "fanout":
    case "topic":
    case "modulus-hash":
    case "random":
      return undefined;
    default:
      return unreachable(kind);
  }
}

/** Why an exchange of this kind cannot have these options, or undefined if it can. */
export function validateMatcherOptions(kind: MatcherKind, options: MatcherOptions): string | undefined {
  if (kind !== "consistent-hash" || options.hashProperty === undefined) return undefined;
  if (options.hashHeader !== undefined) return "hash-header and hash-property are mutually exclusive";
  const canonical = options.hashProperty.replaceAll("_", "-");
  return hashProperties.includes(canonical) ? undefined : `Unsupported property: ${options.hashProperty}`;
}

function refusalOfMatchWord(word: HeaderValue | undefined): string | undefined {
  if (word === undefined) return undefined;
  if (typeof word !== "string") {
    return `Invalid x-match field type ${typeName(word)} (value ${erlangTerm(word)}); expected longstr`;
  }
  if (matchWords.includes(word)) return undefined;
  return `Invalid x-match field value ${erlangTerm(word)}; expected all, any, all-with-x, or any-with-x`;
}

function refusalOfWeight(key: string): string | undefined {
  if (!/^[+-]?\d+$/.test(key)) return `The binding key must be an integer: ${erlangTerm(key)}`;
  if (Number(key) < 1) return "The binding key must be greater than 0";
  return Number(key) > weightMax ? `The binding key must not exceed ${weightMax}` : undefined;
}

function typeName(value: HeaderValue): string {
  if (value === null) return "void";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "string") return "longstr";
  if (typeof value === "bigint") return "long";
  if (typeof value === "number") {
    if (!Number.isInteger(value)) return "double";
    return value === (value | 0) ? "signedint" : "long";
  }
  if (value instanceof Date) return "timestamp";
  if (value instanceof Uint8Array) return "binary";
  return Array.isArray(value) ? "array" : "table";
}

function erlangTerm(value: HeaderValue): string {
  if (value === null) return "undefined";
  if (typeof value === "string") {
    if (value === "") return "<<>>";
    const quoted = `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
    return /^[\x20-\x7e]*$/.test(value) ? `<<${quoted}>>` : `<<${quoted}/utf8>>`;
  }
  if (value instanceof Date) return String(Math.floor(value.getTime() / 1000));
  if (value instanceof Uint8Array) return `<<${Array.from(value).join(",")}>>`;
  if (Array.isArray(value)) return `[${value.map(tagged).join(",")}]`;
  if (typeof value !== "object") return String(value);
  const rows = Object.keys(value).map((name) => `{${erlangTerm(name)},${tagged(value[name] as HeaderValue).slice(1)}`);
  return `[${rows.join(",")}]`;
}

function tagged(value: HeaderValue): string {
  return `{${typeName(value)},${erlangTerm(value)}}`;
}
