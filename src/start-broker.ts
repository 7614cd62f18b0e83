/**
 * The library's entry, and the place where the parts are joined: settings, clock, chance, log, core, protocols, listeners.
 *
 * The broker lives by the clock that was asked for, the network always by the machine's: with a virtual clock, an hour
 * that is passed by saying so must not look to a client like a broker that was silent for an hour.
 */

import { readFileSync } from "node:fs";
import { Alerts } from "./alerts/alerts.ts";
import { readAlerts, type AlertSettings } from "./alerts/rules.ts";
import { systemClock, parseDuration, VirtualClock, type Clock } from "./base/clock.ts";
import { systemRandom } from "./base/random.ts";
import { Authority, type AuthSettings } from "./auth/authority.ts";
import { BrokerPorts } from "./broker-ports.ts";
import { openBroker, type RunningCore } from "./broker/broker.ts";
import { authSettings } from "./config/auth-settings.ts";
import { ConfigurationError } from "./config/configuration-error.ts";
import { readDefinitions } from "./config/definitions-files.ts";
import { showAddress } from "./config/kinds.ts";
import type { Settings } from "./config/options.ts";
import { settingsFor, type EffectiveSettings } from "./config/settings.ts";
import { settingLines } from "./config/shown-settings.ts";
import type { RunningBroker, StartOptions } from "./config/start-options.ts";
import { openDiskLog } from "./log/disk-log.ts";
import { openNodeDisk } from "./log/file/node-disk.ts";
import type { Log } from "./log/log.ts";
import { createMemoryLog } from "./log/memory/memory-log.ts";
import { lineLogger } from "./observe/line-logger.ts";
import { silentLogger, type Logger } from "./observe/log.ts";
import { postJson } from "./server/http-post.ts";
import { createProtocols, messageFormats, protocolFaults, type Protocols } from "./protocols/registry.ts";

export type { RunningBroker, StartOptions } from "./config/start-options.ts";

/**
 * Starts a broker in this process, and gives it back when every listener accepts.
 * @throws ConfigurationError if an option is wrong; the system's error if a port or the data cannot be had.
 */
