/**
 * Messages that are to come later, through an exchange that delays. A delay is told as a transaction that the time commits: before that
 * nobody may be given the message. What time it is for the broker is known as long as nobody has set its clock in this
 * round, and it was not held up since the message was sent; otherwise the message may come at any time, and still has to.
 */

import type { Chance } from "../../sim/chance.ts";
import type { Identity } from "../message.ts";
import type { Site } from "./site.ts";

const delayMsMin = 400;
export const delayMsMax = 1500;
/** The broker looks at the clock once a turn, so that a message may count as sent when its turn began. */
const turnMsMax = 300;

type Named = Pick<Identity, "writer" | "seq">;

interface Waiting {
  readonly txn: string;
  readonly dueAt: number;
  readonly stops: number;
}

export class Delays {
  readonly exchange: string;
  readonly #waiting = new Map<string, Waiting>();
  #clockSets: number | undefined;

  constructor(exchange: string) {
    this.exchange = exchange;
  }

  /** What is about to be sent: how long it has to wait, and as what that is told. */
  begin(site: Site, chance: Chance, message: Named): { readonly delayMs: number; readonly txn: string } {
    const { history, upsets } = site;
    this.#clockSets ??= upsets.clockSets;
    const delayMs = chance.between(delayMsMin, delayMsMax);
    const txn = site.nameFor("later");
    const waiting = { txn, dueAt: history.now() + delayMs - turnMsMax, stops: upsets.stops };
    this.#waiting.set(keyOf(message), waiting);
    return { delayMs, txn };
  }

  /** What has come, before that is told: if it may have, its time has come. */
  came({ history, upsets }: Pick<Site, "history" | "upsets">, message: Named): void {
    const key = keyOf(message);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    const isKnown = !this.isUpset(upsets.clockSets) && waiting.stops === upsets.stops;
    if (isKnown && history.now() < waiting.dueAt) return;
    this.#waiting.delete(key);
    history.tell({ kind: "end", txn: waiting.txn, how: "commit" });
  }

  /** Nothing is sent any more, and what has not come yet may come at any time. */
  close({ history }: Pick<Site, "history">): void {
    for (const { txn } of this.#waiting.values()) history.tell({ kind: "end", txn, how: "commit" });
    this.#waiting.clear();
  }

  /** Whether the clock was set since the first message was sent, so that some may have to wait for long. */
  isUpset(clockSets: number): boolean {
    return this.#clockSets !== clockSets;
  }
}

const keyOf = ({ writer, seq }: Named): string => `${writer} ${seq}`;
