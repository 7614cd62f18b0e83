/**
 * What a channel in tx mode holds back: messages, copied, and settlements. A commit does all of it as one atomic group,
 * messages first, as RabbitMQ does; a rollback forgets the messages, and the deliveries are unsettled as before.
 */

import type { Publication, PublishOutcome, Queue, Settlement } from "../../broker/api.ts";
import type { Channel } from "./channel.ts";
import { Fault } from "./errors.ts";
import { partsOf } from "./publishing.ts";

interface HeldPublish {
  readonly publication: Publication;
  readonly isMandatory: boolean;
  /** Decided when it was published, as in RabbitMQ; undefined where the exchange does more than route. */
  readonly routes: readonly Queue[] | undefined;
}

interface HeldSettlement {
  readonly tags: readonly number[];
  readonly settlement: Settlement;
}

const outcome: PublishOutcome = { routed: 0, refused: false, ticket: 0 };

export class Transaction {
  readonly #channel: Channel;
  #publishes: HeldPublish[] = [];
  #settlements: HeldSettlement[] = [];
  readonly #settledTags = new Set<number>();

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  publish(publication: Publication, isMandatory: boolean): void {
    const head = Buffer.from(publication.head.subarray(publication.headStart, publication.headEnd));
    const body = Buffer.from(publication.body.subarray(publication.bodyStart, publication.bodyEnd));
    const copy = { head, headStart: 0, headEnd: head.length, body, bodyStart: 0, bodyEnd: body.length };
    const { delays, dedup, historyLength } = publication.exchange.settings;
    const isPlain = !delays && dedup === undefined && historyLength === 0;
    const routes = isPlain ? this.#channel.connection.namespace.routesOf(publication) : undefined;
    this.#publishes.push({ publication: { ...publication, ...copy }, isMandatory, routes });
  }

  /** Notes a settlement; answers false when no such delivery is outstanding. */
  settle(tag: number, isMultiple: boolean, settlement: Settlement): boolean {
    const { session } = this.#channel;
    const isOpen = (lease: number): boolean => session.holds(lease) && !this.#settledTags.has(lease);
    const tags: number[] = [];
    if (tag !== 0 && !isOpen(tag)) return false;
    if (isMultiple) {
      const last = tag === 0 ? session.lastLease : tag;
      for (let lease = 1; lease <= last; lease++) if (isOpen(lease)) tags.push(lease);
    } else if (tag === 0) {
      return false;
    } else {
      tags.push(tag);
    }
    for (const settled of tags) this.#settledTags.add(settled);
    this.#settlements.push({ tags, settlement });
    return true;
  }

  /** Does it all. The answer goes out when the broker's ticket is durable. */
  commit(): Fault | undefined {
    const { session, connection } = this.#channel;
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
        if (routed === 0 && isMandatory) this.#channel.returnMessage(partsOf(publication));
        isRefused ||= outcome.refused;
      }
      for (const { tags, settlement } of settlements) for (const tag of tags) session.settle(tag, false, settlement);
    });
    return isRefused ? new Fault("preconditionFailed", "partial tx completion") : undefined;
  }

  rollback(): void {
    this.#publishes = [];
    this.#settlements = [];
    this.#settledTags.clear();
  }
}
