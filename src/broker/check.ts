/**
 * What a log holds, without a broker: the state that a start would find is built in memory, counted and dropped. No time
 * passes in it, so nothing expires, no timer fires and nothing is delivered; the log is one that takes nothing.
 */
import { VirtualClock } from "../base/clock.ts";
import { seededRandom } from "../base/random.ts";
import type { Damage, Log } from "../log/log.ts";
import { silentLogger } from "../observe/log.ts";
import { defaultCoreSettings } from "./broker.ts";
import type { NamespaceState } from "./catalog/namespace-state.ts";
import { Core } from "./core.ts";
import { recover } from "./durability/recovery.ts";

/** What is there for a start to find. */
export interface DataContents {
  readonly namespaces: readonly NamespaceContents[];
  /** Users, policies and the like: how many of each kind. */
  readonly definitions: Readonly<Record<string, number>>;
}

export interface NamespaceContents {
  readonly name: string;
  readonly exchanges: number;
  readonly bindings: number;
  /** Messages that wait in an exchange for their time. */
  readonly delayed: number;
  readonly queues: readonly QueueContents[];
}

export interface QueueContents {
  readonly name: string;
  readonly isLog: boolean;
  /** Ready, or delivered and not settled; of a log: all. */
  readonly messages: number;
  /** Messages that wait for their time. */
  readonly scheduled: number;
  /** About: what was settled since the last checkpoint may count still. */
  readonly bytes: number;
}

/**
 * `nowMs`: what the time is; `onLeftOut` is told of what is sound and would be left out with what is not. Rejects if the log can not
 * be made sense of.
 */
export async function contentsOf(
  log: Log,
  nowMs: number,
  onLeftOut: (found: readonly Damage[]) => void,
): Promise<DataContents> {
  const failure: { error?: Error } = {};
  const core = new Core({
    log,
    clock: new VirtualClock(nowMs),
    random: seededRandom(1),
    logger: silentLogger,
    settings: defaultCoreSettings,
    fatal: (error) => void (failure.error ??= error),
  });
  onLeftOut((await recover(core)).leftOut);
  if (failure.error !== undefined) throw failure.error;
  const definitions = Array.from(core.definitions, ([kind, values]) => [kind, values.size] as const);
  return {
    namespaces: Array.from(core.namespaceByName.values(), namespaceContents),
    definitions: Object.fromEntries(definitions),
  };
}

function namespaceContents(namespace: NamespaceState): NamespaceContents {
  const { name, exchangeByName, queueByName } = namespace;
  let bindings = 0;
  for (const exchange of exchangeByName.keys()) bindings += [...namespace.bindingsFrom(exchange)].length;
  return {
    name,
    // The one that every namespace has is nobody's.
    exchanges: exchangeByName.size - 1,
    bindings,
    delayed: namespace.delayedCount,
    queues: Array.from(queueByName.values(), (queue) => ({
      name: queue.name,
      isLog: queue.subscription === undefined,
      messages: queue.readyCount,
      scheduled: queue.scheduledCount,
      bytes: queue.readyBytes,
    })),
  };
}
