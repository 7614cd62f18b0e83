/**
 * Direct reply-to: a request names `amq.rabbitmq.reply-to` as where to answer, and the answer goes from the responder's
 * connection to the requester's without a queue, a journal or a copy that is kept: at most once, to who is there now.
 *
 * A channel that consumes from the pseudo-queue gets a token that nobody can guess; the broker writes it into the
 * reply-to of what the channel publishes, and who publishes to the default exchange with it reaches that channel.
 */

import type { ContentParts } from "./codec-hot.ts";

export const replyToQueue = "amq.rabbitmq.reply-to";
const prefix = `${replyToQueue}.`;

/** A channel that takes replies. */
export interface ReplyTarget {
  /** Writes a reply to the peer. */
  deliverReply(parts: ContentParts): void;
}

export function isReplyAddress(queue: string): boolean {
  return queue.startsWith(prefix);
}

/** All channels that take replies now, by their addresses. */
export class ReplyTargets {
  readonly #targetByAddress = new Map<string, ReplyTarget>();

  /** @param token as nobody can guess it. @returns the address to be written into requests. */
  add(token: string, target: ReplyTarget): string {
    const address = prefix + token;
    this.#targetByAddress.set(address, target);
    return address;
  }

  remove(address: string): void {
    this.#targetByAddress.delete(address);
  }

  find(address: string): ReplyTarget | undefined {
    return this.#targetByAddress.get(address);
  }
}
