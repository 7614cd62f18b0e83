/**
 * Where the parts of a broker are joined: settings, clock, chance, log, core, protocols, listeners. The library's entry and
 * that for test suites make a broker of it each in their way.
 *
 * The broker lives by the clock that was asked for, the network always by the machine's: with a virtual clock, an hour
 * that is passed by saying so must not look to a client like a broker that was silent for an hour.
 */

import { readFileSync } from "node:fs";
import { Alerts } from "./alerts/alerts.ts";
import { readAlerts, type AlertSettings } from "./alerts/rules.ts";
import { systemClock, type Clock } from "./base/clock.ts";
import { UnfinishedCheckpoint } from "./base/unfinished-checkpoint.ts";
import { systemRandom, type Random } from "./base/random.ts";
import { Authority, type AuthSettings } from "./auth/authority.ts";
import { BrokerPorts } from "./broker-ports.ts";
import { openBroker, type RunningCore } from "./broker/broker.ts";
import { authSettings } from "./config/auth-settings.ts";
import { ConfigurationError } from "./config/configuration-error.ts";
import { readDefinitions } from "./config/definitions-files.ts";
import { showAddress } from "./config/kinds.ts";
import type { Settings } from "./config/options.ts";
import type { EffectiveSettings } from "./config/settings.ts";
import { settingLines } from "./config/shown-settings.ts";
import type { StartOptions } from "./config/start-options.ts";
import { openDiskLog } from "./log/disk-log.ts";
import { openNodeDisk } from "./log/file/node-disk.ts";
import type { Log } from "./log/log.ts";
import { createMemoryLog } from "./log/memory/memory-log.ts";
import { lineLogger } from "./observe/line-logger.ts";
import { silentLogger, type Logger } from "./observe/log.ts";
import { postJson } from "./server/http-post.ts";
import type { KafkaSettings } from "./protocols/kafka/settings.ts";
import { createProtocols, messageFormats, protocolFaults, type Protocols } from "./protocols/registry.ts";
import type { Trial } from "./protocols/trial.ts";

/** What a broker is put into. */
export interface Surroundings {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly openData: () => Promise<OpenedLog>;
  readonly onFailure: StartOptions["onFailure"];
  readonly trial?: Trial;
  /** The machine's, if not given. Whoever gives another one gives away what is not to be guessed: in tests alone. */
  readonly random?: Random;
}

export interface OpenedLog {
  readonly log: Log;
  readonly release: () => Promise<void>;
}

/** A broker whose listeners accept. */
export interface Assembled {
  readonly core: RunningCore;
  readonly ports: BrokerPorts;
  readonly protocols: Protocols;
  readonly data: OpenedLog;
  readonly settings: Settings;
  /** Ends what the broker does of itself: alerts, shovels, Kafka's groups. Shovels say goodbye for so long at most. */
  readonly stopOwnWork: (withinMs?: number) => Promise<void>;
}

/** @throws ConfigurationError if an option is wrong; the system's error if a port or the data cannot be had. */
export async function assemble(effective: EffectiveSettings, around: Surroundings): Promise<Assembled> {
  const { values, warnings } = effective;
  const { logger } = around;
  const alertSettings = structuresIn(values);
  const auth = authSettings(values);
  for (const warning of warnings) logger.warn(warning);

  const ports = new BrokerPorts(values, logger);
  const undo: (() => Promise<void>)[] = [() => ports.close()];
  try {
    await ports.readTls();
    await ports.openHttp();
    const data = await around.openData();
    undo.push(data.release);
    const core = await openCore(around, values, data.log, () => ports.failed());
    undo.push(() => core.stop());
    undo.push(() => ports.drain(0));
    const memoryBytes = (): number => process.memoryUsage.rss();
    const alerts = new Alerts({ settings: alertSettings, broker: core, logger, memoryBytes, post: postJson });
    const protocols = protocolsOf(effective, auth, core, around, ports, alerts);
    await importDefinitions(values, protocols);
    await ports.openAll(core, protocols);
    const stopOwnWork = async (withinMs?: number): Promise<void> => {
      alerts.stop();
      protocols.stopKafka();
      await protocols.shovels.stop(withinMs);
    };
    undo.push(stopOwnWork);
    alerts.start();
    protocols.shovels.start();
    // In these words, because who waits for a broker in a container waits for them.
    logger.info("Server startup complete", { ports: ports.open().map(({ name }) => name) });
    return { core, ports, protocols, data, settings: values, stopOwnWork };
  } catch (error) {
    for (const step of undo.toReversed()) await step().catch(() => undefined);
    throw error;
  }
}

