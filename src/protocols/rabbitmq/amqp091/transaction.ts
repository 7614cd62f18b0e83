/**
 * What a channel in tx mode holds back: messages, copied, and settlements. A commit does all of it as one atomic group,
 * messages first, as RabbitMQ does; a rollback forgets the messages, and the deliveries are unsettled as before.
 *
 * What is held back lies in memory, so all transactions of a connection together may hold as much as the largest message;
 * more is refused, and with it the channel. RabbitMQ has no such bound.
 */

import type { Publication, PublishOutcome, Queue, Settlement } from "../../../broker/api.ts";
import type { Channel } from "./channel.ts";
import { Fault } from "../model/errors.ts";
import { partsOf } from "./publishing.ts";

interface HeldPublish {
  readonly publication: Publication;
  readonly isMandatory: boolean;
  /** Decided when it was published, as in RabbitMQ; undefined where an exchange on the way does more than route. */
  readonly routes: readonly Queue[] | undefined;
}

/** Done in order, since what a multiple one means is all that those before it have left. */
interface HeldSettlement {
  readonly tag: number;
  readonly isMultiple: boolean;
  readonly settlement: Settlement;
}

/** What a message that is held back takes beside its own bytes, about. */
const heldBytesEach = 512;
/** The same of each queue that it goes to. */
const routeBytes = 64;

const outcome: PublishOutcome = { routed: 0, refused: false, ticket: 0 };

export class Transaction {
  readonly #channel: Channel;
  #publishes: HeldPublish[] = [];
  #settlements: HeldSettlement[] = [];
  /** A multiple settlement covers all up to this tag. Deliveries to come have higher ones. */
  #settledUpTo = 0;
  /** Those that were settled one by one. */
  readonly #settledTags = new Set<number>();
  /** Of what is held back; in the connection's count. */
  #heldBytes = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  get publishCount(): number {
    return this.#publishes.length;
  }

  /** Counted when it is asked for, which is rarer than settling. */
  get settledCount(): number {
    let count = this.#channel.session.countUpTo(this.#settledUpTo);
    for (const tag of this.#settledTags) if (tag > this.#settledUpTo) count++;
    return count;
  }

  /** An outstanding delivery, which is settled when it is committed. */
  hasSettled(tag: number): boolean {
    return tag <= this.#settledUpTo || this.#settledTags.has(tag);
  }

  publish(publication: Publication, isMandatory: boolean): Fault | undefined {
    const { connection } = this.#channel;
    const { headStart, headEnd, bodyStart, bodyEnd } = publication;
    const routes = connection.namespace.holdBack(publication);
    const bytes = headEnd - headStart + bodyEnd - bodyStart + heldBytesEach + routeBytes * (routes?.length ?? 0);
    const bytesMax = connection.hub.settings.messageBytesMax;
    // A single message of any size that is allowed otherwise is allowed here.
    if (connection.heldBytes > 0 && connection.heldBytes + bytes > bytesMax) {
      return new Fault("preconditionFailed", `uncommitted messages exceed the maximum of ${bytesMax} bytes`);
    }
    connection.heldBytes += bytes;
    this.#heldBytes += bytes;
    const head = Buffer.from(publication.head.subarray(headStart, headEnd));
    const body = Buffer.from(publication.body.subarray(bodyStart, bodyEnd));
    const copy = { head, headStart: 0, headEnd: head.length, body, bodyStart: 0, bodyEnd: body.length };
    this.#publishes.push({ publication: { ...publication, ...copy }, isMandatory, routes });
    return undefined;
  }

  /** Notes a settlement; answers false when no such delivery is outstanding. */
  settle(tag: number, isMultiple: boolean, settlement: Settlement): boolean {
    const { session } = this.#channel;
    const isAll = isMultiple && tag === 0;
    if (!isAll && this.hasSettled(tag)) return false;
    if (!session.holdBack(tag, isMultiple)) return false;
    const settlements = this.#settlements;
    if (!isMultiple) {
      this.#settledTags.add(tag);
      settlements.push({ tag, isMultiple, settlement });
      return true;
    }
    const last = isAll ? session.lastLease : tag;
    // Nothing was delivered since all was settled.
    if (last <= this.#settledUpTo) return true;
    this.#settledUpTo = last;
    // One that goes further takes in the one before it: however often a client settles all, that is noted once.
    const before = settlements.at(-1);
    if (before?.isMultiple === true && before.settlement === settlement) settlements.pop();
    settlements.push({ tag: last, isMultiple, settlement });
    return true;
  }

  /** Does it all. The answer goes out when the broker's ticket is durable. */
  commit(): Fault | undefined {
    const { session, connection, counters } = this.#channel;
    let isRefused = false;
    const publishes = this.#publishes;
    const settlements = this.#settlements;
    this.rollback();
    connection.hub.broker.atomically(() => {
      const { namespace } = connection;
      for (const { publication, isMandatory, routes } of publishes) {
        if (routes === undefined) namespace.publish(publication, outcome);
        else namespace.publishTo(routes, publication, outcome);
        const routed = routes === undefined ? outcome.routed : routes.length;
        counters.publish++;
        if (routed === 0 && isMandatory) this.#channel.returnMessage(partsOf(publication));
        else if (routed === 0) counters.dropUnroutable++;
        isRefused ||= outcome.refused;
      }
      for (const { tag, isMultiple, settlement } of settlements) {
        const settled = session.settle(tag, isMultiple, settlement);
        if (settlement === "accept") counters.ack += settled;
      }
    });
    return isRefused ? new Fault("preconditionFailed", "partial tx completion") : undefined;
  }

  /** Forgets all of it. */
  rollback(): void {
    this.#channel.connection.heldBytes -= this.#heldBytes;
    this.#heldBytes = 0;
    this.#publishes = [];
    this.#settlements = [];
    this.#settledUpTo = 0;
    this.#settledTags.clear();
  }
}
