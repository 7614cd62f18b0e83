/**
 * Makes guessing passwords slow. Each failed login from an address doubles the time that the next failure from there
 * takes to be answered: half a second and a bit, then twice that, to eight seconds at most; a success, or an hour without a failure, forgives.
 *
 * Only the answer to a failure is delayed: a client with the right password never waits, though somebody behind the
 * same address guesses. The table is bounded; when it is full, the address that failed longest ago is forgotten.
 */

interface Failures {
  count: number;
  lastMs: number;
}

const firstMs = 600;
/** Less than the ten seconds after which brokers and clients give up a handshake: whoever mistypes hears why, and not that the network broke. */
const delayMsMax = 8000;
const forgetMs = 3_600_000;
const addressesMax = 10_000;

export class LoginPenalty {
  readonly #failuresByAddress = new Map<string, Failures>();

  /** Notes a failed login; answers how long to hold back the answer, in ms. */
  failed(address: string, nowMs: number): number {
    let failures = this.#failuresByAddress.get(address);
    if (failures === undefined || nowMs - failures.lastMs > forgetMs) failures = { count: 0, lastMs: nowMs };
    failures.count++;
    failures.lastMs = nowMs;
    // Deleted and set again, so that the map's order is that of the last failure.
    this.#failuresByAddress.delete(address);
    this.#failuresByAddress.set(address, failures);
    if (this.#failuresByAddress.size > addressesMax) {
      for (const oldest of this.#failuresByAddress.keys()) {
        this.#failuresByAddress.delete(oldest);
        break;
      }
    }
    return Math.min(firstMs * 2 ** (failures.count - 1), delayMsMax);
  }

  succeeded(address: string): void {
    this.#failuresByAddress.delete(address);
  }
}
