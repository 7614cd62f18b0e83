/**
 * The kinds of value that an option can have: each reads a text, writes it back, and says in a few words what it
 * expects. Everything is read from text, whatever it came from (a YAML scalar, a variable, a flag, a number in code),
 * so that one value has one spelling everywhere. What `show` writes, `read` accepts.
 */

import { parseDuration } from "../base/clock.ts";

export interface Kind<T> {
  /** What would be right, to end the sentence "… is not". */
  readonly expects: string;
  /** The value, or undefined if the text is none of this kind. */
  read(text: string): T | undefined;
  show(value: T): string;
}

/** Where something listens. Port 0 lets the system pick a free one. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export function text(expects: string): Kind<string> {
  return { expects, read: (given) => (given === "" ? undefined : given), show: (value) => value };
}

/** A text, or null for an empty one. */
export function optionalText(expects: string): Kind<string | null> {
  return { expects: `${expects}, or nothing`, read: (given) => given || null, show: (value) => value ?? "" };
}

/**
 * Texts with commas between them, or a JSON array (in a file, a list) where they hold commas themselves; none for nothing.
 * @param choices all that may stand in it, if not anything.
 */
export function list<const T extends string = string>(expects: string, choices?: readonly T[]): Kind<readonly T[]> {
  return {
    expects: choices === undefined ? expects : `${expects} (${choices.join(", ")})`,
    read(given) {
      const texts = readList(given);
      const isRight = texts?.every((each) => choices === undefined || choices.some((choice) => choice === each));
      return isRight === true ? (texts as T[]) : undefined;
    },
    show: (values) =>
      values.some((value) => /^$|^[[ ]|,| $/.test(value)) ? JSON.stringify(values) : values.join(", "),
  };
}

function readList(given: string): string[] | undefined {
  if (!given.startsWith("[")) {
    const texts = given.split(",").map((each) => each.trim());
    return texts.length === 1 && texts[0] === "" ? [] : texts.includes("") ? undefined : texts;
  }
  try {
    const values: unknown = JSON.parse(given);
    return Array.isArray(values) && values.every((each) => typeof each === "string") ? values : undefined;
  } catch {
    return undefined;
  }
}

/** What stands in a secret's place. */
export const notShown = "(not shown)";

/** As `optionalText`, but shown to nobody. */
export function secret(expects: string): Kind<string | null> {
  return { ...optionalText(expects), show: (value) => (value === null ? "" : notShown) };
}

/**
 * Maps and lists: JSON, or in a file the same as YAML. What must be in it is for who uses it to say. Shown to nobody, since
 * there may be passwords in it.
 */
export const structure: Kind<unknown> = {
  expects: "a map, as JSON or as YAML in a file",
  read(given) {
    try {
      const value: unknown = JSON.parse(given);
      return typeof value === "object" && value !== null ? value : undefined;
    } catch {
      return undefined;
    }
  },
  show: (value) => (Object.keys(value as object).length === 0 ? "{}" : notShown),
};

export const yesOrNo: Kind<boolean> = {
  expects: "true or false",
  read: (given) => ({ true: true, false: false, yes: true, no: false, on: true, off: false })[given.toLowerCase()],
  show: String,
};

export function choice<const T extends string>(...choices: readonly T[]): Kind<T> {
  return {
    expects: `one of ${choices.join(", ")}`,
    read: (given) => choices.find((each) => each === given),
    show: (value) => value,
  };
}

export function integer(min: number, max: number): Kind<number> {
  return {
    expects: `a whole number from ${min} to ${max}`,
    read: (given) => (/^\d{1,15}$/.test(given) ? between(Number(given), min, max) : undefined),
    show: String,
  };
}

const durationUnits: readonly (readonly [string, number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
];

/** Milliseconds, written `500ms`, `30s`, `15m`, `1h30m`, `7d`, or as a plain number of milliseconds. */
export function duration(minMs: number, maxMs: number): Kind<number> {
  const show = (valueMs: number): string => {
    const unit = durationUnits.find(([, ms]) => valueMs > 0 && valueMs % ms === 0);
    return unit === undefined ? `${valueMs}ms` : `${valueMs / unit[1]}${unit[0]}`;
  };
  return {
    expects: `a duration from ${show(minMs)} to ${show(maxMs)}, such as 500ms, 30s, 15m or 1h30m`,
    read: (given) => between(parseDuration(given), minMs, maxMs),
    show,
  };
}

const sizeUnits: readonly (readonly [string, number])[] = [
  ["TiB", 1024 ** 4],
  ["GiB", 1024 ** 3],
  ["MiB", 1024 ** 2],
  ["KiB", 1024],
  ["TB", 1e12],
  ["GB", 1e9],
  ["MB", 1e6],
  ["KB", 1e3],
  ["B", 1],
];

/** Bytes, written `64MiB`, `50MB` (a million each), or as a plain number. */
export function size(min: number, max: number): Kind<number> {
  return {
    expects: `a size from ${showSize(min)} to ${showSize(max)}, such as 65536, 512KiB, 64MiB or 1GB`,
    read: (given) => between(readSize(given), min, max),
    show: showSize,
  };
}

/** Bytes as `size` reads them, or a share of `wholeBytes` such as `60%`. */
export function sizeOrShare(min: number, wholeBytes: number): Kind<number> {
  return {
    expects: `a size of ${showSize(min)} or more, such as 512MiB, or a share of the machine's memory, such as 60%`,
    read(given) {
      const share = /^(\d{1,3}(?:\.\d+)?)%$/.exec(given)?.[1];
      if (share === undefined) return between(readSize(given), min, Number.MAX_SAFE_INTEGER);
      return Number(share) <= 100 ? Math.max(min, Math.floor((wholeBytes * Number(share)) / 100)) : undefined;
    },
    show: showSize,
  };
}

function readSize(given: string): number | undefined {
  const [, amount, unit] = /^(\d{1,15}(?:\.\d+)?) ?([KMGT]i?B?|B)?$/i.exec(given) ?? [];
  if (amount === undefined) return undefined;
  // As RabbitMQ reads it: a bare letter counts by 1024, as does its "iB"; "MB" is a million.
  const name = (unit ?? "B").toUpperCase().replace(/^([KMGT])I?$/, "$1IB");
  const factor = sizeUnits.find(([each]) => each.toUpperCase() === name)?.[1];
  const bytes = Number(amount) * (factor ?? NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

function showSize(bytes: number): string {
  const unit = sizeUnits.find(([name, factor]) => name !== "B" && bytes > 0 && bytes % factor === 0);
  return unit === undefined ? String(bytes) : `${bytes / unit[1]}${unit[0]}`;
}

/** `HOST:PORT`, `[IPv6]:PORT`, a port on `host`, or `off`, which is null. */
export function address(host: string): Kind<Address | null> {
  return {
    expects: `an address such as ${host}:5672, [::1]:5672, a port on ${host}, 0 for a free port, or off`,
    read(given) {
      if (given === "off") return null;
      const [, bracketed, named, port] = /^(?:(?:\[([^\]]+)\]|([^:[\]\s]+)):)?(\d{1,5})$/.exec(given) ?? [];
      if (port === undefined || Number(port) > 65_535) return undefined;
      return { host: bracketed ?? named ?? host, port: Number(port) };
    },
    show: (value) => (value === null ? "off" : showAddress(value)),
  };
}

const toldAddress = /^(?:kafkas?:\/\/)?(?:\[[\da-fA-F:.]+\]|[^:[\]\s/]+):(\d{1,5})$/;

/** Addresses as they are told to clients, kept as texts: a name or a number with a port, `kafkas://` in front of those with TLS. */
export function toldAddresses(expects: string): Kind<readonly string[]> {
  const texts = list(expects);
  const isRight = (text: string): boolean => {
    const port = toldAddress.exec(text)?.[1];
    return between(Number(port ?? 0), 1, 65_535) !== undefined;
  };
  return { ...texts, read: (given) => (texts.read(given)?.every(isRight) === true ? texts.read(given) : undefined) };
}

/** An address, and whether TLS is spoken there. */
export interface NodeAddress extends Address {
  readonly isTls: boolean;
}

/** Addresses with commas between them; what is in front of one says that TLS is spoken there. */
export function addresses(host: string, secure: string): Kind<readonly NodeAddress[]> {
  const one = address(host);
  const texts = list("");
  return {
    expects: `addresses with commas between them, such as ${host}:9094 or ${secure}${host}:9095`,
    read(given) {
      const found = texts.read(given)?.map((each) => {
        const isTls = each.startsWith(secure);
        const at = one.read(isTls ? each.slice(secure.length) : each);
        return at && { ...at, isTls };
      });
      return found?.every((each) => each !== undefined && each !== null) === true ? found : undefined;
    },
    show: (values) => values.map((each) => `${each.isTls ? secure : ""}${showAddress(each)}`).join(", "),
  };
}

/** `HOST:PORT`, with brackets around an IPv6 host. */
export function showAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function between(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}
