/**
 * The world that one run takes place in: a clock, a disk, and the broker on them, which starts, dies and comes back.
 *
 * The world moves in steps: one completion of the disk, one end of a turn, or some time. Between steps all promises
 * are let run, so that the broker is never seen in the middle of something that it does in one go, and so that the same
 * seed gives the same run.
 */
import { VirtualClock } from "../src/base/clock.ts";
import type { MessageFormat } from "../src/broker/api.ts";
import { openBroker, type RunningCore } from "../src/broker/broker.ts";
import type { CoreSettings } from "../src/broker/core.ts";
import { openDiskLog } from "../src/log/disk-log.ts";
import type { LogFields, Logger } from "../src/observe/log.ts";
import type { Chance } from "./chance.ts";
import { ensure, Violation } from "./cut.ts";
import { SimDisk } from "./sim-disk.ts";

export interface WorldSettings {
  readonly core: Partial<CoreSettings>;
  readonly journalFileBytes: number;
  readonly formats: readonly MessageFormat[];
}

/** Steps that a start may take. */
const bootStepsMax = 100_000;

export class World {
  clock = new VirtualClock();
  disk: SimDisk;
  broker: RunningCore | undefined;
  /** What the broker gave up with. */
  fatal: Error | undefined;
  /** What it reported to the operator. */
  readonly reports: { message: string; fields: LogFields | undefined }[] = [];
  readonly chance: Chance;
  readonly settings: WorldSettings;
  readonly trace: ((line: string) => void) | undefined;
  steps = 0;

  constructor(chance: Chance, settings: WorldSettings, trace: ((line: string) => void) | undefined) {
    this.chance = chance;
    this.settings = settings;
    this.trace = trace;
    this.disk = new SimDisk(undefined, chance.fork());
  }

  /** Starts a broker. undefined: `isDoomed` said so, or it could not start because of a fault: it is dead. */
  async boot(isDoomed: () => boolean): Promise<RunningCore | undefined> {
    this.fatal = undefined;
    this.clock = new VirtualClock(this.clock.now());
    let opened: RunningCore | undefined;
    let failed: Error | undefined;
    void this.#open().then(
      (broker) => (opened = broker),
      (error: Error) => (failed = error),
    );
    for (let step = 0; ; step++) {
      await turnOfPromises();
      if (opened !== undefined || failed !== undefined || this.fatal !== undefined) break;
      ensure(step < bootStepsMax, "a start comes to an end");
      if (isDoomed()) return undefined;
      const one = this.disk.completeOne();
      if (one !== undefined) this.trace?.(`  disk: ${one.what}`);
      else if (this.clock.nextTimerMs() !== undefined) this.clock.advance(1);
      else this.clock.runDeferred();
    }
    if (failed !== undefined && !this.#isExpected(failed)) throw failed;
    this.broker = opened;
    return this.fatal === undefined ? opened : undefined;
  }

  async #open(): Promise<RunningCore> {
    const { journalFileBytes, core, formats } = this.settings;
    const random = this.chance.fork();
    const space = { fileBytesMax: journalFileBytes, aheadBytes: 8192, stepBytes: 4096 };
    const log = await openDiskLog(this.disk, random, space);
    const broker = await openBroker({
      log,
      clock: this.clock,
      random,
      logger: this.#logger(this.disk),
      settings: core,
      formats,
      fatal: (error) => {
        this.fatal ??= error;
      },
    });
    return broker;
  }

  #isExpected(error: Error): boolean {
    return this.disk.faultsDone > 0 && (error as NodeJS.ErrnoException).code === "EIO";
  }

  #logger(disk: SimDisk): Logger {
    const nothing = (): void => undefined;
    return {
      debug: nothing,
      info: nothing,
      warn: nothing,
      error: (message, fields) => {
        if (!disk.isDead) this.reports.push({ message, fields });
        this.trace?.(`  reported: ${message} ${JSON.stringify(fields)}`);
      },
    };
  }

  /** One completion of the disk. False: nothing waits. */
  async completeOne(): Promise<boolean> {
    this.steps++;
    const one = this.disk.completeOne();
    if (one === undefined) return false;
    this.trace?.(`  disk: ${one.what}`);
    await this.#after();
    return true;
  }

  /** The end of a turn of the event loop. */
  async endTurn(): Promise<void> {
    this.steps++;
    this.clock.runDeferred();
    await this.#after();
  }

  async advance(ms: number): Promise<void> {
    this.steps++;
    this.clock.advance(ms);
    await this.#after();
  }

  /** Somebody sets the clock. */
  async jump(ms: number): Promise<void> {
    await this.endTurn();
    this.clock.jumpTo(Math.max(0, this.clock.now() + ms));
  }

  async #after(): Promise<void> {
    await turnOfPromises();
    if (this.fatal === undefined) return;
    const isFault = (this.fatal as NodeJS.ErrnoException).code === "EIO" || this.disk.faultsDone > 0;
    if (!isFault) throw new Violation(`the broker gave up without a reason: ${this.fatal.stack}`);
  }

  /** Completes everything until nothing is left that would happen without time going by. */
  async quiet(observe: () => void): Promise<void> {
    for (let step = 0; ; step++) {
      ensure(step < bootStepsMax, "the broker comes to rest");
      await this.endTurn();
      observe();
      if (this.fatal !== undefined || !(await this.completeOne())) return;
      observe();
    }
  }

  /** A bit of a finished segment flips while nobody looks. Answers whether there was one. */
  async rot(): Promise<boolean> {
    const segments = (await this.disk.list()).filter((name) => name.endsWith(".seg"));
    if (segments.length === 0) return false;
    const name = this.chance.pick(segments);
    const bytes = Buffer.from(this.disk.inner.bytesOf(name));
    const at = this.chance.between(0, bytes.length);
    bytes[at]! ^= 1 << this.chance.between(0, 8);
    this.disk.inner.plant(name, bytes);
    this.trace?.(`a bit flips in ${name} at ${at}`);
    return true;
  }

  /** The process is killed, or the power goes. */
  crash(kind: "power" | "kill"): void {
    this.broker = undefined;
    this.fatal = undefined;
    const chance = this.chance.fork();
    this.disk = kind === "power" ? this.disk.crashed(chance) : this.disk.killed(chance);
    this.clock = new VirtualClock(this.clock.now());
  }
}

/** Lets all promises run. */
export function turnOfPromises(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
