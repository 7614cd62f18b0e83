/**
 * May the caller do this: asked by each operation before it looks whether what it names exists, as in RabbitMQ, so that a
 * refusal tells nothing of what there is.
 *
 * The default exchange is `amq.default` to permissions. Routing keys are restricted at exchanges of the type topic only. A
 * publish over AMQP keeps its last answer for as long as user, version and exchange stay the same; everything else asks
 * each time.
 */

import type { Access, Identity, TopicAccess } from "../../../auth/identity.ts";
import type { Exchange, Queue } from "../../../broker/api.ts";
import { exchangeDeclaration } from "./declaration.ts";
import { erlangString, Fault, lockedQueue, resource } from "./errors.ts";
import type { RabbitServer } from "./server.ts";
import type { Vhost } from "./vhosts.ts";

/** Who asks for something to be done in a virtual host: an AMQP connection, or an HTTP request. */
export interface Caller {
  readonly server: RabbitServer;
  readonly user: Identity;
  readonly virtualHost: Vhost;
  /** That it owns, each for as long as the queue is there; undefined: it does not stay, and can own none. */
  readonly exclusiveQueues?: Set<Queue>;
}

/** Why the user may not, if so. */
export function checkAccess(
  caller: Caller,
  access: Access,
  kind: "queue" | "exchange",
  name: string,
): Fault | undefined {
  const vhost = caller.virtualHost.name;
  const known = kind === "exchange" && name === "" ? "amq.default" : name;
  return caller.user.may(access, vhost, known) ? undefined : refusal(caller, resource(kind, known, vhost));
}

/** The same for a routing key at this exchange. */
export function checkTopic(
  caller: Caller,
  access: TopicAccess,
  exchange: Exchange,
  routingKey: string,
): Fault | undefined {
  if (!restrictsKeys(exchange)) return undefined;
  const vhost = caller.virtualHost.name;
  if (caller.user.mayTopic(access, vhost, exchange.name, routingKey)) return undefined;
  return refusal(caller, `topic '${routingKey}' in ${resource("exchange", exchange.name, vhost)}`);
}

export function restrictsKeys(exchange: Exchange): boolean {
  return exchange.settings.kind === "topic" && exchangeDeclaration(exchange).type === "topic";
}

/** An exclusive queue is its connection's alone. */
export function checkOwner(caller: Caller, queue: Queue): Fault | undefined {
  const owner = caller.server.ownerByQueue.get(queue);
  return owner === undefined || owner === caller ? undefined : lockedQueue(queue.name, caller.virtualHost.name);
}

/** The refusal of whatever is done to the exchange that nobody declared. */
export function defaultRefused(): Fault {
  return new Fault("accessRefused", "operation not permitted on the default exchange");
}

function refusal({ user, server }: Caller, what: string): Fault {
  const text = `access to ${what} refused for user '${user.name}'`;
  const nowMs = server.clock.now();
  if (user.expiresAtMs > nowMs) return new Fault("accessRefused", text);
  // Who came by a token stays connected when it ends, and is allowed nothing until the secret is updated.
  const [ended, now] = [user.expiresAtMs, nowMs].map((ms) => Math.floor(ms / 1000));
  const why = erlangString(`Provided JWT token has expired at timestamp ${ended} (validated at ${now})`);
  return new Fault("accessRefused", `${text}, backend rabbit_auth_backend_oauth2 returned an error: ${why}`);
}
