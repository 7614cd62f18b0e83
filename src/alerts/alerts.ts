/**
 * Alerts: every few seconds each rule looks at its figure, of each queue that it names or of the broker.
 *
 *     (nothing) --past the threshold--> pending --for as long as it takes--> firing --back past `clear`--> (nothing)
 *
 * Targets are told when an alert begins to fire and when it is over; the end of a queue ends its alerts. A round looks at a few
 * hundred queues a turn of the event loop, so that ten thousand of them hold up no message. Kept are only those alerts that
 * are pending or firing, and for each queue which rules are for it. It goes by the broker's clock.
 *
 * Nothing is stored: after a restart an alert that still holds fires anew.
 */

import type { Broker, Queue } from "../broker/api.ts";
import type { TimerHandle } from "../base/clock.ts";
import type { Logger } from "../observe/log.ts";
import {
  logTarget,
  queueMetrics,
  type AlertSettings,
  type BrokerMetric,
  type QueueMetric,
  type Rule,
} from "./rules.ts";
import { Webhook, type Post } from "./webhook.ts";

export interface Alert {
  readonly rule: Rule;
  /** Undefined: it is of the broker. */
  readonly queue: Queue | undefined;
  readonly state: "pending" | "firing";
  /** The figure when it was looked at last. */
  readonly value: number;
  /** Since when it is past the threshold, ms since 1970. */
  readonly sinceMs: number;
  /** Since when it fires; undefined: it is pending. */
  readonly firedAtMs: number | undefined;
}

interface OpenAlert extends Alert {
  state: Alert["state"];
  value: number;
  firedAtMs: number | undefined;
  /** When it was looked at last: of one whose queue has gone it stays behind. */
  round: number;
}

interface DeathCount {
  readonly deaths: number;
  readonly atMs: number;
  readonly round: number;
  readonly rate: number | undefined;
}

/** What a target is told, as a webhook gets it. */
export interface AlertNotice {
  readonly status: "firing" | "resolved";
  readonly rule: string;
  readonly severity: Rule["severity"];
  readonly metric: Rule["metric"];
  readonly value: number;
  readonly threshold: number;
  readonly clear: number;
  /** Absent: it is of the broker. */
  readonly namespace?: string;
  readonly queue?: string;
  /** ISO 8601. */
  readonly startsAt: string;
  readonly endsAt?: string;
  readonly broker: string;
}

export interface AlertsOptions {
  readonly settings: AlertSettings;
  readonly broker: Broker;
  readonly logger: Logger;
  /** That the process uses. */
  readonly memoryBytes: () => number;
  readonly post: Post;
}

/** Queues that are looked at in one turn. */
const sliceMax = 250;

export class Alerts {
  readonly #options: AlertsOptions;
  readonly #queueRules: readonly Rule[];
  readonly #brokerRules: readonly Rule[];
  readonly #rulesByQueue = new WeakMap<Queue, readonly Rule[]>();
  readonly #deathsByQueue = new WeakMap<Queue, DeathCount>();
  readonly #openByRule = new Map<Rule, Map<Queue | undefined, OpenAlert>>();
  readonly #webhookByName = new Map<string, Webhook>();
  #round = 0;
  #timer: TimerHandle | undefined;
  #isRunning = false;

  constructor(options: AlertsOptions) {
    const { settings, broker, logger, post } = options;
    this.#options = options;
    this.#queueRules = settings.rules.filter(({ metric }) => (queueMetrics as readonly string[]).includes(metric));
    this.#brokerRules = settings.rules.filter((rule) => !this.#queueRules.includes(rule));
    for (const rule of settings.rules) this.#openByRule.set(rule, new Map());
    for (const target of settings.webhooks) {
      this.#webhookByName.set(target.name, new Webhook({ target, clock: broker.clock, logger, post }));
    }
  }

