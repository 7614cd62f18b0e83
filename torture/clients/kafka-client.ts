/** kafkajs, told to come through the proxy, with sockets that can be taken away from it: a process that is killed. */

import net from "node:net";
import type { Kafka as KafkaClient } from "kafkajs";
import { kafkajs } from "./kafkajs-mended.ts";
import { within } from "./site.ts";

const { Kafka, logLevel } = kafkajs;

/** What a client does by itself before it gives up and its session is over: some seconds. */
export const patience = { retries: 6, initialRetryTime: 100, maxRetryTime: 1500 };
const endWithinMs = 5000;

export interface Sockets {
  /** All are gone at once, and no others come. */
  vanish(): void;
}

export function openKafka(port: number): { readonly kafka: KafkaClient; readonly sockets: Sockets } {
  const open = new Set<net.Socket>();
  let isGone = false;
  const kafka = new Kafka({
    clientId: "torture",
    brokers: [`127.0.0.1:${port}`],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 4000,
    requestTimeout: 10_000,
    retry: patience,
    socketFactory: ({ host, port: at, onConnect }) => {
      const socket = net.connect({ host, port: at, noDelay: true }, onConnect);
      open.add(socket);
      socket.on("close", () => open.delete(socket));
      if (isGone) socket.destroy();
      return socket;
    },
  });
  const vanish = (): void => {
    isGone = true;
    for (const socket of open) socket.destroy();
  };
  return { kafka, sockets: { vanish } };
}

/** Its end, in order if that can be had. */
export async function ended(client: { disconnect(): Promise<void> }, sockets: Sockets): Promise<void> {
  await within(endWithinMs, client.disconnect(), "disconnecting").catch(() => undefined);
  sockets.vanish();
}
