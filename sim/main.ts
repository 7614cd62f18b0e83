/**
 * `npm run simulate -- --seeds N [--from S]`: runs seeds until one fails. `--seed S`: one seed, with its trace.
 * `--world kafka`: not of the core, but of Kafka's groups and transactions.
 */
import { runKafkaSeed } from "./kafka/run.ts";
import { runSeed } from "./run.ts";

const worlds = { core: runSeed, kafka: runKafkaSeed };
type WorldName = keyof typeof worlds;

interface Wish {
  world: WorldName;
  seeds: number;
  from: number;
  seed: number | undefined;
  keepsGoing: boolean;
}

function wishOf(words: readonly string[]): Wish {
  const wish: Wish = { world: "core", seeds: 1000, from: 1, seed: undefined, keepsGoing: false };
  for (let i = 0; i < words.length; i++) {
    if (words[i] === "--keep-going") wish.keepsGoing = true;
    else if (words[i] === "--seeds") wish.seeds = Number(words[++i]);
    else if (words[i] === "--from") wish.from = Number(words[++i]);
    else if (words[i] === "--seed") wish.seed = Number(words[++i]);
    else if (words[i] === "--world") wish.world = worldOf(words[++i]);
    else throw new Error(`unknown: ${words[i]}. Known: --seeds N, --from S, --seed S, --keep-going, --world NAME`);
  }
  return wish;
}

function worldOf(name: string | undefined): WorldName {
  if (name !== undefined && Object.hasOwn(worlds, name)) return name as WorldName;
  throw new Error(`no world: ${name}. Known: ${Object.keys(worlds).join(", ")}`);
}

let current = 0;
let broken: ((error: Error) => void) | undefined;

/** A promise that nobody waits for, and that fails, fails the seed. */
process.on("unhandledRejection", (reason) => broken?.(reason as Error));

/** What happened, by name. */
type Report = Readonly<Record<string, number>>;

function guarded(world: WorldName, seed: number, trace?: (line: string) => void): Promise<Report> {
  current = seed;
  return new Promise((resolve, reject) => {
    broken = reject;
    worlds[world](seed, trace).then((report) => resolve({ ...report }), reject);
  });
}

async function main(): Promise<void> {
  const wish = wishOf(process.argv.slice(2));
  if (wish.seed !== undefined) {
    try {
      const report = await guarded(wish.world, wish.seed, (line) => console.log(line));
      console.log("passed", report);
    } catch (error) {
      console.log(error);
      process.exitCode = 1;
    }
    return;
  }
  const startedMs = performance.now();
  const sum: Record<string, number> & { seeds: number; failed: number } = { seeds: 0, failed: 0 };
  for (let seed = wish.from; seed < wish.from + wish.seeds; seed++) {
    sum.seeds++;
    try {
      const report = await guarded(wish.world, seed);
      for (const [what, count] of Object.entries(report)) sum[what] = (sum[what] ?? 0) + count;
    } catch (error) {
      const { stack } = error as Error;
      console.log(
        `seed ${current} fails: ${wish.keepsGoing ? (stack ?? "").split("\n").slice(0, 3).join(" | ") : stack}`,
      );
      console.log(
        `replay it with: npm run simulate -- --seed ${current}${wish.world === "core" ? "" : ` --world ${wish.world}`}`,
      );
      sum.failed++;
      process.exitCode = 1;
      if (!wish.keepsGoing) break;
    }
  }
  const seconds = (performance.now() - startedMs) / 1000;
  console.log(`${JSON.stringify(sum)} in ${seconds.toFixed(1)} s: ${(sum.seeds / seconds).toFixed(1)} seeds/s`);
}

await main();
