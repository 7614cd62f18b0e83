/** Kafka's protocol: the adapter. It opens a connection for each peer. */

import type { Protocol } from "../../server/protocol.ts";
import { commands } from "./commands/table.ts";
import { KafkaConnection } from "./connection.ts";
import { KafkaServer, type KafkaServerOptions } from "./server.ts";

/** @returns the protocol, and what its connections share. */
export function createKafka(options: Omit<KafkaServerOptions, "commands">): { kafka: Protocol; server: KafkaServer } {
  const server = new KafkaServer({ ...options, commands });
  return { server, kafka: { name: "kafka", open: (peer) => new KafkaConnection(server, peer) } };
}
