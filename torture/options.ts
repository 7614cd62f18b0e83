/** What is asked of a run, and its help. */

import { faultKinds, type FaultKind } from "./plan.ts";

export interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly faults: readonly FaultKind[];
  /** How long the load of a round lasts. */
  readonly roundSeconds: number;
  /** Where runs leave what they found. */
  readonly directory: string | undefined;
  /** Shows the plan and ends. */
  readonly showsPlan: boolean;
  /** What the broker is told to be synced is not: so it cannot keep its promise, and torture has to find that. */
  readonly hasLyingDisk: boolean;
  /** Begins with this round of the seed. */
  readonly fromRound: number;
}

export const usage = `npm run torture -- [options]

Breaks a broker on purpose while clients of AMQP and Kafka write down what they are told, and says what of it broke a promise.

  --minutes N        how long (2)
  --seed N           replays the plan of that seed: clients, faults, their times. What the machine makes of it differs (by chance)
  --round N          begins with that round of the seed (1)
  --faults A,B,...   only these: ${faultKinds.join(", ")}
                     none: no faults at all
  --round-seconds N  how long the load of a round lasts (40)
  --dir DIR          where to work, and to leave what was found (a new directory in that for temporary files)
  --plan             shows the first rounds' plans and ends
  --lying-disk       what was synced is lost with the power as well: there have to be findings, or torture finds nothing

What is broken is src/main.ts as it stands; ENTREPOT_MAIN names another program, as in what is shipped:

  npm run build && ENTREPOT_MAIN=dist/main.js npm run torture -- --minutes 60
`;

export function optionsOf(words: readonly string[], seed: number): Options {
  const given = new Map<string, string>();
  for (let i = 0; i < words.length; i++) {
    const name = words[i]!;
    if (name === "--plan" || name === "--lying-disk") given.set(name, "yes");
    else if (["--minutes", "--seed", "--round", "--faults", "--round-seconds", "--dir"].includes(name)) {
      const value = words[++i];
      if (value === undefined) throw new Error(`${name} needs a value`);
      given.set(name, value);
    } else throw new Error(`unknown: ${name}\n\n${usage}`);
  }
  const number = (name: string, or: number): number => {
    const value = Number(given.get(name) ?? or);
    if (!Number.isFinite(value) || value < 0) throw new Error(`${name} needs a number`);
    return value;
  };
  return {
    minutes: number("--minutes", 2),
    seed: number("--seed", seed),
    fromRound: number("--round", 1),
    roundSeconds: number("--round-seconds", 40),
    faults: faultsOf(given.get("--faults")),
    directory: given.get("--dir"),
    showsPlan: given.has("--plan"),
    hasLyingDisk: given.has("--lying-disk"),
  };
}

function faultsOf(text: string | undefined): readonly FaultKind[] {
  if (text === undefined) return faultKinds;
  if (text === "none") return [];
  return text.split(",").map((each) => {
    const kind = faultKinds.find((known) => known === each);
    if (kind === undefined) throw new Error(`unknown fault: ${each}. Known: ${faultKinds.join(", ")}`);
    return kind;
  });
}