  start(): void {
    if (this.#isRunning || this.#options.settings.rules.length === 0) return;
    this.#isRunning = true;
    this.#setTimer();
  }

  /** Looks at nothing any more, and sends nothing any more. */
  stop(): void {
    this.#isRunning = false;
    if (this.#timer !== undefined) this.#options.broker.clock.clearTimer(this.#timer);
    for (const webhook of this.#webhookByName.values()) webhook.stop();
  }

  /** Those that are pending or firing, in the order of the rules. */
  *open(): Iterable<Alert> {
    for (const alerts of this.#openByRule.values()) yield* alerts.values();
  }

  get rules(): readonly Rule[] {
    return this.#options.settings.rules;
  }

  /** How many alerts of a rule are firing: 0 says that it is watched, and well. */
  firingCount(rule: Rule): number {
    let count = 0;
    for (const { state } of this.#openByRule.get(rule)?.values() ?? []) if (state === "firing") count++;
    return count;
  }

  #setTimer(): void {
    const { clock } = this.#options.broker;
    this.#timer = clock.setTimer(clock.now() + this.#options.settings.everyMs, () => this.#look());
  }

  #look(): void {
    this.#round++;
    const { broker } = this.#options;
    for (const rule of this.#brokerRules) this.#judge(rule, undefined, this.#brokerFigure(rule.metric as BrokerMetric));
    const queues = this.#queueRules.length === 0 ? [][Symbol.iterator]() : allQueues(broker);
    const slice = (): void => {
      if (!this.#isRunning) return;
      for (let n = 0; n < sliceMax; n++) {
        const { value: queue, done } = queues.next();
        if (done === true) return this.#endRound();
        this.#lookAt(queue);
      }
      broker.clock.defer(slice);
    };
    slice();
  }

  #lookAt(queue: Queue): void {
    if (queue.isDeleted) return;
    for (const rule of this.#rulesOf(queue)) this.#judge(rule, queue, this.#figure(rule.metric as QueueMetric, queue));
  }

  /** Ends the alerts of queues that have gone, and waits for the next round. */
  #endRound(): void {
    for (const alerts of this.#openByRule.values()) {
      for (const alert of alerts.values()) if (alert.round !== this.#round) this.#close(alert);
    }
    this.#setTimer();
  }

  #rulesOf(queue: Queue): readonly Rule[] {
    let rules = this.#rulesByQueue.get(queue);
    if (rules === undefined) {
      rules = this.#queueRules.filter(
        (rule) => (rule.queue?.matches(queue.name) ?? true) && (rule.namespace?.matches(queue.namespace.name) ?? true),
      );
      this.#rulesByQueue.set(queue, rules);
    }
    return rules;
  }

  /** Undefined: it is not known just now. */
  #figure(metric: QueueMetric, queue: Queue): number | undefined {
    switch (metric) {
      case "depth":
        return queue.readyCount;
      case "unacked":
        return queue.leasedCount;
      case "consumers":
        return queue.consumerCount;
      case "oldestAge": {
        if (waitingCount(queue) === 0) return 0;
        const oldestMs = queue.oldestReadyMs;
        return oldestMs === undefined ? undefined : Math.max(0, this.#options.broker.clock.now() - oldestMs);
      }
      case "deadLetterRate":
        return this.#deathRate(queue);
    }
  }

  /** Between two rounds; of several rules that ask in one round, all get the same. */
  #deathRate(queue: Queue): number | undefined {
    const { expired, rejected, overflowed, deliveryLimited } = queue.counters;
    const deaths = expired + rejected + overflowed + deliveryLimited;
    const atMs = this.#options.broker.clock.now();
    const before = this.#deathsByQueue.get(queue);
    if (before !== undefined && before.round === this.#round) return before.rate;
    const rate =
      before === undefined || atMs <= before.atMs
        ? undefined
        : ((deaths - before.deaths) * 1000) / (atMs - before.atMs);
    this.#deathsByQueue.set(queue, { deaths, atMs, round: this.#round, rate });
    return rate;
  }

  #brokerFigure(metric: BrokerMetric): number | undefined {
    const { broker, memoryBytes } = this.#options;
    switch (metric) {
      case "memory":
        return memoryBytes();
      case "diskFree":
        return broker.statistics.diskFreeBytes;
      case "memoryAlarm":
        return Number(broker.pressure.memory);
      case "diskAlarm":
        return Number(broker.pressure.disk);
    }
  }

  #judge(rule: Rule, queue: Queue | undefined, value: number | undefined): void {
    const alerts = this.#openByRule.get(rule)!;
    const alert = alerts.get(queue);
    if (alert !== undefined) alert.round = this.#round;
    if (value === undefined) return;
    const nowMs = this.#options.broker.clock.now();
    const limit = alert?.state === "firing" ? rule.clear : rule.threshold;
    const isPast = rule.isAbove ? value > limit : value < limit;
    if (!isPast) {
      if (alert !== undefined) this.#close({ ...alert, value });
      return;
    }
    const open: OpenAlert = alert ?? {
      rule,
      queue,
      state: "pending",
      value,
      sinceMs: nowMs,
      firedAtMs: undefined,
      round: this.#round,
    };
    open.value = value;
    alerts.set(queue, open);
    if (open.state === "firing" || nowMs - open.sinceMs < rule.forMs) return;
    open.state = "firing";
    open.firedAtMs = nowMs;
    this.#tell(open, "firing");
  }

  #close(alert: Alert): void {
    this.#openByRule.get(alert.rule)!.delete(alert.queue);
    if (alert.state === "firing") this.#tell(alert, "resolved");
  }

  #tell(alert: Alert, status: AlertNotice["status"]): void {
    const notice = this.#notice(alert, status);
    for (const name of alert.rule.targets) {
      if (name === logTarget) this.#log(notice);
      else this.#webhookByName.get(name)?.send(notice);
    }
  }

  #notice({ rule, queue, value, sinceMs }: Alert, status: AlertNotice["status"]): AlertNotice {
    const { broker } = this.#options;
    return {
      status,
      rule: rule.name,
      severity: rule.severity,
      metric: rule.metric,
      value,
      threshold: rule.threshold,
      clear: rule.clear,
      ...(queue !== undefined && { namespace: queue.namespace.name, queue: queue.name }),
      startsAt: new Date(sinceMs).toISOString(),
      ...(status === "resolved" && { endsAt: new Date(broker.clock.now()).toISOString() }),
      broker: broker.id,
    };
  }

  #log({ status, rule, severity, metric, value, threshold, namespace, queue }: AlertNotice): void {
    const { logger } = this.#options;
    const fields = { rule, severity, metric, value, threshold, ...(queue !== undefined && { namespace, queue }) };
    if (status === "resolved") logger.info("an alert is over", fields);
    else logger[severity === "critical" ? "error" : severity === "warning" ? "warn" : "info"]("an alert fires", fields);
  }
}

function* allQueues(broker: Broker): Generator<Queue, undefined> {
  for (const namespace of [...broker.namespaces()]) yield* [...namespace.queues()];
}

/** Messages that wait for a consumer; what a log holds beside them is history. */
function waitingCount(queue: Queue): number {
  if (queue.settings.mode !== "offset") return queue.readyCount;
  let count = 0;
  for (const name of queue.subscriptionNames()) count += queue.namedSubscription(name)!.readyCount;
  return count;
}
