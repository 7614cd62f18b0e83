/**
 * Wildcard patterns of scopes: `*` stands for any text, also for none; everything else is percent-encoded, so that a
 * name may hold stars and slashes (`%2F`). `+` is a space, as in forms.
 *
 * It is a full match. RabbitMQ's matcher takes the first place where a part fits, and so does not find `abb` by `a*b`; this
 * one does.
 */
export class Wildcard {
  readonly #first: string;
  readonly #middle: readonly string[];
  /** Undefined: there is no star. */
  readonly #last: string | undefined;

  private constructor(parts: readonly string[]) {
    this.#first = parts[0]!;
    this.#middle = parts.slice(1, -1).filter((part) => part !== "");
    this.#last = parts.length > 1 ? parts.at(-1)! : undefined;
  }

  /** Undefined when the percent-encoding is broken. */
  static read(text: string): Wildcard | undefined {
    const parts = text.split("*").map(decode);
    return parts.includes(undefined) ? undefined : new Wildcard(parts as string[]);
  }

  matches(subject: string): boolean {
    const first = this.#first;
    const last = this.#last;
    if (last === undefined) return subject === first;
    if (!subject.startsWith(first)) return false;
    // The earliest place for each part leaves most room for the rest.
    let at = first.length;
    for (const part of this.#middle) {
      const found = subject.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return subject.length - last.length >= at && subject.endsWith(last);
  }
}

/** The pattern that matches `text` and nothing else. */
export function encodeLiteral(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replaceAll("*", "%2A");
}

function decode(part: string): string | undefined {
  if (!/^(?:[^%]|%[0-9a-fA-F]{2})*$/.test(part)) return undefined;
  try {
    return decodeURIComponent(part.replaceAll("+", " "));
  } catch {
    // Well-formed escapes of bytes that are no UTF-8: no name can be meant.
    return undefined;
  }
}
