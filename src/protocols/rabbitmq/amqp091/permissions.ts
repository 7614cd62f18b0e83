/**
 * May the connection's user do this: asked by each method before it looks whether what it names exists, as in RabbitMQ, so
 * that a refusal tells nothing of what there is.
 *
 * The default exchange is `amq.default` to permissions. Routing keys are restricted at exchanges of the type topic only. A
 * publish keeps its last answer for as long as user, version and exchange stay the same (publishing.ts); everything else
 * asks each time.
 */

import type { Access, TopicAccess } from "../../../auth/identity.ts";
import type { Exchange } from "../../../broker/api.ts";
import type { AmqpConnection } from "./connection.ts";
import { exchangeDeclaration } from "../model/declaration.ts";
import { erlangString, Fault, resource } from "../model/errors.ts";

/** Why the user may not, if so. */
export function checkAccess(
  connection: AmqpConnection,
  access: Access,
  kind: "queue" | "exchange",
  name: string,
): Fault | undefined {
  const { user, vhost } = connection;
  const known = kind === "exchange" && name === "" ? "amq.default" : name;
  return user.may(access, vhost, known) ? undefined : refusal(connection, resource(kind, known, vhost));
}

/** The same for a routing key at this exchange. */
export function checkTopic(
  connection: AmqpConnection,
  access: TopicAccess,
  exchange: Exchange,
  routingKey: string,
): Fault | undefined {
  if (!restrictsKeys(exchange)) return undefined;
  const { user, vhost } = connection;
  if (user.mayTopic(access, vhost, exchange.name, routingKey)) return undefined;
  return refusal(connection, `topic '${routingKey}' in ${resource("exchange", exchange.name, vhost)}`);
}

export function restrictsKeys(exchange: Exchange): boolean {
  return exchange.settings.kind === "topic" && exchangeDeclaration(exchange).type === "topic";
}

/** What a binding needs: to write to its destination, to read from its source. */
export function checkBinding(
  connection: AmqpConnection,
  kind: "queue" | "exchange",
  destination: string,
  source: string,
  routingKey: string,
): Fault | undefined {
  const exchange = connection.namespace.exchange(source);
  return (
    checkAccess(connection, "write", kind, destination) ??
    checkDefault(kind, destination, source) ??
    checkAccess(connection, "read", "exchange", source) ??
    (exchange === undefined ? undefined : checkTopic(connection, "read", exchange, routingKey))
  );
}

/** The refusal of whatever is done to the exchange that nobody declared. */
export const defaultRefused = "operation not permitted on the default exchange";

function checkDefault(kind: "queue" | "exchange", destination: string, source: string): Fault | undefined {
  const isDefault = source === "" || (kind === "exchange" && destination === "");
  return isDefault ? new Fault("accessRefused", defaultRefused) : undefined;
}

function refusal({ user, hub }: AmqpConnection, what: string): Fault {
  const text = `access to ${what} refused for user '${user.name}'`;
  if (user.expiresAtMs > hub.clock.now()) return new Fault("accessRefused", text);
  // Who came by a token stays connected when it ends, and is allowed nothing until the secret is updated.
  const [ended, now] = [user.expiresAtMs, hub.clock.now()].map((ms) => Math.floor(ms / 1000));
  const why = erlangString(`Provided JWT token has expired at timestamp ${ended} (validated at ${now})`);
  return new Fault("accessRefused", `${text}, backend rabbit_auth_backend_oauth2 returned an error: ${why}`);
}
