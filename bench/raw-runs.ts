// All that a benchmark has measured, as it was measured: the page and its charts are made of it and of nothing else. Each run is
// appended to a file as soon as it ended, a line of JSON each, so that what was measured is not lost when something fails or
// somebody interrupts; `npm run bench -- --from FILE` makes the page of it later.

import { appendFileSync, readFileSync } from "node:fs";
import { type Here, together } from "./here.ts";
import type { LoadResult } from "./load-options.ts";

/** Of what, and with what, a benchmark is. */
export interface About extends Here {
  /** By the contestant's name. */
  readonly versions: Readonly<Record<string, string>>;
  readonly pairs: number;
  readonly growthPairs: number;
  readonly secondsEach: number;
  /** How many files a process on the machine may open. */
  readonly openFilesMax: number;
}

export type Part =
  | "rows"
  | "growth"
  | "kafka-growth"
  | "latency"
  | "start"
  | "backlog"
  | "delayed"
  | "disk"
  | "perf-test";

export interface RawRun {
  readonly part: Part;
  /** Of a row or a curve; else the part again. */
  readonly id: string;
  /** What grows, on a curve. */
  readonly x?: number;
  /** Who was measured. */
  readonly name: string;
  /** Absent: it failed. */
  readonly result?: LoadResult;
  readonly failure?: string;
}

/** Cores that other programs may take of a run; more, and it is disturbed. */
export const othersCoresMax = 0.5;
/** With so many that were not disturbed, the others are left out. */
export const calmRunsMin = 2;

/** Of a run that does not say what others took, nobody knows. */
export function isDisturbed({ othersCores }: LoadResult): boolean {
  return typeof othersCores === "number" && othersCores > othersCoresMax;
}

export class RawRuns {
  readonly about: About;
  readonly all: RawRun[] = [];
  readonly #path: string | undefined;

  /** @param path where each run is appended; undefined: nowhere */
  constructor(about: About, path?: string) {
    this.about = about;
    this.#path = path;
    this.#append(about);
  }

  add(run: RawRun): void {
    this.all.push(run);
    this.#append(run);
  }

  #append(line: RawRun | About): void {
    if (this.#path !== undefined) appendFileSync(this.#path, `${JSON.stringify(line)}\n`);
  }

  /** The runs that count there, in order; of a curve at `x`. Disturbed ones do where too few are left without. */
  of(part: Part, id: string, name: string, x?: number): LoadResult[] {
    const all = this.allOf(part, id, name, x);
    const calm = all.filter((result) => !isDisturbed(result));
    return calm.length >= calmRunsMin ? calm : all;
  }

  /** What was measured there, in order; of a curve at `x`. */
  allOf(part: Part, id: string, name: string, x?: number): LoadResult[] {
    return this.all.flatMap((run) =>
      run.part === part && run.id === id && run.name === name && run.x === x && run.result ? [run.result] : [],
    );
  }
}

/**
 * Reads what benchmarks have appended, on one day or several, with the same settings. Errors: no such file, one does not begin with
 * what it is about, or it was measured with other settings than the first.
 */
export function readRawRuns(paths: readonly string[]): RawRuns {
  const files = paths.map((path) => {
    const lines = readFileSync(path, "utf8").split("\n");
    const [about, ...runs] = lines.filter((line) => line !== "").map((line) => JSON.parse(line) as About | RawRun);
    if (about === undefined || !("versions" in about)) throw new Error(`${path} is not of a benchmark`);
    return { about, runs: runs as RawRun[] };
  });
  const abouts = files.map(({ about }) => about);
  for (const [at, about] of abouts.entries()) {
    for (const setting of ["pairs", "growthPairs", "secondsEach"] as const)
      if (about[setting] !== abouts[0]![setting])
        throw new Error(`${setting}: ${abouts[0]![setting]} in ${paths[0]}, ${about[setting]} in ${paths[at]}`);
  }
  const raw = new RawRuns({
    ...abouts[0]!,
    ...together(abouts),
    versions: Object.assign({}, ...abouts.map(({ versions }) => versions)) as About["versions"],
  });
  for (const { runs } of files) for (const run of runs) raw.add(run);
  return raw;
}
