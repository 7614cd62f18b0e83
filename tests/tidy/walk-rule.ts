/**
 * Each file and symbol that docs/ARCHITECTURE.md names exists: `src/broker/api.ts` in backquotes is a path from the root,
 * and `name()` in backquotes is something declared in a file that the same line names, or anywhere if it names none.
 */

import { isNode, visitNodes, dottedName, type Refusal, type SourceFile } from "./tree.ts";

const documentPath = "docs/ARCHITECTURE.md";

export function walk(files: readonly SourceFile[], document: string | undefined): Refusal[] {
  if (document === undefined) {
    return [{ path: documentPath, what: "is missing", why: "a newcomer's first page shows the path of one message" }];
  }
  const fileByPath = new Map(files.map((file) => [file.path, file]));
  const refusals: Refusal[] = [];
  document.split("\n").forEach((text, index) => {
    const refuse = (what: string): void => {
      const why = "a map that is wrong is worse than none: correct it together with the code";
      refusals.push({ path: documentPath, line: index + 1, what, why });
    };
    const quoted = [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
    const named: SourceFile[] = [];
    for (const path of quoted.filter((each) => /^[\w./-]+\.ts$/.test(each))) {
      const file = fileByPath.get(path);
      if (file === undefined) refuse(`names ${path}, which does not exist`);
      else named.push(file);
    }
    for (const call of quoted.filter((each) => /^[\w.#]+\(\)$/.test(each))) {
      const symbol = call.slice(0, -2).split(/[.#]/).at(-1)!;
      const where = named.length > 0 ? named : files;
      if (!where.some((file) => declares(file, symbol))) {
        const looked = named.length === 0 ? "any file" : named.map(({ path }) => path).join(", ");
        refuse(`names ${call}, which is not declared in ${looked}`);
      }
    }
  });
  return refusals;
}

function declares(file: SourceFile, symbol: string): boolean {
  let isFound = false;
  visitNodes(file, (node) => {
    const name = node["id"] ?? (isMember(node.type) ? node["key"] : undefined);
    const privately = isNode(name) && name.type === "PrivateIdentifier" ? String(name["name"]) : undefined;
    if ((privately ?? dottedName(name)) === symbol) isFound = true;
  });
  return isFound;
}

function isMember(type: string): boolean {
  return /^(TSAbstract)?(MethodDefinition|PropertyDefinition)$|^TS(MethodSignature|PropertySignature)$|^Property$/.test(
    type,
  );
}
