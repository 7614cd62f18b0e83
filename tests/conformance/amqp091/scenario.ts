/**
 * A scenario is a sentence about the broker and the conversation that shows it. Running it gives a transcript: lines of
 * what was sent and what came back, with what must differ between runs taken out. The same scenario runs against any
 * server; the transcript that RabbitMQ 3.10 gave is kept in golden/.
 *
 * Names: `t.name('q')` is `q` in the transcript and unlike any other scenario's name on the wire, so that scenarios run
 * side by side and over and over on one server. Whatever was so named is deleted at the end.
 */
import { setTimeout as delay } from "node:timers/promises";
import { handshake, type HandshakeOptions } from "./handshake.ts";
import type { Fields } from "./frames.ts";
import { WireConnection, type WireChannel } from "./wire-client.ts";

export interface Target {
  readonly host: string;
  readonly port: number;
  /** Of the management API, as host:port; undefined: it is not known, and scenarios that need it do not run. */
  readonly management: string | undefined;
}

export interface Scenario {
  readonly family: string;
  readonly name: string;
  readonly run: (t: ScenarioContext) => Promise<void>;
  /** Why this one must not run beside others, if so. */
  readonly alone?: string;
}

export const scenarios: Scenario[] = [];

/** Registers the scenarios of a file: `const scenario = family('queue')`. */
export function family(familyName: string) {
  return (name: string, run: Scenario["run"]): void => {
    const scenario = { family: familyName, name, run };
    if (scenarios.some((s) => goldenPath(s) === goldenPath(scenario))) throw new Error(`twice: ${name}`);
    scenarios.push(scenario);
  };
}

export function goldenPath(scenario: Pick<Scenario, "family" | "name">): string {
  const slug = scenario.name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "");
  return `${scenario.family}/${slug}.txt`;
}

const GENERATED: readonly (readonly [RegExp, string])[] = [
  [/amq\.gen-[\w-]{22}/g, "amq.gen-*"],
  [/amq\.ctag-[\w-]{22}/g, "amq.ctag-*"],
  [/amq\.rabbitmq\.reply-to\.[^\s"']+/g, "amq.rabbitmq.reply-to.*"],
];

export class ScenarioContext {
  readonly target: Target;
  readonly #lines: string[] = [];
  readonly #prefix: string;
  readonly #connections: WireConnection[] = [];
  readonly #names = new Set<string>();
  patienceMs = 5000;

  constructor(target: Target) {
    this.target = target;
    // Always of one length: RabbitMQ cuts its texts at 255 bytes.
    this.#prefix = `${Math.random().toString(36).slice(2, 7).padEnd(5, "0")}.`;
  }

  /** A name of a queue, an exchange or a consumer that no other scenario has. */
  name(text: string): string {
    this.#names.add(text);
    return this.#prefix + text;
  }

  line(text: string): void {
    let shown = text.replaceAll(this.#prefix, "");
    for (const [pattern, replacement] of GENERATED) shown = shown.replaceAll(pattern, replacement);
    this.#lines.push(shown);
  }

  note(text: string): void {
    this.line(`-- ${text}`);
  }

  get transcript(): string {
    return this.#lines.join("\n") + "\n";
  }

  /** A TCP connection on which nothing was said yet. */
  async tcp(): Promise<WireConnection> {
    const label = String.fromCharCode(97 + this.#connections.length);
    const { host, port } = this.target;
    const connection = await WireConnection.open(label, host, port, this);
    this.#connections.push(connection);
    return connection;
  }

  /** A connection that is open, without a line. */
  async connect(options: HandshakeOptions = {}): Promise<WireConnection> {
    const connection = await this.tcp();
    await handshake(connection, options);
    return connection;
  }

  /** A channel on a connection of its own, without a line. */
  async channel(options: HandshakeOptions = {}): Promise<WireChannel> {
    return (await this.connect(options)).channel(1).open();
  }

  /** Declares a queue without a line, and gives its name. */
  async queue(channel: WireChannel, text: string, args: Fields = {}, flags: Fields = {}): Promise<string> {
    const queue = this.name(text);
    const reply = await channel.quiet("queue.declare", { queue, arguments: args, ...flags });
    if (reply.name !== "queue.declare-ok") throw new Error(`queue ${text}: ${reply.line}`);
    return queue;
  }

  /** Declares an exchange without a line, and gives its name. */
  async exchange(channel: WireChannel, text: string, type = "direct", args: Fields = {}): Promise<string> {
    const exchange = this.name(text);
    const reply = await channel.quiet("exchange.declare", { exchange, type, arguments: args });
    if (reply.name !== "exchange.declare-ok") throw new Error(`exchange ${text}: ${reply.line}`);
    return exchange;
  }

  /** Binds without a line. */
  async bind(channel: WireChannel, queue: string, exchange: string, key = "", args: Fields = {}): Promise<void> {
    const reply = await channel.quiet("queue.bind", { queue, exchange, "routing-key": key, arguments: args });
    if (reply.name !== "queue.bind-ok") throw new Error(`binding ${queue}: ${reply.line}`);
  }

  /** For what only the passing of time brings about, such as a queue's expiry. */
  async pass(ms: number): Promise<void> {
    await delay(ms);
  }

  /** Writes what was received but not taken, ends the connections and deletes what was made. */
  async finish(): Promise<void> {
    for (const connection of this.#connections) {
      for (let id = 0; id < 8; id++) await connection.channel(id).drain();
    }
    for (const connection of this.#connections) await connection.end();
    const cleaner = await WireConnection.open("", this.target.host, this.target.port, {
      line: () => {},
      patienceMs: 2000,
    });
    await handshake(cleaner, {});
    const channel = cleaner.channel(1);
    for (const text of this.#names) {
      await channel.quiet("queue.delete", { queue: this.#prefix + text });
      await channel.quiet("exchange.delete", { exchange: this.#prefix + text });
    }
    await cleaner.end();
  }
}

/** Runs a scenario and gives its transcript; a failure of the conversation itself becomes its last line. */
export async function transcriptOf(scenario: Scenario, target: Target): Promise<string> {
  const t = new ScenarioContext(target);
  t.line(`# ${scenario.name}`);
  try {
    await scenario.run(t);
    await t.finish();
  } catch (error) {
    t.line(`!! ${error instanceof Error ? error.message : String(error)}`);
  }
  return t.transcript;
}
