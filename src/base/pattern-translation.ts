/**
 * From PCRE's dialect to JavaScript's, with the `u` flag, where nothing unknown passes in silence. One pass, by recursive
 * descent; each construct is either written in its JavaScript form or refused with its place.
 *
 * On the way it bounds the work of a match: `degree` d means that a name of n characters takes about n ** d steps at
 * most. A repetition without end counts 1, an optional atom 1/8 (it doubles the work; 255 ** (1/8) is 2), a repeated group
 * that holds a repetition or a choice counts Infinity, an unanchored beginning 1.
 *
 *     pattern     = ["(?" flags ")"] choice
 *     choice      = sequence *("|" sequence)
 *     sequence    = *(atom [quantifier])
 */

/** What is wrong with a pattern, in PCRE's words where it has them. */
export class PatternFault {
  readonly text: string;
  /** Index in the pattern. */
  readonly at: number;

  constructor(text: string, at: number) {
    this.text = text;
    this.at = at;
  }
}

interface Translation {
  readonly source: string;
  readonly flags: string;
  readonly degree: number;
}

export function translatePattern(text: string): Translation | PatternFault {
  const reader = new Reader(text);
  try {
    return reader.pattern();
  } catch (error) {
    if (error instanceof Wrong) return error.fault;
    throw error;
  }
}

/** How the descent is left; it does not leave this file. */
class Wrong extends Error {
  readonly fault: PatternFault;

  constructor(fault: PatternFault) {
    super(fault.text);
    this.fault = fault;
  }
}

/** Work of a part: how it grows, and whether repeating it could be ambiguous. */
interface Piece {
  readonly source: string;
  readonly degree: number;
  /** Holds a repetition or a choice: repeated in turn, it may match one text in many ways. */
  readonly isLoose: boolean;
  /** Can be repeated: not an assertion. */
  readonly isAtom: boolean;
}

const depthMax = 100;
const repeatMax = 1000;
const posixClasses: Readonly<Record<string, string>> = {
  alnum: "a-zA-Z0-9",
  alpha: "a-zA-Z",
  ascii: "\\x00-\\x7f",
  blank: " \\t",
  cntrl: "\\x00-\\x1f\\x7f",
  digit: "0-9",
  graph: "\\x21-\\x7e",
  lower: "a-z",
  print: "\\x20-\\x7e",
  punct: "!-\\/:-@\\[-`\\{-~",
  space: "\\s",
  upper: "A-Z",
  word: "\\w",
  xdigit: "0-9a-fA-F",
};
const assertions: Readonly<Record<string, string>> = {
  A: "(?<![\\s\\S])",
  z: "(?![\\s\\S])",
  Z: "(?=\\n?(?![\\s\\S]))",
  b: "\\b",
  B: "\\B",
};
/** Escapes that mean the same in both, and PCRE's with their equivalents. */
const classes: Readonly<Record<string, string>> = {
  d: "\\d",
  D: "\\D",
  w: "\\w",
  W: "\\W",
  s: "\\s",
  S: "\\S",
};
const letters: Readonly<Record<string, string>> = {
  a: "\\x07",
  e: "\\x1b",
  f: "\\f",
  n: "\\n",
  r: "\\r",
  t: "\\t",
};

class Reader {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #flags = "u";

  constructor(text: string) {
    this.#text = text;
  }

