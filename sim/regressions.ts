/** Seeds that failed once, and what they found. A seed finds its fault only while the workload draws the same choices. */
export const regressions: readonly { readonly seed: number; readonly found: string }[] = [
  { seed: 1, found: "a time that was due while the journal was replayed fired before recovery was over" },
  { seed: 4, found: "a segment of due times was dropped when it had been read, not when they had fired" },
  { seed: 14, found: "a due time that fired between a checkpoint's snapshot and its end was in neither" },
  { seed: 24, found: "expiry killed, and counted, a message that the schedule had put aside" },
  { seed: 45, found: "what was known of a fleeting message's attempts outlived it" },
  { seed: 48, found: "offsets below a durable settlement that no durable entry had came back as ready" },
  { seed: 90, found: "the second record of an oversized block left no room for the padding" },
  { seed: 148, found: "a killed process left a block that was read back, built upon, and lost with the power" },
  { seed: 170, found: "recovery with a full memory evicted what it had just read, for ever" },
  { seed: 185, found: "a run was given up while it held live messages: settlements were counted twice" },
  { seed: 3358, found: "a read that came late moved a reader back over what it had read" },
  { seed: 3671, found: "a stop ended before what had happened during its checkpoint was durable" },
  { seed: 3894, found: "a delayed message with a time to live died while it was read on its way to its queues" },
  { seed: 5160, found: "half of an atomic group came back, completed by the first block of the next process" },
  { seed: 242, found: "a delayed message with a time to live did not expire" },
];
