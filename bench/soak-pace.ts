// Drives the streams at a rate that is set, and finds the most that they reach together, each its share: the rate grows by a
// quarter each few seconds until that brings no more messages; of the most that a step brought, what is held for longer is the
// maximum. What one stream could do more than the others does not count: at half of that, one of them would not keep up.

import { seconds } from "./load-options.ts";
import { slowPauseSeconds, slowRoundSeconds, type PacedStream } from "./soak-amqp.ts";

const tickMs = 10;
const stepSeconds = 4;
const heldSeconds = 20;
const firstRate = 4000;
const growth = 1.25;
const rateMax = 2_000_000;
/** A step that brings less than this times the best so far has brought nothing. */
const betterMin = 1.02;

export class Pace {
  readonly #streams: readonly PacedStream[];
  readonly #timer: NodeJS.Timeout;
  readonly #beganMs = performance.now();
  #lastMs = performance.now();
  #rate = 0;
  #allowed: number[];

  constructor(streams: readonly PacedStream[]) {
    this.#streams = streams;
    this.#allowed = streams.map(() => 0);
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  /** Messages a second, of all streams together. What was not sent at an earlier rate is forgotten. */
  set rate(perSecond: number) {
    this.#rate = perSecond;
    this.#allowed = this.#streams.map(({ sent }) => sent);
  }

  /** Counts from now on: what it answers tells the messages a second of the whole mix that were acknowledged until it is called. */
  startCounting(): () => number {
    const beganMs = performance.now();
    const before = this.#streams.map(({ acknowledged }) => acknowledged);
    return () => {
      const since = this.#streams.map(({ acknowledged, share }, index) => ({
        acknowledged: acknowledged - before[index]!,
        share,
      }));
      return (messagesOfMix(since) * 1000) / (performance.now() - beganMs);
    };
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const stream of this.#streams) {
      stream.stop();
      stream.setPaused(false);
    }
  }

  #tick(): void {
    const nowMs = performance.now();
    const forSeconds = (nowMs - this.#lastMs) / 1000;
    this.#lastMs = nowMs;
    const isPaused = ((nowMs - this.#beganMs) / 1000) % slowRoundSeconds < slowPauseSeconds;
    for (const [index, stream] of this.#streams.entries()) {
      this.#allowed[index]! += this.#rate * stream.share * forSeconds;
      stream.allow(Math.floor(this.#allowed[index]!));
      stream.setPaused(isPaused);
    }
  }
}

/** How many messages of the whole mix that is: of each stream its share beside the one that is furthest behind its own. */
export function messagesOfMix(streams: readonly Pick<PacedStream, "acknowledged" | "share">[]): number {
  return Math.min(...streams.map(({ acknowledged, share }) => acknowledged / share));
}

/** Messages a second that were reached for some time. Tells of each step. */
export async function findMaximum(pace: Pace, say: (line: string) => void): Promise<number> {
  let best = 0;
  let inVain = 0;
  const reach = async (wanted: number, forSeconds: number): Promise<number> => {
    pace.rate = wanted;
    // The first second belongs to the rate before.
    await seconds(1);
    const counted = pace.startCounting();
    await seconds(forSeconds);
    const reached = counted();
    say(`looking for the maximum: asked for ${Math.round(wanted)}/s, reached ${Math.round(reached)}/s`);
    return Math.min(reached, wanted);
  };
  for (let wanted = firstRate; wanted < rateMax; wanted *= growth) {
    const reached = await reach(wanted, stepSeconds);
    const isBetter = reached > best * betterMin;
    best = Math.max(best, reached);
    inVain = isBetter ? 0 : inVain + 1;
    // One or two may be a checkpoint, or somebody else on this machine.
    if (inVain === 3) break;
  }
  return await reach(best, heldSeconds);
}
