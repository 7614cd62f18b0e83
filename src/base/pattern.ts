/**
 * Regular expressions that somebody else wrote: permissions, policies, filters of lists. They are in the dialect that
 * operators know from PCRE, and matched unanchored against names.
 *
 * JavaScript reads many of PCRE's forms without complaint and as something else (`[[:digit:]]`, `\A`, `\Q..\E`, `[]a]`), so a
 * pattern that decides who may do what is never handed over as it is: pattern-translation.ts reads it whole and writes it anew.
 * What has no equivalent (recursion, possessive and atomic groups, conditions) is refused when it is set.
 *
 * Nor may a pattern stop the broker: `(a+)+$` against fifty letters takes longer than the machine will live. While
 * reading, the translation bounds the work by the length of the name. Where that is too much for a name, the match runs
 * under a deadline (node:vm ends even a regular expression that is running; 0.1 ms a call, so answers are kept), and one
 * that passes it counts as no match, which refuses, as RabbitMQ does at PCRE's match limit.
 *
 * Rejected: a linear engine of our own (no look-ahead, which permissions use to leave names out); refusing all nested
 * repetitions (`([a-z]+\.)*[a-z]+` is harmless and in use).
 *
 * Differences that remain: `$` matches at the very end only, not before a final newline as well; a character is a code
 * point, not a byte.
 */

import { createContext, Script, type Context } from "node:vm";
import { PatternFault, translatePattern } from "./pattern-translation.ts";

/** Of the answers kept for one guarded pattern. */
const answersMax = 1000;
const keptLengthMax = 255;
const deadlineMs = 20;

/** Of a match without a guard, at worst: some ten milliseconds. Steps are bounded by length ** degree. */
const stepsMax = 2_000_000;
export const patternLengthMax = 4096;

export class Pattern {
  /** As it was written. */
  readonly text: string;
  readonly #expression: RegExp;
  readonly #matchesAll: boolean;
  /** Names up to this length are matched without a guard. */
  readonly #plainLengthMax: number;
  #answers: Map<string, boolean> | undefined;

  private constructor(text: string, expression: RegExp, degree: number) {
    this.text = text;
    this.#expression = expression;
    this.#matchesAll = text === ".*";
    this.#plainLengthMax = Math.floor(stepsMax ** (1 / degree));
  }

  /** Reads a pattern; a fault says what is wrong with it, and where. */
  static read(text: string): Pattern | PatternFault {
    if (text.length > patternLengthMax) return new PatternFault("regular expression is too large", patternLengthMax);
    const translation = translatePattern(text);
    if (translation instanceof PatternFault) return translation;
    try {
      return new Pattern(text, new RegExp(translation.source, translation.flags), translation.degree);
    } catch (error) {
      // What V8 finds and the translation did not, such as a range out of order or an unknown property.
      return new PatternFault(String((error as Error).message.split(": ").at(-1)).toLowerCase(), 0);
    }
  }

  /** Whether it matches somewhere in `name`. */
  matches(name: string): boolean {
    if (this.#matchesAll) return true;
    if (name.length <= this.#plainLengthMax) return this.#expression.test(name);
    if (name.length > keptLengthMax) return testWithin(this.#expression, name);
    const answers = (this.#answers ??= new Map<string, boolean>());
    let answer = answers.get(name);
    if (answer === undefined) {
      answer = testWithin(this.#expression, name);
      if (answers.size >= answersMax) answers.clear();
      answers.set(name, answer);
    }
    return answer;
  }
}

interface Ground {
  expression: RegExp | null;
  name: string;
}

const ground: Ground = { expression: null, name: "" };
let context: Context | undefined;
let script: Script | undefined;

/** False when it takes longer than the deadline. */
function testWithin(expression: RegExp, name: string): boolean {
  context ??= createContext(ground);
  script ??= new Script("expression.test(name)");
  ground.expression = expression;
  ground.name = name;
  try {
    return script.runInContext(context, { timeout: deadlineMs }) as boolean;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return false;
    throw error;
  } finally {
    ground.expression = null;
    ground.name = "";
  }
}
