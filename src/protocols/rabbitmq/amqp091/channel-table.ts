/** The channels of a connection by number. Frames mostly come for the channel of the frame before: that one is at hand. */

import type { Channel } from "./channel.ts";

export class ChannelTable {
  readonly #channelByNumber = new Map<number, Channel>();
  #lastNumber = 0;
  #lastChannel: Channel | undefined;
  #arePaused = false;

  get size(): number {
    return this.#channelByNumber.size;
  }

  all(): Iterable<Channel> {
    return this.#channelByNumber.values();
  }

  find(number: number): Channel | undefined {
    if (number === this.#lastNumber) return this.#lastChannel;
    const channel = this.#channelByNumber.get(number);
    if (channel !== undefined) {
      this.#lastNumber = number;
      this.#lastChannel = channel;
    }
    return channel;
  }

  add(channel: Channel): void {
    this.#channelByNumber.set(channel.number, channel);
    if (this.#arePaused) channel.session.pause();
  }

  /** Its number may be opened again. */
  remove(channel: Channel): void {
    this.#channelByNumber.delete(channel.number);
    this.#lastChannel = undefined;
    this.#lastNumber = 0;
  }

  get arePaused(): boolean {
    return this.#arePaused;
  }

  /** No more deliveries, until `resume`. */
  pause(): void {
    this.#arePaused = true;
    for (const channel of this.#channelByNumber.values()) channel.session.pause();
  }

  resume(): void {
    if (!this.#arePaused) return;
    this.#arePaused = false;
    for (const channel of this.#channelByNumber.values()) {
      if (channel.state === "running") channel.session.resume();
    }
  }

  tick(nowMs: number): void {
    for (const channel of this.#channelByNumber.values()) channel.tick(nowMs);
  }

  /** Gives back what they hold of the broker, and forgets them. */
  release(): void {
    for (const channel of this.#channelByNumber.values()) if (channel.state !== "closing") channel.release();
    this.#channelByNumber.clear();
    this.#lastChannel = undefined;
    this.#lastNumber = 0;
  }
}
