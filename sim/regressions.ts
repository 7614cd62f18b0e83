/**
 * Seeds that found something, each with what it was. Each was seen to fail with its repair taken back, and does so only
 * as long as the workload draws the same choices: whoever changes what is drawn looks for new ones.
 */
export const regressions: readonly { readonly seed: number; readonly found: string }[] = [
  { seed: 56, found: "the second record of an oversized block left no room for the padding" },
  { seed: 78, found: "expiry killed, and counted, a message that the schedule had put aside" },
  { seed: 82, found: "a run was given up while it held live messages: settlements were counted twice" },
  { seed: 229, found: "damage that a segment's rewriting came across was left behind in silence" },
  { seed: 755, found: "a killed process left a block that was read back, built upon, and lost with the power" },
  { seed: 5298, found: "what a redrive only looked at died, since its queue's delivery limit had been lowered" },
];
