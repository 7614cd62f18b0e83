/** A connection of amqplib's with one confirm channel, whose end, however it comes, is an event and no error. */

import { once } from "node:events";
import type { Socket } from "node:net";
import { connect, type ChannelModel, type ConfirmChannel } from "amqplib";
import { within } from "./site.ts";

const openWithinMs = 8000;

export class AmqpSession {
  readonly channel: ConfirmChannel;
  /** The connection or the channel is gone. */
  readonly gone: Promise<void>;
  isGone = false;
  readonly #connection: ChannelModel;

  private constructor(connection: ChannelModel, channel: ConfirmChannel) {
    this.#connection = connection;
    this.channel = channel;
    const ends = [once(connection, "close"), once(channel, "close")];
    const over = (): void => void (this.isGone = true);
    this.gone = Promise.race(ends).then(over, over);
  }

  static async open(port: number, heartbeatSeconds = 5): Promise<AmqpSession> {
    const uri = `amqp://guest:guest@127.0.0.1:${port}/?heartbeat=${heartbeatSeconds}`;
    const connecting = connect(uri, { noDelay: true, timeout: openWithinMs });
    // One that comes too late is nobody's.
    let isLate = false;
    connecting.then(
      (connection) => {
        connection.on("error", () => undefined);
        if (isLate) socketOf(connection).destroy();
      },
      () => undefined,
    );
    try {
      const connection = await within(openWithinMs, connecting, "a connection");
      const opening = connection.createConfirmChannel();
      opening.then(
        (channel) => channel.on("error", () => undefined),
        () => undefined,
      );
      return new AmqpSession(connection, await within(openWithinMs, opening, "a channel"));
    } catch (error) {
      isLate = true;
      connecting.then(
        (connection) => socketOf(connection).destroy(),
        () => undefined,
      );
      throw error;
    }
  }

  /** As a client does that is in order. */
  async close(): Promise<void> {
    if (this.isGone) return;
    await within(openWithinMs, this.#connection.close(), "closing").catch(() => this.vanish());
  }

  /** As a process does that is killed. */
  vanish(): void {
    // By an error amqplib hears of it at once, and not when it misses heartbeats.
    this.socket.destroy(new Error("it has vanished"));
  }

  get socket(): Socket {
    return socketOf(this.#connection);
  }
}

function socketOf(connection: ChannelModel): Socket {
  return (connection.connection as unknown as { stream: Socket }).stream;
}
