/**
 * Reads a configuration file: YAML, in which `journal.fileBytes: 64MiB` and `journal: { fileBytes: 64MiB }` say the
 * same. Gives back the scalars as text, each with its dotted key and its place, and leaves the judgement to `settings.ts`.
 * The parser is loaded only when there is a file: it costs 30 ms, a third of an ordinary start.
 */

import { readFileSync } from "node:fs";
import { ConfigurationError } from "./configuration-error.ts";
import { structure } from "./kinds.ts";
import { options, type OptionKey } from "./options.ts";
import type { Given } from "./settings.ts";

/** @throws ConfigurationError if the file cannot be read or is no YAML. */
export async function readYamlFile(path: string): Promise<Given[]> {
  let source: string;
  try {
    source = readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigurationError([`--config ${path}: cannot be read: ${(error as Error).message}`]);
  }
  const { isMap, isScalar, isSeq, LineCounter, parseDocument } = await import("yaml");
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const [first] = document.errors;
  if (first !== undefined) {
    throw new ConfigurationError([`${path}:${lines.linePos(first.pos[0]).line}: is no YAML: ${first.message}`]);
  }

  const given: Given[] = [];
  const problems: string[] = [];
  const walk = (node: unknown, prefix: string, place: string): void => {
    if (isStructure(prefix)) {
      const value: unknown = isScalar(node) ? node.value : (node as { toJSON(): unknown } | null)?.toJSON();
      given.push({ key: prefix, text: typeof value === "string" ? value : JSON.stringify(value ?? {}), place });
    } else if (isMap(node)) {
      for (const pair of node.items) {
        const key = String(isScalar(pair.key) ? pair.key.value : pair.key);
        const range = (pair.key as { range?: [number, number, number] } | null)?.range;
        const line = range === undefined ? "" : `:${lines.linePos(range[0]).line}`;
        walk(pair.value, prefix === "" ? key : `${prefix}.${key}`, `${path}${line}`);
      }
    } else if (
      prefix !== "" &&
      isSeq(node) &&
      node.items.every((item) => isScalar(item) && typeof item.value !== "object")
    ) {
      const texts = node.items.map((item) => (isScalar(item) ? asWritten(item) : ""));
      given.push({ key: prefix, text: JSON.stringify(texts), place });
    } else if (prefix === "") {
      if (node !== null) problems.push(`${path}: is not a map of options, such as "log.level: debug"`);
    } else {
      const value: unknown = isScalar(node) ? node.value : undefined;
      if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
        const text = asWritten(node as Scalar);
        // A number that only YAML knows how to write (0x10, 1e5) is one, where a number is wanted.
        given.push({ key: prefix, text: takes(prefix, text) ? text : String(value), place });
      } else {
        problems.push(`${place}: ${prefix} has no single value`);
      }
    }
  };
  walk(document.contents, "", path);
  if (problems.length > 0) throw new ConfigurationError(problems);
  return given;
}

interface Scalar {
  readonly value: unknown;
  readonly source?: string;
}

/** What is a number or a boolean to YAML may be a text here: a password of digits begins with its zeros. */
function asWritten({ value, source }: Scalar): string {
  return typeof value === "string" ? value : (source ?? String(value));
}

function takes(key: string, text: string): boolean {
  return !Object.hasOwn(options, key) || options[key as OptionKey].kind.read(text) !== undefined;
}

/** Whether all that stands below this key is one value. */
function isStructure(key: string): boolean {
  return Object.hasOwn(options, key) && options[key as OptionKey].kind === structure;
}
