/** Reads the rows of definitions field by field; what is wrong with one ends the reading, with RabbitMQ's text where it has any. */

import { shortStringBytesMax } from "./errors.ts";
import { shownJson } from "./erlang-json.ts";
import { isObject, type JsonObject } from "./parameter-checks.ts";
import { tableOfJson, whyNoTable } from "./json-table.ts";
import type { FieldTable } from "./field-table.ts";
import { unreadable } from "./shown-uri.ts";

/** Thrown within this part of the model only; whoever imports gets its text as a value. */
export class ImportFault extends Error {}

/** One row of a category. */
export class Row {
  readonly #category: string;
  readonly #fields: JsonObject;

  constructor(category: string, fields: JsonObject) {
    this.#category = category;
    this.#fields = fields;
  }

  get fields(): JsonObject {
    return this.#fields;
  }

  /** What it says, or undefined; `null` says nothing. */
  get(name: string): unknown {
    const value = Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
    return value === null ? undefined : value;
  }

  text(name: string): string {
    const value = this.get(name);
    return typeof value === "string" ? value : this.wrong(name, "must be a string");
  }

  /** Of something that does not exist yet: what a client could have named it. */
  newName(): string {
    const name = this.shortText("name");
    return name === "" ? this.wrong("name", "must not be empty") : name;
  }

  /** Text that fits into a short string. */
  shortText(name: string): string {
    const text = this.text(name);
    if (!text.isWellFormed()) return this.wrong(name, "must be Unicode");
    const bytes = Buffer.byteLength(text);
    return bytes <= shortStringBytesMax ? text : this.wrong(name, `must have at most 255 bytes, and has ${bytes}`);
  }

  optionalText(name: string): string | undefined {
    return this.get(name) === undefined ? undefined : this.text(name);
  }

  boolean(name: string): boolean {
    const value = this.get(name);
    return typeof value === "boolean" ? value : this.wrong(name, "must be true or false");
  }

  optionalBoolean(name: string): boolean {
    return this.get(name) === undefined ? false : this.boolean(name);
  }

  /** Text of words with commas between them, or a list of words. */
  words(name: string): readonly string[] {
    const value = this.get(name);
    if (value === undefined) return [];
    const words = typeof value === "string" ? value.split(",") : value;
    if (!Array.isArray(words) || words.some((word) => typeof word !== "string")) {
      return this.wrong(name, "must be a string or a list of strings");
    }
    return (words as string[]).map((word) => word.trim()).filter((word) => word !== "");
  }

  arguments(): FieldTable {
    const value = this.get("arguments");
    const table = tableOfJson(value);
    if (table !== undefined) return table;
    if (isObject(value)) throw new ImportFault(whyNoTable(value));
    return this.wrong("arguments", "must be an object");
  }

  /** `queues: name must be a string (in {"vhost":"/"})` */
  wrong(name: string, text: string): never {
    throw new ImportFault(`${this.#category}: ${name} ${text} (in ${shown(this.#fields)})`);
  }
}

/** The rows of a category; none if it is not there. */
export function rowsOf(definitions: JsonObject, category: string): readonly Row[] {
  const list = Object.hasOwn(definitions, category) ? definitions[category] : undefined;
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) throw new ImportFault(`${category} must be a list`);
  return list.map((fields) => {
    if (!isObject(fields)) throw new ImportFault(`${category} must be a list of objects`);
    return new Row(category, fields);
  });
}

const secrets: ReadonlySet<string> = new Set(["password", "password_hash"]);

/** Short enough for a log, without secrets. */
function shown(fields: JsonObject): string {
  const text = JSON.stringify(fields, (name, value: unknown) => {
    if (secrets.has(name)) return "[secret]";
    return typeof value === "string" && value.includes("://") ? unreadable(value) : value;
  });
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}

/** A text as it is, anything else as Erlang prints it. */
export function shownText(value: unknown): string {
  return typeof value === "string" ? value : shownJson(value);
}
