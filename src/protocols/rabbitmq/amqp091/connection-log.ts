/**
 * What the log says of connections: one line when it was opened, one when it was closed and why, one for each refusal, and one
 * each when a client is slow, or is held back, and when that is over.
 */

import { textArgument } from "../model/arguments.ts";
import type { Fault } from "../model/errors.ts";
import type { LogFields } from "../../../observe/log.ts";
import type { AmqpConnection } from "./connection.ts";
import { connectionName } from "./live-connection.ts";

/** Nothing that a client says of itself stands in a line at greater length. */
const shownLengthMax = 120;

export function logOpened(connection: AmqpConnection): void {
  const { hub, mechanism, address, clientProperties } = connection;
  const said = (name: string): string | undefined => textArgument(clientProperties, name)?.slice(0, shownLengthMax);
  const client = [said("product"), said("version")].filter((part) => part !== undefined).join(" ");
  hub.log.info("an AMQP connection was opened", {
    ...who(connection),
    mechanism,
    tls: address.isTls,
    ...(client === "" ? {} : { client }),
    ...(said("connection_name") === undefined ? {} : { name: said("connection_name") }),
  });
}

/** @param why undefined: the peer's socket went without a word. */
export function logClosed(connection: AmqpConnection, why: string | undefined): void {
  const { hub, shown } = connection;
  // Who never got in was logged when it was refused; who only knocked, as a health check does, is nobody's business.
  if (shown === undefined) return;
  const openSeconds = Math.round((hub.clock.now() - shown.connectedAtMs) / 1000);
  const reason = why ?? "the client closed the socket without closing the connection";
  hub.log.info("an AMQP connection was closed", { ...who(connection), why: reason, openSeconds });
}

export function logSilent(connection: AmqpConnection, why: string): void {
  connection.hub.log.warn("an AMQP client was silent for too long", { ...who(connection), why });
}

export function logLoginRefused(connection: AmqpConnection, reason: string, answeredAfterMs: number): void {
  const { hub, mechanism } = connection;
  hub.log.warn("a login was refused", { ...who(connection), mechanism, reason, answeredAfterMs });
}

/** @param refused why, if so. */
export function logSecretUpdate(connection: AmqpConnection, reason: string, refused: string | undefined): void {
  const { log } = connection.hub;
  if (refused === undefined) log.info("a client updated its secret", { ...who(connection), reason });
  else log.warn("a client's new secret was refused", { ...who(connection), reason, refused });
}

export function logRefused(connection: AmqpConnection, fault: Fault): void {
  const fields = { ...who(connection), state: connection.state, fault: fault.replyText };
  connection.hub.log.warn("an AMQP connection is refused or ended for a fault", fields);
}

/** @param more what else is known of it. */
export function logChannelRefused(connection: AmqpConnection, channel: number, fault: Fault, more: LogFields): void {
  connection.hub.log.warn("an AMQP channel is closed for a fault", {
    ...who(connection),
    channel,
    ...more,
    fault: fault.replyText,
  });
}

/** @param queues those that have messages for it. */
export function logSlowReader(connection: AmqpConnection, queues: readonly string[], slowMs: number): void {
  const { hub, peer } = connection;
  const fields = { ...who(connection), queues, unsentBytes: peer.unsentBytes, slowMs };
  hub.log.warn("a consumer takes nothing while messages wait for it", fields);
}

export function logReaderRecovered(connection: AmqpConnection, slowMs: number): void {
  connection.hub.log.info("a slow consumer has taken what waited for it", { ...who(connection), slowMs });
}

/** @param short of what the broker is short. */
export function logHeldBack(connection: AmqpConnection, short: string): void {
  connection.hub.log.warn("a producer is held back", { ...who(connection), short });
}

export function logLetGo(connection: AmqpConnection, heldMs: number): void {
  connection.hub.log.info("a producer goes on", { ...who(connection), heldMs });
}

function who({ address, user, vhost, state }: AmqpConnection): LogFields {
  const isIn = state !== "header" && state !== "starting" && state !== "securing";
  return {
    connection: connectionName(address),
    ...(isIn && user !== undefined ? { user: user.name } : {}),
    ...(vhost === "" ? {} : { vhost }),
  };
}
