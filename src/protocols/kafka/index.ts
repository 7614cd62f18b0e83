/** Kafka's protocol: the adapter. It opens a connection for each peer. */

import type { Protocol } from "../../server/protocol.ts";
import type { Command } from "./command.ts";
import { commands } from "./commands/table.ts";
import { KafkaConnection } from "./connection.ts";
import { KafkaServer, type KafkaServerOptions } from "./server.ts";

export type KafkaOptions = Omit<KafkaServerOptions, "commands"> & {
  /** What becomes of the commands in a test suite's hands. */
  readonly tried?: ((commands: readonly Command[]) => readonly Command[]) | undefined;
};

/** @returns the protocol, and what its connections share. */
export function createKafka({ tried, ...options }: KafkaOptions): { kafka: Protocol; server: KafkaServer } {
  const server = new KafkaServer({ ...options, commands: tried?.(commands) ?? commands });
  return { server, kafka: { name: "kafka", open: (peer) => new KafkaConnection(server, peer) } };
}
