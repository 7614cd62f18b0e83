/**
 * What the log says of connections: one line when somebody was let in, one when it closed and why, one for each that was not
 * let in, and one for each answer that took long.
 */

import type { LogFields } from "../../observe/log.ts";
import type { PendingCall } from "./calls.ts";
import type { KafkaConnection } from "./connection.ts";

/** Nothing that a client says of itself stands in a line at greater length. */
const shownLengthMax = 120;

export function logOpened(connection: KafkaConnection): void {
  const { server, login, address, software } = connection;
  server.log.info("a Kafka connection was opened", {
    ...who(connection),
    mechanism: login.mechanism,
    tls: address.isTls,
    ...(software === "" ? {} : { client: software.slice(0, shownLengthMax) }),
  });
}

/** @param why undefined: the client closed it. */
export function logClosed(connection: KafkaConnection, why: string | undefined): void {
  const { server, openedAtMs, login } = connection;
  // Who only asked for versions, or knocked, as a health check does, is nobody's business.
  if (login.identity === undefined) {
    if (why !== undefined) server.log.warn("a Kafka connection was refused", { ...who(connection), why });
    return;
  }
  const openSeconds = Math.round((server.clock.now() - openedAtMs) / 1000);
  const fields = { ...who(connection), why: why ?? "the client closed it", openSeconds };
  server.log.info("a Kafka connection was closed", fields);
}

export function logSlow(connection: KafkaConnection, call: PendingCall, tookMs: number): void {
  const { command, version } = call;
  const fields = { ...who(connection), request: `${command.name} v${version}`, tookMs: Math.round(tookMs) };
  connection.server.log.warn("a Kafka request took long", fields);
}

function who({ address, login, clientId }: KafkaConnection): LogFields {
  const { remoteAddress, remotePort, localAddress, localPort } = address;
  const { identity } = login;
  return {
    connection: `${remoteAddress}:${remotePort} -> ${localAddress}:${localPort}`,
    ...(identity === undefined ? {} : { user: identity.name }),
    ...(clientId === null ? {} : { clientId: clientId.slice(0, shownLengthMax) }),
  };
}
