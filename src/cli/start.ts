/**
 * `entrepot start`: starts a broker, says `ready`, and waits to be told to stop. Standard output carries that one line
 * and nothing else, so that a script can wait for it; logs go to standard error.
 *
 * A first SIGTERM or SIGINT stops gracefully, a second one at once: whoever presses Ctrl-C twice means it, and what was
 * acknowledged is on disk either way. SIGHUP reads the files of TLS again, and where there are none does nothing: it is what
 * service managers send for "reload", whatever there is to reload.
 */

import { UnfinishedCheckpoint } from "../base/unfinished-checkpoint.ts";
import type { StartOptions } from "../config/start-options.ts";
import { notifyReady } from "./notify-ready.ts";
import { exitStatus, type Surroundings } from "./surroundings.ts";

export async function start(around: Surroundings, options: StartOptions): Promise<number> {
  const { promise: ended, resolve: end } = Promise.withResolvers<number>();
  const onFailure = (error: Error): void => {
    around.writeError(`entrepot: the broker cannot go on: ${error.stack ?? error.message}\n`);
    end(exitStatus.brokerFailed);
  };
  const starting = around.startBroker({ ...options, env: around.env, logger: "stderr", onFailure });

  let isStopping = false;
  around.onStopSignal(() => {
    if (isStopping) return end(exitStatus.failed);
    isStopping = true;
    starting
      .then((broker) => broker.stop())
      .then(
        () => end(exitStatus.done),
        (error: Error) => {
          const isWhole = error instanceof UnfinishedCheckpoint;
          around.writeError(`entrepot: ${isWhole ? "" : "stopped without an orderly end: "}${error.message}\n`);
          end(isWhole ? exitStatus.done : exitStatus.failed);
        },
      );
  });

  around.onReloadSignal(() => {
    const noBroker = (): void => undefined; // why is said where it is waited for
    starting.then((broker) => void broker.reloadTls(), noBroker);
  });

  const broker = await starting;
  around.writeOut(`ready ${JSON.stringify(broker.addresses)}\n`);
  void notifyReady(around);
  return ended;
}
