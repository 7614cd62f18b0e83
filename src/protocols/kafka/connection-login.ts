/**
 * Who a connection is. Without SASL it is who its certificate says, or the anonymous user, from the first request on that is
 * more than a question for versions; with SASL, who logged in last. Who may not enter the namespace of the topics is nobody.
 */

import type { Identity } from "../../auth/identity.ts";
import { Refusal } from "../../auth/refusal.ts";
import type { PeerAddress } from "../../server/protocol.ts";
import type { KafkaServer } from "./server.ts";

export class ConnectionLogin {
  readonly #server: KafkaServer;
  readonly #address: PeerAddress;
  readonly #letIn: () => void;
  #identity: Identity | undefined;
  #endsAtMs = Infinity;
  /** By which `identity` was found: a SASL mechanism's name, `EXTERNAL`, `ANONYMOUS`. */
  mechanism = "";
  /** SASL has begun: until it is done, only its own commands are taken. */
  isUnderWay = false;
  /** What the mechanism keeps between its steps. */
  exchange: unknown;
  /** SaslHandshake v0 was answered: what comes are bare tokens, for this one. */
  takeToken: ((token: Buffer) => void) | undefined;

  constructor(server: KafkaServer, address: PeerAddress, letIn: () => void) {
    this.#server = server;
    this.#address = address;
    this.#letIn = letIn;
  }

  /** Undefined: nobody, yet. */
  get identity(): Identity | undefined {
    return this.#identity;
  }

  /** Somebody has logged in by SASL: again is the same one. */
  get isBySasl(): boolean {
    return this.#identity !== undefined && this.mechanism !== "EXTERNAL" && this.mechanism !== "ANONYMOUS";
  }

  /** The time of the login is up: it is to be made again before anything else. */
  get isOver(): boolean {
    return this.#endsAtMs !== Infinity && this.#server.clock.now() >= this.#endsAtMs;
  }

  /**
   * A login came to its end. Undefined: it counts; a text says why it does not.
   * @param lifetimeMs how long it holds; 0: as long as the connection.
   */
  succeed(identity: Identity, mechanism: string, lifetimeMs = 0): string | undefined {
    const { settings, mayConnect, connectionCountOf } = this.#server;
    const { name, connectionsMax } = identity;
    if (!identity.mayEnter(settings.namespace)) return `user '${name}' may not enter '${settings.namespace}'`;
    const isNew = this.#identity?.name !== name;
    if (isNew && connectionsMax >= 0 && connectionCountOf(name) >= connectionsMax)
      return `user '${name}' may have ${connectionsMax} connections`;
    // Who is in already was counted.
    if (this.#identity === undefined && !mayConnect())
      return `the limit of connections to '${settings.namespace}' is reached`;
    this.#identity = identity;
    this.#endsAtMs = lifetimeMs > 0 ? this.#server.clock.now() + lifetimeMs : Infinity;
    this.mechanism = mechanism;
    this.isUnderWay = false;
    this.exchange = undefined;
    this.takeToken = undefined;
    this.#letIn();
    return undefined;
  }

  /** Who asks without SASL; a text says why nobody may. */
  withoutSasl(): Identity | string {
    if (this.isOver) return "its login is over, and it has not logged in again";
    const { authority, settings } = this.#server;
    if (settings.requireSasl) return "it has not logged in";
    const { certificateName, remoteAddress, isLoopback } = this.#address;
    const proof =
      certificateName === undefined
        ? ({ kind: "anonymous" } as const)
        : ({ kind: "certificate", name: certificateName } as const);
    const outcome = authority.login({ proof, remoteAddress, isLoopback, protocol: "kafka" });
    if (outcome instanceof Promise) return "it has not logged in";
    if (outcome instanceof Refusal) return outcome.reason;
    return this.succeed(outcome, certificateName === undefined ? "ANONYMOUS" : "EXTERNAL") ?? outcome;
  }
}
