/**
 * The connection class: handshake, secrets, the end.
 *
 * connection.start-ok and secure-ok log in, tune-ok and open follow; close and close-ok end; update-secret is
 * answered. A failed login is answered after a delay that grows per address, and told only to a client that can take
 * it (authentication_failure_close); others see the socket close, as with RabbitMQ. Refused: a method in a state where
 * it makes no sense, limits above those that were offered.
 */

import { readPlain, type Credentials } from "../../../../auth/sasl.ts";
import type { LoginOutcome, Proof } from "../../../../auth/login.ts";
import { Refusal } from "../../../../auth/refusal.ts";
import { putU32 } from "../../../../base/bytes.ts";
import { Malformed } from "../../../../wire/input.ts";
import { textArgument } from "../../model/arguments.ts";
import { protocolOf } from "../codec-parser.ts";
import { writeProtocolHeader } from "../codec.ts";
import type { AmqpConnection } from "../connection.ts";
import { logLoginRefused, logSecretUpdate } from "../connection-log.ts";
import { enter } from "../entry.ts";
import { Fault } from "../../model/errors.ts";
import { decodeTable, fieldValue, type FieldTable } from "../../model/field-table.ts";
import { frameMaxLeastBytes, type Method, type MethodArguments } from "../frames.ts";

/** Answers the eight bytes that a connection begins with; to any other protocol with ours, and a close. */
export function greet(connection: AmqpConnection, buffer: Buffer, start: number): void {
  const protocol = protocolOf(buffer, start);
  if (protocol !== "amqp-0-9-1" && protocol !== "amqp-0-9") {
    writeProtocolHeader(connection.output);
    connection.state = "closed";
    connection.end();
    return;
  }
  connection.state = "starting";
  const mechanisms = ["PLAIN", "AMQPLAIN", "ANONYMOUS"];
  if (connection.address.certificateName !== undefined) mechanisms.push("EXTERNAL");
  connection.send(0, "connection.start", {
    versionMajor: 0,
    versionMinor: 9,
    serverProperties: connection.hub.serverProperties,
    mechanisms: mechanisms.join(" "),
    locales: "en_US",
  });
}

/** What comes on channel 0. */
export function handleOnConnection(connection: AmqpConnection, method: Method): Fault | undefined {
  const { state } = connection;
  switch (method.name) {
    case "connection.start-ok":
      if (state === "starting") return startOk(connection, method.args);
      break;
    case "connection.secure-ok":
      if (state === "securing") return login(connection, Buffer.from(method.args.response));
      break;
    case "connection.tune-ok":
      if (state === "tuning") return tuneOk(connection, method.args);
      break;
    case "connection.open":
      if (state === "opening") return open(connection, method.args);
      break;
    case "connection.close":
      connection.why ??= `the client said ${method.args.replyCode} ${method.args.replyText}`;
      return close(connection);
    case "connection.close-ok":
      if (state === "closed") connection.end();
      if (state === "closed") return undefined;
      break;
    case "connection.update-secret":
      if (state === "running") return updateSecret(connection, method.args);
      break;
    default:
      break;
  }
  return new Fault("channelError", `unexpected method in connection state ${state}`);
}

function startOk(connection: AmqpConnection, args: MethodArguments<"connection.start-ok">): Fault | undefined {
  const capabilities = fieldValue(args.clientProperties, "capabilities");
  const can = (name: string): boolean =>
    capabilities?.type === "F" && fieldValue(capabilities.value, name)?.value === true;
  connection.capabilities.consumerCancelNotify = can("consumer_cancel_notify");
  connection.capabilities.connectionBlocked = can("connection.blocked");
  connection.capabilities.authenticationFailureClose = can("authentication_failure_close");
  connection.mechanism = args.mechanism;
  connection.clientProperties = args.clientProperties;
  connection.state = "securing";
  const hasCertificate = connection.address.certificateName !== undefined;
  if (!["PLAIN", "AMQPLAIN", "ANONYMOUS", ...(hasCertificate ? ["EXTERNAL"] : [])].includes(args.mechanism)) {
    connection.state = "starting";
    return new Fault("commandInvalid", `unknown authentication mechanism '${args.mechanism}'`);
  }
  return login(connection, Buffer.from(args.response));
}

function login(connection: AmqpConnection, response: Buffer): Fault | undefined {
  const { mechanism, address, peer } = connection;
  if (peer.identity !== undefined) return finishLogin(connection, peer.identity);
  const proof = proofOf(connection, response);
  if (proof === undefined) return new Fault("syntaxError", `malformed ${mechanism} response`);
  const { remoteAddress, isLoopback } = address;
  const outcome = connection.hub.authority.login({ proof, remoteAddress, isLoopback, protocol: "amqp091" });
  if (!(outcome instanceof Promise)) return finishLogin(connection, outcome);
  // A token, whose key may have to be fetched. The promise never rejects.
  connection.holdParsing();
  void outcome.then((late) => {
    if (connection.state !== "securing") return;
    finishLogin(connection, late);
    if (!(late instanceof Refusal)) connection.resumeParsing();
  });
  return undefined;
}

/** Undefined if the response cannot be read. */
function proofOf({ mechanism, address }: AmqpConnection, response: Buffer): Proof | undefined {
  if (mechanism === "EXTERNAL") return { kind: "certificate", name: address.certificateName ?? "" };
  if (mechanism === "ANONYMOUS") return { kind: "anonymous" };
  const credentials = mechanism === "PLAIN" ? readPlain(response) : readAmqpPlain(response);
  return credentials && { kind: "password", name: credentials.user, password: credentials.password };
}

