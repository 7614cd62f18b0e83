/**
 * The rules of the house, over a tree of files. Types, unused exports, layout and common slips are left to tsc, knip, oxfmt
 * and oxlint; here stands what only this project can know. Each rule is a function from the parsed files to refusals,
 * and each refusal says why, so that whoever meets it learns the idea and not only the prohibition.
 */

import { ambientState, comments, names, neutrality, shapes } from "./code-rules.ts";
import { cycles, frontDoors, ranks, strangers } from "./import-rules.ts";
import { parseFile, type Refusal, type SourceFile } from "./tree.ts";
import { walk } from "./walk-rule.ts";

const rules: readonly ((files: readonly SourceFile[]) => Refusal[])[] = [
  ranks,
  frontDoors,
  strangers,
  cycles,
  ambientState,
  shapes,
  names,
  neutrality,
  comments,
];

/**
 * @param textByPath every TypeScript file of src, tests, sim and bench, by its path from the root
 * @param architecture the text of docs/ARCHITECTURE.md, undefined if there is none
 */
export function checkTree(textByPath: ReadonlyMap<string, string>, architecture: string | undefined): Refusal[] {
  const files = [...textByPath].map(([path, text]) => parseFile(path, text));
  return [...rules.flatMap((rule) => rule(files)), ...walk(files, architecture)];
}

/** `src/wire/x.ts:3 imports src/broker/api.ts: imports point down, …` */
export function showRefusal({ path, line, what, why }: Refusal): string {
  return `${path}${line === undefined ? "" : `:${line}`} ${what}: ${why}`;
}
