/**
 * One shovel's life: connect to the source, connect to the destination, declare what is to be declared there, consume; and after
 * a failure of anything, give both connections up, wait, and begin anew. What moves messages meanwhile is in forwarding.ts.
 *
 *     starting ---> running ---> terminated (reason) --- reconnect-delay ---> starting
 *         `------------------------^
 *
 * The queue at the destination is declared before the source is consumed, and each attempt has its own connections, so that
 * numbers of deliveries and of publishes begin at one together.
 */

import type { Clock, TimerHandle } from "../../../base/clock.ts";
import type { Logger } from "../../../observe/log.ts";
import type { FieldTable } from "../model/field-table.ts";
import type { Client } from "./client.ts";
import { ServerRefusal } from "./client.ts";
import type { ShovelPlan } from "./definition.ts";
import { connectToOne, type Attempt, type Ends, type ShovelEnd } from "./ends.ts";
import { HeadChanges } from "./forward-headers.ts";
import { Forwarding } from "./forwarding.ts";

export interface ShovelIdentity {
  readonly name: string;
  /** Undefined: it is static. */
  readonly vhost: string | undefined;
}

export type ShovelState =
  | { readonly kind: "starting" }
  | {
      readonly kind: "running";
      readonly source: ShovelEnd;
      readonly destination: ShovelEnd;
      readonly forwarding: Forwarding;
    }
  | { readonly kind: "terminated"; readonly reason: string };

export interface ShovelOptions {
  readonly identity: ShovelIdentity;
  readonly plan: ShovelPlan;
  readonly ends: Ends;
  readonly logger: Logger;
  readonly clusterName: () => string;
  /** It came into another state. */
  readonly changed: (shovel: Shovel) => void;
  /** As many messages as wanted were moved: the shovel is over, its definition to be deleted. */
  readonly finished: () => void;
}

/** How long a goodbye may take. */
const closeMs = 2000;
/** How long what is on its way is waited for before a goodbye. */
const onItsWayMs = 3000;
const onItsWayShare = onItsWayMs / (onItsWayMs + closeMs);
const notFound = 404;

class OneAttempt implements Attempt {
  isOver = false;
  readonly #runs: (() => void)[] = [];

  onOver(run: () => void): void {
    if (this.isOver) run();
    else this.#runs.push(run);
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    for (const run of this.#runs) run();
  }
}

export class Shovel {
  readonly identity: ShovelIdentity;
  readonly plan: ShovelPlan;
  readonly #options: ShovelOptions;
  readonly #clock: Clock;
  #state: ShovelState = { kind: "starting" };
  #changedAtMs: number;
  #attempt: OneAttempt | undefined;
  #retry: TimerHandle | undefined;
  #stopping: Promise<void> | undefined;
  /** The server's, as soon as it is known. */
  #consumerTag: string | undefined;
  /** Ends the wait for what is on its way. */
  #waitOver: (() => void) | undefined;

  constructor(options: ShovelOptions) {
    this.identity = options.identity;
    this.plan = options.plan;
    this.#options = options;
    this.#clock = options.ends.clock;
    this.#changedAtMs = this.#clock.now();
  }

  get state(): ShovelState {
    return this.#state;
  }

  /** When it came into its state, ms since 1970. */
  get changedAtMs(): number {
    return this.#changedAtMs;
  }

