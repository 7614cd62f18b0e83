/** `npm run torture`: see options.ts for what can be asked of it, and docs/guarantees.md for what it holds the broker to. */

import { optionsOf, usage } from "./options.ts";
import { planRound, showFault } from "./plan.ts";
import { Run } from "./run.ts";

const plansShown = 3;

async function main(): Promise<number> {
  const words = process.argv.slice(2);
  if (words.includes("--help")) {
    console.log(usage);
    return 0;
  }
  const options = optionsOf(words, Math.floor(Math.random() * 1_000_000));
  if (options.showsPlan) {
    for (let round = options.fromRound; round < options.fromRound + plansShown; round++) {
      console.log(`round ${round}`);
      for (const fault of planRound(options.seed, round, options.roundSeconds * 1000, options.faults).faults)
        console.log(`  ${showFault(fault)}`);
    }
    return 0;
  }
  // Clients that were given up throw late, out of timers of their own: what they were told is in the history.
  process.on("unhandledRejection", () => undefined);
  // kafkajs sets timers in the past.
  process.removeAllListeners("warning");
  const run = new Run(options, (line) => console.log(line));
  process.on("uncaughtException", (error) => run.thrown(error));
  await run.all();
  return run.findings === 0 ? 0 : 1;
}

process.exit(await main());
