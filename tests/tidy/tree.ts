/** The source tree as the rules see it: each file parsed once, with what it imports, declares and mentions. */

import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { parseSync, visitorKeys, type Program } from "oxc-parser";

export type AstNode = Readonly<Record<string, unknown>> & { readonly type: string; readonly start: number };

export interface Import {
  /** As written: `./clock.ts`, `node:fs`, `yaml`. */
  readonly specifier: string;
  /** Path in the tree that a relative specifier leads to. */
  readonly target: string | undefined;
  /** Only types: gone at run time. */
  readonly isType: boolean;
  readonly isDynamic: boolean;
  readonly line: number;
}

export interface SourceFile {
  /** From the root of the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly program: Program;
  readonly imports: readonly Import[];
  readonly comments: readonly { readonly text: string; readonly line: number }[];
  lineAt(position: number): number;
}

/** What a rule found, and why it is refused. */
export interface Refusal {
  readonly path: string;
  readonly line?: number | undefined;
  readonly what: string;
  readonly why: string;
}

/** All files below `folders` with one of these endings, by path. */
export function readTree(root: string, folders: readonly string[], endings: readonly string[]): Map<string, string> {
  const textByPath = new Map<string, string>();
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory()) {
        if (entry.name !== "node_modules" && entry.name !== "dist") walk(path);
      } else if (endings.some((ending) => path.endsWith(ending))) {
        textByPath.set(path, readFileSync(join(root, path), "utf8"));
      }
    }
  };
  const present = new Set(readdirSync(root));
  for (const folder of folders) if (present.has(folder)) walk(folder);
  return textByPath;
}

/** @throws Error if the text is no TypeScript. */
export function parseFile(path: string, text: string): SourceFile {
  const { program, module, comments, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]!.message}`);
  const lineStarts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lineStarts.push(at + 1);
  const lineAt = (position: number): number => lineStarts.findLastIndex((start) => start <= position) + 1;

  const imports: Import[] = [];
  const add = (specifier: string, position: number, isType: boolean, isDynamic: boolean): void => {
    const target = specifier.startsWith(".") ? posix.join(posix.dirname(path), specifier) : undefined;
    imports.push({ specifier, target, isType, isDynamic, line: lineAt(position) });
  };
  for (const { moduleRequest, entries, start } of module.staticImports) {
    // `import "./x.ts"` has no entries, and is there for its effect.
    const isType = entries.length > 0 && entries.every((entry) => entry.isType);
    add(moduleRequest.value, start, isType, false);
  }
  for (const { entries } of module.staticExports) {
    for (const { moduleRequest, start, isType } of entries) {
      if (moduleRequest !== null) add(moduleRequest.value, start, isType, false);
    }
  }
  for (const { moduleRequest } of module.dynamicImports) {
    const literal = /^["'`]([^"'`]+)["'`]$/.exec(text.slice(moduleRequest.start, moduleRequest.end))?.[1];
    if (literal !== undefined) add(literal, moduleRequest.start, false, true);
  }
  return {
    path,
    text,
    program,
    imports,
    comments: comments.map(({ value, start }) => ({ text: value, line: lineAt(start) })),
    lineAt,
  };
}

/** Calls `visit` for each node of the file, parents first. */
export function visitNodes(file: SourceFile, visit: (node: AstNode, parent: AstNode | undefined) => void): void {
  const walk = (node: AstNode, parent: AstNode | undefined): void => {
    visit(node, parent);
    for (const key of visitorKeys[node.type] ?? []) {
      const child = node[key];
      if (Array.isArray(child)) {
        for (const each of child) if (isNode(each)) walk(each, node);
      } else if (isNode(child)) {
        walk(child, node);
      }
    }
  };
  walk(file.program as unknown as AstNode, undefined);
}

export function isNode(value: unknown): value is AstNode {
  return typeof value === "object" && value !== null && "type" in value;
}

/** `a.b` for a member expression of plain names, `a` for a name, else undefined. */
export function dottedName(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === "Identifier") return String(node["name"]);
  if (node.type !== "MemberExpression" || node["computed"] === true) return undefined;
  const object = dottedName(node["object"]);
  return object === undefined ? undefined : `${object}.${dottedName(node["property"])}`;
}

export function isTest(path: string): boolean {
  return path.endsWith(".test.ts") || path.endsWith(".suite.ts") || !path.startsWith("src/");
}
