/**
 * What goes wrong, in AMQP's terms. A handler that refuses returns a `Fault`; its kind says the reply code and whether
 * the channel or the connection ends (frames.ts has the table), its explanation is RabbitMQ's, word for word, since
 * clients and their tests match on it. Erlang's way of printing terms is part of some of those words: `erlang` does it.
 */

import { fieldTypeNames, type FieldValue } from "./field-table.ts";
import { replyCodes } from "./reply-codes.ts";

export type FaultKind = Exclude<keyof typeof replyCodes, "success">;

/** A refusal. A value to be returned, never thrown. */
export class Fault {
  readonly kind: FaultKind;
  readonly explanation: string;

  constructor(kind: FaultKind, explanation: string) {
    this.kind = kind;
    this.explanation = explanation;
  }

  get code(): number {
    return replyCodes[this.kind].code;
  }

  get closesConnection(): boolean {
    return replyCodes[this.kind].closes === "connection";
  }

  /** As it is sent: `NOT_FOUND - no queue 'x' in vhost '/'`, cut to what a short string holds. */
  get replyText(): string {
    const { text } = replyCodes[this.kind];
    return this.explanation === "" ? text : cutShort(`${text} - ${this.explanation}`);
  }
}

export const shortStringBytesMax = 255;

function cutShort(text: string): string {
  if (Buffer.byteLength(text) <= shortStringBytesMax) return text;
  let cut = Buffer.from(text).toString("utf8", 0, shortStringBytesMax - 3);
  // A character that was cut in two became a replacement character, which may be longer than what it replaces.
  while (Buffer.byteLength(cut) > shortStringBytesMax - 3) cut = cut.slice(0, -1);
  return `${cut}...`;
}

/** `queue 'orders' in vhost '/'` */
export function resource(kind: "queue" | "exchange", name: string, vhost: string): string {
  return `${kind} '${name}' in vhost '${vhost}'`;
}

export function notFound(kind: "queue" | "exchange", name: string, vhost: string): Fault {
  return new Fault("notFound", `no ${resource(kind, name, vhost)}`);
}

export function lockedQueue(name: string, vhost: string): Fault {
  return new Fault(
    "resourceLocked",
    `cannot obtain exclusive access to locked ${resource("queue", name, vhost)}. It could be originally declared on ` +
      "another connection or the exclusive property value does not match that of the original declaration.",
  );
}

/** Bytes as Erlang prints a binary: `<<"text">>` if all of it is printable, else `<<0,10>>`. */
export function erlangBinary(bytes: Uint8Array): string {
  if (bytes.every(isPrintable) && bytes.length > 0) return `<<"${escaped(Buffer.from(bytes).toString("latin1"))}">>`;
  return `<<${bytes.join(",")}>>`;
}

/** A string as Erlang prints a list of characters. */
export function erlangString(text: string): string {
  return `"${escaped(text)}"`;
}

function isPrintable(byte: number): boolean {
  return (byte >= 0x20 && byte < 0x7f) || byte >= 0xa0 || (byte >= 8 && byte <= 13) || byte === 27;
}

const escapes: Readonly<Record<string, string>> = {
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\v": "\\v",
  "\f": "\\f",
  "\r": "\\r",
  "\x1b": "\\e",
  '"': '\\"',
  "\\": "\\\\",
};

function escaped(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\b\t\n\v\f\r\x1b"\\]/g, (character) => escapes[character]!);
}

/** A field's value as Erlang prints it. */
export function erlangValue(value: FieldValue): string {
  switch (value.type) {
    case "S":
    case "x":
      return erlangBinary(Buffer.from(value.value));
    case "A":
      return `[${value.value.map((element) => `{${fieldTypeNames[element.type]},${erlangValue(element)}}`).join(",")}]`;
    case "F":
      return `[${value.value
        .map((f) => `{${erlangBinary(Buffer.from(f.name))},${fieldTypeNames[f.value.type]},${erlangValue(f.value)}}`)
        .join(",")}]`;
    case "V":
      return "undefined";
    case "D":
      return `{${value.scale},${value.value}}`;
    case "f":
    case "d":
      return Number.isInteger(value.value) ? `${value.value}.0` : `${value.value}`;
    default:
      return String(value.value);
  }
}

/** A value inside an error's text: strings as they are, the rest as Erlang prints it. */
export function shownValue(value: FieldValue): string {
  return value.type === "S" ? value.value.toString() : erlangValue(value);
}
