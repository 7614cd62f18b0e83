/**
 * What is done to the broker in a round, and when: drawn from a seed alone, so that it can be drawn again.
 *
 * The first faults of a seed, over as many rounds as that takes, are one of each kind, in an order by chance: what is rare
 * would otherwise be missing from many a run. From then on kinds are drawn by their weights.
 */

import { Chance } from "../sim/chance.ts";

/** Each with how often it is drawn, relative to the others, when each has been there. */
const weights = {
  kill: 5,
  stop: 3,
  term: 2,
  power: 6,
  "power-at-start": 2,
  full: 2,
  "write-error": 1,
  "read-error": 1,
  slow: 2,
  flip: 1,
  clock: 2,
  cut: 5,
  "half-close": 2,
  freeze: 2,
  delay: 2,
  throttle: 1,
  split: 2,
} as const;

export type FaultKind = keyof typeof weights;
export const faultKinds = Object.keys(weights) as FaultKind[];

/** Those that need the shim. */
export const shimFaults: readonly FaultKind[] = [
  "power",
  "power-at-start",
  "full",
  "write-error",
  "read-error",
  "slow",
  "clock",
];

export interface PlannedFault {
  readonly atMs: number;
  readonly kind: FaultKind;
  /** How long it lasts, or for how long the broker stays away. */
  readonly forMs: number;
  /** How much of it, in [0, 1). */
  readonly amount: number;
  readonly seed: number;
}

export interface RoundPlan {
  readonly round: number;
  readonly faults: readonly PlannedFault[];
  /** For the clients. */
  readonly clientSeed: number;
  /** Whether the broker is killed once more before all is read. */
  readonly endsWithCrash: boolean;
}

const calmMs = 1500;
const gapMsMax = 4500;

export function planRound(seed: number, round: number, loadMs: number, kinds: readonly FaultKind[]): RoundPlan {
  const chance = new Chance(Math.imul(seed, 7919) + round);
  const clientSeed = chance.between(0, 0x7fff_ffff);
  const endsWithCrash = chance.is(0.5);
  if (kinds.length === 0) return { round, faults: [], clientSeed, endsWithCrash };
  const choices = kinds.map((kind) => [weights[kind], kind] as const);
  const bag = shuffled(new Chance(seed), kinds);
  let dealt = 0;
  for (let before = 1; before < round && dealt < bag.length; before++) dealt += timesOf(seed, before, loadMs).length;
  const faults = timesOf(seed, round, loadMs).map((atMs): PlannedFault => {
    const kind = bag[dealt++] ?? chance.weighted(choices);
    const forMs = chance.is(0.3) ? chance.between(0, 200) : chance.between(200, 4000);
    return { atMs, kind, forMs, amount: chance.next(), seed: chance.between(1, 0x7fff_ffff) };
  });
  return { round, faults, clientSeed, endsWithCrash };
}

/** When something happens in a round, ms. */
function timesOf(seed: number, round: number, loadMs: number): number[] {
  const chance = new Chance(Math.imul(seed, 104_729) + round);
  const times: number[] = [];
  for (let atMs = calmMs; ;) {
    atMs += chance.between(100, gapMsMax);
    if (atMs > loadMs - calmMs) return times;
    times.push(atMs);
  }
}

function shuffled<T>(chance: Chance, list: readonly T[]): T[] {
  const left = [...list];
  const drawn: T[] = [];
  while (left.length > 0) drawn.push(...left.splice(chance.between(0, left.length), 1));
  return drawn;
}

export function showFault({ atMs, kind, forMs, amount }: PlannedFault): string {
  return `${(atMs / 1000).toFixed(1)} s: ${kind}, ${forMs} ms, ${amount.toFixed(2)}`;
}
