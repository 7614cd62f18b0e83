/** The candidate that was probably meant by a misspelt name, or undefined if none is near. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  // A third of the letters wrong is still a slip; more is something else.
  let bestDistance = Math.floor(name.length / 3) + 1;
  for (const candidate of candidates) {
    // What was left out in front or behind, or another case, is no slip at all: `frameMaxBytes` or `amqp.frameMax` for
    // `amqp.frameMaxBytes`.
    const full = candidate.toLowerCase();
    const part = name.toLowerCase();
    if (full.endsWith(`.${part}`) || (part.length > 3 && full.startsWith(part))) return candidate;
    const apart = distance(part, full);
    if (apart < bestDistance) {
      best = candidate;
      bestDistance = apart;
    }
  }
  return best;
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swapped = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swapped, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