  start(): void {
    if (this.#stopping !== undefined || this.#attempt !== undefined) return;
    const attempt = new OneAttempt();
    this.#attempt = attempt;
    this.#enter({ kind: "starting" });
    this.#log("info", "a shovel connects");
    void this.#run(attempt).catch((error: unknown) => this.#failed(attempt, reasonOf(error)));
  }

  /**
   * Takes no more, waits for what is on its way, for a while, and says goodbye to both sides; what has not been confirmed by
   * then goes back to the source. Answers when it is over.
   * @param withinMs if it is to be over sooner than it may take by itself.
   */
  stop(withinMs = Infinity): Promise<void> {
    return (this.#stopping ??= this.#stop(withinMs));
  }

  async #stop(withinMs: number): Promise<void> {
    if (this.#retry !== undefined) this.#clock.clearTimer(this.#retry);
    this.#retry = undefined;
    const state = this.#state;
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (state.kind === "running") {
      const waitMs = Math.min(onItsWayMs, withinMs * onItsWayShare);
      await this.#waitForWhatIsOnItsWay(state.source.client, state.forwarding, waitMs);
      const goodbyeMs = Math.min(closeMs, withinMs * (1 - onItsWayShare));
      await Promise.all([state.source, state.destination].map((end) => goodbye(end, this.#clock, goodbyeMs)));
    }
    attempt?.end();
  }

  #waitForWhatIsOnItsWay(source: Client, forwarding: Forwarding, waitMs: number): Promise<void> {
    const consumerTag = this.#consumerTag;
    if (consumerTag === undefined || forwarding.remainingCount === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(this.#clock.now() + waitMs, () => this.#waitOver?.());
      this.#waitOver = (): void => {
        this.#waitOver = undefined;
        this.#clock.clearTimer(timer);
        resolve();
      };
      // What stands before the answer was delivered, and is moved: without acknowledgements it would be lost.
      source.call(1, "basic.cancel", { consumerTag, noWait: false }, ["basic.cancel-ok"]).then(
        () => forwarding.whenSettled(() => this.#waitOver?.()),
        () => this.#waitOver?.(),
      );
    });
  }

  async #run(attempt: OneAttempt): Promise<void> {
    const { source, destination } = this.plan;
    const from = await this.#connect(attempt, source.uris, "source");
    const to = await this.#connect(attempt, destination.uris, "destination");
    const topology = async <T>(setUp: () => Promise<T>): Promise<T> => {
      try {
        return await setUp();
      } catch (error) {
        throw new Error(`failed to set up topology: ${reasonOf(error)}`, { cause: error });
      }
    };
    await topology(() => this.#setUpDestination(to.client));
    const queue = await topology(() => this.#setUpSource(from.client));
    const messagesMax = await topology(() => this.#messagesMax(from.client, queue));
    if (attempt.isOver) return;
    const finished = (): void => this.#finished(attempt);
    if (messagesMax === 0) return finished();
    const changes = new HeadChanges(destination, this.#trail(from, to), () => this.#clock.now());
    const forwarding = new Forwarding(from.client, to.client, this.plan, changes, messagesMax, this.#clock, finished);
    attempt.onOver(() => forwarding.close());
    to.client.reader = forwarding.destinationReader;
    from.client.reader = forwarding.sourceReader;
    this.#enter({ kind: "running", source: from, destination: to, forwarding });
    await topology(() => this.#consume(from.client, queue));
    this.#log("info", "a shovel runs", { source: from.uri, destination: to.uri });
  }

  async #connect(attempt: OneAttempt, uris: readonly string[], side: "source" | "destination"): Promise<ShovelEnd> {
    const name = `Shovel ${this.identity.name}`;
    try {
      return await connectToOne(
        this.#options.ends,
        uris,
        name,
        attempt,
        (error) => this.#failed(attempt, `the ${side} connection ended: ${reasonOf(error)}`),
        (uri, error) => {
          if (!attempt.isOver) this.#log("warn", "a shovel could not connect", { side, uri, reason: reasonOf(error) });
        },
      );
    } catch {
      throw new Error(`failed to connect to ${side}`);
    }
  }

  async #setUpDestination(client: Client): Promise<void> {
    const { queue, queueArguments, isPredeclared } = this.plan.destination;
    if (queue !== undefined) await ensureQueue(client, queue, queueArguments, isPredeclared);
    if (this.plan.ackMode === "on-confirm") {
      await client.call(1, "confirm.select", { noWait: false }, ["confirm.select-ok"]);
    }
  }

  /** The queue to be consumed. */
  async #setUpSource(client: Client): Promise<string> {
    const { queue, queueArguments, isPredeclared, exchange, exchangeKey, prefetchCount } = this.plan.source;
    let consumed = queue;
    if (consumed === undefined) {
      consumed = await declareQueue(client, 1, { queue: "", isExclusive: true, arguments: [] });
      const binding = { queue: consumed, exchange: exchange ?? "", routingKey: exchangeKey };
      await client.call(1, "queue.bind", { ticket: 0, ...binding, noWait: false, arguments: [] }, ["queue.bind-ok"]);
    } else {
      await ensureQueue(client, consumed, queueArguments, isPredeclared);
    }
    if (this.plan.ackMode !== "no-ack") {
      await client.call(1, "basic.qos", { prefetchSize: 0, prefetchCount, global: false }, ["basic.qos-ok"]);
    }
    return consumed;
  }

  async #messagesMax(client: Client, queue: string): Promise<number> {
    const { deleteAfter } = this.plan.source;
    if (deleteAfter === "never") return Infinity;
    if (deleteAfter !== "queue-length") return deleteAfter;
    const declared = await client.call(1, "queue.declare", passive(queue), ["queue.declare-ok"]);
    return declared.name === "queue.declare-ok" ? declared.args.messageCount : 0;
  }

  async #consume(client: Client, queue: string): Promise<void> {
    const { consumerTag, consumerArguments } = this.plan.source;
    const flags = { noLocal: false, noAck: this.plan.ackMode === "no-ack", exclusive: false, noWait: false };
    const args = { ticket: 0, queue, consumerTag, ...flags, arguments: consumerArguments };
    const answer = await client.call(1, "basic.consume", args, ["basic.consume-ok"]);
    if (answer.name === "basic.consume-ok") this.#consumerTag = answer.args.consumerTag;
  }

  /** What it says of itself in a message that it moved, in RabbitMQ's order. */
  #trail(source: ShovelEnd, destination: ShovelEnd): (readonly [string, string])[] {
    const { name, vhost } = this.identity;
    const { source: wanted, destination: aim } = this.plan;
    const trail: (readonly [string, string | undefined])[] = [
      ["shovelled-by", this.#options.clusterName()],
      ["shovel-type", vhost === undefined ? "static" : "dynamic"],
      ["shovel-name", name],
      ["shovel-vhost", vhost],
      ["src-uri", source.uri],
      ["dest-uri", destination.uri],
      ["src-exchange", wanted.exchange],
      ["src-exchange-key", wanted.exchange === undefined ? undefined : wanted.exchangeKey],
      ["src-queue", wanted.queue],
      ["dest-exchange", aim.exchange],
      ["dest-exchange-key", aim.exchangeKey],
      ["dest-queue", aim.queue],
    ];
    return trail.filter((hop): hop is readonly [string, string] => hop[1] !== undefined);
  }

  #failed(attempt: OneAttempt, reason: string): void {
    if (attempt !== this.#attempt || attempt.isOver) {
      this.#waitOver?.();
      return;
    }
    this.#attempt = undefined;
    this.#consumerTag = undefined;
    attempt.end();
    this.#enter({ kind: "terminated", reason });
    const { reconnectMs } = this.plan;
    this.#log("warn", "a shovel failed", { reason, ...(reconnectMs > 0 && { triesAgainInMs: reconnectMs }) });
    if (reconnectMs === 0) return;
    this.#retry = this.#clock.setTimer(this.#clock.now() + reconnectMs, () => this.start());
  }

  #finished(attempt: OneAttempt): void {
    if (attempt !== this.#attempt || attempt.isOver) return;
    const reason = "a shovel has moved as many messages as it was to";
    this.#log("info", reason);
    // Its last acknowledgements go out with the goodbye.
    void this.stop();
    // A dynamic one goes with its definition, another one stays to be seen.
    if (this.identity.vhost === undefined) this.#enter({ kind: "terminated", reason });
    this.#options.finished();
  }

  #enter(state: ShovelState): void {
    this.#state = state;
    this.#changedAtMs = this.#clock.now();
    this.#options.changed(this);
  }

  #log(level: "info" | "warn", sentence: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const { name, vhost } = this.identity;
    this.#options.logger[level](sentence, { shovel: name, ...(vhost !== undefined && { vhost }), ...fields });
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof ServerRefusal) return `${error.code} ${error.text}`;
  // An attempt at several addresses of a host has no message of its own.
  const { message, code } = error as Error & { code?: string };
  return message === "" ? (code ?? "unknown") : message;
}

function goodbye({ client }: ShovelEnd, clock: Clock, withinMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(clock.now() + withinMs, () => client.abandon(new Error("no answer to a goodbye")));
    client.close(() => {
      clock.clearTimer(timer);
      resolve();
    });
  });
}

