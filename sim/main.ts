/** `npm run simulate -- --seeds N [--from S]`: runs seeds until one fails. `--seed S`: one seed, with its trace. */
import { runSeed } from "./run.ts";

interface Wish {
  seeds: number;
  from: number;
  seed: number | undefined;
  keepsGoing: boolean;
}

function wishOf(words: readonly string[]): Wish {
  const wish: Wish = { seeds: 1000, from: 1, seed: undefined, keepsGoing: false };
  for (let i = 0; i < words.length; i++) {
    if (words[i] === "--keep-going") wish.keepsGoing = true;
    else if (words[i] === "--seeds") wish.seeds = Number(words[++i]);
    else if (words[i] === "--from") wish.from = Number(words[++i]);
    else if (words[i] === "--seed") wish.seed = Number(words[++i]);
    else throw new Error(`unknown: ${words[i]}. Known: --seeds N, --from S, --seed S, --keep-going`);
  }
  return wish;
}

let current = 0;
let broken: ((error: Error) => void) | undefined;

/** A promise that nobody waits for, and that fails, fails the seed. */
process.on("unhandledRejection", (reason) => broken?.(reason as Error));

function guarded(seed: number, trace?: (line: string) => void): ReturnType<typeof runSeed> {
  current = seed;
  return new Promise((resolve, reject) => {
    broken = reject;
    runSeed(seed, trace).then(resolve, reject);
  });
}

async function main(): Promise<void> {
  const wish = wishOf(process.argv.slice(2));
  if (wish.seed !== undefined) {
    try {
      const report = await guarded(wish.seed, (line) => console.log(line));
      console.log("passed", report);
    } catch (error) {
      console.log(error);
      process.exitCode = 1;
    }
    return;
  }
  const startedMs = performance.now();
  const sum = { seeds: 0, failed: 0, steps: 0, deliveries: 0, recoveries: 0 };
  for (let seed = wish.from; seed < wish.from + wish.seeds; seed++) {
    sum.seeds++;
    try {
      const { steps, deliveries, recoveries } = await guarded(seed);
      sum.steps += steps;
      sum.deliveries += deliveries;
      sum.recoveries += recoveries;
    } catch (error) {
      const { stack } = error as Error;
      console.log(
        `seed ${current} fails: ${wish.keepsGoing ? (stack ?? "").split("\n").slice(0, 3).join(" | ") : stack}`,
      );
      console.log(`replay it with: npm run simulate -- --seed ${current}`);
      sum.failed++;
      process.exitCode = 1;
      if (!wish.keepsGoing) break;
    }
  }
  const seconds = (performance.now() - startedMs) / 1000;
  console.log(`${JSON.stringify(sum)} in ${seconds.toFixed(1)} s: ${(sum.seeds / seconds).toFixed(1)} seeds/s`);
}

await main();
