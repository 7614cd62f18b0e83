/** What only grows: when it was told, or asked for, in the order of that, and the greatest number until then. */

export interface Track {
  readonly at: number[];
  readonly most: number[];
}

export function trackOf(tracks: Map<string, Track>, name: string): Track {
  let track = tracks.get(name);
  if (track === undefined) tracks.set(name, (track = { at: [], most: [] }));
  return track;
}

export function note(track: Track, at: number, number: number): void {
  track.at.push(at);
  track.most.push(Math.max(number, track.most.at(-1) ?? 0));
}

/** Of what came before `until`; 0 if nothing did. */
export function mostUntil(track: Track | undefined, until: number): number {
  if (track === undefined) return 0;
  const { at, most } = track;
  let [low, high] = [0, at.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at[middle]! < until) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? 0 : most[low - 1]!;
}
