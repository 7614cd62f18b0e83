/** Statistics over a broker whose clock, disk and connections are the test's. */

import { emptyPublication, type Publication } from "../../../../broker/api.ts";
import { amqpFormat } from "../../model/format.ts";
import type { RabbitServer } from "../../model/server.ts";
import { ChannelCounters, type LiveChannel, type LiveConnection } from "../../model/live.ts";
import { ModelHouse } from "../../model/model-house.suite.ts";
import { Stats, type StatsOptions } from "./stats.ts";

export interface StatsHouse {
  readonly house: ModelHouse;
  readonly server: RabbitServer;
  readonly stats: Stats;
  /** To the queue of this name. */
  publish(queue: string, body: string): void;
  /** Passes the time, and lets the passes of the sampler end. */
  advance(ms: number): Promise<void>;
}

export async function openStatsHouse(options: Partial<StatsOptions> = {}): Promise<StatsHouse> {
  const house = await ModelHouse.open();
  const stats = new Stats(house.server, {
    sampleIntervalMs: 5000,
    ratesMode: "basic",
    memoryHighBytes: 1_000_000_000,
    diskFreeBytesMin: 50_000_000,
    connectionsMax: 100,
    dataDirectory: "/data",
    configFiles: [],
    probe: () => ({
      pid: 42,
      processors: 2,
      residentBytes: 90_000_000,
      heapUsedBytes: 30_000_000,
      heapTotalBytes: 40_000_000,
      externalBytes: 20_000_000,
      openFiles: 17,
      openFilesMax: 1024,
      contextSwitches: 5,
      fileReads: 3,
      cpuSeconds: 1.5,
    }),
    loopDelay: {
      read: () => ({ meanMs: 1, p50Ms: 1, p99Ms: 2, maxMs: 3 }),
      reset: () => undefined,
      stop: () => undefined,
    },
    ...options,
  });
  const advance = async (ms: number): Promise<void> => {
    for (let leftMs = ms; leftMs >= 0; leftMs -= 5000) {
      house.clock.advance(Math.min(leftMs, 5000));
      // A slice a turn: as many turns as any test here has slices.
      for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
    }
  };
  return { house, server: house.server, stats, advance, publish: (queue, body) => publish(house, queue, body) };
}

/** An AMQP message without properties. */
const noProperties = Buffer.from([0, 0]);

function publish(house: ModelHouse, queue: string, body: string): void {
  const { namespace } = house.server.vhosts.find("/")!;
  const publication: Publication = {
    ...emptyPublication(namespace.exchange("")!),
    format: amqpFormat.id,
    durable: true,
    routingKey: queue,
    head: noProperties,
    headEnd: noProperties.length,
    body: Buffer.from(body),
    bodyEnd: Buffer.byteLength(body),
  };
  namespace.publish(publication, { routed: 0, refused: false, ticket: 0 });
}

export interface TestChannel extends LiveChannel {
  readonly counters: ChannelCounters;
}

export interface TestConnection extends LiveConnection {
  readonly channel: TestChannel;
  readonly traffic: { receivedBytes: number; receivedPackets: number; sentBytes: number; sentPackets: number };
}

/** A connection with one channel, whose counters the test raises. */
export function testConnection(port: number, vhost = "/", user = "guest"): TestConnection {
  const channel: TestChannel = {
    number: 1,
    state: "running",
    prefetchCount: 10,
    globalPrefetchCount: 0,
    isConfirming: true,
    isTransactional: false,
    unacknowledgedCount: 0,
    unconfirmedCount: 0,
    uncommittedCount: 0,
    uncommittedAckCount: 0,
    consumerCount: 0,
    idleSinceMs: 0,
    counters: new ChannelCounters(),
    consumers: () => [],
  };
  return {
    channel,
    name: `127.0.0.1:${port} -> 127.0.0.1:5672`,
    protocol: "AMQP 0-9-1",
    state: "running",
    user,
    vhost,
    address: {
      remoteAddress: "127.0.0.1",
      remotePort: port,
      localAddress: "127.0.0.1",
      localPort: 5672,
      isLoopback: true,
      isTls: false,
      certificateName: undefined,
    },
    mechanism: "PLAIN",
    clientProperties: [{ name: "connection_name", value: { type: "S", value: "orders" } }],
    channelMax: 2047,
    frameMaxBytes: 131_072,
    heartbeatSeconds: 60,
    connectedAtMs: 1_700_000_000_000,
    unsentBytes: 0,
    channelCount: 1,
    traffic: { receivedBytes: 0, receivedPackets: 0, sentBytes: 0, sentPackets: 0 },
    channels: () => [channel],
    owns: () => false,
    close: () => undefined,
  };
}
