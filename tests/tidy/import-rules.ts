/** Rules about who imports whom. */

import { builtins, doors, folderOf, mainFiles, packages, rankOf } from "./layers.ts";
import { isTest, type Import, type Refusal, type SourceFile } from "./tree.ts";

/** Imports go to a lower rank, or stay in the same folder; protocols never import each other. */
export function ranks(files: readonly SourceFile[]): Refusal[] {
  const refusals: Refusal[] = [];
  for (const file of files) {
    if (!file.path.startsWith("src/")) continue;
    const rank = rankOf(file.path);
    if (rank === undefined) {
      refusals.push({
        path: file.path,
        what: "stands in no folder of the plan",
        why: "a file's folder says what it may know; a new folder gets its rank in tests/tidy/layers.ts first",
      });
      continue;
    }
    for (const { target, line } of file.imports) {
      if (target === undefined) continue;
      if (!target.startsWith("src/")) {
        if (isTest(file.path)) continue;
        const why = "what is shipped does not depend on tests, benchmarks or the simulator";
        refusals.push({ path: file.path, line, what: `imports ${target}`, why });
        continue;
      }
      const why = climbs(file.path, rank, target);
      if (why !== undefined) refusals.push({ path: file.path, line, what: `imports ${target}`, why });
    }
  }
  return refusals;
}

function climbs(path: string, rank: number, target: string): string | undefined {
  const from = folderOf(path);
  const to = folderOf(target);
  if (mainFiles.includes(path) || from === to) return undefined;
  const targetRank = rankOf(target) ?? Number.POSITIVE_INFINITY;
  if (targetRank < rank) return undefined;
  if (from?.startsWith("protocols") === true && to?.startsWith("protocols") === true) {
    // What stands directly in protocols/ is what all of them share: the adapter's interface, the registry.
    if (from === "protocols" || to === "protocols") return undefined;
    return "protocols never import each other: each can be added, changed and removed alone; what two of them need goes below";
  }
  if (targetRank === rank)
    return `${from} and ${to} have the same rank, and do not see each other; what both need goes below`;
  return `imports point down, and ${to ?? target} is above ${from}; hand it in from above, or move it below`;
}

/** Of broker/ and log/ one file is seen from outside; main joins the parts. */
export function frontDoors(files: readonly SourceFile[]): Refusal[] {
  const refusals: Refusal[] = [];
  for (const file of files) {
    if (isTest(file.path) || mainFiles.includes(file.path)) continue;
    for (const { target, line } of file.imports) {
      for (const [folder, door] of Object.entries(doors)) {
        if (target?.startsWith(folder) !== true || target === door || file.path.startsWith(folder)) continue;
        const why = `${folder} is entered by ${door} only, so that what is behind it can change`;
        refusals.push({ path: file.path, line, what: `imports ${target}`, why });
      }
    }
  }
  return refusals;
}

/** Third-party packages and the parts of Node that reach outside stand on a list with their places. */
export function strangers(files: readonly SourceFile[]): Refusal[] {
  const refusals: Refusal[] = [];
  for (const file of files) {
    for (const each of file.imports) {
      if (each.target !== undefined) continue;
      const why = strangerRefused(file.path, each);
      if (why !== undefined)
        refusals.push({ path: file.path, line: each.line, what: `imports ${each.specifier}`, why });
    }
  }
  return refusals;
}

function strangerRefused(path: string, { specifier, isType }: Import): string | undefined {
  const isMain = mainFiles.includes(path);
  if (specifier.startsWith("node:")) {
    const rule = builtins.find(({ name }) => name === specifier);
    if (rule === undefined || isType || isTest(path) || isMain || isWithin(path, rule.where)) return undefined;
    return `only ${rule.where.join(", ")} and main may: ${rule.reason}`;
  }
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  const rule = packages.find((each) => each.name === name);
  if (rule === undefined) {
    return "a package that is not on the list of tests/tidy/layers.ts: each one is code that we answer for; add it with its reason";
  }
  return isWithin(path, rule.where) ? undefined : `only ${rule.where.join(", ")} may: it is there for ${rule.reason}`;
}

function isWithin(path: string, where: readonly string[]): boolean {
  return where.some((each) => (each === "test" ? isTest(path) : path.startsWith(each)));
}

/**
 * No file needs itself, by way of others, to run. Types may point back, from a part to the whole that it serves: across
 * folders the ranks forbid that already, and within one it is how a part says whose it is.
 */
export function cycles(files: readonly SourceFile[]): Refusal[] {
  const fileByPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const trail: string[] = [];
  const refusals: Refusal[] = [];
  const follow = (file: SourceFile): void => {
    if (done.has(file.path)) return;
    trail.push(file.path);
    for (const { target, isDynamic, isType, line } of file.imports) {
      if (target === undefined || isDynamic || isType) continue;
      const at = trail.indexOf(target);
      if (at >= 0) {
        const circle = [...trail.slice(at), target].join(" → ");
        const why = "files that need each other cannot be understood or tested apart: move what both need into a third";
        refusals.push({ path: file.path, line, what: `closes a circle: ${circle}`, why });
      } else {
        const next = fileByPath.get(target);
        if (next !== undefined) follow(next);
      }
    }
    trail.pop();
    done.add(file.path);
  };
  files.forEach(follow);
  return refusals;
}
