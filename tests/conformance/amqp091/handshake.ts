/**
 * The opening of a connection as an ordinary client does it, without a line in the transcript, for every scenario that
 * is not about the handshake.
 */
import type { Fields } from "./frames.ts";
import type { WireConnection } from "./wire-client.ts";

export interface HandshakeOptions {
  readonly user?: string;
  readonly password?: string;
  readonly virtualHost?: string;
  readonly frameMax?: number;
  readonly channelMax?: number;
  readonly heartbeatSeconds?: number;
  readonly capabilities?: Fields;
}

export const PROTOCOL_HEADER = Buffer.from("AMQP\0\0\x09\x01", "latin1");

export const CLIENT_CAPABILITIES: Fields = {
  publisher_confirms: true,
  exchange_exchange_bindings: true,
  "basic.nack": true,
  consumer_cancel_notify: true,
  "connection.blocked": true,
  authentication_failure_close: true,
};

export function startOk(user: string, password: string, capabilities: Fields = CLIENT_CAPABILITIES): Fields {
  return {
    "client-properties": { product: "wire client", capabilities },
    mechanism: "PLAIN",
    response: `\0${user}\0${password}`,
    locale: "en_US",
  };
}

/** Throws when the server refuses. */
export async function handshake(connection: WireConnection, options: HandshakeOptions): Promise<void> {
  const zero = connection.channel(0);
  const { user = "guest", password = "guest", virtualHost = "/" } = options;
  connection.write(PROTOCOL_HEADER);
  await take("connection.start");
  zero.write("connection.start-ok", startOk(user, password, options.capabilities));
  const tune = await take("connection.tune");
  const frameMax = options.frameMax ?? Number(tune.fields["frame-max"]);
  zero.write("connection.tune-ok", {
    "channel-max": options.channelMax ?? tune.fields["channel-max"],
    "frame-max": frameMax,
    heartbeat: options.heartbeatSeconds ?? 0,
  });
  connection.frameMax = frameMax;
  zero.write("connection.open", { "virtual-host": virtualHost });
  await take("connection.open-ok");

  async function take(name: string) {
    const received = await zero.take();
    if (received?.name !== name) throw new Error(`expected ${name}, got ${received?.line ?? "nothing"}`);
    return received;
  }
}