  pattern(): Translation {
    const [prefix, set] = /^\(\?([ims]+)\)/.exec(this.#text) ?? [];
    if (prefix !== undefined) this.#at = prefix.length;
    this.#flags += [...new Set(set ?? "")].join("");
    const isAnchored = this.#text.startsWith("^", this.#at) || this.#text.startsWith("\\A", this.#at);
    const { source, degree, isLoose } = this.#choice();
    if (this.#at < this.#text.length) throw this.#fault("unmatched closing parenthesis");
    // With a choice, the anchor holds for its first branch only.
    const isFree = !isAnchored || (isLoose && source.includes("|"));
    return { source, flags: this.#flags, degree: degree + (isFree && degree > 0 ? 1 : 0) };
  }

  #choice(): Piece {
    if (++this.#depth > depthMax) throw this.#fault("parentheses are too deeply nested");
    const branches = [this.#sequence()];
    while (this.#take("|")) branches.push(this.#sequence());
    this.#depth--;
    const degrees = branches.map(({ degree }) => degree);
    return {
      source: branches.map(({ source }) => source).join("|"),
      // Branches are tried one after the other: the work adds up, it does not multiply.
      degree: Math.max(...degrees) + (branches.length - 1) / 64,
      isLoose: branches.length > 1 || branches.some(({ isLoose }) => isLoose),
      isAtom: true,
    };
  }

  #sequence(): Piece {
    let source = "";
    let degree = 0;
    let isLoose = false;
    while (this.#at < this.#text.length && this.#peek() !== "|" && this.#peek() !== ")") {
      const piece = this.#quantified(this.#atom());
      source += piece.source;
      degree += piece.degree;
      isLoose ||= piece.isLoose;
    }
    return { source, degree, isLoose, isAtom: true };
  }

  #quantified(piece: Piece): Piece {
    const start = this.#at;
    const [text, least, comma, most] = this.#match(/[*+?]|\{(\d{1,9})(,(\d{0,9}))?\}/y) ?? [];
    if (text === undefined) return piece;
    if (!piece.isAtom) throw this.#fault("quantifier does not follow a repeatable item", start);
    if (this.#peek() === "+") throw this.#fault("possessive quantifiers are not supported");
    const isLazy = this.#take("?");
    if (/^[*+?{]/.test(this.#text.slice(this.#at)) && this.#isQuantifier())
      throw this.#fault("quantifier does not follow a repeatable item");
    const min = least === undefined ? (text === "+" ? 1 : 0) : Number(least);
    const max = boundOf(text, min, comma, most);
    if (min > max) throw this.#fault("numbers out of order in {} quantifier", start);
    if (min > repeatMax || (max !== Infinity && max > repeatMax))
      throw this.#fault("number too big in {} quantifier", start);
    const isRepeated = max > 1;
    return {
      source: piece.source + text + (isLazy ? "?" : ""),
      degree: degreeOf(piece, min, max),
      isLoose: piece.isLoose || max !== min || isRepeated,
      isAtom: false,
    };
  }

  #isQuantifier(): boolean {
    return this.#peek() !== "{" || /^\{\d{1,9}(,\d{0,9})?\}/.test(this.#text.slice(this.#at, this.#at + 24));
  }

  #atom(): Piece {
    const start = this.#at;
    const character = this.#next();
    switch (character) {
      case "(":
        return this.#group(start);
      case "[":
        return atom(this.#set(start));
      case "\\":
        return this.#escape();
      case ".":
        return atom(this.#flags.includes("s") ? "[\\s\\S]" : "[^\\n]");
      case "^":
      case "$":
        return assertion(character);
      case "*":
      case "+":
      case "?":
        throw this.#fault("quantifier does not follow a repeatable item", start);
      case "{":
        this.#at = start;
        if (this.#isQuantifier()) throw this.#fault("quantifier does not follow a repeatable item", start);
        this.#at++;
        return atom("\\{");
      default:
        return atom(literal(character));
    }
  }

  #group(start: number): Piece {
    let open = "(";
    let isAtom = true;
    if (this.#peek() === "*") throw this.#fault("verbs are not supported", start);
    if (this.#take("?")) {
      if (this.#match(/#[^)]*/y) !== undefined) {
        if (!this.#take(")")) throw this.#fault("missing ) after (?# comment", start);
        return { source: "", degree: 0, isLoose: false, isAtom: false };
      }
      const [form] = this.#match(/:|=|!|<=|<!|[ims]*(?:-[ims]+)?:/y) ?? [];
      const [, name] = form === undefined ? (this.#match(/P?<([A-Za-z_]\w{0,31})>/y) ?? []) : [];
      const [, named] = form === undefined && name === undefined ? (this.#match(/P=([A-Za-z_]\w{0,31})/y) ?? []) : [];
      if (named !== undefined) {
        if (!this.#take(")")) throw this.#fault("missing closing parenthesis", start);
        return { source: `\\k<${named}>`, degree: 1, isLoose: true, isAtom: true };
      }
      if (form === undefined && name === undefined) throw this.#fault("unsupported character after (?", start);
      open = `(?${form ?? `<${name}>`}`;
      isAtom = form === undefined || form.endsWith(":");
    }
    const inner = this.#choice();
    if (!this.#take(")")) throw this.#fault("missing closing parenthesis");
    return { source: `${open}${inner.source})`, degree: inner.degree, isLoose: inner.isLoose, isAtom };
  }

  #escape(): Piece {
    const start = this.#at - 1;
    if (this.#at >= this.#text.length) throw this.#fault("\\ at end of pattern", start);
    if (this.#peek() === "Q") {
      this.#at++;
      const end = this.#text.indexOf("\\E", this.#at);
      const quoted = this.#text.slice(this.#at, end < 0 ? undefined : end);
      this.#at = end < 0 ? this.#text.length : end + 2;
      return { source: Array.from(quoted, literal).join(""), degree: 0, isLoose: false, isAtom: quoted.length === 1 };
    }
    const [reference] = this.#match(/[1-9]\d?/y) ?? [];
    if (reference !== undefined) return { source: `(?:\\${reference})`, degree: 1, isLoose: true, isAtom: true };
    const [, key] = this.#match(/k[<{']([A-Za-z_]\w{0,31})[>}']/y) ?? [];
    if (key !== undefined) return { source: `\\k<${key}>`, degree: 1, isLoose: true, isAtom: true };
    const standing = assertions[this.#peek()];
    if (standing !== undefined) {
      this.#at++;
      return assertion(standing);
    }
    return atom(this.#escapedCharacter(start, false));
  }

  /** What a backslash means inside and outside of sets; it was read already. */
  #escapedCharacter(start: number, isInSet: boolean): string {
    const [property] = this.#match(/[pP](?:\{\^?[A-Za-z_]{1,40}\}|[A-Z])/y) ?? [];
    if (property !== undefined) return writeProperty(property);
    const [, braced, short] = this.#match(/x(?:\{([0-9a-fA-F]{1,6})\}|([0-9a-fA-F]{0,2}))/y) ?? [];
    if (braced !== undefined || short !== undefined) return codePoint(Number.parseInt(braced ?? `0${short}`, 16));
    const [octal] = this.#match(/0[0-7]{0,2}/y) ?? [];
    if (octal !== undefined) return codePoint(Number.parseInt(octal, 8));
    const character = this.#next();
    if (character === "h") return isInSet ? " \\t" : "[ \\t]";
    if (character === "N" && !isInSet) return "[^\\n]";
    if (character === "b" && isInSet) return "\\x08";
    const known = classes[character] ?? letters[character];
    if (known !== undefined) return known;
    if (/[A-Za-z0-9]/.test(character)) throw this.#fault("unrecognized character follows \\", start);
    return isInSet ? setLiteral(character) : literal(character);
  }

  #set(start: number): string {
    if (/^\[[:.=][^\]]*[:.=]\]/.test(this.#text.slice(start)))
      throw this.#fault("POSIX named classes are supported only within a class", start);
    let source = this.#take("^") ? "[^" : "[";
    let isAfterClass = false;
    for (let isFirst = true; ; isFirst = false) {
      if (this.#at >= this.#text.length) throw this.#fault("missing terminating ] for character class", start);
      const [posix, negation, name] = this.#match(/\[:(\^?)(\w+):\]/y) ?? [];
      if (posix !== undefined) {
        const members = posixClasses[name!];
        if (members === undefined || negation !== "") throw this.#fault("unknown POSIX class name");
        source += members;
        isAfterClass = true;
        continue;
      }
      const at = this.#at;
      const character = this.#next();
      if (character === "]" && !isFirst) return `${source}]`;
      if (character === "\\") {
        if (this.#at >= this.#text.length) throw this.#fault("\\ at end of pattern", at);
        isAfterClass = /[dDwWsShpP]/.test(this.#peek());
        source += this.#escapedCharacter(at, true);
      } else {
        source += character === "-" ? this.#dash(isFirst || isAfterClass) : setLiteral(character);
        isAfterClass = false;
      }
    }
  }

  /** A dash that makes a range stays; one that stands for itself, as beside a class of characters, is escaped. */
  #dash(hasNoStart: boolean): string {
    const isLast = this.#peek() === "]";
    const isBeforeClass = /^(?:\\[dDwWsShpP]|\[:)/.test(this.#text.slice(this.#at, this.#at + 2));
    return hasNoStart || isLast || isBeforeClass ? "\\-" : "-";
  }

  #peek(): string {
    return this.#text[this.#at] ?? "";
  }

  /** The next character, whole. */
  #next(): string {
    const character = String.fromCodePoint(this.#text.codePointAt(this.#at)!);
    this.#at += character.length;
    return character;
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }

  /** Matches a sticky expression here, and steps over it. */
  #match(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#text);
    if (found === null) return undefined;
    this.#at += found[0].length;
    return found;
  }

  #fault(text: string, at = this.#at): Wrong {
    return new Wrong(new PatternFault(text, at));
  }
}

function boundOf(text: string, min: number, comma: string | undefined, most: string | undefined): number {
  if (text === "?") return 1;
  if (text === "*" || text === "+") return Infinity;
  if (comma === undefined) return min;
  return most === undefined || most === "" ? Infinity : Number(most);
}

function degreeOf(piece: Piece, min: number, max: number): number {
  const optional = 1 / 8;
  if (max <= 1) return piece.degree + (min === max ? 0 : optional);
  if (piece.isLoose) return max === Infinity ? Infinity : piece.degree * max + max * optional;
  return max === min ? piece.degree : max === Infinity ? 1 : Math.min(1, (max - min) * optional);
}

function atom(source: string): Piece {
  return { source, degree: 0, isLoose: false, isAtom: true };
}

function assertion(source: string): Piece {
  return { source, degree: 0, isLoose: false, isAtom: false };
}

function literal(character: string): string {
  return /[\^$\\.*+?()[\]{}|/]/.test(character) ? `\\${character}` : character;
}

function setLiteral(character: string): string {
  return /[\^\\[\]\-{}|()/]/.test(character) ? `\\${character}` : character;
}

function codePoint(code: number): string {
  return `\\u{${code.toString(16)}}`;
}

/** `\pL` and `\p{^Lu}` in their longer forms. */
function writeProperty(text: string): string {
  const name = text.replace(/[{}^]/g, "").slice(1);
  const isNegative = (text[0] === "P") !== text.includes("^");
  return `\\${isNegative ? "P" : "p"}{${name}}`;
}
