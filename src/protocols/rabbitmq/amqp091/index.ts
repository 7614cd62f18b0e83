/** AMQP 0-9-1 as RabbitMQ speaks it: the adapter. It opens a connection for each peer. */

import type { Protocol } from "../../../server/protocol.ts";
import type { RabbitServer } from "../model/server.ts";
import { AmqpConnection } from "./connection.ts";
import { Hub, type AmqpSettings } from "./hub.ts";
import { ReplyTargets } from "./reply-to.ts";

export function createAmqp(server: RabbitServer, settings: AmqpSettings): Protocol {
  const hub = new Hub({ server, settings, replyTargets: new ReplyTargets() });
  return { name: "amqp", open: (peer) => new AmqpConnection(hub, peer) };
}
