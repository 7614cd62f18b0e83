import { BLOCK_ALIGN } from "../log.ts";

/** Of a direct write: memory wants it as disks do. */
export function isOfBlocks(...numbers: readonly number[]): boolean {
  return numbers.every((one) => one % BLOCK_ALIGN === 0);
}
