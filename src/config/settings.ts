/**
 * From what was given to what is in force. Sources in rising order: the defaults, the file, the environment, `--set`,
 * then the flags that have their own names (`--data`, `--memory`, `--listen`). Nothing is repaired in silence: all that
 * is wrong is collected and refused together, so that one round of editing is enough.
 */

import { resolve } from "node:path";
import { ConfigurationError } from "./configuration-error.ts";
import { notShown, structure, type Kind } from "./kinds.ts";
import { nearest } from "./nearest.ts";
import { optionKeys, options, variableOf, type OptionKey, type Settings } from "./options.ts";
import type { StartOptions } from "./start-options.ts";

/** One value as somebody gave it. */
export interface Given {
  readonly key: string;
  readonly text: string;
  /** Where: `entrepot.yaml:7`, `ENTREPOT_LOG_LEVEL`, `--set`. */
  readonly place: string;
}

export interface EffectiveSettings {
  readonly values: Settings;
  /** Each value as it would be written, and the place that it came from. */
  readonly shown: readonly { readonly key: OptionKey; readonly text: string; readonly place: string }[];
  /** What is odd and no error, for the log. */
  readonly warnings: readonly string[];
}

/** @throws ConfigurationError */
export async function settingsFor(start: StartOptions): Promise<EffectiveSettings> {
  const env = start.env ?? {};
  const file = start.config ?? env["ENTREPOT_CONFIG"];
  const fromFile = file === undefined ? [] : await (await import("./yaml-file.ts")).readYamlFile(file);
  const warnings: string[] = [];
  const ambient = [...fromFile, ...fromEnvironment(env, warnings)].filter(
    // With a --listen, only what the flags name listens.
    ({ key }) => start.listen === undefined || !(key.startsWith("listen.") || key === "kafka.nodes"),
  );
  const given = [...ambient, ...fromCode(start)];
  return { ...effective(given, start), warnings };
}

function effective(given: readonly Given[], start: StartOptions): Omit<EffectiveSettings, "warnings"> {
  const problems: string[] = [];
  if (start.memory === true && start.data !== undefined) {
    problems.push("--data and --memory: exclude each other; give one of them");
  }
  const valueByKey = new Map<OptionKey, { value: unknown; place: string }>();
  for (const { key, text, place } of given) {
    if (!isOptionKey(key)) {
      problems.push(`${place}: there is no option ${key}${suggestion(key)}`);
      continue;
    }
    const kind: Kind<unknown> = options[key].kind;
    const value = kind.read(text);
    // In a structure there may be passwords.
    const shown = kind === structure ? notShown : JSON.stringify(text);
    if (value === undefined) problems.push(`${place}: ${key} is ${shown}, which is not ${kind.expects}`);
    else valueByKey.set(key, { value, place });
  }
  if (problems.length > 0) throw new ConfigurationError(problems);

  const isListenGiven = start.listen !== undefined || [...valueByKey.keys()].some(isListen);
  const shown: EffectiveSettings["shown"][number][] = [];
  const values: Record<string, unknown> = {};
  for (const key of optionKeys) {
    const kind = options[key].kind as Kind<unknown>;
    const found = valueByKey.get(key);
    const isOff = found === undefined && isListenGiven && isListen(key);
    const value = isOff ? null : found === undefined ? kind.read(options[key].default) : found.value;
    values[key] = value;
    shown.push({ key, text: kind.show(value), place: isOff ? "others listen" : (found?.place ?? "default") });
  }
  return { values: values as Settings, shown };
}

/** Variables that are no options: the file of the configuration, and whom the command line asks as whom. */
const others: ReadonlySet<string> = new Set(["ENTREPOT_CONFIG", "ENTREPOT_URL", "ENTREPOT_USER", "ENTREPOT_PASSWORD"]);

function fromEnvironment(env: Readonly<Record<string, string | undefined>>, warnings: string[]): Given[] {
  const keyByVariable = new Map(optionKeys.map((key) => [variableOf(key), key]));
  const given: Given[] = [];
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith("ENTREPOT_") || others.has(variable) || text === undefined) continue;
    const key = keyByVariable.get(variable);
    if (key !== undefined) {
      given.push({ key, text, place: variable });
    } else {
      // No error: Kubernetes sets ENTREPOT_SERVICE_HOST and the like in every pod beside a service of that name.
      const meant = nearest(variable, [...keyByVariable.keys()]);
      warnings.push(`${variable} names no option${meant === undefined ? "" : `; did you mean ${meant}?`}`);
    }
  }
  return given;
}

function fromCode(start: StartOptions): Given[] {
  const given: Given[] = Object.entries(start.set ?? {}).map(([key, value]) => ({
    key,
    text: String(value),
    place: "--set",
  }));
  if (start.data !== undefined) given.push({ key: "data.directory", text: start.data, place: "--data" });
  // A directory that is asked for by name is meant, whatever a file says of memory.
  if (start.data !== undefined) given.push({ key: "data.inMemory", text: "false", place: "--data" });
  if (start.memory !== undefined) {
    given.push({ key: "data.inMemory", text: String(start.memory), place: "--memory" });
  }
  for (const [protocol, where] of Object.entries(start.listen ?? {})) {
    given.push({ key: `listen.${protocol}`, text: String(where), place: "--listen" });
  }
  return given;
}

/** The data directory as an absolute path. */
export function dataDirectory(settings: Settings): string {
  return resolve(settings["data.directory"]);
}

function isOptionKey(key: string): key is OptionKey {
  return Object.hasOwn(options, key);
}

function isListen(key: OptionKey): boolean {
  return key.startsWith("listen.");
}

function suggestion(key: string): string {
  const meant = nearest(key, optionKeys);
  return meant === undefined ? "; entrepot config --explain lists them" : `; did you mean ${meant}?`;
}
