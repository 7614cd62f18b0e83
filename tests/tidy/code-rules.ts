/** Rules about what stands in a file, and what it is called. */

import { basename } from "node:path";
import { ambient, ambientFolders, folderOf, mainFiles } from "./layers.ts";
import { dottedName, isNode, isTest, visitNodes, type AstNode, type Refusal, type SourceFile } from "./tree.ts";

/** Clock, timers, chance and environment only in base, config and main; everyone else is handed them. */
export function ambientState(files: readonly SourceFile[]): Refusal[] {
  const refusals: Refusal[] = [];
  for (const file of files) {
    if (isTest(file.path) || mainFiles.includes(file.path)) continue;
    if (ambientFolders.includes(folderOf(file.path) ?? "")) continue;
    const refuse = (node: AstNode, what: string, instead: string): void => {
      const why = `everyone but ${ambientFolders.join(", ")} and main is handed ${instead}, so that a seed replays a run`;
      refusals.push({ path: file.path, line: file.lineAt(node.start), what: `uses ${what}`, why });
    };
    visitNodes(file, (node) => {
      if (node.type === "NewExpression" && dottedName(node["callee"]) === "Date") {
        if ((node["arguments"] as unknown[]).length === 0) refuse(node, "new Date()", "a Clock");
        return;
      }
      const isReach = node.type === "CallExpression" || node.type === "MemberExpression";
      const name = isReach ? dottedName(node.type === "CallExpression" ? node["callee"] : node) : undefined;
      // A call of a member is seen again as that member: it is counted there, once.
      if (name === undefined || (node.type === "CallExpression" && name.includes("."))) return;
      const plain = name.replace(/^globalThis\./, "");
      if (Object.hasOwn(ambient, plain)) refuse(node, plain, ambient[plain]!);
    });
  }
  return refusals;
}

/** No default exports, no barrels, no inheritance but of errors, no decorators, no EventEmitter in the core. */
export function shapes(files: readonly SourceFile[]): Refusal[] {
  return files.flatMap((file) => {
    const refusals: Refusal[] = [];
    const refuse = (node: AstNode, what: string, why: string): void => {
      refusals.push({ path: file.path, line: file.lineAt(node.start), what, why });
    };
    visitNodes(file, (node) => {
      if (node.type === "ExportDefaultDeclaration") {
        refuse(node, "has a default export", "a thing has one name, at home and where it is used");
      } else if (node.type === "ExportAllDeclaration") {
        refuse(
          node,
          "exports all of another file",
          "an import leads to where a thing is made, not to a shelf of copies",
        );
      } else if (node.type === "Decorator") {
        refuse(node, "has a decorator", "what happens is written where it happens");
      } else if (node.type === "ClassDeclaration" || node.type === "ClassExpression") {
        const parent = dottedName(node["superClass"]) ?? (isNode(node["superClass"]) ? "an expression" : undefined);
        if (parent !== undefined && !parent.endsWith("Error") && !isTest(file.path)) {
          refuse(node, `extends ${parent}`, "only errors inherit; everything else is composed of parts");
        }
      }
    });
    const statements = file.program.body as unknown as AstNode[];
    const isShelf = (node: AstNode): boolean => node.type === "ExportNamedDeclaration" && isNode(node["source"]);
    if (statements.length > 0 && statements.every((each) => isShelf(each) || each.type === "ImportDeclaration")) {
      if (statements.some(isShelf)) {
        refuse(
          statements[0]!,
          "only passes on what others export",
          "a barrel hides where things are, and loads all of it",
        );
      }
    }
    const isCore = ["base", "observe", "wire", "log", "broker"].includes(folderOf(file.path) ?? "");
    for (const { specifier, line } of file.imports) {
      if (!isCore || isTest(file.path) || !/^(node:)?events$/.test(specifier)) continue;
      const why = "in the core, who is told what stands in plain calls, in a plain order";
      refusals.push({ path: file.path, line, what: `imports ${specifier}`, why });
    }
    return refusals;
  });
}

