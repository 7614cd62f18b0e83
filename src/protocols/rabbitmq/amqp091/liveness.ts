/**
 * Is the peer alive, and does it know that we are: time-outs of the handshake, of heartbeats and of the end, decided at
 * ticks of about a second. Bytes only raise a flag, so that no clock is read per chunk. All times are of a clock that only goes
 * forward (Clock.elapsedMs): the machine's may be set, and neither peer is dead for that.
 *
 * As the specification and RabbitMQ have it, a heartbeat goes out when nothing else did for half the agreed interval,
 * and a peer that sent nothing for two intervals is dead. A peer whose socket we do not read is not blamed for it.
 */

const handshakeMsMax = 10_000;
const closingMsMax = 30_000;
/** Ticks come late rather than early; a heartbeat goes out with the one before its time. */
const earlyMs = 500;

export type Verdict = "fine" | "send-heartbeat" | "dead" | "handshake-too-long" | "close-too-long";

export class Liveness {
  readonly #startedMs: number;
  #hasHeard = true;
  #heardMs: number;
  #hasSent = true;
  #sentMs: number;
  #closingSinceMs = -1;

  constructor(elapsedMs: number) {
    this.#startedMs = elapsedMs;
    this.#heardMs = elapsedMs;
    this.#sentMs = elapsedMs;
  }

  heard(): void {
    this.#hasHeard = true;
  }

  sent(): void {
    this.#hasSent = true;
  }

  /** We have said close, or our last words: the peer's answer is waited for, or that it reads them. Its first call counts. */
  closing(elapsedMs: number): void {
    if (this.#closingSinceMs < 0) this.#closingSinceMs = elapsedMs;
  }

  /** @param intervalMs of heartbeats; 0: none. */
  tick(elapsedMs: number, phase: "handshake" | "running" | "closing", intervalMs: number, isUnread: boolean): Verdict {
    if (this.#hasHeard || isUnread) this.#heardMs = elapsedMs;
    if (this.#hasSent) this.#sentMs = elapsedMs;
    this.#hasHeard = false;
    this.#hasSent = false;
    if (phase === "handshake") return elapsedMs - this.#startedMs >= handshakeMsMax ? "handshake-too-long" : "fine";
    if (phase === "closing") {
      return this.#closingSinceMs >= 0 && elapsedMs - this.#closingSinceMs > closingMsMax ? "close-too-long" : "fine";
    }
    if (intervalMs === 0) return "fine";
    if (elapsedMs - this.#heardMs > intervalMs * 2) return "dead";
    return elapsedMs - this.#sentMs >= intervalMs / 2 - earlyMs ? "send-heartbeat" : "fine";
  }
}