/** Judges the options that are structures. @throws ConfigurationError */
function structuresIn(settings: Settings): AlertSettings {
  const alerts = readAlerts(settings.alerts);
  const isWrong = Array.isArray(alerts);
  const faults = [...protocolFaults({ shovels: settings.shovels }), ...(isWrong ? (alerts as string[]) : [])];
  if (faults.length > 0) throw new ConfigurationError(faults);
  return alerts as AlertSettings;
}

/** Where the settings say that it is. */
export async function openData(settings: Settings, clock: Clock): Promise<OpenedLog> {
  if (settings["data.inMemory"]) {
    return { log: createMemoryLog((run) => clock.defer(run)), release: async () => undefined };
  }
  const disk = await openNodeDisk(settings["data.directory"]);
  try {
    const log = await openDiskLog(disk, systemRandom(), { fileBytesMax: settings["journal.fileBytes"] });
    return { log, release: () => disk.unlock() };
  } catch (error) {
    await disk.unlock();
    throw error;
  }
}

async function openCore(
  { clock, logger, onFailure, random = systemRandom() }: Surroundings,
  settings: Settings,
  log: Log,
  failed: () => void,
): Promise<RunningCore> {
  let hasFailed = false;
  const fatal = (error: Error): void => {
    if (hasFailed) return;
    hasFailed = true;
    failed();
    logger.error("the broker cannot go on", { error });
    if (onFailure === undefined) throw error;
    onFailure(error);
  };
  const core = await openBroker({
    log,
    clock,
    random,
    logger,
    fatal,
    settings: {
      checkpointBytes: settings["journal.checkpointBytes"],
      // What is over the mark has to be able to fall below it.
      cacheBytes: Math.min(settings["cache.bytes"], Math.floor(settings["memory.highWatermarkBytes"] / 2)),
      memoryHighBytes: settings["memory.highWatermarkBytes"],
      diskFreeBytesMin: settings["disk.freeBytesMin"],
    },
    formats: messageFormats,
  });
  return core;
}

async function importDefinitions(settings: Settings, protocols: Protocols): Promise<void> {
  const path = settings["definitions.importFile"];
  if (path === null) return;
  const skipIfUnchanged = settings["definitions.skipIfUnchanged"];
  const faults = protocols.importAtStart({ ...(await readDefinitions(path)), skipIfUnchanged });
  if (faults.length > 0) throw new ConfigurationError(faults.map((fault) => `definitions.importFile: ${fault}`));
}

function protocolsOf(
  { values: settings, shown }: EffectiveSettings,
  auth: AuthSettings,
  core: RunningCore,
  { logger, trial }: Surroundings,
  ports: BrokerPorts,
  alerts: Alerts,
): Protocols {
  const random = systemRandom();
  const authority = new Authority({
    store: core.definitions,
    clock: systemClock(),
    bytes: (count) => random.bytes(count),
    logger,
    settings: auth,
  });
  // Definitions bring their own users: a default one beside them would be a door that nobody knows of.
  const fault = settings["definitions.importFile"] === null ? authority.createFirst() : undefined;
  if (fault !== undefined) throw new ConfigurationError([fault]);
  return createProtocols({
    broker: core,
    authority,
    clock: systemClock(),
    logger,
    version: packageVersion(),
    ports: () => ports.open(),
    alerts,
    trial,
    settings: {
      amqp: {
        frameMaxBytes: settings["amqp.frameMaxBytes"],
        channelMax: settings["amqp.channelMax"],
        heartbeatSeconds: settings["amqp.heartbeatSeconds"],
        messageBytesMax: settings["amqp.messageBytesMax"],
        consumerTimeoutMs: settings["amqp.consumerTimeoutMs"],
      },
      kafka: kafkaSettings(settings),
      management: {
        sampleIntervalMs: settings["management.sampleIntervalMs"],
        ratesMode: settings["management.ratesMode"],
        corsOrigins: settings["management.corsOrigins"],
        memoryHighBytes: settings["memory.highWatermarkBytes"],
        diskFreeBytesMin: settings["disk.freeBytesMin"],
        connectionsMax: settings["connections.max"],
        dataDirectory: settings["data.inMemory"] ? "" : settings["data.directory"],
        configFiles: [],
        configuration: settingLines(shown),
      },
      shovels: settings.shovels,
    },
  });
}

