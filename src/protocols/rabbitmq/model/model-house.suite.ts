/** A broker with the model of the RabbitMQ family over it and no protocol, on a disk that is memory: tests crash it. */

import { Authority, plainAuthSettings } from "../../../auth/authority.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { seededRandom } from "../../../base/random.ts";
import type { ExchangeSettings, Queue } from "../../../broker/api.ts";
import { openBroker, type RunningCore } from "../../../broker/broker.ts";
import { openDiskLog } from "../../../log/disk-log.ts";
import { MemoryDisk } from "../../../log/memory/memory-disk.ts";
import { silentLogger } from "../../../observe/log.ts";
import { keptForm, type QueueDeclaration } from "./declaration.ts";
import { exchangeSettings } from "./declare-exchange.ts";
import { queueSettings, queueType } from "./declare-queue.ts";
import { amqpFormat } from "./format.ts";
import { tableOfJson } from "./json-table.ts";
import { RabbitServer } from "./server.ts";

export class ModelHouse {
  readonly #disk: MemoryDisk;
  readonly clock: VirtualClock;
  readonly core: RunningCore;
  readonly server: RabbitServer;

  private constructor(disk: MemoryDisk, clock: VirtualClock, core: RunningCore) {
    this.#disk = disk;
    this.clock = clock;
    this.core = core;
    const random = seededRandom(3);
    const authority = new Authority({
      store: core.definitions,
      clock,
      bytes: (count) => random.bytes(count),
      logger: silentLogger,
      settings: plainAuthSettings,
    });
    authority.createFirst();
    this.server = new RabbitServer({ broker: core, authority, clock, logger: silentLogger, version: "0.0.0" });
  }

  static async open(disk = new MemoryDisk()): Promise<ModelHouse> {
    const clock = new VirtualClock(1_700_000_000_000, setImmediate);
    const random = seededRandom(7);
    const core = await openBroker({
      log: await openDiskLog(disk, random, { fileBytesMax: 16_777_216 }),
      clock,
      random,
      logger: silentLogger,
      formats: [amqpFormat],
      fatal: (error) => {
        throw error;
      },
    });
    return new ModelHouse(disk, clock, core);
  }

  /** All that was done is durable. */
  async durable(): Promise<void> {
    await new Promise<void>((resolve) => this.core.whenDurable(this.core.ticket, resolve));
  }

  /** The power goes, and comes back: what was not synced is lost. */
  async crash(): Promise<ModelHouse> {
    this.core.abandon();
    return ModelHouse.open(this.#disk.crash(seededRandom(11)));
  }

  /** As a client would, which has no permissions to be asked for. */
  declare(name: string, args: Record<string, unknown> = {}, vhost = "/"): Queue {
    const table = tableOfJson(args)!;
    const declaration: QueueDeclaration = {
      type: queueType(table),
      durable: true,
      autoDelete: false,
      exclusive: false,
      arguments: table,
    };
    const { namespace } = this.server.vhosts.find(vhost)!;
    return namespace.createQueue(name, queueSettings(declaration), keptForm(declaration));
  }

  declareExchange(name: string, args: Record<string, unknown> = {}, vhost = "/"): void {
    const table = tableOfJson(args)!;
    const flags = { type: "direct", durable: true, autoDelete: false, internal: false };
    const kept = keptForm({ type: "direct", internal: false, arguments: table });
    this.server.vhosts.find(vhost)!.namespace.createExchange(name, exchangeSettings(flags, table), kept);
  }

  alternateOf(name: string): ExchangeSettings["alternate"] {
    return this.server.vhosts.find("/")!.namespace.exchange(name)!.settings.alternate;
  }

  queue(name: string): Queue {
    return this.server.vhosts.find("/")!.namespace.queue(name)!;
  }
}
