/** Rounds until the time is over, with a line for each, and what was found with where it is kept. */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { Chance } from "../sim/chance.ts";
import { programPath } from "./broker.ts";
import type { Options } from "./options.ts";
import { planRound, shimFaults, type FaultKind } from "./plan.ts";
import { runRound, type RoundResult } from "./round.ts";
import { compileShim } from "./shim.ts";
import { Stage } from "./stage.ts";
import { Tally } from "./tally.ts";

const shownMax = 20;
const loadMsMin = 8000;

export class Run {
  readonly directory: string;
  readonly tally = new Tally();
  findings = 0;
  sent = 0;
  got = 0;
  readonly #options: Options;
  readonly #kinds: readonly FaultKind[];
  readonly #shim: string | undefined;
  readonly #say: (line: string) => void;
  #lives = 0;
  #round: number;

  constructor(options: Options, say: (line: string) => void) {
    this.#options = options;
    this.#say = say;
    if (!existsSync(programPath)) throw new Error(`there is no ${programPath}: npm run build makes dist/main.js`);
    this.#round = options.fromRound;
    this.directory = mkdtempSync(join(options.directory ?? tmpdir(), "entrepot-torture-"));
    const shim = compileShim(this.directory);
    this.#shim = "path" in shim ? shim.path : undefined;
    this.#kinds = options.faults.filter((kind) => "path" in shim || !shimFaults.includes(kind));
    const left = options.faults.filter((kind) => !this.#kinds.includes(kind));
    if ("why" in shim && left.length > 0) say(`LEFT OUT: ${left.join(", ")}, since ${shim.why}`);
  }

  /** A client library threw where nobody could catch it, as when it cannot read what it was answered. */
  thrown(error: Error): void {
    this.findings++;
    this.#say(`  thrown: ${(error.stack ?? error.message).replaceAll(/\s*\n\s*/g, " | ")}`);
  }

  async all(): Promise<void> {
    const { minutes, seed, fromRound } = this.#options;
    const kinds = this.#kinds.join(", ") || "none";
    this.#say(
      `${relative(join(import.meta.dirname, ".."), programPath)}: seed ${seed}, ${minutes} minutes, faults: ${kinds}; in ${this.directory}`,
    );
    const deadline = performance.now() + minutes * 60_000;
    while (performance.now() < deadline) await this.#onOneStage(deadline);
    const rounds = this.#round - fromRound;
    this.#say(`${rounds} rounds, ${this.sent} messages sent, ${this.got} received, ${this.#lives} lives of the broker`);
    this.#reportFaults();
    this.#say(this.findings === 0 ? "nothing was found" : `${this.findings} FINDINGS, see above`);
    if (this.findings === 0) rmSync(this.directory, { recursive: true });
  }

  /** What was not broken was not withstood either. */
  #reportFaults(): void {
    this.#say(`faults: ${this.tally.show() || "none"}`);
    const missing = this.tally.missing(this.#kinds);
    if (missing.length > 0) this.#say(`did not happen: ${missing.join(", ")}`);
    for (const what of this.tally.idle()) {
      this.findings++;
      this.#say(`FINDING: ${what}`);
    }
  }

  /** Rounds on the same data, until they are damaged, or something was found. */
  async #onOneStage(deadline: number): Promise<void> {
    const directory = join(this.directory, `stage-${this.#round}`);
    const stage = await Stage.open(directory, this.#shim, new Chance(this.#options.seed));
    const before = this.findings;
    for (let hasEnded = false; !hasEnded && performance.now() < deadline;) {
      const result = await this.#oneRound(stage, deadline);
      hasEnded = result.hasRotted || this.findings > before;
    }
    for (const what of await stage.close(this.findings > before)) {
      this.findings++;
      this.#say(`FINDING after round ${this.#round - 1}: ${what}; kept: ${directory}`);
    }
    this.#lives += stage.broker.lives;
  }

  async #oneRound(stage: Stage, deadline: number): Promise<RoundResult> {
    const began = performance.now();
    const loadMs = Math.min(this.#options.roundSeconds * 1000, Math.max(loadMsMin, deadline - began));
    const round = this.#round++;
    const plan = planRound(this.#options.seed, round, this.#options.roundSeconds * 1000, this.#kinds);
    const { hasLyingDisk } = this.#options;
    const result = await runRound({ stage, plan, loadMs, tally: this.tally, hasLyingDisk });
    this.#report(round, result, performance.now() - began, stage.directory);
    if (result.findings.length === 0) rmSync(result.historyFile);
    return result;
  }

  #report(round: number, { findings, kinds, sent, got }: RoundResult, tookMs: number, directory: string): void {
    this.sent += sent;
    this.got += got;
    this.findings += findings.length;
    const faults = this.tally.total;
    const outcome = findings.length === 0 ? "well" : `${findings.length} FINDINGS`;
    const seconds = (tookMs / 1000).toFixed(0);
    this.#say(`round ${round}: ${sent} sent, ${got} received, ${faults} faults so far, ${seconds} s: ${outcome}`);
    for (const each of findings.slice(0, shownMax)) this.#say(`  ${each}`);
    if (findings.length > shownMax) this.#say(`  and ${findings.length - shownMax} more`);
    if (kinds.size > 0) this.#say(`  in all: ${[...kinds].map(([kind, count]) => `${count} ${kind}`).join(", ")}`);
    if (findings.length === 0) return;
    writeFileSync(join(directory, `findings-${round}.txt`), `${findings.join("\n")}\n`);
    this.#say(`  kept: ${directory} (history-${round}.jsonl, broker.log, data)`);
    this.#say(`  its plan again: npm run torture -- --seed ${this.#options.seed} --round ${round}`);
  }
}
