/**
 * Looks at everything every few seconds and notes what has changed, so that rates and histories can be told.
 *
 * Counters are plain numbers of whoever counts; nobody tells the sampler anything. A pass walks over queues, exchanges,
 * connections and channels in slices, each in a turn of its own, so that it never holds up messages for longer than a slice
 * takes (256 objects: some tenths of a ms). The totals come out of the same walk. Samples carry the time at which their
 * pass was due, a whole multiple of the interval, as RabbitMQ's do.
 *
 * Memory: see series.ts. What is gone is forgotten at the end of the next pass.
 */

import type { Clock, TimerHandle } from "../../../../base/clock.ts";
import type { Namespace } from "../../../../broker/api.ts";
import type { RabbitServer } from "../../model/server.ts";
import { Churn } from "./churn.ts";
import {
  channelMeasures,
  churnMeasures,
  connectionMeasures,
  exchangeMeasures,
  nodeMeasures,
  queueMeasures,
  readChannel,
  readExchange,
  readQueue,
  totalMeasures,
} from "./measures.ts";
import { SampleView, type Passes } from "./rates.ts";
import { LongSeries, Series, type SampleSpace } from "./series.ts";
import { Departed, Totals } from "./totals.ts";

export interface SamplerOptions {
  readonly server: RabbitServer;
  readonly clock: Clock;
  readonly intervalMs: number;
  /** `none`: nothing is sampled, there are totals but no rates. */
  readonly ratesMode: "basic" | "none";
  /** Fills in what the node's measures are now. */
  readonly readNode: (to: Float64Array) => void;
}

const sliceObjects = 256;
/** Up to so many objects, totals are summed up when asked for; above, those of the last pass are told. */
const freshObjectsMax = 4_000;
const rowsMin = 16;
/** Ten minutes, at a pass each five seconds. */
const rowsMax = 128;
/** For samples beyond `rowsMin` of an object, all together. */
const longBytesMax = 8_000_000;

interface Watched {
  readonly series: Series;
  pass: number;
}

