/** The channels of a connection whose publishes are still to be confirmed. */

import type { Output } from "../../../wire/output.ts";
import type { Channel } from "./channel.ts";

export class OwedConfirms {
  readonly #channels: Channel[] = [];

  get isEmpty(): boolean {
    return this.#channels.length === 0;
  }

  add(channel: Channel): void {
    channel.isOwed = true;
    this.#channels.push(channel);
  }

  /** Answers what is durable by now. */
  answer(output: Output, durableTicket: number): void {
    const channels = this.#channels;
    let open = 0;
    for (const channel of channels) {
      const { confirms } = channel;
      if (confirms !== undefined) channel.counters.confirm += confirms.answer(output, channel.number, durableTicket);
      if (confirms?.isPending === true) channels[open++] = channel;
      else channel.isOwed = false;
    }
    channels.length = open;
  }

  clear(): void {
    this.#channels.length = 0;
  }
}
