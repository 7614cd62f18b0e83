/**
 * The log of connections and requests, which strangers write: a burst of peers that fail must not flood it. So many lines a
 * second are written, whatever they say, and none longer than a page; of the rest there is one line a second with how many
 * of which were left out. What is in order has a bound of its own, a higher one: a thousand clients that come back at once
 * are of interest.
 */

import type { Clock } from "../base/clock.ts";
import type { LogFields, Logger } from "./log.ts";

const linesMax = { info: 1000, warn: 50 };
const periodMs = 1000;
const textLengthMax = 1000;

export class LimitedLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  #periodStartedMs = -Infinity;
  readonly #lines = { info: 0, warn: 0 };
  readonly #leftOutByMessage = new Map<string, number>();

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  info(message: string, fields: LogFields): void {
    if (this.#mayWrite("info", message)) this.#logger.info(message, short(fields));
  }

  warn(message: string, fields: LogFields): void {
    if (this.#mayWrite("warn", message)) this.#logger.warn(message, short(fields));
  }

  #mayWrite(level: "info" | "warn", message: string): boolean {
    const nowMs = this.#clock.elapsedMs();
    if (nowMs - this.#periodStartedMs >= periodMs) {
      this.#periodStartedMs = nowMs;
      this.#lines.info = 0;
      this.#lines.warn = 0;
    }
    if (this.#lines[level]++ < linesMax[level]) return true;
    // The timer that tells of them is set with the first.
    if (this.#leftOutByMessage.size === 0) this.#clock.setDelay(periodMs, () => this.#tell());
    this.#leftOutByMessage.set(message, (this.#leftOutByMessage.get(message) ?? 0) + 1);
    return false;
  }

  #tell(): void {
    const leftOut = Object.fromEntries(this.#leftOutByMessage);
    this.#leftOutByMessage.clear();
    this.#logger.warn("too much happened at once to log all of it", { leftOut });
  }
}

/** A name may be as long as whoever sent it liked. */
function short(fields: LogFields): LogFields {
  const cut: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    const isLong = typeof value === "string" && value.length > textLengthMax;
    cut[name] = isLong ? `${value.slice(0, textLengthMax)}...` : value;
  }
  return cut;
}
