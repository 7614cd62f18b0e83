/**
 * What clients were told, and when: one line for each thing that a client asked, heard or read, in the order in which
 * the one program that runs them all saw it. It is all that the checker knows of a run.
 *
 * A message has an id, said once: `writer seq`. A writer is one session of one client (it gets a new name when its
 * connection, producer id or channel is a new one), so that "in order" has a meaning. A reader is one life of one
 * consumer in the same way. A place is a queue or a topic by its name.
 */

import { createWriteStream, type WriteStream } from "node:fs";

/** How it ended, as the client was told: `unknown` if the answer did not come, or says nothing for sure. */
export type Outcome = "ok" | "unknown";

/** As a consumer of a queue, as a reader of what is committed, as a reader of all. */
export type View = "queue" | "committed" | "all";

export type Event = { readonly at: number } & (
  | {
      readonly kind: "send";
      readonly place: string;
      readonly writer: string;
      readonly seq: number;
      /** Where it is known beforehand. */
      readonly partition?: number;
      readonly txn?: string;
      /** Of a transformer: what it was made from. */
      readonly from?: string;
    }
  | {
      readonly kind: "sent";
      readonly writer: string;
      /** All of these, first and last. */
      readonly seqs: readonly [number, number];
      readonly outcome: Outcome;
      /** Of the first one, where it was told. */
      readonly place?: string;
      readonly partition?: number;
      readonly offset?: number;
    }
  | { readonly kind: "end"; readonly txn: string; readonly how: "commit" | "abort" }
  | { readonly kind: "ended"; readonly txn: string; readonly outcome: Outcome }
  | {
      readonly kind: "got";
      readonly reader: string;
      readonly place: string;
      readonly view: View;
      readonly writer: string;
      readonly seq: number;
      readonly isIntact: boolean;
      /** Of a member: its group. */
      readonly group?: string;
      /** Queues. */
      readonly isFlagged?: boolean;
      /** Queues: nobody held any of its messages any more when this reader came, so all come in their order, whatever their flags. */
      readonly isAlone?: boolean;
      /** Logs. */
      readonly partition?: number;
      readonly offset?: number;
    }
  | {
      readonly kind: "settle";
      readonly reader: string;
      readonly place: string;
      readonly writer: string;
      readonly seq: number;
      readonly how: "accept" | "release";
    }
  /** All that this reader has accepted before `since` is durable: what it published then on the same channel was confirmed. */
  | { readonly kind: "settled"; readonly reader: string; readonly since: number }
  /** A reader's life began: whatever it gets was given to it afterwards. */
  | { readonly kind: "reading"; readonly reader: string }
  | {
      readonly kind: "move" | "moved";
      readonly group: string;
      readonly place: string;
      readonly partition: number;
      readonly offset: number;
      readonly outcome?: Outcome;
      /** Of a transaction, with which it counts. */
      readonly txn?: string;
    }
  /** Where a group stands, or a partition ends, as was asked at `since`. */
  | {
      readonly kind: "position";
      readonly group: string;
      readonly place: string;
      readonly partition: number;
      readonly offset: number;
      readonly since: number;
    }
  | {
      readonly kind: "extent";
      readonly place: string;
      readonly partition: number;
      readonly offset: number;
      readonly since: number;
      /** For whom: readers of all, if it is not said. */
      readonly view?: Exclude<View, "queue">;
    }
  /** A fetch, sent at `since`, of all that is there from `from` on brought what lies below `next`: `from` itself if it brought nothing. */
  | {
      readonly kind: "fetched";
      readonly place: string;
      readonly partition: number;
      readonly from: number;
      readonly next: number;
      readonly since: number;
    }
  /** All that is in the place was read, through this view; a log by this reader, from its beginning. */
  | { readonly kind: "emptied"; readonly place: string; readonly view: View; readonly reader?: string }
  /** The group has come to the end of the place. */
  | { readonly kind: "finished"; readonly group: string; readonly place: string }
  | { readonly kind: "transformed"; readonly from: string; readonly to: string }
  /** The broker says that it has lost an entry to a disk that rotted; where, if it says so. */
  | {
      readonly kind: "damage";
      readonly text: string;
      readonly place?: string;
      readonly partition?: number;
      /** Of the last message of the entry. */
      readonly offset?: number;
    }
  | { readonly kind: "fault"; readonly what: string }
);

type Told<T> = T extends unknown ? Omit<T, "at"> : never;
export type Telling = Told<Event>;

export class History {
  #events: Event[] = [];
  readonly #file: WriteStream;
  readonly #beganAt = performance.now();

  constructor(path: string) {
    this.#file = createWriteStream(path);
  }

  /** ms since the round began. */
  now(): number {
    return Math.round((performance.now() - this.#beganAt) * 1000) / 1000;
  }

  tell(event: Telling): void {
    const told = { at: this.now(), ...event } as Event;
    this.#events.push(told);
    this.#file.write(`${JSON.stringify(told)}\n`);
  }

  /** All that was told. It is not kept: clients that were given up may hold on to this for as long as the program runs. */
  async close(): Promise<readonly Event[]> {
    await new Promise<void>((resolve) => this.#file.end(resolve));
    const events = this.#events;
    this.#events = [];
    return events;
  }
}
