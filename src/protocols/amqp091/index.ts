/**
 * AMQP 0-9-1 as RabbitMQ speaks it: the adapter. Sees to the exchanges that each virtual
 * host has from the start, and opens a connection for each peer.
 */

import type { Namespace } from "../../broker/api.ts";
import type { Protocol } from "../../server/protocol.ts";
import { must } from "../../base/assert.ts";
import { AmqpConnection } from "./connection.ts";
import { keptForm } from "./declaration.ts";
import { exchangeSettings, firstExchanges } from "./declare-exchange.ts";
import { defaultVhost, Hub, type HubOptions } from "./hub.ts";
import { ReplyTargets } from "./reply-to.ts";

export function createAmqp(options: Omit<HubOptions, "replyTargets">): Protocol {
  const { broker } = options;
  createFirstExchanges(must(broker.namespace(defaultVhost), "there is a default namespace"));
  const hub = new Hub({ ...options, replyTargets: new ReplyTargets() });
  return { name: "amqp", open: (peer) => new AmqpConnection(hub, peer) };
}

function createFirstExchanges(namespace: Namespace): void {
  for (const { name, type, internal } of firstExchanges) {
    if (namespace.exchange(name) !== undefined) continue;
    const flags = { type, durable: true, autoDelete: false, internal };
    namespace.createExchange(name, exchangeSettings(flags, []), keptForm({ type, internal, arguments: [] }));
  }
}