interface QueueWish {
  readonly queue: string;
  readonly isExclusive: boolean;
  readonly arguments: FieldTable;
}

function passive(queue: string) {
  const flags = { passive: true, durable: false, exclusive: false, autoDelete: false, noWait: false };
  return { ticket: 0, queue, ...flags, arguments: [] };
}

async function declareQueue(client: Client, channel: number, wish: QueueWish): Promise<string> {
  const { queue, isExclusive } = wish;
  const flags = { passive: false, durable: !isExclusive, exclusive: isExclusive, autoDelete: false, noWait: false };
  const args = { ticket: 0, queue, ...flags, arguments: wish.arguments };
  const declared = await client.call(channel, "queue.declare", args, ["queue.declare-ok"]);
  return declared.name === "queue.declare-ok" ? declared.args.queue : queue;
}

/** A queue that is there is taken as it is, whatever its arguments; asked on channels of their own, which a refusal closes. */
async function ensureQueue(client: Client, queue: string, args: FieldTable, isPredeclared: boolean): Promise<void> {
  await client.openChannel(2);
  try {
    await client.call(2, "queue.declare", passive(queue), ["queue.declare-ok"]);
  } catch (error) {
    if (isPredeclared || !(error instanceof ServerRefusal) || error.code !== notFound) throw error;
    await client.openChannel(2);
    await declareQueue(client, 2, { queue, isExclusive: false, arguments: args });
  }
  const closing = { replyCode: 200, replyText: "Goodbye", classId: 0, methodId: 0 };
  await client.call(2, "channel.close", closing, ["channel.close-ok"]);
}
