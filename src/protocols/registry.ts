/** The protocols that exist: one line each. The name is that of `--listen NAME=HOST:PORT`. */

import type { Clock } from "../base/clock.ts";
import type { Users } from "../auth/users.ts";
import type { Broker, MessageFormat } from "../broker/api.ts";
import type { Logger } from "../observe/log.ts";
import type { Protocol } from "../server/protocol.ts";
import { amqpFormat } from "./rabbitmq/model/format.ts";
import type { AmqpSettings } from "./rabbitmq/amqp091/hub.ts";
import { RabbitServer } from "./rabbitmq/model/server.ts";
import { createAmqp } from "./rabbitmq/amqp091/index.ts";

/** What protocols are made of. */
export interface ProtocolParts {
  readonly broker: Broker;
  readonly users: Users;
  /** The machine's clock, for the network: it goes on when the broker's stands still. */
  readonly clock: Clock;
  readonly logger: Logger;
  readonly version: string;
  readonly settings: { readonly amqp: AmqpSettings };
}

/** Of all protocols: whatever listens, the core must understand what it has stored. */
export const messageFormats: readonly MessageFormat[] = [amqpFormat];

export const protocolByName = {
  amqp: (parts: ProtocolParts): Protocol => createAmqp(new RabbitServer(parts), parts.settings.amqp),
} as const;

export type ProtocolName = keyof typeof protocolByName;
