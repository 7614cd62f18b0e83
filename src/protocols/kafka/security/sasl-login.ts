/**
 * A login by SASL on one connection: a handshake that names the mechanism, then its tokens, in requests of their own or, behind
 * a handshake of version 0, bare. When a token is the last one, whoever it proves is judged; a refusal is answered late, the
 * later the more there were from this address, and ends the connection, as in Kafka.
 *
 * Who has logged in may do so again on the same connection (KIP-368), by the same mechanism, and must be the same user. A login
 * that holds for a limited time says so in its answer; clients log in again before it ends.
 */

import type { Identity } from "../../../auth/identity.ts";
import type { LoginOutcome } from "../../../auth/login.ts";
import { Refusal } from "../../../auth/refusal.ts";
import { errorCode } from "../codec/errors.ts";
import type { CallerConnection } from "../command.ts";
import type { KafkaServer } from "../server.ts";
import { beginExchange, invalidCredentials, isSaslMechanism, type SaslExchange } from "./sasl-exchange.ts";

/** What becomes of a token. It is told once, now or later. */
export interface TokenAnswer {
  readonly errorCode: number;
  readonly errorMessage: string;
  readonly authBytes: Buffer;
  readonly sessionLifetimeMs: number;
}

type Answer = (answer: TokenAnswer) => void;

const nothing = Buffer.alloc(0);

/** Mechanisms that are offered. */
export function offeredMechanisms({ settings }: KafkaServer): readonly string[] {
  return settings.saslMechanisms.filter(isSaslMechanism);
}

/** SaslHandshake: an error's code, or NONE: tokens may come. */
export function handshake(server: KafkaServer, connection: CallerConnection, mechanism: string): number {
  const { login } = connection;
  if (login.isUnderWay) return errorCode.ILLEGAL_SASL_STATE;
  if (!offeredMechanisms(server).includes(mechanism)) return errorCode.UNSUPPORTED_SASL_MECHANISM;
  login.isUnderWay = true;
  login.exchange = beginExchange(mechanism, server.authority, server.random);
  return errorCode.NONE;
}

/** The next token of a login that is under way; no request of the connection is handled until it is answered. */
export function takeToken(server: KafkaServer, connection: CallerConnection, token: Buffer, answer: Answer): void {
  const exchange = connection.login.exchange as SaslExchange;
  const before = connection.login.isBySasl ? connection.login.mechanism : exchange.mechanism;
  if (before !== exchange.mechanism) {
    const told = `SASL mechanism '${exchange.mechanism}' requested by client is not supported for re-authentication of mechanism '${before}'`;
    fail(server, connection, { reason: told, name: undefined, told }, answer);
    return;
  }
  const step = exchange.step(token);
  if (step.kind === "more") {
    answer({ errorCode: errorCode.NONE, errorMessage: "", authBytes: step.reply, sessionLifetimeMs: 0 });
    return;
  }
  if (step.kind === "malformed") {
    fail(server, connection, { reason: step.why, name: undefined, told: step.told }, answer);
    return;
  }
  const { remoteAddress, isLoopback } = connection.address;
  const outcome = server.authority.login({ proof: step.proof, remoteAddress, isLoopback, protocol: "kafka" });
  if (!(outcome instanceof Promise)) {
    finish(server, connection, outcome, step.reply, answer);
    return;
  }
  // A token in place of a password, whose key may have to be fetched. The promise never rejects.
  connection.hold();
  void outcome.then((late) => {
    if (connection.isClosed) return;
    finish(server, connection, late, step.reply, answer);
    connection.release();
  });
}

function finish(
  server: KafkaServer,
  connection: CallerConnection,
  outcome: LoginOutcome,
  reply: Buffer,
  answer: Answer,
): void {
  const { login } = connection;
  const { mechanism } = login.exchange as SaslExchange;
  if (outcome instanceof Refusal) {
    const told = invalidCredentials(mechanism, login.isBySasl);
    fail(server, connection, { reason: outcome.reason, name: outcome.name, told }, answer);
    return;
  }
  const before = login.isBySasl ? login.identity : undefined;
  if (before !== undefined && before.name !== outcome.name) {
    const told = `Cannot change principals during re-authentication from User.${before.name}: User.${outcome.name}`;
    fail(server, connection, { reason: told, name: outcome.name, told }, answer);
    return;
  }
  const lifetimeMs = lifetimeOf(server, outcome);
  const told = login.succeed(outcome, mechanism, lifetimeMs);
  if (told !== undefined) {
    fail(server, connection, { reason: told, name: outcome.name, told }, answer);
    return;
  }
  server.penalty.succeeded(connection.address.remoteAddress);
  answer({ errorCode: errorCode.NONE, errorMessage: "", authBytes: reply, sessionLifetimeMs: lifetimeMs });
}

/** How long the login holds, ms; 0: until the connection ends. */
function lifetimeOf({ settings, clock }: KafkaServer, { expiresAtMs }: Identity): number {
  const left = expiresAtMs - clock.now();
  const most = settings.loginMsMax > 0 ? settings.loginMsMax : Infinity;
  const lifetimeMs = Math.min(left, most);
  return lifetimeMs === Infinity ? 0 : Math.max(1, Math.floor(lifetimeMs));
}

/** @param why for the log, and what the client is told. */
function fail(
  server: KafkaServer,
  connection: CallerConnection,
  { reason, name, told }: { reason: string; name: string | undefined; told: string },
  answer: Answer,
): void {
  const { clock, log, penalty } = server;
  const { address, login } = connection;
  const { mechanism } = login.exchange as SaslExchange;
  const answeredAfterMs = penalty.failed(address.remoteAddress, clock.now());
  const from = `${address.remoteAddress}:${address.remotePort}`;
  log.warn("a login was refused", {
    connection: from,
    protocol: "kafka",
    mechanism,
    user: name,
    reason,
    answeredAfterMs,
  });
  connection.hold();
  clock.setTimer(clock.now() + answeredAfterMs, () => {
    if (connection.isClosed) return;
    answer({
      errorCode: errorCode.SASL_AUTHENTICATION_FAILED,
      errorMessage: told,
      authBytes: nothing,
      sessionLifetimeMs: 0,
    });
    connection.end("the login was refused");
  });
}
