/**
 * What a channel in confirm mode owes its client: an ack or a nack for each publish, once what it waits for is durable.
 *
 * Kept is a ring of runs, each the tags up to some tag that share a ticket and an outcome; a burst that fits into one
 * block is one run. Runs are answered in order, with as few frames as can be: one ack for all that a commit covers, a
 * nack for each run of refused ones. `multiple` is set only when more than one tag is meant.
 *
 * Nothing is allocated per message; the ring grows with the number of runs that are open at once.
 */

import type { Output } from "../../../wire/output.ts";
import { writeAck, writeNack } from "./codec-hot.ts";

const runsLeast = 8;

export class Confirms {
  #tickets = new Float64Array(runsLeast);
  #lastTags = new Float64Array(runsLeast);
  #refused = new Uint8Array(runsLeast);
  #head = 0;
  #count = 0;
  /** The tag that the last publish got. */
  #lastTag = 0;
  /** All tags up to this one are answered. */
  #answeredTag = 0;

  /** Whether something is owed. */
  get isPending(): boolean {
    return this.#count > 0;
  }

  /** How many publishes are not answered yet. */
  get openCount(): number {
    return this.#lastTag - this.#answeredTag;
  }

  /** Notes the next publish. */
  published(ticket: number, isRefused: boolean): void {
    const tag = ++this.#lastTag;
    const mask = this.#tickets.length - 1;
    if (this.#count > 0) {
      const last = (this.#head + this.#count - 1) & mask;
      // A later run never waits for less than an earlier one, so that answers stay in order.
      const lastTicket = this.#tickets[last]!;
      if (ticket <= lastTicket && this.#refused[last] === (isRefused ? 1 : 0)) {
        this.#lastTags[last] = tag;
        return;
      }
      if (ticket < lastTicket) ticket = lastTicket;
      if (this.#count === this.#tickets.length) this.#grow();
    }
    const at = (this.#head + this.#count++) & (this.#tickets.length - 1);
    this.#tickets[at] = ticket;
    this.#lastTags[at] = tag;
    this.#refused[at] = isRefused ? 1 : 0;
  }

  /** Writes the answers to all that waits for no more than this ticket; says how many were positive. */
  answer(output: Output, channel: number, durableTicket: number): number {
    let ackedCount = 0;
    const mask = this.#tickets.length - 1;
    let ackedTag = this.#answeredTag;
    while (this.#count > 0 && this.#tickets[this.#head]! <= durableTicket) {
      const tag = this.#lastTags[this.#head]!;
      if (this.#refused[this.#head] === 1) {
        ackedCount += this.#ack(output, channel, ackedTag);
        writeNack(output, channel, tag, tag - this.#answeredTag > 1);
        this.#answeredTag = tag;
      }
      ackedTag = tag;
      this.#head = (this.#head + 1) & mask;
      this.#count--;
    }
    return ackedCount + this.#ack(output, channel, ackedTag);
  }

  #ack(output: Output, channel: number, tag: number): number {
    const tags = tag - this.#answeredTag;
    if (tags === 0) return 0;
    writeAck(output, channel, tag, tags > 1);
    this.#answeredTag = tag;
    return tags;
  }

  #grow(): void {
    const length = this.#tickets.length;
    const tickets = new Float64Array(length * 2);
    const lastTags = new Float64Array(length * 2);
    const refused = new Uint8Array(length * 2);
    for (let i = 0; i < this.#count; i++) {
      const from = (this.#head + i) & (length - 1);
      tickets[i] = this.#tickets[from]!;
      lastTags[i] = this.#lastTags[from]!;
      refused[i] = this.#refused[from]!;
    }
    this.#tickets = tickets;
    this.#lastTags = lastTags;
    this.#refused = refused;
    this.#head = 0;
  }
}