function kafkaSettings(settings: Settings): KafkaSettings {
  return {
    namespace: settings["kafka.namespace"],
    requestBytesMax: settings["kafka.requestBytesMax"],
    idleMs: settings["kafka.idleMs"],
    fetchSessionsMax: settings["kafka.fetchSessionsMax"],
    requireSasl: settings["kafka.requireSasl"],
    saslMechanisms: settings["kafka.sasl"],
    advertised: settings["kafka.advertised"],
    nodeId: settings["kafka.nodeId"],
    autoCreateTopics: settings["kafka.autoCreateTopics"],
    partitionsDefault: settings["kafka.partitionsDefault"],
    loginMsMax: settings["kafka.loginMsMax"],
    groups: {
      initialRebalanceDelayMs: settings["kafka.groupInitialRebalanceDelayMs"],
      initialRebalanceQuietMs: settings["kafka.groupInitialRebalanceQuietMs"],
      heartbeatHoldMaxMs: settings["kafka.groupHeartbeatHoldMaxMs"],
      sessionTimeoutMinMs: settings["kafka.groupSessionTimeoutMinMs"],
      sessionTimeoutMaxMs: settings["kafka.groupSessionTimeoutMaxMs"],
      membersMax: settings["kafka.groupMembersMax"],
      offsetsRetentionMs: settings["kafka.offsetsRetentionMs"],
      offsetMetadataMax: settings["kafka.offsetMetadataMax"],
    },
  };
}

/** Stops gracefully, within `shutdown.deadlineMs`. */
export async function stopAssembled({ core, ports, data, settings, stopOwnWork }: Assembled): Promise<void> {
  const clock = systemClock();
  const endMs = clock.elapsedMs() + settings["shutdown.deadlineMs"];
  const leftMs = (): number => Math.max(0, endMs - clock.elapsedMs());
  // Whoever does not answer takes half of what is left, so that there is always some for the disk.
  await stopOwnWork(leftMs() / 2);
  await ports.drain(leftMs() / 2);
  try {
    await stopWithin(core, leftMs());
    await data.release();
  } finally {
    await ports.close();
  }
}

/**
 * Throws when the deadline has passed; the data directory stays locked then, for a write may be under way in it. By then all
 * may be on disk, and only the checkpoint that would shorten the next start is not: that error is an UnfinishedCheckpoint.
 */
async function stopWithin(core: RunningCore, withinMs: number): Promise<void> {
  const clock = systemClock();
  const { promise: cutOff, reject } = Promise.withResolvers<never>();
  const timer = clock.setTimer(clock.now() + withinMs, () => {
    const isDurable = core.durableTicket >= core.ticket;
    core.abandon();
    if (isDurable) reject(new UnfinishedCheckpoint());
    reject(new Error("the disk did not take what was to be written before the deadline; what was confirmed is there"));
  });
  try {
    await Promise.race([core.stop(), cutOff]);
  } finally {
    clock.clearTimer(timer);
  }
}

/** Of several ports of a name, the first one. */
export function openPorts(listeners: BrokerPorts): {
  ports: Record<string, number>;
  addresses: Record<string, string>;
} {
  const ports: Record<string, number> = {};
  const addresses: Record<string, string> = {};
  for (const { name, host, port } of listeners.open()) {
    ports[name] ??= port;
    addresses[name] ??= showAddress({ host, port });
  }
  return { ports, addresses };
}

/** Ready messages of a dead-letter queue go back to where they died. */
export async function redriveIn(core: RunningCore, namespace: string, name: string, countMax: number): Promise<number> {
  const queue = core.namespace(namespace)?.queue(name);
  if (queue === undefined) throw new Error(`redrive: there is no queue ${name}`);
  return core.redrive(queue, countMax);
}

export function loggerFor({ logger = silentLogger }: StartOptions, settings: Settings, clock: Clock): Logger {
  if (logger !== "stderr") return logger;
  return lineLogger({
    level: settings["log.level"],
    format: settings["log.format"],
    clock,
    write: (line) => void process.stderr.write(line),
  });
}

function packageVersion(): string {
  const source = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(source) as { version: string }).version;
}
