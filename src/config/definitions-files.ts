/** Reads the definitions that are to be imported at the start: one JSON file, or all `.json` files of a directory, by name. */

import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { ConfigurationError } from "./configuration-error.ts";

export interface DefinitionsFile {
  readonly path: string;
  readonly definitions: unknown;
}

export interface DefinitionsFiles {
  readonly files: readonly DefinitionsFile[];
  /** Of all their contents. */
  readonly hash: string;
}

/** @throws ConfigurationError if a file cannot be read, or is no JSON. */
export async function readDefinitions(path: string): Promise<DefinitionsFiles> {
  const hash = createHash("sha256");
  const files: DefinitionsFile[] = [];
  for (const each of await pathsOf(path)) {
    const bytes = await readFile(each).catch((error: unknown) => refuse(each, error));
    hash.update(bytes);
    try {
      // Editors of other systems begin a file with a mark.
      const json = bytes.toString("utf8").replace(/^\ufeff/, "");
      files.push({ path: each, definitions: json.trim() === "" ? {} : JSON.parse(json) });
    } catch (error) {
      refuse(each, error);
    }
  }
  return { files, hash: hash.digest("base64") };
}

async function pathsOf(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch((error: unknown) => refuse(path, error));
  if (!found.isDirectory()) return [path];
  const names = await readdir(path);
  return names
    .filter((name) => name.endsWith(".json"))
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map((name) => join(path, name));
}

function refuse(path: string, error: unknown): never {
  throw new ConfigurationError([`definitions.importFile: ${path}: ${(error as Error).message}`]);
}
