/**
 * A broker with Kafka's protocol on a disk that is memory, which may lose its power between any two things that it does.
 * What clients ask goes byte by byte through the connections; what the disk had synced is found again.
 */
import { Authority, plainAuthSettings } from "../../../auth/authority.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { seededRandom } from "../../../base/random.ts";
import { openBroker, type RunningCore } from "../../../broker/broker.ts";
import { openDiskLog } from "../../../log/disk-log.ts";
import { MemoryDisk } from "../../../log/memory/memory-disk.ts";
import { silentLogger } from "../../../observe/log.ts";
import type { Protocol } from "../../../server/protocol.ts";
import type { Command } from "../command.ts";
import { createKafka } from "../index.ts";
import { KafkaClient, localAddress } from "../kafka-house.suite.ts";
import { batchFormat, recordFormat } from "../mapping/format.ts";
import type { KafkaServer } from "../server.ts";
import { plainKafkaSettings } from "../settings.ts";

/** Turns until an answer must have come. */
const turnsMax = 200;
/** Of the journal, at most. */
export const blockBytes = 1 << 16;

export class CrashHouse {
  clock = new VirtualClock();
  core!: RunningCore;
  protocol!: Protocol;
  server!: KafkaServer;
  #disk: MemoryDisk;
  #seed: number;
  #turns: { list: (() => void)[] } = { list: [] };
  #defer: (run: () => void) => void = () => undefined;

  private constructor(seed: number) {
    this.#seed = seed;
    this.#disk = new MemoryDisk(this.#later());
  }

  static async open(seed: number): Promise<CrashHouse> {
    const house = new CrashHouse(seed);
    await house.#start(house.clock.now());
    return house;
  }

  client(): KafkaClient {
    return new KafkaClient(this, localAddress);
  }

  /** What clients call after each step: here turns are taken one by one. */
  settle(): void {
    return undefined;
  }

  /** Asks, and lets so many turns pass at most. Undefined: no answer has come until then. */
  async ask(client: KafkaClient, command: Command, version: number, body: unknown, turns = turnsMax): Promise<unknown> {
    const id = client.ask(command as never, version, body as never);
    for (let turn = 0; turn < turns; turn++) {
      for (const { correlationId, response } of client.take()) if (correlationId === id) return response;
      await this.turn();
    }
    return undefined;
  }

  /** One turn of the event loop. */
  async turn(): Promise<void> {
    const run = this.#turns.list.shift();
    if (run === undefined) await new Promise((resolve) => setImmediate(resolve));
    else {
      run();
      await Promise.resolve();
    }
  }

  async quiet(): Promise<void> {
    for (let still = 0; still < 3; still++) {
      if (this.#turns.list.length > 0) still = -1;
      await this.turn();
    }
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.clock.now() + ms;
    for (let next = this.clock.nextTimerMs(); next !== undefined && next <= endMs; next = this.clock.nextTimerMs()) {
      this.clock.advance(Math.max(0, next - this.clock.now()));
      await this.quiet();
    }
    this.clock.advance(endMs - this.clock.now());
    await this.quiet();
  }

  /** What is in the topic is on disk alone from now on. */
  async evict(name: string): Promise<void> {
    const checkpoint = { isTaken: false };
    void this.core.checkpoint().then(() => (checkpoint.isTaken = true));
    while (!checkpoint.isTaken) await this.turn();
    for (const queue of this.core.core.queueById.values()) {
      const pages = queue.name === name ? [...queue.partition.pages.values()] : [];
      for (const { base } of pages) queue.partition.evictPage(base);
    }
  }

  /** The power goes, now; when it comes back the clock says `nowMs`. */
  async crash(nowMs = this.clock.now()): Promise<void> {
    this.#disk = this.#disk.crash(seededRandom(this.#seed++), this.#later());
    await this.#start(nowMs);
  }

  /** A list for each start: what the dead broker, and its disk, had still to do is never done. */
  #later(): (run: () => void) => void {
    const turns: { list: (() => void)[] } = { list: [] };
    this.#turns = turns;
    this.#defer = (run) => void turns.list.push(run);
    return this.#defer;
  }

  async #start(nowMs: number): Promise<void> {
    const clock = new VirtualClock(nowMs, this.#defer);
    this.clock = clock;
    const small = { fileBytesMax: 1 << 20, aheadBytes: 1 << 16, stepBytes: 1 << 16 };
    const state: { core?: RunningCore } = {};
    const settings = { bufferBytes: blockBytes, checkpointBytes: 1 << 17 };
    // The disk does what it is asked in turns, and so does not even open before some have been taken.
    const opening = openDiskLog(this.#disk, seededRandom(this.#seed), small)
      .then((log) =>
        openBroker({
          log,
          clock,
          random: seededRandom(this.#seed),
          logger: silentLogger,
          formats: [batchFormat, recordFormat],
          settings,
          fatal: (error) => {
            throw error;
          },
        }),
      )
      .then((core) => (state.core = core));
    while (state.core === undefined) await this.turn();
    this.core = await opening;
    const authority = new Authority({
      store: this.core.definitions,
      clock,
      bytes: (count) => this.core.random.bytes(count),
      logger: silentLogger,
      settings: plainAuthSettings,
    });
    authority.createFirst();
    const { core: broker } = this;
    const parts = { broker, authority, clock, random: broker.random, logger: silentLogger, version: "0.0.0" };
    const { kafka, server } = createKafka({ ...parts, settings: plainKafkaSettings, ports: () => [] });
    this.protocol = kafka;
    this.server = server;
    await this.quiet();
  }
}