function finishLogin(connection: AmqpConnection, outcome: LoginOutcome): undefined {
  const { hub, address } = connection;
  if (outcome instanceof Refusal) {
    hub.events.loginRefused(connection, outcome.name, outcome.reason);
    refuseLogin(connection, outcome.reason);
    return undefined;
  }
  hub.events.loggedIn(connection, outcome.name);
  hub.penalty.succeeded(address.remoteAddress);
  connection.user = outcome;
  connection.state = "tuning";
  const { channelMax, frameMaxBytes, heartbeatSeconds } = hub.settings;
  connection.send(0, "connection.tune", { channelMax, frameMax: frameMaxBytes, heartbeat: heartbeatSeconds });
  return undefined;
}

/** AMQPLAIN: a table without its length, with LOGIN and PASSWORD. */
function readAmqpPlain(response: Buffer): Credentials | undefined {
  const bytes = Buffer.alloc(4 + response.length);
  putU32(bytes, 0, response.length);
  response.copy(bytes, 4);
  const table: FieldTable | Malformed = decodeTable(bytes, 0, bytes.length);
  if (table instanceof Malformed) return undefined;
  const user = textArgument(table, "LOGIN");
  const password = textArgument(table, "PASSWORD");
  return user === undefined || password === undefined ? undefined : { user, password };
}

function refuseLogin(connection: AmqpConnection, reason: string): void {
  const { hub, address, mechanism } = connection;
  const delayMs = hub.penalty.failed(address.remoteAddress, hub.clock.now());
  logLoginRefused(connection, reason, delayMs);
  connection.holdParsing();
  hub.clock.setTimer(hub.clock.now() + delayMs, () => {
    if (connection.state !== "securing") return;
    if (connection.capabilities.authenticationFailureClose) {
      const text = `Login was refused using authentication mechanism ${mechanism}. For details see the broker logfile.`;
      connection.sendClose(new Fault("accessRefused", text), 0, 0);
      connection.resumeParsing();
    } else {
      connection.state = "closed";
      connection.end();
    }
  });
}

function tuneOk(connection: AmqpConnection, args: MethodArguments<"connection.tune-ok">): Fault | undefined {
  const { settings } = connection.hub;
  const fault =
    checkNegotiated("frame_max", args.frameMax, frameMaxLeastBytes, settings.frameMaxBytes) ??
    checkNegotiated("channel_max", args.channelMax, 1, settings.channelMax);
  if (fault !== undefined) {
    connection.refuse(fault, 10, 30);
    return undefined;
  }
  connection.frameMaxBytes = args.frameMax;
  connection.parser.frameMaxBytes = args.frameMax;
  connection.channelMax = args.channelMax;
  connection.heartbeatMs = args.heartbeat * 1000;
  connection.state = "opening";
  return undefined;
}

function checkNegotiated(name: string, value: number, min: number, max: number): Fault | undefined {
  const detail = name === "channel_max" && value === 0 ? " (no limit)" : "";
  const refuse = (than: string, which: string, bound: number): Fault =>
    new Fault(
      "notAllowed",
      `negotiated ${name} = ${value}${detail} is ${than} than the ${which} allowed value (${bound})`,
    );
  if (value !== 0 && value < min) return refuse("lower", "minimum", min);
  if (max !== 0 && (value === 0 || value > max)) return refuse("higher", "maximum", max);
  return undefined;
}

function open(connection: AmqpConnection, args: MethodArguments<"connection.open">): Fault | undefined {
  const vhost = enter(connection.hub.server, connection.user, args.virtualHost);
  if (vhost instanceof Fault) return vhost;
  connection.opened(vhost);
  connection.send(0, "connection.open-ok", { knownHosts: "" });
  return undefined;
}

/** Answered when what the client has published is durable, so that a client that confirms nothing can rely on it. */
function close(connection: AmqpConnection): undefined {
  const wasClosed = connection.state === "closed";
  if (connection.state === "running") connection.state = "closing";
  connection.whenDurable(wasClosed ? 0 : connection.publishedTicket, () => {
    connection.commitWait.answer();
    if (!wasClosed) connection.release();
    connection.state = "closed";
    connection.send(0, "connection.close-ok", {});
    connection.end();
  });
  return undefined;
}

/** A token that ends is taken for another. Who logged in by password stays who they are, whatever they send, as in RabbitMQ. */
function updateSecret(
  connection: AmqpConnection,
  args: MethodArguments<"connection.update-secret">,
): Fault | undefined {
  const { hub, user } = connection;
  const outcome = hub.authority.refresh(user, Buffer.from(args.newSecret).toString("utf8"));
  if (!(outcome instanceof Promise)) return finishUpdate(connection, args.reason, outcome);
  connection.holdParsing();
  // It never rejects.
  void outcome.then((late) => {
    if (connection.state !== "running") return;
    const fault = finishUpdate(connection, args.reason, late);
    if (fault !== undefined) connection.refuse(fault, 10, 70);
    connection.resumeParsing();
  });
  return undefined;
}

function finishUpdate(connection: AmqpConnection, reason: string, outcome: LoginOutcome): Fault | undefined {
  logSecretUpdate(connection, reason, outcome instanceof Refusal ? outcome.reason : undefined);
  if (outcome instanceof Refusal) {
    return new Fault("notAllowed", "New secret was refused by one of the backends");
  }
  connection.user = outcome;
  connection.send(0, "connection.update-secret-ok", {});
  return undefined;
}