const emptyWords = ["manager", "helper", "util", "common", "misc", "data", "info", "process", "item"];

/** Files are kebab-case; neither they nor what they export has a name that says nothing. */
export function names(files: readonly SourceFile[]): Refusal[] {
  return files.flatMap((file) => {
    const refusals: Refusal[] = [];
    const stem = basename(file.path).replace(/(\.(test|suite|d))?\.ts$/, "");
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(stem)) {
      refusals.push({
        path: file.path,
        what: "is not in kebab-case",
        why: "one way to write a name is enough to find it",
      });
    }
    const why = "the word would fit anything: say what it does";
    const words = stem.split("-");
    if (isEmptyName(words)) refusals.push({ path: file.path, what: `is called ${stem}`, why });
    for (const { name, start } of exportedNames(file)) {
      const parts = name.split(/(?<=[a-z0-9])(?=[A-Z])|_/).map((each) => each.toLowerCase());
      if (isEmptyName(parts)) {
        refusals.push({ path: file.path, line: file.lineAt(start), what: `exports ${name}`, why });
      }
    }
    return refusals;
  });
}

/** Empty as a whole, or a person of empty trade: `data`, `QueueManager`, `stringUtils`; but not `dataDirectory`. */
function isEmptyName(words: readonly string[]): boolean {
  const last = words.at(-1)!.replace(/s$/, "");
  if (words.length === 1) return emptyWords.includes(last) || emptyWords.includes(words[0]!);
  return ["manager", "helper", "util", "misc"].includes(last);
}

function exportedNames(file: SourceFile): { name: string; start: number }[] {
  const found: { name: string; start: number }[] = [];
  for (const statement of file.program.body as unknown as AstNode[]) {
    if (statement.type !== "ExportNamedDeclaration" || !isNode(statement["declaration"])) continue;
    const declaration = statement["declaration"];
    const declared =
      declaration.type === "VariableDeclaration" ? (declaration["declarations"] as AstNode[]) : [declaration];
    for (const each of declared) {
      const name = dottedName(each["id"]);
      if (name !== undefined) found.push({ name, start: each.start });
    }
  }
  return found;
}

/** Names of formats that are kept and exchanged as they are: whatever protocol a user logs in by, the hash is of this kind. */
const namesOfFormats: Readonly<Record<string, RegExp>> = { auth: /^rabbit_password_hashing_(?:sha256|sha512|md5)$/ };

const belowProtocols = ["base", "observe", "wire", "log", "broker", "auth", "server"];

/** No word of a protocol in the code below protocols/; comments may compare. */
export function neutrality(files: readonly SourceFile[]): Refusal[] {
  const refusals: Refusal[] = [];
  for (const file of files) {
    if (isTest(file.path) || !belowProtocols.includes(folderOf(file.path) ?? "")) continue;
    visitNodes(file, (node) => {
      const isWord = node.type === "Identifier" || node.type === "Literal" || node.type === "TemplateElement";
      if (!isWord) return;
      const value = node["name"] ?? node["value"];
      const word = typeof value === "string" ? value : JSON.stringify(value ?? "");
      const found = /amqp|rabbit|kafka|openwire|pulsar|jetstream/i.exec(word)?.[0];
      if (found === undefined || namesOfFormats[folderOf(file.path) ?? ""]?.test(word) === true) return;
      refusals.push({
        path: file.path,
        line: file.lineAt(node.start),
        what: `says ${found}`,
        why: "the core serves every protocol alike; a protocol's words stay in its folder",
      });
    });
  }
  return refusals;
}

/** What is not done is an issue, not a comment; code that is not run is not kept. */
export function comments(files: readonly SourceFile[]): Refusal[] {
  return files.flatMap((file) =>
    file.comments
      .filter(({ text }) => /\b(TODO|FIXME|XXX|HACK)\b/.test(text))
      .map(({ text, line }) => ({
        path: file.path,
        line,
        what: `says ${text.trim().slice(0, 40)}`,
        why: "a promise in a comment is forgotten: do it, or file it",
      })),
  );
}