export async function startBroker(options: StartOptions = {}): Promise<RunningBroker> {
  const effective = await settingsFor(options);
  const { values, warnings } = effective;
  const alertSettings = structuresIn(values);
  const auth = authSettings(values);
  const virtual = options.clock === "virtual" ? new VirtualClock(Date.now(), setImmediate) : undefined;
  const clock: Clock = virtual ?? systemClock();
  const logger = loggerFor(options, values, clock);
  for (const warning of warnings) logger.warn(warning);

  const ports = new BrokerPorts(values, logger);
  const undo: (() => Promise<void>)[] = [() => ports.close()];
  try {
    await ports.readTls();
    await ports.openHttp();
    const data = await openData(values, clock);
    undo.push(data.release);
    const core = await openCore(options, values, data.log, clock, logger, () => ports.failed());
    undo.push(() => core.stop());
    undo.push(() => ports.drain(0));
    const memoryBytes = (): number => process.memoryUsage.rss();
    const alerts = new Alerts({ settings: alertSettings, broker: core, logger, memoryBytes, post: postJson });
    const protocols = protocolsOf(effective, auth, core, logger, ports, alerts);
    await importDefinitions(values, protocols);
    await ports.openAll(core, protocols);
    const stopOwnWork = async (): Promise<void> => {
      alerts.stop();
      protocols.stopKafka();
      await protocols.shovels.stop();
    };
    undo.push(stopOwnWork);
    alerts.start();
    protocols.shovels.start();
    // In these words, because who waits for a broker in a container waits for them.
    logger.info("Server startup complete", { ports: ports.open().map(({ name }) => name) });
    return running(ports, core, data, values, virtual, stopOwnWork);
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

interface Data {
  readonly log: Log;
  readonly release: () => Promise<void>;
}

async function openData(settings: Settings, clock: Clock): Promise<Data> {
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
  options: StartOptions,
  settings: Settings,
  log: Log,
  clock: Clock,
  logger: Logger,
  failed: () => void,
): Promise<RunningCore> {
  let hasFailed = false;
  const fatal = (error: Error): void => {
    if (hasFailed) return;
    hasFailed = true;
    failed();
    logger.error("the broker cannot go on", { error });
    if (options.onFailure === undefined) throw error;
    options.onFailure(error);
  };
  const core = await openBroker({
    log,
    clock,
    random: systemRandom(),
    logger,
    fatal,
    settings: {
      checkpointBytes: settings["journal.checkpointBytes"],
      cacheBytes: settings["cache.bytes"],
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
  logger: Logger,
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
  if (settings["definitions.importFile"] === null) authority.createFirst();
  return createProtocols({
    broker: core,
    authority,
    clock: systemClock(),
    logger,
    version: packageVersion(),
    ports: () => ports.open(),
    alerts,
    settings: {
      amqp: {
        frameMaxBytes: settings["amqp.frameMaxBytes"],
        channelMax: settings["amqp.channelMax"],
        heartbeatSeconds: settings["amqp.heartbeatSeconds"],
        messageBytesMax: settings["amqp.messageBytesMax"],
        consumerTimeoutMs: settings["amqp.consumerTimeoutMs"],
      },
      kafka: {
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
      },
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

function running(
  listeners: BrokerPorts,
  core: RunningCore,
  data: Data,
  settings: Settings,
  virtual: VirtualClock | undefined,
  stopOwnWork: () => Promise<void>,
): RunningBroker {
  const ports: Record<string, number> = {};
  const addresses: Record<string, string> = {};
  for (const { name, host, port } of listeners.open()) {
    // Of several of a name, the first one.
    ports[name] ??= port;
    addresses[name] ??= showAddress({ host, port });
  }
  const stop = async (): Promise<void> => {
    const deadlineMs = settings["shutdown.deadlineMs"];
    const began = systemClock().now();
    await stopOwnWork();
    await listeners.drain(deadlineMs / 2);
    try {
      await stopWithin(core, deadlineMs - (systemClock().now() - began));
      await data.release();
    } finally {
      await listeners.close();
    }
  };
  let stopping: Promise<void> | undefined;
  return {
    ports,
    addresses,
    advance: async (duration) => {
      const ms = typeof duration === "number" ? duration : parseDuration(duration);
      if (virtual === undefined) throw new Error("advance: this broker was not started with a virtual clock");
      if (ms === undefined) throw new Error(`advance: ${duration} is no duration, such as 15m or 1h30m`);
      // Timer by timer: what one sets off (a message that dies into a queue where its time begins) may set the next.
      const endMs = virtual.now() + ms;
      for (
        let nextMs = virtual.nextTimerMs();
        nextMs !== undefined && nextMs <= endMs;
        nextMs = virtual.nextTimerMs()
      ) {
        virtual.advance(Math.max(0, nextMs - virtual.now()));
        await settled(core);
      }
      virtual.advance(endMs - virtual.now());
      await settled(core);
    },
    redrive: async (name, countMax = Infinity) => {
      const queue = core.namespace("/")?.queue(name);
      if (queue === undefined) throw new Error(`redrive: there is no queue ${name}`);
      return core.redrive(queue, countMax);
    },
    reloadTls: listeners.reloadTls,
    stop: () => (stopping ??= stop()),
  };
}

/** Throws when the deadline has passed; the data directory stays locked then, for a write may be under way in it. */
async function stopWithin(core: RunningCore, withinMs: number): Promise<void> {
  const clock = systemClock();
  const { promise: cutOff, reject } = Promise.withResolvers<never>();
  const timer = clock.setTimer(clock.now() + withinMs, () => {
    core.abandon();
    reject(new Error("the disk did not take what was to be written before the deadline; what was confirmed is there"));
  });
  try {
    await Promise.race([core.stop(), cutOff]);
  } finally {
    clock.clearTimer(timer);
  }
}

/** What a passed time set off is durable, and has gone to the sockets. */
async function settled(core: RunningCore): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  await new Promise<void>((resolve) => core.whenDurable(core.ticket, resolve));
  await new Promise<void>((resolve) => setImmediate(resolve));
}

function loggerFor({ logger = silentLogger }: StartOptions, settings: Settings, clock: Clock): Logger {
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
