/**
 * Matches headers against the arguments of bindings: all of them, or any, as the argument `x-match` says.
 *
 *   x-match      arguments looked at            met when
 *   all          those not beginning with x-    each is equal to the header of its name; none at all is met by all
 *   any          those not beginning with x-    one of them is; none at all is met by nothing
 *   all-with-x   all but x-match                as all
 *   any-with-x   all but x-match                as any
 *
 * An argument of value null asks only that the header is there. Absent, x-match is `all`.
 *
 * Bindings are not tried one by one: each stands under an *anchor*, a header without which it cannot match. A binding of
 * kind all has one anchor (a value if it asks for one, since that selects more than a presence), one of kind any stands
 * under each of its arguments. A match looks up the message's headers among the anchors and checks only what it finds
 * there. Anchors are a sieve and may pass too much; `sameValue` decides.
 */

import { must } from "../../base/assert.ts";
import type { Binding, Matcher } from "./matcher.ts";
import type { RouteInput } from "./route-input.ts";
import { headerOf, sameValue } from "./values.ts";
import type { Headers, HeaderValue } from "./values.ts";

interface Condition {
  readonly name: string;
  /** The value asked for; null asks for presence. */
  readonly expected: HeaderValue;
}

interface Rule<D> {
  readonly destination: D;
  readonly needsAll: boolean;
  readonly conditions: readonly Condition[];
}

/** The rules that stand under one header name. */
interface Anchor<D> {
  readonly rulesByValue: Map<unknown, Set<Rule<D>>>;
  readonly rulesByPresence: Set<Rule<D>>;
}

export class HeadersMatcher<D> implements Matcher<D> {
  readonly dependsOn = "message";
  readonly #ruleByBinding = new Map<Binding<D>, Rule<D>>();
  readonly #anchorByName = new Map<string, Anchor<D>>();
  readonly #rulesMetByAll = new Set<Rule<D>>();

  get size(): number {
    return this.#ruleByBinding.size;
  }

  add(binding: Binding<D>): void {
    const rule = ruleOf(binding);
    this.#ruleByBinding.set(binding, rule);
    if (rule.needsAll && rule.conditions.length === 0) this.#rulesMetByAll.add(rule);
    for (const condition of anchorsOf(rule)) {
      let anchor = this.#anchorByName.get(condition.name);
      if (anchor === undefined) {
        anchor = { rulesByValue: new Map(), rulesByPresence: new Set() };
        this.#anchorByName.set(condition.name, anchor);
      }
      if (condition.expected === null) anchor.rulesByPresence.add(rule);
      else {
        const bucket = bucketOf(condition.expected);
        const rules = anchor.rulesByValue.get(bucket);
        if (rules === undefined) anchor.rulesByValue.set(bucket, new Set([rule]));
        else rules.add(rule);
      }
    }
  }

  remove(binding: Binding<D>): void {
    const rule = must(this.#ruleByBinding.get(binding), "the binding was added");
    this.#ruleByBinding.delete(binding);
    this.#rulesMetByAll.delete(rule);
    for (const condition of anchorsOf(rule)) {
      const anchor = must(this.#anchorByName.get(condition.name), "the rule stands under its anchor");
      if (condition.expected === null) anchor.rulesByPresence.delete(rule);
      else {
        const bucket = bucketOf(condition.expected);
        const rules = must(anchor.rulesByValue.get(bucket), "the rule stands under its value");
        rules.delete(rule);
        if (rules.size === 0) anchor.rulesByValue.delete(bucket);
      }
      if (anchor.rulesByValue.size === 0 && anchor.rulesByPresence.size === 0) {
        this.#anchorByName.delete(condition.name);
      }
    }
  }

  match(input: RouteInput, visit: (destination: D) => void): void {
    for (const rule of this.#rulesMetByAll) visit(rule.destination);
    if (this.#anchorByName.size === 0) return;
    const headers = input.headers();
    for (const name of Object.keys(headers)) {
      const anchor = this.#anchorByName.get(name);
      if (anchor === undefined) continue;
      for (const rule of anchor.rulesByPresence) {
        if (!rule.needsAll || isMet(rule, headers)) visit(rule.destination);
      }
      if (anchor.rulesByValue.size === 0) continue;
      const rules = anchor.rulesByValue.get(bucketOf(headers[name] as HeaderValue));
      if (rules === undefined) continue;
      for (const rule of rules) {
        if (isMet(rule, headers)) visit(rule.destination);
      }
    }
  }
}

function ruleOf<D>(binding: Binding<D>): Rule<D> {
  const kind = headerOf(binding.args, "x-match");
  const withX = kind === "all-with-x" || kind === "any-with-x";
  const conditions: Condition[] = [];
  for (const name of Object.keys(binding.args)) {
    if (name === "x-match" || (!withX && name.startsWith("x-"))) continue;
    conditions.push({ name, expected: binding.args[name] as HeaderValue });
  }
  return { destination: binding.destination, needsAll: kind !== "any" && kind !== "any-with-x", conditions };
}

/** The conditions of which one must be met for the rule to be met. */
function anchorsOf<D>(rule: Rule<D>): readonly Condition[] {
  if (!rule.needsAll) return rule.conditions;
  const best = rule.conditions.find((condition) => condition.expected !== null) ?? rule.conditions[0];
  return best === undefined ? [] : [best];
}

function isMet<D>(rule: Rule<D>, headers: Headers): boolean {
  for (const condition of rule.conditions) {
    const actual = headerOf(headers, condition.name);
    const met = actual !== undefined && (condition.expected === null || sameValue(condition.expected, actual));
    if (met !== rule.needsAll) return met;
  }
  return rule.needsAll;
}

/** A key under which values that match each other are always found together; others may be there as well. */
function bucketOf(value: HeaderValue): unknown {
  if (typeof value === "bigint") return Number(value);
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (value instanceof Date) return value.getTime();
  // Tables and arrays may hold text where the other side holds bytes: only their shape is safe to go by.
  return Array.isArray(value) ? `[${value.length}` : `{${Object.keys(value).length}`;
}
