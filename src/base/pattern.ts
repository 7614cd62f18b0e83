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
 * under a deadline (node:vm ends even a regular expression that is running; 0.1 ms a call, so answers are kept, and lists ask
 * for many names at once), and one that passes it counts as no match, which refuses, as RabbitMQ does at PCRE's match limit.
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
/** Of a match that the guard ended though it had little of the processor. */
const triesMax = 4;

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
    if (name.length > keptLengthMax) return this.#testGuarded(name);
    const answers = (this.#answers ??= new Map<string, boolean>());
    let answer = answers.get(name);
    if (answer === undefined) {
      answer = this.#testGuarded(name);
      if (answers.size >= answersMax) answers.clear();
      answers.set(name, answer);
    }
    return answer;
  }

  /** The same for many names under one guard. Undefined: that took too long, and each has to be asked for by itself. */
  matchEach(names: readonly string[]): readonly boolean[] | undefined {
    if (this.#matchesAll || names.every(({ length }) => length <= this.#plainLengthMax))
      return names.map((name) => this.matches(name));
    return testWithin(this.#expression, names);
  }

  #testGuarded(name: string): boolean {
    return testWithin(this.#expression, [name])?.[0] ?? false;
  }
}

interface Ground {
  expression: RegExp | null;
  names: readonly string[];
}

const ground: Ground = { expression: null, names: [] };
let context: Context | undefined;
let script: Script | undefined;

/** Undefined when all of them together take longer than the deadline. */
function testWithin(expression: RegExp, names: readonly string[]): readonly boolean[] | undefined {
  for (let tries = 1; ; tries++) {
    const before = process.threadCpuUsage();
    const answers = tryWithin(expression, names);
    if (answers !== undefined || tries === triesMax) return answers;
    // The guard counts the time in which others had the processor as well.
    if (process.threadCpuUsage(before).user >= (deadlineMs * 1000) / 2) return undefined;
  }
}

function tryWithin(expression: RegExp, names: readonly string[]): readonly boolean[] | undefined {
  context ??= createContext(ground);
  script ??= new Script("names.map((name) => expression.test(name))");
  ground.expression = expression;
  ground.names = names;
  try {
    return script.runInContext(context, { timeout: deadlineMs }) as readonly boolean[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return undefined;
    throw error;
  } finally {
    ground.expression = null;
    ground.names = [];
  }
}
