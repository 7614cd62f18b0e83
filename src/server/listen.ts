/** Listening, for every kind of server. */

import type { AddressInfo, Server } from "node:net";
import type { Logger } from "../observe/log.ts";

export interface ListenAt {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** Connections that the system keeps until they are accepted. */
const backlog = 4096;

/** Where it listens now; rejects with the system's error (EADDRINUSE, EACCES). What fails later is logged. */
export async function listen(server: Server, { host, port }: ListenAt, logger: Logger): Promise<ListenAt> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host, port, backlog }, resolve);
  await promise;
  server.off("error", reject);
  server.on("error", (error) => logger.error("a listener failed", { error }));
  const found = server.address() as AddressInfo;
  return { host: found.address, port: found.port };
}
