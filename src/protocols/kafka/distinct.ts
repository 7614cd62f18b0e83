/**
 * What is asked for twice in one request is answered once: else a request of a few hundred bytes that names the same large
 * group again and again has an answer of gigabytes. Clients never do it.
 */

/** Of those with the same key, the first. */
export function distinct<T>(asked: readonly T[], keyOf: (one: T) => unknown): readonly T[] {
  if (asked.length < 2) return asked;
  const seen = new Set<unknown>();
  return asked.filter((one) => {
    const key = keyOf(one);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
