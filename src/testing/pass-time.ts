/**
 * An hour that passes by saying so. Timer by timer: what one sets off (a message that dies into a queue where its time begins)
 * may set the next, and each finds the broker as it would have been at its time.
 *
 * Between two of them, and at the end, the broker comes to rest: nothing is on its way to the disk, and some turns of the event
 * loop have brought nothing new. What a client of this process had written before is read by then, too, and what the time
 * set off is durable and with the sockets.
 *
 * With some clients it never does: a consumer that gives back whatever it gets is given it again. Whoever waits would never be
 * told why, so there is a bound, by the machine's clock.
 */

import { elapsedMs, parseDuration, type VirtualClock } from "../base/clock.ts";
import type { Broker } from "../broker/api.ts";

/** Turns of the event loop without news: sockets are read in one, answered in the next, written to in the one after. */
const quietTurns = 5;
/** Behind a timer of many, that has perhaps done nothing. What it has set off is news by then. */
const glanceTurns = 2;

/** Long enough for who has much to do, short enough for who waits. */
export const plainRestMsMax = 10_000;

export interface Watched {
  /** Another number after something has happened that the broker's tickets do not tell of: bytes that came, a read of the disk. */
  readonly news: () => number;
  /** The broker is dead: time does not pass any more. */
  readonly isOver: () => boolean;
  /** So long it may take, by the machine's clock, until nothing is new. */
  readonly restMsMax: number;
}

/** Of `15m`, or of a number of milliseconds. @throws RangeError, in the name of `asked`, if that is no time that can pass. */
export function durationMs(asked: string, duration: string | number): number {
  const ms = typeof duration === "number" ? Math.round(duration) : parseDuration(duration);
  if (ms !== undefined && ms >= 0 && Number.isSafeInteger(ms)) return ms;
  throw new RangeError(`${asked}: ${duration} is no duration, such as 15m or 1h30m, nor a number of milliseconds`);
}

const unwatched: Watched = { news: () => 0, isOver: () => false, restMsMax: plainRestMsMax };

/** @throws Error when the broker does not come to rest. */
export async function passTime(
  clock: VirtualClock,
  broker: Broker,
  ms: number,
  watched: Watched = unwatched,
): Promise<void> {
  const { news } = watched;
  await comeToRest(broker, watched);
  const endMs = clock.now() + ms;
  for (let nextMs = clock.nextTimerMs(); nextMs !== undefined && nextMs <= endMs; nextMs = clock.nextTimerMs()) {
    if (watched.isOver()) return;
    const newsBefore = news();
    const ticketBefore = broker.ticket;
    clock.advance(Math.max(0, nextMs - clock.now()));
    for (let turn = 0; turn < glanceTurns; turn++) await nextTurn(broker);
    if (news() !== newsBefore || broker.ticket !== ticketBefore) await comeToRest(broker, watched);
  }
  if (watched.isOver()) return;
  clock.advance(endMs - clock.now());
  await comeToRest(broker, watched);
}

async function comeToRest(broker: Broker, { news, isOver, restMsMax }: Watched): Promise<void> {
  const endMs = elapsedMs() + restMsMax;
  let seenNews = -1;
  let seenTicket = -1;
  for (let quiet = 0; quiet < quietTurns && !isOver(); quiet++) {
    await nextTurn(broker);
    const { ticket } = broker;
    if (broker.durableTicket < ticket) await new Promise<void>((resolve) => broker.whenDurable(ticket, resolve));
    if (news() === seenNews && ticket === seenTicket) continue;
    seenNews = news();
    seenTicket = ticket;
    quiet = 0;
    if (elapsedMs() < endMs) continue;
    throw new Error(
      `advance: for ${restMsMax} ms clients have not stopped talking, and time does not pass meanwhile. A consumer that gives ` +
        `back whatever it gets does so, or a producer that sends more at each confirm`,
    );
  }
}

function nextTurn({ clock }: Broker): Promise<void> {
  return new Promise((resolve) => clock.defer(resolve));
}
