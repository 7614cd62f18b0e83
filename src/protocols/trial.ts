/**
 * Where a test suite may stand between the broker and its clients: the seams at which the broker of `entrepot/testing` puts
 * itself in. A broker in production has no trial, and then each seam is a comparison when a connection or a channel is
 * opened, or a request's commands are listed: nothing is asked for a message.
 *
 * Rejected: to ask at each message whether something is to go wrong. That would cost everybody what few want, and would put
 * words of tests into the code of each protocol.
 */

import type { Broker, Namespace, Session } from "../broker/api.ts";
import type { Protocol } from "../server/protocol.ts";
import type { Command } from "./kafka/command.ts";
import type { LiveConnection } from "./rabbitmq/model/live.ts";

export interface Trial {
  /** Opens the protocol's connections through itself. */
  protocol(protocol: Protocol): Protocol;
  /** Through what a connection publishes. */
  namespace(namespace: Namespace, by: LiveConnection): Namespace;
  /** Through what a channel of the connection consumes and settles. */
  session(session: Session, by: LiveConnection): Session;
  /** What Kafka's clients may ask. */
  commands(commands: readonly Command[]): readonly Command[];
  /** What Kafka's protocol sees of the broker, in the namespace. */
  brokerFor(broker: Broker, namespace: string): Broker;
}
