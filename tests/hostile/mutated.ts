import type { Random } from "../../src/base/random.ts";

/** Bytes that were right once, with one to four of them or of their pieces changed, cut out, doubled, put in, or cut off. */
export function mutated(bytes: Buffer, random: Random): Buffer {
  const below = (limit: number): number => Math.floor(random.next() * limit);
  let result = Buffer.from(bytes);
  for (let left = 1 + below(4); left > 0; left--) {
    const at = below(result.length);
    const until = Math.min(result.length, at + 1 + below(60));
    const choice = below(6);
    if (choice === 0) result[at] = below(256);
    else if (choice === 1) result[at]! ^= 1 << below(8);
    else if (choice === 2) result = Buffer.concat([result.subarray(0, at), result.subarray(until)]);
    else if (choice === 3) result = Buffer.concat([result.subarray(0, until), result.subarray(at)]);
    else if (choice === 4)
      result = Buffer.concat([result.subarray(0, at), random.bytes(1 + below(20)), result.subarray(at)]);
    else result = result.subarray(0, Math.max(1, at));
  }
  return result;
}
