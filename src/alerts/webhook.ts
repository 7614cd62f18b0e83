/**
 * Notices to one webhook, in order and one at a time: POST of JSON, tried again with growing pauses, and given up after a while
 * or when the receiver says that it is no use. What waits is bounded; past that the oldest notices go first, since the newest
 * say how things are. Neither address nor headers are logged, for secrets stand in both.
 */

import type { Clock, TimerHandle } from "../base/clock.ts";
import type { Logger } from "../observe/log.ts";
import type { WebhookTarget } from "./rules.ts";

/** Sends a body; answers the status, or throws why there was none. */
export type Post = (target: WebhookTarget, body: string) => Promise<number>;

interface WebhookOptions {
  readonly target: WebhookTarget;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly post: Post;
}

const waitingMax = 1000;
const attemptsMax = 10;
const pauseMinMs = 1000;
const pauseMaxMs = 60_000;

export class Webhook {
  readonly #options: WebhookOptions;
  #waiting: string[] = [];
  #isSending = false;
  #isStopped = false;
  #droppedCount = 0;
  #timer: TimerHandle | undefined;

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  send(notice: unknown): void {
    if (this.#isStopped) return;
    this.#waiting.push(JSON.stringify(notice));
    if (this.#waiting.length > waitingMax) {
      // The first one may be on its way.
      this.#waiting.splice(this.#isSending ? 1 : 0, 1);
      this.#droppedCount++;
    }
    if (!this.#isSending) void this.#sendAll();
  }

  stop(): void {
    this.#isStopped = true;
    this.#waiting = [];
    if (this.#timer !== undefined) this.#options.clock.clearTimer(this.#timer);
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    while (!this.#isStopped && this.#waiting.length > 0) {
      await this.#sendOne(this.#waiting[0]!);
      this.#waiting.shift();
      this.#reportDropped();
    }
    this.#isSending = false;
  }

  async #sendOne(body: string): Promise<void> {
    const { target, post, logger } = this.#options;
    for (let attempt = 1; !this.#isStopped; attempt++) {
      const problem = await post(target, body).then(problemOf, (error: Error) => ({
        reason: reasonOf(error),
        isFinal: false,
      }));
      if (problem === undefined || this.#isStopped) return;
      const fields = { target: target.name, reason: problem.reason, attempt };
      if (problem.isFinal || attempt === attemptsMax) return logger.error("an alert could not be delivered", fields);
      const pauseMs = Math.min(pauseMaxMs, pauseMinMs * 2 ** (attempt - 1));
      logger.warn("an alert will be sent again", { ...fields, pauseMs });
      await this.#pause(pauseMs);
    }
  }

  #pause(ms: number): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      this.#timer = clock.setTimer(clock.now() + ms, resolve);
    });
  }

  #reportDropped(): void {
    if (this.#droppedCount === 0) return;
    const { target, logger } = this.#options;
    logger.error("alerts were dropped: too many wait for their receiver", {
      target: target.name,
      count: this.#droppedCount,
    });
    this.#droppedCount = 0;
  }
}

/** Undefined: it was taken. A refusal is final, unless it says that it is for now. */
function problemOf(status: number): { reason: string; isFinal: boolean } | undefined {
  if (status >= 200 && status < 300) return undefined;
  return { reason: `status ${status}`, isFinal: status < 500 && status !== 408 && status !== 429 };
}

/** Of the network's errors the innermost says most; none of them names the address's secrets. */
function reasonOf(error: Error): string {
  const { cause, name } = error;
  const { code } = (cause ?? error) as { code?: unknown };
  return typeof code === "string" ? code : name === "TimeoutError" ? "no answer in time" : "the request failed";
}