export class Sampler {
  readonly churn: Churn;
  readonly ratesMode: "basic" | "none";
  readonly intervalMs: number;
  readonly #server: RabbitServer;
  readonly #clock: Clock;
  readonly #readNode: (to: Float64Array) => void;
  readonly #departed = new Departed();
  readonly #watched = new Map<object, Watched>();
  readonly #vhostSeries = new Map<string, LongSeries>();
  #long: LongSamples;
  readonly #nodeValues = new Float64Array(nodeMeasures.columns);
  readonly #space: SampleSpace = longSpace();
  readonly #scratch = {
    queue: new Float64Array(queueMeasures.columns),
    exchange: new Float64Array(exchangeMeasures.columns),
    connection: new Float64Array(connectionMeasures.columns),
    channel: new Float64Array(channelMeasures.columns),
  };
  #passes: Passes = { lastMs: 0, beforeMs: 0 };
  #totals: Totals;
  #pass = 0;
  /** What is first seen in this pass or before was there already, and has not come in its interval. */
  #baselinePass = 1;
  #isForgetful = false;
  #timer: TimerHandle | undefined;
  #isStopped = false;

  constructor(options: SamplerOptions) {
    this.#server = options.server;
    this.#clock = options.clock;
    this.#readNode = options.readNode;
    this.intervalMs = options.intervalMs;
    this.ratesMode = options.ratesMode;
    this.churn = new Churn(this.#departed);
    this.#long = longSamples(options.intervalMs);
    this.#totals = new Totals(this.#departed);
    this.#server.live.observe(this.churn);
    for (const namespace of this.#server.broker.namespaces()) this.churn.watch(namespace);
  }

  /** Begins with a pass, and goes on with one each interval. */
  start(): void {
    this.#run();
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
  }

  /** Samples of the past are gone, and rates begin anew. Counters go on: what counts must not fall. */
  forget(): void {
    for (const { series } of this.#watched.values()) series.drop();
    this.#watched.clear();
    this.#vhostSeries.clear();
    this.#long = longSamples(this.intervalMs);
    this.#passes = { lastMs: 0, beforeMs: 0 };
    // One may be under way, and past a part of what there is.
    this.#baselinePass = this.#pass + 1;
    this.#isForgetful = true;
  }

  get passes(): Passes {
    return this.#passes;
  }

  /** Of a queue, an exchange, a connection or a channel. */
  viewOf(object: object): SampleView {
    return new SampleView(this.#watched.get(object)?.series, this.#passes);
  }

  viewOfVhost(name: string): SampleView {
    return new SampleView(this.#vhostSeries.get(name), this.#passes);
  }

  get viewOfAll(): SampleView {
    return new SampleView(this.#long.all, this.#passes);
  }

  get viewOfChurn(): SampleView {
    return new SampleView(this.#long.churn, this.#passes);
  }

  get viewOfNode(): SampleView {
    return new SampleView(this.#long.node, this.#passes);
  }

  /** Of the last pass. */
  get lastTotals(): Totals {
    return this.#totals;
  }

  /** Of this moment, or where that would take long, of the last pass. */
  totals(): Totals {
    const { objects } = this.#counted();
    if (objects > freshObjectsMax && this.#pass > 0) return this.#totals;
    const totals = new Totals(this.#departed);
    const steps = this.#walk(totals, undefined);
    while (steps.next().done !== true);
    return totals;
  }

  #counted(): { readonly objects: number } {
    const { queues, exchanges, connections, channels } = this.#totals;
    return { objects: Math.max(queues + exchanges + connections + channels, this.#server.live.count) };
  }

  #run(): void {
    const atMs = Math.floor(this.#clock.now() / this.intervalMs) * this.intervalMs;
    const totals = new Totals(this.#departed);
    // Somebody has set the clock back: what was noted is of a time that is still to come.
    if (atMs < this.#passes.lastMs) this.forget();
    this.#pass++;
    const steps = this.#walk(totals, atMs);
    const slice = (): void => {
      if (this.#isStopped) return;
      if (steps.next().done === true) this.#finish(atMs, totals);
      else this.#clock.defer(slice);
    };
    slice();
  }

  #finish(atMs: number, totals: Totals): void {
    this.#totals = totals;
    const { vhosts } = this.#server;
    this.#departed.forgetVhosts((name) => vhosts.find(name) !== undefined);
    if (this.ratesMode === "basic") {
      this.#recordTotals(atMs, totals);
      this.#forgetGone();
    }
    if (atMs > this.#passes.lastMs) this.#passes = { lastMs: atMs, beforeMs: this.#passes.lastMs };
    const dueMs = (Math.floor(this.#clock.now() / this.intervalMs) + 1) * this.intervalMs;
    this.#timer = this.#clock.setTimer(dueMs, () => this.#run());
  }

  #recordTotals(atMs: number, totals: Totals): void {
    this.#readNode(this.#nodeValues);
    this.#recordLong(this.#long.all, atMs, totals.sums);
    this.#recordLong(this.#long.churn, atMs, this.churn.counts);
    this.#recordLong(this.#long.node, atMs, this.#nodeValues);
    for (const [name, { sums }] of totals.byVhost) {
      let series = this.#vhostSeries.get(name);
      if (series === undefined) this.#vhostSeries.set(name, (series = new LongSeries(sums.length, this.intervalMs)));
      this.#recordLong(series, atMs, sums);
    }
    this.#isForgetful = false;
  }

  /** Who was told to forget does not take all that was ever counted for what came since. */
  #recordLong(series: LongSeries, atMs: number, values: Float64Array): void {
    if (this.#isForgetful) series.record(0, values);
    series.record(atMs, values);
  }

  /**
   * Adds everything to `totals`, and notes samples unless `asked` is undefined; yields after each slice. The walks below
   * allocate nothing an object: what they left for the collector cost more than they did.
   */
  *#walk(totals: Totals, asked: number | undefined): Generator<void> {
    const atMs = this.ratesMode === "none" ? undefined : asked;
    for (const namespace of this.#server.broker.namespaces()) {
      this.churn.watch(namespace);
      totals.addNamespace(namespace);
      yield* this.#walkNamespace(namespace, totals, atMs);
    }
    const { connection: traffic, channel: channelValues } = this.#scratch;
    let left = sliceObjects;
    for (const connection of this.#server.live.all()) {
      const counters = connection.traffic;
      totals.addConnection(connection, counters);
      traffic[0] = counters.receivedBytes;
      traffic[1] = counters.sentBytes;
      if (atMs !== undefined) this.#note(connection, atMs, traffic);
      for (const channel of connection.channels()) {
        readChannel(channel, channelValues);
        totals.addChannel(connection.vhost, channel, channelValues);
        if (atMs !== undefined) this.#note(channel, atMs, channelValues);
        left--;
      }
      if (--left > 0) continue;
      left = sliceObjects;
      yield;
    }
  }

  *#walkNamespace(namespace: Namespace, totals: Totals, atMs: number | undefined): Generator<void> {
    const { queue: queueValues, exchange: exchangeValues } = this.#scratch;
    let left = sliceObjects;
    for (const queue of namespace.queues()) {
      readQueue(queue, queueValues);
      totals.addQueue(queue, queueValues);
      if (atMs !== undefined) this.#note(queue, atMs, queueValues);
      if (--left > 0) continue;
      left = sliceObjects;
      yield;
    }
    for (const exchange of namespace.exchanges()) {
      totals.addExchange(namespace.name);
      readExchange(exchange, exchangeValues);
      if (atMs !== undefined) this.#note(exchange, atMs, exchangeValues);
      if (--left > 0) continue;
      left = sliceObjects;
      yield;
    }
  }

  #note(object: object, atMs: number, values: Float64Array): void {
    let watched = this.#watched.get(object);
    if (watched === undefined) {
      watched = { series: new Series(values.length, rowsMin, rowsMax, this.#space), pass: this.#pass };
      this.#watched.set(object, watched);
      if (this.#pass <= this.#baselinePass) watched.series.record(0, values);
    }
    watched.pass = this.#pass;
    watched.series.record(atMs, values);
  }

  #forgetGone(): void {
    for (const [object, watched] of this.#watched) {
      if (watched.pass === this.#pass) continue;
      watched.series.drop();
      this.#watched.delete(object);
    }
    for (const name of this.#vhostSeries.keys()) if (!this.#totals.byVhost.has(name)) this.#vhostSeries.delete(name);
  }
}

/** Of what spans many objects. */
interface LongSamples {
  readonly all: LongSeries;
  readonly churn: LongSeries;
  readonly node: LongSeries;
}

function longSamples(intervalMs: number): LongSamples {
  return {
    all: new LongSeries(totalMeasures.columns, intervalMs),
    churn: new LongSeries(churnMeasures.columns, intervalMs),
    node: new LongSeries(nodeMeasures.columns, intervalMs),
  };
}

function longSpace(): SampleSpace {
  let used = 0;
  return {
    take(bytes) {
      if (used + bytes > longBytesMax) return false;
      used += bytes;
      return true;
    },
    give(bytes) {
      used -= bytes;
    },
  };
}
