/** How much one request may commit: what it says is written for each place with the group's name, however often it says it. */

/** Of all places together. Kafka's bound is that of a batch of its topic of offsets. */
const commitBytesMax = 16 << 20;
/** Of one, the name not counted: about. */
const placeBytes = 64;

/** `nameBytes`: what the group's name takes where it is written, for one place. */
export function isCommitTooLarge(
  nameBytes: number,
  topics: readonly { readonly partitions: readonly unknown[] }[],
): boolean {
  let places = 0;
  for (const { partitions } of topics) places += partitions.length;
  return places * (nameBytes + placeBytes) > commitBytesMax;
}
