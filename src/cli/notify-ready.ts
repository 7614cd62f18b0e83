/**
 * Tells systemd, where it has started this and wants to know, that the broker accepts on all ports. It is one datagram to the
 * socket that NOTIFY_SOCKET names, of a kind that Node cannot send, so `systemd-notify`, which is wherever systemd is, sends it.
 */

import { spawn } from "node:child_process";
import type { Surroundings } from "./surroundings.ts";

/** A service manager that could not be told goes on waiting, which is not worth a broker: it is said, and that is all. */
export async function notifyReady({ env, writeError }: Pick<Surroundings, "env" | "writeError">): Promise<void> {
  if (!env["NOTIFY_SOCKET"]) return;
  const { promise: over, resolve } = Promise.withResolvers<string | undefined>();
  const child = spawn("systemd-notify", ["--ready", "--status=Takes messages"], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  child.on("error", ({ message }) => resolve(message));
  child.on("close", (status, signal) =>
    resolve(status === 0 ? undefined : said.trim() || `it ended with ${signal ?? status}`),
  );
  const failure = await over;
  if (failure !== undefined) {
    writeError(`entrepot: the broker is ready, and systemd was not told: systemd-notify: ${failure}\n`);
  }
}
