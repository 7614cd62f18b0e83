/**
 * By when a pass had seen a log up to where: what is to stay for a time from then on is as old after a start as it was before.
 * Some marks are enough: one is moved on until it lies a step behind the one before it. So what is seen counts as seen at most a step
 * later than it was, and never earlier.
 */
export class SeenTimes {
  /** All below ends[i] was seen by times[i], ms since 1970; both rise. */
  #ends: number[] = [];
  #times: number[] = [];

  /** All below `end` has been seen by now. `keepMs`: what is older than that is all the same age. */
  note(end: number, nowMs: number, keepMs: number): void {
    const [ends, times] = [this.#ends, this.#times];
    if (end <= (ends.at(-1) ?? 0)) return;
    const isNear = times.length > 1 && nowMs - times.at(-2)! < keepMs / stepsPerKeep;
    const at = isNear ? ends.length - 1 : ends.length;
    ends[at] = end;
    times[at] = Math.max(nowMs, times[at - 1] ?? 0);
    let old = 0;
    while (old + 1 < times.length && times[old + 1]! <= nowMs - keepMs) old++;
    ends.splice(0, old);
    times.splice(0, old);
  }

  /** When the offset had been seen at the latest; `nowMs`, if that is not known, or has not come yet. */
  of(offset: number, nowMs: number): number {
    const at = this.#ends.findIndex((end) => offset < end);
    return at < 0 ? nowMs : Math.min(nowMs, this.#times[at]!);
  }

  toJson(): [number, number][] {
    return this.#ends.map((end, i) => [end, this.#times[i]!]);
  }

  static fromJson(json: readonly (readonly [number, number])[]): SeenTimes {
    const seen = new SeenTimes();
    seen.#ends = json.map(([end]) => end);
    seen.#times = json.map(([, ms]) => ms);
    return seen;
  }
}

/** Marks lie so far apart, or a few more than these would be many. */
const stepsPerKeep = 8;
