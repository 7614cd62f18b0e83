/**
 * Counts attempts to log in, by protocol, and by protocol, address and name. The second table has a bound, since names and
 * addresses are chosen by whoever knocks: what was seen longest ago makes room.
 */

export interface AttemptCounts {
  readonly protocol: string;
  attempts: number;
  failed: number;
  succeeded: number;
}

export interface SourceCounts extends AttemptCounts {
  readonly remoteAddress: string;
  readonly name: string;
}

const sourcesMax = 10_000;
const nameLengthMax = 255;

export class LoginAttempts {
  readonly #byProtocol = new Map<string, AttemptCounts>();
  readonly #bySource = new Map<string, SourceCounts>();

  note(protocol: string, remoteAddress: string, name: string, isSuccess: boolean): void {
    let counts = this.#byProtocol.get(protocol);
    if (counts === undefined) this.#byProtocol.set(protocol, (counts = { protocol, ...zero }));
    count(counts, isSuccess);

    const shortName = name.slice(0, nameLengthMax);
    const key = JSON.stringify([protocol, remoteAddress, shortName]);
    const source = this.#bySource.get(key) ?? { protocol, remoteAddress, name: shortName, ...zero };
    count(source, isSuccess);
    // Deleted and set again, so that the map's order is that of the last attempt.
    this.#bySource.delete(key);
    this.#bySource.set(key, source);
    if (this.#bySource.size > sourcesMax) this.#bySource.delete(this.#bySource.keys().next().value!);
  }

  byProtocol(): Iterable<Readonly<AttemptCounts>> {
    return this.#byProtocol.values();
  }

  bySource(): Iterable<Readonly<SourceCounts>> {
    return this.#bySource.values();
  }

  /** Begins again from nothing. */
  clear(): void {
    this.#byProtocol.clear();
    this.#bySource.clear();
  }
}

const zero = { attempts: 0, failed: 0, succeeded: 0 };

function count(counts: AttemptCounts, isSuccess: boolean): void {
  counts.attempts++;
  if (isSuccess) counts.succeeded++;
  else counts.failed++;
}
