/**
 * The books of a crash test: what clients sent, saw and said, and what follows from it whatever the broker went through.
 *
 * It knows no broker and no connection; the load writes down each event at the moment when a client could know of it, and
 * the ledger holds it against the promises:
 *
 * - a confirmed message is delivered, or was acknowledged, in the end (`close` finds those that are lost);
 * - a message that a client has seen before comes with the redelivered flag, and never while somebody still holds it;
 * - a message that was acknowledged does not come back while the broker lives, and not after a crash either if something
 *   that was confirmed later went the same way, for then the acknowledgement was on disk;
 * - what a publisher sent comes in its order, as long as nobody hands messages back;
 * - nothing arrives that was not sent, or is not as it was sent.
 *
 * A message that was sent and not confirmed before a crash may be there or not: both are right, and it is not sent again.
 */

/** What is known of one message in one queue. */
interface Entry {
  readonly publisher: string;
  readonly sequence: number;
  isConfirmed: boolean;
  wasSeen: boolean;
  isHeld: boolean;
  wasAcknowledged: boolean;
  isSettledForSure: boolean;
}

/** Of one kind: the first ones tell the story, and a kind that fills the list must not hide another. */
const faultsOfKindMax = 5;

export class Ledger {
  /** What the broker did wrong, in words; the first ones of each kind only. */
  readonly faults: string[] = [];
  readonly #countByKind = new Map<string, number>();
  readonly counts = { sent: 0, confirmed: 0, delivered: 0, redelivered: 0, acknowledged: 0, crashes: 0 };
  readonly #entriesByQueue = new Map<string, Map<string, Entry>>();
  /** Consumer and publisher to the sequence that came last. */
  readonly #lastSequence = new Map<string, number>();

  /** To be called before the message goes out; `queues` is where it is routed. */
  sent(queues: readonly string[], publisher: string, sequence: number): void {
    this.counts.sent++;
    for (const queue of queues) {
      this.#entries(queue).set(`${publisher}:${sequence}`, {
        publisher,
        sequence,
        isConfirmed: false,
        wasSeen: false,
        isHeld: false,
        wasAcknowledged: false,
        isSettledForSure: false,
      });
    }
  }

  confirmed(queues: readonly string[], publisher: string, sequence: number): void {
    this.counts.confirmed++;
    for (const queue of queues) this.#must(queue, publisher, sequence).isConfirmed = true;
  }

  /** `consumer` is one consumer's life: a name used once. Leave it out where messages are handed back. */
  delivered(queue: string, message: Delivered, consumer?: string): void {
    const { publisher, sequence, isRedelivered } = message;
    this.counts.delivered++;
    if (isRedelivered) this.counts.redelivered++;
    const name = `${publisher}:${sequence} of ${queue}`;
    const entry = this.#entries(queue).get(`${publisher}:${sequence}`);
    if (entry === undefined) return this.#fault(name, "arrived and was never sent");
    if (!message.isIntact) this.#fault(name, "is not as it was sent");
    if (entry.isSettledForSure) this.#fault(name, "came back after its acknowledgement was on disk");
    else if (entry.wasAcknowledged) this.#fault(name, "came back after it was acknowledged, without a crash");
    if (entry.isHeld) this.#fault(name, "was delivered while a consumer holds it");
    if (entry.wasSeen && !isRedelivered) this.#fault(name, "came a second time without the redelivered flag");
    entry.wasSeen = true;
    entry.isHeld = true;
    entry.wasAcknowledged = false;

    if (consumer === undefined) return;
    const last = this.#lastSequence.get(`${consumer} ${publisher}`) ?? -1;
    if (sequence <= last) this.#fault(name, "came out of order", `after ${publisher}:${last} to ${consumer}`);
    this.#lastSequence.set(`${consumer} ${publisher}`, sequence);
  }

  /** The acknowledgement went out. */
  acknowledged(queue: string, publisher: string, sequence: number): void {
    this.counts.acknowledged++;
    const entry = this.#must(queue, publisher, sequence);
    entry.isHeld = false;
    entry.wasAcknowledged = true;
  }

  /** Something that followed the acknowledgement on its channel was confirmed. */
  settled(queue: string, publisher: string, sequence: number): void {
    this.#must(queue, publisher, sequence).isSettledForSure = true;
  }

  /** The message was handed back. */
  requeued(queue: string, publisher: string, sequence: number): void {
    this.#must(queue, publisher, sequence).isHeld = false;
  }

  /** The broker was killed, and every connection is gone. */
  crashed(): void {
    this.counts.crashes++;
    this.#lastSequence.clear();
    for (const entries of this.#entriesByQueue.values()) {
      for (const entry of entries.values()) {
        entry.isHeld = false;
        // Whether the acknowledgement reached the disk is open: it may come back, and need not.
        if (entry.wasAcknowledged && !entry.isSettledForSure) {
          entry.wasAcknowledged = false;
          entry.isConfirmed = false;
        }
      }
    }
  }

  /** After everything that is there was taken and acknowledged: what is missing? */
  close(): void {
    for (const [queue, entries] of this.#entriesByQueue) {
      for (const { publisher, sequence, isConfirmed, wasAcknowledged, isSettledForSure } of entries.values()) {
        if (!isConfirmed || wasAcknowledged || isSettledForSure) continue;
        this.#fault(`${publisher}:${sequence} of ${queue}`, "was confirmed and is lost");
      }
    }
  }

  #entries(queue: string): Map<string, Entry> {
    const entries = this.#entriesByQueue.get(queue) ?? new Map<string, Entry>();
    this.#entriesByQueue.set(queue, entries);
    return entries;
  }

  #must(queue: string, publisher: string, sequence: number): Entry {
    const entry = this.#entries(queue).get(`${publisher}:${sequence}`);
    if (entry === undefined) throw new Error(`the test never sent ${publisher}:${sequence} to ${queue}`);
    return entry;
  }

  #fault(message: string, kind: string, more = ""): void {
    const count = (this.#countByKind.get(kind) ?? 0) + 1;
    this.#countByKind.set(kind, count);
    const crashes = `after ${this.counts.crashes} crashes`;
    if (count <= faultsOfKindMax) this.faults.push([message, kind, more, `(${crashes})`].filter(Boolean).join(" "));
  }
}

export interface Delivered {
  readonly publisher: string;
  readonly sequence: number;
  readonly isRedelivered: boolean;
  readonly isIntact: boolean;
}
