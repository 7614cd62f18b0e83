/** Queues of every kind, and the exchanges before them. One word names a kind; the name of a queue begins with it. */
import type { ExchangeSettings, QueueSettings } from "../src/broker/api.ts";
import { plainQueueSettings as plain } from "../src/broker/catalog/plain-queue.ts";
import type { Chance } from "./chance.ts";

const toDead = { exchange: "", routingKey: "dead" };

type Kind = (chance: Chance) => Partial<QueueSettings>;

const kinds: Record<string, Kind> = {
  plain: () => ({}),
  rejecting: () => ({ deadLetter: toDead }),
  priority: () => ({ maxPriority: 3 }),
  keyed: () => ({ mode: "keyed" }),
  failover: () => ({ mode: "failover" }),
  ttl: (chance) => ({ ttlMs: chance.pick([0, 50, 1000, 5000]), ...(chance.is(0.7) ? { deadLetter: toDead } : {}) }),
  short: (chance) => ({ maxLength: chance.between(0, 6), ...(chance.is(0.7) ? { deadLetter: toDead } : {}) }),
  small: (chance) => ({ maxLengthBytes: chance.between(50, 3000), deadLetter: toDead }),
  full: (chance) => ({
    maxLength: chance.between(1, 8),
    overflow: chance.pick(["reject-publish", "reject-publish-dead-letter"]),
    deadLetter: toDead,
  }),
  limited: (chance) => ({ deliveryLimit: chance.between(0, 3), ...(chance.is(0.8) ? { deadLetter: toDead } : {}) }),
  retried: (chance) => ({
    retry: {
      on: chance.pick(["all", "failed", "returned"]),
      minMs: 200,
      maxMs: 3000,
      growth: chance.pick(["linear", "exponential"]),
      jitter: chance.pick([0, 0.5]),
    },
    ...(chance.is(0.5) ? { deliveryLimit: 2, deadLetter: toDead } : {}),
    ...(chance.is(0.3) ? { mode: "keyed" } : {}),
    ...(chance.is(0.2) ? { maxPriority: 2 } : {}),
  }),
  careful: (chance) => ({
    deadLetter: { ...toDead, atLeastOnce: true },
    ...(chance.is(0.5) ? { ttlMs: 500 } : {}),
    ...(chance.is(0.5) ? { deliveryLimit: 1 } : {}),
  }),
  fleeting: () => ({ durable: false }),
  dedup: () => ({ dedup: { windowMs: 0, maxIds: 10_000 } }),
  holding: () => ({ dedup: "until-settled" }),
  log: (chance) => ({
    mode: "offset",
    retention: { ...plain.retention, untilSettled: false, maxCount: chance.pick([0, 0, 20]) },
  }),
  history: () => ({ retention: { ...plain.retention, maxAgeMs: 3000 } }),
};

export const kindNames = Object.keys(kinds);

export function settingsOf(kind: string, chance: Chance): QueueSettings {
  return { ...plain, ...kinds[kind]!(chance) };
}

/** Of the queue that all dead letters go to. */
export function deadSettings(chance: Chance): QueueSettings {
  if (chance.is(0.7)) return plain;
  return { ...plain, maxLength: chance.between(1, 10), overflow: chance.pick(["drop-head", "reject-publish"]) };
}

/** It holds what is to come later until its time, also what comes to it through `outer`, which does not. */
export const fanSettings: ExchangeSettings = {
  kind: "fanout",
  durable: true,
  autoDelete: false,
  alternate: undefined,
  hashHeader: undefined,
  hashProperty: undefined,
  delays: true,
  historyLength: 0,
  dedup: undefined,
};

export const outerSettings: ExchangeSettings = { ...fanSettings, delays: false };
